/** What the logs say of requests: what took long, with its key and where the time went; and one request's way. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { TestCluster } from '../support/clusters.ts';
import { TestNursery } from '../support/nurseries.ts';
import { labSuite } from '../support/processes.ts';
import { pause, until } from '../support/wait.ts';

const tests = labSuite('requests in logs');

type Line = {
  readonly msg: string;
  readonly request: string;
  readonly key: string;
  readonly id?: string;
  readonly [part: string]: number | string;
};

tests.test('an update that waits for a majority says that it was that', async (lab) => {
  const cluster = await TestCluster.create(lab, {
    clusterId: 'slow',
    nodeExtra: () => ({ slow_request: '150' }),
  });
  cluster.startAll();
  const master = await cluster.master();
  const others = cluster.nodes.map(({ name }) => name).filter((name) => name !== master);
  for (const name of others) await cluster.caughtUp(name);
  const log = join(cluster.place(master).home, `${master}.log`);
  const slow = (): Line[] =>
    readFileSync(log, 'utf8')
      .split('\n')
      .filter((line) => line.includes('a request took long') && line.includes('"stuck'))
      .map((line) => JSON.parse(line) as Line);

  // Nobody votes for a while, shorter than a lease.
  const line = await until('a line about it', async () => {
    const client = await cluster.connect(await cluster.master());
    for (const name of others) cluster.process(name).signal('SIGSTOP');
    const setting = client.set('stuck', 'x').catch(() => undefined);
    await pause(300);
    for (const name of others) cluster.process(name).signal('SIGCONT');
    await setting;
    return slow().find(({ chooseMs }) => Number(chooseMs) >= 150) ?? null;
  });
  assert.equal([line.request, line.key], ['set', 'stuck']);
  const parts = ['queueMs', 'chooseMs', 'applyMs', 'answerMs'].map((part) => Number(line[part]));
  const sum = parts.reduce((total, part) => total + part, 0);
  assert.ok(Math.abs(sum - Number(line['tookMs'])) <= 3, JSON.stringify(line));
  assert.ok(Number(line['chooseMs']) > Number(line['applyMs']), JSON.stringify(line));
});

tests.test('at level debug the logs of router and node follow a request by one id', async (lab) => {
  const nursery = await TestNursery.start(lab, { prefix: 'fo', keeperSize: 1, size: 1, logLevel: 'debug' });
  const client = await nursery.connect();
  await client.set('followed', 'x');
  const [ams] = nursery.clusters;
  const node = ams.nodes[0] as (typeof ams.nodes)[number];
  const linesOf = (file: string): Line[] =>
    readFileSync(file, 'utf8')
      .split('\n')
      .filter((line) => line.includes('"id":'))
      .map((line) => JSON.parse(line) as Line);
  const atRouter = (): Line[] => linesOf(join(lab.dir, 'fo-router.log'));
  const [sent] = await until('the router to have written about it', () => {
    const lines = atRouter().filter(({ request, key }) => request === 'set' && key === 'followed');
    return lines.length > 0 ? lines : null;
  });
  const id = sent?.id;
  const steps = (lines: readonly Line[]): string[] =>
    lines.filter((line) => line['id'] === id).map(({ msg, peer }) => `${msg}: ${peer}`);
  assert.match(String(id), /^[0-9a-f]{8}-\d+$/);
  await until('both to have written the rest', () => {
    const there = steps(linesOf(join(node.home, `${node.name}.log`)));
    return there.length + steps(atRouter()).length === 4;
  });
  assert.equal(steps(atRouter()), [`request sent: node ${node.name}`, `answer received: node ${node.name}`]);
  assert.equal(steps(linesOf(join(node.home, `${node.name}.log`))), [
    'request received: router fo-router',
    'request answered: router fo-router',
  ]);
});

tests.run();
