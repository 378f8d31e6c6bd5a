/** What a plan by load makes of what masters have told. */
import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { loadOfRange, spreadLoad } from '../../../migrator/core/loads.ts';
import type { BucketFact } from '../../../migrator/core/rebalance.ts';
import type { Load, Rates } from '../../../src/protocol/admin/node-facts.ts';

const RANGE = { lo: 'f', hi: 'p', epoch: 3 };
const rates = (s10: number, m1 = s10): Rates => ({ s10, m1, m10: m1 });

function told(reads: Rates, writes: Rates, hottest: Load['hottest'] = [], range = RANGE): Load {
  return { ranges: [{ ...range, reads, writes, bytes: rates(0) }], hottest };
}

test('a range is asked for what its owner has answered over a minute, at that epoch and within those ends', () => {
  const load = told(rates(900, 90), rates(100, 10));
  assert.equal(loadOfRange(RANGE, load), { load: 100, keys: [], hot: null });
  for (const other of [
    { ...RANGE, epoch: 4 },
    { ...RANGE, hi: null },
    { ...RANGE, lo: 'g' },
  ])
    assert.is(loadOfRange(other, load).load, 0);
});

test('a key has the share of the last ten seconds; with more than half it makes its range hot', () => {
  const hottest = [
    { key: 'a', perSecond: 500 },
    { key: 'g', perSecond: 20 },
    { key: 'k', perSecond: 51 },
    { key: 'p', perSecond: 500 },
  ];
  const { keys, hot } = loadOfRange(RANGE, told(rates(60), rates(40), hottest));
  assert.equal(keys, [
    { key: 'k', share: 0.51 },
    { key: 'g', share: 0.2 },
  ]);
  assert.equal(hot, { key: 'k', share: 0.51 });
  const half = [{ key: 'k', perSecond: 50 }];
  assert.is(loadOfRange(RANGE, told(rates(60), rates(40), half)).hot, null);
  const few = told(rates(5), rates(4), [{ key: 'k', perSecond: 9 }]);
  assert.is(loadOfRange(RANGE, few).hot, null, 'nine requests a second are no reason for anything');
  // Asked for a minute ago, and not since.
  assert.is(loadOfRange(RANGE, told(rates(0, 100), rates(0), half)).hot, null);
});

test('what is known of keys is where they lie, and the rest lies as the keys do; nothing is lost', () => {
  const bucket = (lo: string, keys: number): BucketFact => ({ lo, keys, bytes: 1 });
  const buckets = [bucket('f', 10), bucket('h', 30), bucket('n', 0)];
  const loads = (keys: { key: string; share: number }[]): (number | undefined)[] =>
    spreadLoad({ load: 100, keys, hot: null }, buckets).map(({ load }) => load);
  assert.equal(loads([]), [25, 75, 0]);
  assert.equal(loads([{ key: 'h', share: 0.2 }]), [20, 80, 0]);
  assert.equal(loads([{ key: 'zz', share: 0.2 }]), [20, 60, 20], 'the last bucket has no end of its own');
  assert.equal(spreadLoad({ load: 5, keys: [], hot: null }, [bucket('f', 0)]), [bucket('f', 0)]);
  fc.assert(
    fc.property(
      fc.array(fc.nat(1000), { minLength: 1, maxLength: 20 }),
      fc.array(
        fc.record({
          key: fc.constantFrom('f', 'g', 'h', 'o'),
          share: fc.double({ min: 0, max: 1, noNaN: true }),
        }),
        {
          maxLength: 8,
        },
      ),
      (counts, keys) => {
        if (counts.every((count) => count === 0)) return;
        const parts = counts.map((count, at) => bucket(`f${String(at).padStart(2, '0')}`, count));
        const first = { ...(parts[0] as BucketFact), lo: 'f' };
        const spread = spreadLoad({ load: 1000, keys, hot: null }, [first, ...parts.slice(1)]);
        const sum = spread.reduce((total, { load = 0 }) => total + load, 0);
        assert.ok(Math.abs(sum - 1000) < 1e-6, `${sum}`);
      },
    ),
  );
});

test.run();
