/** The range map: a partition of the whole key space, each range with its owner and the epoch at which it got it. */
import { invariant } from './assert.ts';
import type { Key } from './bytes.ts';
import { type Coded, i64, key, list, option, struct, text } from './protocol/codec.ts';
import { boundAtMost, covers, intersect, type Range, subtract } from './range.ts';

/** Layout of a map entry on wire and disk. */
export const mapEntryCodec = struct({ lo: key, hi: option(key), owner: text, epoch: i64 });

/** One range of the map: the cluster id of its owner, and the id of the migration that brought it there. */
export type MapEntry = Coded<typeof mapEntryCodec>;

/** Layout of a map. */
export const rangeMapCodec = struct({ version: i64, entries: list(mapEntryCodec) });

/**
 * Entries sorted by `lo`, without gap or overlap, from the empty key to unbounded; or no entry at all, before
 * `init`. The version rises with every change. Never changed in place.
 */
export type RangeMap = Coded<typeof rangeMapCodec>;

/** Before `init`: nobody owns anything. */
export const EMPTY_MAP: RangeMap = { version: 0, entries: [] };

/** The entry that holds `wanted`, or null in an empty map. Binary search: O(log n). */
export function lookup(map: RangeMap, wanted: Key): MapEntry | null {
  const index = indexOf(map, wanted);
  return index < 0 ? null : (map.entries[index] as MapEntry);
}

/** The entries that share a key with `range`, in order. */
export function entriesIn(map: RangeMap, range: Range): MapEntry[] {
  const found: MapEntry[] = [];
  for (let index = Math.max(indexOf(map, range.lo), 0); index < map.entries.length; index += 1) {
    const entry = map.entries[index] as MapEntry;
    if (intersect(entry, range) === null) break;
    found.push(entry);
  }
  return found;
}

/** Whether `cluster` owns all of `range`. */
export function ownsAll(map: RangeMap, range: Range, cluster: string): boolean {
  const entries = entriesIn(map, range);
  return entries.length > 0 && entries.every((entry) => entry.owner === cluster);
}

/** The map with `range` given to `owner` at `epoch`, one version higher. Neighbours keep their epochs and are never merged. */
export function carve(map: RangeMap, range: Range, owner: string, epoch: number): RangeMap {
  const first = Math.max(indexOf(map, range.lo), 0);
  let next = first;
  const replaced: MapEntry[] = [];
  for (; next < map.entries.length; next += 1) {
    const entry = map.entries[next] as MapEntry;
    if (intersect(entry, range) === null) break;
    for (const rest of subtract(entry, range)) replaced.push({ ...entry, ...rest });
  }
  const carved: MapEntry = { lo: range.lo, hi: range.hi, owner, epoch };
  const before = replaced.filter((piece) => piece.lo < range.lo);
  const after = replaced.filter((piece) => piece.lo >= range.lo);
  const entries = map.entries.slice();
  entries.splice(first, next - first, ...before, carved, ...after);
  return { version: map.version + 1, entries };
}

/** Asserts that the map is a partition of the whole key space (or empty). */
export function checkPartition(map: RangeMap): void {
  let expected: Key | null = '';
  for (const [index, entry] of map.entries.entries()) {
    invariant(entry.lo === expected, `map entry ${index} begins where the one before ends`);
    invariant(entry.hi === null || entry.lo < entry.hi, `map entry ${index} is not empty`);
    expected = entry.hi;
  }
  invariant(map.entries.length === 0 || expected === null, 'the last map entry is unbounded');
}

/** The clusters of the map, each once, in order of their first range. */
export function ownersOf(map: RangeMap): string[] {
  return [...new Set(map.entries.map((entry) => entry.owner))];
}

/** Whether `range` lies within one entry; then that entry. */
export function soleEntry(map: RangeMap, range: Range): MapEntry | null {
  const entry = lookup(map, range.lo);
  return entry !== null && covers(entry, range) && boundAtMost(range.hi, entry.hi) ? entry : null;
}

/** Index of the entry that holds `wanted`, -1 in an empty map. */
function indexOf(map: RangeMap, wanted: Key): number {
  let low = 0;
  let high = map.entries.length - 1;
  while (low <= high) {
    const middle = (low + high) >>> 1;
    if ((map.entries[middle] as MapEntry).lo <= wanted) low = middle + 1;
    else high = middle - 1;
  }
  return high;
}
