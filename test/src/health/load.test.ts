/** The load of a cluster is what all of its nodes have answered. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { ClusterSeen } from '../../../src/health/facts.ts';
import { hotOf, hottestOf, loadOf, rangeLoads, sharesOf } from '../../../src/health/load.ts';
import type { Load, RangeLoad, Rates } from '../../../src/protocol/admin/node-facts.ts';

function rates(s10: number): Rates {
  return { s10, m1: 2 * s10, m10: 3 * s10 };
}

function range(lo: string, epoch: number, reads: number, writes: number): RangeLoad {
  return { lo, hi: null, epoch, reads: rates(reads), writes: rates(writes), bytes: rates(1000) };
}

function cluster(loads: readonly Load[]): ClusterSeen {
  const nodes = loads.map((load, at) => ({
    name: `n${at}`,
    facts: { status: { cluster: 'c', founding: '' }, load },
    why: '',
    turnedAway: null,
  }));
  return { cluster: 'c', isElsewhere: false, nodes } as unknown as ClusterSeen;
}

test('what several nodes have answered of one range is added, in the order of keys', () => {
  const seen = cluster([
    { ranges: [range('m', 2, 1, 0), range('', 1, 10, 4)], hottest: [] },
    { ranges: [range('', 1, 5, 0), range('', 3, 7, 0)], hottest: [] },
  ]);
  const sums = rangeLoads(seen).map(({ lo, epoch, reads, writes }) => [lo, epoch, reads.s10, writes.m10]);
  assert.equal(sums, [
    ['', 1, 15, 12],
    ['', 3, 7, 0],
    ['m', 2, 1, 0],
  ]);
  assert.is(loadOf(rangeLoads(seen)).bytes.m1, 8000);
});

test('keys that are hot at several nodes are so together', () => {
  const seen = cluster([
    { ranges: [], hottest: [{ key: 'a', perSecond: 50 }] },
    {
      ranges: [],
      hottest: [
        { key: 'b', perSecond: 60 },
        { key: 'a', perSecond: 20 },
      ],
    },
  ]);
  assert.equal(hottestOf(seen), [
    { key: 'a', perSecond: 70 },
    { key: 'b', perSecond: 60 },
  ]);
});

test('of the hottest keys of a range the shares are told, and which one has more than half', () => {
  const hottest = ['a', 'm', 'k'].map((key, at) => ({ key, perSecond: 60 * (at + 1) }));
  const shares = sharesOf({ lo: 'f', hi: 'z' }, 300, hottest);
  assert.equal(shares, [
    { key: 'k', share: 0.6 },
    { key: 'm', share: 0.4 },
  ]);
  assert.is(hotOf(shares)?.key, 'k');
  assert.is(hotOf(sharesOf({ lo: 'f', hi: 'z' }, 360, hottest)), null, 'half is not most');
  assert.is(
    hotOf(sharesOf({ lo: 'f', hi: 'z' }, 90, hottest))?.share,
    1,
    'samples may say more than there was',
  );
  assert.equal([sharesOf({ lo: 'f', hi: 'z' }, 0, hottest), hotOf([])], [[], null]);
});

test.run();
