/** Skewed nurseries, made of a seed, and what every plan for them must hold. */
import * as assert from 'uvu/assert';
import {
  BOUNDS,
  type BucketFact,
  type ClusterFact,
  planRebalance,
  type RangeFact,
} from '../../../migrator/core/rebalance.ts';
import { covers, overlaps } from '../../../src/keyspace/range.ts';
import { lookup, RangeMap } from '../../../src/keyspace/rangemap.ts';
import { RESERVE, type RebalancePlan } from '../../../src/protocol/admin/moves.ts';
import { createRandom } from '../../support/random.ts';

export type Nursery = { readonly clusters: ClusterFact[]; readonly ranges: RangeFact[] };

const keyOf = (n: number): string => `k${String(n).padStart(7, '0')}`;

/** So many clusters with so many ranges, of so many buckets on average, whose sizes and owners are skewed as Zipf's law has it. */
export function skewed(seed: number, clusterCount: number, rangeCount: number, buckets = 64): Nursery {
  const random = createRandom(seed);
  const skew = 0.3 + random.next();
  const ids = Array.from({ length: clusterCount }, (_, n) => `c${String(n).padStart(4, '0')}`);
  const clusters = ids.map((id): ClusterFact => ({ id, pool: '', freeBytes: null, isBusy: false }));
  // A sum over ranks, to draw owners by their share.
  const shares: number[] = [];
  for (let rank = 1; rank <= clusterCount; rank += 1) shares.push((shares.at(-1) ?? 0) + 1 / rank ** skew);
  const total = shares.at(-1) ?? 1;
  const ownerOf = (): string => {
    const at = random.next() * total;
    return ids[shares.findIndex((share) => share >= at)] as string;
  };
  const sizes = Array.from({ length: rangeCount }, () =>
    Math.ceil(1e9 / (1 + random.below(rangeCount)) ** (skew / 2)),
  );
  const size = sizes.reduce((sum, each) => sum + each, 0) / rangeCount;
  const ranges = sizes.map((bytes, n): RangeFact => {
    const load = random.next() * 1000;
    // As stores have them: each of about as much.
    const count = Math.min(1024, Math.max(1, Math.round((buckets * bytes) / size)));
    const parts = Array.from({ length: count }, (_each, at): BucketFact => {
      const lo = at === 0 ? keyOf(n) : `${keyOf(n)}/${String(at).padStart(4, '0')}`;
      return { lo, keys: 10, bytes: bytes / count, load: load / count };
    });
    const hi = n === rangeCount - 1 ? null : keyOf(n + 1);
    const lo = n === 0 ? '' : keyOf(n);
    return { lo, hi, owner: ownerOf(), keys: 10 * count, bytes, load, buckets: parts, stays: false };
  });
  return { clusters, ranges };
}

/** What every cluster has, by size or load. */
function amountsOf({ clusters, ranges }: Nursery, by: 'size' | 'load'): Map<string, number> {
  const amounts = new Map(clusters.map(({ id }) => [id, 0]));
  for (const range of ranges) {
    const weight = by === 'size' ? range.bytes : (range.load ?? 0);
    amounts.set(range.owner, (amounts.get(range.owner) ?? 0) + weight);
  }
  return amounts;
}

/** What a plan moved beside what it had to, and how uneven it leaves the nursery. */
export type Judged = {
  readonly moved: number;
  readonly bound: number;
  readonly most: number;
  readonly moves: number;
};

/** @throws AssertionError where a plan breaks a rule that holds for all of them */
export function judge(nursery: Nursery, plan: RebalancePlan, by: 'size' | 'load'): Judged {
  const amounts = amountsOf(nursery, by);
  const mean = [...amounts.values()].reduce((sum, each) => sum + each, 0) / amounts.size;
  const upper = mean * (1 + BOUNDS.threshold);
  const bound = [...amounts.values()].reduce((sum, each) => sum + Math.max(0, each - upper), 0);
  const free = new Map(
    nursery.clusters.map(({ id, freeBytes }) => [id, freeBytes ?? Number.POSITIVE_INFINITY]),
  );
  const before = new Map(amounts);
  const map = RangeMap.of(
    1,
    nursery.ranges.map(({ lo, hi, owner }, at) => ({ lo, hi, owner, epoch: at })),
  );
  const taken: RebalancePlan['moves'][number][] = [];
  let moved = 0;
  for (const move of plan.moves) {
    const { source, target, bytes, load = 0 } = move;
    const weight = by === 'size' ? bytes : load;
    assert.is.not(source, target);
    const origin = nursery.ranges[lookup(map, move.lo)?.epoch ?? -1];
    assert.ok(
      origin?.owner === source && covers(origin, move) && !origin.stays,
      'it is a part of one range of its source, that may move',
    );
    assert.ok((before.get(source) ?? 0) > upper, 'who is not overfull gives nothing');
    amounts.set(source, (amounts.get(source) ?? 0) - weight);
    amounts.set(target, (amounts.get(target) ?? 0) + weight);
    assert.ok((amounts.get(target) ?? 0) <= upper * (1 + 1e-9), 'nobody becomes overfull');
    free.set(target, (free.get(target) ?? 0) - bytes * RESERVE);
    assert.ok((free.get(target) ?? 0) >= -1e-3, 'a target has room');
    moved += weight;
    taken.push(move);
  }
  const sorted = [...taken].sort((a, b) => (a.lo < b.lo ? -1 : 1));
  for (const [at, move] of sorted.entries()) {
    const next = sorted[at + 1];
    assert.ok(next === undefined || !overlaps(move, next), 'no key moves twice');
  }
  const ends = taken.flatMap(({ wave, source, target }) => [`${wave} ${source}`, `${wave} ${target}`]);
  assert.is(new Set(ends).size, ends.length, 'one move per source and target at once');
  const most = Math.max(...amounts.values()) / mean;
  assert.ok(Math.abs(plan.after.most - most) < 1e-6, 'what is told of afterwards is so');
  return { moved, bound, most, moves: plan.moves.length };
}

/** Processor time of one plan (ms), the least of so many: what else the machine does does not count. */
export function timeOf({ clusters, ranges }: Nursery, runs: number): number {
  let best = Number.POSITIVE_INFINITY;
  for (let run = 0; run < runs; run += 1) {
    const before = process.cpuUsage();
    planRebalance(clusters, ranges);
    const { user, system } = process.cpuUsage(before);
    best = Math.min(best, (user + system) / 1000);
  }
  return best;
}
