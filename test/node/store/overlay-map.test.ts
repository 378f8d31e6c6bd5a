import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { OverlayMap } from '../../../node/store/overlay-map.ts';
import { type Random, seeded } from '../../support/seeded.ts';

/** Enough keys for many leaves. */
const KEYS = 6000;

type Order = (index: number, random: Random) => number;
const ORDERS: { readonly [name: string]: Order } = {
  ascending: (index) => index,
  descending: (index) => KEYS - index,
  random: (_, random) => random.below(KEYS * 4),
};

for (const [name, order] of Object.entries(ORDERS)) {
  seeded(`keeps the order of keys that come in ${name} order, while some go`, (random) => {
    const map = new OverlayMap<number>();
    const model = new Map<string, number>();
    for (let index = 0; index < KEYS; index += 1) {
      const key = String(order(index, random)).padStart(6, '0');
      map.set(key, index);
      model.set(key, index);
      if (!random.chance(0.2)) continue;
      const gone = String(random.below(KEYS * 4)).padStart(6, '0');
      map.delete(gone);
      model.delete(gone);
      if (random.chance(0.02)) check(map, model, random);
    }
    check(map, model, random);
    for (const key of [...model.keys()]) {
      map.delete(key);
      model.delete(key);
    }
    check(map, model, random);
    assert.is(map.leafCount(), 1, 'leaves go with their keys');
  });
}

/** How many keys lie in each leaf. */
function sizes(map: OverlayMap<number>): number[] {
  return Array.from({ length: map.leafCount() }, (_, index) => map.leafKeys(index).length);
}

function filled(keys: readonly number[]): OverlayMap<number> {
  const map = new OverlayMap<number>();
  for (const key of keys) map.set(named(key), key);
  return map;
}

function named(key: number): string {
  return String(key).padStart(6, '0');
}

function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}

test('keys that come in ascending order fill their leaves', () => {
  assert.equal(sizes(filled(upTo(1024))), [1024]);
  assert.equal(sizes(filled(upTo(1025))), [1024, 1]);
  assert.equal(sizes(filled(upTo(2049))), [1024, 1024, 1]);
});

test('all others leave them half full', () => {
  assert.equal(sizes(filled(upTo(1025).reverse())), [512, 513]);
  const oneBefore = [1, 0, ...upTo(1023).map((index) => index + 2)];
  assert.equal(sizes(filled(oneBefore)), [512, 513], 'the last leaf is not sorted');
  const middle = filled([...upTo(1024), 5000]);
  middle.set(named(4000), 0);
  assert.equal(sizes(middle), [512, 513, 1], 'not the last leaf');
  assert.equal(middle.leafKeys(1).at(-1), named(4000));
  const last = filled([...upTo(1024).map((index) => index * 2), 3]);
  assert.equal(sizes(last), [512, 513], 'not the greatest');
});

test('which leaf would hold a key: also one that lies before, between or behind all keys', () => {
  const map = filled(upTo(3000));
  assert.equal(sizes(map), [1024, 1024, 952]);
  const leaves = ['', named(0), named(1023), `${named(1023)}0`, named(1024), named(2047), named(2048), 'x'];
  const held = [0, 0, 0, 0, 1, 1, 2, 2];
  assert.equal(
    leaves.map((key) => map.leafOf(key)),
    held,
  );
  for (const recent of [0, 1024, 2048]) {
    map.delete(named(recent + 5));
    map.set(named(recent + 5), 0); // the leaf that took the last new key is looked at first
    assert.equal(
      leaves.map((key) => map.leafOf(key)),
      held,
    );
  }
});

test('a leaf goes with its last key, except for the first; what comes then finds its place', () => {
  const map = filled(upTo(2049));
  map.delete(named(2048));
  assert.equal(sizes(map), [1024, 1024]);
  map.set(named(3000), 1);
  assert.equal(sizes(map), [1024, 1024, 1]);
  for (const key of upTo(1024)) map.delete(named(key));
  assert.equal(sizes(map), [0, 1024, 1]);
  map.set(named(1), 1);
  assert.equal(sizes(map), [1, 1024, 1]);
  map.delete('unknown');
  assert.equal(sizes(map), [1, 1024, 1]);
  for (const key of upTo(1024)) map.delete(named(1024 + key));
  assert.equal(sizes(map), [1, 1]);
  map.set(named(2000), 1);
  assert.equal(
    [...map.ordered()].map(([key]) => key),
    [named(1), named(2000), named(3000)],
  );
});

test('entries come in the order of their keys, or as they first came; a visit ends when it says so', () => {
  const map = filled([5, 3, 4]);
  map.set(named(5), 50);
  assert.equal(
    [...map.entries()],
    [
      [named(5), 50],
      [named(3), 3],
      [named(4), 4],
    ],
  );
  assert.equal(
    [...map.ordered()],
    [
      [named(3), 3],
      [named(4), 4],
      [named(5), 50],
    ],
  );
  const visited = (scan: 'scan' | 'scanDown', from: number, to: number, ends: number): number[] => {
    const found: number[] = [];
    map[scan](named(from), named(to), (_, value) => found.push(value) < ends);
    return found;
  };
  assert.equal(visited('scan', 0, 9, 2), [3, 4]);
  assert.equal(visited('scanDown', 0, 9, 2), [50, 4]);
  assert.equal(visited('scan', 3, 5, 9), [3, 4], 'from its first key up to before its end');
  assert.equal(visited('scanDown', 3, 5, 9), [4, 3]);
  assert.equal(visited('scan', 4, 4, 9), []);
  assert.equal(visited('scanDown', 6, 9, 9), []);
});

test('a copy is one', () => {
  const map = filled(upTo(3));
  const copy = map.copy();
  map.delete(named(1));
  copy.set(named(7), 7);
  assert.equal(
    [...copy.ordered()].map(([, value]) => value),
    [0, 1, 2, 7],
  );
  assert.equal(
    [...map.ordered()].map(([, value]) => value),
    [0, 2],
  );
});

function check(map: OverlayMap<number>, model: Map<string, number>, random: Random): void {
  assert.is(map.size, model.size);
  const sorted = [...model].sort(([a], [b]) => (a < b ? -1 : 1));
  const from = random.chance(0.5) ? '' : String(random.below(KEYS * 4)).padStart(6, '0');
  const to = random.chance(0.5) ? null : String(random.below(KEYS * 4)).padStart(6, '0');
  const expected = sorted.filter(([key]) => key >= from && (to === null || key < to));
  const up: [string, number][] = [];
  map.scan(from, to, (key, value) => up.push([key, value]) > 0);
  assert.equal(up, expected);
  const down: [string, number][] = [];
  map.scanDown(from, to, (key, value) => down.push([key, value]) > 0);
  assert.equal(down, expected.reverse());
}

test.run();
