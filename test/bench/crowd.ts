/** What a hostile crowd costs those who work: the same load with it and without. */
import { TestCluster } from '../support/clusters.ts';
import { Hostile } from '../support/hostile.ts';
import { createRandom } from '../support/random.ts';
import { benchSettings, load, RunningLoad, type Stage } from './stage.ts';

/** What the crowd asks for: so many values of 1 MiB. */
const VALUES = 16;
const VALUE_BYTES = 1024 * 1024;
/** The same crowd each time. */
const SEED = 1;

export async function crowd({ lab, report }: Stage): Promise<void> {
  report.begin(
    'a hostile crowd: slow readers, idle ones, resets, half-closed sockets, half requests, garbage',
  );
  const cluster = await TestCluster.start(lab, { clusterId: 'crowd', extra: benchSettings(2) });
  const client = cluster.client();
  for (let n = 0; n < VALUES; n += 1)
    await client.call((master) => master.set(`big ${n}`, Buffer.alloc(VALUE_BYTES, n)));
  const options = { connections: 10, keys: 10_000, seconds: 12, 'warm-up': 4 };
  const calm = await load(lab, cluster.file, options);
  const targets = cluster.nodes.map(({ clientPort: port }) => ({ port, cluster: cluster.id }));
  const hostile = new Hostile(targets, createRandom(SEED));
  const beside = await new RunningLoad(lab, cluster.file, options).result();
  hostile.stop();
  for (const [name, measured] of Object.entries({ 'without it': calm, 'beside it': beside })) {
    report.add({
      what: `sets of 10 clients ${name}`,
      unit: 'per second',
      measured: measured.perSecond,
      better: 'more',
    });
    report.add({ what: `p99 ${name}`, unit: 'ms', measured: measured.latencyMs.p99, better: 'less' });
  }
  report.add({
    what: 'p99 beside it, by p99 without it',
    unit: 'ratio',
    target: 2,
    measured: beside.latencyMs.p99 / calm.latencyMs.p99,
    better: 'less',
  });
  report.addErrors(beside);
  await cluster.killAll();
}
