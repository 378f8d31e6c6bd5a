/** A migrator's links, over real sockets, while the keeper is lost and another one takes its place. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Connections } from '../../migrator/connections.ts';
import { NurseryError } from '../../src/base/errors.ts';
import { EMPTY_MAP } from '../../src/keyspace/rangemap.ts';
import type { KeeperMap } from '../../src/protocol/admin/admin.ts';
import { FakeCluster } from '../src/client/fake-cluster.ts';

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

test.run();
