import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { InvariantError } from '../../../src/base/assert.ts';
import { contains, intersect, type Range, WHOLE } from '../../../src/keyspace/range.ts';
import {
  carve,
  checkPartition,
  difference,
  EMPTY_MAP,
  entriesIn,
  lookup,
  ownersOf,
  ownsAll,
  RangeMap,
  rangeMapCodec,
  replace,
  soleEntry,
} from '../../../src/keyspace/rangemap.ts';
import { decode, encode } from '../../../src/wire/codec.ts';

const POINTS = ['', '\x00', 'a', 'a\x00', 'b', 'c', 'd', '\xff', '\xff\xff'];
const range: fc.Arbitrary<Range> = fc
  .tuple(fc.constantFrom(...POINTS), fc.option(fc.constantFrom(...POINTS)))
  .filter(([lo, hi]) => hi === null || lo < hi)
  .map(([lo, hi]) => ({ lo, hi }));
const moves = fc.array(fc.tuple(range, fc.constantFrom('c1', 'c2', 'c3')), { maxLength: 12 });

/** The map after `steps`, and who owns each point by a plain table. */
function carved(steps: readonly [Range, string][]): { map: RangeMap; owners: Map<string, [string, number]> } {
  let map = carve(EMPTY_MAP, WHOLE, 'c0', 0);
  const owners = new Map(POINTS.map((key): [string, [string, number]] => [key, ['c0', 0]]));
  for (const [index, [moved, owner]] of steps.entries()) {
    map = carve(map, moved, owner, index + 1);
    for (const key of POINTS) if (contains(moved, key)) owners.set(key, [owner, index + 1]);
  }
  return { map, owners };
}

test('whatever is carved, the map stays a partition in which each key has its last owner', () => {
  fc.assert(
    fc.property(moves, (steps) => {
      const { map, owners } = carved(steps);
      checkPartition(map);
      assert.is(map.version, steps.length + 1);
      for (const [key, [owner, epoch]] of owners) {
        const entry = lookup(map, key);
        assert.equal([entry?.owner, entry?.epoch], [owner, epoch], key);
      }
      assert.equal([...ownersOf(map)].sort(), [...new Set(map.entries.map((entry) => entry.owner))].sort());
      assert.equal(decode(rangeMapCodec, encode(rangeMapCodec, map)), map);
    }),
    { numRuns: 300 },
  );
});

test('the entries in a range are those that share a key with it', () => {
  fc.assert(
    fc.property(moves, range, (steps, wanted) => {
      const { map, owners } = carved(steps);
      const found = entriesIn(map, wanted);
      assert.equal(
        found,
        map.entries.filter((entry) => intersect(entry, wanted) !== null),
      );
      const inside = POINTS.filter((key) => contains(wanted, key));
      for (const cluster of ['c0', 'c1']) {
        assert.is(
          ownsAll(map, wanted, cluster),
          inside.every((key) => owners.get(key)?.[0] === cluster),
        );
      }
      assert.equal(soleEntry(map, wanted), found.length === 1 ? found[0] : null);
    }),
    { numRuns: 300 },
  );
});

test('a map is never changed in place', () => {
  const before = carve(EMPTY_MAP, WHOLE, 'c0', 0);
  const copy = decode(rangeMapCodec, encode(rangeMapCodec, before));
  carve(before, { lo: 'b', hi: 'c' }, 'c1', 1);
  assert.equal(before, copy);
  assert.equal([EMPTY_MAP.version, EMPTY_MAP.entries], [0, []]);
});

test('in an empty map nobody owns anything', () => {
  assert.is(lookup(EMPTY_MAP, 'a'), null);
  assert.equal(entriesIn(EMPTY_MAP, WHOLE), []);
  assert.not.ok(ownsAll(EMPTY_MAP, WHOLE, 'c0'));
  assert.is(soleEntry(EMPTY_MAP, WHOLE), null);
  checkPartition(EMPTY_MAP);
});

test('gaps, overlaps, empty ranges and open ends are no partition', () => {
  const entry = (lo: string, hi: string | null) => ({ lo, hi, owner: 'c', epoch: 0 });
  const broken = [
    [entry('a', null)],
    [entry('', 'b')],
    [entry('', 'a'), entry('b', null)],
    [entry('', 'b'), entry('a', null)],
    [entry('', 'a'), entry('a', 'a'), entry('a', null)],
    [entry('', null), entry('a', null)],
  ];
  for (const entries of broken) {
    assert.throws(
      () => checkPartition(RangeMap.of(1, entries)),
      (error: unknown) => error instanceof InvariantError,
    );
  }
});

test('a big map is one map whatever its chunks, and what differs leads from one to the other', () => {
  const keyOf = (index: number): string => String(index).padStart(6, '0');
  const place = fc.integer({ min: 0, max: 2999 });
  const steps = fc.array(fc.tuple(place, fc.integer({ min: 1, max: 1500 }), fc.boolean()), { maxLength: 8 });
  const entries = Array.from({ length: 3000 }, (_, i) => ({
    lo: i === 0 ? '' : keyOf(i),
    hi: i === 2999 ? null : keyOf(i + 1),
    owner: 'c0',
    epoch: 0,
  }));
  const first = RangeMap.of(1, entries);
  assert.ok(first.chunks.length > 1);
  fc.assert(
    fc.property(steps, (carves) => {
      let map = first;
      for (const [index, [at, count, isSplit]] of carves.entries()) {
        const lo = isSplit ? `${keyOf(at)}x` : at === 0 ? '' : keyOf(at);
        const hi = at + count > 2999 ? null : keyOf(at + count);
        const next = carve(map, { lo, hi }, 'c1', index + 1);
        checkPartition(next);
        assert.equal(replace(map, difference(map, next), next.version).entries, next.entries);
        assert.ok(difference(map, next).length <= 3, 'one carve differs in three entries at most');
        map = next;
      }
      assert.equal(replace(first, difference(first, map), map.version).entries, map.entries);
      assert.equal(decode(rangeMapCodec, encode(rangeMapCodec, map)).entries, map.entries);
      for (const key of ['', '0', keyOf(7), keyOf(1499), `${keyOf(2000)}x`, '\xff']) {
        const plain = map.entries.findLast(({ lo }) => lo <= key);
        assert.is(lookup(map, key), plain);
        assert.equal(
          entriesIn(map, { lo: key, hi: `${key}\xff` }),
          map.entries.filter((entry) => intersect(entry, { lo: key, hi: `${key}\xff` }) !== null),
        );
      }
    }),
    { numRuns: 40 },
  );
});

test('nothing differs between a map and itself at another version', () => {
  const map = carve(EMPTY_MAP, WHOLE, 'c0', 0);
  assert.equal(difference(map, map.at(9)), []);
  assert.equal(replace(map, [], 9), map.at(9));
  assert.equal(replace(EMPTY_MAP, map.entries, 1), map);
});

test.run();
