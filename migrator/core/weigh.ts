/** From what the keeper and the masters of clusters say to the facts of a plan. Pure. */
import type { Key } from '../../src/base/bytes.ts';
import type { Range } from '../../src/keyspace/range.ts';
import type { RangeMap } from '../../src/keyspace/rangemap.ts';
import { ascending, commonParts } from '../../src/keyspace/sweep.ts';
import type { Migration } from '../../src/protocol/admin/admin.ts';
import { endedAtMs, isMerge, isOpen } from '../../src/protocol/admin/migration.ts';
import type { CountedBucket, Load, NodeFacts, RangeCount } from '../../src/protocol/admin/node-facts.ts';
import { LOAD_MIN, loadOfRange, type RangeLoadFact, spreadLoad } from './loads.ts';
import { BOUNDS, type Bounds, type By, type RangeFact } from './rebalance.ts';

/**
 * What clusters were asked for over the last minute is known a minute after their last move: before, a range that came was asked for
 * less, and one that was cut for more.
 */
const SETTLED_MS = 60_000;

/** What the master of a cluster says of its ranges. */
export type Told = {
  /** Clusters of one pool are evened out among themselves. */
  readonly pool: string;
  readonly counts: readonly RangeCount[];
  readonly load: Load;
  /** By its clock (ms since 1970). */
  readonly atMs: number;
};
/** The same, out of the facts of that master; null while it is counting still. */
export function toldIn({ status, counts, load, atMs, places }: NodeFacts): Told | null {
  const { pool } = places;
  // Who owns nothing has nothing to count.
  if (status.owned.length === 0) return { pool, counts: [], load, atMs };
  return counts === null ? null : { pool, counts, load, atMs };
}

/** A range, and what it is asked for; null where a plan is by size. */
export type Weighed = RangeFact & { readonly asked: RangeLoadFact | null };

/**
 * A move under way; or one whose clusters have not been asked for long enough since, as far as the clocks of migrator and masters agree:
 * where they do not, a plan may be made too early, of which the next one sees more.
 */
export function isFresh(record: Migration, nowMs: number): boolean {
  if (isOpen(record)) return true;
  return !isMerge(record) && nowMs < endedAtMs(record) + SETTLED_MS;
}

/** Whether one of them has the cluster as source or target. */
export function isBusy(open: readonly Migration[], id: string): boolean {
  return open.some(({ source, target }) => source === id || target === id);
}

/** What a plan by size, or load, keeps to: at so little load nothing is worth a move. */
export function boundsOf({ by, threshold }: Pick<Bounds, 'by' | 'threshold'>): Bounds {
  return { ...BOUNDS, by, threshold, meanMin: by === 'load' ? LOAD_MIN : 0 };
}

type ByBeginning = {
  readonly counts: ReadonlyMap<Key, RangeCount>;
  readonly loads: ReadonlyMap<Key, Load['ranges']>;
  readonly hottest: Load['hottest'];
};

function byBeginning({ counts, load }: Told, by: By): ByBeginning {
  const byLo = {
    counts: new Map<Key, RangeCount>(),
    loads: new Map<Key, Load['ranges']>(),
    hottest: load.hottest,
  };
  for (const each of counts) byLo.counts.set(each.lo, each);
  if (by === 'load') for (const each of load.ranges) byLo.loads.set(each.lo, [each]);
  return byLo;
}

/** Ranges of the map whose owner has counted them: what it has of other shapes is not of this map. */
export function rangesOf(
  { entries }: RangeMap,
  around: {
    readonly toldOf: ReadonlyMap<string, Told | null>;
    readonly open: readonly Range[];
    readonly by: By;
  },
): Weighed[] {
  const { toldOf, open, by } = around;
  // Of each cluster a row of its own, by where a range begins: 100,000 ranges are looked at in one turn.
  const saidOf = new Map<string, ByBeginning>();
  for (const [id, told] of toldOf) if (told !== null) saidOf.set(id, byBeginning(told, by));
  const facts: Weighed[] = [];
  for (const { range: entry, parts } of commonParts(entries, ascending(open))) {
    const { lo, hi, owner } = entry;
    const said = saidOf.get(owner);
    const count = said?.counts.get(lo);
    if (said === undefined || count === undefined || count.hi !== hi) continue;
    const { keys, bytes } = count;
    if (by === 'size') {
      facts.push({ lo, hi, owner, keys, bytes, buckets: [], stays: parts.length > 0, asked: null });
      continue;
    }
    const asked = loadOfRange(entry, { ranges: said.loads.get(lo) ?? [], hottest: said.hottest });
    const stays = parts.length > 0 || asked.hot !== null;
    facts.push({ lo, hi, owner, keys, bytes, load: asked.load, buckets: [], stays, asked });
  }
  return facts;
}

/** The buckets that lie within a range; none where they do not begin with it, as in a store that was counted roughly. */
export function withBuckets(range: Weighed, buckets: readonly CountedBucket[]): RangeFact {
  const first = firstFrom(buckets, range.lo);
  if (buckets[first]?.lo !== range.lo) return range;
  const end = range.hi === null ? buckets.length : firstFrom(buckets, range.hi);
  const own = buckets.slice(first, end);
  return { ...range, buckets: range.asked === null ? own : spreadLoad(range.asked, own) };
}

/** Index of the first bucket that begins at `key` or above. */
function firstFrom(buckets: readonly CountedBucket[], key: Key): number {
  let low = 0;
  let high = buckets.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((buckets[middle] as CountedBucket).lo < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
