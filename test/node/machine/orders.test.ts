/** Orders at the keeper: what each does, whom it fences, and that it does it once. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  type AdminCommand,
  type Foundings,
  type Migration,
  NO_PROGRESS,
  type Order,
  type Owned,
  type Replacement,
} from '../../../src/protocol/admin/admin.ts';
import { TestCluster } from './cluster.ts';

const K = 'k'.repeat(32);
const NODES = [{ name: 'k_0', ips: ['10.0.0.1'], port: 4000 }];

const NO_SET = { version: 0, functions: [] };

const own = (lo: string, hi: string | null, epoch: number): Owned => ({ lo, hi, epoch, sealedBy: null });

/** A keeper that knows a, with all keys at epoch 1, b and c. */
function keeper(): TestCluster {
  const cluster = new TestCluster({ nursery: true });
  cluster.expect({ kind: 'bind', keeper: { cluster: 'K', founding: K, nodes: NODES }, mine: K }, 'ok');
  for (const id of ['a', 'b', 'c']) introduce(cluster, id, `${id}1`);
  cluster.expect({ kind: 'initMap', cluster: 'a' }, 'planned');
  return cluster;
}

function introduce(cluster: TestCluster, id: string, founding: string, version = 1): string {
  const members = [{ node: `${id}_0`, incarnation: founding, learner: false }];
  const what = { cluster: id, founding, keeper: '', version, members, owned: [] };
  return cluster.expect({ kind: 'introduce', ...what }, 'standing').verdict;
}

function replacement(more: Partial<Replacement> = {}): AdminCommand {
  return {
    kind: 'replace',
    cluster: 'a',
    keeper: K,
    was: 'a1',
    founding: 'a2',
    after: ['a1'],
    version: 9,
    members: [{ node: 'a_0', incarnation: 'a2', learner: false }],
    owned: [own('', null, 1)],
    activated: [],
    imports: 0,
    lastMid: 0,
    takenMs: 5,
    ...more,
  };
}

const map = (cluster: TestCluster): string[] =>
  cluster.machine
    .keeperMap()
    .map.entries.map(
      ({ lo, hi, owner, epoch, founding }) => `${lo}..${hi ?? ''} ${owner} ${epoch} ${founding}`,
    );

test('a restored founding that knocks at a new keeper is no matter of a first map, whichever keeper it names', () => {
  for (const [named, says] of [
    ['the one before', / \(the one before\)/],
    [K, /, whose keeper knew what was promoted or restored/],
  ] as const) {
    const cluster = new TestCluster({ nursery: true });
    cluster.expect({ kind: 'bind', keeper: { cluster: 'K', founding: K, nodes: NODES }, mine: K }, 'ok');
    introduce(cluster, 'b', 'b1');
    const knock = replacement({ keeper: named });
    cluster.expect(knock, 'refused');
    const before = cluster.dump();
    cluster.expect(knock, 'refused');
    assert.equal(cluster.dump(), before, 'it is noted once');
    const { why } = cluster.expect({ kind: 'initMap', cluster: 'b' }, 'refused');
    assert.match(why, /^cluster a belongs to another nursery.*rescue keeper.*remove a$/);
    assert.match(why, says);
    assert.is(cluster.machine.strangersWhy, why);
    cluster.expect({ kind: 'dropCluster', cluster: 'a' }, 'ok');
    cluster.expect({ kind: 'initMap', cluster: 'b' }, 'planned');
    cluster.expect(replacement({ was: 'a0' }), 'refused');
    assert.is(cluster.machine.strangersWhy, null, 'there is a map');
  }
});

test('a founding takes the place of the one in force: at new epochs, once, and for ever', () => {
  const cluster = keeper();
  const given = cluster.expect(replacement(), 'given');
  assert.equal(map(cluster), ['.. a 2 a2']);
  assert.equal(given.ranges, [own('', null, 2)]);
  const before = cluster.dump();
  assert.equal(cluster.expect(replacement(), 'given'), given, 'asked again, it is the same');
  assert.equal(cluster.dump(), before);
  assert.is(introduce(cluster, 'a', 'a1'), 'dead');
  assert.is(introduce(cluster, 'a', 'a2'), 'inForce');
  const second = cluster.expect(replacement({ founding: 'a3' }), 'standing');
  assert.is(second.verdict, 'dead');
  assert.match(
    second.why,
    /^founding a3 of cluster a came too late, for ever: founding a2 took the place of founding a1 .*\(it has a_0\)/,
  );
  assert.match(cluster.expect(replacement({ keeper: 'k2' }), 'refused').why, /belongs to the nursery k2/);
  assert.is(cluster.expect(replacement({ was: 'a2', founding: 'a1' }), 'standing').verdict, 'dead');
  assert.ok(given.spareMid > 2 && given.floorMid > given.spareMid, 'nothing that it is given comes again');
  const plan = cluster.expect({ kind: 'plan', source: 'a', target: 'b', lo: 'm', hi: null }, 'planned');
  assert.ok(plan.mid >= given.floorMid, `${plan.mid}`);
  assert.equal(cluster.query({ kind: 'listOrders' }, 'orders').orders.length, 1);
});

test('where its nodes are reached is known of the founding before, by their names', () => {
  const cluster = keeper();
  const self = {
    cluster: 'a',
    founding: 'a1',
    node: 'a_0',
    incarnation: 'a1',
    ips: ['10.0.0.5'],
    port: 4005,
  };
  cluster.expect({ kind: 'tellAddress', ...self, label: 'rack 2' }, 'standing');
  const life = (node: string) => ({ node, incarnation: 'a2', learner: false });
  cluster.expect(replacement({ members: [life('a_0'), life('a_1')] }), 'given');
  const members = cluster.machine.state.identities.get('a')?.members;
  assert.equal(
    members?.map(({ node, incarnation, ips, port, label }) => [node, incarnation, ips.join(), port, label]),
    [
      ['a_0', 'a2', '10.0.0.5', 4005, 'rack 2'],
      ['a_1', 'a2', '', 0, ''],
    ],
  );
});

test('one that goes on from a founding which was never confirmed takes the place of both', () => {
  for (const isGiven of [true, false]) {
    const cluster = keeper();
    const moved = cluster.expect(
      { kind: 'plan', source: 'a', target: 'b', lo: 'x', hi: null },
      'planned',
    ).mid;
    cluster.expect(replacement(), 'busy');
    const settle = (): void => {
      cluster.expect({ kind: 'claim', mid: moved, tokenSeen: 1 }, 'claimed');
      cluster.expect({ kind: 'settle', mid: moved, token: 2 }, 'ok');
    };
    if (isGiven) {
      settle();
      cluster.expect(replacement(), 'given');
    }
    const third = { founding: 'a3', owned: [own('', 'm', 1)] };
    cluster.expect(replacement({ ...third, after: ['a1'] }), 'standing'); // an old home of a1
    cluster.expect(replacement({ ...third, was: 'a0', after: ['a1', 'a2'] }), 'refused');
    const second = replacement({ ...third, after: ['a1', 'a2'] });
    if (!isGiven) {
      cluster.expect(second, 'busy');
      settle();
    }
    const given = cluster.expect(second, 'given');
    assert.equal(cluster.expect(second, 'given'), given);
    const [range] = given.ranges;
    assert.equal(map(cluster)[0], `..m a ${range?.epoch} a3`);
    assert.match(map(cluster)[1] ?? '', isGiven ? /^m\.\. a \d+ a2$/ : /^m\.\. a 1 a1$/);
    assert.is(introduce(cluster, 'a', 'a2'), 'dead');
    cluster.expect(replacement(), 'standing');
    const fourth = { founding: 'a4', owned: [own('', 'f', 1)], after: ['a1', 'a2', 'a3'] };
    assert.equal(cluster.expect(replacement(fourth), 'given').ranges.length, 1);
    assert.match(map(cluster)[0] ?? '', /^\.\.f a \d+ a4$/);
  }
});

test('an image of the first founding takes the place of the third: epochs are traced back through both orders', () => {
  const cluster = keeper();
  cluster.expect(replacement(), 'given');
  const [second] = cluster.expect(
    replacement({ was: 'a2', founding: 'a3', after: ['a2', 'a1'], owned: [own('', null, 2)] }),
    'given',
  ).ranges;
  const image = { was: 'a1', founding: 'a4', after: ['a3', 'a2', 'a1'], owned: [own('m', null, 1)] };
  const [range] = cluster.expect(replacement(image), 'given').ranges;
  assert.equal(map(cluster), [`..m a ${second?.epoch} a3`, `m.. a ${range?.epoch} a4`]);
  assert.ok((range?.epoch ?? 0) > (second?.epoch ?? 0));
});

test('a founding that is dead is told by which order', () => {
  const why = (cluster: TestCluster, id: string, founding: string): string =>
    cluster.query({ kind: 'standing', cluster: id, founding, keeper: '' }, 'standing').why;
  const cluster = keeper();
  cluster.expect(replacement(), 'given');
  assert.match(why(cluster, 'a', 'a1'), /founding a2 took the place of founding a1 of cluster a by order 1/);
  cluster.expect({ kind: 'lose', cluster: 'b', founding: 'b1', takenMs: 1 }, 'orders');
  assert.match(
    why(cluster, 'b', 'b1'),
    /b1 of cluster b was declared lost by order 2: .*of a new cluster of that name/,
  );
  introduce(cluster, 'b', 'b2');
  assert.match(why(cluster, 'b', 'b1'), /its node can be of the one that is in force/);
  cluster.expect({ kind: 'dropCluster', cluster: 'c' }, 'ok');
  assert.match(why(cluster, 'c', 'c1'), /c1 of cluster c was removed from the nursery, for ever/);
});

test('thousands of ranges are given in one sweep', () => {
  const count = 20_000;
  const name = (index: number): string => String(index).padStart(6, '0');
  const owned = Array.from({ length: count }, (_, index) =>
    own(index === 0 ? '' : name(index), index + 1 === count ? null : name(index + 1), index + 1),
  );
  const cluster = new TestCluster({ nursery: true });
  cluster.expect({ kind: 'bind', keeper: { cluster: 'K', founding: K, nodes: NODES }, mine: K }, 'ok');
  const entries = owned.map(({ lo, hi, epoch }) => ({ lo, hi, owner: 'a', epoch, founding: 'a1' }));
  const clusters = [{ cluster: 'a', founding: 'a1', nodes: [] }];
  const what = {
    order: 1,
    from: 'old',
    replaced: [],
    takenMs: 1,
    clusters,
    entries,
    migrations: [],
    lastMid: count,
    functions: NO_SET,
  };
  cluster.expect({ kind: 'install', ...what }, 'orders');
  const before = process.cpuUsage(); // not by the clock of the wall: the machine may be busy with something else
  const { ranges } = cluster.expect(replacement({ owned: owned.reverse() }), 'given');
  const tookMs = process.cpuUsage(before).user / 1000;
  assert.is(ranges.length, count);
  assert.ok(tookMs < 5000, `${tookMs} ms, where each range against each would be a minute`);
});

test('it is given what it owned at the epoch of the map, and the rest stays with the dead', () => {
  const cluster = keeper();
  const owned = [own('', 'f', 1), own('f', 'm', 7)];
  const given = cluster.expect(replacement({ owned, lastMid: 40 }), 'given');
  assert.equal(given.ranges, [own('', 'f', 41)], 'above all that it has met');
  assert.equal(map(cluster), ['..f a 41 a2', 'f.. a 1 a1']);
  const plan = { kind: 'plan', source: 'a', target: 'b', lo: 'f', hi: null } as const;
  assert.match(cluster.expect(plan, 'refused').why, /founding a1 of a, which is dead: nursery rescue lost a/);
  cluster.expect({ ...plan, lo: 'a', hi: 'b' }, 'planned');
});

test('what another cluster owns is said to be so, whatever its founding', () => {
  const cluster = keeper();
  const { mid } = cluster.expect({ kind: 'plan', source: 'a', target: 'b', lo: 'm', hi: null }, 'planned');
  cluster.expect({ kind: 'claim', mid, tokenSeen: 0 }, 'claimed');
  const receipt = { sealSlot: 1, digest: { sum: 0n, count: 0, bytes: 0 }, pauseMs: 0, pauseAtLeast: false };
  cluster.expect({ kind: 'publish', mid, token: 1, receipt }, 'ok');
  cluster.expect({ kind: 'finish', mid, token: 1 }, 'ok');
  const { why } = cluster.expect({ kind: 'plan', source: 'a', target: 'c', lo: 'f', hi: null }, 'refused');
  assert.match(why, /^a does not own all of .*b owns/);
});

test('open moves are settled first; whoever coordinated them is fenced', () => {
  const cluster = keeper();
  const { mid } = cluster.expect({ kind: 'plan', source: 'a', target: 'b', lo: 'm', hi: null }, 'planned');
  cluster.expect({ kind: 'claim', mid, tokenSeen: 0 }, 'claimed');
  assert.match(cluster.expect(replacement(), 'busy').why, new RegExp(`migrations ${mid} are settled`));
  const receipt = { sealSlot: 1, digest: { sum: 0n, count: 0, bytes: 0 }, pauseMs: 0, pauseAtLeast: false };
  cluster.expect({ kind: 'publish', mid, token: 1, receipt }, 'fenced');
  const { record } = cluster.expect({ kind: 'claim', mid, tokenSeen: 2 }, 'claimed');
  assert.equal(record.rescue?.dead, 'source');
  cluster.expect({ kind: 'settle', mid, token: 2 }, 'fenced');
  cluster.expect({ kind: 'settle', mid, token: 3 }, 'ok');
  cluster.expect({ kind: 'settle', mid, token: 3 }, 'ok');
  assert.is(cluster.machine.state.migrations.get(mid)?.phase, 'lost');
  cluster.expect(replacement(), 'given');
});

test('no move begins at a cluster that waits for its ranges: when they come it would be forgotten there', () => {
  const cluster = keeper();
  const moved = { kind: 'plan', source: 'a', target: 'b', lo: 'm', hi: null } as const;
  const { mid } = cluster.expect(moved, 'planned');
  const of = { cluster: 'b', was: 'b1', founding: 'b2', owned: [] };
  const members = [{ node: 'b_0', incarnation: 'b2', learner: false }];
  const replaced = replacement({ ...of, after: ['b1'], members });
  cluster.expect(replaced, 'busy');
  const other = { kind: 'plan', source: 'a', target: 'b', lo: 'f', hi: 'm' } as const;
  assert.match(cluster.expect(other, 'busy').why, /cluster b waits for its ranges, by order 1/);
  cluster.expect({ ...other, source: 'b', target: 'a' }, 'busy');
  const { order } = cluster.expect({ kind: 'lose', cluster: 'c', founding: 'c1', takenMs: 1 }, 'orders')
    .orders[0] as Order;
  cluster.expect({ kind: 'planCopy', order, target: 'b', lo: '', hi: 'm' }, 'busy');
  cluster.expect({ kind: 'claim', mid, tokenSeen: 1 }, 'claimed');
  const { epoch } = cluster.machine.state.migrations.get(mid)?.rescue ?? {};
  cluster.expect({ kind: 'settle', mid, token: 2 }, 'ok');
  assert.equal(map(cluster), ['..m a 1 a1', `m.. a ${epoch} a1`], 'its source keeps the range');
  const { floorMid } = cluster.expect(replaced, 'given');
  assert.ok(cluster.expect(other, 'planned').mid >= floorMid);
});

test('of a move to it that it shows as activated the map follows its evidence', () => {
  const cluster = keeper();
  const { mid } = cluster.expect({ kind: 'plan', source: 'a', target: 'b', lo: 'm', hi: null }, 'planned');
  const given = cluster.expect(
    replacement({ cluster: 'b', was: 'b1', founding: 'b2', owned: [own('m', null, mid)], activated: [mid] }),
    'given',
  );
  assert.is(cluster.machine.state.migrations.get(mid)?.phase, 'published', 'the source still releases');
  assert.equal(map(cluster), ['..m a 1 a1', `m.. b ${given.ranges[0]?.epoch} b2`]);
  cluster.expect({ kind: 'claim', mid, tokenSeen: 1 }, 'claimed');
  cluster.expect({ kind: 'settle', mid, token: 2 }, 'refused');
  cluster.expect({ kind: 'finish', mid, token: 2 }, 'ok');
});

test('an image of it remembers no move: what it owns at the number of one shows that it had taken over', () => {
  const cluster = keeper();
  const { mid } = cluster.expect({ kind: 'plan', source: 'a', target: 'b', lo: 'm', hi: null }, 'planned');
  const image = { cluster: 'b', was: 'b1', founding: 'b2', after: ['b1'], owned: [own('m', null, mid)] };
  const { ranges } = cluster.expect(replacement(image), 'given');
  assert.is(cluster.machine.state.migrations.get(mid)?.phase, 'published', 'the source still releases');
  assert.equal(map(cluster), ['..m a 1 a1', `m.. b ${ranges[0]?.epoch} b2`]);
});

test('what a source had taken back from a dead target is its own, though it burns before the map is told', () => {
  for (const isPublished of [false, true]) {
    const cluster = keeper();
    const { mid } = cluster.expect({ kind: 'plan', source: 'a', target: 'b', lo: 'm', hi: null }, 'planned');
    cluster.expect({ kind: 'claim', mid, tokenSeen: 0 }, 'claimed');
    const receipt = { sealSlot: 1, digest: { sum: 0n, count: 0, bytes: 0 }, pauseMs: 0, pauseAtLeast: false };
    if (isPublished) cluster.expect({ kind: 'publish', mid, token: 1, receipt }, 'ok');
    cluster.expect({ kind: 'lose', cluster: 'b', founding: 'b1', takenMs: 1 }, 'orders');
    const back = cluster.machine.state.migrations.get(mid)?.rescue?.epoch ?? 0;
    const survivor = replacement({ owned: [own('', 'm', 1), own('m', null, back)] });
    const { ranges } = cluster.expect(survivor, 'given');
    assert.equal(
      ranges.map(({ lo, hi }) => [lo, hi]),
      [
        ['', 'm'],
        ['m', null],
      ],
    );
    assert.is(cluster.machine.state.migrations.get(mid)?.phase, 'lost');
    assert.equal(map(cluster), [`..m a ${ranges[0]?.epoch} a2`, `m.. a ${ranges[1]?.epoch} a2`]);
  }
});

test('a survivor of the source has activated nothing of a move away from it, whatever it says', () => {
  const cluster = keeper();
  const { mid } = cluster.expect({ kind: 'plan', source: 'a', target: 'b', lo: 'm', hi: null }, 'planned');
  cluster.expect(replacement({ activated: [mid] }), 'busy');
  const { phase, rescue } = cluster.machine.state.migrations.get(mid) ?? {};
  assert.equal([phase, rescue?.dead, rescue?.isThere], ['active', 'source', false]);
});

test('a founding that only an open move names is dead where nobody speaks for its cluster; else it may wait to be confirmed', () => {
  const cluster = new TestCluster({ nursery: true });
  cluster.expect({ kind: 'bind', keeper: { cluster: 'K', founding: K, nodes: NODES }, mine: K }, 'ok');
  const clusters = ['a', 'b'].map((id) => ({ cluster: id, founding: `${id}1`, nodes: [] }));
  const entries = [{ lo: '', hi: null, owner: 'a', epoch: 4, founding: 'a1' }];
  const migrations = [
    moving(7, 'a', 'b', { keeper: 'old', source: 'a1', target: 'b2' }),
    moving(8, 'a', 'c', { keeper: 'old', source: 'a1', target: 'c0' }),
  ];
  const what = { order: 1, from: 'old', replaced: [], takenMs: 1, clusters, entries, migrations };
  cluster.expect({ kind: 'install', ...what, lastMid: 9 }, 'orders');
  assert.is(introduce(cluster, 'c', 'c0'), 'dead');
  assert.is(introduce(cluster, 'b', 'b1'), 'inForce');
  assert.is(introduce(cluster, 'b', 'b2'), 'taken');
  // The keeper that is lost had confirmed it, before its own log knew.
  const survivor = { cluster: 'b', was: 'b1', founding: 'b2', owned: [] };
  cluster.expect(replacement(survivor), 'given');
});

test('a move of which both ends are dead has ended', () => {
  const cluster = keeper();
  const { mid } = cluster.expect({ kind: 'plan', source: 'a', target: 'b', lo: 'm', hi: null }, 'planned');
  const lose = (id: string) =>
    cluster.expect({ kind: 'lose', cluster: id, founding: `${id}1`, takenMs: 1 }, 'orders');
  const first = lose('b').orders[0]?.order;
  assert.is(lose('b').orders[0]?.order, first, 'typed again it is the same order');
  assert.is(cluster.machine.state.migrations.get(mid)?.phase, 'active');
  lose('a');
  assert.is(cluster.machine.state.migrations.get(mid)?.phase, 'lost');
});

test('of a move whose source is dead already, what the survivor of its target had activated is published first', () => {
  for (const isCopy of [false, true]) {
    const cluster = keeper();
    const range = { lo: 'm', hi: null };
    const plan = { kind: 'plan', source: 'a', target: 'b', ...range } as const;
    const planned = isCopy ? null : cluster.expect(plan, 'planned').mid;
    const { orders } = cluster.expect({ kind: 'lose', cluster: 'a', founding: 'a1', takenMs: 1 }, 'orders');
    const copy = { kind: 'planCopy', order: orders[0]?.order ?? 0, target: 'b', ...range } as const;
    const mid = planned ?? cluster.expect(copy, 'planned').mid;
    const survivor = { cluster: 'b', was: 'b1', founding: 'b2', owned: [own('m', null, mid)] };
    const given = cluster.expect(replacement({ ...survivor, activated: [mid] }), 'given');
    assert.equal(
      given.ranges.map(({ lo, hi }) => [lo, hi]),
      [['m', null]],
    );
    assert.is(cluster.machine.state.migrations.get(mid)?.phase, 'done');
    assert.equal(map(cluster), ['..m a 1 a1', `m.. b ${given.ranges[0]?.epoch} b2`]);
  }
});

test('what is lost comes to another cluster, and to no one that is not in force', () => {
  const cluster = keeper();
  cluster.expect({ kind: 'lose', cluster: 'a', founding: 'a2', takenMs: 1 }, 'refused');
  cluster.expect({ kind: 'lose', cluster: 'K', founding: K, takenMs: 1 }, 'refused');
  const order =
    cluster.expect({ kind: 'lose', cluster: 'a', founding: 'a1', takenMs: 1 }, 'orders').orders[0]?.order ??
    0;
  assert.equal(map(cluster), ['.. a 1 a1'], 'nobody serves it');
  assert.is(introduce(cluster, 'a', 'a1'), 'dead');
  const copy = { kind: 'planCopy', order, target: 'b', lo: '', hi: 'm' } as const;
  cluster.expect({ ...copy, order: 9 }, 'refused');
  cluster.expect({ ...copy, target: 'x' }, 'refused');
  cluster.expect({ ...copy, lo: 'z', hi: 'a' }, 'refused');
  const { lastMid } = cluster.machine.state;
  const { mid } = cluster.expect(copy, 'planned');
  assert.equal([mid, cluster.machine.state.lastMid], [lastMid + 1, lastMid + 1]);
  cluster.expect(copy, 'busy');
  cluster.expect({ kind: 'claim', mid, tokenSeen: 0 }, 'claimed');
  const receipt = { sealSlot: 0, digest: { sum: 0n, count: 0, bytes: 0 }, pauseMs: 0, pauseAtLeast: false };
  cluster.expect({ kind: 'publish', mid, token: 1, receipt }, 'ok');
  cluster.expect({ kind: 'finish', mid, token: 1 }, 'ok');
  assert.equal(map(cluster), [`..m b ${mid} b1`, 'm.. a 1 a1']);
  cluster.expect(copy, 'refused');
});

test('whoever a new keeper bound by the id of a cluster, before it was told, is over when it is', () => {
  const cluster = new TestCluster({ nursery: true });
  cluster.expect({ kind: 'bind', keeper: { cluster: 'K', founding: K, nodes: NODES }, mine: K }, 'ok');
  assert.is(introduce(cluster, 'a', 'a9'), 'inForce');
  assert.is(introduce(cluster, 'b', 'b1'), 'inForce');
  const clusters = [
    { cluster: 'a', founding: 'a1', nodes: NODES },
    { cluster: 'b', founding: 'b1', nodes: [] },
  ];
  const entries = [{ lo: '', hi: null, owner: 'a', epoch: 4, founding: 'a1' }];
  const what = { order: 1, from: 'old', replaced: [], takenMs: 1, clusters, entries, migrations: [] };
  cluster.expect({ kind: 'install', ...what, lastMid: 9, functions: NO_SET }, 'orders');
  const members = cluster.machine.state.identities.get('b')?.members.map(({ node }) => node);
  assert.equal(members, ['b_0'], 'where nothing is said of its nodes, those that are known stay');
  assert.is(introduce(cluster, 'a', 'a9'), 'dead');
  assert.is(introduce(cluster, 'a', 'a1'), 'inForce');
});

test('a new keeper is given a map once, and says whose place it took', () => {
  const cluster = new TestCluster({ nursery: true });
  const install: AdminCommand = {
    kind: 'install',
    order: 77,
    from: 'old',
    replaced: ['older'],
    takenMs: 1,
    clusters: [
      { cluster: 'a', founding: 'a1', nodes: [{ name: 'a_0', ips: ['10.0.0.7'], port: 4000 }] },
      { cluster: 'c', founding: 'c1', nodes: NODES },
    ],
    entries: [{ lo: '', hi: null, owner: 'a', epoch: 4, founding: 'a1' }],
    migrations: [],
    lastMid: 1000,
    functions: NO_SET,
  };
  cluster.expect(install, 'refused');
  cluster.expect({ kind: 'bind', keeper: { cluster: 'K', founding: K, nodes: NODES }, mine: K }, 'ok');
  cluster.expect(install, 'orders');
  const before = cluster.dump();
  cluster.expect(install, 'orders');
  cluster.expect({ ...install, order: 78 }, 'refused');
  assert.equal(cluster.dump(), before);
  assert.equal(map(cluster), ['.. a 4 a1']);
  const at = () => cluster.machine.keeperMap().clusters.find((each) => each.cluster === 'a')?.nodes;
  assert.is(at()?.[0]?.ips[0], '10.0.0.7', 'it is reached before its nodes have spoken');
  assert.equal(cluster.machine.keeperMap().nursery, { founding: K, replaced: ['older', 'old'] });
  const lost = cluster.machine.keeperMap().clusters.find((each) => each.cluster === 'c');
  assert.equal(
    lost,
    { cluster: 'c', founding: 'c1', nodes: NODES },
    'whoever is lost has addresses to be asked at',
  );
  assert.is(introduce(cluster, 'a', 'a1', 0), 'inForce');
  const [life] = cluster.machine.state.identities.get('a')?.members ?? [];
  assert.equal([life?.incarnation, life?.ips], ['a1', ['10.0.0.7']], 'a node tells which life it is');
  assert.is(at()?.[0]?.port, 4000);
  introduce(cluster, 'b', 'b1');
  assert.is(
    cluster.expect({ kind: 'plan', source: 'a', target: 'b', lo: 'm', hi: null }, 'planned').mid,
    1001,
  );
});

test('a keeper that served keys: its own founding stands, and what the one before had is brought to others', () => {
  for (const isIntroduced of [true, false]) {
    const cluster = new TestCluster({ nursery: true });
    cluster.expect({ kind: 'bind', keeper: { cluster: 'K', founding: K, nodes: NODES }, mine: K }, 'ok');
    if (isIntroduced) introduce(cluster, 'K', K);
    const foundings = { keeper: K, source: 'old', target: 'a1' };
    cluster.expect(
      {
        kind: 'install',
        order: 1,
        from: 'old',
        replaced: [],
        takenMs: 1,
        clusters: [
          { cluster: 'a', founding: 'a1', nodes: [] },
          { cluster: 'K', founding: 'old', nodes: [] },
        ],
        entries: [
          { lo: '', hi: 'm', owner: 'a', epoch: 4, founding: 'a1' },
          { lo: 'm', hi: null, owner: 'K', epoch: 5, founding: 'old' },
        ],
        migrations: [moving(7, 'K', 'a', foundings)],
        lastMid: 1000,
        functions: NO_SET,
      },
      'orders',
    );
    assert.is(introduce(cluster, 'K', K), 'inForce');
    assert.is(introduce(cluster, 'K', 'old'), 'dead');
    assert.equal(map(cluster), ['..m a 4 a1', 'm.. K 5 old'], 'nobody serves it');
    const claim = { kind: 'claim', mid: 7, tokenSeen: 0 } as const;
    assert.match(cluster.expect(claim, 'refused').why, /between foundings that are not in force: old and a1/);
    cluster.expect({ kind: 'lose', cluster: 'K', founding: K, takenMs: 1 }, 'refused');
    const { orders } = cluster.expect({ kind: 'lose', cluster: 'K', founding: 'old', takenMs: 1 }, 'orders');
    assert.is(cluster.machine.state.migrations.get(7)?.rescue?.dead, 'source');
    cluster.expect({ kind: 'claim', mid: 7, tokenSeen: 1 }, 'claimed');
    cluster.expect({ kind: 'settle', mid: 7, token: 2 }, 'ok');
    const order = orders[0]?.order ?? 0;
    cluster.expect({ kind: 'planCopy', order, target: 'a', lo: 'm', hi: null }, 'planned');
    assert.is(introduce(cluster, 'K', K), 'inForce');
  }
});

test('a target that is dead need not be told any more of a move that was aborted without it', () => {
  for (const dies of [
    { kind: 'lose', cluster: 'b', founding: 'b1', takenMs: 1 } as const,
    replacement({ cluster: 'b', was: 'b1', founding: 'b2', after: ['b1'], owned: [] }),
  ]) {
    const cluster = keeper();
    const untold = () =>
      [...cluster.machine.state.migrations.values()].map(({ isUntold }) => isUntold === true);
    for (const target of ['b', 'c']) {
      const { mid } = cluster.expect({ kind: 'plan', source: 'a', target, lo: 'm', hi: null }, 'planned');
      const { token } = cluster.expect({ kind: 'claim', mid, tokenSeen: 0 }, 'claimed');
      cluster.expect({ kind: 'recordAbort', mid, token, why: 'as asked', told: false }, 'ok');
    }
    assert.equal(untold(), [true, true]);
    cluster.command(dies);
    assert.equal(untold(), [false, true]);
  }
});

function moving(mid: number, source: string, target: string, foundings: Foundings): Migration {
  return {
    mid,
    source,
    target,
    lo: 'm',
    hi: null,
    phase: 'active',
    token: 0,
    heartbeat: 0,
    wish: 'abort',
    why: '',
    progress: NO_PROGRESS,
    receipt: null,
    foundings,
  };
}

test.run();
