/** More connections, and more bytes, than a node can serve: it stays up, within bounds, and recovers at once. */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { figuresOf, load, type Stage, startCluster } from './stage.ts';

/** Connections of the first load. */
const CONNECTIONS = 5000;
/** Values that saturate the disk (bytes). */
const VALUE_BYTES = 256 * 1024;

export async function overload({ lab, report }: Stage): Promise<void> {
  const cluster = await startCluster(lab, 'overload');
  const calm = { connections: 10, keys: 10_000, seconds: 3 };
  const before = await load(lab, cluster.file, calm);

  report.begin('5,000 connections');
  const crowd = await load(lab, cluster.file, {
    connections: CONNECTIONS,
    keys: 10_000,
    seconds: 8,
    'warm-up': 4,
  });
  report.add({ what: 'sets', unit: 'per second', measured: crowd.perSecond, better: 'more' });
  report.addErrors(crowd);
  report.add({
    what: 'resident memory, worst node',
    unit: 'MiB',
    target: 800,
    measured: await residentOf(cluster),
    better: 'less',
  });
  const after = await load(lab, cluster.file, calm);
  report.add({
    what: 'rate of 10 clients afterwards',
    unit: 'share',
    target: 0.7,
    measured: after.perSecond / before.perSecond,
    better: 'more',
  });

  report.begin('a saturated disk: another process writes and syncs on the same file system');
  const hog = fork(fileURLToPath(new URL('disk-hog.js', import.meta.url)), [lab.dir]);
  const slow = await load(lab, cluster.file, { ...calm, seconds: 8 });
  hog.kill('SIGKILL');
  report.add({ what: 'sets of 10 clients', unit: 'per second', measured: slow.perSecond, better: 'more' });
  report.add({ what: 'p99', unit: 'ms', measured: slow.latencyMs.p99, better: 'less' });
  report.addErrors(slow);
  const freed = await load(lab, cluster.file, calm);
  report.add({
    what: 'rate of 10 clients afterwards',
    unit: 'share',
    target: 0.7,
    measured: freed.perSecond / before.perSecond,
    better: 'more',
  });

  report.begin('a saturated disk: values of 256 KiB, 64 connections');
  const big = { connections: 64, keys: 500, 'value-bytes': VALUE_BYTES, seconds: 8 };
  const saturated = await load(lab, cluster.file, big);
  report.add({
    what: 'written',
    unit: 'MiB/s',
    measured: (saturated.perSecond * VALUE_BYTES) / 2 ** 20,
    better: 'more',
  });
  report.addErrors(saturated);
  report.add({
    what: 'resident memory, worst node',
    unit: 'MiB',
    target: 800,
    measured: await residentOf(cluster),
    better: 'less',
  });
  const recovered = await load(lab, cluster.file, calm);
  report.add({
    what: 'rate of 10 clients afterwards',
    unit: 'share',
    target: 0.7,
    measured: recovered.perSecond / before.perSecond,
    better: 'more',
  });
  await cluster.killAll();
}

async function residentOf(cluster: Awaited<ReturnType<typeof startCluster>>): Promise<number> {
  const figures = await Promise.all(cluster.nodes.map(({ name }) => figuresOf(cluster, name)));
  return Math.max(...figures.map((figure) => figure.get('resident_bytes') ?? 0)) / 2 ** 20;
}
