/** The map by which the router routes: the keeper's, and what newer answers of clusters said. */
import type { Key } from '../../src/base/bytes.ts';
import { boundAtMost, contains, intersect, type Range } from '../../src/keyspace/range.ts';
import { carve, entriesIn, lookup, type MapEntry, type RangeMap } from '../../src/keyspace/rangemap.ts';
import type { Moving, Router, Task } from './types.ts';

/**
 * `map` with `entry` wherever its epoch is higher; `map` itself where it is nowhere. An epoch names one migration,
 * so of two owners of a key the one with the higher epoch is the later.
 */
export function learn(map: RangeMap, entry: MapEntry): RangeMap {
  let learned = map;
  for (const known of entriesIn(map, entry)) {
    const common = known.epoch < entry.epoch ? intersect(known, entry) : null;
    if (common !== null) learned = carve(learned, common, entry.owner, entry.epoch, entry.founding);
  }
  return learned;
}

/** Of each key the owner with the higher epoch; `fresh` where equal. Any order of merging gives the same. */
export function merge(fresh: RangeMap, known: RangeMap): RangeMap {
  return newerIn(fresh, known).reduce(learn, fresh);
}

/** The entries of `known` with a higher epoch than some entry of `fresh` beside them: side by side, since both may be long. */
function newerIn(fresh: RangeMap, known: RangeMap): MapEntry[] {
  const theirs = fresh.entries;
  let at = 0;
  return known.entries.filter((entry) => {
    let isNewer = false;
    for (let isEnd = false; !isEnd && at < theirs.length; ) {
      const { hi, epoch } = theirs[at] as MapEntry;
      isNewer ||= epoch < entry.epoch;
      isEnd = boundAtMost(entry.hi, hi);
      if (boundAtMost(hi, entry.hi)) at += 1; // else it reaches into the next one, too
    }
    return isNewer;
  });
}

/** Who owns all of `keys` and `ranges`; null where several do, or nobody. Where nothing is named: null. */
export function soleOwner(
  map: RangeMap,
  keys: readonly Key[],
  ranges: readonly Range[],
  from: string | null = null,
): string | null {
  let owner = from;
  for (const key of keys) {
    const entry = lookup(map, key);
    if (entry === null || (owner !== null && entry.owner !== owner)) return null;
    owner = entry.owner;
  }
  for (const range of ranges) {
    for (const entry of entriesIn(map, range)) {
      if (owner !== null && entry.owner !== owner) return null;
      owner = entry.owner;
    }
  }
  return owner;
}

/** Whether `entry` names a founding of its owner that is not in force, as far as the keeper said. */
export function isDead(router: Router, { owner, founding }: MapEntry): boolean {
  const inForce = router.clusters.get(owner)?.founding ?? '';
  return founding !== undefined && inForce !== '' && founding !== inForce;
}

/** Whether anything that is named belongs to a founding that is not in force. */
export function namesDead(router: Router, { keys, ranges }: Task): boolean {
  return (
    keys.some((key) => {
      const entry = lookup(router.effective, key);
      return entry !== null && isDead(router, entry);
    }) || ranges.some((range) => entriesIn(router.effective, range).some((entry) => isDead(router, entry)))
  );
}

/** The owners of what is named, each once. */
export function ownersNamed(map: RangeMap, keys: readonly Key[], ranges: readonly Range[]): string[] {
  const owners = new Set<string>();
  for (const key of keys) {
    const entry = lookup(map, key);
    if (entry !== null) owners.add(entry.owner);
  }
  for (const range of ranges) for (const entry of entriesIn(map, range)) owners.add(entry.owner);
  return [...owners];
}

/** A range and its owner. */
export type Run = { readonly range: Range; readonly owner: string };

/** The first piece of `range` (the last where `isDescending`) whose neighbouring entries have one owner; null in an empty map. */
export function runOf(map: RangeMap, range: Range, isDescending: boolean): Run | null {
  const entries = entriesIn(map, range);
  if (isDescending) entries.reverse();
  const first = entries[0];
  if (first === undefined) return null;
  let { lo, hi } = first;
  for (const entry of entries) {
    if (entry.owner !== first.owner) break;
    if (isDescending) lo = entry.lo;
    else hi = entry.hi;
  }
  const piece = intersect({ lo, hi }, range);
  return piece === null ? null : { range: piece, owner: first.owner };
}

/** The moving range that `task` must wait for, or null. */
export function holding(router: Router, task: Task): Moving | null {
  if (router.holding === 0) return null;
  for (const moving of router.moving) {
    if (moving.owner === null && touches(moving.range, task.keys, task.ranges)) return moving;
  }
  return null;
}

/** Whether any of what is named lies in `range`. */
export function touches(range: Range, keys: readonly Key[], ranges: readonly Range[]): boolean {
  for (const key of keys) if (contains(range, key)) return true;
  for (const named of ranges) if (intersect(range, named) !== null) return true;
  return false;
}
