/**
 * The store of a node: an overlay of what slots changed lately, above an LMDB file that is always the exact image
 * of one slot. See docs/architecture.md, "Durability".
 */
import { existsSync } from 'node:fs';
import { invariant, present } from '../../src/base/assert.ts';
import type { Range } from '../../src/keyspace/range.ts';
import type { CountedBucket } from '../../src/protocol/admin/node-facts.ts';
import { type Bucket, END } from './buckets.ts';
import { checkStoreFile } from './check-file.ts';
import { dataFile, type Environment, openRunTables, type RunTable, sizeOf } from './environment.ts';
import { storeFailure } from './failures.ts';
import { Filter } from './filter.ts';
import { copyCompactly, createStore, removeLeftovers, type StorePlace } from './install.ts';
import { LmdbView, type ReadTransaction } from './lmdb-view.ts';
import { readMeta, renewFormat } from './meta-rows.ts';
import {
  type Generations,
  type Layers,
  lookUp,
  Overlay,
  OverlaySnapshot,
  scanDownMerged,
  scanMerged,
} from './overlay.ts';
import type { RangeCounts } from './range-counts.ts';
import { RowPacker } from './row-pages.ts';
import { goesDirectly, RUN_POLICY, type RunPolicy } from './run-policy.ts';
import type { AddedRun } from './run-writer.ts';
import { loadRuns, Run, Runs } from './runs.ts';
import { NEAR, spansOf } from './spread.ts';
import { STORE_SYSTEM, type StoreSystem } from './system.ts';
import {
  type Changes,
  type DurableStore,
  OVERLAY_FLUSH_BYTES,
  OVERLAY_MAX_BYTES,
  SNAPSHOT_MAX_MS,
  SNAPSHOTS_MAX,
  type Snapshot,
  type StoreKey,
  TABLES,
  type Visit,
} from './types.ts';
import { StoreWriter } from './writer.ts';
import type { RunNews } from './writer-messages.ts';

export { installSnapshot, type Row, SnapshotWriter, type StorePlace } from './install.ts';

/** Options of `LmdbStore.open`. */
export type LmdbStoreOptions = StorePlace & {
  /** Life of a snapshot (ms), where it is to be shorter than `SNAPSHOT_MAX_MS`. */
  readonly snapshotMaxMs?: number;
  /** Where runs should be made and merged sooner than `RUN_POLICY` says. */
  readonly runPolicy?: RunPolicy;
};

/** What a store has done since it was opened. */
export type StoreStatistics = {
  readonly flushes: number;
  /** Synchronous writes to the disk: two for each flush, its pages and then the page that points to them. */
  readonly syncs: number;
  readonly flushedRows: number;
  /** Keys and values (bytes). */
  readonly flushedBytes: number;
  /** Duration of the last flush (ms), and of the longest one. */
  readonly flushMs: number;
  readonly flushMaxMs: number;
  readonly snapshots: number;
  /** Runs that lie above the rows, their rows, and how many runs were merged. */
  readonly runs: number;
  readonly runRows: number;
  readonly mergedRuns: number;
};

/** The same of whichever store is open, with what it holds; `statistics` null while it is being replaced. */
export type StoreFigures = {
  readonly statistics: StoreStatistics | null;
  readonly overlayBytes: number;
  readonly flushedSlot: number;
  /** Of the file system, as of a second ago (bytes). */
  readonly freeBytes: number;
};

/** A flushed image that snapshots share: one read transaction, however many they are. */
type PinnedImage = {
  readonly view: LmdbView;
  readonly runs: Runs;
  readonly transaction: ReadTransaction;
  users: number;
};

/** See types.ts for the interface. One process owns the directory; that is for the caller to ensure. */
export class LmdbStore implements DurableStore {
  readonly #dir: string;
  readonly #environment: Environment;
  readonly #tables: readonly RunTable[];
  readonly #policy: RunPolicy;
  readonly #system: StoreSystem;
  readonly #writer: StoreWriter;
  readonly #base: LmdbView;
  readonly #overlay: Overlay;
  readonly #snapshotMaxMs: number;
  /** Open snapshots, oldest first. */
  readonly #snapshots = new Set<OverlaySnapshot>();
  /** Of the newest flushed image, where a snapshot has asked for it. */
  #pinned: PinnedImage | null = null;
  /** Images that are pinned, of whatever age. */
  #pinnedImages = 0;
  /** Of the newest flushed image. */
  #runs: Runs;
  #flushedSlot: number;
  #flushing: Promise<unknown> | null = null;
  /** How much has passed of what the next run must wait for the merge (0 to 1), where there are many. */
  #waited = 1;
  /** Called when there is more room in the overlay. */
  onRoom: () => void = () => undefined;
  #counts: RangeCounts | null = null;
  #statistics = {
    flushes: 0,
    syncs: 0,
    flushedRows: 0,
    flushedBytes: 0,
    flushMs: 0,
    flushMaxMs: 0,
    mergedRuns: 0,
  };

  private constructor(options: LmdbStoreOptions, opened: Opened, writer: StoreWriter) {
    const { environment, tables, runs, slot, policy, system } = opened;
    this.#dir = options.dir;
    this.#snapshotMaxMs = options.snapshotMaxMs ?? SNAPSHOT_MAX_MS;
    this.#environment = environment;
    this.#tables = tables;
    this.#policy = policy;
    this.#system = system;
    this.#writer = writer;
    this.#base = new LmdbView(options.dir, environment);
    this.#runs = runs;
    this.#overlay = new Overlay(slot);
    this.#flushedSlot = slot;
  }

  /**
   * Opens the store in `dir`; creates it, at slot 0, where there is none.
   *
   * @throws FatalError STORE_DAMAGED: names the file and the repair; OTHER_CLUSTER: it is of another cluster;
   * HOME_UNUSABLE: of another node, or of another version of this program
   */
  static async open(options: LmdbStoreOptions): Promise<LmdbStore> {
    const { dir } = options;
    await removeLeftovers(dir);
    if (!existsSync(dataFile(dir))) await createStore(options);
    checkStoreFile(dir);
    return await LmdbStore.openOver(options, STORE_SYSTEM);
  }

  /** `open` of a store that is there. @throws as `open` */
  static async openOver(options: LmdbStoreOptions, system: StoreSystem): Promise<LmdbStore> {
    const { dir, runPolicy: policy = RUN_POLICY } = options;
    const environment = openChecked(dir, system);
    try {
      const slot = readMeta(options, environment);
      const tables = openRunTables(environment);
      const runs = loadRuns(dir, environment, tables);
      renewFormat(options, environment);
      let store: LmdbStore | null = null;
      const writer = await StoreWriter.start(
        { dir, policy },
        system,
        (runs) => store?.merged(runs),
        (part) => store?.paced(part),
      );
      store = new LmdbStore(options, { environment, tables, runs, slot, policy, system }, writer);
      return store;
    } catch (error) {
      await environment.close();
      throw storeFailure(dir, error);
    }
  }

  get slot(): number {
    return this.#overlay.slot;
  }

  get flushedSlot(): number {
    return this.#flushedSlot;
  }

  get overlayBytes(): number {
    return this.#overlay.bytes;
  }

  /** What the overlay may have before applying waits (bytes): less while the next run must wait for the merge. */
  get overlayBytesMax(): number {
    return OVERLAY_FLUSH_BYTES + this.#waited * (OVERLAY_MAX_BYTES - OVERLAY_FLUSH_BYTES);
  }

  /** Whether what has gathered is more than a few rows, or will be a run in any case. */
  get nextIsLarge(): boolean {
    return this.#runs.all.length > 0 || this.#overlay.rows > this.#policy.directRowsMax;
  }

  get statistics(): StoreStatistics {
    const notes = this.#runs.all.map(({ note }) => note);
    return {
      ...this.#statistics,
      snapshots: this.#snapshots.size,
      runs: notes.length,
      runRows: notes.reduce((sum, { rows, removed }) => sum + rows + removed, 0),
    };
  }

  get(key: StoreKey): Uint8Array | undefined {
    const above = lookUp(this.#overlay.generations, key);
    const value = above === undefined ? this.#runs.get(key) : above;
    return value === undefined ? this.#base.get(key) : (value ?? undefined);
  }

  scan(from: StoreKey, to: StoreKey | null, visit: Visit): StoreKey | null {
    return scanMerged(this.#layers, this.#base, from, to, visit);
  }

  scanDown(from: StoreKey, to: StoreKey | null, visit: Visit): StoreKey | null {
    return scanDownMerged(this.#layers, this.#base, from, to, visit);
  }

  commit(changes: Changes, slot: number): void {
    this.#overlay.commit(changes, slot);
  }

  /** Where `SNAPSHOTS_MAX` are open, the oldest one is closed for it. */
  snapshot(): Snapshot {
    const [oldest] = this.#snapshots;
    if (oldest !== undefined && this.#snapshots.size >= SNAPSHOTS_MAX) oldest.close();
    const image = this.#pin();
    const expiry = setTimeout(() => snapshot.close(), this.#snapshotMaxMs);
    expiry.unref();
    const snapshot = new OverlaySnapshot(
      this.slot,
      [...this.#overlay.pin(), image.runs],
      image.view,
      () => expiry.refresh(),
      () => {
        clearTimeout(expiry);
        this.#snapshots.delete(snapshot);
        this.#unpin(image);
      },
    );
    this.#snapshots.add(snapshot);
    return snapshot;
  }

  /**
   * Writes the changes of all slots up to `durableSlot` at most into LMDB, together with the slot, into the rows or as a run above
   * them; resolves when that is durable. What grows is frozen first, and counts as a whole: where its last slot is not durable yet,
   * it waits for the next call. A call during another one begins when that has ended.
   *
   * @param durableSlot every slot up to it is durable in this node's own log
   * @throws NurseryError DISK_FULL: nothing was written, a later call tries again; FatalError where the store must
   * not be used any more
   */
  async flush(durableSlot: number): Promise<void> {
    await this.#alone(() => this.#flush(durableSlot));
  }

  /**
   * Whether a row of what has gathered costs less where more of it is flushed at once. Not so where the rows lie near each other, as
   * those of a copy do: for the log's sake they are flushed as they come. @throws FatalError as `flush`
   */
  async gathers(): Promise<boolean> {
    return await this.#alone(async () => {
      if (this.#runs.all.length > 0) return true;
      return (await this.#writer.spread(this.#overlay.generations.flatMap(spansOf))) > NEAR;
    });
  }

  /**
   * Writes the flushed image beside the file, without the pages that are not in use, ready for `installSnapshot`. Nothing may be
   * flushed meanwhile.
   *
   * @throws as `copyCompactly`
   */
  async copyCompactly(): Promise<void> {
    await copyCompactly(this.#dir, this.#environment);
  }

  /**
   * Has the rows of these ranges of client keys counted from now on: `counts` says how many there are, as of the newest flushed
   * image. Costs nothing here.
   */
  countRanges(ranges: readonly Range[]): void {
    this.#counts = null;
    const tables = ranges.map(({ lo, hi }) => ({
      from: TABLES.DATA + lo,
      to: hi === null ? END : TABLES.DATA + hi,
    }));
    this.#writer.count(tables, (counts) => {
      this.#counts = counts === null ? null : { ranges, counts, atMs: performance.now() };
    });
  }

  /** What was counted last; null where it is being counted still, or nothing was asked for. */
  get counts(): RangeCounts | null {
    return this.#counts;
  }

  /** Tells `hear` how the rows of clients lie, as of the newest flushed image; null where that is not known. */
  buckets(hear: (buckets: CountedBucket[] | null) => void): void {
    const plain = ({ lo, keys, bytes }: Bucket): CountedBucket => ({
      lo: lo.slice(TABLES.DATA.length),
      keys,
      bytes,
    });
    this.#writer.buckets((buckets) => hear(buckets?.map(plain) ?? null));
  }

  /** Closes the files after a flush that is under way; what was not flushed is forgotten, and snapshots end. */
  async close(): Promise<void> {
    while (this.#flushing !== null) await settled(this.#flushing);
    for (const snapshot of [...this.#snapshots]) snapshot.close();
    await this.#writer.close();
    await this.#environment.close();
  }

  /** One thing is asked of the thread at a time. */
  async #alone<T>(work: () => Promise<T>): Promise<T> {
    while (this.#flushing !== null) await settled(this.#flushing);
    const working = work();
    this.#flushing = working;
    try {
      return await working;
    } finally {
      this.#flushing = null;
    }
  }

  async #flush(durableSlot: number): Promise<void> {
    const held = this.#overlay.hold(durableSlot);
    const newest = held.at(-1);
    if (newest === undefined) return;
    const startedMs = performance.now();
    let news: RunNews | null = null;
    try {
      const bytes = held.reduce((sum, generation) => sum + generation.bytes, 0);
      await this.#system.checkRoom(this.#dir, 2 * bytes); // pages are copied, and half empty at worst
      const isRun = await this.#isRun(held);
      await this.#sendRows(held, isRun);
      if (isRun) news = await this.#writer.commitRun(newest.slot);
      else await this.#writer.commit(newest.slot);
    } catch (error) {
      this.#overlay.release();
      throw error;
    }
    // Readers see the new image from here on, and only now the generations may go: until then either image is
    // right, since they hide every row in which the two differ.
    this.#see(news);
    this.#overlay.drop();
    this.#flushedSlot = newest.slot;
    this.#count(performance.now() - startedMs, news?.commits ?? 1);
  }

  /** Few rows go to where they belong, and more of them where that is cheap; unless a run lies above, which would hide them. */
  async #isRun(held: Generations): Promise<boolean> {
    if (this.#runs.all.length > 0) return true;
    const rows = held.reduce((sum, generation) => sum + generation.rows.size, 0);
    if (rows <= this.#policy.directRowsMax) return false;
    const bytes = held.reduce((sum, generation) => sum + generation.rowBytes, 0);
    const spread = await this.#writer.spread(held.flatMap(spansOf));
    return !goesDirectly(this.#policy, { rows, bytes, spread }, sizeOf(this.#environment));
  }

  /** Runs were merged: their rows are in the newest image without them. */
  private merged(news: RunNews): void {
    const before = this.#runs.all.length;
    this.#see(news);
    this.#statistics.mergedRuns += before - this.#runs.all.length;
  }

  /** The next run waits for the merge. */
  private paced(part: number): void {
    this.#waited = part;
    this.onRoom();
  }

  /** From here on the newest image is read, which has these runs. */
  #see(news: RunNews | null): void {
    this.#environment.resetReadTxn();
    this.#pinned = null;
    if (news === null) return;
    const { added } = news;
    const known = new Map(this.#runs.all.map((run) => [run.note.slot, run]));
    if (added !== null) known.set(added.note.slot, this.#runOf(added));
    this.#runs = new Runs(news.runs.map(({ slot }) => present(known.get(slot), 'run that was added')));
    if (news.runs.length < this.#policy.urgentRuns) this.paced(1);
    this.#writer.seen(news.version);
  }

  #runOf({ note, filter }: AddedRun): Run {
    return new Run(this.#dir, present(this.#tables[note.table], 'table'), note, new Filter(filter));
  }

  get #layers(): Layers {
    return [...this.#overlay.generations, this.#runs];
  }

  /** One page in a turn of the event loop, which goes on meanwhile. Keys go in order, which LMDB likes best. */
  async #sendRows(generations: Generations, isRun: boolean): Promise<void> {
    const packer = new RowPacker();
    for (const { rows } of generations) {
      for (const [key, value] of rows.ordered()) {
        this.#statistics.flushedRows += 1;
        if (packer.add(key, value)) continue;
        this.#sendPage(packer, isRun);
        await this.#system.nextTurn();
        packer.add(key, value);
      }
    }
    this.#sendPage(packer, isRun);
  }

  #sendPage(packer: RowPacker, isRun: boolean): void {
    const page = packer.take();
    this.#statistics.flushedBytes += page.length;
    if (page.length === 0) return;
    if (isRun) this.#writer.writeRun(page);
    else this.#writer.write(page);
  }

  #count(durationMs: number, commits: number): void {
    this.#statistics.flushes += 1;
    this.#statistics.syncs += 2 * commits;
    this.#statistics.flushMs = durationMs;
    this.#statistics.flushMaxMs = Math.max(this.#statistics.flushMaxMs, durationMs);
  }

  #pin(): PinnedImage {
    if (this.#pinned === null) {
      const transaction = this.#environment.useReadTransaction();
      const view = new LmdbView(this.#dir, this.#environment, transaction);
      this.#pinned = { view, runs: this.#runs.within(transaction), transaction, users: 0 };
      this.#pinnedImages += 1;
      if (this.#pinnedImages === 1) this.#writer.pinned(true);
    }
    this.#pinned.users += 1;
    return this.#pinned;
  }

  #unpin(image: PinnedImage): void {
    image.users -= 1;
    invariant(image.users >= 0, 'an image is let go as often as it was pinned', () => ({
      users: image.users,
    }));
    if (image.users > 0) return;
    image.transaction.done();
    this.#pinnedImages -= 1;
    if (this.#pinnedImages === 0) this.#writer.pinned(false);
    if (this.#pinned === image) this.#pinned = null;
  }
}

/** What a store is made of. */
type Opened = {
  readonly environment: Environment;
  readonly tables: readonly RunTable[];
  readonly runs: Runs;
  readonly slot: number;
  readonly policy: RunPolicy;
  readonly system: StoreSystem;
};

function openChecked(dir: string, system: StoreSystem): Environment {
  try {
    return system.openEnvironment(dir);
  } catch (error) {
    throw storeFailure(dir, error);
  }
}

/** Waits for the end of work whose failure is reported to whoever began it. */
async function settled(work: Promise<unknown>): Promise<void> {
  await Promise.allSettled([work]);
}
