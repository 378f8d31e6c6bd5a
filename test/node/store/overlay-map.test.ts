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
