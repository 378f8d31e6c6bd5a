/** Homes that are emptied, and started with a file that does not name who is left: no second cluster serves beside the first one. */
import { rmSync } from 'node:fs';
import * as assert from 'uvu/assert';
import { EXIT_CODES } from '../../src/base/errors.ts';
import { TestCluster } from '../support/clusters.ts';
import { editedFile, ends } from '../support/identities.ts';
import { labSuite } from '../support/processes.ts';
import { until } from '../support/wait.ts';

const KEYS = ['a', 'b', 'c'];

const suite = labSuite('founded apart');

async function write(cluster: TestCluster): Promise<void> {
  for (const key of KEYS) await cluster.client().call((one) => one.set(key, Buffer.from(key)));
}

async function hasAll(cluster: TestCluster): Promise<void> {
  const values = await cluster.client().call((one) => one.multiGetOption(KEYS));
  assert.equal(
    values.map((value) => value?.toString()),
    KEYS,
  );
}

suite.test(
  'one of three is emptied, and its file names nobody else: it stops, the others go on',
  async (lab) => {
    const cluster = await TestCluster.start(lab, { clusterId: 'lone' });
    const [first] = cluster.nodes.map(({ name }) => name) as [string];
    await write(cluster);
    await cluster.process(first).kill();
    rmSync(cluster.place(first).home, { recursive: true });
    const alone = editedFile(lab, cluster, 'alone', (text) =>
      text.replace(/^cluster = .*$/m, `cluster = ${first}`),
    );
    await ends(alone.start(first), EXIT_CODES.OTHER_CLUSTER, /founded apart.*a file that names all members/);
    await cluster.master();
    await hasAll(cluster);
    await cluster.wipe(first);
    await cluster.caughtUp(first);
    await hasAll(cluster);
  },
);

suite.test('the only voter is emptied, and a learner has everything: nothing is founded', async (lab) => {
  const cluster = await TestCluster.start(lab, {
    clusterId: 'left',
    size: 2,
    nodeExtra: (index): { readonly [key: string]: string } => (index === 1 ? { learner: 'true' } : {}),
  });
  const [voter, learner] = cluster.nodes.map(({ name }) => name) as [string, string];
  await write(cluster);
  const consistency = { kind: 'noGuarantees' } as const;
  await until('the learner to have everything', async () => {
    const value = await cluster.ask(learner, (one) => one.get('c', { consistency }));
    return value.toString() === 'c';
  });
  await cluster.wipe(voter);
  await until('the emptied home to join what is left', async () => (await cluster.role(voter)) === 'learner');
  const status = await lab.run(['status', '--config', cluster.file]);
  assert.is(status.code, EXIT_CODES.NOT_SERVING, status.stdout);
  assert.match(status.stdout, /none of them has a vote any more: nursery backup .* nursery restore/);
  const backup = [
    'backup',
    '--config',
    cluster.file,
    cluster.id,
    '--node',
    learner,
    '--to',
    `${lab.dir}/left`,
  ];
  assert.is((await lab.run(backup)).code, 0);
});

suite.run();
