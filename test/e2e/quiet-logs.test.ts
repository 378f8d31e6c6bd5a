/** What the logs say of links, and how often. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { NurseryError } from '../../src/base/errors.ts';
import { NurseryClient } from '../../src/client/nursery-client.ts';
import { renderRouterIni } from '../../src/config/render.ts';
import type { ClusterConfig } from '../../src/protocol/admin/admin.ts';
import { type NodePlace, TestCluster } from '../support/clusters.ts';
import { freePorts, type Lab, labSuite } from '../support/processes.ts';
import { until } from '../support/wait.ts';

const tests = labSuite('quiet logs');

type Line = { readonly msg: string; readonly [fact: string]: unknown };

function linesOf(file: string): Line[] {
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line);
}

const logOf = ({ home, name }: NodePlace): Line[] => linesOf(join(home, `${name}.log`));

/** Starts a router that looks for its keeper at `keeper`; returns its port and its log. */
async function routerOf(
  lab: Lab,
  name: string,
  keeper: ClusterConfig,
): Promise<{ port: number; log: string }> {
  const [port] = (await freePorts(1)) as [number];
  const file = join(lab.dir, `${name}.ini`);
  writeFileSync(
    file,
    renderRouterIni({ name, clusterId: 'front', ip: '127.0.0.1', port, logDir: lab.dir, keeper }),
  );
  const router = lab.start(name, ['router', '--config', file]);
  await router.output('the router to be up', (text) => text.includes('clients at port'));
  return { port, log: join(lab.dir, `${name}.log`) };
}

tests.test('a dead peer is a line, and its return another; a new master says where it is', async (lab) => {
  const cluster = await TestCluster.start(lab, { clusterId: 'q' });
  const master = await cluster.master();
  const [dead, other] = cluster.nodes.filter(({ name }) => name !== master) as [NodePlace, NodePlace];
  const about = (): Line[] => logOf(other).filter(({ peer }) => peer === dead.name);
  await until('the links to be up', () => about().some(({ msg }) => msg === 'link to peer is up'));
  const before = about().length;
  await cluster.process(dead.name).kill();
  await until('the loss to be noticed', () => about().length > before);

  // Meanwhile others are in trouble: a router that was given another cluster, and one that was given nobody.
  const wrong = await routerOf(lab, 'wrong', { ...cluster.config, cluster: 'keeper' });
  const nobody = await routerOf(lab, 'nobody', {
    cluster: 'keeper',
    nodes: [{ name: 'keeper_0', ips: ['127.0.0.1'], port: dead.clientPort }],
  });
  for (const [router, why] of [
    [wrong, /cluster id (?:keeper, here q|q, here keeper)/],
    [nobody, /ECONNREFUSED/],
  ] as const) {
    const trouble = (): Line[] =>
      linesOf(router.log).filter(({ msg }) => msg.startsWith('there is no keeper'));
    await until('the trouble to be said', () => trouble().some((line) => why.test(String(line['why']))));
    const client = await NurseryClient.connect({ addresses: [`127.0.0.1:${router.port}`] });
    const error = await client.set('k', 'v', { deadlineMs: 1500 }).catch((thrown: unknown) => thrown);
    client.close();
    assert.ok(error instanceof NurseryError && error.code === 'GOING_DOWN', String(error));
    assert.match(error.message, why, error.message);
    assert.ok(trouble().length <= 5, JSON.stringify(trouble()));
    assert.is((trouble()[0] as Line)['keeper'], 'keeper');
  }

  assert.ok(
    about().length <= before + 2,
    'that it was lost, and is not to be reached, however often it was dialled',
  );
  cluster.startNode(dead.name);
  const last = await until('its return', () => {
    const line = about().at(-1);
    return line?.msg === 'link to peer is up' && line;
  });
  assert.ok(Number(last['attempts']) > 1, JSON.stringify(last));
  const place = cluster.place(master);
  const elected = logOf(place).find(({ msg }) => msg === 'became master');
  assert.is(elected?.['address'], `127.0.0.1 port ${place.clientPort}`);
});

tests.run();
