/** A deadline is kept by the one who knows: what was not executed is said not to be, in time, and why. */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { EXIT_CODES, NurseryError } from '../../src/base/errors.ts';
import { NurseryClient } from '../../src/client/nursery-client.ts';
import { renderRouterIni } from '../../src/config/render.ts';
import { FRONT, TestNursery } from '../support/nurseries.ts';
import { freePorts, type Lab, labSuite } from '../support/processes.ts';
import { until } from '../support/wait.ts';

const tests = labSuite('deadlines');
let shared: TestNursery | null = null;

/** Keys below `k` belong to `d-ams`, the others to `d-bru`. */
async function nursery(lab: Lab): Promise<TestNursery> {
  if (shared !== null) return shared;
  const begun = await TestNursery.start(lab, { prefix: 'd', keeperSize: 1, size: 1 });
  await begun.succeed(['migrate', 'd-ams', 'k', 'd-bru']);
  shared = begun;
  return begun;
}

async function native(lab: Lab, ...ports: number[]): Promise<NurseryClient> {
  const client = await NurseryClient.connect({ addresses: ports.map((port) => `127.0.0.1:${port}`) });
  lab.closing(() => client.close());
  return client;
}

async function errorOf(call: Promise<unknown>): Promise<NurseryError> {
  try {
    await call;
  } catch (error) {
    if (error instanceof NurseryError) return error;
    throw error;
  }
  throw new Error('it succeeded');
}

tests.test('a key of another cluster: its name, and who has it', async (lab) => {
  const { clusters } = await nursery(lab);
  const { code, stderr } = await lab.run(['set', '--config', clusters[0].file, 'melon', 'green']);
  assert.match(stderr, /^nursery: OUT_OF_RANGE: d-ams does not own "melon"; d-bru does$/m);
  assert.is(code, EXIT_CODES.REFUSED);
});

tests.test(
  'a cluster without a master: every client hears in time that nothing was executed',
  async (lab) => {
    const begun = await nursery(lab);
    const [ams] = begun.clusters;
    const client = await native(lab, begun.routerPort);
    const pipelined = await begun.connect();
    await client.set('apple', 'red');
    await ams.process('d-ams_0').kill();
    // What is sent before the router has noticed may have been executed, for all it knows.
    await until('the router to notice', async () => !(await client.expectProgressPossible()));
    const command = begun.run(['set', 'apple', 'green']);
    const keys = ['a', 'b', 'c', 'd', 'e'];
    const updates = keys.map((key) => errorOf(pipelined.set(key, 'v'))); // 10 s, as they do unless told otherwise
    const short = await Promise.all([
      errorOf(client.set('apple', 'blue', { deadlineMs: 2000 })),
      errorOf(client.get('apple', { deadlineMs: 3000 })),
      errorOf(client.sequence([{ kind: 'set', key: 'apple', value: 'x' }], { deadlineMs: 1500 })),
    ]);
    await client.set('melon', 'green'); // the other cluster goes on
    for (const error of [...short, ...(await Promise.all(updates))]) {
      assert.is(error.code, 'NOT_MASTER', error.message);
      assert.match(error.message, /no master of cluster d-ams.*not executed/);
    }
    const { code, stderr } = await command;
    assert.is(code, EXIT_CODES.NO_MASTER, stderr);
    assert.match(stderr, /^nursery: NOT_MASTER: .*cluster d-ams.*not executed/m);

    const direct = await lab.run(['set', '--config', ams.file, 'apple', 'green']);
    assert.is(direct.code, EXIT_CODES.UNREACHABLE, direct.stderr);
    ams.startNode('d-ams_0');
    await ams.master();
    await until('the router to find it', async () => (await client.get('apple')).toString() === 'red');
    assert.is(await client.exists('a'), false, 'what was refused was not executed');
  },
);

tests.test('what a master was given and did not answer: nobody knows', async (lab) => {
  const begun = await nursery(lab);
  const [ams] = begun.clusters;
  const client = await native(lab, begun.routerPort);
  await client.set('apple', 'red');
  ams.process('d-ams_0').signal('SIGSTOP');
  const command = begun.run(['set', 'apple', 'green']);
  const error = await errorOf(client.set('apple', 'blue', { deadlineMs: 700 }));
  assert.is(error.code, 'MAYBE_APPLIED');
  assert.match(error.message, /node d-ams_0 of cluster d-ams did not answer/);
  const { code, stderr } = await command;
  assert.is(code, EXIT_CODES.MAYBE_APPLIED, stderr);
  ams.process('d-ams_0').signal('SIGCONT');
  await until('the cluster to serve', () => client.exists('apple'));
});

tests.test('a router without a map says so at once, and clients go to another', async (lab) => {
  const begun = await nursery(lab);
  await begun.keeper.killAll();
  const [port] = (await freePorts(1)) as [number];
  const file = join(lab.dir, 'mapless.ini');
  const keeper = begun.keeper.config;
  writeFileSync(
    file,
    renderRouterIni({ name: 'mapless', clusterId: FRONT, ip: '127.0.0.1', port, logDir: lab.dir, keeper }),
  );
  const router = lab.start('mapless', ['router', '--config', file]);
  await router.output('the router to be up', (text) => text.includes('clients at port'));

  const both = await native(lab, port, begun.routerPort);
  await Promise.all(Array.from({ length: 8 }, (_, index) => both.set(`apple${index}`, 'red')));
  const alone = await native(lab, port);
  const error = await errorOf(alone.set('apple', 'red', { deadlineMs: 2000 }));
  assert.is(error.code, 'GOING_DOWN');
  assert.match(error.message, /no map yet: the keeper/);
});

tests.run();
