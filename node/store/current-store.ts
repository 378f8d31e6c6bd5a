/** The node's store as everyone holds it: stays the same object when a snapshot replaces the files beneath. */
import { NurseryError } from '../../src/base/errors.ts';
import { type Range, sameRange } from '../../src/keyspace/range.ts';
import type { CountedBucket } from '../../src/protocol/admin/node-facts.ts';
import type { LmdbStore } from './lmdb-store.ts';
import type { RangeCounts } from './range-counts.ts';
import type { Changes, DurableStore, Snapshot, StoreKey, Visit } from './types.ts';

/** Passes everything on to the store that is open; while there is none, reads are refused and nothing is applied. */
export class CurrentStore implements DurableStore {
  #store: LmdbStore | null;
  #lastSlot: number;
  #counted: readonly Range[] = [];
  #onRoom: () => void = () => undefined;

  constructor(store: LmdbStore) {
    this.#store = store;
    this.#lastSlot = store.slot;
  }

  /** The store that is open. @throws NurseryError GOING_DOWN while it is being replaced */
  get open(): LmdbStore {
    if (this.#store !== null) return this.#store;
    throw new NurseryError(
      'GOING_DOWN',
      'the store is being replaced by a snapshot; not executed, ask again',
    );
  }

  get isOpen(): boolean {
    return this.#store !== null;
  }

  /** Takes the store away, to be closed and replaced. */
  take(): LmdbStore {
    const store = this.open;
    this.#lastSlot = store.slot;
    this.#store = null;
    return store;
  }

  /** Puts the new one in its place. */
  put(store: LmdbStore): void {
    this.#store = store;
    store.onRoom = this.#onRoom;
    store.countRanges(this.#counted);
  }

  /** Has these ranges counted, in whichever store is open; the same again is nothing new. */
  countRanges(ranges: readonly Range[]): void {
    if (ranges === this.#counted) return;
    const known = this.#counted;
    this.#counted = ranges;
    if (ranges.length === known.length && ranges.every((range, at) => sameRange(range, known[at] ?? range)))
      return;
    this.#store?.countRanges(ranges);
  }

  /** What they have; null where that is not known yet. */
  get counts(): RangeCounts | null {
    return this.#store?.counts ?? null;
  }

  /** Tells `hear` how rows lie, as `LmdbStore.buckets`; null while there is no store. */
  buckets(hear: (buckets: CountedBucket[] | null) => void): void {
    if (this.#store === null) hear(null);
    else this.#store.buckets(hear);
  }

  get slot(): number {
    return this.#store?.slot ?? this.#lastSlot;
  }

  get overlayBytes(): number {
    return this.#store?.overlayBytes ?? 0;
  }

  get overlayBytesMax(): number {
    return this.#store?.overlayBytesMax ?? 0;
  }

  /** `run` is called when a flush that goes on slowly makes some room, in whichever store is open. */
  whenRoom(run: () => void): void {
    this.#onRoom = run;
    if (this.#store !== null) this.#store.onRoom = run;
  }

  get flushedSlot(): number {
    return this.open.flushedSlot;
  }

  get(key: StoreKey): Uint8Array | undefined {
    return this.open.get(key);
  }

  scan(from: StoreKey, to: StoreKey | null, visit: Visit): StoreKey | null {
    return this.open.scan(from, to, visit);
  }

  scanDown(from: StoreKey, to: StoreKey | null, visit: Visit): StoreKey | null {
    return this.open.scanDown(from, to, visit);
  }

  commit(changes: Changes, slot: number): void {
    this.open.commit(changes, slot);
  }

  snapshot(): Snapshot {
    return this.open.snapshot();
  }
}
