/**
 * The dirty table: which rows of an exported range changed since the target last took them, and in which slot. Part of
 * the replicated state, so that it survives the failover of the source.
 *
 *     row   := table prefix, migration id:8 bytes big-endian, head of the key
 *     value := list of { tail of the key, slot of the last change, bytes }, ascending
 *
 * A key is cut into head and tail because the longest keys leave no room for the id in a store key. The order of rows,
 * and of tails within one, is the order of keys.
 */
import { invariant } from '../../src/base/assert.ts';
import { compareKeys, type Key, prefixEnd } from '../../src/base/bytes.ts';
import { contains, type Range } from '../../src/keyspace/range.ts';
import { type Coded, decode, encode, i64, key, list, struct } from '../../src/wire/codec.ts';
import { type StoreKey, TABLES, type View, type Work } from '../store/types.ts';
import type { Draft } from './draft.ts';
import { nextKey, type StoreRange, scanSlice } from './store-keys.ts';

/** Bytes of a key that stand in the store key. */
const HEAD_BYTES = 4000;
/** Rows of the table that are looked at in one slice. */
const SLICE_ROWS = 200;

const entriesCodec = list(struct({ tail: key, slot: i64, bytes: i64 }));
type Entries = Coded<typeof entriesCodec>;

/** How many rows are dirty, and the bytes of their keys and present values. */
export type DirtyCounts = { readonly rows: number; readonly bytes: number };

/** Enters a changed key with its slot. `bytes`: of the key and its present value. Returns what that adds to the counts. */
export function markDirty(draft: Draft, mid: number, dirtyKey: Key, bytes: number): DirtyCounts {
  const row = rowOf(mid, dirtyKey);
  const tail = dirtyKey.slice(HEAD_BYTES);
  const before = draft.tx.get(row);
  const entries: Entries = before === undefined ? [] : decode(entriesCodec, before);
  const at = entries.findIndex((entry) => entry.tail >= tail);
  const old = at >= 0 && entries[at]?.tail === tail ? entries[at] : undefined;
  const entry = { tail, slot: draft.slot, bytes };
  if (old !== undefined) entries[at] = entry;
  else entries.splice(at < 0 ? entries.length : at, 0, entry);
  draft.tx.put(row, encode(entriesCodec, entries));
  return old === undefined ? { rows: 1, bytes } : { rows: 0, bytes: bytes - old.bytes };
}

/** Drops the entries in `range` whose last change is in slot `upTo` or below. Returns what was dropped. */
export function* trimDirty(draft: Draft, mid: number, range: Range, upTo: number): Work<DirtyCounts> {
  const { tx, pace } = draft;
  yield* tx.prepareScan(pace);
  let rows = 0;
  let bytes = 0;
  let next: StoreKey | null = rowOf(mid, range.lo);
  while (next !== null) {
    const slice: [StoreKey, Entries][] = [];
    next = tx.scanSlice(storeRange(mid, next, range.hi), { rowsMax: SLICE_ROWS }, (row, value) => {
      slice.push([row, decode(entriesCodec, value)]);
    });
    for (const [row, entries] of slice) {
      const kept: Entries = [];
      for (const entry of entries) {
        if (entry.slot > upTo || !contains(range, keyOf(row, entry.tail))) {
          kept.push(entry);
          continue;
        }
        rows += 1;
        bytes += entry.bytes;
      }
      if (kept.length < entries.length) tx.put(row, kept.length === 0 ? null : encode(entriesCodec, kept));
    }
    if (pace.rows(SLICE_ROWS)) yield;
  }
  return { rows, bytes };
}

/** Drops every entry of a migration. */
export function* clearDirty(draft: Draft, mid: number): Work<void> {
  yield* trimDirty(draft, mid, { lo: '', hi: null }, draft.slot);
}

/** Visits the dirty keys of an image at or above `from`, ascending, until `visit` returns false; then returns that key. */
export function* eachDirty(
  view: View,
  mid: number,
  from: Key,
  visit: (key: Key) => boolean,
): Work<Key | null> {
  let next: StoreKey | null = rowOf(mid, from);
  while (next !== null) {
    const keys: Key[] = [];
    next = scanSlice(view, storeRange(mid, next, null), { rowsMax: SLICE_ROWS }, (row, value) => {
      for (const { tail } of decode(entriesCodec, value)) keys.push(keyOf(row, tail));
    });
    for (const dirty of keys) {
      if (dirty >= from && !visit(dirty)) return dirty;
    }
    if (next !== null) yield;
  }
  return null;
}

function rowOf(mid: number, dirtyKey: Key): StoreKey {
  return prefixOf(mid) + dirtyKey.slice(0, HEAD_BYTES);
}

function keyOf(row: StoreKey, tail: Key): Key {
  return row.slice(PREFIX_BYTES) + tail;
}

/** Rows of a migration from `from` on that may hold keys below `hi`. */
function storeRange(mid: number, from: StoreKey, hi: Key | null): StoreRange {
  const end = prefixEnd(prefixOf(mid)) as StoreKey;
  const to = hi === null ? end : nextKey(rowOf(mid, hi));
  return { from, to: compareKeys(to, end) < 0 ? to : end };
}

const PREFIX_BYTES = 1 + 8;

function prefixOf(mid: number): StoreKey {
  invariant(Number.isSafeInteger(mid) && mid >= 0, 'a migration id is a number', () => ({ mid }));
  const id = Buffer.alloc(8);
  id.writeBigUInt64BE(BigInt(mid));
  return TABLES.DIRTY + id.toString('latin1');
}
