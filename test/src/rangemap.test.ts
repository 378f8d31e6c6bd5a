import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { InvariantError } from '../../src/assert.ts';
import { decode, encode } from '../../src/protocol/codec.ts';
import { contains, intersect, type Range, WHOLE } from '../../src/range.ts';
import {
  carve,
  checkPartition,
  EMPTY_MAP,
  entriesIn,
  lookup,
  ownersOf,
  ownsAll,
  type RangeMap,
  rangeMapCodec,
  soleEntry,
} from '../../src/rangemap.ts';

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
  const copy = structuredClone(before);
  carve(before, { lo: 'b', hi: 'c' }, 'c1', 1);
  assert.equal(before, copy);
  assert.equal(EMPTY_MAP, { version: 0, entries: [] });
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
      () => checkPartition({ version: 1, entries }),
      (error: unknown) => error instanceof InvariantError,
    );
  }
});

test.run();
