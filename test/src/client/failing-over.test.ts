/** Routers that cannot serve, and what clients make of them. */
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ArakoonClient, NurseryClient, NurseryError } from '../../../src/index.ts';
import type { Hint } from '../../../src/protocol/admin/admin.ts';
import { failure } from '../../../src/protocol/arakoon/replies.ts';
import { FakeCluster, type FakeNode } from './fake-cluster.ts';

async function errorOf(call: Promise<unknown>): Promise<NurseryError> {
  try {
    await call;
  } catch (error) {
    if (error instanceof NurseryError) return error;
    throw error;
  }
  throw new Error('it succeeded');
}

/** Who was asked to set something, in order. */
const setters = (cluster: FakeCluster): string[] =>
  cluster.log.filter((entry) => entry.endsWith(' set')).map((entry) => entry.split(' ')[0] as string);

async function routers(
  count: number,
  isReady: (index: number) => boolean = () => true,
): Promise<{ cluster: FakeCluster; client: NurseryClient }> {
  const cluster = await new FakeCluster().start(count, 'router');
  for (const [index, node] of cluster.nodes.entries()) node.isReady = isReady(index);
  const client = await NurseryClient.connect({ addresses: cluster.addresses });
  return { cluster, client };
}

test('connecting ends at its deadline where whoever takes the connection says nothing', async () => {
  const mute = createServer().listen(0, '127.0.0.1');
  await once(mute, 'listening');
  const { port } = mute.address() as AddressInfo;
  const error = await errorOf(
    NurseryClient.connect({ addresses: [`127.0.0.1:${port}`], cluster: 'ams', deadlineMs: 200 }),
  );
  assert.is(error.code, 'UNREACHABLE');
  assert.is(error.message, 'cluster ams: nobody answered within 200 ms');
  mute.close();
});

test('of several routers one that is ready is asked, whichever it is', async () => {
  for (const ready of [0, 1, 2]) {
    const { cluster, client } = await routers(3, (index) => index === ready);
    const asked = cluster.log.length;
    await client.set('first', 'v');
    assert.equal(cluster.log.slice(asked), [`n${ready} set`], 'it was chosen when the client connected');
    await Promise.all(['a', 'b', 'c'].map((key) => client.set(key, 'v')));
    assert.equal(new Set(setters(cluster)), new Set([`n${ready}`]));
    client.close();
    await cluster.stop();
  }
});

test('a router that says that it cannot serve is left, within the same call', async () => {
  for (const code of ['GOING_DOWN', 'NOT_MASTER'] as const) {
    const { cluster, client } = await routers(2);
    await client.set('a', 'v');
    const [first, second] = setters(cluster)[0] === 'n0' ? cluster.nodes : [...cluster.nodes].reverse();
    (first as FakeNode).isReady = false;
    cluster.interfere = ({ kind }, node) =>
      kind === 'set' && node === first ? failure(code, 'None: no master of cluster A') : undefined;
    await client.set('b', 'v');
    await client.set('c', 'v');
    const { name } = second as FakeNode;
    assert.equal(setters(cluster).slice(-2), [name, name]);
    assert.is(setters(cluster).length, 4, 'and is not asked again');
    client.close();
    await cluster.stop();
  }
});

test('where no router is ready one is asked all the same, and its reason is told', async () => {
  const { cluster, client } = await routers(2, () => false);
  await client.set('a', 'v'); // what it cannot serve may be something else
  cluster.interfere = ({ kind }) =>
    kind === 'set' ? failure('GOING_DOWN', 'there is no map yet') : undefined;
  const error = await errorOf(client.set('b', 'v', { deadlineMs: 2000 }));
  assert.is(error.code, 'GOING_DOWN');
  assert.match(error.message, /set at cluster ricky: .*there is no map yet/);
  client.close();
  await cluster.stop();
});

test('who has no seat is left for another, and asked again where there is none', async () => {
  const cluster = await new FakeCluster().start(2, 'router');
  const [first, second] = cluster.nodes as [FakeNode, FakeNode];
  first.isFull = true;
  const other = await NurseryClient.connect({ addresses: cluster.addresses });
  await other.set('a', 'v');
  assert.equal(setters(cluster), ['n1']);
  other.close();

  second.isFull = true;
  const refused = await errorOf(NurseryClient.connect({ addresses: cluster.addresses, deadlineMs: 2000 }));
  assert.is(refused.code, 'TOO_MANY_CONNECTIONS');
  assert.match(refused.message, /too many connections/);

  const connecting = NurseryClient.connect({ addresses: cluster.addresses });
  setTimeout(() => {
    first.isFull = false;
  }, 100);
  const client = await connecting;
  await client.set('b', 'v');
  assert.equal(setters(cluster), ['n1', 'n0']);
  client.close();
  await cluster.stop();
});

test('where nobody listens a client says so at once', async () => {
  const cluster = await new FakeCluster().start(1, 'router');
  await cluster.stop();
  const beganMs = performance.now();
  const error = await errorOf(NurseryClient.connect({ addresses: cluster.addresses }));
  assert.is(error.code, 'UNREACHABLE');
  assert.ok(performance.now() - beganMs < 5000);
});

test('a key of another cluster: which cluster refuses it, which key, and who has it', async () => {
  const cluster = await new FakeCluster('ams').start(1);
  const client = await NurseryClient.connect({ addresses: cluster.addresses });
  const entry = { lo: 'k', hi: null, owner: 'bru', epoch: 7 };
  const hints: [string, Hint | null, string][] = [
    ['melon', { entry, confirmed: true }, 'ams does not own "melon"; bru does'],
    ['melon', { entry, confirmed: false }, 'ams does not own "melon"; it is moving, and bru may serve it'],
    ['melon', null, 'ams does not own "melon"; a router of the nursery knows who does'],
    ['', null, 'ams does not own ""; a router of the nursery knows who does'],
    ['\xff\x00', { entry, confirmed: true }, 'ams does not own 0xff00; bru does'],
  ];
  for (const [key, hint, says] of hints) {
    cluster.interfere = ({ kind }) => (kind === 'set' ? failure('OUT_OF_RANGE', key, hint) : undefined);
    const error = await errorOf(client.set(Buffer.from(key, 'latin1'), 'v'));
    assert.equal([error.code, error.message], ['OUT_OF_RANGE', says]);
  }
  const tcp = await ArakoonClient.connect({
    host: '127.0.0.1',
    port: (cluster.nodes[0] as FakeNode).port,
    cluster: 'ams',
  });
  const error = await errorOf(tcp.set('melon', 'v'));
  assert.is(error.code, 'OUT_OF_RANGE');
  assert.match(error.message, /^ams does not own ""|^ams does not own 0xff00/);
  tcp.close();
  client.close();
  await cluster.stop();
});

test.run();
