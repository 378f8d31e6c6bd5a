/** From keys and ranges of clients to those of the store, and back. */
import { type Key, prefixEnd, successor } from '../../src/base/bytes.ts';
import { USER_KEY_MAX } from '../../src/base/limits.ts';
import type { Range } from '../../src/keyspace/range.ts';
import { STORE_KEY_MAX, type StoreKey, TABLES, type View } from '../store/types.ts';

/** An interval of store keys, `[from, to)`. */
export type StoreRange = { readonly from: StoreKey; readonly to: StoreKey };

/** Where the row of user key `key` lies. */
export function dataKey(key: Key): StoreKey {
  return TABLES.DATA + key;
}

/** The user key of a row in the data table. */
export function userKey(key: StoreKey): Key {
  return key.slice(1);
}

/** The rows of `range` in the data table. */
export function dataRange(range: Range): StoreRange {
  const to = range.hi === null ? tableEnd(TABLES.DATA) : storable(dataKey(range.hi));
  return { from: storable(dataKey(range.lo)), to };
}

/** All rows of a table. */
export function tableRange(table: StoreKey): StoreRange {
  return { from: table, to: tableEnd(table) };
}

/** The least store key above `key`. */
export function nextKey(key: StoreKey): StoreKey {
  return storable(successor(key));
}

/** Whether a bound of a range is short enough: that of a key, or of the successor of one. */
export function isBound(bound: Key | null): boolean {
  return bound === null || bound.length <= USER_KEY_MAX + 1;
}

/** Keys and values that are read in one slice (bytes), whatever the number of rows; the last row may go beyond it. */
export const SLICE_BYTES = 256 * 1024;

/** How much one slice of a scan may look at. Whichever limit is reached first ends it. */
export type SliceLimits = { readonly rowsMax: number; readonly bytesMax?: number };

/** Counts what a slice has looked at. */
export class SliceCount {
  #rows: number;
  #bytes: number;

  constructor({ rowsMax, bytesMax = SLICE_BYTES }: SliceLimits) {
    this.#rows = rowsMax;
    this.#bytes = bytesMax;
  }

  /** Counts a row, or says that there is no room for it. A slice of at least one row always has room for one. */
  take(bytes: number): boolean {
    if (this.#rows <= 0 || this.#bytes <= 0) return false;
    this.#rows -= 1;
    this.#bytes -= bytes;
    return true;
  }
}

/** A visitor of entries; it must not write. */
export type EntryVisit = (key: StoreKey, value: Uint8Array) => void;

/**
 * Visits the entries of `[from, to)` in ascending order. Returns the key to go on from, or null at the end. What is removed
 * may end it earlier than the limits do (`View.scan`).
 */
export function scanSlice(
  view: View,
  { from, to }: StoreRange,
  limits: SliceLimits,
  visit: EntryVisit,
): StoreKey | null {
  const count = new SliceCount(limits);
  let next: StoreKey | null = null;
  const passed = view.scan(from, to, (key, value) => {
    if (!count.take(key.length + value.length)) {
      next = key;
      return false;
    }
    visit(key, value);
    return true;
  });
  return next ?? passed;
}

/** Visits all entries of `[from, to)` in ascending order, in one go: for tables that are small, and for tests. */
export function scanAll(view: View, from: StoreKey, to: StoreKey | null, visit: EntryVisit): void {
  let next: StoreKey | null = from;
  while (next !== null) {
    next = view.scan(next, to, (key, value) => {
      visit(key, value);
      return true;
    });
  }
}

/** The bound that parts all keys which can be stored as `bound` does, and can be stored itself. */
function storable(bound: StoreKey): StoreKey {
  if (bound.length <= STORE_KEY_MAX) return bound;
  // Nothing storable lies between the longest beginning of the bound and the bound itself.
  return prefixEnd(bound.slice(0, STORE_KEY_MAX)) as StoreKey;
}

function tableEnd(table: StoreKey): StoreKey {
  return prefixEnd(table) as StoreKey;
}
