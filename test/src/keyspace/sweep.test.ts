/** Lists of ranges held against each other in one sweep, against the same one by one. */
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { contains, intersect, type Range, subtract } from '../../../src/keyspace/range.ts';
import { ascending, commonParts, gapsIn, highest, union, without } from '../../../src/keyspace/sweep.ts';

/** Ascending and disjoint, some with gaps, some with an open end. */
const lists = fc
  .record({ cuts: fc.uniqueArray(fc.constantFrom(...'abcdefghij')), skips: fc.array(fc.boolean()) })
  .map(({ cuts, skips }): Range[] => {
    const sorted = ['', ...cuts.sort()];
    return sorted.flatMap((lo, at) => (skips[at] === true ? [] : [{ lo, hi: sorted[at + 1] ?? null }]));
  });

test('parts, gaps and the rest are what pairs of ranges have', () => {
  fc.assert(
    fc.property(lists, lists, (ranges, others) => {
      const rest = ranges.flatMap((range) =>
        others.reduce<Range[]>((left, hole) => left.flatMap((piece) => subtract(piece, hole)), [range]),
      );
      assert.equal(without(ranges, others), rest);
      for (const { range, parts } of commonParts(ranges, others)) {
        const expected = others.flatMap((of) => {
          const common = intersect(range, of);
          return common === null ? [] : [{ ...common, of }];
        });
        assert.equal(parts, expected);
        assert.equal(ascending([...parts, ...gapsIn(range, parts)]).at(-1)?.hi, range.hi);
      }
    }),
  );
});

test('a union has what any of its ranges has, once', () => {
  fc.assert(
    fc.property(lists, lists, (some, others) => {
      const joined = union([...some, ...others]);
      for (const [at, { lo }] of joined.entries()) {
        const before = joined[at - 1];
        assert.ok(before === undefined || (before.hi !== null && before.hi < lo), 'apart, and ascending');
      }
      for (const key of ['', ...'abcdefghij', 'z']) {
        const isIn = (range: Range): boolean => contains(range, key);
        assert.is(joined.some(isIn), [...some, ...others].some(isIn), key);
      }
    }),
  );
});

test('the highest of very many', () => {
  assert.is(highest(Array.from({ length: 300_000 }, (_, index) => index)), 299_999);
  assert.is(highest([]), 0);
});

test.run();
