/** What a cluster does with orders: a founding that is confirmed, a range that is taken back, another keeper. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { promotedState } from '../../../node/machine/rescue.ts';
import { loadState, storeState } from '../../../node/machine/system-state.ts';
import {
  type AdminCommand,
  type Header,
  KEEPERS_MAX,
  type Owned,
} from '../../../src/protocol/admin/admin.ts';
import { bytes, failureOf, TestCluster } from './cluster.ts';

const K = 'k'.repeat(32);
const RANGE = { lo: 'h', hi: 'p' };
const own = (lo: string, hi: string | null, epoch: number): Owned => ({ lo, hi, epoch, sealedBy: null });

/** Bound, with all keys at epoch 1, and a row for each letter. */
function bound(): TestCluster {
  const cluster = new TestCluster({ nursery: true });
  cluster.expect({ kind: 'bind', keeper: { cluster: 'K', founding: K, nodes: [] }, mine: 'a1' }, 'ok');
  under(cluster, { kind: 'assume', epoch: 1 }, '');
  for (const key of 'abchijpqr') cluster.set(key, key);
  return cluster;
}

type Inner = Extract<AdminCommand, { kind: 'under' }>['command'];

function under(cluster: TestCluster, command: Inner, peer = 'b1', founding = 'a1', keeper = K) {
  return cluster.command({ kind: 'under', keeper, founding, peer, command });
}

const header = (mid: number, token = 1): Header => ({ mid, token, floor: 0, ...RANGE, peer: 'b' });

/** Exported by migration 5, and sealed. */
function sealed(): TestCluster {
  const cluster = bound();
  under(cluster, { kind: 'beginExport', ...header(5) });
  under(cluster, { kind: 'setBase', ...header(5), base: { sum: 0n, count: 0, bytes: 0 } });
  assert.is(under(cluster, { kind: 'seal', ...header(5), rowsMax: 9, bytesMax: 99 }).kind, 'sealed');
  return cluster;
}

function promote(cluster: TestCluster): void {
  const changes = new Map<string, Uint8Array | null>();
  const state = loadState(cluster.store);
  storeState(state, promotedState(state, 'a2'), (key, value) => changes.set(key, value));
  cluster.store.commit(changes, cluster.slot + 1);
  cluster.restart();
}

function confirmation(ranges: Owned[], keeper = K, founding = 'a2'): AdminCommand {
  return { kind: 'confirm', keeper, founding, given: { order: 1, ranges, floorMid: 40, spareMid: 30 } };
}

test('a founding that is not confirmed serves nothing; confirmed it owns what it was given, and cleans up the rest', () => {
  const cluster = sealed();
  promote(cluster);
  assert.is(cluster.machine.unconfirmed, 'a1');
  assert.is(failureOf(cluster.update({ kind: 'set', key: 'a', value: bytes('x') })).message, 'a');
  const confirm = confirmation([own('', 'h', 20), own('h', 'p', 21)]);
  cluster.expect(confirmation([own('', null, 20), own('x', null, 22)]), 'ok');
  const again = sealed();
  promote(again);
  again.expect(confirm, 'ok');
  const { owned, exports, closed, tokens, floor, cleanups, unconfirmed } = again.machine.state;
  assert.equal(owned, [own('', 'h', 20), own('h', 'p', 21)], 'what was sealed is served again');
  assert.equal([exports.size, closed.size, tokens.size, floor, unconfirmed], [0, 0, 0, 40, '']);
  assert.equal([...cleanups], [[30, { lo: 'p', hi: null }]]);
  again.set('i', 'new');
  const before = again.dump();
  again.expect(confirmation([]), 'ok');
  assert.equal(again.dump(), before, 'a confirmation that comes late changes nothing');
});

test('what the keeper before said does nothing once another one has taken its place, nor what another founding was told', () => {
  const cluster = bound();
  promote(cluster);
  const ranges = [own('', null, 20)];
  cluster.expect(confirmation(ranges, K, 'a3'), 'refused');
  const keeper = { cluster: 'K', founding: 'k2', nodes: [] };
  cluster.expect({ kind: 'adopt', order: 7, from: K, keeper }, 'belongings');
  const before = cluster.dump();
  assert.match(cluster.expect(confirmation(ranges), 'refused').why, /order 1 is of keeper k+/);
  assert.equal(cluster.dump(), before);
  assert.is(cluster.machine.unconfirmed, 'a1');
  cluster.expect(confirmation(ranges, 'k2'), 'ok');
});

test('who belongs to no nursery is confirmed by nobody', () => {
  new TestCluster().expect(confirmation([own('', null, 20)]), 'refused');
});

test('it is not given what it does not own', () => {
  const cluster = new TestCluster({ nursery: true });
  cluster.expect({ kind: 'bind', keeper: { cluster: 'K', founding: K, nodes: [] }, mine: 'a1' }, 'ok');
  promote(cluster);
  cluster.expect(confirmation([own('', 'h', 20)]), 'refused');
  assert.is(cluster.machine.unconfirmed, 'a1');
});

test('outside a nursery nobody has to confirm anything', () => {
  const cluster = new TestCluster();
  cluster.set('a', '1');
  promote(cluster);
  assert.is(cluster.machine.unconfirmed, '');
  cluster.set('a', '2');
});

test('a survivor of one that was never confirmed takes the place of the first', () => {
  const state = loadState(bound().store);
  assert.is(promotedState(promotedState(state, 'a2'), 'a3').unconfirmed, 'a1');
});

test('a sealed range is taken back at its new epoch; one that is not sealed is not', () => {
  const open = bound();
  under(open, { kind: 'beginExport', ...header(5) });
  assert.is(under(open, { kind: 'takeBack', ...header(5), epoch: 9 }).kind, 'none');
  const cluster = sealed();
  assert.is(under(cluster, { kind: 'takeBack', ...header(5), hi: 'q', epoch: 9 }).kind, 'refused');
  const back = under(cluster, { kind: 'takeBack', ...header(5), epoch: 9 });
  assert.equal(back, { kind: 'closed', outcome: 'takenBack' });
  assert.equal(cluster.machine.owned(), [own('', 'h', 1), own('h', 'p', 9), own('p', null, 1)]);
  cluster.set('i', 'new');
  for (const kind of ['unseal', 'cancel', 'release'] as const)
    assert.equal(under(cluster, { kind, ...header(5) }), back, 'an outcome stands');
});

test('another keeper: commands under the one before do nothing, and a later order counts', () => {
  const cluster = sealed();
  const keeper = { cluster: 'K', founding: 'k2', nodes: [] };
  cluster.expect({ kind: 'adopt', order: 7, from: 'x', keeper }, 'refused');
  const told = cluster.expect({ kind: 'adopt', order: 7, from: K, keeper }, 'belongings');
  assert.equal(told.exports, [{ mid: 5, ...RANGE, peer: 'b', founding: 'b1' }]);
  assert.equal(told.tokens, [{ mid: 5, token: 1 }]);
  assert.equal([told.founding, told.unconfirmed, told.lastMid], ['a1', '', 5]);
  assert.equal([told.adopted, told.keepers, told.floor], [7, [K], 0]);
  assert.is(under(cluster, { kind: 'unseal', ...header(5) }).kind, 'refused');
  const again = { ...told, adopted: 8 };
  assert.equal(cluster.expect({ kind: 'adopt', order: 8, from: 'k2', keeper }, 'belongings'), again);
  cluster.expect({ kind: 'adopt', order: 7, from: K, keeper }, 'refused');
  assert.is(under(cluster, { kind: 'unseal', ...header(5) }, 'b1', 'a1', 'k2').kind, 'closed');
  const alone = new TestCluster();
  alone.expect({ kind: 'adopt', order: 1, from: K, keeper }, 'refused');
});

test('it remembers the keepers that it came from, each once, and no more than a bound', () => {
  const cluster = bound();
  let from = K;
  for (let order = 1; order <= KEEPERS_MAX + 3; order += 1) {
    const founding = `k${order}`;
    const keeper = { cluster: 'K', founding, nodes: [] };
    const told = cluster.expect({ kind: 'adopt', order, from, keeper }, 'belongings');
    if (order === 2) assert.equal(told.keepers, [K, 'k1']);
    if (order > KEEPERS_MAX) assert.is(told.keepers.length, KEEPERS_MAX);
    assert.is(told.keepers.at(-1), from);
    from = founding;
  }
});

test('what more migrations are known of than a call has arguments for is told all the same', () => {
  const cluster = bound();
  const changes = new Map<string, Uint8Array | null>();
  const state = loadState(cluster.store);
  const tokens = new Map(Array.from({ length: 150_000 }, (_, index) => [index + 1, 1]));
  const cleanups = new Map([[150_001, { lo: 'a', hi: 'b' }]]); // one that is not over would be overwritten by another of its id
  storeState(state, { ...state, tokens, cleanups }, (key, value) => changes.set(key, value));
  cluster.store.commit(changes, cluster.slot + 1);
  cluster.restart();
  const keeper = { cluster: 'K', founding: 'k2', nodes: [] };
  assert.is(cluster.expect({ kind: 'adopt', order: 7, from: K, keeper }, 'belongings').lastMid, 150_001);
});

test('a range that another one owns too is yielded by the order of the last rescue, once', () => {
  const cluster = bound();
  const keeper = { cluster: 'K', founding: 'k2', nodes: [] };
  const to = { lo: 'h', hi: 'p', owner: 'b', epoch: 9, founding: 'b1' };
  const yields = (more: object = {}): AdminCommand => {
    return {
      kind: 'yieldRange',
      order: 7,
      keeper: 'k2',
      founding: 'a1',
      mid: 70,
      to,
      ...more,
    } as AdminCommand;
  };
  cluster.expect(yields(), 'refused'); // of a keeper that it has not come to
  cluster.expect({ kind: 'adopt', order: 7, from: K, keeper }, 'belongings');
  for (const other of [{ order: 6 }, { order: 8 }, { keeper: K }, { founding: 'a2' }])
    cluster.expect(yields(other), 'refused');
  assert.equal(cluster.machine.owned(), [own('', null, 1)]);
  cluster.expect(yields(), 'ok');
  assert.equal(cluster.machine.owned(), [own('', 'h', 1), own('p', null, 1)]);
  assert.equal(cluster.machine.forward(), [to]);
  assert.equal([...cluster.machine.state.cleanups], [[70, { lo: 'h', hi: 'p' }]]);
  const before = cluster.dump();
  cluster.expect(yields({ mid: 71 }), 'ok');
  assert.equal(cluster.dump(), before, 'typed again it does nothing');
  const moving = bound();
  under(moving, { kind: 'beginExport', ...header(5) });
  moving.expect({ kind: 'adopt', order: 7, from: K, keeper }, 'belongings');
  assert.match(moving.expect(yields({ to: { ...to, hi: null } }), 'refused').why, /migration 5 is about/);
  const waiting = bound();
  promote(waiting);
  waiting.expect({ kind: 'adopt', order: 7, from: K, keeper }, 'belongings');
  waiting.expect(yields({ founding: 'a2' }), 'ok');
  assert.equal(waiting.machine.state.owned, [own('', null, 1)], 'the keeper tells it what is its own');
});

test('a survivor of the keeper forgets all but itself and how far its numbers had come', () => {
  const keeper = new TestCluster({ nursery: true });
  keeper.expect({ kind: 'bind', keeper: { cluster: 'K', founding: K, nodes: [] }, mine: K }, 'ok');
  const members = [{ node: 'a_0', incarnation: 'a1', learner: false }];
  const what = { cluster: 'a', founding: 'a1', keeper: '', version: 1, members, owned: [] };
  keeper.expect({ kind: 'introduce', ...what }, 'standing');
  keeper.expect({ kind: 'initMap', cluster: 'a' }, 'planned');
  keeper.expect({ kind: 'lose', cluster: 'a', founding: 'a1', takenMs: 1 }, 'orders');
  promote(keeper);
  const { map, orders, identities, configs, replaced, lastMid, bound: now } = keeper.machine.state;
  assert.equal(now, { keeper: { cluster: 'K', founding: 'a2', nodes: [] }, mine: 'a2' });
  assert.equal([map.isEmpty, orders.size, identities.size, configs.size, replaced], [true, 0, 0, 0, []]);
  assert.is(keeper.machine.unconfirmed, '', 'nobody has to confirm it');
  assert.is(lastMid, 1);
  const entries = [{ lo: '', hi: null, owner: 'a', epoch: 1, founding: 'a1' }];
  const rest = {
    order: 1,
    from: K,
    replaced: [],
    takenMs: 1,
    clusters: [{ cluster: 'a', founding: 'a1', nodes: [] }],
  };
  const functions = { version: 0, functions: [] };
  keeper.expect({ kind: 'install', ...rest, entries, migrations: [], lastMid: 0, functions }, 'orders');
  assert.is(keeper.machine.state.lastMid, 1, 'no number comes twice, whoever knew of it');
});

test('moves that began before their clusters were bound are told as those of nobody', () => {
  const cluster = new TestCluster({ nursery: true });
  cluster.expect({ kind: 'assume', epoch: 1 }, 'ok');
  cluster.expect({ kind: 'beginExport', ...header(5) }, 'exporting');
  cluster.expect({ kind: 'bind', keeper: { cluster: 'K', founding: K, nodes: [] }, mine: 'a1' }, 'ok');
  const keeper = { cluster: 'K', founding: 'k2', nodes: [] };
  const told = cluster.expect({ kind: 'adopt', order: 7, from: K, keeper }, 'belongings');
  assert.equal(told.exports, [{ mid: 5, ...RANGE, peer: 'b', founding: '' }]);
});

test.run();
