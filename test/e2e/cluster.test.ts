/** Clusters of real processes: killed, stopped, wiped and restarted while clients write. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import type { NurseryError } from '../../src/base/errors.ts';
import { LEASE_MS, TestCluster } from '../support/clusters.ts';
import { Load } from '../support/load.ts';
import { labSuite } from '../support/processes.ts';
import { until } from '../support/wait.ts';

const CLIENTS = 10;
const KEYS_EACH = 20;
/** How long a master may be missing, where the design allows 1.5 leases: these machines are busy. */
const MASTERLESS_MAX_MS = 3 * LEASE_MS;

/**
 * Runs `body` while ten clients write; whatever was acknowledged must be there afterwards, and nothing twice. Ends the
 * cluster's processes.
 */
async function underLoad(cluster: TestCluster, body: (load: Load) => Promise<void>): Promise<void> {
  const keysOf = (client: number): string[] =>
    Array.from({ length: KEYS_EACH }, (_, n) => `load/${cluster.id}/${client}/${n}`);
  const load = Load.start({ clients: CLIENTS, keysOf, maybeAllowed: true }, () => cluster.client());
  try {
    const seen = await load.during(cluster.client(), () => body(load));
    console.log(
      `${cluster.id}: ${seen.acknowledged} updates acknowledged, ${seen.maybe} of unknown fate, longest call ${Math.round(seen.longestCallMs)} ms`,
    );
  } finally {
    await cluster.killAll();
  }
}

const three = labSuite('three nodes');

three.test('kill -9 of the master under load: nothing lost or twice, soon a new master', async (lab) => {
  const cluster = await TestCluster.start(lab, { clusterId: 'mort' });
  await underLoad(cluster, async (load) => {
    await load.more(500);
    const master = await cluster.master();
    await cluster.process(master).kill();
    const killedMs = performance.now();
    await until('updates to flow again', () => load.lastSetAtMs > killedMs, { everyMs: 2 });
    const withoutMs = Math.round(performance.now() - killedMs);
    console.log(`updates flow again ${withoutMs} ms after kill -9 of the master (lease ${LEASE_MS} ms)`);
    assert.ok(withoutMs < MASTERLESS_MAX_MS, `${withoutMs} ms without a master`);
    cluster.startNode(master);
    await cluster.caughtUp(master);
  });
});

three.test('kill -9 of all nodes under load, and restart: what was acknowledged is there', async (lab) => {
  const cluster = await TestCluster.start(lab, { clusterId: 'lazarus' });
  await underLoad(cluster, async (load) => {
    await load.more(500);
    await cluster.killAll();
    cluster.startAll();
    await cluster.master();
  });
});

three.test('a follower that is dead from the start does not matter, and catches up later', async (lab) => {
  const cluster = await TestCluster.create(lab, { clusterId: 'late' });
  const [first, second, absent] = cluster.nodes.map(({ name }) => name) as [string, string, string];
  // Without the operator's word, two of three empty nodes would not take themselves for the cluster.
  cluster.startNode(first, ['--bootstrap']);
  cluster.startNode(second);
  await cluster.master();
  await underLoad(cluster, async () => {
    cluster.startNode(absent);
    await cluster.caughtUp(absent);
  });
});

three.test('two of three empty nodes found nothing', async (lab) => {
  const cluster = await TestCluster.create(lab, { clusterId: 'minority' });
  const [first, second] = cluster.nodes.map(({ name }) => name) as [string, string, string];
  cluster.startNode(first);
  cluster.startNode(second);
  for (const name of [first, second]) {
    await until(
      `${name} to answer`,
      async () => (await cluster.ask(name, (one) => one.whoMaster())) === null,
    );
  }
  const master = await cluster.master(3 * LEASE_MS).catch(() => null);
  assert.is(master, null);
  await cluster.killAll();
});

three.test('a wiped node rejoins by itself, from the log and from a snapshot', async (lab) => {
  const cluster = await TestCluster.start(lab, { clusterId: 'phoenix' });
  const names = cluster.nodes.map(({ name }) => name);
  await underLoad(cluster, async (load) => {
    const wiped = await cluster.follower();
    await cluster.wipe(wiped);
    await cluster.caughtUp(wiped);

    // Enough to fill segments of the log, which are then dropped: the next one needs a snapshot.
    const writer = cluster.client();
    const value = Buffer.alloc(500_000, 'x');
    for (let n = 0; n < 16; n += 1) await writer.call((client) => client.set(`bulk/${n}`, value));
    const master = await cluster.master();
    const firstSegment = join(cluster.place(master).home, 'tlog', '0000000001.tlog');
    await until('the log to be cut', () => !existsSync(firstSegment));
    const other = names.find((name) => name !== wiped && name !== master) as string;
    await cluster.wipe(other);
    await cluster.caughtUp(other);
    assert.match(readFileSync(join(cluster.place(other).home, `${other}.log`), 'utf8'), 'snapshot installed');
    const bulk = await cluster.ask(other, (client) =>
      client.prefixKeys('bulk/', { consistency: { kind: 'noGuarantees' } }),
    );
    assert.is(bulk.length, 16);

    // What was admitted votes: with the third one gone, the two that were wiped carry on.
    await load.more(50);
    const last = names.find((name) => name !== wiped && name !== other) as string;
    await cluster.process(last).kill();
    await cluster.master();
  });
});

three.test('a master that was stopped for two leases serves nothing stale when it goes on', async (lab) => {
  const cluster = await TestCluster.start(lab, { clusterId: 'sleepy' });
  const before = await cluster.master();
  const sleeper = await cluster.connect(before);
  await sleeper.set('stale', 'old');
  cluster.process(before).signal('SIGSTOP');
  const stoppedMs = performance.now();
  // Their bytes wait at the sleeper's socket, and are the first thing that it sees.
  const reads = Array.from({ length: 50 }, () =>
    sleeper.get('stale').then(
      (value) => value.toString(),
      (error: NurseryError) => error.code,
    ),
  );
  const write = sleeper.set('stale', 'from the past').then(
    () => 'done',
    (error: NurseryError) => error.code,
  );
  const after = await until('another master', async () => {
    for (const { name } of cluster.nodes) {
      if (name === before) continue;
      const master = await cluster.ask(name, (client) => client.whoMaster());
      if (master === name) return name;
    }
    return null;
  });
  await cluster.ask(after, (client) => client.set('stale', 'new'));
  await until('two leases', () => performance.now() - stoppedMs > 2 * LEASE_MS);
  cluster.process(before).signal('SIGCONT');
  for (const answer of await Promise.all(reads)) {
    assert.ok(answer === 'new' || answer === 'NOT_MASTER' || answer === 'UNREACHABLE', `read ${answer}`);
  }
  const written = await write;
  const value = await cluster.client().call((client) => client.get('stale'));
  assert.ok(
    written === 'NOT_MASTER' || written === 'MAYBE_APPLIED',
    `an update of a master that was none answered ${written}`,
  );
  assert.ok(written === 'MAYBE_APPLIED' || value.toString() === 'new', `${written}, yet ${value}`);
  await cluster.caughtUp(before);
  await cluster.killAll();
});

three.test('SIGTERM under load ends in order, and the rest goes on at once', async (lab) => {
  const cluster = await TestCluster.start(lab, { clusterId: 'polite' });
  await underLoad(cluster, async (load) => {
    const master = await cluster.master();
    const beganMs = performance.now();
    assert.equal(await cluster.process(master).terminate(), { code: 0, signal: null });
    console.log(`SIGTERM of the master took ${Math.round(performance.now() - beganMs)} ms`);
    assert.ok(performance.now() - beganMs < 10_000);
    await load.more(100);
    cluster.startNode(master);
    await cluster.caughtUp(master);
    cluster.process(master).signal('SIGUSR1');
    await load.more(100);
    assert.is(cluster.process(master).isRunning, true, 'SIGUSR1 reopens the log');
  });
});

three.run();

const one = labSuite('a single node');

one.test('kill -9 under load, and restart', async (lab) => {
  const cluster = await TestCluster.start(lab, { clusterId: 'solo', size: 1 });
  await underLoad(cluster, async (load) => {
    for (let round = 0; round < 2; round += 1) {
      await load.more(200);
      await cluster.killAll();
      cluster.startAll();
    }
  });
});

one.test('SIGTERM, and restart', async (lab) => {
  const cluster = await TestCluster.start(lab, { clusterId: 'orderly', size: 1 });
  await cluster.client().call((client) => client.set('key', 'value'));
  assert.equal(await cluster.process('orderly_0').terminate(), { code: 0, signal: null });
  cluster.startAll();
  await cluster.master();
  assert.is((await cluster.client().call((client) => client.get('key'))).toString(), 'value');
  await cluster.killAll();
});

one.run();
