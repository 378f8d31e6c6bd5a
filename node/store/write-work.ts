/**
 * What the thread that writes a store does: rows and runs as it is told, and between them it merges runs, empties their tables
 * and counts, a little at a time. Pure but for LMDB: time and messages are the shell's (write-thread.ts, or the simulation).
 */
import { unreachable } from '../../src/base/assert.ts';
import { Counting } from './counting.ts';
import { type Environment, encodeSlot, META } from './environment.ts';
import { Merger } from './merger.ts';
import { unpackRows } from './row-pages.ts';
import { mergedBefore, type RunPolicy, restPart } from './run-policy.ts';
import { RunStock } from './run-stock.ts';
import { type AddedRun, RunWriter } from './run-writer.ts';
import { spreadOf } from './spread.ts';
import type { RunNews, WriterAnswer, WriterCommand, WriterStart } from './writer-messages.ts';

/** Between two slices of counting (ms): a store of ten million rows is counted in half a minute. */
const SLICE_EVERY_MS = 5;
/** After work that failed, a disk that is full for example, before it is tried again (ms). */
const AGAIN_MS = 1000;

/** What is around the work. */
export type WorkShell = {
  /** Monotonic (ms). */
  nowMs(): number;
  /** Runs `run` once, after so long (ms); what it returns prevents that. */
  after(delayMs: number, run: () => void): () => void;
  answer(message: WriterAnswer): void;
  /** All is closed: the thread may end. */
  closed(): void;
};

/** The work on one store. Told what is to be done with `told`, in order. */
export class WriteWork {
  readonly #shell: WorkShell;
  readonly #environment: Environment;
  readonly #policy: RunPolicy;
  readonly #counting: Counting;
  readonly #stock: RunStock;
  readonly #runWriter: RunWriter;
  readonly #merger: Merger;
  /** Prevents the next slice of counting. */
  #stopCounting: (() => void) | null = null;
  /** Prevents the next work on runs, and when that is (ms). */
  #stopWork: (() => void) | null = null;
  #workAtMs = Number.POSITIVE_INFINITY;
  /** Until when work on runs rests (ms). */
  #restsUntilMs = 0;
  /** The slot of a run that is all here, and waits for a table. */
  #waiting: number | null = null;
  /** The ranges whose rows are told after each commit, as they were last given. */
  #counted: Extract<WriterCommand, { kind: 'count' }> = { kind: 'count', id: 0, ranges: [] };
  /** Rows of the transaction to come. */
  #pages: Uint8Array[] = [];

  constructor({ dir, policy }: WriterStart, environment: Environment, shell: WorkShell) {
    this.#shell = shell;
    this.#environment = environment;
    this.#policy = policy;
    this.#counting = new Counting(environment);
    this.#stock = new RunStock(environment);
    this.#runWriter = new RunWriter(environment, this.#stock, this.#counting, policy);
    this.#merger = new Merger(dir, environment, this.#stock, this.#counting, policy, shell.nowMs());
    shell.answer({ kind: 'ready' });
    this.#countOn();
    this.#workOn();
  }

  told(command: WriterCommand): void {
    switch (command.kind) {
      case 'rows':
        this.#pages.push(command.page);
        return;
      case 'commit':
        this.#shell.answer(this.#commit(command.slot));
        this.#tellCounts();
        return;
      case 'runRows':
        this.#runWriter.add(command.page);
        return;
      case 'commitRun':
        this.#waiting = command.slot;
        this.#commitRun();
        return;
      case 'spread':
        this.#shell.answer({ kind: 'spread', spread: spreadOf(this.#environment, command.spans) });
        return;
      case 'seen':
        this.#stock.seen(command.version);
        this.#workOn();
        return;
      case 'pinned':
        this.#merger.pinned(command.isPinned);
        this.#workOn();
        return;
      case 'count':
        this.#counted = command;
        this.#countRanges();
        this.#tellCounts();
        return;
      case 'buckets':
        this.#shell.answer({ kind: 'buckets', buckets: this.#counting.list() });
        return;
      case 'close':
        this.#stopCounting?.();
        this.#stopWork?.();
        void this.#environment.close().then(() => this.#shell.closed());
        return;
      default:
        unreachable(command);
    }
  }

  /** Where nearly all tables are taken it waits for the merge to come so far; where all are, for its end. */
  #commitRun(): void {
    if (this.#waiting === null || this.#isTooSoon()) return;
    try {
      const added = this.#runWriter.end(this.#waiting);
      if (added !== null) {
        this.#waiting = null;
        this.#merger.added(added.note, this.#shell.nowMs());
        this.#shell.answer({ kind: 'committed', runs: this.#newsOf(added) });
        this.#tellCounts();
      }
    } catch (error) {
      this.#waiting = null;
      this.#undo();
      this.#shell.answer(failed(error));
    }
    this.#workOn();
  }

  /** Whether the next run must wait for the merge. */
  #isTooSoon(): boolean {
    if (this.#merger.part >= mergedBefore(this.#policy, this.#stock.runs.length)) return false;
    this.#workOn();
    return true;
  }

  /** Where nearly all tables are taken: how far the merge has come from where one more run was in time to where the next one is. */
  #tellPace(): void {
    const { length } = this.#stock.runs;
    const after = mergedBefore(this.#policy, length);
    if (after === 0) return;
    const before = mergedBefore(this.#policy, length - 1);
    const part = Math.max(0, Math.min(1, (this.#merger.part - before) / (after - before)));
    this.#shell.answer({ kind: 'pace', part });
  }

  /** Plans the next work on runs, where it is not planned for earlier. */
  #workOn(): void {
    const nowMs = this.#shell.nowMs();
    const waitMs = this.#stock.hasWaste ? 0 : this.#merger.waitMs(nowMs);
    if (waitMs === null) return;
    const atMs = Math.max(nowMs + waitMs, this.#restsUntilMs);
    if (atMs >= this.#workAtMs) return;
    this.#stopWork?.();
    this.#workAtMs = atMs;
    this.#stopWork = this.#shell.after(Math.ceil(atMs - nowMs), () => this.#work());
  }

  /** Empties a table, or merges a slice; then rests, so that others get at disk and processor. */
  #work(): void {
    this.#stopWork = null;
    this.#workAtMs = Number.POSITIVE_INFINITY;
    const beganMs = this.#shell.nowMs();
    try {
      if (this.#stock.hasWaste) this.#stock.emptyOne();
      else if (this.#merger.step(beganMs)) {
        this.#shell.answer({ kind: 'runs', runs: this.#newsOf(null) });
        this.#tellCounts();
      }
      this.#tellPace();
      const nowMs = this.#shell.nowMs();
      this.#restsUntilMs = nowMs + (nowMs - beganMs) * restPart(this.#policy, this.#stock.runs.length);
      this.#commitRun();
    } catch (error) {
      this.#undo();
      if (this.#waiting === null) this.#shell.answer({ ...failed(error), kind: 'workFailed' });
      else {
        this.#waiting = null;
        this.#runWriter.giveUp();
        this.#shell.answer(failed(error));
      }
      this.#restsUntilMs = this.#shell.nowMs() + AGAIN_MS;
    }
    this.#workOn();
  }

  #newsOf(added: AddedRun | null): RunNews {
    const { version, runs } = this.#stock;
    return { version, runs: [...runs], added, commits: this.#runWriter.takeCommits() };
  }

  #commit(slot: number | null): WriterAnswer {
    try {
      this.#environment.transactionSync(() => {
        for (const page of this.#pages) unpackRows(page, (key, value) => this.#writeRow(key, value));
        if (slot !== null) void this.#environment.put(META.SLOT, Buffer.from(encodeSlot(slot)));
        this.#counting.written(slot);
      });
      return { kind: 'committed', runs: null };
    } catch (error) {
      this.#undo();
      return failed(error);
    } finally {
      this.#pages = [];
    }
  }

  /** Within `transactionSync` both are carried out at once; their promises only say so. */
  #writeRow(key: string, value: Buffer | null): void {
    this.#counting.writing(key, value === null ? null : value.length);
    if (value === null) void this.#environment.remove(key);
    else void this.#environment.put(key, value);
  }

  /** Buckets begin where ranges do. Where there is no room for that, a range is counted roughly until the next commit. */
  #countRanges(): void {
    this.#counting.fix(this.#counted.ranges.flatMap(({ from, to }) => [from, to]));
    if (!this.#counting.isComplete) return;
    try {
      this.#environment.transactionSync(() => this.#counting.written(null));
    } catch {
      this.#undo(); // the next commit meets the same, and says so
    }
  }

  /** What was counted in a transaction that was not carried out is forgotten. */
  #undo(): void {
    this.#counting.undone();
    this.#countOn();
  }

  /** Goes on counting a store that is not counted, a little at a time. */
  #countOn(): void {
    if (this.#counting.rests || this.#stopCounting !== null) return;
    this.#stopCounting = this.#shell.after(SLICE_EVERY_MS, () => {
      this.#stopCounting = null;
      this.#counting.slice();
      if (this.#counting.isComplete) this.#tellCounts();
      this.#countOn();
    });
  }

  #tellCounts(): void {
    const { id, ranges } = this.#counted;
    this.#shell.answer({ kind: 'counts', id, counts: this.#counting.count(ranges) });
  }
}

function failed(error: unknown): Extract<WriterAnswer, { kind: 'failed' }> {
  const { message, code } = error as Error & { code?: unknown };
  return { kind: 'failed', message, code: typeof code === 'number' ? code : null };
}
