/** Memory in sum, of what is no read: updates under way, snapshots between members, watchers of the map. */
import * as assert from 'uvu/assert';
import { ClusterClient } from '../../src/client/cluster-client.ts';
import { LINK_PROTOCOL, type Role } from '../../src/link/frames.ts';
import { encodeQuery } from '../../src/protocol/admin/admin.ts';
import { encodeRequest } from '../../src/protocol/arakoon/requests.ts';
import { encode, key, struct, u32, union } from '../../src/wire/codec.ts';
import { type NodePlace, TestCluster } from '../support/clusters.ts';
import { forgetPeak, Lurker, memoryOf } from '../support/crowd.ts';
import { LinkLurker } from '../support/link-lurker.ts';
import type { MasterClient } from '../support/master-client.ts';
import { type Lab, labSuite, type NurseryProcess } from '../support/processes.ts';
import { until } from '../support/wait.ts';

const MIB = 1024 * 1024;
/**
 * Beyond what the process had before (bytes): what budgets allow, and what the engine has not collected yet. Updates: measured
 * 604 to 706 MiB, and 961 without a budget.
 */
const GROWTH_MAX = { updates: 850 * MIB, snapshots: 250 * MIB, watchers: 300 * MIB };
/** Longest that a short read may take beside any crowd, and a change of the map (ms). */
const SHORT_MS = 2000;
/** Longest that a short update may take (ms): what is under way already is in the log's order before it. */
const UPDATE_MS = 10_000;
/** Clients with an update of 7 MiB each, twice what the budget holds. */
const WRITERS = 100;
const UPDATE_BYTES = 7 * MIB;
/** Members that copy and do not read, and pages that each has asked for: gigabytes. */
const COPIERS = 30;
const PAGES_EACH = 20;
const ROWS = 12;
/** Watchers that do not read, and changes of the map of half a MiB each. */
const WATCHERS = 60;
const CHANGES = 60;
const NODES_OF_CHANGE = 2000;

/** As node/members/snapshots.ts has them. */
const snapshotCodec = union({ open: [1, struct({})], page: [2, struct({ id: u32, from: key })] });

const tests = labSuite('memory of what is no read');

/** Runs `crowd` beside short requests, and checks that these pass and that the process stays within bounds. */
async function bounded(
  { name, pid }: NurseryProcess,
  client: MasterClient,
  growthMax: number,
  crowd: () => Promise<void>,
): Promise<void> {
  const began = memoryOf(pid as number).now;
  forgetPeak(pid as number);
  await crowd();
  const longestMs = { update: 0, read: 0 };
  for (let n = 0; n < 40; n += 1) {
    const beganMs = performance.now();
    await client.call((master) => master.set('small', `v${n}`));
    const setMs = performance.now();
    assert.is(String(await client.call((master) => master.get('small'))), `v${n}`);
    longestMs.update = Math.max(longestMs.update, setMs - beganMs);
    longestMs.read = Math.max(longestMs.read, performance.now() - setMs);
  }
  const { peak } = memoryOf(pid as number);
  const figures = `${Math.round(began / MIB)} MiB, at most ${Math.round(peak / MIB)} MiB`;
  const waits = `short reads at most ${Math.round(longestMs.read)} ms, updates ${Math.round(longestMs.update)} ms`;
  console.log(`${name}: ${figures}; ${waits}`);
  assert.ok(peak - began < growthMax, `${name}: ${figures}`);
  assert.ok(longestMs.read < SHORT_MS && longestMs.update < UPDATE_MS, waits);
}

function linkLurker(lab: Lab, port: number, role: Role, cluster: string): Promise<LinkLurker> {
  const hello = { protocol: LINK_PROTOCOL, role, cluster, node: 'lurker', incarnation: '' };
  return LinkLurker.connect(port, hello).then((lurker) => {
    lab.closing(() => lurker.close());
    return lurker;
  });
}

tests.test('updates: a hundred clients send 7 MiB each at once', async (lab) => {
  const cluster = await TestCluster.start(lab, { clusterId: 'writers', size: 1 });
  const [{ name, clientPort: port }] = cluster.nodes as [NodePlace];
  const client = cluster.client();
  await client.call((master) => master.nop());
  const update = encodeRequest({ kind: 'set', key: 'long', value: Buffer.alloc(UPDATE_BYTES, 'u') });
  const crowd: Lurker[] = [];
  await bounded(cluster.process(name), client, GROWTH_MAX.updates, async () => {
    const target = { port, cluster: cluster.id };
    crowd.push(...(await Promise.all(Array.from({ length: WRITERS }, () => Lurker.connect(target)))));
    for (const lurker of crowd) lurker.send(update);
  });
  for (const lurker of crowd) lurker.close();
  await cluster.killAll();
});

tests.test('snapshots: members that ask for page upon page and read none', async (lab) => {
  const cluster = await TestCluster.start(lab, { clusterId: 'copiers', extra: { lease_period: '3' } });
  const client = cluster.client();
  const value = Buffer.alloc(4 * MIB, 'r');
  for (let n = 0; n < ROWS; n += 1)
    await until('a row', () => client.call((master) => master.set(`row ${n}`, value)).then(() => true));
  const name = await cluster.master();
  const { messagingPort } = cluster.place(name);
  const crowd: LinkLurker[] = [];
  await bounded(cluster.process(name), client, GROWTH_MAX.snapshots, async () => {
    for (let n = 0; n < COPIERS; n += 1) {
      const lurker = await linkLurker(lab, messagingPort, 'node', cluster.id);
      crowd.push(lurker);
      lurker.ask(encode(snapshotCodec, { kind: 'open' }));
      // The first ones have an image each, and all ask for pages of the first.
      for (let page = 0; page < PAGES_EACH; page += 1)
        lurker.ask(encode(snapshotCodec, { kind: 'page', id: 1, from: '' }));
    }
  });
  assert.is(await cluster.master(), name, 'heartbeats and votes do not wait behind them');
  for (const lurker of crowd) lurker.close();
  await cluster.killAll();
});

tests.test('watchers of the map that do not read: the others hear of each change', async (lab) => {
  const cluster = await TestCluster.start(lab, { clusterId: 'watched', size: 1, keeper: 'itself' });
  const [{ name, clientPort }] = cluster.nodes as [NodePlace];
  const keeper = new ClusterClient(cluster.config, { role: 'operator', node: 'test' });
  lab.closing(() => keeper.close());
  const heard = new Set<number>();
  const watch = keeper.watchMap({
    map: ({ map }) => {
      for (const { nodes } of map.clusters) heard.add(Number.parseInt(nodes[0]?.name ?? '', 10));
    },
  });
  const node = cluster.process(name);
  const began = memoryOf(node.pid as number).now;
  forgetPeak(node.pid as number);
  for (let n = 0; n < WATCHERS; n += 1) {
    const lurker = await linkLurker(lab, clientPort, 'router', cluster.id);
    lurker.ask(encodeQuery({ kind: 'watchMap', sinceVersion: 0 }));
  }
  for (let change = 1; change <= CHANGES; change += 1) {
    const nodes = Array.from({ length: NODES_OF_CHANGE }, (_, index) => ({
      name: `${change} ${index}`.padEnd(200, '.'),
      ips: ['127.0.0.1'],
      port: index + 1,
    }));
    const beganMs = performance.now();
    await keeper.command({ kind: 'setClusterConfig', cluster: 'fat', nodes });
    assert.ok(performance.now() - beganMs < SHORT_MS);
  }
  await until('the last change to be heard', () => heard.has(CHANGES));
  const { peak } = memoryOf(node.pid as number);
  console.log(`${name}: ${Math.round(began / MIB)} MiB, at most ${Math.round(peak / MIB)} MiB`);
  assert.ok(peak - began < GROWTH_MAX.watchers, `grew from ${began} to ${peak}`);
  watch.close();
  await cluster.killAll();
});

tests.run();
