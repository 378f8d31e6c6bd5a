/** Clients that ask for much and read nothing: memory stays bounded in sum, others are served, and it goes back. */
import { connect, type Socket } from 'node:net';
import * as assert from 'uvu/assert';
import type { ArakoonClient } from '../../src/client/arakoon-client.ts';
import { type NodePlace, TestCluster } from '../support/clusters.ts';
import { EVERYTHING, forgetPeak, lurkers, memoryOf } from '../support/crowd.ts';
import { FRONT, TestNursery } from '../support/nurseries.ts';
import { labSuite, type NurseryProcess } from '../support/processes.ts';
import { until } from '../support/wait.ts';

const MIB = 1024 * 1024;
/** What a reply of everything has (bytes), in values of 1 MiB. */
const VALUES = 27;
/** Clients that do not read. */
const CROWD = 100;
/** The same through a router, where each reply is made, sent and kept once more. */
const CROWD_ROUTED = 60;
/** Beyond what the process had before: a quarter of what the crowd's replies would take. */
const GROWTH_MAX = 700 * MIB;
/** How far it may stay above what it had before. */
const LEFT_MAX = 200 * MIB;
/** Connections to each process that ask for metrics, how often each does at once, and what that may take: all answers took gigabytes. */
const SCRAPERS = 30;
const SCRAPES = 5000;
const SCRAPED_MAX = 100 * MIB;

const tests = labSuite('memory');

async function fill(client: ArakoonClient): Promise<void> {
  for (let n = 0; n < VALUES; n += 1) await client.set(`big ${n}`, Buffer.alloc(MIB, n));
  await client.set('small', 'v');
}

/** Runs `crowd` and checks that the processes stay within bounds meanwhile, and give the memory back. */
async function bounded(
  processes: readonly NurseryProcess[],
  crowd: () => Promise<void>,
  growthMax = GROWTH_MAX,
): Promise<void> {
  const before = processes.map(({ pid }) => memoryOf(pid as number).now);
  for (const { pid } of processes) forgetPeak(pid as number);
  await crowd();
  for (const [index, { name, pid }] of processes.entries()) {
    const began = before[index] as number;
    const { peak } = memoryOf(pid as number);
    console.log(`${name}: ${Math.round(began / MIB)} MiB, at most ${Math.round(peak / MIB)} MiB`);
    assert.ok(peak - began < growthMax, `${name} grew from ${began} to ${peak}`);
    await until('the memory to go back', () => memoryOf(pid as number).now < began + LEFT_MAX);
  }
}

/** Short requests are answered, and who reads a long reply has its turn, although others do not read theirs. */
async function expectServed(client: ArakoonClient): Promise<void> {
  for (let n = 0; n < 40; n += 1) {
    await client.set('small', 'v');
    assert.is((await client.get('small')).toString(), 'v');
  }
  // One that is told that there was no room sends it again, as it is told to.
  const all = await until('a long reply', () => client.rangeEntries({ max: -1, deadlineMs: 20_000 }));
  assert.is(all.length, VALUES + 1);
}

tests.test('a hundred clients that ask a node for 27 MB each and do not read', async (lab) => {
  const cluster = await TestCluster.start(lab, { clusterId: 'unread', size: 1 });
  const [{ name, clientPort: port }] = cluster.nodes as [NodePlace];
  const client = await cluster.connect(name);
  await fill(client);
  await bounded([cluster.process(name)], async () => {
    const crowd = await lurkers(CROWD, { port, cluster: cluster.id }, EVERYTHING);
    await expectServed(client);
    for (const lurker of crowd) lurker.close();
  });
  const { stdout } = await lab.run(['status', '--config', cluster.file]);
  assert.match(stdout, /^- \w+: since it began \d+ connections were let go that took nothing/m);
});

tests.test('the same through a router: neither the router nor the node behind it grows', async (lab) => {
  const nursery = await TestNursery.start(lab, { prefix: 'unread', keeperSize: 1, size: 1 });
  const [ams] = nursery.clusters;
  const [{ name }] = ams.nodes as [NodePlace];
  const client = await nursery.connect();
  await fill(client);
  await bounded([nursery.router, ams.process(name)], async () => {
    const crowd = await lurkers(CROWD_ROUTED, { port: nursery.routerPort, cluster: FRONT }, EVERYTHING);
    await expectServed(client);
    for (const lurker of crowd) lurker.close();
  });
});

tests.test('HTTP that asks for metrics again and again, and reads nothing', async (lab) => {
  const nursery = await TestNursery.start(lab, { prefix: 'scraped', keeperSize: 1, size: 1 });
  const [ams] = nursery.clusters;
  const [{ name, clientPort }] = ams.nodes as [NodePlace];
  const client = await nursery.connect();
  await client.set('small', 'v');
  const ports = [nursery.routerPort, clientPort];
  const ask = (port: number): Socket => {
    const socket = connect({ port, host: '127.0.0.1' }).pause();
    socket.on('error', () => undefined); // being thrown out is what it is here for
    socket.write('GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(SCRAPES));
    return socket;
  };
  await bounded(
    [nursery.router, ams.process(name)],
    async () => {
      const crowd = ports.flatMap((port) => Array.from({ length: SCRAPERS }, () => ask(port)));
      for (let round = 0; round < 20; round += 1) {
        for (const port of ports) {
          for (const path of ['healthz', 'readyz', 'metrics'])
            assert.is((await fetch(`http://127.0.0.1:${port}/${path}`)).status, 200, path);
        }
        assert.is((await client.get('small')).toString(), 'v');
      }
      const closed = (socket: Socket): Promise<void> =>
        new Promise((resolve) => socket.once('close', () => resolve()).resume());
      await Promise.all(crowd.map(closed));
    },
    SCRAPED_MAX,
  );
});

tests.run();
