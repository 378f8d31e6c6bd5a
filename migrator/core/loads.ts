/** What ranges were asked for lately, as a plan by load needs it: how much, where in them, and whether for one key. Pure. */
import { hotOf, type KeyShare, sharesOf } from '../../src/health/load.ts';
import type { Range } from '../../src/keyspace/range.ts';
import type { Load } from '../../src/protocol/admin/node-facts.ts';
import type { BucketFact } from './rebalance.ts';

/** Below so many requests a second load is no reason for anything: of one range, and of the mean of all clusters. */
export const LOAD_MIN = 10;

export type RangeLoadFact = {
  /** Reads and writes a second, over the last minute. */
  readonly load: number;
  /** Of the keys that the owner knows to be asked for most, the most wanted first. */
  readonly keys: readonly KeyShare[];
  /** The key that has most of it, where one has, and it is worth a word. */
  readonly hot: KeyShare | null;
};

/** What the master of a range's owner has told of it; of a range that it does not name nothing was asked. */
export function loadOfRange(range: Range & { readonly epoch: number }, told: Load): RangeLoadFact {
  const found = told.ranges.find(
    ({ lo, hi, epoch }) => lo === range.lo && hi === range.hi && epoch === range.epoch,
  );
  if (found === undefined) return { load: 0, keys: [], hot: null };
  const { reads, writes } = found;
  const keys = sharesOf(range, reads.s10 + writes.s10, told.hottest);
  const load = reads.m1 + writes.m1;
  return { load, keys, hot: load < LOAD_MIN ? null : hotOf(keys) };
}

/**
 * The load of each bucket of a range: that of the keys which are known to be wanted where they lie, and the rest as the other keys
 * do. The loads add up to that of the range.
 */
export function spreadLoad(
  { load, keys }: RangeLoadFact,
  buckets: readonly BucketFact[],
): readonly BucketFact[] {
  const count = buckets.reduce((sum, bucket) => sum + bucket.keys, 0);
  if (count === 0) return buckets;
  const named = keys.reduce((sum, { share }) => sum + share, 0);
  const scale = named > 1 ? 1 / named : 1; // both are estimates
  const rest = load * (1 - named * scale);
  return buckets.map((bucket, at) => {
    const end = buckets[at + 1]?.lo ?? null;
    const inIt = keys.filter(({ key }) => key >= bucket.lo && (end === null || key < end));
    const wanted = inIt.reduce((sum, { share }) => sum + load * share * scale, 0);
    return { ...bucket, load: wanted + (rest * bucket.keys) / count };
  });
}
