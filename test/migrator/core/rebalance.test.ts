/** What a plan moves to even a nursery out: little, enough, and nothing that must stay. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  BOUNDS,
  type Bounds,
  overfull,
  planRebalance,
  type RangeFact,
} from '../../../migrator/core/rebalance.ts';
import { lookup, RangeMap } from '../../../src/keyspace/rangemap.ts';
import { judge, skewed, timeOf } from './rebalance-rig.ts';

/** Skewed starts; the full number is for the long lane. */
const STARTS = Number(process.env['REBALANCE_STARTS'] ?? 25);
const [CLUSTERS, RANGES] = (process.env['REBALANCE_SIZE'] ?? '40x2000').split('x').map(Number) as [
  number,
  number,
];

/** Of a range, on average; fewer where there are so many that they fill the memory. */
const BUCKETS = RANGES > 10_000 ? 10 : 64;
/** What a plan may take (ms); on a machine that does other things, too, more than on one of its own. */
const PLAN_MS = Number(process.env['REBALANCE_MS'] ?? 250);
const cluster = (id: string, freeBytes: number | null = null, isBusy = false, pool = '') => ({
  ...{ id, pool, freeBytes, isBusy },
});

/** `range('a', 'k', 'ams', 80)`: of 8 buckets. */
function range(lo: string, hi: string | null, owner: string, bytes: number, stays = false): RangeFact {
  const buckets = Array.from({ length: 8 }, (_, at) => ({
    lo: at === 0 ? lo : `${lo}${at}`,
    keys: 1,
    bytes: bytes / 8,
  }));
  return { lo, hi, owner, keys: 8, bytes, buckets, stays };
}

const told = (plan: ReturnType<typeof planRebalance>): string[] =>
  plan.moves.map(
    ({ source, target, lo, hi, bytes, wave }) => `${wave}: ${source} > ${target} ${lo}..${hi ?? ''} ${bytes}`,
  );

for (const by of ['size', 'load'] as const) {
  test(`skewed nurseries, by ${by}: within the threshold, with little more than what must move`, () => {
    let worst = 0;
    for (let seed = 1; seed <= STARTS; seed += 1) {
      const nursery = skewed(seed, CLUSTERS, RANGES, BUCKETS);
      const plan = planRebalance(nursery.clusters, nursery.ranges, { ...BOUNDS, by, movesMax: 100_000 });
      const { moved, bound, most } = judge(nursery, plan, by);
      assert.ok(most <= 1 + BOUNDS.threshold + 1e-9, `seed ${seed}: the fullest has ${most} of the mean`);
      assert.ok(moved <= bound * 1.2 + 1e-6, `seed ${seed}: moved ${moved}, at least ${bound} must`);
      assert.equal(plan.stuck, []);
      worst = Math.max(worst, moved / bound);
      // Once it is carried out there is nothing more to do.
      const after = carriedOut(nursery.ranges, plan);
      assert.equal(planRebalance(nursery.clusters, after, { ...BOUNDS, by }).moves, [], `seed ${seed}`);
    }
    console.log(`${STARTS} starts by ${by}: at most ${worst.toFixed(3)} times what must move`);
  });
}

/** Ranges once the moves of a plan are done. */
function carriedOut(ranges: readonly RangeFact[], plan: ReturnType<typeof planRebalance>): RangeFact[] {
  const moved = new Map<string, { bytes: number; load: number; keys: number }>();
  const map = RangeMap.of(
    1,
    ranges.map(({ lo, hi, owner }, at) => ({ lo, hi, owner, epoch: at + 1 })),
  );
  const fresh = plan.moves.map(({ lo, hi, source, target, keys, bytes, load = 0 }): RangeFact => {
    const origin = lookup(map, lo);
    assert.is(origin?.owner, source);
    const sum = moved.get(origin?.lo ?? '') ?? { bytes: 0, load: 0, keys: 0 };
    moved.set(origin?.lo ?? '', { bytes: sum.bytes + bytes, load: sum.load + load, keys: sum.keys + keys });
    return { lo, hi, owner: target, keys, bytes, load, buckets: [], stays: false };
  });
  const rest = ranges.map((each): RangeFact => {
    const less = moved.get(each.lo);
    if (less === undefined) return each;
    const { bytes, load = 0, keys } = each;
    return {
      ...each,
      bytes: bytes - less.bytes,
      load: load - less.load,
      keys: keys - less.keys,
      buckets: [],
    };
  });
  return [...rest, ...fresh];
}

test('what is even enough stays as it is', () => {
  const plan = planRebalance(
    [cluster('a'), cluster('b')],
    [range('', 'k', 'a', 109), range('k', null, 'b', 91)],
  );
  assert.equal(plan.moves, []);
  assert.equal(planRebalance([], []).moves, []);
  assert.equal(planRebalance([cluster('a')], [range('', null, 'a', 100)]).moves, []);
  assert.equal(planRebalance([cluster('a'), cluster('b')], [range('', null, 'a', 0)]).moves, []);
});

test('a whole range that is enough comes before a cut', () => {
  const ranges = [range('', 'c', 'a', 55), range('c', 'k', 'a', 105), range('k', null, 'b', 40)];
  assert.equal(told(planRebalance([cluster('a'), cluster('b')], ranges)), ['0: a > b ..c 55']);
});

test('one large range is cut at a border of a bucket', () => {
  const plan = planRebalance(
    [cluster('a'), cluster('b')],
    [range('a', 'k', 'a', 160), range('k', null, 'b', 0)],
  );
  assert.equal(told(plan), ['0: a > b a4..k 80']);
  assert.is(plan.after.most, 1);
});

test('one cluster is in one move at once', () => {
  const ranges = [range('', 'k', 'a', 300), range('k', 'p', 'b', 0), range('p', null, 'c', 0)];
  const plan = planRebalance(
    ['a', 'b', 'c'].map((id) => cluster(id)),
    ranges,
  );
  assert.equal(
    plan.moves.map(({ wave }) => wave),
    plan.moves.map((_, at) => at),
  );
  assert.ok(plan.moves.length >= 2);
});

test('what stays is left, who is busy is counted and left alone, and who is full gets nothing', () => {
  const clusters = [cluster('a'), cluster('b')];
  const stuck = planRebalance(clusters, [range('', 'k', 'a', 160, true), range('k', null, 'b', 0)]);
  assert.equal([stuck.moves, stuck.stuck], [[], ['a']]);
  for (const busy of ['a', 'b']) {
    const some = clusters.map((each) => ({ ...each, isBusy: each.id === busy }));
    const plan = planRebalance(some, [range('', 'k', 'a', 160), range('k', null, 'b', 0)]);
    assert.equal([plan.moves, plan.stuck], [[], ['a']]);
  }
  const small = [cluster('a'), cluster('b', 100), cluster('c', 1e6)];
  const ranges = [range('', 'k', 'a', 300), range('k', 'p', 'b', 0), range('p', null, 'c', 0)];
  const plan = planRebalance(small, ranges);
  const toB = plan.moves.filter(({ target }) => target === 'b').reduce((sum, { bytes }) => sum + bytes, 0);
  assert.ok(toB * 2.5 <= 100);
  assert.ok(plan.moves.some(({ target }) => target === 'c'));
});

test('ranges of a cluster that nobody has counted are not moved, and nothing comes to it', () => {
  const plan = planRebalance(
    [cluster('a'), cluster('b')],
    [range('', 'k', 'a', 160), range('k', null, 'x', 999)],
  );
  assert.equal(
    plan.moves.map(({ target }) => target),
    ['b'],
  );
  assert.equal(overfull([cluster('a'), cluster('b')], [range('', 'k', 'a', 160)]), ['a']);
});

const among = (id: string, pool: string) => cluster(id, null, false, pool);

test('clusters of one pool are evened out among themselves: each pool as if there were no other', () => {
  for (const by of ['size', 'load'] as const) {
    for (let seed = 1; seed <= 10; seed += 1) {
      const nursery = skewed(seed, 12, 300, 8);
      const bounds = { ...BOUNDS, by };
      const pools = ['', 'eu', 'us'].map((pool, nth) =>
        nursery.clusters.filter((_, at) => at % 3 === nth).map((each) => ({ ...each, pool })),
      );
      const alone = pools.map((clusters) => planRebalance(clusters, nursery.ranges, bounds));
      const plan = planRebalance(pools.flat(), nursery.ranges, bounds);
      for (const [at, clusters] of pools.entries()) {
        const ids = clusters.map(({ id }) => id);
        const its = plan.moves.filter(({ source, target }) => ids.includes(source) || ids.includes(target));
        assert.equal(its, alone[at]?.moves, `seed ${seed}`);
      }
      const most = Math.max(...alone.map(({ before }) => before.most));
      assert.is(plan.before.most, most, 'it is told of the pool that is least even');
    }
  }
});

test('a pool that is asked for too little to move anything keeps no other one from being evened out', () => {
  const clusters = [among('a', 'eu'), among('b', 'eu'), among('c', 'us'), among('d', 'us')];
  const asked = (lo: string, hi: string | null, owner: string, load: number): RangeFact => {
    const whole = range(lo, hi, owner, 8);
    return { ...whole, load, buckets: whole.buckets.map((each) => ({ ...each, load: load / 8 })) };
  };
  const ranges = [asked('', 'd', 'a', 4), asked('d', 'k', 'c', 90), asked('k', null, 'd', 50)];
  const bounds: Bounds = { ...BOUNDS, by: 'load', meanMin: 10 };
  const { moves, before, stuck } = planRebalance(clusters, ranges, bounds);
  assert.equal([...new Set(moves.map(({ source, target }) => `${source} > ${target}`))], ['c > d']);
  assert.equal(stuck, []);
  assert.equal([before.fullest, before.mean], ['c', 70]);
  assert.equal(overfull(clusters, ranges, bounds), ['c']);
  const quiet = planRebalance(clusters.slice(0, 2), ranges, bounds);
  assert.equal([quiet.moves, quiet.stuck, quiet.before.mean], [[], [], 2]);
});

test('a plan is bounded', () => {
  const nursery = skewed(3, 20, 500);
  const plan = planRebalance(nursery.clusters, nursery.ranges, { ...BOUNDS, movesMax: 4 });
  assert.is(plan.moves.length, 4);
  assert.ok(plan.stuck.length > 0);
});

test('a plan for 1,000 clusters and 100,000 ranges is made in no time', () => {
  const ms = timeOf(skewed(1, 1000, 100_000, 10), 10);
  console.log(`1,000 clusters, 100,000 ranges: ${ms.toFixed(1)} ms`);
  assert.ok(ms <= PLAN_MS, `took ${ms.toFixed(1)} ms`);
});
test.run();
