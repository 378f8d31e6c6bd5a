/** Killed masters, restarted nodes, wiped nodes. */
import { pause, until } from '../support/wait.ts';
import { figuresOf, fill, KEYS, load, RunningLoad, type Stage, startCluster } from './stage.ts';

/** How long the master works under load before it is killed (ms). */
const BEFORE_KILL_MS = 4000;

/** How long clients wait when the master dies; the lease is 1 s. */
export async function failover({ lab, report }: Stage): Promise<void> {
  const cluster = await startCluster(lab, 'failover', 1);
  report.begin('kill -9 of the master, lease of 1 s, 20 clients');
  const silences: number[] = [];
  for (let round = 0; round < 3; round += 1) {
    const master = await cluster.master();
    const running = new RunningLoad(lab, cluster.file, { connections: 20, keys: 10_000, seconds: 9 });
    await pause(BEFORE_KILL_MS);
    await cluster.process(master).kill();
    silences.push((await running.result()).longestSilenceMs);
    cluster.startNode(master);
    await until('three nodes', async () => (await followers(cluster)) === cluster.nodes.length);
  }
  const worst = Math.max(...silences);
  report.add({
    what: 'until sets are acknowledged again, worst of 3',
    unit: 'ms',
    target: 1500,
    measured: worst,
    better: 'less',
  });
  await cluster.killAll();
}

type Cluster = Awaited<ReturnType<typeof startCluster>>;

/** Nodes that have applied nearly what the first one has. */
async function followers(cluster: Cluster): Promise<number> {
  const slots = await Promise.all(
    cluster.nodes.map(async ({ name }) => (await figuresOf(cluster, name)).get('last_slot') ?? 0),
  );
  return slots.filter((slot) => slot + 100 >= Math.max(...slots)).length;
}

/** A node that comes back with its disk, and one that comes back without. */
export async function restart({ lab, report }: Stage): Promise<void> {
  const cluster = await startCluster(lab, 'restart');
  await fill(lab, cluster.file, KEYS);
  report.begin('restart with 1,000,000 keys');
  const name = await cluster.follower();
  await load(lab, cluster.file, { connections: 100, seconds: 2 }); // a log that is ahead of the store
  await cluster.process(name).kill();
  let beganMs = performance.now();
  cluster.startNode(name);
  await until('the restarted node to serve', async () => {
    await cluster.ask(name, (client) =>
      client.exists('0000000000000001', { consistency: { kind: 'noGuarantees' } }),
    );
    return (await followers(cluster)) === cluster.nodes.length;
  });
  const restartMs = performance.now() - beganMs;
  report.add({
    what: 'until it follows and serves NoGuarantees',
    unit: 'ms',
    target: 3000,
    measured: restartMs,
    better: 'less',
  });

  report.begin('catch-up of a wiped node, 1,000,000 keys, under 20 clients');
  const before = await load(lab, cluster.file, { connections: 20, seconds: 5 });
  const meanwhile = new RunningLoad(lab, cluster.file, { connections: 20, seconds: 12 });
  await pause(2000);
  beganMs = performance.now();
  await cluster.wipe(name);
  await until('the wiped node to follow', async () => (await followers(cluster)) === cluster.nodes.length, {
    withinMs: 120_000,
  });
  const seconds = (performance.now() - beganMs) / 1000;
  const during = await meanwhile.result();
  report.add({ what: 'catch-up', unit: 'keys/s', target: 100_000, measured: KEYS / seconds, better: 'more' });
  report.add({
    what: 'sets by others meanwhile, of what they were',
    unit: 'share',
    target: 0.7,
    measured: during.perSecond / before.perSecond,
    better: 'more',
  });
  await cluster.killAll();
}
