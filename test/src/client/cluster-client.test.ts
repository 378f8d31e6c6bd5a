import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type ErrorCode, NurseryError } from '../../../src/base/errors.ts';
import { ClusterClient } from '../../../src/client/cluster-client.ts';
import { EMPTY_MAP } from '../../../src/keyspace/rangemap.ts';
import { Speechless } from '../../../src/link/dial.ts';
import type { ClusterConfig, KeeperMap } from '../../../src/protocol/admin/admin.ts';
import { failure, OK } from '../../../src/protocol/arakoon/replies.ts';
import { encodeRequest } from '../../../src/protocol/arakoon/requests.ts';
import { returnCodeOf } from '../../../src/protocol/arakoon/values.ts';
import { FakeCluster, type FakeNode } from './fake-cluster.ts';

const SET = encodeRequest({ kind: 'set', key: 'k', value: Buffer.from('v') });
const GET = encodeRequest({ kind: 'get', consistency: { kind: 'consistent' }, key: 'k' });
const DIRTY_GET = encodeRequest({ kind: 'get', consistency: { kind: 'noGuarantees' }, key: 'k' });

function clientOf(cluster: FakeCluster): ClusterClient {
  return new ClusterClient(cluster.config, { role: 'client', node: '' });
}

async function codeOf(call: Promise<unknown>): Promise<ErrorCode | 'none'> {
  try {
    await call;
    return 'none';
  } catch (error) {
    if (!(error instanceof NurseryError)) throw error;
    return error.code;
  }
}

const times = (cluster: FakeCluster, kind: string): number =>
  cluster.log.filter((entry) => entry.endsWith(` ${kind}`)).length;

test('whoever takes a connection and says nothing is told from one that is not there, however short the time', async () => {
  const server = createServer((socket) => socket.resume()); // one that is not read does not notice its end
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const ask = async (): Promise<NurseryError> => {
    const nodes = [{ name: 'n0', ips: ['127.0.0.1'], port }];
    const client = new ClusterClient({ cluster: 'c', nodes }, { role: 'client', node: '' });
    try {
      await client.send(GET, { to: 'n0', deadlineMs: 1000 });
      return assert.unreachable() as never;
    } catch (error) {
      return error as NurseryError;
    } finally {
      client.close();
    }
  };
  const mute = await ask();
  assert.match(mute.message, /not possible within 1000 ms: .*: it has said nothing so far/);
  assert.instance((mute.cause as NurseryError).cause, Speechless);
  server.close();
  await once(server, 'close');
  const gone = await ask();
  assert.match(gone.message, 'ECONNREFUSED');
});

test('the master is found, asked, and followed when it changes', async () => {
  const cluster = await new FakeCluster().start(3);
  const client = clientOf(cluster);
  cluster.master = 'n1';
  assert.is(returnCodeOf((await client.send(SET)).bytes), 0);
  assert.is(client.masterName, 'n1');
  cluster.master = 'n2';
  assert.is(returnCodeOf((await client.send(GET)).bytes), 0);
  assert.is(client.masterName, 'n2');
  assert.equal(
    cluster.log.filter((entry) => !entry.endsWith('whoMaster')),
    ['n1 set', 'n1 get', 'n2 get'],
  );
  client.close();
  await cluster.stop();
});

test('whoever keeps to the first founding that is met commands nothing to another, wherever addresses lead', async () => {
  const cluster = await new FakeCluster().start(2);
  const [first, second] = cluster.nodes as [FakeNode, FakeNode];
  first.founding = 'a';
  second.founding = 'b';
  const client = new ClusterClient(cluster.config, { role: 'client', node: '' }, { keepsToFirst: true });
  const only = { ...cluster.config, nodes: [cluster.config.nodes[0] as ClusterConfig['nodes'][number]] };
  const other = new ClusterClient(only, { role: 'client', node: '' }, { keepsToFirst: true });
  try {
    cluster.master = null; // each node is asked
    await codeOf(client.send(GET, { deadlineMs: 1000 }));
    const met = new Set(
      [first, second].filter(({ links }) => links.size > 0).map(({ founding }) => founding),
    );
    assert.is(met.size, 1, 'it is linked to one founding alone');
    cluster.master = 'n0';
    assert.is(returnCodeOf((await other.send(SET)).bytes), 0);
    // The same address leads elsewhere from now on.
    await first.stop();
    first.founding = 'c';
    await first.start();
    assert.is(await codeOf(other.send(SET, { deadlineMs: 2000 })), 'WRONG_CLUSTER');
    assert.is(times(cluster, 'set'), 1);
  } finally {
    client.close();
    other.close();
    await cluster.stop();
  }
});

test('who was given some of the addresses alone is told that the master is elsewhere', async () => {
  const cluster = await new FakeCluster().start(2);
  cluster.master = 'n1';
  const nodes = cluster.config.nodes.slice(0, 1);
  const client = new ClusterClient({ ...cluster.config, nodes }, { role: 'client', node: '' });
  try {
    const error = await client.send(SET, { deadlineMs: 2000 }).catch((caught: Error) => caught);
    assert.match((error as Error).message, 'the master is n1, which is not among the addresses');
  } finally {
    client.close();
    await cluster.stop();
  }
});

test('other return codes are replies, not errors', async () => {
  const cluster = await new FakeCluster().start(1);
  const client = clientOf(cluster);
  assert.is(returnCodeOf((await client.send(GET)).bytes), 0x05);
  client.close();
  await cluster.stop();
});

test('while there is no master a call waits, up to its deadline', async () => {
  const cluster = await new FakeCluster().start(2);
  const client = clientOf(cluster);
  await client.send(GET);
  cluster.master = null;
  assert.is(await codeOf(client.send(SET, { deadlineMs: 1000 })), 'NOT_MASTER');
  const waiting = client.send(SET);
  const seeks = times(cluster, 'whoMaster');
  cluster.interfere = (request) => {
    if (request.kind === 'whoMaster' && times(cluster, 'whoMaster') > seeks + 4) cluster.master = 'n1';
    return undefined;
  };
  assert.is(returnCodeOf((await waiting).bytes), 0);
  assert.equal([...cluster.keys.keys()], ['k']);
  client.close();
  await cluster.stop();
});

test('a node that is going down is left, and nothing is lost', async () => {
  const cluster = await new FakeCluster().start(2);
  const client = clientOf(cluster);
  cluster.interfere = (request, node) => {
    if (request.kind !== 'set' || node.name !== 'n0') return undefined;
    cluster.master = 'n1';
    return failure('GOING_DOWN', 'going down');
  };
  assert.is(returnCodeOf((await client.send(SET)).bytes), 0);
  assert.equal(
    cluster.log.filter((entry) => entry.endsWith('set')),
    ['n0 set', 'n1 set'],
  );
  client.close();
  await cluster.stop();
});

test('an update whose link closed is not sent again, a read is', async () => {
  const cluster = await new FakeCluster().start(2);
  const client = clientOf(cluster);
  const cut = new Set<string>();
  cluster.interfere = (request, node) => {
    if (node.name !== 'n0' || !cut.delete(request.kind)) return undefined;
    cluster.master = 'n1';
    for (const link of node.links) link.close('cut');
    return null;
  };
  cut.add('set');
  assert.is(await codeOf(client.send(SET)), 'MAYBE_APPLIED');
  assert.is(times(cluster, 'set'), 1);
  cluster.master = 'n0';
  cut.add('set');
  assert.is(returnCodeOf((await client.send(SET, { idempotent: true })).bytes), 0);
  assert.is(times(cluster, 'set'), 3);
  cluster.master = 'n0';
  cut.add('get');
  assert.is(returnCodeOf((await client.send(GET)).bytes), 0);
  const gets = cluster.log.filter((entry) => entry.endsWith('get'));
  assert.equal(gets, ['n1 get', 'n0 get', 'n1 get']); // not master, cut, served
  client.close();
  await cluster.stop();
});

test('what is not answered ends at the deadline, an update as maybe applied', async () => {
  const cluster = await new FakeCluster().start(1);
  const client = clientOf(cluster);
  await client.send(SET); // connects
  cluster.interfere = () => null;
  assert.is(await codeOf(client.send(SET, { deadlineMs: 1000 })), 'MAYBE_APPLIED');
  assert.is(await codeOf(client.send(GET, { deadlineMs: 1000 })), 'TIMEOUT');
  client.close();
  await cluster.stop();
});

test('"maybe applied" from the master is repeated only where the caller may', async () => {
  const cluster = await new FakeCluster().start(1);
  const client = clientOf(cluster);
  let failures = 2;
  cluster.interfere = (request) => {
    if (request.kind !== 'set' || failures === 0) return undefined;
    failures -= 1;
    return failure('MAYBE_APPLIED', 'no longer master');
  };
  assert.is(returnCodeOf((await client.send(SET)).bytes), 0x21);
  assert.is(returnCodeOf((await client.send(SET, { idempotent: true })).bytes), 0);
  assert.is(times(cluster, 'set'), 3);
  client.close();
  await cluster.stop();
});

test('nobody there is unreachable; a node that comes back is found', async () => {
  const cluster = await new FakeCluster().start(1);
  const client = clientOf(cluster);
  const node = cluster.nodes[0];
  await node?.stop();
  assert.is(await codeOf(client.send(SET, { deadlineMs: 500 })), 'UNREACHABLE');
  const waiting = client.send(SET);
  await node?.start();
  assert.is(returnCodeOf((await waiting).bytes), 0);
  client.close();
  await cluster.stop();
});

test('any node, or a certain one', async () => {
  const cluster = await new FakeCluster().start(3);
  cluster.keys.set('k', Buffer.from('v'));
  const client = clientOf(cluster);
  assert.is(returnCodeOf((await client.send(DIRTY_GET, { to: 'n2' })).bytes), 0);
  assert.equal(cluster.log, ['n2 get']);
  assert.is(returnCodeOf((await client.send(GET, { to: 'n1' })).bytes), 0x04);
  assert.is(returnCodeOf((await client.send(DIRTY_GET, { to: 'any' })).bytes), 0);
  assert.is(await codeOf(client.send(GET, { to: 'n9' })), 'UNREACHABLE');
  client.close();
  await cluster.stop();
});

test('a follower rather than the master, which answers where no follower can', async () => {
  const cluster = await new FakeCluster().start(3);
  cluster.keys.set('k', Buffer.from('v'));
  const client = clientOf(cluster);
  await client.send(GET);
  cluster.log.length = 0;
  const read = async (): Promise<void> => {
    assert.is(returnCodeOf((await client.send(DIRTY_GET, { to: 'follower' })).bytes), 0);
  };
  for (let call = 0; call < 6; call += 1) await read();
  assert.equal(new Set(cluster.log), new Set(['n1 get', 'n2 get']));
  cluster.interfere = (_, { name }) => (name === 'n0' ? undefined : failure('INCONSISTENT_READ', 'behind'));
  await read();
  assert.is(cluster.log.at(-1), 'n0 get');
  cluster.interfere = () => undefined;
  for (const follower of cluster.nodes.slice(1)) await follower.stop();
  await read();
  assert.is(cluster.log.at(-1), 'n0 get');
  client.close();
  await cluster.stop();
});

test('a node that lags behind what a read asks for is passed over', async () => {
  const cluster = await new FakeCluster().start(2);
  cluster.keys.set('k', Buffer.from('v'));
  const client = clientOf(cluster);
  let lagging = '';
  cluster.interfere = (request, node) => {
    if (request.kind !== 'get') return undefined;
    if (lagging === '') lagging = node.name;
    return node.name === lagging ? failure('INCONSISTENT_READ', 'slot 3, here 2') : undefined;
  };
  assert.is(returnCodeOf((await client.send(DIRTY_GET, { to: 'any' })).bytes), 0);
  // So is one that cannot be reached, though each is in turn.
  await cluster.nodes.find(({ name }) => name !== lagging)?.stop();
  cluster.interfere = () => undefined;
  for (let call = 0; call < 4; call += 1) {
    assert.is(returnCodeOf((await client.send(DIRTY_GET, { to: 'any' })).bytes), 0);
  }
  client.close();
  await cluster.stop();
});

test('new addresses are used, old ones no longer', async () => {
  const first = await new FakeCluster().start(1);
  const second = await new FakeCluster().start(1);
  const client = clientOf(first);
  await client.send(SET);
  client.update(second.config);
  await client.send(SET);
  assert.is(times(first, 'set'), 1);
  assert.is(times(second, 'set'), 1);
  client.close();
  await first.stop();
  await second.stop();
});

test('a closed client fails what is under way and what comes', async () => {
  const cluster = await new FakeCluster().start(1);
  const client = clientOf(cluster);
  cluster.interfere = (request) => (request.kind === 'whoMaster' ? undefined : null);
  const update = codeOf(client.send(SET));
  const read = codeOf(client.send(GET));
  await cluster.whenLogged('n0 get');
  cluster.master = null;
  client.close();
  assert.is(await update, 'MAYBE_APPLIED');
  assert.is(await read, 'UNREACHABLE');
  assert.is(await codeOf(client.send(GET)), 'UNREACHABLE');
  await cluster.stop();
});

test('commands and queries give their answers; refusals on the way are thrown', async () => {
  const cluster = await new FakeCluster().start(2);
  const client = clientOf(cluster);
  assert.equal(await client.command({ kind: 'cleanupStep', mid: 1, rowsMax: 1 }), { kind: 'ok' });
  assert.is((await client.query({ kind: 'getMap' })).kind, 'keeperMap');
  cluster.interfere = (request) =>
    request.kind === 'adminCommand' ? failure('MAYBE_APPLIED', 'no longer master') : undefined;
  assert.is(await codeOf(client.command({ kind: 'assume', epoch: 1 })), 'MAYBE_APPLIED');
  cluster.interfere = (request) =>
    request.kind === 'adminCommand' ? failure('NOT_SUPPORTED', 'no keeper') : undefined;
  assert.is(await codeOf(client.command({ kind: 'wish', mid: 1, wish: 'run', why: '' })), 'NOT_SUPPORTED');
  client.close();
  await cluster.stop();
});

test('the map is watched: the present one, each push, and again elsewhere after a loss', async () => {
  const cluster = await new FakeCluster().start(2);
  const client = clientOf(cluster);
  const seen: number[] = [];
  let wake = (): void => {};
  const until = async (version: number): Promise<void> => {
    while (seen.at(-1) !== version) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  };
  const at = (version: number): KeeperMap => ({ map: EMPTY_MAP.at(version), clusters: [] });
  const watch = client.watchMap({
    map: ({ map: { map } }) => {
      seen.push(map.version);
      wake();
    },
  });
  await until(1);
  cluster.publish(at(2));
  await until(2);
  // The node that served is gone; the map changed meanwhile.
  const server = cluster.nodes.find(({ links }) => links.size > 0);
  await server?.stop();
  cluster.map = at(3);
  await until(3);
  cluster.publish(at(4));
  await until(4);
  await watch.refresh();
  assert.equal(seen, [1, 2, 3, 4]);
  // An older map, as of a node that lags, changes nothing.
  cluster.map = at(2);
  await watch.refresh();
  assert.equal(seen, [1, 2, 3, 4]);
  watch.close();
  client.close();
  await cluster.stop();
});

test('calls under way together each get their own answer', async () => {
  const cluster = await new FakeCluster().start(3);
  const client = clientOf(cluster);
  const keys = Array.from({ length: 500 }, (_, index) => `k${index}`);
  await Promise.all(
    keys.map((key) => client.send(encodeRequest({ kind: 'set', key, value: Buffer.from(key) }))),
  );
  const replies = await Promise.all(
    keys.map((key) => client.send(encodeRequest({ kind: 'get', consistency: { kind: 'consistent' }, key }))),
  );
  replies.forEach(({ bytes }, index) => {
    assert.is(bytes.toString('utf8', 8), keys[index]);
  });
  assert.ok(times(cluster, 'whoMaster') <= 3, 'one search serves all calls');
  assert.is(OK.bytes.length, 4);
  client.close();
  await cluster.stop();
});

test.run();
