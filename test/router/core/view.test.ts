/** The map that the router routes by, compared with one that is kept key by key. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { learn, merge, ownersNamed, runOf, soleOwner, touches } from '../../../router/core/view.ts';
import type { Key } from '../../../src/base/bytes.ts';
import { contains, type Range } from '../../../src/keyspace/range.ts';
import { EMPTY_MAP, lookup, type MapEntry, RangeMap } from '../../../src/keyspace/rangemap.ts';
import { type Random, seeded } from '../../support/seeded.ts';
import { mapOf } from '../world.ts';

/** Every bound is one of these, so that they tell all that a map says. */
const KEYS: readonly Key[] = ['', 'b', 'd', 'f', 'h', 'k'];
const ROUNDS = 300;

function randomRange(random: Random): Range {
  const lo = random.below(KEYS.length);
  const hi = lo + 1 + random.below(KEYS.length - lo);
  return { lo: KEYS[lo] as Key, hi: KEYS[hi] ?? null };
}

function randomMap(random: Random): RangeMap {
  const los = KEYS.filter((key) => key === '' || random.chance(0.5));
  const entries = los.map((lo, index): MapEntry => {
    const hi = los[index + 1] ?? null;
    return { lo, hi, owner: random.pick(['A', 'B', 'C']), epoch: random.below(6) };
  });
  return RangeMap.of(1, entries);
}

function rowsOf(map: RangeMap): (readonly [owner: string, epoch: number])[] {
  return KEYS.map((key) => {
    const entry = lookup(map, key) as MapEntry;
    return [entry.owner, entry.epoch];
  });
}

seeded('what is learnt replaces what has a lower epoch, and nothing else', (random) => {
  for (let round = 0; round < ROUNDS; round += 1) {
    const map = randomMap(random);
    const entry = { ...randomRange(random), owner: 'D', epoch: random.below(7) };
    const before = rowsOf(map);
    const expected = KEYS.map((key, index) => {
      const [owner, epoch] = before[index] as (typeof before)[number];
      return contains(entry, key) && epoch < entry.epoch ? ['D', entry.epoch] : [owner, epoch];
    });
    const learned = learn(map, entry);
    assert.equal(rowsOf(learned), expected);
    if (expected.every(([owner]) => owner !== 'D')) assert.is(learned, map, 'nothing is news');
  }
});

seeded('of two maps each key has the owner with the higher epoch, the fresh one where equal', (random) => {
  for (let round = 0; round < ROUNDS; round += 1) {
    const [fresh, known] = [randomMap(random), randomMap(random)];
    const [a, b] = [rowsOf(fresh), rowsOf(known)];
    const expected = a.map((row, index) => {
      const other = b[index] as typeof row;
      return other[1] > row[1] ? other : row;
    });
    assert.equal(rowsOf(merge(fresh, known)), expected);
  }
});

test('an old map is news to nobody, an empty one neither', () => {
  const fresh = mapOf(['', 'A'], ['k', 'B']);
  assert.is(merge(fresh, fresh), fresh);
  assert.is(merge(fresh, EMPTY_MAP), fresh);
});

seeded('owners of what is named', (random) => {
  for (let round = 0; round < ROUNDS; round += 1) {
    const map = randomMap(random);
    const keys = KEYS.filter(() => random.chance(0.2));
    const ranges = random.chance(0.5) ? [randomRange(random)] : [];
    const isNamed = (key: Key): boolean => keys.includes(key) || ranges.some((range) => contains(range, key));
    const owners = new Set(KEYS.filter(isNamed).map((key) => (lookup(map, key) as MapEntry).owner));
    assert.equal(ownersNamed(map, keys, ranges).sort(), [...owners].sort());
    const sole = owners.size === 1 ? [...owners][0] : null;
    assert.is(soleOwner(map, keys, ranges), sole);
    const range = randomRange(random);
    assert.is(
      touches(range, keys, ranges),
      KEYS.some((key) => contains(range, key) && isNamed(key)),
    );
  }
});

test('an empty map owns nothing', () => {
  const everything = [{ lo: '', hi: null }];
  assert.is(soleOwner(EMPTY_MAP, ['a'], []), null);
  assert.is(soleOwner(EMPTY_MAP, [], everything), null);
  assert.equal(ownersNamed(EMPTY_MAP, ['a'], everything), []);
  assert.is(runOf(EMPTY_MAP, { lo: '', hi: null }, false), null);
});

test('who is known already must agree', () => {
  const map = mapOf(['', 'A'], ['k', 'B']);
  assert.is(soleOwner(map, ['a'], [], 'A'), 'A');
  assert.is(soleOwner(map, ['a'], [], 'B'), null);
  assert.is(soleOwner(map, [], [{ lo: 'l', hi: 'm' }], 'A'), null);
  assert.is(soleOwner(map, [], [], 'B'), 'B');
});

test('a run is all that neighbours of one owner have of a range, from either end', () => {
  const map = mapOf(['', 'A'], ['d', 'A'], ['k', 'B'], ['p', 'A'], ['t', 'A']);
  const run = (lo: Key, hi: Key | null, isDescending: boolean): unknown =>
    runOf(map, { lo, hi }, isDescending);
  assert.equal(run('b', null, false), { range: { lo: 'b', hi: 'k' }, owner: 'A' });
  assert.equal(run('b', null, true), { range: { lo: 'p', hi: null }, owner: 'A' });
  assert.equal(run('b', 'e', false), { range: { lo: 'b', hi: 'e' }, owner: 'A' });
  assert.equal(run('e', 'n', true), { range: { lo: 'k', hi: 'n' }, owner: 'B' });
});

test.run();
