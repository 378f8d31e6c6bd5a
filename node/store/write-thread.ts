/**
 * The thread that writes a store; started by writer.ts.
 *
 * lmdb-js puts writes of one turn into one transaction, but may split those of several turns, and a generation is
 * too much for one turn of the node's loop. On a thread of its own, it is synchronous transactions that hold up
 * nobody: rows and slot change together or not at all, and are durable when the commit returns. Between them it merges
 * runs, empties their tables and counts, a little at a time.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { present, unreachable } from '../../src/base/assert.ts';
import { Counting } from './counting.ts';
import { encodeSlot, META, openEnvironment } from './environment.ts';
import { Merger } from './merger.ts';
import { unpackRows } from './row-pages.ts';
import { mergedBefore, restPart } from './run-policy.ts';
import { RunStock } from './run-stock.ts';
import { type AddedRun, RunWriter } from './run-writer.ts';
import type { RunNews, WriterAnswer, WriterCommand, WriterStart } from './writer.ts';

const port = present(parentPort, 'port of the thread that started this one');
/** Between two slices of counting (ms): a store of ten million rows is counted in half a minute. */
const SLICE_EVERY_MS = 5;
/** After work that failed, a disk that is full for example, before it is tried again (ms). */
const AGAIN_MS = 1000;

const { dir, policy } = workerData as WriterStart;
const environment = openEnvironment(dir);
const counting = new Counting(environment);
const stock = new RunStock(environment);
const runWriter = new RunWriter(environment, stock, counting);
const merger = new Merger(dir, environment, stock, counting, policy, performance.now());
/** Of the next slice of counting. */
let timer: NodeJS.Timeout | null = null;
/** Of the next work on runs, and when that is (ms). */
let runTimer: NodeJS.Timeout | null = null;
let workAtMs = Number.POSITIVE_INFINITY;
/** Until when work on runs rests (ms). */
let restsUntilMs = 0;
/** The slot of a run that is all here, and waits for a table. */
let waiting: number | null = null;
/** The ranges whose rows are told after each commit, as they were last given. */
let counted: Extract<WriterCommand, { kind: 'count' }> = { kind: 'count', id: 0, ranges: [] };
/** Rows of the transaction to come. */
let pages: Uint8Array[] = [];

port.on('message', (command: WriterCommand) => {
  switch (command.kind) {
    case 'rows':
      pages.push(command.page);
      return;
    case 'commit':
      answer(commit(command.slot));
      tellCounts();
      return;
    case 'runRows':
      runWriter.add(command.page);
      return;
    case 'commitRun':
      waiting = command.slot;
      commitRun();
      return;
    case 'seen':
      stock.seen(command.version);
      workOn();
      return;
    case 'pinned':
      merger.pinned(command.isPinned);
      workOn();
      return;
    case 'count':
      counted = command;
      countRanges();
      tellCounts();
      return;
    case 'buckets':
      answer({ kind: 'buckets', buckets: counting.list() });
      return;
    case 'close':
      if (timer !== null) clearTimeout(timer);
      if (runTimer !== null) clearTimeout(runTimer);
      port.close();
      void environment.close().then(() => process.exit());
      return;
    default:
      unreachable(command);
  }
});
answer({ kind: 'ready' });
countOn();
workOn();

/** Where nearly all tables are taken it waits for the merge to come so far; where all are, for its end. */
function commitRun(): void {
  if (waiting === null || isTooSoon()) return;
  try {
    const added = runWriter.end(waiting);
    if (added !== null) {
      waiting = null;
      merger.added(added.note, performance.now());
      answer({ kind: 'committed', runs: newsOf(added) });
      tellCounts();
    }
  } catch (error) {
    waiting = null;
    undo();
    answer(failed(error));
  }
  workOn();
}

/** Whether the next run must wait for the merge. */
function isTooSoon(): boolean {
  if (merger.part >= mergedBefore(policy, stock.runs.length)) return false;
  workOn();
  return true;
}

/** Where nearly all tables are taken: how far the merge has come from where one more run was in time to where the next one is. */
function tellPace(): void {
  const { length } = stock.runs;
  const after = mergedBefore(policy, length);
  if (after === 0) return;
  const before = mergedBefore(policy, length - 1);
  answer({ kind: 'pace', part: Math.max(0, Math.min(1, (merger.part - before) / (after - before))) });
}

/** Plans the next work on runs, where it is not planned for earlier. */
function workOn(): void {
  const nowMs = performance.now();
  const waitMs = stock.hasWaste ? 0 : merger.waitMs(nowMs);
  if (waitMs === null) return;
  const atMs = Math.max(nowMs + waitMs, restsUntilMs);
  if (atMs >= workAtMs) return;
  if (runTimer !== null) clearTimeout(runTimer);
  workAtMs = atMs;
  runTimer = setTimeout(work, Math.ceil(atMs - nowMs));
}

/** Empties a table, or merges a slice; then rests, so that others get at disk and processor. */
function work(): void {
  runTimer = null;
  workAtMs = Number.POSITIVE_INFINITY;
  const beganMs = performance.now();
  try {
    if (stock.hasWaste) stock.emptyOne();
    else if (merger.step(beganMs)) {
      answer({ kind: 'runs', runs: newsOf(null) });
      tellCounts();
    }
    tellPace();
    const nowMs = performance.now();
    restsUntilMs = nowMs + (nowMs - beganMs) * restPart(policy, stock.runs.length);
    commitRun();
  } catch (error) {
    undo();
    if (waiting === null) answer({ ...failed(error), kind: 'workFailed' });
    else {
      waiting = null;
      runWriter.giveUp();
      answer(failed(error));
    }
    restsUntilMs = performance.now() + AGAIN_MS;
  }
  workOn();
}

function newsOf(added: AddedRun | null): RunNews {
  return { version: stock.version, runs: [...stock.runs], added, commits: runWriter.takeCommits() };
}

function commit(slot: number | null): WriterAnswer {
  try {
    environment.transactionSync(() => {
      for (const page of pages) unpackRows(page, writeRow);
      if (slot !== null) void environment.put(META.SLOT, Buffer.from(encodeSlot(slot)));
      counting.written(slot);
    });
    return { kind: 'committed', runs: null };
  } catch (error) {
    undo();
    return failed(error);
  } finally {
    pages = [];
  }
}

function failed(error: unknown): Extract<WriterAnswer, { kind: 'failed' }> {
  const { message, code } = error as Error & { code?: unknown };
  return { kind: 'failed', message, code: typeof code === 'number' ? code : null };
}

/** Within `transactionSync` both are carried out at once; their promises only say so. */
function writeRow(key: string, value: Buffer | null): void {
  counting.writing(key, value === null ? null : value.length);
  if (value === null) void environment.remove(key);
  else void environment.put(key, value);
}

/** Buckets begin where ranges do. Where there is no room for that, a range is counted roughly until the next commit. */
function countRanges(): void {
  counting.fix(counted.ranges.flatMap(({ from, to }) => [from, to]));
  if (!counting.isComplete) return;
  try {
    environment.transactionSync(() => counting.written(null));
  } catch {
    undo(); // the next commit meets the same, and says so
  }
}

/** What was counted in a transaction that was not carried out is forgotten. */
function undo(): void {
  counting.undone();
  countOn();
}

/** Goes on counting a store that is not counted, a little at a time. */
function countOn(): void {
  if (counting.rests || timer !== null) return;
  timer = setTimeout(() => {
    timer = null;
    counting.slice();
    if (counting.isComplete) tellCounts();
    countOn();
  }, SLICE_EVERY_MS);
}

function tellCounts(): void {
  answer({ kind: 'counts', id: counted.id, counts: counting.count(counted.ranges) });
}

function answer(message: WriterAnswer): void {
  port.postMessage(message);
}
