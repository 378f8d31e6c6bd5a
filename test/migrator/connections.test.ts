/** A migrator's links, over real sockets, while the keeper is lost and another one takes its place. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Connections } from '../../migrator/connections.ts';
import { runDaemon } from '../../migrator/daemon.ts';
import type { MovesNews } from '../../migrator/world.ts';
import { NurseryError } from '../../src/base/errors.ts';
import { ClusterClient } from '../../src/client/cluster-client.ts';
import { TimeLimit } from '../../src/client/limited-client.ts';
import { EMPTY_MAP } from '../../src/keyspace/rangemap.ts';
import { TOPIC } from '../../src/link/frames.ts';
import type { KeeperMap } from '../../src/protocol/admin/admin.ts';
import { COMMAND_NODE } from '../../src/protocol/admin/node-facts.ts';
import { bool, encode } from '../../src/wire/codec.ts';
import { FakeCluster } from '../src/client/fake-cluster.ts';
import { until } from '../support/wait.ts';

const WISH = { kind: 'wish', mid: 1, wish: 'run', why: '' } as const;

const mapOf = (founding: string, version: number, replaced: string[] = []): KeeperMap => ({
  map: EMPTY_MAP.at(version),
  clusters: [],
  nursery: { founding, replaced },
});

test('it commands the keeper that has replaced its own, and no other', async () => {
  const keeper = new FakeCluster();
  keeper.map = mapOf('K', 9);
  await keeper.start(1);
  await keeper.become('K', mapOf('K', 9));
  const connections = new Connections(keeper.config);
  assert.is((await connections.map()).map.version, 9);
  assert.equal(await connections.keeper.command(WISH), { kind: 'ok' });

  await keeper.become('S', mapOf('S', 20, ['other']));
  const refused = await connections.keeper
    .command(WISH, { deadlineMs: 1000 })
    .catch((error: unknown) => error);
  assert.instance(refused, NurseryError);
  assert.match((refused as NurseryError).message, /founding S/);

  await keeper.become('L', mapOf('L', 2, ['K']));
  assert.equal(await connections.keeper.command(WISH, { deadlineMs: 10_000 }), { kind: 'ok' });
  connections.close();
  await keeper.stop();
});

test('beside a router it watches by the client that that one has, and asks nothing while there are no moves', async () => {
  const keeper = new FakeCluster();
  keeper.map = mapOf('K', 9);
  const asked: string[] = [];
  keeper.interfere = (request) => {
    if (request.kind === 'adminQuery') asked.push(request.query.kind);
    return undefined;
  };
  await keeper.start(1);
  await keeper.become('K', mapOf('K', 9));
  const shared = new ClusterClient(keeper.config, { role: 'router', node: 'r' });
  const connections = new Connections(keeper.config, shared);
  const heard: MovesNews[] = [];
  const stop = new AbortController();
  const daemon = runDaemon({ clusters: connections, signal: stop.signal });
  connections.watchMoves((news) => heard.push(news));
  const tell = (areAny: boolean): void => {
    for (const link of keeper.nodes[0]?.links ?? []) link.post(TOPIC.moves, encode(bool, areAny));
  };
  await until('it to watch', () => asked.length > 0);
  tell(false);
  await until('it to hear', () => heard.length > 0);
  assert.equal([heard, asked], [[{ kind: 'moves', areAny: false }], ['watchMap']]);
  assert.is(keeper.nodes[0]?.links.size, 1, 'one link for both');
  tell(true);
  await until('it to ask', () => asked.includes('openMigrations'));
  stop.abort();
  await daemon;
  connections.close();
  assert.is((await shared.query({ kind: 'getMap' })).kind, 'keeperMap', 'the client is left alone');
  shared.close();
  await keeper.stop();
});

test('a command, whose time has an end, says that it is one: it plans nothing by itself', async () => {
  const keeper = new FakeCluster();
  keeper.map = mapOf('K', 9);
  await keeper.start(1);
  await keeper.become('K', mapOf('K', 9));
  for (const [limit, node] of [
    [null, 'migrator'],
    [TimeLimit.ofCommand(10), COMMAND_NODE],
  ] as const) {
    const connections = new Connections(keeper.config, null, limit);
    await connections.map();
    const visitors = [...(keeper.nodes[0]?.links ?? [])].map(({ peer }) => peer);
    assert.ok(visitors.length > 0);
    for (const peer of visitors) assert.equal([peer.role, peer.node], ['migrator', node]);
    connections.close();
    await until('it to be gone', () => keeper.nodes[0]?.links.size === 0);
  }
  await keeper.stop();
});

test.run();
