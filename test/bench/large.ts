/**
 * Two clusters of five million keys each, looked at while clients work: what status and scrapes cost the nodes, how long anybody waits
 * for them, and what that does to the clients.
 */
import { join } from 'node:path';
import { RowPacker } from '../../node/store/row-pages.ts';
import { RUN_POLICY } from '../../node/store/run-policy.ts';
import { STORE_SYSTEM } from '../../node/store/system.ts';
import { TABLES } from '../../node/store/types.ts';
import { StoreWriter } from '../../node/store/writer.ts';
import { present } from '../../src/base/assert.ts';
import { gather } from '../../src/cli/status/gather.ts';
import { judge } from '../../src/health/findings.ts';
import { processorMsOf } from '../../src/process/processor-time.ts';
import type { NodePlace, TestCluster } from '../support/clusters.ts';
import { TestNursery } from '../support/nurseries.ts';
import type { NurseryProcess } from '../support/processes.ts';
import { pause, until } from '../support/wait.ts';
import { benchSettings, load, type Stage, WARM } from './stage.ts';

const KEYS = 10_000_000;
/** As `nursery bench` names them. */
const KEY_BYTES = 16;
const VALUE = Buffer.alloc(100, 'v');
/** Rows of one transaction. */
const COMMIT_ROWS = 200_000;
/** How often they are asked alone for what it costs, once what they do has been compiled: half as often. */
const LOOKS = 100;
const SECOND_MS = 1000;
/** Pairs of loads, without looks and with them, in turn. */
const PAIRS = 5;
/** How long somebody asks for single keys meanwhile (s). */
const PROBE_S = 20;

export async function large({ lab, report }: Stage): Promise<void> {
  report.begin('10 M keys in two clusters of one node each, with a look at them each second');
  const nursery = await TestNursery.start(lab, {
    prefix: 'large',
    keeperSize: 1,
    size: 1,
    extra: benchSettings(2),
  });
  const [ams, bru] = nursery.clusters;
  await nursery.succeed(['migrate', ams.id, keyOf(KEYS / 2), bru.id]);
  const beganMs = performance.now();
  await fill(ams, 0, KEYS / 2);
  await fill(bru, KEYS / 2, KEYS);
  report.add({
    what: 'filled by the store’s own writer',
    unit: 'rows/s',
    measured: (KEYS * 1000) / (performance.now() - beganMs),
    better: 'more',
  });
  await until('all to be well', async () => (await lookedAt(nursery)) === 'healthy', { withinMs: 120_000 });

  const nodes = [ams, bru].map(nodeOf);
  const idle = await cpuOf(nodes, () => pause((LOOKS * SECOND_MS) / 10));
  for (const [what, target, ask] of [
    ['a status', 5, () => gather(nursery.file)],
    ['a scrape', 10, () => Promise.all(nodes.map(({ node }) => scrape(node.clientPort)))],
  ] as const) {
    const asked = async (times: number): Promise<void> => {
      for (let look = 0; look < times; look += 1) await ask();
    };
    await asked(LOOKS / 2);
    const spent = await cpuOf(nodes, () => asked(LOOKS));
    // Of two nodes, and less what they do when nobody asks.
    const measured = (spent.cpuMs - (idle.cpuMs / idle.passedMs) * spent.passedMs) / LOOKS / nodes.length;
    report.add({ what: `${what}: time of a node's processor`, unit: 'ms', target, measured, better: 'less' });
  }
  // A machine that does other things keeps them waiting, too.
  const aloneMs = await looking(nursery, false, () => probe(nursery));
  const besideMs = await looking(nursery, true, () => probe(nursery));
  report.add({
    what: 'longest of gets one after the other, nobody looks',
    unit: 'ms',
    measured: aloneMs,
    better: 'less',
  });
  report.add({
    what: 'longer with a look each second',
    unit: 'ms',
    target: 10,
    measured: Math.max(0, besideMs - aloneMs),
    better: 'less',
  });
  const ratios: number[] = [];
  for (let pair = 0; pair < PAIRS; pair += 1) {
    const p99 = async (isLookedAt: boolean): Promise<number> => {
      const options = { ...WARM, mix: 'get:9,set:1', connections: 10, keys: KEYS };
      const run = (): ReturnType<typeof load> => load(lab, nursery.file, options);
      const { latencyMs } = await looking(nursery, isLookedAt, run);
      return latencyMs.p99;
    };
    const without = await p99(false);
    ratios.push((await p99(true)) / without);
  }
  const median = ratios.sort((a, b) => a - b)[Math.floor(PAIRS / 2)] as number;
  report.add({
    what: `p99 of clients with a look each second, over without (median of ${PAIRS})`,
    unit: 'times',
    target: 1.25,
    measured: median,
    better: 'less',
  });
}

function keyOf(n: number): string {
  return String(n).padStart(KEY_BYTES, '0');
}

/** The only node of a cluster. */
function nodeOf(cluster: TestCluster): { readonly node: NodePlace; readonly process: NurseryProcess } {
  const node = present(cluster.nodes[0], 'node');
  return { node, process: cluster.process(node.name) };
}

/** Puts rows beside what slots have made of a node that rests: as if an image with them had been copied there. */
async function fill(cluster: TestCluster, from: number, to: number): Promise<void> {
  const { node, process } = nodeOf(cluster);
  await process.terminate();
  const writer = await StoreWriter.start(
    { dir: join(node.home, 'store'), policy: RUN_POLICY },
    STORE_SYSTEM,
    () => undefined,
  );
  for (let first = from; first < to; first += COMMIT_ROWS) {
    const packer = new RowPacker();
    for (let n = first; n < Math.min(to, first + COMMIT_ROWS); n += 1) {
      const key = TABLES.DATA + keyOf(n);
      if (packer.add(key, VALUE)) continue;
      writer.write(packer.take());
      packer.add(key, VALUE);
    }
    writer.write(packer.take());
    await writer.commit(null);
  }
  await writer.close();
  cluster.startAll();
}

async function lookedAt(nursery: TestNursery): Promise<string> {
  return judge(await gather(nursery.file)).state;
}

async function scrape(port: number): Promise<void> {
  const response = await fetch(`http://127.0.0.1:${port}/metrics`);
  await response.text();
}

/** Runs `body`, with a status and a scrape of both nodes each second or without. */
async function looking<T>(nursery: TestNursery, isLookedAt: boolean, body: () => Promise<T>): Promise<T> {
  let isOver = false;
  const looks = async (): Promise<void> => {
    while (isLookedAt && !isOver) {
      await gather(nursery.file);
      await Promise.all(nursery.clusters.map((cluster) => scrape(nodeOf(cluster).node.clientPort)));
      await pause(SECOND_MS);
    }
  };
  const [result] = await Promise.all([
    body().finally(() => {
      isOver = true;
    }),
    looks(),
  ]);
  return result;
}

/** The longest that a get straight at a node took (ms): its answer waits for whatever the node is doing. */
async function probe(nursery: TestNursery): Promise<number> {
  const [ams] = nursery.clusters;
  const client = await ams.connect(nodeOf(ams).node.name);
  const untilMs = performance.now() + PROBE_S * SECOND_MS;
  let longestMs = 0;
  for (let beganMs = performance.now(); beganMs < untilMs; beganMs = performance.now()) {
    await client.get(keyOf(1));
    longestMs = Math.max(longestMs, performance.now() - beganMs);
  }
  client.close();
  return longestMs;
}

/** What the processes of `nodes` took of the processors while `body` ran. */
async function cpuOf(
  nodes: readonly { readonly process: NurseryProcess }[],
  body: () => Promise<unknown>,
): Promise<{ readonly cpuMs: number; readonly passedMs: number }> {
  const read = (): number =>
    nodes.reduce((sum, { process }) => sum + processorMsOf(present(process.pid, 'pid')), 0);
  const [beforeMs, beganMs] = [read(), performance.now()];
  await body();
  return { cpuMs: read() - beforeMs, passedMs: performance.now() - beganMs };
}
