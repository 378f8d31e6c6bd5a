/** How the cost of an update grows with what it is made of: nodes, updates at a time, bytes of the value. */
import { TestCluster } from '../support/clusters.ts';
import { benchSettings, load, type Stage, totalOf, WARM } from './stage.ts';

/** How long each of them is measured (s). */
const SECONDS = 4;
/** Different keys, few enough that no run begins with an empty store's page splits. */
const KEYS = 20_000;

const SIZES = [1, 3, 5] as const;
const CONNECTIONS = [1, 10, 100] as const;
const VALUE_BYTES = [100, 1000, 10_000, 100_000] as const;

/** Rates without targets: docs/performance.md says what to make of them. */
export async function growth({ lab, report }: Stage): Promise<void> {
  report.begin('how cost grows: sets straight at the master');
  for (const size of SIZES) {
    const cluster = await TestCluster.start(lab, { clusterId: `grow${size}`, size, extra: benchSettings(2) });
    for (const connections of size === 3 ? CONNECTIONS : ([100] as const)) {
      const batches = await totalOf(cluster, 'batches_proposed');
      const what = `${size} node${size === 1 ? '' : 's'}, ${connections} connection${connections === 1 ? '' : 's'}, 100-byte values`;
      const { perSecond, operations } = await load(lab, cluster.file, {
        ...WARM,
        connections,
        keys: KEYS,
        seconds: SECONDS,
        'warm-up': 0,
      });
      report.add({ what, unit: 'per second', measured: perSecond, better: 'more' });
      const updates = operations / ((await totalOf(cluster, 'batches_proposed')) - batches);
      report.add({ what: `${what}: updates in a slot`, unit: '', measured: updates, better: 'more' });
    }
    if (size === 3) await growingValues({ lab, report }, cluster);
    await cluster.killAll();
  }
}

async function growingValues({ lab, report }: Stage, cluster: TestCluster): Promise<void> {
  for (const valueBytes of VALUE_BYTES) {
    const { perSecond } = await load(lab, cluster.file, {
      ...WARM,
      connections: 32,
      keys: 1000,
      'value-bytes': valueBytes,
      seconds: SECONDS,
    });
    const what = `3 nodes, 32 connections, ${valueBytes}-byte values`;
    report.add({ what, unit: 'per second', measured: perSecond, better: 'more' });
    report.add({
      what: `${what}: of values`,
      unit: 'MiB/s',
      measured: (perSecond * valueBytes) / 1024 / 1024,
      better: 'more',
    });
  }
}
