/** Whose place a cluster takes that is restored in a nursery, or why it may not. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Image } from '../../../../src/cli/export/lines.ts';
import { isMadeBefore, type OnRecord, placeOf } from '../../../../src/cli/restore/succession.ts';
import { RangeMap } from '../../../../src/keyspace/rangemap.ts';
import type { Order } from '../../../../src/protocol/admin/admin.ts';

const K = 'ee'.repeat(16);
const [B1, B2, B3] = ['b1', 'b2', 'b3'].map((each) => each.repeat(16)) as [string, string, string];

function imageOf(more: Partial<Image> = {}): Image {
  const taken = '2026-01-01T00:00:00.000Z';
  return { cluster: 'bru', founding: B1, keeper: K, node: 'bru_0', slot: 7, taken, owned: [], ...more };
}

function orderOf(order: number, was: string, founding: string): Order {
  return { order, kind: 'promote', cluster: 'bru', was, founding, takenMs: 0, given: null, before: [] };
}

function knownOf(inForce: string | null, orders: Order[] = [], more: Partial<OnRecord> = {}): OnRecord {
  const clusters = inForce === null ? [] : [{ cluster: 'bru', nodes: [], founding: inForce }];
  const map = RangeMap.of(1, [{ lo: '', hi: null, owner: 'bru', epoch: 1, founding: inForce ?? B1 }]);
  return { map, clusters, orders, migrations: [], nursery: { founding: K, replaced: [] }, ...more };
}

test('the founding in force, in whole or by eight digits', () => {
  for (const typed of [B1, B1.slice(0, 8), B1.toUpperCase()])
    assert.equal(placeOf(imageOf(), typed, knownOf(B1)), {
      dead: B1,
      replaced: [B1],
      chain: [],
      order: null,
      isNewKeeper: false,
    });
  assert.throws(() => placeOf(imageOf(), null, knownOf(B1)), /is in force: --replace b1b1b1b1 says/);
  assert.throws(() => placeOf(imageOf(), B1.slice(0, 7), knownOf(B1)), /--replace b1b1b1b1 says/);
  assert.throws(() => placeOf(imageOf(), B2, knownOf(B1)), /is in force, not b2/);
});

test('an image of a founding before: the one in force has come from it by promotions', () => {
  const orders = [orderOf(1, B1, B2), orderOf(2, B2, B3)];
  const place = placeOf(imageOf(), B3, knownOf(B3, orders));
  assert.equal([place.dead, place.replaced], [B3, [B3, B2, B1]]);
  assert.equal(place.chain, [orders[1], orders[0]]);
  assert.throws(
    () => placeOf(imageOf(), B3, knownOf(B3, orders.slice(1))),
    /is of founding b1.* did not come/,
  );
});

test('typed again it is known by its order; a founding that burnt as well is replaced itself', () => {
  const orders = [orderOf(1, B1, B2)];
  const again = placeOf(imageOf(), B1, knownOf(B2, orders));
  assert.equal([again.dead, again.replaced, again.order], [B1, [B1], orders[0]]);
  const next = placeOf(imageOf(), B2, knownOf(B2, orders));
  assert.equal([next.dead, next.replaced, next.order], [B2, [B2, B1], null]);
  assert.throws(() => placeOf(imageOf(), B1, knownOf(B3, [...orders, orderOf(2, B2, B3)])), /not b1/);
});

test('a founding that is lost already has no place to take', () => {
  assert.throws(() => placeOf(imageOf(), B1, knownOf(null)), /rescue lost bru --restore DIR --at CLUSTER/);
});

test('a founding that nobody knows has no place to take, and its stand-in is never shown', () => {
  for (const typed of [null, B1, 'unknown-bru']) {
    const tried = () => placeOf(imageOf(), typed, knownOf('unknown-bru'));
    assert.throws(tried, /^bru was lost together with the keeper .* nursery rescue lost bru --restore DIR/);
  }
});

test('an image of another nursery is none; of one whose place this keeper took it is', () => {
  const foreign = imageOf({ keeper: 'ff'.repeat(16) });
  assert.throws(() => placeOf(foreign, B1, knownOf(B1)), /is of nursery ff.*nursery import/);
  assert.throws(() => placeOf(imageOf({ keeper: '' }), B1, knownOf(B1)), /is of nursery none/);
  const nursery = { founding: K, replaced: ['ff'.repeat(16)] };
  assert.is(placeOf(foreign, B1, knownOf(B1, [], { nursery })).isNewKeeper, false);
});

test('a keeper that knows nothing stands in for the one that is lost', () => {
  const nursery = { founding: 'aa'.repeat(16), replaced: [] };
  const fresh = knownOf(null, [], { nursery, map: RangeMap.of(0, []) });
  const place = placeOf(imageOf(), B1, fresh);
  assert.equal([place.dead, place.replaced, place.isNewKeeper], [B1, [B1], true]);
  assert.throws(() => placeOf(imageOf(), B2, fresh), /this keeper is a new one, .* not b2/);
  assert.throws(() => placeOf(imageOf({ keeper: '' }), B1, fresh), /is of nursery none/);
  const { nursery: _, ...none } = fresh;
  assert.throws(() => placeOf(imageOf(), B1, none), /is no keeper/);
});

test('what the command has made is told from a cluster that lives', () => {
  const place = { dead: B1, replaced: [B1], chain: [], order: null, isNewKeeper: true };
  const isMade = (founding: string, bound: string, more = {}): boolean =>
    isMadeBefore({ founding, keeper: bound }, { ...place, ...more }, K);
  assert.ok(isMade(B2, K), 'bound to a keeper that knows nothing');
  assert.not.ok(isMade(B1, K), 'whose place would be taken has come to that keeper, and lives');
  assert.not.ok(isMade(B2, 'of before'));
  const known = { isNewKeeper: false, order: orderOf(1, B1, B2) };
  assert.ok(isMade(B2, K, known), 'by the order');
  assert.not.ok(isMade(B1, K, known));
  assert.not.ok(isMade(B2, K, { isNewKeeper: false }), 'no order made it');
});

test.run();
