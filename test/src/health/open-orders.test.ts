/** Which orders of rescues have not come to their end, and what goes on with each. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type OnRecord, openOrders } from '../../../src/health/open-orders.ts';
import { type Migration, NO_PROGRESS, type Order } from '../../../src/protocol/admin/admin.ts';

const GIVEN = { order: 1, ranges: [], floorMid: 9, spareMid: 8 };

function orderOf(order: number, more: Partial<Order> = {}): Order {
  const kind = 'promote';
  return {
    order,
    kind,
    cluster: 'bru',
    was: 'b1',
    founding: 'b2',
    takenMs: 0,
    given: null,
    before: [],
    ...more,
  };
}

function moveOf(mid: number, order: number, more: Partial<Migration> = {}): Migration {
  const rescue = { order, dead: 'target', epoch: 9, isThere: false, isCopy: false } as const;
  const ends = { source: 'ams', target: 'bru', lo: 'a', hi: 'c' };
  const rest = {
    token: 1,
    heartbeat: 0,
    wish: 'run',
    why: '',
    progress: NO_PROGRESS,
    receipt: null,
  } as const;
  return { mid, ...ends, phase: 'active', ...rest, rescue, ...more };
}

function open(known: Partial<OnRecord>): string[] {
  return openOrders({ orders: [], entries: [], migrations: [], ...known }).map(
    ({ order, why, next }) => `${order.order}: ${why}; ${next}`,
  );
}

const LEFT = [{ lo: 'm', hi: null, owner: 'bru', epoch: 2, founding: 'b1' }];

test('a founding that was not told its ranges waits for moves, or for its own node', () => {
  const orders = [orderOf(1)];
  assert.match(
    open({ orders, migrations: [moveOf(4, 1)] })[0] ?? '',
    /migrations 4 are to be settled; nursery migrate --resume/,
  );
  const [asks] = open({ orders, migrations: [moveOf(4, 1, { phase: 'lost' }), moveOf(5, 2)] });
  assert.match(asks ?? '', /has to ask for them; start the node of bru/);
  assert.equal(open({ orders: [orderOf(1, { given: GIVEN })] }), []);
});

test('one whose founding burnt as well is over: the later order goes on', () => {
  const orders = [orderOf(1), orderOf(2, { was: 'b2', founding: 'b3' })];
  assert.equal(
    open({ orders }).map((each) => each.slice(0, 2)),
    ['2:'],
  );
});

test('what the map still gives to a dead founding nobody serves', () => {
  for (const order of [orderOf(1, { given: GIVEN }), orderOf(1, { kind: 'lost', founding: '' })]) {
    const [left] = open({ orders: [order], entries: LEFT, migrations: [] });
    assert.match(left ?? '', /\[m\.\.end\) of founding b1, which is dead.*; nursery rescue lost bru --at/);
    assert.equal(
      open({ orders: [order], entries: [{ ...LEFT[0], lo: 'm', hi: null, owner: 'ams', epoch: 3 }] }),
      [],
    );
  }
});

test('moves that a new keeper was told of are to be settled; a copy is its own command', () => {
  const keeper = orderOf(1, { kind: 'keeper', cluster: 'K', was: 'k1', founding: 'k2' });
  assert.match(
    open({ orders: [keeper], migrations: [moveOf(4, 1)] })[0] ?? '',
    /^1: migrations 4 are to be settled/,
  );
  const rescue = { order: 1, dead: 'source', epoch: 0, isThere: false, isCopy: true } as const;
  assert.equal(open({ orders: [keeper], migrations: [moveOf(4, 1, { rescue })] }), []);
  assert.equal(open({ orders: [keeper], entries: LEFT }), []);
});

test.run();
