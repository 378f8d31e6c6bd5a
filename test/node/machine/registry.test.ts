import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CLUSTERS_MAX } from '../../../node/machine/registry.ts';
import type { Claim, Introduction, Standing } from '../../../src/identity/founding.ts';
import { NO_ROWS } from '../../../src/keyspace/digest.ts';
import { carve, EMPTY_MAP, storedEntriesCodec, storedEntryCodec } from '../../../src/keyspace/rangemap.ts';
import type { AdminAnswer, Owned } from '../../../src/protocol/admin/admin.ts';
import type { Update } from '../../../src/protocol/arakoon/updates.ts';
import { decode, encode } from '../../../src/wire/codec.ts';
import { TestCluster } from './cluster.ts';

const K = 'k'.repeat(32);
const [A1, A2, B1] = ['a1', 'a2', 'b1'];
const NODES = (name: string) => [{ name, ips: ['10.0.0.1'], port: 4000 }];

/** A keeper that knows itself. */
function keeper(): TestCluster {
  const cluster = new TestCluster({ nursery: true });
  cluster.expect({ kind: 'bind', keeper: { cluster: 'K', founding: K, nodes: NODES('k_0') }, mine: K }, 'ok');
  return cluster;
}

const own = (lo: string, hi: string | null, epoch: number, sealedBy: number | null = null): Owned => ({
  lo,
  hi,
  epoch,
  sealedBy,
});

function introduction(cluster: string, founding: string, more: Partial<Introduction> = {}): Introduction {
  const members = [{ node: `${cluster}_0`, incarnation: founding, learner: false }];
  return { cluster, founding, keeper: '', version: 1, members, owned: [], ...more };
}

function introduce(
  at: TestCluster,
  cluster: string,
  founding: string,
  more: Partial<Introduction> = {},
): Standing {
  return at.expect({ kind: 'introduce', ...introduction(cluster, founding, more) }, 'standing');
}

function standing(at: TestCluster, cluster: string, founding: string, of = ''): Standing {
  return at.query({ kind: 'standing', cluster, founding, keeper: of }, 'standing');
}

function tell(
  at: TestCluster,
  cluster: string,
  founding: string,
  node: string,
  life: string,
  port: number,
): AdminAnswer {
  const self = { cluster, founding, node, incarnation: life, ips: ['10.0.0.9'], port, label: 'rack 1' };
  return at.command({ kind: 'tellAddress', ...self });
}

/** One process of a life tells where it is; what the keeper knows then, and what is claimed. */
function claim(
  at: TestCluster,
  process: string,
  port: number,
  more: { insists?: boolean; life?: string; label?: string } = {},
): { port: number | undefined; claim: Claim | null | undefined } {
  const { insists = false, life = A1, label = '' } = more;
  const self = { cluster: 'A', founding: A1, node: 'A_0', incarnation: life, ips: ['10.0.0.9'], port, label };
  const said = at.expect({ kind: 'claimAddress', ...self, process, insists }, 'standing');
  assert.equal(said, { ...standing(at, 'A', A1), kind: 'standing' });
  const reached = at.machine.keeperMap().clusters[0]?.nodes[0]?.port;
  return { port: reached, claim: said.presences.find(({ node }) => node === 'A_0')?.claim };
}

const claimed = (process: string, port: number, isRefused = false): Claim => ({
  process,
  ips: ['10.0.0.9'],
  port,
  refused: isRefused,
});

/** A_0 has told that it is at port 5000. */
function told(): TestCluster {
  const at = keeper();
  introduce(at, 'A', A1);
  assert.equal(claim(at, 'first', 5000), { port: 5000, claim: null }, 'the first word of a life counts');
  return at;
}

/** A and B are bound, and A owns everything. */
function nursery(): TestCluster {
  const at = keeper();
  introduce(at, 'A', A1);
  introduce(at, 'B', B1);
  at.expect({ kind: 'initMap', cluster: 'A' }, 'planned');
  return at;
}

test('nobody is bound by a cluster that does not know that it is a keeper', () => {
  const at = new TestCluster({ nursery: true });
  assert.is(introduce(at, 'A', A1).verdict, 'notKeeper');
  assert.is(at.machine.state.identities.size, 0);
  at.expect({ kind: 'bind', keeper: { cluster: 'K', founding: K, nodes: [] }, mine: 'other' }, 'ok');
  assert.is(introduce(at, 'A', A1).verdict, 'notKeeper', 'bound to another one');
});

test('a node that tells its address as before ends its own claim, and no other one', () => {
  const at = keeper();
  const members = ['A_0', 'A_1'].map((node) => ({ node, incarnation: A1, learner: false }));
  introduce(at, 'A', A1, { members });
  for (const node of ['A_0', 'A_1']) {
    const self = { cluster: 'A', founding: A1, node, incarnation: A1, ips: ['10.0.0.9'], port: 1, label: '' };
    at.expect({ kind: 'claimAddress', ...self, process: 'p', insists: false }, 'standing');
  }
  tell(at, 'A', A1, 'A_0', A1, 5000);
  const left = at.machine.state.identities.get('A')?.presences.map(({ node }) => node);
  assert.equal(left, ['A_1']);
});

test('so many clusters are bound, and no more', () => {
  const at = keeper();
  const all = Array.from({ length: CLUSTERS_MAX }, (_, index): Update => {
    return { kind: 'admin', command: { kind: 'introduce', ...introduction(`c${index}`, A1) } };
  });
  at.apply(...all);
  assert.is(standing(at, `c${CLUSTERS_MAX - 1}`, A1).verdict, 'inForce');
  const { verdict, why } = introduce(at, 'one-more', A1);
  assert.equal([verdict, why], ['unfit', `${CLUSTERS_MAX} clusters are known: remove one that owns nothing`]);
  assert.is(introduce(at, 'c0', A1).verdict, 'inForce');
});

test('of two foundings of one id the first one chosen is bound, and the other told who it is', () => {
  const at = keeper();
  assert.is(standing(at, 'A', '').verdict, 'free');
  assert.is(introduce(at, 'A', A1).verdict, 'inForce');
  tell(at, 'A', A1, 'A_0', A1, 4321);
  const refused = introduce(at, 'A', A2);
  assert.is(refused.verdict, 'taken');
  assert.match(refused.why, /founding a1 \(A_0 at 10\.0\.0\.9:4321\).*nursery remove A/);
  const empty = standing(at, 'A', '');
  assert.is(empty.verdict, 'taken', 'an empty home founds no second one');
  assert.match(
    empty.why,
    /^cluster A is founding a1, of A_0; an empty home joins it .* nursery restore --replace a1/,
  );
  assert.not.match(
    empty.why,
    /10\.0\.0\.9|nursery remove/,
    'that address may be its own, and nothing can be moved',
  );
  assert.is(standing(at, 'A', A1).verdict, 'inForce');
  assert.is(introduce(at, 'K', A1).verdict, 'taken', 'nor one with the id of the keeper');
});

test('each node tells its own address, in its present life, and no list brings an old one back', () => {
  const at = keeper();
  introduce(at, 'A', A1);
  assert.equal(at.machine.keeperMap().clusters, [{ cluster: 'A', founding: A1, nodes: [] }]);
  assert.is(tell(at, 'A', A1, 'A_0', A1, 5000).kind, 'standing');
  assert.is(tell(at, 'A', A1, 'A_0', 'older', 6000).kind, 'refused');
  assert.is(tell(at, 'A', A1, 'A_9', A1, 6000).kind, 'refused', 'no member');
  assert.is((tell(at, 'A', A2, 'A_0', A1, 6000) as Standing).verdict, 'taken', 'another founding');
  const address = { name: 'A_0', ips: ['10.0.0.9'], port: 5000 };
  assert.equal(at.machine.keeperMap().clusters[0]?.nodes, [address]);
  const life = (node: string, incarnation: string) => ({ node, incarnation, learner: false });
  introduce(at, 'A', A1, { version: 9, members: [life('A_0', 'new'), life('A_1', 'x')] });
  assert.is(tell(at, 'A', A1, 'A_0', A1, 7000).kind, 'refused', 'the life before is over');
  introduce(at, 'A', A1, { version: 8 });
  assert.is(at.machine.state.identities.get('A')?.members.length, 2, 'an older list');
  introduce(at, 'A', A1, { version: 10, members: [life('A_1', 'x')] });
  assert.is(tell(at, 'A', A1, 'A_0', 'new', 7000).kind, 'refused', 'a removed node');
  assert.equal(at.machine.keeperMap().clusters[0]?.nodes, []);
});

test('another address of the same life is a claim only, and nobody is sent there, however often it is told', () => {
  const at = told();
  const { version } = at.machine.keeperMap().map;
  for (let time = 0; time < 3; time += 1) {
    assert.equal(claim(at, 'copy', 6000), { port: 5000, claim: claimed('copy', 6000) });
  }
  at.restart();
  assert.equal(claim(at, 'copy', 6000), { port: 5000, claim: claimed('copy', 6000) });
  assert.is(at.machine.keeperMap().map.version, version, 'watchers hear nothing');
});

test('who is at the address in force speaks: the claimant is refused for good, though it insists', () => {
  const at = told();
  claim(at, 'copy', 6000);
  const refused = { port: 5000, claim: claimed('copy', 6000, true) };
  assert.equal(claim(at, 'first', 5000), refused);
  assert.equal(claim(at, 'copy', 6000), refused);
  assert.equal(claim(at, 'copy', 6000, { insists: true }), refused);
  at.restart();
  assert.equal(claim(at, 'copy', 6000, { insists: true }), refused);
  // Its next process is another claimant, and may turn out to be the one.
  assert.equal(claim(at, 'next', 6000), { port: 5000, claim: claimed('next', 6000) });
});

test('a restart at the same address is taken at once, and refuses a claim, too', () => {
  const at = told();
  assert.equal(claim(at, 'second', 5000, { label: 'rack 2' }), { port: 5000, claim: null });
  assert.is(standing(at, 'A', A1).members[0]?.label, 'rack 2');
  claim(at, 'copy', 6000);
  assert.equal(claim(at, 'third', 5000), { port: 5000, claim: claimed('copy', 6000, true) });
});

test('a claim that stands is taken when its process insists; no other one is', () => {
  const at = told();
  assert.equal(
    claim(at, 'moved', 6000, { insists: true }),
    { port: 5000, claim: claimed('moved', 6000) },
    'nothing was claimed before',
  );
  assert.equal(claim(at, 'other', 7000, { insists: true }), { port: 5000, claim: claimed('other', 7000) });
  assert.equal(claim(at, 'other', 7001, { insists: true }), { port: 5000, claim: claimed('other', 7001) });
  claim(at, 'moved', 6000);
  assert.equal(claim(at, 'moved', 6000, { insists: true }), { port: 6000, claim: null });
  assert.equal(claim(at, 'first', 5000), { port: 6000, claim: claimed('first', 5000) }, 'it was dead');
});

test('a new life is taken at its first word, and an old one claims nothing', () => {
  const at = told();
  claim(at, 'copy', 6000);
  const members = [{ node: 'A_0', incarnation: 'new', learner: false }];
  introduce(at, 'A', A1, { version: 2, members });
  assert.equal(claim(at, 'wiped', 7000, { life: 'new' }), { port: 7000, claim: null });
  const self = { cluster: 'A', founding: A1, node: 'A_0', ips: ['10.0.0.9'], port: 6000, label: '' };
  const old = { ...self, incarnation: A1, process: 'copy', insists: true };
  at.expect({ kind: 'claimAddress', ...old }, 'refused');
  introduce(at, 'A', A1, { version: 3, members });
  assert.equal(claim(at, 'copy', 8000, { life: 'new' }), { port: 7000, claim: claimed('copy', 8000) });
});

test('what logs of before hold is believed as it was then, and the first claim after it is, too', () => {
  const at = keeper();
  introduce(at, 'A', A1);
  tell(at, 'A', A1, 'A_0', A1, 5000);
  tell(at, 'A', A1, 'A_0', A1, 6000);
  assert.is(at.machine.keeperMap().clusters[0]?.nodes[0]?.port, 6000);
  assert.equal(claim(at, 'first', 6001), { port: 6001, claim: null });
  at.restart();
  assert.equal(claim(at, 'copy', 7000), { port: 6001, claim: claimed('copy', 7000) });
});

test('what clients of Arakoon say changes nothing of a bound cluster', () => {
  const at = keeper();
  introduce(at, 'A', A1);
  tell(at, 'A', A1, 'A_0', A1, 5000);
  const before = at.machine.keeperMap().clusters;
  at.expect({ kind: 'setClusterConfig', cluster: 'A', nodes: NODES('evil') }, 'refused');
  assert.equal(at.machine.keeperMap().clusters, before);
});

test('with a map a cluster is bound only to who owns just what it says, at these epochs, or by an open move', () => {
  const at = new TestCluster({ nursery: true });
  // As a keeper of before left it: ranges, an open move, and no founding anywhere.
  for (const id of ['A', 'B', 'C'])
    at.expect({ kind: 'setClusterConfig', cluster: id, nodes: NODES(id) }, 'ok');
  at.expect({ kind: 'initMap', cluster: 'A' }, 'planned');
  at.expect({ kind: 'plan', source: 'A', target: 'B', lo: 'k', hi: null }, 'planned');
  at.expect({ kind: 'claim', mid: 2, tokenSeen: 0 }, 'claimed');
  at.expect({ kind: 'bind', keeper: { cluster: 'K', founding: K, nodes: [] }, mine: K }, 'ok');

  const whole = own('', null, 1);
  assert.is(standing(at, 'A', '').verdict, 'taken', 'an empty home, though nobody is bound');
  for (const owned of [[], [own('', 'k', 1)], [own('', null, 2)], [own('', 'x', 1), own('x', null, 7)]]) {
    assert.is(introduce(at, 'A', 'impostor', { owned }).verdict, 'unfit', JSON.stringify(owned));
  }
  assert.match(introduce(at, 'A', 'impostor').why, /does not own.*mounted/);
  assert.is(introduce(at, 'A', A1, { owned: [own('', 'k', 1), own('k', null, 1, 2)] }).verdict, 'inForce');
  assert.equal(at.machine.state.map.entries, [{ lo: '', hi: null, owner: 'A', epoch: 1, founding: A1 }]);
  at.expect({ kind: 'claim', mid: 2, tokenSeen: 1 }, 'busy'); // the other end is not known yet
  assert.is(introduce(at, 'B', 'b0', { owned: [own('k', null, 3)] }).verdict, 'unfit');
  assert.is(
    introduce(at, 'B', B1, { owned: [own('k', null, 2)] }).verdict,
    'inForce',
    'activated ahead of the map',
  );
  const foundings = { keeper: K, source: A1, target: B1 };
  assert.equal(at.machine.state.migrations.get(2)?.foundings, foundings);
  at.expect({ kind: 'claim', mid: 2, tokenSeen: 1 }, 'claimed');
  const receipt = { sealSlot: 1, digest: NO_ROWS, pauseMs: 1, pauseAtLeast: false };
  at.expect({ kind: 'publish', mid: 2, token: 2, receipt }, 'ok');
  assert.is(at.machine.state.map.entries[1]?.founding, B1);
  assert.is(introduce(at, 'C', 'c1', { owned: [whole] }).verdict, 'unfit', 'it lived alone');
  at.restart();
  assert.equal(at.machine.state.migrations.get(2)?.foundings, foundings);
  assert.is(at.machine.state.map.entries[1]?.founding, B1);
});

test('a source that has not released yet owns what the map gave away', () => {
  const at = new TestCluster({ nursery: true });
  for (const id of ['A', 'B', 'C'])
    at.expect({ kind: 'setClusterConfig', cluster: id, nodes: NODES(id) }, 'ok');
  at.expect({ kind: 'initMap', cluster: 'A' }, 'planned');
  at.expect({ kind: 'plan', source: 'A', target: 'B', lo: 'k', hi: null }, 'planned');
  at.expect({ kind: 'claim', mid: 2, tokenSeen: 0 }, 'claimed');
  const receipt = { sealSlot: 1, digest: NO_ROWS, pauseMs: 1, pauseAtLeast: false };
  at.expect({ kind: 'publish', mid: 2, token: 1, receipt }, 'ok');
  at.expect({ kind: 'bind', keeper: { cluster: 'K', founding: K, nodes: [] }, mine: K }, 'ok');
  const owned = (sealedBy: number | null) => [own('', 'k', 1), own('k', null, 1, sealedBy)];
  assert.is(introduce(at, 'A', 'a0', { owned: owned(null) }).verdict, 'unfit', 'it would serve it');
  assert.is(
    introduce(at, 'C', 'c0', { owned: [own('k', null, 1, 2)] }).verdict,
    'unfit',
    'it is not the source',
  );
  assert.is(introduce(at, 'A', A1, { owned: owned(2) }).verdict, 'inForce');
});

test('the first map is for a bound cluster, and waits while others own something or belong elsewhere', () => {
  const at = keeper();
  at.expect({ kind: 'initMap', cluster: 'A' }, 'refused');
  introduce(at, 'A', A1, { owned: [own('', null, 0)] });
  assert.is(at.machine.strangersWhy, null, 'it may begin');
  introduce(at, 'B', B1, { owned: [own('', null, 0)] });
  assert.match(at.expect({ kind: 'initMap', cluster: 'A' }, 'refused').why, /B owns keys too/);
  at.expect({ kind: 'dropCluster', cluster: 'B' }, 'refused');

  const other = keeper();
  introduce(other, 'A', A1);
  assert.is(introduce(other, 'C', 'c1', { keeper: 'another' }).verdict, 'foreign');
  assert.match(
    other.expect({ kind: 'initMap', cluster: 'A' }, 'refused').why,
    /cluster C belongs to another.*rescue keeper.*nursery remove C/,
  );
  assert.match(other.machine.strangersWhy ?? '', /cluster C belongs to another/);
  const before = other.dump();
  introduce(other, 'C', 'c1', { keeper: 'another' });
  assert.equal(other.dump(), before, 'it is noted once');
  other.expect({ kind: 'dropCluster', cluster: 'C' }, 'ok');
  other.expect({ kind: 'dropCluster', cluster: 'C' }, 'none');
  assert.is(other.machine.strangersWhy, null);
  other.expect({ kind: 'initMap', cluster: 'A' }, 'planned');

  const fresh = keeper();
  const moved = introduce(fresh, 'A', A1, { owned: [own('k', null, 3)] });
  assert.is(moved.verdict, 'unfit', 'it is of a nursery that this keeper does not know');
  assert.is(
    introduce(fresh, 'A', A1, { owned: [own('', null, 1)] }).verdict,
    'unfit',
    'a first map gave it that',
  );
  assert.match(moved.why, /rescue keeper/);
});

test('remove frees an id that owns nothing, and what was removed is dead for ever', () => {
  const at = nursery();
  at.expect({ kind: 'dropCluster', cluster: 'A' }, 'refused');
  at.expect({ kind: 'plan', source: 'A', target: 'B', lo: 'k', hi: null }, 'planned');
  at.expect({ kind: 'dropCluster', cluster: 'B' }, 'refused');
  at.expect({ kind: 'claim', mid: 2, tokenSeen: 0 }, 'claimed');
  at.expect({ kind: 'recordAbort', mid: 2, token: 1, why: '', told: true }, 'ok');
  at.expect({ kind: 'dropCluster', cluster: 'B' }, 'ok');
  assert.is(standing(at, 'B', B1).verdict, 'dead');
  assert.is(introduce(at, 'B', B1).verdict, 'dead');
  at.expect({ kind: 'plan', source: 'A', target: 'B', lo: 'k', hi: null }, 'refused');
  assert.is(introduce(at, 'B', 'b2').verdict, 'inForce');
  at.restart();
  assert.is(introduce(at, 'B', B1).verdict, 'dead');
  at.expect({ kind: 'dropCluster', cluster: 'K' }, 'none'); // the keeper has not introduced itself
  assert.is(introduce(at, 'K', K).verdict, 'inForce');
  at.expect({ kind: 'dropCluster', cluster: 'K' }, 'refused');
});

test('rows without foundings have the bytes that they always had', () => {
  const entry = { lo: 'a', hi: null, owner: 'A', epoch: 3 };
  const old = encode(storedEntryCodec, entry);
  assert.equal(decode(storedEntryCodec, old), entry);
  assert.equal(decode(storedEntryCodec, encode(storedEntryCodec, { ...entry, founding: A1 })), {
    ...entry,
    founding: A1,
  });
  assert.is(
    encode(storedEntryCodec, { ...entry, founding: A1 })
      .subarray(0, old.length)
      .equals(old),
    true,
  );
  const some = [entry, { ...entry, founding: A1 }];
  assert.equal(decode(storedEntriesCodec, encode(storedEntriesCodec, some)), some);
  assert.equal(decode(storedEntriesCodec, encode(storedEntriesCodec, [entry])), [entry]);
  assert.is(carve(EMPTY_MAP, { lo: '', hi: null }, 'A', 1).entries[0]?.founding, undefined);
});

test.run();
