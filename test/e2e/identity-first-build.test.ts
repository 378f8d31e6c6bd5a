/**
 * Homes that the first build wrote, which knew no foundings (test/golden/homes-of-the-first-build): a keeper, ams with keys below
 * "k", bru with the others, and a move of [q..r) to ams that was paused at its beginning. Impostors come before the real ones.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { EXIT_CODES } from '../../src/base/errors.ts';
import { ArakoonClient } from '../../src/client/arakoon-client.ts';
import { ClusterClient } from '../../src/client/cluster-client.ts';
import { renderRouterIni } from '../../src/config/render.ts';
import { TestCluster } from '../support/clusters.ts';
import { unpackHomes } from '../support/golden-homes.ts';
import { addressesOf, copyOf, ends, foundingOf, notesOf, selfOf } from '../support/identities.ts';
import { FRONT, servedAt } from '../support/nurseries.ts';
import { freePorts, labSuite } from '../support/processes.ts';
import { until } from '../support/wait.ts';

const GOLDEN = 'test/golden/homes-of-the-first-build';
const ROWS = { apple: 'red', kiwi: 'brown', melon: 'green', quince: 'yellow' };

const tests = labSuite('homes of the first build');

tests.test('impostors come first: they are refused, and the real ones are bound and go on', async (lab) => {
  const keeper = await TestCluster.create(lab, { clusterId: 'keeper', size: 1, keeper: 'itself' });
  const create = (clusterId: string): Promise<TestCluster> =>
    TestCluster.create(lab, { clusterId, size: 1, keeper: keeper.config });
  const [ams, bru] = [await create('ams'), await create('bru')];
  for (const cluster of [keeper, ams, bru]) unpackHomes(GOLDEN, cluster);
  const [port] = (await freePorts(1)) as [number];
  const file = join(lab.dir, 'router.ini');
  const front = { name: 'r', clusterId: FRONT, ip: '127.0.0.1', port, logDir: lab.dir };
  writeFileSync(file, renderRouterIni({ ...front, migrator: false, keeper: keeper.config }));

  // One that lived by itself, and is to be bru from now on; an empty home of other names; and one of equal names, forced.
  const alone = await copyOf(lab, 'alone', 'bru', ['bru_0'], null);
  const first = alone.start('bru_0');
  const [alonePort] = alone.ports as [number];
  await foundingOf('bru', 'bru_0', alonePort);
  await first.terminate();
  const nursery = readFileSync(ams.file, 'utf8').split('\n[nursery]\n')[1];
  writeFileSync(alone.file, `${readFileSync(alone.file, 'utf8')}\n[nursery]\n${nursery}`);
  alone.start('bru_0');
  const oslo = await copyOf(lab, 'oslo', 'ams', ['oslo_0', 'oslo_1', 'oslo_2'], keeper.config);
  const twin = await copyOf(lab, 'twin', 'ams', ['ams_0'], keeper.config);
  const impostors = [
    ...['oslo_0', 'oslo_1', 'oslo_2'].map((name) => oslo.start(name)),
    twin.start('ams_0', ['--bootstrap']),
  ];
  keeper.startAll();
  const why = /nothing is founded: the map gives ranges to cluster ams: its homes hold them/;
  await Promise.all(impostors.map((node) => ends(node, EXIT_CODES.OTHER_CLUSTER, why)));
  await until('the one that lived alone to be told', async () =>
    (await notesOf('bru', 'bru_0', alonePort)).some((note) => /in no nursery, and goes on/.test(note)),
  );

  for (const cluster of [ams, bru]) cluster.startAll();
  for (const cluster of [ams, bru]) {
    const [{ name, clientPort }] = cluster.nodes as [TestCluster['nodes'][number]];
    const isBound = async (): Promise<boolean> =>
      ((await selfOf(cluster.id, name, clientPort))?.keeper ?? '') !== '';
    await until(`${cluster.id} to be bound`, isBound);
    const isKnown = async (): Promise<boolean> =>
      (await addressesOf(keeper, cluster.id)) === `${name} ${clientPort}`;
    await until(`the address of ${cluster.id}`, isKnown);
  }
  const router = lab.start('router', ['router', '--config', file]);
  await router.output('it to be up', (text) => text.includes('clients at port'));
  for (const [key, value] of Object.entries(ROWS)) assert.is(await servedAt(port, key), value);
  const client = await ArakoonClient.connect({ host: '127.0.0.1', port, cluster: FRONT });
  lab.closing(() => client.close());

  // What was under way when the first build ended goes on between the two that are bound.
  const resumed = await lab.run(['migrate', '--config', file, '--continue', '3']);
  assert.is(resumed.code, 0, resumed.stderr);
  const finished = await lab.run(['migrate', '--config', file, '--resume']);
  assert.is(finished.code, 0, finished.stderr);
  assert.match(finished.stdout, /migration 3: done/);
  const owned = (await selfOf('ams', 'ams_0', ams.place('ams_0').clientPort))?.owned ?? [];
  assert.is(owned.length, 2, JSON.stringify(owned));
  for (const [key, value] of Object.entries(ROWS)) assert.is((await client.get(key)).toString(), value);
  await client.set('quince', 'ripe');

  // Started once more, they find what they wrote themselves.
  for (const cluster of [keeper, ams, bru]) await cluster.killAll();
  for (const cluster of [keeper, ams, bru]) cluster.startAll();
  // A router that could not answer in time ends the connection.
  const anew = async (): Promise<string> => {
    const other = await ArakoonClient.connect({ host: '127.0.0.1', port, cluster: FRONT });
    return (await other.get('quince').finally(() => other.close())).toString();
  };
  assert.is(await until('quince', anew), 'ripe');
  for (const cluster of [keeper, ams, bru]) await cluster.killAll();
});

tests.test('what the first build logged is replayed where its store is gone', async (lab) => {
  const keeper = await TestCluster.create(lab, { clusterId: 'keeper', size: 1, keeper: 'itself' });
  const [{ name, home }] = keeper.nodes as [TestCluster['nodes'][number]];
  unpackHomes(GOLDEN, keeper);
  rmSync(join(home, 'store'), { recursive: true });
  keeper.startNode(name);
  await keeper.master();
  const client = new ClusterClient(keeper.config, { role: 'client', node: 'test' });
  lab.closing(() => client.close());
  const map = await client.query({ kind: 'getMap' });
  if (map.kind !== 'keeperMap') throw new Error(map.kind);
  assert.equal(
    map.map.entries.map(({ lo, owner, epoch }) => [lo, owner, epoch]),
    [
      ['', 'ams', 1],
      ['k', 'bru', 2],
    ],
  );
  const known = await client.query({ kind: 'listMigrations' });
  if (known.kind !== 'migrations') throw new Error(known.kind);
  const [done, open] = known.migrations;
  assert.is(done?.phase, 'done');
  assert.is(done?.receipt?.digest.count, 3);
  assert.is(open?.phase, 'active');
  assert.is(open?.wish, 'pause');
});

tests.run();
