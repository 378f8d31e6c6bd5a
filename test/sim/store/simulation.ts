/**
 * One node's store on a disk that forgets what was not committed: what is read, at any moment and of any image, is what a plain map
 * has; what was flushed is there after each death, whole slots alone; and once nothing is wrong any more all runs are merged. What
 * runs here is the store itself above LMDB (memory-lmdb.ts). One seed is one history.
 */
import { createHash } from 'node:crypto';
import { encodeSlot, identityCodec, META, STORE_FORMAT } from '../../../node/store/environment.ts';
import type { LmdbStore } from '../../../node/store/lmdb-store.ts';
import { RUN_TABLES } from '../../../node/store/run-policy.ts';
import { readMerge, readRuns } from '../../../node/store/runs.ts';
import { OVERLAY_MAX_BYTES, type Snapshot, type StoreKey } from '../../../node/store/types.ts';
import type { WriterAnswer } from '../../../node/store/writer-messages.ts';
import { NurseryError } from '../../../src/base/errors.ts';
import { encode } from '../../../src/wire/codec.ts';
import { createRandom, type Random } from '../../support/random.ts';
import type { Rare } from '../base/rare.ts';
import { check } from '../base/violation.ts';
import { type DiskMoment, MemoryDisk, openMemory } from './memory-lmdb.ts';
import { type Plan, planOf } from './plan.ts';
import { PLACE, StoreProcess, type Weather } from './process.ts';
import { ALL, checkCounts, checkView, type Rows } from './reader.ts';

/** Things that happen while anything may go wrong. */
const STEPS = 1200;
/** And until everything must have come to its end, then: without a bound on it, what waits for nothing would wait for ever. */
const LAST_STEPS_MAX = 20_000;
/** Snapshots that are open at a time, and flushes that are asked for. */
const SNAPSHOTS = 4;
const FLUSHES = 2;

export type Simulated = { readonly slots: number; readonly deaths: number; readonly digest: string };

/** Runs one seed. @throws Violation; also what the store throws */
export async function simulateStore(
  seed: number,
  rare: Rare,
  trace: (line: string) => void = () => undefined,
): Promise<Simulated> {
  return await new Simulation(seed, rare, trace).run();
}

class Simulation {
  readonly #random: Random;
  readonly #plan: Plan;
  readonly #rare: Rare;
  readonly #trace: (line: string) => void;
  readonly #hash = createHash('sha256');
  readonly #disk = new MemoryDisk();
  /** By slot. */
  #models: Rows[] = [new Map()];
  #process: StoreProcess;
  #store: LmdbStore | null = null;
  #opening: Promise<void> | null = null;
  #snapshots: Snapshot[] = [];
  #flushing = 0;
  #closing = false;
  /** Slots that the log has, and that a flush said it had put into the store. */
  #durableSlot = 0;
  #flushedSlot = 0;
  #nowMs = 0;
  /** At which of the disk's moments it dies, and after how many more of the kind; null: at none. */
  #dies: { readonly at: DiskMoment; left: number } | null = null;
  #hasRoom = true;
  #roomIn = 0;
  /** What the thread is at. */
  #doing = '';
  /** Whether it was told that somebody reads an older image, and slices merged since. */
  #pinned = false;
  #slicesPinned = 0;
  #deaths = 0;
  /** What was found wrong where nobody waits. */
  #failure: unknown = null;

  constructor(seed: number, rare: Rare, trace: (line: string) => void) {
    this.#random = createRandom(seed);
    this.#plan = planOf(this.#random);
    this.#rare = rare;
    this.#trace = trace;
    this.#found();
    this.#process = new StoreProcess(this.#disk, this.#weather);
  }

  async run(): Promise<Simulated> {
    this.#say(`plan ${JSON.stringify(this.#plan)}`);
    for (let step = 0; step < STEPS; step += 1) await this.#step();
    await this.#end();
    return {
      slots: this.#models.length - 1,
      deaths: this.#deaths,
      digest: this.#hash.digest('hex').slice(0, 16),
    };
  }

  /** An empty store, as installing makes one. */
  #found(): void {
    const access = { disk: this.#disk, isDead: () => false, moment: () => undefined };
    const environment = openMemory(access);
    environment.transactionSync(() => {
      const { cluster, node } = PLACE;
      void environment.put(
        META.IDENTITY,
        Buffer.from(encode(identityCodec, { format: STORE_FORMAT, cluster, node })),
      );
      void environment.put(META.SLOT, Buffer.from(encodeSlot(0)));
      void environment.put(META.COUNTED, Buffer.from(encodeSlot(0)));
    });
  }

  readonly #weather: Weather = {
    nowMs: () => this.#nowMs,
    moment: (what) => this.#moment(what),
    hasRoom: () => this.#hasRoom || this.#roomIn > 0, // what is asked before is not always true later
    said: (answer) => this.#said(answer),
  };

  /** The disk is asked for something. */
  #moment(what: DiskMoment): void {
    if (this.#dies?.at === what) {
      this.#dies.left -= 1;
      if (this.#dies.left < 0) {
        this.#note(`died at a ${what} of ${this.#doing}`);
        this.#process.die();
      }
    }
    if (this.#hasRoom || what === 'committed') return;
    this.#roomIn -= 1;
    if (this.#roomIn >= 0) return;
    this.#note(`no room for ${this.#doing}`);
    throw Object.assign(new Error('no space left on device'), { code: 28 });
  }

  #said(answer: WriterAnswer): void {
    this.#say(`thread: ${answer.kind}`);
    if (answer.kind === 'pace') this.#note('the next run waits for the merge');
    if (answer.kind === 'workFailed') this.#note('work on runs failed');
    if (answer.kind === 'runs') this.#note('runs merged');
    if (answer.kind !== 'committed') return;
    this.#note(answer.runs === null ? 'rows written directly' : 'run added');
    if (answer.runs !== null && answer.runs.commits > 1) this.#note('several transactions for a run');
    if (answer.runs?.runs.length === RUN_TABLES) this.#note('all tables are taken');
    if (answer.runs !== null && this.#disk.row(META.MERGE) !== null) this.#note('run added during a merge');
  }

  // What happens.

  async #step(): Promise<void> {
    const choices = this.#choices();
    let left = this.#random.next() * choices.reduce((sum, { weight }) => sum + weight, 0);
    const chosen = choices.find(({ weight }) => {
      left -= weight;
      return left < 0;
    });
    await this.#take((chosen ?? (choices[0] as Choice)).act);
  }

  /** What the process does when it dies of it is over then. */
  async #take(act: () => void): Promise<void> {
    try {
      act();
    } catch (error) {
      if (!(error instanceof Error) || !this.#process.isDead) throw error;
    }
    await settled();
    if (this.#failure !== null) throw this.#failure;
    if (this.#process.isDead) this.#buried();
  }

  #choices(): Choice[] {
    const process = this.#process;
    const store = this.#store;
    const choices: Choice[] = [{ weight: 1, act: () => this.#pass(this.#random.below(300)) }];
    const may = (weight: number, isPossible: boolean, act: () => void): void => {
      if (isPossible) choices.push({ weight, act });
    };
    may(8, process.canTell, () => this.#tell());
    may(8, process.canHear, () => process.hear());
    may(8, process.canTurn, () => process.turn());
    may(this.#plan.timers, process.timerAtMs !== null, () => this.#timer());
    may(20, store === null && this.#opening === null, () => this.#open());
    may(0.03, true, () => process.die());
    may(0.1, this.#dies === null, () => {
      const at = this.#random.pick(['write', 'commit', 'committed'] as const);
      this.#dies = { at, left: this.#random.below(at === 'write' ? 60 : 6) };
    });
    may(this.#hasRoom ? 0.03 : 0.6, true, () => {
      this.#hasRoom = !this.#hasRoom;
      this.#roomIn = this.#random.below(20);
      this.#say(this.#hasRoom ? 'there is room' : `no room after ${this.#roomIn}`);
    });
    if (store === null || this.#closing) return choices;
    may(this.#plan.commits, true, () => this.#commit(store));
    may(this.#plan.flushes, this.#flushing < FLUSHES, () => this.#flush(store));
    may(this.#plan.snapshots, this.#snapshots.length < SNAPSHOTS, () => {
      this.#snapshots.push(store.snapshot());
    });
    may(1, this.#snapshots.length > 0, () => this.#look(store));
    may(2, true, () => checkView(store, this.#newest, 'the present image'));
    may(1, true, () => process.renewImage());
    may(0.2, true, () => store.countRanges([ALL]));
    may(0.2, true, () => store.buckets(() => undefined));
    may(0.5, true, () => this.#ask(store));
    may(0.03, true, () => this.#close(store));
    return choices;
  }

  #pass(ms: number): void {
    this.#nowMs += ms;
  }

  #tell(): void {
    this.#doing = this.#process.nextIs;
    this.#say(`thread is told: ${this.#doing}`);
    if (this.#doing === 'pinned') {
      this.#pinned = this.#process.nextPins;
      this.#slicesPinned = 0;
    }
    this.#process.tell();
  }

  /** A timer of the thread's is due. A merge rests while an older image is read, unless runs are too many. */
  #timer(): void {
    this.#nowMs = Math.max(this.#nowMs, this.#process.timerAtMs ?? 0);
    this.#doing = 'work on runs';
    const isUrgent = this.#runs >= this.#plan.policy.urgentRuns;
    const before = this.#merging;
    this.#process.runTimer();
    if (!this.#pinned || before === this.#merging) return;
    if (isUrgent) this.#note('merges beside a reader of an older image');
    else this.#slicesPinned += 1;
    const why = 'merging goes on although an older image is read';
    check(this.#slicesPinned <= 1, 'store-runs', () => why);
  }

  /** Which run is the oldest, and how far those are merged that are. */
  get #merging(): string {
    const oldest = readRuns(this.#onDisk).at(-1)?.slot ?? 0;
    return `${oldest} ${this.#disk.row(META.MERGE)?.toString('latin1') ?? ''}`;
  }

  get #runs(): number {
    return readRuns(this.#onDisk).length;
  }

  get #onDisk(): ReturnType<typeof openMemory> {
    return openMemory({ disk: this.#disk, isDead: () => false, moment: () => undefined });
  }

  get #newest(): Rows {
    return this.#models.at(-1) as Rows;
  }

  // The process's life.

  #open(): void {
    const process = new StoreProcess(this.#disk, this.#weather);
    this.#process = process;
    this.#doing = 'opening';
    this.#pinned = false;
    if (readMerge(this.#onDisk) !== null) this.#note('started amid a merge');
    const listed = this.#runs;
    const used = [...this.#disk.others.values()].filter((rows) => rows > 0).length;
    if (used > listed) this.#note('started with rows of no run');
    this.#opening = process.open(this.#plan.policy).then((store) => this.#opened(store));
    this.#opening.catch((error: unknown) => {
      if (process.isDead) return;
      if (isFull(error)) process.isDead = true;
      else this.#failure ??= error;
    });
  }

  #opened(store: LmdbStore): void {
    this.#opening = null;
    this.#store = store;
    const { slot } = store;
    this.#say(`opened at slot ${slot}`);
    const kept = `slot ${slot}, of which ${this.#flushedSlot} were flushed, and ${this.#durableSlot} are durable`;
    check(slot >= this.#flushedSlot && slot <= this.#durableSlot, 'store-kept', () => kept);
    this.#models.length = slot + 1;
    this.#durableSlot = slot;
    this.#flushedSlot = slot;
    checkView(store, this.#newest, `the image of slot ${slot} after a start`);
  }

  /** What it had in memory is gone. */
  #buried(): void {
    this.#deaths += 1;
    this.#say('the process is dead');
    this.#leave();
    this.#opening = null;
    this.#dies = null;
  }

  #leave(): void {
    for (const snapshot of this.#snapshots) snapshot.close();
    this.#snapshots = [];
    this.#store = null;
    this.#flushing = 0;
    this.#closing = false;
  }

  #close(store: LmdbStore): void {
    this.#closing = true;
    this.#say('is being closed');
    for (const snapshot of this.#snapshots.splice(0)) snapshot.close();
    const process = this.#process;
    const closed = store.close().then(() => {
      if (process !== this.#process || process.isDead) return;
      this.#note('closed in order');
      this.#leave();
    });
    closed.catch((error: unknown) => this.#failedAt(process, error));
  }

  // Its use.

  #commit(store: LmdbStore): void {
    const slot = store.slot + 1;
    const changes = this.#plan.changes(this.#random, slot);
    const next = new Map(this.#newest);
    for (const [key, value] of changes) {
      if (value === null) next.delete(key);
      else next.set(key, value);
    }
    store.commit(changes, slot);
    this.#models.push(next);
    if (this.#random.chance(0.2)) this.#say(`slot ${slot}: ${[...changes.keys()].join(' ')}`);
  }

  /** The log is durable up to a slot or two below the newest one. */
  #flush(store: LmdbStore): void {
    this.#durableSlot = Math.max(this.#durableSlot, store.slot - this.#random.below(3));
    const process = this.#process;
    const until = this.#durableSlot;
    this.#flushing += 1;
    this.#say(`flush up to ${until}`);
    const done = store.flush(until).then(() => {
      if (process !== this.#process || process.isDead) return;
      this.#flushing -= 1;
      this.#flushedSlot = Math.max(this.#flushedSlot, store.flushedSlot);
      this.#say(`flushed ${store.flushedSlot}`);
      check(
        store.flushedSlot <= until,
        'store-kept',
        () => `slot ${store.flushedSlot} is flushed, beyond ${until}`,
      );
    });
    done.catch((error: unknown) => {
      if (!isFull(error)) this.#failedAt(process, error);
      if (process !== this.#process || process.isDead) return;
      this.#flushing -= 1;
      this.#note('a flush without room');
    });
  }

  /** What goes wrong in a process that is dead is no fault. */
  #failedAt(process: StoreProcess, error: unknown): void {
    if (process === this.#process && !process.isDead) this.#failure ??= error;
  }

  /** Whether what has gathered should gather on. */
  #ask(store: LmdbStore): void {
    const process = this.#process;
    store.gathers().catch((error: unknown) => this.#failedAt(process, error));
  }

  #look(store: LmdbStore): void {
    const at = this.#random.below(this.#snapshots.length);
    const snapshot = this.#snapshots[at] as Snapshot;
    checkView(snapshot, this.#models[snapshot.slot] as Rows, `a snapshot of slot ${snapshot.slot}`);
    if (snapshot.slot < store.flushedSlot) this.#note('an image older than the flushed one is read');
    if (!this.#random.chance(0.4)) return;
    snapshot.close();
    this.#snapshots.splice(at, 1);
  }

  // The end.

  /** Nothing is wrong any more: what is flushed is there, and all runs are merged. */
  async #end(): Promise<void> {
    this.#say('all is well from here on');
    this.#hasRoom = true;
    this.#dies = null;
    for (const snapshot of this.#snapshots.splice(0)) snapshot.close();
    const store = await this.#goOn('a store that is open', () => (this.#closing ? null : this.#store));
    this.#durableSlot = store.slot;
    let flushed = false;
    const process = this.#process;
    store.flush(store.slot).then(
      () => {
        flushed = true;
      },
      (error: unknown) => this.#failedAt(process, error),
    );
    await this.#goOn('a flush', () => (flushed ? flushed : null));
    await this.#goOn('merges', () => (store.statistics.runs === 0 ? true : null));
    await this.#goOn('tables', () =>
      [...this.#disk.others.values()].every((rows) => rows === 0) ? true : null,
    );
    store.countRanges([ALL]);
    const { counts } = await this.#goOn('counts', () => store.counts);
    checkView(store, this.#newest, 'the last image');
    const most = store.overlayBytesMax;
    check(
      most === OVERLAY_MAX_BYTES,
      'store-runs',
      () => `applying is held back at ${most} bytes without any run`,
    );
    checkCounts(this.#newest, counts);
    const left = [META.RUNS, META.FILTER, META.FILTER_SUM, META.MERGE].filter((key) => this.#isLeft(key));
    check(left.length === 0, 'store-runs', () => `without runs there is still ${JSON.stringify(left)}`);
    this.#close(store);
    await this.#goOn('the end', () => (this.#store === null ? true : null));
  }

  /** Whether what notes about runs begin with is still there; an empty list of them is nothing. */
  #isLeft(key: StoreKey): boolean {
    if (key === META.RUNS) return this.#runs > 0;
    return [...this.#onDisk.getKeys({ start: key, end: `${key}\xff` })].length > 0;
  }

  async #goOn<T>(what: string, look: () => T | null): Promise<T> {
    for (let step = 0; step < LAST_STEPS_MAX; step += 1) {
      const found = look();
      if (found !== null) return found;
      const process = this.#process;
      await this.#take(() => {
        if (process.canTell) this.#tell();
        else if (process.canHear) process.hear();
        else if (process.canTurn) process.turn();
        else if (this.#store === null && this.#opening === null) this.#open();
        else if (process.timerAtMs !== null) this.#timer();
      });
    }
    return check(false, 'progress', () => `${what} did not come to an end`) as never;
  }

  #note(what: string): void {
    this.#rare.note(what);
    this.#say(what);
  }

  #say(line: string): void {
    const text = `${this.#nowMs} ${line}`;
    this.#hash.update(text);
    this.#trace(text);
  }
}

/** What may happen next, and how likely that is. */
type Choice = { readonly weight: number; readonly act: () => void };

function isFull(error: unknown): boolean {
  return error instanceof NurseryError && error.code === 'DISK_FULL';
}

/** All that follows at once has happened: nothing here waits for anything outside. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
