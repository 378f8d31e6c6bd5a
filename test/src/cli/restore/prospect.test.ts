/** Which ranges a restored cluster gets back: those at the very epoch of the image. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { prospectOf } from '../../../../src/cli/restore/prospect.ts';
import type { MapEntry } from '../../../../src/keyspace/rangemap.ts';
import type { Order } from '../../../../src/protocol/admin/admin.ts';
import type { Merges } from '../../../../src/protocol/admin/lineage.ts';

function entry(lo: string, hi: string | null, epoch: number, founding = 'b1', owner = 'bru'): MapEntry {
  return { lo, hi, owner, epoch, founding };
}

function prospect(entries: MapEntry[], chain: Order[] = [], merges: Merges = new Map()) {
  const owned = [{ lo: 'm', hi: null, epoch: 2 }];
  return prospectOf(entries, owned, { cluster: 'bru', chain, merges, was: 'b1' });
}

test('what moved away stays there, what came since is left', () => {
  const told = prospect([entry('', 'm', 3), entry('m', 'x', 2), entry('x', null, 4, 'a1', 'ams')]);
  assert.equal(told.back, [{ lo: 'm', hi: 'x' }]);
  assert.equal(told.left, [{ lo: '', hi: 'm' }]);
  assert.equal(told.moved, [entry('x', null, 4, 'a1', 'ams')]);
});

test('moved away and back since: not as of the image', () => {
  const told = prospect([entry('', 'm', 1, 'a1', 'ams'), entry('m', 'p', 5), entry('p', null, 2)]);
  assert.equal(told.back, [{ lo: 'p', hi: null }]);
  assert.equal(told.left, [{ lo: 'm', hi: 'p' }]);
});

test('an entry that is wider than what the image has is cut', () => {
  const told = prospect([entry('', null, 2)]);
  assert.equal(told.back, [{ lo: 'm', hi: null }]);
  assert.equal(told.left, [{ lo: '', hi: 'm' }]);
});

test('merged since: as of the image, where that is what was merged', () => {
  const merged = (epoch: number): Merges =>
    new Map([
      [
        5,
        {
          lo: '',
          hi: null,
          merges: [
            { lo: '', epoch: 1 },
            { lo: 'm', epoch },
          ],
        },
      ],
    ]);
  const entries = [entry('', null, 5)];
  assert.equal(prospect(entries, [], merged(2)).back, [{ lo: 'm', hi: null }]);
  assert.equal(prospect(entries, [], merged(2)).left, [{ lo: '', hi: 'm' }]);
  assert.equal(prospect(entries, [], merged(4)).back, [], 'moved away and back before it was merged');
});

test('another founding of that name has nothing to do with it, unless an order leads to it', () => {
  const entries = [entry('', 'm', 1, 'a1', 'ams'), entry('m', null, 8, 'b2')];
  assert.equal(prospect(entries).back, []);
  assert.equal(prospect(entries).moved, [entry('m', null, 8, 'b2')]);
  const given = {
    order: 1,
    ranges: [{ lo: 'm', hi: null, epoch: 8, sealedBy: null }],
    floorMid: 9,
    spareMid: 9,
  };
  const order: Order = {
    order: 1,
    kind: 'promote',
    cluster: 'bru',
    was: 'b1',
    founding: 'b2',
    takenMs: 0,
    given,
    before: [2],
  };
  assert.equal(prospect(entries, [order]).back, [{ lo: 'm', hi: null }]);
});

test.run();
