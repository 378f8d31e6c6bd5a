/**
 * A recorded session on each port (test/golden/sessions, test/support/sessions.ts): the bytes that the build before the redesign
 * was sent, and what it answered, on copies of its homes. Whatever comes later answers the same bytes.
 */
import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { goldenNursery, goldenOslo, HOMES } from '../support/golden-homes.ts';
import { selfOf } from '../support/identities.ts';
import { labSuite } from '../support/processes.ts';
import { playSession } from '../support/sessions.ts';
import { until } from '../support/wait.ts';

const { keeper: KEEPER } = JSON.parse(readFileSync(join(HOMES, 'expected.json'), 'utf8')).clusters.ams.self;

const tests = labSuite('recorded sessions');

/** Whether a router says that it serves every key. */
function isHealthy(port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const asked = request({ port, host: '127.0.0.1', path: '/readyz', agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    asked.once('error', reject);
    asked.end();
  });
}

tests.test(
  'a nursery: ports of clients, of keeper, node and router, and what a migrator says',
  async (lab) => {
    const { keeper, ams, bru, all, routerPort, startRouter } = await goldenNursery(lab);
    for (const cluster of all) cluster.startAll();
    const ports: { [name: string]: number } = { router: routerPort };
    for (const { id, nodes } of all) {
      for (const { clientPort, messagingPort } of nodes) {
        ports[id] = clientPort;
        ports[`${id}-members`] = messagingPort;
      }
    }
    await keeper.master();
    for (const cluster of [ams, bru]) {
      await until(`${cluster.id} to serve`, async () => {
        const [{ name, clientPort }] = cluster.nodes as [(typeof cluster.nodes)[number]];
        await cluster.ask(name, (client) => client.keyCount());
        return (await selfOf(cluster.id, name, clientPort))?.keeper === KEEPER;
      });
    }
    for (const name of ['node', 'node-links', 'keeper', 'move']) await playSession(name, ports);
    await startRouter(); // now, so that it begins with the map as it is
    await until('the router to know its way', () => isHealthy(routerPort));
    await playSession('router', ports);
  },
);

tests.test(
  'the messaging port of a member: what members say to each other, and a copy of its store',
  async (lab) => {
    const oslo = await goldenOslo(lab);
    oslo.startNode('oslo_0');
    const { clientPort, messagingPort } = oslo.place('oslo_0');
    await until('oslo_0 to be up', () => selfOf('oslo', 'oslo_0', clientPort));
    await playSession('members', { 'oslo_0-members': messagingPort });
  },
);

tests.run();
