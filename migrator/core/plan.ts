/** From what an operator asks for to moves of ranges, or to the reason why not. Pure. */
import { type Key, printKey } from '../../src/base/bytes.ts';
import { boundAtMost, contains, intersect, printRange, type Range } from '../../src/keyspace/range.ts';
import type { MapEntry, RangeMap } from '../../src/keyspace/rangemap.ts';
import { ascending, commonParts } from '../../src/keyspace/sweep.ts';
import { MERGED_MAX } from '../../src/protocol/admin/migration.ts';
import type { PlannedMove } from '../../src/protocol/admin/moves.ts';

/** Moves in the order in which to run them; or why there are none. */
export type Plan = { readonly kind: 'moves'; readonly moves: readonly PlannedMove[] } | Refused;
type Refused = { readonly kind: 'refused'; readonly why: string };

/** What the keeper knows: the map, the clusters whose addresses it has, and its own id, where it is one of those. */
export type Nursery = {
  readonly map: RangeMap;
  readonly clusters: readonly string[];
  readonly keeper?: string | undefined;
};

/** Neighbouring entries of one owner, taken as one. */
type Run = Range & { readonly owner: string };

/**
 * Arakoon's `migrate LEFT SEPARATOR RIGHT`: afterwards keys below the separator belong to LEFT, and it and those
 * above to RIGHT, as far as the two own keys around it. What moves, and in which direction, follows from who owns
 * the separator now. At most one of the two may be new to the nursery; the other's range is split.
 */
export function planMigrate(nursery: Nursery, left: string, separator: Key, right: string): Plan {
  const runs = runsOf(nursery.map);
  const strange = [left, right].find((cluster) => !isKnown(nursery, cluster));
  if (runs.length === 0) return refused('the nursery has no ranges yet: run init first');
  if (strange !== undefined) return refused(unknownCluster(strange));
  if ([left, right].some((cluster) => isNoPlace(nursery, cluster))) return refused(ofKeeper(nursery));
  if (left === right) return refused(`${left} is named on both sides of the separator`);
  if (separator === '') return refused('the separator is empty: no key lies below it');
  const isNew = (cluster: string): boolean => !runs.some((run) => run.owner === cluster);
  if (isNew(left) && isNew(right)) {
    return refused(`neither ${left} nor ${right} owns a range: one of the two must have what is to be split`);
  }
  const index = runs.findIndex((run) => contains(run, separator));
  const here = runs[index] as Run;
  const before = runs[index - 1];
  const after = runs[index + 1];
  if (here.lo === separator && here.owner === right && (before?.owner === left || isNew(left))) {
    return before?.owner === left
      ? refused(`${printKey(separator)} separates ${left} and ${right} already`)
      : refused(`${right} begins at ${printKey(separator)}: nothing is left for ${left} below it`);
  }
  if (here.owner === left) {
    if (!isNew(right) && after?.owner !== right) return refused(notNeighbours(left, right, here));
    if (here.lo === separator) return refused(wouldEmpty(left, here));
    return moves([{ lo: separator, hi: here.hi, source: left, target: right }]);
  }
  if (here.owner === right) {
    if (!isNew(left) && before?.owner !== left) return refused(notNeighbours(left, right, here));
    return moves([{ lo: here.lo, hi: separator, source: right, target: left }]);
  }
  if (here.lo === separator && before?.owner === left && isNew(right)) {
    return refused(`${left} ends at ${printKey(separator)}: nothing is left for ${right} from there on`);
  }
  return refused(
    `${printKey(separator)} lies in ${printRange(here)} of ${here.owner}, neither ${left} nor ${right}; to move a range whoever owns it: migrate --range FROM..TO --to CLUSTER`,
  );
}

/** `migrate --range FROM..TO --to CLUSTER`: each part of the range that another cluster owns moves to `target`. */
export function planRange(nursery: Nursery, range: Range, target: string): Plan {
  const runs = runsOf(nursery.map);
  if (runs.length === 0) return refused('the nursery has no ranges yet: run init first');
  if (!isKnown(nursery, target)) return refused(unknownCluster(target));
  if (isNoPlace(nursery, target)) return refused(ofKeeper(nursery));
  if (range.hi !== null && range.lo >= range.hi) {
    return refused(`the range ${printRange(range)} is empty: FROM must be below TO`);
  }
  const planned: PlannedMove[] = [];
  for (const run of runs) {
    const part = intersect(run, range);
    if (part !== null && run.owner !== target) planned.push({ ...part, source: run.owner, target });
  }
  return planned.length > 0
    ? moves(planned)
    : refused(`all of ${printRange(range)} is at ${target} already: nothing to do`);
}

/**
 * `remove CLUSTER [SEPARATOR]`: all that it owns goes to its neighbours. Where both sides have the same
 * neighbour, or there is only one, that one gets the range; else keys below the separator go left, and it and
 * those above go right. A cluster that owns nothing has no moves, and may be dropped.
 */
export function planRemove(nursery: Nursery, cluster: string, separator: Key | null): Plan {
  const runs = runsOf(nursery.map);
  if (!isKnown(nursery, cluster)) return refused(unknownCluster(cluster));
  if (runs.some((run) => run.owner === cluster) && runs.every((run) => run.owner === cluster)) {
    return refused(`${cluster} is the last cluster of the nursery: nobody is left to take its keys`);
  }
  const planned: PlannedMove[] = [];
  const inner: Run[] = [];
  for (const [index, run] of runs.entries()) {
    if (run.owner !== cluster) continue;
    const left = runs[index - 1]?.owner;
    const right = runs[index + 1]?.owner;
    const sole = left === undefined || left === right ? right : right === undefined ? left : undefined;
    if (sole !== undefined) planned.push({ lo: run.lo, hi: run.hi, source: cluster, target: sole });
    else {
      inner.push(run);
      if (separator !== null) planned.push(...split(run, separator, left as string, right as string));
    }
  }
  if (separator === null && inner.length > 0) {
    const where = inner.map(printRange).join(', ');
    return refused(
      `${cluster} lies between two clusters at ${where}: name a separator, keys below it go left and the others right`,
    );
  }
  if (separator !== null && inner.length === 0) {
    return refused(`each range of ${cluster} has one neighbour to go to: it takes no separator`);
  }
  return moves(planned);
}

/** What becomes one range. */
export type PlannedMerge = Range & { readonly cluster: string };

/**
 * `merge SEPARATOR`: the two ranges that meet there; or `merge --all`, where `separator` is null: all neighbours of one founding that no
 * open migration touches, so many at a time as one merge takes. Of a long row another call finds the rest, once these are merged.
 *
 * @param open disjoint; what lies there is left out
 * @param mayJoin of `--all`: whether an entry may become one with those before it, of which there may be none
 */
export function planMerges(
  map: RangeMap,
  open: readonly Range[],
  separator: Key | null,
  mayJoin: (row: readonly MapEntry[], entry: MapEntry) => boolean = () => true,
): { readonly kind: 'merges'; readonly merges: readonly PlannedMerge[] } | Refused {
  const { entries } = map;
  if (separator !== null) {
    const at = entries.findIndex(({ lo }) => lo === separator);
    const [left, right] = [entries[at - 1], entries[at]];
    if (left === undefined || right === undefined) {
      return refused(`no two ranges meet at ${printKey(separator)}: nursery status shows the map`);
    }
    if (!isOfOne(left, right)) {
      const [one, other] = [left, right].map((entry) => `${printRange(entry)} of ${entry.owner}`);
      return refused(`${one} and ${other} have two owners: only ranges of one cluster are merged`);
    }
    return { kind: 'merges', merges: [{ lo: left.lo, hi: right.hi, cluster: left.owner }] };
  }
  const merges: PlannedMerge[] = [];
  let row: MapEntry[] = [];
  const end = (): void => {
    const [first, last] = [row[0], row.at(-1)];
    if (first !== undefined && last !== undefined && first !== last)
      merges.push({ lo: first.lo, hi: last.hi, cluster: first.owner });
    row = [];
  };
  for (const { range: entry, parts } of commonParts(entries, ascending(open))) {
    const last = row.at(-1);
    const isFree = parts.length === 0;
    const mayFollow = last !== undefined && row.length < MERGED_MAX && isOfOne(last, entry);
    if (!isFree || !mayFollow || !mayJoin(row, entry)) end();
    if (isFree && mayJoin(row, entry)) row.push(entry);
  }
  end();
  return { kind: 'merges', merges };
}

function isOfOne(left: MapEntry, right: MapEntry): boolean {
  return left.owner === right.owner && left.founding === right.founding;
}

/** The parts of `run` below and from the separator on; one of them where it lies outside. */
function split(run: Run, separator: Key, left: string, right: string): PlannedMove[] {
  const source = run.owner;
  if (separator <= run.lo) return [{ lo: run.lo, hi: run.hi, source, target: right }];
  if (boundAtMost(run.hi, separator)) return [{ lo: run.lo, hi: run.hi, source, target: left }];
  return [
    { lo: run.lo, hi: separator, source, target: left },
    { lo: separator, hi: run.hi, source, target: right },
  ];
}

/** Entries of the map, neighbours of one owner joined: they differ in nothing but their epochs. */
function runsOf(map: RangeMap): Run[] {
  const runs: Run[] = [];
  for (const { lo, hi, owner } of map.entries) {
    const last = runs.at(-1);
    if (last?.owner === owner) runs[runs.length - 1] = { ...last, hi };
    else runs.push({ lo, hi, owner });
  }
  return runs;
}

function isKnown({ map, clusters }: Nursery, cluster: string): boolean {
  return clusters.includes(cluster) || map.entries.some((entry) => entry.owner === cluster);
}

/** A keeper is no place for keys of users, unless it was given some by `init`. */
function isNoPlace({ map, keeper }: Nursery, cluster: string): boolean {
  return cluster === keeper && !map.entries.some(({ owner }) => owner === cluster);
}

function ofKeeper({ keeper }: Nursery): string {
  return `${keeper} is the keeper, which owns no keys: name another cluster`;
}

function moves(planned: readonly PlannedMove[]): Plan {
  return { kind: 'moves', moves: planned };
}

function refused(why: string): Refused {
  return { kind: 'refused', why };
}

function unknownCluster(cluster: string): string {
  return `the keeper does not know cluster ${cluster}: start it with a [nursery] section that names the keeper`;
}

function notNeighbours(left: string, right: string, run: Run): string {
  return `${left} and ${right} are not neighbours at ${printRange(run)}; to move a range whoever owns it: migrate --range FROM..TO --to CLUSTER`;
}

function wouldEmpty(cluster: string, run: Run): string {
  return `nothing of ${printRange(run)} would be left to ${cluster}; to take it out of the nursery: remove ${cluster}`;
}
