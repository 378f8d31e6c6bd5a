/** What the updates of one slot change, gathered above the image of the slot before. */

import { invariant } from '../../src/base/assert.ts';
import type { Key } from '../../src/base/bytes.ts';
import { printKey } from '../../src/base/bytes.ts';
import { type Digest, digestOfRow } from '../../src/keyspace/digest.ts';
import type { StoreKey, View, Work } from '../store/types.ts';
import type { Pace } from './pace.ts';
import { SortedKeys } from './sorted-keys.ts';
import { dataKey, type EntryVisit, SliceCount, type SliceLimits, type StoreRange } from './store-keys.ts';

/** Digest of a row, null where there is none. */
export type RowDigest = Digest | null;

/**
 * A view that can be written. Reads see what was written; nothing else does before `changes` is committed.
 *
 * Writes between `mark` and `release` can be undone by `rollBack`; marks nest.
 */
export class SlotTransaction {
  readonly #view: View;
  readonly #changes = new Map<StoreKey, Uint8Array | null>();
  /** What `#changes` held before each write since the outermost mark; undefined where nothing. */
  readonly #undo: [key: StoreKey, before: Uint8Array | null | undefined][] = [];
  #marks = 0;
  /** The keys of `#changes` in order; made by the first scan. May hold keys whose write was undone. */
  #sorted: SortedKeys | null = null;
  #isWatched: ((key: Key) => boolean) | null = null;
  /** Watched rows that were written, with their digest when `takeTouched` was last called. */
  #touched = new Map<Key, RowDigest>();

  constructor(view: View) {
    this.#view = view;
  }

  /** Everything written, to be committed. */
  get changes(): Map<StoreKey, Uint8Array | null> {
    return this.#changes;
  }

  get(key: StoreKey): Uint8Array | undefined {
    const change = this.#changes.get(key);
    return change === undefined ? this.#view.get(key) : (change ?? undefined);
  }

  /** Sets a row, or removes it where `value` is null. */
  put(key: StoreKey, value: Uint8Array | null): void {
    if (this.#marks > 0) this.#undo.push([key, this.#changes.get(key)]);
    this.#changes.set(key, value);
    this.#sorted?.add(key);
  }

  /** The value of a client's key. */
  getRow(key: Key): Uint8Array | undefined {
    return this.get(dataKey(key));
  }

  /** Sets the row of a client's key, or removes it where `value` is null. */
  putRow(key: Key, value: Uint8Array | null): void {
    if (this.#isWatched?.(key) === true && !this.#touched.has(key)) {
      this.#touched.set(key, this.digestOf(key));
    }
    this.put(dataKey(key), value);
  }

  /** `putRow`, and the value before. */
  exchangeRow(key: Key, value: Uint8Array | null): Uint8Array | undefined {
    const before = this.getRow(key);
    this.putRow(key, value);
    return before;
  }

  /** Digest of the row of a client's key, as it is now. */
  digestOf(key: Key): RowDigest {
    const value = this.getRow(key);
    return value === undefined ? null : digestOfRow(0, key, value);
  }

  /** From now on, remembers which client's keys for which `isWatched` holds are written; null: none. */
  watch(isWatched: ((key: Key) => boolean) | null): void {
    this.#isWatched = isWatched;
  }

  /** What was written and watched since the last call, in the order of first writes, each with its digest before. */
  takeTouched(): Map<Key, RowDigest> {
    const touched = this.#touched;
    if (touched.size > 0) this.#touched = new Map();
    return touched;
  }

  /** A point to roll back to. Each is ended by `release`, the innermost first. */
  mark(): number {
    this.#marks += 1;
    return this.#undo.length;
  }

  /** Undoes every write since `mark`, which is still to be released. */
  rollBack(mark: number): void {
    invariant(this.#marks > 0, 'a roll back has a mark', () => ({ mark, undo: this.#undo.length }));
    while (this.#undo.length > mark) {
      const [key, before] = this.#undo.pop() as [StoreKey, Uint8Array | null | undefined];
      if (before === undefined) this.#changes.delete(key);
      else this.#changes.set(key, before);
    }
  }

  /** Ends the innermost mark; what it covered stays as it is, and an outer mark still covers it. */
  release(): void {
    this.#marks -= 1;
    if (this.#marks === 0) this.#undo.length = 0;
  }

  /** Makes scans possible. To be called before the first one; costs nothing later. */
  *prepareScan(pace: Pace): Work<void> {
    if (this.#sorted !== null) return;
    const sorted = new SortedKeys();
    for (const key of this.#changes.keys()) {
      sorted.add(key);
      if (pace.row()) yield;
    }
    this.#sorted = sorted;
  }

  /**
   * Visits entries in `[from, to)` in ascending order, what was written merged in. Rows that it removed count too. Returns
   * the key to go on from, or null at the end. What was removed before may end it earlier (`View.scan`).
   */
  scanSlice({ from, to }: StoreRange, limits: SliceLimits, visit: EntryVisit): StoreKey | null {
    invariant(this.#sorted !== null, 'scans are prepared', () => ({ from: printKey(from) }));
    const written = this.#sorted.cursor(from);
    const count = new SliceCount(limits);
    let next: StoreKey | null = null;
    const visitOne = (key: StoreKey, value: Uint8Array | null): boolean => {
      if (!count.take(key.length + (value?.length ?? 0))) {
        next = key;
        return false;
      }
      if (value !== null) visit(key, value);
      return true;
    };
    /** Visits what was written below `below`, and is not in the image; false where the slice is full. */
    const visitWritten = (below: StoreKey): boolean => {
      for (let key = written.key; key !== null && key < below; key = written.key) {
        if (!visitOne(key, this.#changes.get(key) ?? null)) return false;
        written.advance();
      }
      return true;
    };
    const passed = this.#view.scan(from, to, (key, value) => {
      if (!visitWritten(key)) return false;
      const change = this.#changes.get(key);
      if (!visitOne(key, change === undefined ? value : change)) return false;
      if (written.key === key) written.advance();
      return true;
    });
    if (next === null) visitWritten(passed ?? to);
    return next ?? passed;
  }
}
