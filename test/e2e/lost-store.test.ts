/**
 * A store is deleted although the node's log no longer reaches back to the beginning (docs/reliability.md, "Lost stores"):
 * nothing acknowledged is missing from any answer, and the node says for whom it waits.
 */
import { rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import * as assert from 'uvu/assert';
import { segmentNumber } from '../../node/log/segment.ts';
import { NurseryError } from '../../src/base/errors.ts';
import { TestCluster } from '../support/clusters.ts';
import { segmentsOf } from '../support/damage.ts';
import { type Lab, labSuite } from '../support/processes.ts';
import { until } from '../support/wait.ts';

const SMALL_SEGMENTS = { tlog_max_size: '100_000' };
const VALUE = Buffer.alloc(8000, 'v');
const FEW = 10;
const MANY = 200;
/** First segment that is left, at least: what lies before reaches beyond the few rows that the lagging member has. */
const FIRST_LEAST = 8;
/** Leases for which nobody may be elected. */
const SILENT_MS = 3000;

const suite = labSuite('lost stores');

function keyOf(n: number): string {
  return `row/${String(n).padStart(4, '0')}`;
}

async function write(cluster: TestCluster, from: number, to: number): Promise<void> {
  const client = cluster.client();
  for (let n = from; n < to; n += 10) {
    const keys = Array.from({ length: Math.min(10, to - n) }, (_, index) => keyOf(n + index));
    await client.call((one) => Promise.all(keys.map((key) => one.set(key, VALUE))));
  }
}

/** Writes on until the node's log has let go of its beginning, then stops the node and deletes its store. */
async function loseStore(cluster: TestCluster, name: string): Promise<void> {
  const { home } = cluster.place(name);
  await until(`the log of ${name} to be collapsed`, async () => {
    const first = segmentNumber(basename(segmentsOf(home)[0] ?? ''));
    if (first !== null && first >= FIRST_LEAST) return true;
    // What came to it in one group, since it had little time, is in one segment.
    await write(cluster, 0, FEW);
    return null;
  });
  await cluster.process(name).kill();
  rmSync(join(home, 'store'), { recursive: true });
}

/** Rows that a consistent read at the master does not find. */
async function missing(cluster: TestCluster, count: number): Promise<number> {
  const client = cluster.client();
  const keys = Array.from({ length: count }, (_, n) => keyOf(n));
  const values = await client.call((one) => one.multiGetOption(keys));
  return values.filter((value) => value === null).length;
}

/** Nobody takes an update for so long. */
async function nobodyServes(cluster: TestCluster): Promise<void> {
  const deadline = performance.now() + SILENT_MS;
  const taken = await until<string>(
    'time to pass',
    async () => {
      for (const name of cluster.runningNames) {
        const isTaken = await cluster
          .ask(name, (client) => client.set('taken', 'x'))
          .then(
            () => true,
            () => false,
          );
        if (isTaken) return name;
      }
      return performance.now() > deadline ? 'nobody' : null;
    },
    { withinMs: SILENT_MS * 4 },
  );
  assert.is(taken, 'nobody');
}

/** Waits until the node says this to whoever would take any answer. */
async function complains(cluster: TestCluster, name: string, what: RegExp): Promise<void> {
  await until(`${name} to say ${what}`, () =>
    cluster
      .ask(name, (client) => client.get(keyOf(0), { consistency: { kind: 'noGuarantees' } }))
      .then(
        () => null,
        (error: Error) => {
          const isRefused = error instanceof NurseryError && error.code === 'GOING_DOWN';
          return isRefused && what.test(error.message) && error.message.includes('never empty another home')
            ? true
            : null;
        },
      ),
  );
}

suite.test(
  'one store of three is lost, one member lags, and the one that has everything is down',
  async (lab: Lab) => {
    const cluster = await TestCluster.start(lab, { clusterId: 'lag', extra: SMALL_SEGMENTS });
    await write(cluster, 0, FEW);
    await cluster.process('lag_2').kill();
    await write(cluster, FEW, MANY);
    await loseStore(cluster, 'lag_0');
    await cluster.process('lag_1').kill();
    cluster.startNode('lag_0');
    cluster.startNode('lag_2');
    await complains(
      cluster,
      'lag_0',
      /store at slot \d+, log begins at \d+: .*waiting for lag_1 \(not seen\)/,
    );
    assert.is(await cluster.role('lag_0'), 'short');
    const state = await cluster.ask('lag_0', (client) => client.currentState());
    assert.is(state, 'Slave_discovered_other_master');
    await nobodyServes(cluster);
    cluster.startNode('lag_1');
    await cluster.master();
    assert.is(await missing(cluster, MANY), 0);
    await cluster.caughtUp('lag_0');
    await cluster.caughtUp('lag_2');
  },
);

suite.test('two stores of three are lost; the third is down, then comes back', async (lab: Lab) => {
  const cluster = await TestCluster.start(lab, { clusterId: 'two', extra: SMALL_SEGMENTS });
  await write(cluster, 0, MANY);
  await cluster.caughtUp('two_2');
  await loseStore(cluster, 'two_0');
  await loseStore(cluster, 'two_1');
  await cluster.process('two_2').kill();
  cluster.startNode('two_0');
  cluster.startNode('two_1');
  await complains(cluster, 'two_0', /waiting for two_2 \(not seen\)/);
  await nobodyServes(cluster);
  cluster.startNode('two_2');
  await cluster.master();
  assert.is(await missing(cluster, MANY), 0);
});

suite.run();
