/** What operators may ask for, case by case, and what every plan has in common. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Plan, planMerges, planMigrate, planRange, planRemove } from '../../../migrator/core/plan.ts';
import { type Range, WHOLE } from '../../../src/keyspace/range.ts';
import {
  carve,
  EMPTY_MAP,
  lookup,
  type MapEntry,
  ownsAll,
  RangeMap,
} from '../../../src/keyspace/rangemap.ts';
import { seeded } from '../../support/seeded.ts';

/** `mapOf('a', 'k', 'b')`: a up to k, b from there on. */
function mapOf(...parts: string[]): RangeMap {
  const entries: MapEntry[] = [];
  for (let index = 0; index < parts.length; index += 2) {
    const lo = index === 0 ? '' : (parts[index - 1] as string);
    entries.push({ lo, hi: parts[index + 1] ?? null, owner: parts[index] as string, epoch: index });
  }
  return RangeMap.of(1, entries);
}

const nursery = (...parts: string[]) => ({ map: mapOf(...parts), clusters: ['a', 'b', 'c', 'd'] });

test('the keeper is no target, unless it has keys already', () => {
  const known = (...parts: string[]) => ({ ...nursery(...parts), keeper: 'd' });
  const range = { lo: 'k', hi: 't' };
  assert.match(told(planRange(known('a'), range, 'd')), /^d is the keeper, which owns no keys/);
  assert.match(told(planMigrate(known('a'), 'a', 'k', 'd')), /^d is the keeper/);
  assert.match(told(planMigrate(known('a'), 'd', 'k', 'a')), /^d is the keeper/);
  assert.is(told(planRange(known('a', 'k', 'd'), { lo: 'b', hi: 'c' }, 'd')), 'a:b..c>d');
});

/** `a:k..t>b` per move, or the refusal. */
function told(plan: Plan): string {
  if (plan.kind === 'refused') return plan.why;
  return plan.moves.map(({ source, lo, hi, target }) => `${source}:${lo}..${hi ?? ''}>${target}`).join(' ');
}

const MIGRATE: readonly (readonly [
  map: string[],
  asked: [string, string, string],
  expected: string | RegExp,
])[] = [
  [['a'], ['a', 'k', 'b'], 'a:k..>b'],
  [['a'], ['b', 'k', 'a'], 'a:..k>b'],
  [['a', 'k', 'b'], ['a', 'f', 'b'], 'a:f..k>b'],
  [['a', 'k', 'b'], ['a', 'p', 'b'], 'b:k..p>a'],
  [['a', 't', 'c'], ['a', 'k', 'b'], 'a:k..t>b'],
  [['a', 't', 'c'], ['b', 'w', 'c'], 'c:t..w>b'],
  [['a', 'k', 'b', 't', 'a'], ['a', 'w', 'c'], 'a:w..>c'],
  [['a', 'k', 'b', 't', 'a'], ['b', 'w', 'a'], 'a:t..w>b'],
  [['a', 'f', 'a', 'k', 'b'], ['a', 'c', 'b'], 'a:c..k>b'],
  [['a', 'k', 'b'], ['a', 'k', 'b'], /separates a and b already/],
  [['a', 'k', 'b'], ['c', 'k', 'b'], /nothing is left for c/],
  [['a', 'k', 'b'], ['a', 'k', 'c'], /nothing is left for c/],
  [['a', 'k', 'b'], ['b', 'k', 'c'], /remove b/],
  [['a', 'k', 'b'], ['c', 'f', 'd'], /neither c nor d owns/],
  [['a', 'k', 'b', 't', 'c'], ['a', 'f', 'c'], /not neighbours/],
  [['a', 'k', 'b', 't', 'c'], ['a', 'w', 'c'], /not neighbours/],
  [['a', 'k', 'b', 't', 'c'], ['a', 't', 'c'], /not neighbours/],
  [['a', 'k', 'b'], ['b', 'f', 'a'], /not neighbours/],
  [['a', 'k', 'b', 't', 'c'], ['a', 'p', 'c'], /of b, neither a nor c/],
  [['a', 'k', 'b', 't', 'c'], ['a', 'k', 'c'], /of b, neither a nor c/],
  [['a'], ['a', 'k', 'x'], /does not know cluster x/],
  [['a'], ['a', 'k', 'a'], /both sides/],
  [['a'], ['a', '', 'b'], /empty/],
];

for (const [map, asked, expected] of MIGRATE) {
  test(`migrate ${asked.join(' ')} where ${map.join(' ')}`, () => {
    const plan = told(planMigrate(nursery(...map), ...asked));
    if (typeof expected === 'string') assert.is(plan, expected);
    else assert.match(plan, expected);
  });
}

test('nothing moves before init', () => {
  const empty = { map: EMPTY_MAP, clusters: ['a', 'b'] };
  assert.match(told(planMigrate(empty, 'a', 'k', 'b')), /init/);
  assert.match(told(planRange(empty, WHOLE, 'a')), /init/);
});

test('a range moves from all its owners, but for what is there already', () => {
  const split = nursery('a', 'f', 'b', 'k', 'c', 't', 'a');
  assert.is(told(planRange(split, { lo: 'c', hi: 'm' }, 'b')), 'a:c..f>b c:k..m>b');
  assert.is(told(planRange(split, WHOLE, 'a')), 'b:f..k>a c:k..t>a');
  assert.is(told(planRange(split, { lo: 'u', hi: null }, 'd')), 'a:u..>d');
  assert.match(told(planRange(split, { lo: 'u', hi: null }, 'a')), /already/);
  assert.match(told(planRange(split, { lo: 'm', hi: 'c' }, 'a')), /empty/);
  assert.match(told(planRange(split, WHOLE, 'x')), /does not know/);
});

const REMOVE: readonly (readonly [
  map: string[],
  cluster: string,
  separator: string | null,
  expected: string | RegExp,
])[] = [
  [['a', 'k', 'b'], 'a', null, 'a:..k>b'],
  [['a', 'k', 'b'], 'b', null, 'b:k..>a'],
  [['a', 'k', 'b'], 'b', 'm', /takes no separator/],
  [['a', 'k', 'b', 't', 'c'], 'b', 'p', 'b:k..p>a b:p..t>c'],
  [['a', 'k', 'b', 't', 'c'], 'b', 'k', 'b:k..t>c'],
  [['a', 'k', 'b', 't', 'c'], 'b', 't', 'b:k..t>a'],
  [['a', 'k', 'b', 't', 'c'], 'b', null, /name a separator/],
  [['a', 'k', 'b', 't', 'a'], 'b', null, 'b:k..t>a'],
  [['b', 'f', 'a', 'k', 'b', 't', 'c'], 'b', 'm', 'b:..f>a b:k..m>a b:m..t>c'],
  [['a', 'f', 'b', 'k', 'c', 'p', 'b', 't', 'd'], 'b', 'm', 'b:f..k>a b:p..t>d'],
  [['a', 'k', 'b'], 'c', null, ''],
  [['a'], 'a', null, /last cluster/],
  [['a', 'k', 'a'], 'a', null, /last cluster/],
  [['a', 'k', 'b'], 'x', null, /does not know/],
];

for (const [map, cluster, separator, expected] of REMOVE) {
  test(`remove ${cluster} ${separator ?? ''} where ${map.join(' ')}`, () => {
    const plan = told(planRemove(nursery(...map), cluster, separator));
    if (typeof expected === 'string') assert.is(plan, expected);
    else assert.match(plan, expected);
  });
}

seeded('any plan takes each range from its owner, and leads to what was asked for', (random) => {
  for (let round = 0; round < 2000; round += 1) {
    const parts: string[] = [random.pick(['a', 'b', 'c'])];
    for (const key of ['d', 'h', 'm', 'r', 'w']) {
      if (random.chance(0.6)) parts.push(key, random.pick(['a', 'b', 'c']));
    }
    const before = nursery(...parts);
    const key = random.pick(['b', 'd', 'h', 'j', 'm', 'x']);
    const [left, right, end] = [
      random.pick(['a', 'b', 'c', 'd']),
      random.pick(['a', 'b', 'c', 'd']),
      random.pick(['m', 'z', null]),
    ];
    const which = random.below(3);
    const plan =
      which === 0
        ? planMigrate(before, left, key, right)
        : which === 1
          ? planRange(before, { lo: key, hi: end }, left)
          : planRemove(before, left, random.chance(0.7) ? key : null);
    if (plan.kind === 'refused') {
      assert.ok(plan.why.length > 10);
      continue;
    }
    let { map } = before;
    for (const { source, target, lo, hi } of plan.moves) {
      assert.ok(source !== target && (hi === null || lo < hi), told(plan));
      assert.ok(ownsAll(map, { lo, hi }, source), told(plan));
      map = carve(map, { lo, hi }, target, 100);
    }
    if (which === 0) {
      assert.is(lookup(map, key)?.owner, right);
      const below = key.slice(0, -1) + String.fromCharCode(key.charCodeAt(0) - 1);
      assert.is(lookup(map, `${below}\xff`)?.owner, left);
    } else if (which === 1) assert.ok(ownsAll(map, { lo: key, hi: end }, left));
    else assert.not(map.entries.some((entry) => entry.owner === left));
  }
});

const SEVEN = mapOf('a', 'c', 'a', 'e', 'b', 'g', 'b', 'i', 'b', 'k', 'c', 'm', 'a');

function merged(separator: string | null, open: Range[] = [], map = SEVEN): string {
  const plan = planMerges(map, open, separator);
  if (plan.kind === 'refused') return plan.why;
  return plan.merges.map(({ cluster, lo, hi }) => `${cluster}:${lo}..${hi ?? ''}`).join(' ');
}

test('two ranges that meet at a separator are merged, where one cluster owns both', () => {
  assert.is(merged('c'), 'a:..e');
  assert.is(merged('g'), 'b:e..i');
  assert.match(merged('e'), /have two owners/);
  assert.match(merged('d'), /no two ranges meet at d/);
  assert.match(merged(''), /no two ranges meet/);
});

test('all neighbours of one owner are merged, but for what is on its way', () => {
  assert.is(merged(null), 'a:..e b:e..k');
  assert.is(merged(null, [{ lo: 'f', hi: 'f5' }]), 'a:..e b:g..k');
  assert.is(merged(null, [{ lo: 'h', hi: 'h5' }]), 'a:..e');
  assert.is(
    merged(null, [
      { lo: 'h', hi: 'h5' },
      { lo: '', hi: 'b' },
    ]),
    '',
  );
  assert.is(merged(null, [], mapOf('a', 'k', 'b')), '');
});

test('neighbours of two foundings of one cluster stay apart', () => {
  const entry = (lo: string, hi: string | null, founding: string): MapEntry => ({
    lo,
    hi,
    owner: 'a',
    epoch: 1,
    founding,
  });
  const map = RangeMap.of(1, [entry('', 'c', '1'), entry('c', 'e', '2'), entry('e', null, '2')]);
  assert.is(merged(null, [], map), 'a:c..');
  assert.match(merged('c', [], map), /two owners/);
});

test('a long row is merged piece by piece', () => {
  const parts = Array.from({ length: 40 }, (_, at) => ['a', `k${String(at).padStart(2, '0')}`]).flat();
  const plan = planMerges(mapOf(...parts, 'a'), [], null);
  if (plan.kind === 'refused') throw new Error(plan.why);
  assert.equal(
    plan.merges.map(({ lo, hi }) => [lo, hi]),
    [
      ['', 'k15'],
      ['k15', 'k31'],
      ['k31', null],
    ],
  );
});

test.run();
