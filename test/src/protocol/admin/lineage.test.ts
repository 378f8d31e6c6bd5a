/** Which founding took the place of which, and at which epochs it knew its ranges. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Order } from '../../../../src/protocol/admin/admin.ts';
import { chainOf, epochsThen } from '../../../../src/protocol/admin/lineage.ts';

function orderOf(order: number, was: string, founding: string, epochs: [number, number][] = []): Order {
  const ranges = epochs.map(([epoch], at) => ({ lo: `${at}`, hi: `${at + 1}`, epoch, sealedBy: null }));
  const given = { order, ranges, floorMid: 99, spareMid: 98 };
  const before = epochs.map(([, then]) => then);
  return { order, kind: 'promote', cluster: 'bru', was, founding, takenMs: 0, given, before };
}

const ORDERS = [orderOf(1, 'b1', 'b2', [[20, 2]]), orderOf(2, 'b2', 'b3', [[30, 20]])];

test('from the last one back to the first, or to whom they lead no further', () => {
  const b3 = { cluster: 'bru', founding: 'b3' };
  const numbers = (was: string, orders = ORDERS) => chainOf(orders, b3, was).map(({ order }) => order);
  assert.equal(numbers('b1'), [2, 1]);
  assert.equal(numbers('b2'), [2]);
  assert.equal(numbers('b3'), []);
  assert.equal(numbers('x'), [2, 1]);
  const others = ORDERS.map((order) => ({ ...order, cluster: 'ams' }));
  assert.equal(numbers('b1', others), []);
  assert.equal(numbers('b1', [{ ...ORDERS[1], kind: 'lost' } as Order]), []);
});

test('epochs are traced back through all orders; an entry of any other founding has none', () => {
  const then = epochsThen([...ORDERS].reverse(), 'b1');
  const at = (founding: string, epoch: number) => then({ lo: '', hi: null, owner: 'bru', epoch, founding });
  assert.is(at('b3', 30), 2);
  assert.is(at('b2', 20), 2);
  assert.is(at('b1', 2), 2);
  assert.is(at('b3', 31), 31, 'it came by a move since');
  assert.is(at('b4', 2), null);
});

test.run();
