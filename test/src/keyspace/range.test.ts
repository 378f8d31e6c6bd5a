import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  boundAtMost,
  contains,
  covers,
  intersect,
  lowerBound,
  overlaps,
  printRange,
  type Range,
  sameRange,
  subtract,
  WHOLE,
} from '../../../src/keyspace/range.ts';

/** Every key that the tests ask for lies on or between these. */
const POINTS = ['', '\x00', 'a', 'a\x00', 'b', 'c', '\xff', '\xff\xff'];
const point = fc.constantFrom(...POINTS);
const range: fc.Arbitrary<Range> = fc
  .tuple(point, fc.option(point))
  .filter(([lo, hi]) => hi === null || lo < hi)
  .map(([lo, hi]) => ({ lo, hi }));

test('a range holds its lower end and not its upper one', () => {
  assert.ok(contains({ lo: 'a', hi: 'b' }, 'a'));
  assert.ok(contains({ lo: 'a', hi: 'b' }, 'a\xff\xff'));
  assert.not.ok(contains({ lo: 'a', hi: 'b' }, 'b'));
  assert.not.ok(contains({ lo: 'a', hi: null }, '`'));
  for (const key of POINTS) assert.ok(contains(WHOLE, key));
});

test('operations on ranges say what they mean for each key', () => {
  fc.assert(
    fc.property(range, range, (a, b) => {
      const common = intersect(a, b);
      const rest = subtract(a, b);
      for (const key of POINTS) {
        const inA = contains(a, key);
        const inB = contains(b, key);
        assert.is(common !== null && contains(common, key), inA && inB);
        assert.is(rest.filter((piece) => contains(piece, key)).length, inA && !inB ? 1 : 0);
      }
      // Ends are points, so points decide all of these.
      assert.is(
        covers(a, b),
        POINTS.every((key) => contains(a, key) || !contains(b, key)),
      );
      assert.is(
        overlaps(a, b),
        POINTS.some((key) => contains(a, key) && contains(b, key)),
      );
      assert.is(sameRange(a, b), covers(a, b) && covers(b, a));
      assert.is(lowerBound(a.hi, b.hi), boundAtMost(a.hi, b.hi) ? a.hi : b.hi);
      for (const piece of rest) assert.ok(piece.hi === null || piece.lo < piece.hi);
    }),
    { numRuns: 1000 },
  );
});

test('as upper bounds, unbounded is above every key', () => {
  assert.ok(boundAtMost('\xff\xff', null));
  assert.ok(boundAtMost(null, null));
  assert.not.ok(boundAtMost(null, '\xff\xff'));
  assert.ok(boundAtMost('a', 'a'));
  assert.not.ok(boundAtMost('b', 'a'));
});

test('ranges are printed for people', () => {
  assert.is(printRange({ lo: 'k', hi: 't' }), '[k..t)');
  assert.is(printRange(WHOLE), '[""..end)');
});

test.run();
