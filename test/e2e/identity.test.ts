/** Mistakes of every day, made with real processes: a copied file, another directory, a staging copy, old homes. */
import { cpSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { EXIT_CODES } from '../../src/base/errors.ts';
import { renderClusterIni } from '../../src/config/render.ts';
import type { NodeStatus } from '../../src/protocol/admin/admin.ts';
import { LEASE_MS, TestCluster } from '../support/clusters.ts';
import { addressesOf, copyOf, ends, foundingOf, selfOf } from '../support/identities.ts';
import { TestNursery } from '../support/nurseries.ts';
import { freePorts, type Lab, labSuite } from '../support/processes.ts';
import { until } from '../support/wait.ts';

const tests = labSuite('who is who');

type NodeSeen = { readonly name: string; readonly status: { readonly notes: readonly string[] } | null };
type Seen = {
  readonly nursery: string | null;
  readonly clusters: readonly { readonly cluster: string; readonly nodes: readonly NodeSeen[] }[];
};

async function statusOf(lab: Lab, file: string): Promise<Seen> {
  const finished = await lab.start('status', ['status', '--config', file, '--json']).finished(30_000);
  return JSON.parse(finished.stdout) as Seen;
}

/** What the only node of a cluster says of itself. */
function soleOf({ id, nodes: [place] }: TestCluster): Promise<NodeStatus | null> {
  return selfOf(id, place?.name ?? '', place?.clientPort ?? 0);
}

/** What the router says of `key`, now. */
async function readThrough(nursery: TestNursery, key: string): Promise<string> {
  const client = await nursery.connect();
  try {
    return (await client.get(key)).toString();
  } finally {
    client.close();
  }
}

async function put(nursery: TestNursery, key: string, value: string): Promise<void> {
  const client = await nursery.connect();
  await client.set(key, value).finally(() => client.close());
}

let shared: TestNursery | null = null;
async function theNursery(lab: Lab): Promise<TestNursery> {
  shared ??= await TestNursery.start(lab, { prefix: 'who', keeperSize: 1, size: 1 });
  return shared;
}

tests.test(
  'a copied file with its cluster_id forgotten: the newcomers stop, the cluster goes on',
  async (lab) => {
    const nursery = await theNursery(lab);
    const [ams] = nursery.clusters;
    await put(nursery, 'a', '1');
    const before = await statusOf(lab, nursery.file);
    // Three of other names, and one of the same; with --bootstrap, too.
    const oslo = await copyOf(lab, 'oslo', ams.id, ['oslo_0', 'oslo_1', 'oslo_2'], nursery.keeper.config);
    const twin = await copyOf(lab, 'twin', ams.id, [`${ams.id}_0`], nursery.keeper.config);
    const started = [
      ...['oslo_0', 'oslo_1', 'oslo_2'].map((name) => oslo.start(name)),
      twin.start(`${ams.id}_0`, ['--bootstrap']),
    ];
    await Promise.all(
      started.map((node) =>
        ends(node, EXIT_CODES.OTHER_CLUSTER, /founding [0-9a-f]{32}.*another working directory/),
      ),
    );
    assert.is(await readThrough(nursery, 'a'), '1');
    await put(nursery, 'a', '2');
    const after = await statusOf(lab, nursery.file);
    assert.equal(
      after.clusters.map(({ cluster, nodes }) => [cluster, nodes.map(({ name }) => name)]),
      before.clusters.map(({ cluster, nodes }) => [cluster, nodes.map(({ name }) => name)]),
    );
  },
);

tests.test('another home, an emptied one: nothing is founded, and the right home goes on', async (lab) => {
  const nursery = await theNursery(lab);
  const [, bru] = nursery.clusters;
  const name = `${bru.id}_0`;
  const { clientPort, messagingPort } = bru.place(name);
  await bru.killAll();
  const elsewhere = join(lab.dir, 'elsewhere.ini');
  const node = {
    name,
    ip: '127.0.0.1',
    clientPort,
    home: 'data/bru_0',
    extra: { messaging_port: String(messagingPort) },
  };
  writeFileSync(
    elsewhere,
    renderClusterIni({ clusterId: bru.id, nodes: [node], keeper: nursery.keeper.config }),
  );
  const started = lab.start('elsewhere', ['node', '--config', elsewhere, '--node', name]);
  const absolute = join(lab.dir, 'data/bru_0').replaceAll('.', '\\.');
  await ends(started, EXIT_CODES.OTHER_CLUSTER, new RegExp(`nothing is founded.*${absolute}`));
  bru.startNode(name);
  await bru.master();
});

tests.test('a staging copy at the real keeper is in no nursery, and takes no rows', async (lab) => {
  const nursery = await theNursery(lab);
  const [, bru] = nursery.clusters;
  const name = `${bru.id}_0`;
  // It lived by itself, and owns everything: it goes on, and says so.
  const alone = await copyOf(lab, 'staging', bru.id, [name], null);
  const first = alone.start(name);
  await first.output('it to be up', (text) => text.includes('clients at port'));
  const port = alone.ports[0] as number;
  await foundingOf(bru.id, name, port);
  await first.terminate();
  const nodes = [
    {
      name,
      ip: '127.0.0.1',
      clientPort: port,
      home: alone.homes[0] as string,
      extra: { messaging_port: String(alone.ports[1]), label: 'staging' },
    },
  ];
  writeFileSync(alone.file, renderClusterIni({ clusterId: bru.id, nodes, keeper: nursery.keeper.config }));
  alone.start(name);
  await until('its note', async () => {
    const notes = (await selfOf(bru.id, name, port))?.notes ?? [];
    return notes.some((note) => /in no nursery, and goes on/.test(note));
  });
  // Status shows both: the one that the file names, and the one that the keeper knows.
  const { clusters } = await statusOf(lab, alone.file);
  const noted = clusters.flatMap(({ nodes: all }) => all).flatMap(({ status }) => status?.notes ?? []);
  assert.ok(
    noted.some((note) => /in no nursery, and goes on/.test(note)),
    noted.join('\n'),
  );
  assert.ok(
    noted.some((note) => /refused founding [0-9a-f]{32} of cluster who-bru/.test(note)),
    noted.join('\n'),
  );
  // The move goes into the real one.
  await put(nursery, 'qq', 'kept');
  await nursery.succeed(['migrate', '--range', 'q..r', '--to', bru.id]);
  assert.is((await soleOf(bru))?.owned.length, 1);
  assert.is(await readThrough(nursery, 'qq'), 'kept');
});

tests.test('another keeper under the same name is heard by nobody, and begins no map', async (lab) => {
  const nursery = await theNursery(lab);
  const { keeper } = nursery;
  const [ams, bru] = nursery.clusters;
  const name = `${keeper.id}_0`;
  await keeper.killAll();
  const { home } = keeper.place(name);
  cpSync(home, `${home}.kept`, { recursive: true });
  rmSync(home, { recursive: true });
  const emptied = keeper.startNode(name);
  await emptied.output('it to be up', (text) => text.includes('clients at port'));
  await until('the clusters to say whom they met', async () => {
    const seen = [await soleOf(ams), await soleOf(bru)];
    return seen.every((self) => self?.notes.some((note) => /does not listen to another/.test(note)));
  });
  await put(nursery, 'a', '3'); // router and clusters go on
  assert.is(await readThrough(nursery, 'qq'), 'kept');
  // A fresh cluster may be bound there, but nobody gives it the key space that others hold.
  const fresh = await copyOf(lab, 'fresh', 'who-fresh', ['fresh_0'], keeper.config);
  const started = fresh.start('fresh_0');
  const refused = await until('init to be refused', async () => {
    const finished = await nursery.run(['init', 'who-fresh']);
    return /rescue keeper/.test(finished.stderr) ? finished : null;
  });
  assert.is(refused.code, EXIT_CODES.REFUSED);
  // As it says: where they met by mistake, those of another nursery are forgotten again; one that never spoke is unknown.
  assert.match((await nursery.run(['status'])).stdout, /nursery init is refused: .*belongs? to another/);
  await nursery.succeed(['remove', ams.id]);
  assert.is((await nursery.run(['remove', 'nobody'])).code, EXIT_CODES.REFUSED);
  await started.kill();
  await emptied.kill();
  rmSync(home, { recursive: true });
  cpSync(`${home}.kept`, home, { recursive: true });
  keeper.startNode(name);
  await keeper.master();
  await nursery.succeed(['migrate', '--range', 'q..r', '--to', ams.id]);
  assert.is(await readThrough(nursery, 'qq'), 'kept');
  assert.is(bru.process(`${bru.id}_0`).isRunning, true);
});

tests.test(
  'a cluster that starts as a whole asks the keeper first, and is served when that answers',
  async (lab) => {
    const nursery = await theNursery(lab);
    const { keeper } = nursery;
    const [ams, bru] = nursery.clusters;
    await keeper.killAll();
    await put(nursery, 'a', '4'); // one that runs goes on
    await ams.killAll();
    ams.startAll();
    const refused = await until('it to wait', async () => {
      const client = await ams.connect(`${ams.id}_0`);
      const why = await client
        .get('a', { consistency: { kind: 'noGuarantees' } })
        .then(String, (error: Error) => error.message);
      client.close();
      return /waits until keeper/.test(why) ? why : null;
    });
    assert.match(refused, /not executed/);
    const empty = await copyOf(lab, 'later', 'who-later', ['later_0'], keeper.config);
    const laterPort = empty.ports[0] as number;
    const waiting = empty.start('later_0');
    await until('an empty home to say that it waits', async () => {
      const notes = (await selfOf('who-later', 'later_0', laterPort))?.notes ?? [];
      return notes.some((note) => /founds nothing before the keeper/.test(note));
    });
    keeper.startNode(`${keeper.id}_0`);
    assert.is(await nursery.served('a'), '4');
    const isBound = async (): Promise<boolean> =>
      ((await selfOf('who-later', 'later_0', laterPort))?.keeper ?? '') !== '';
    await until('the empty home to be founded and bound', isBound);
    // The operator's word.
    await keeper.killAll();
    await ams.killAll();
    ams.startNode(`${ams.id}_0`, ['--without-keeper']);
    assert.is(await nursery.served('a'), '4');
    keeper.startNode(`${keeper.id}_0`);
    await keeper.master();
    // What is removed stops by itself, and its id is free.
    await nursery.succeed(['remove', 'who-later']);
    await ends(waiting, EXIT_CODES.OTHER_CLUSTER, /removed from the nursery, for ever/);
    rmSync(empty.homes[0] as string, { recursive: true });
    empty.start('later_0');
    await until('the new one to be bound', isBound);
    assert.is(bru.process(`${bru.id}_0`).isRunning, true);
  },
);

tests.test('a copy of the only home beside its original is refused, and never gets a write', async (lab) => {
  const nursery = await theNursery(lab);
  const { keeper } = nursery;
  const [ams] = nursery.clusters;
  const name = `${ams.id}_0`;
  const known = (): Promise<string> => addressesOf(keeper, ams.id);
  await ams.killAll();
  const copy = await copyOf(lab, 'double', ams.id, [name], keeper.config);
  const { home, clientPort } = ams.place(name);
  cpSync(home, copy.homes[0] as string, { recursive: true });
  ams.startNode(name);
  await ams.master();
  const double = copy.start(name);
  let acknowledged = 0;
  while (double.isRunning) {
    await until('a write', () => put(nursery, `double ${acknowledged}`, 'kept').then(() => true));
    acknowledged += 1;
    assert.is(await known(), `${name} ${clientPort}`, 'nobody is sent to the copy');
  }
  await ends(double, EXIT_CODES.SUPERSEDED, /runs twice in one life: at .*; if the node is to move here/);
  assert.ok(acknowledged >= 10, `${acknowledged} writes`);
  const original = await ams.connect(name);
  for (let index = 0; index < acknowledged; index += 1) {
    assert.is((await original.get(`double ${index}`)).toString(), 'kept');
  }
  for (const who of [keeper, ams]) {
    const notes = (await soleOf(who))?.notes ?? [];
    assert.ok(
      notes.some((note) => note.includes(`port ${copy.ports[0]}`) && /which is refused/.test(note)),
      `${who.id}: ${notes.join('; ')}`,
    );
  }
});

tests.test(
  'a node that has moved to another port is reached there once nobody speaks at the old one',
  async (lab) => {
    const nursery = await theNursery(lab);
    const [ams] = nursery.clusters;
    const name = `${ams.id}_0`;
    await put(nursery, 'moved', 'kept');
    await ams.killAll();
    const moved = await copyOf(lab, 'moved', ams.id, [name], nursery.keeper.config);
    cpSync(ams.place(name).home, moved.homes[0] as string, { recursive: true });
    moved.start(name);
    const port = moved.ports[0] as number;
    await until('it to say that it waits', async () => {
      const notes = (await selfOf(ams.id, name, port))?.notes ?? [];
      return notes.some((note) => /taken to have moved once nobody has spoken/.test(note));
    });
    assert.is(await nursery.served('moved'), 'kept');
    assert.equal((await selfOf(ams.id, name, port))?.notes, []);
  },
);

tests.test('one life in two processes, or gone back in time, is refused by its peers', async (lab) => {
  const cluster = await TestCluster.start(lab, { clusterId: 'lives', size: 3 });
  const follower = await cluster.follower();
  const { home } = cluster.place(follower);
  await cluster.process(follower).kill();
  const copied = `${home}.copied`;
  cpSync(home, copied, { recursive: true });
  cluster.startNode(follower);
  await cluster.caughtUp(follower);
  // The copy runs beside its original.
  const [clientPort, messagingPort] = (await freePorts(2)) as [number, number];
  const nodes = cluster.nodes.map((place) => ({
    name: place.name,
    ip: '127.0.0.1',
    clientPort: place.name === follower ? clientPort : place.clientPort,
    home: place.name === follower ? copied : place.home,
    extra: { messaging_port: String(place.name === follower ? messagingPort : place.messagingPort) },
  }));
  const file = join(lab.dir, 'copied.ini');
  const extra = { lease_period: String(LEASE_MS / 1000) };
  writeFileSync(file, renderClusterIni({ clusterId: 'lives', nodes, keeper: null, extra }));
  const twin = lab.start('twin', ['node', '--config', file, '--node', follower]);
  await ends(twin, EXIT_CODES.SUPERSEDED, /(runs twice|forgotten a vote)/);
  await cluster.ask(await cluster.master(), (client) => client.set('k', 'v'));
  await cluster.caughtUp(follower);
  // The original is rolled back.
  await cluster.process(follower).kill();
  rmSync(home, { recursive: true });
  cpSync(copied, home, { recursive: true });
  await ends(cluster.startNode(follower), EXIT_CODES.SUPERSEDED, /forgotten a vote/);
  // Emptied, it joins anew.
  await cluster.wipe(follower);
  await cluster.caughtUp(follower);
});

tests.run();
