/** Functions of users in real processes: the examples through failovers, a nursery whose clusters come to have them, and refusals. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as assert from 'uvu/assert';
import { NurseryError } from '../../src/base/errors.ts';
import { TestCluster } from '../support/clusters.ts';
import type { MasterClient } from '../support/master-client.ts';
import { TestNursery } from '../support/nurseries.ts';
import { type Lab, labSuite } from '../support/processes.ts';
import { until } from '../support/wait.ts';

const FUNCTIONS = fileURLToPath(new URL('../../../examples/functions/', import.meta.url));
/** Callers at once, and calls of each, of which the master dies in the middle. */
const CALLERS = 4;
const CALLS = 60;

const functions = labSuite('functions');

async function put(
  lab: Lab,
  file: string,
  name: string,
  source = join(FUNCTIONS, `${name}.js`),
): Promise<void> {
  const { code, stderr } = await lab.run(['function', 'put', name, source, '--config', file]);
  assert.is(code, 0, stderr);
}

/**
 * Calls from several clients, with the master killed and restarted in the middle. Returns the answers, and how many calls may
 * or may not have happened.
 */
async function throughFailover(
  cluster: TestCluster,
  call: (client: MasterClient, caller: number, turn: number) => Promise<string | null>,
): Promise<{ answers: (string | null)[]; maybe: number }> {
  const answers: (string | null)[] = [];
  let maybe = 0;
  const callers = Array.from({ length: CALLERS }, async (_, caller) => {
    const client = cluster.client();
    for (let turn = 0; turn < CALLS; turn += 1) {
      try {
        answers.push(await call(client, caller, turn));
      } catch (error) {
        if (!(error instanceof NurseryError) || error.traits.applied !== 'maybe') throw error;
        maybe += 1;
      }
    }
  });
  await until('a part of the calls', () => answers.length > (CALLERS * CALLS) / 3);
  const master = await cluster.master();
  await cluster.process(master).kill();
  await Promise.all(callers);
  cluster.startNode(master);
  await cluster.caughtUp(master);
  return { answers, maybe };
}

const textOf = (bytes: Buffer | null): string | null => bytes?.toString() ?? null;
const called = (client: MasterClient, name: string, argument: string): Promise<string | null> =>
  client.call(async (connection) => textOf(await connection.userFunction(name, argument)));

functions.test('the examples count, queue and allocate exactly, though the master dies', async (lab) => {
  const cluster = await TestCluster.start(lab, { clusterId: 'exact' });
  for (const name of ['counter', 'queue', 'allocate']) await put(lab, cluster.file, name);

  const counted = await throughFailover(cluster, (client) => called(client, 'counter', 'visits'));
  assert.is(new Set(counted.answers).size, counted.answers.length, 'no number was answered twice');
  const total = Number(await called(cluster.client(), 'counter', 'visits 0'));
  assert.ok(
    total >= counted.answers.length && total <= counted.answers.length + counted.maybe,
    String(total),
  );

  const pushed = await throughFailover(cluster, (client, caller, turn) =>
    called(client, 'queue', JSON.stringify({ queue: 'jobs', push: `${caller} ${turn}` })),
  );
  const client = cluster.client();
  const popped: string[] = [];
  for (;;) {
    const item = await called(client, 'queue', JSON.stringify({ queue: 'jobs', pop: true }));
    if (item === null) break;
    popped.push(item);
  }
  assert.is(new Set(popped).size, popped.length, 'no item came out twice');
  assert.ok(popped.length >= pushed.answers.length && popped.length <= pushed.answers.length + pushed.maybe);
  for (let caller = 0; caller < CALLERS; caller += 1) {
    const turns = popped
      .filter((item) => item.startsWith(`${caller} `))
      .map((item) => Number(item.split(' ')[1]));
    assert.equal(
      turns,
      turns.toSorted((a, b) => a - b),
      'items of one caller come out in order',
    );
  }

  const allocated = await throughFailover(cluster, (caller, index, turn) =>
    called(caller, 'allocate', JSON.stringify({ pool: 'users', for: `${index} ${turn}` })),
  );
  assert.is(new Set(allocated.answers).size, allocated.answers.length, 'no id was given twice');
  const again = await called(client, 'allocate', JSON.stringify({ pool: 'users', for: '0 0' }));
  assert.ok(Number(again) >= 1 && Number(again) <= CALLERS * CALLS, 'who asks again gets an id of before');
  await cluster.killAll();
});

functions.test('functions survive the death of all nodes, and a wiped node gets them', async (lab) => {
  const cluster = await TestCluster.start(lab, { clusterId: 'kept' });
  await put(lab, cluster.file, 'counter');
  assert.is(await called(cluster.client(), 'counter', 'n 5'), '5');
  await cluster.killAll();
  cluster.startAll();
  assert.is(await called(cluster.client(), 'counter', 'n 5'), '10');
  const wiped = await cluster.follower();
  await cluster.wipe(wiped);
  await cluster.caughtUp(wiped);
  const hook = join(lab.dir, 'total.js');
  writeFileSync(hook, "export default (tx) => tx.get('n')");
  await put(lab, cluster.file, 'total', hook);
  await until('the wiped node to answer the hook', async () => {
    const options = { consistency: { kind: 'noGuarantees' } } as const;
    const answer = await cluster.ask(wiped, (client) => client.userHook('total', options)).catch(() => null);
    return answer?.toString() === '10';
  });
  const failure = await cluster
    .ask(await cluster.master(), (client) => client.userHook('counter'))
    .catch((error: NurseryError) => error);
  assert.match(String(failure), /a hook only reads/);
  await cluster.killAll();
});

functions.test('a backup holds functions, and a cluster that is restored from it has them', async (lab) => {
  const cluster = await TestCluster.start(lab, { clusterId: 'copied', size: 1 });
  await put(lab, cluster.file, 'counter');
  assert.is(await called(cluster.client(), 'counter', 'n 5'), '5');
  const to = join(lab.dir, 'backup');
  const backup = await lab.run(['backup', '--config', cluster.file, '--to', to]);
  assert.is(backup.code, 0, backup.stderr);
  await cluster.killAll();
  const again = await TestCluster.create(lab, { clusterId: 'copied', size: 1 });
  const [node] = again.nodes;
  rmSync(node?.home ?? '', { recursive: true, force: true });
  const restored = await lab.run(['restore', to, '--config', again.file, '--node', node?.name ?? '']);
  assert.is(restored.code, 0, restored.stderr);
  again.startAll();
  await again.master();
  await until(
    'an engine in force',
    async () => (await called(again.client(), 'counter', 'n 1').catch(() => null)) !== null,
  );
  assert.ok(Number(await called(again.client(), 'counter', 'n 0')) >= 6);
  await again.killAll();
});

functions.test('what cannot be a function is refused, and nothing is stored', async (lab) => {
  const cluster = await TestCluster.start(lab, { clusterId: 'refusing', size: 1 });
  const file = join(lab.dir, 'bad.js');
  const refused = async (source: string, said: RegExp): Promise<void> => {
    writeFileSync(file, source);
    const { code, stderr } = await lab.run(['function', 'put', 'bad', file, '--config', cluster.file]);
    assert.is(code, 2, stderr);
    assert.match(stderr, said);
  };
  await refused('export default (tx => {', /function bad: SyntaxError.*function\.js:1/);
  await refused('export default 5', /export default \(tx, argument\) => result/);
  await refused(`export default () => 1 //${'x'.repeat(65_536)}`, /limit of a function/);
  const listed = await lab.run(['function', 'list', '--config', cluster.file]);
  assert.is(listed.stdout.trim(), 'there are no functions');
  const gone = await lab.run(['function', 'remove', 'bad', '--config', cluster.file]);
  assert.is(gone.code, 3, gone.stderr);
  await put(lab, cluster.file, 'counter');
  const shown = await lab.run(['function', 'show', 'counter', '--config', cluster.file]);
  assert.is(shown.stdout, readFileSync(join(FUNCTIONS, 'counter.js'), 'utf8'));
  await cluster.killAll();
});

functions.test('a nursery: every cluster comes to have them, and keys elsewhere are final', async (lab) => {
  const nursery = await TestNursery.start(lab, { prefix: 'fn', keeperSize: 1, size: 1 });
  const { file } = nursery;
  const [ams, bru] = nursery.clusters;
  const none = await lab.run(['function', 'list', '--config', file]);
  assert.is(none.stdout.trim(), 'there are no functions', none.stderr);
  await put(lab, file, 'counter');
  const client = await nursery.connect();
  assert.is(textOf(await client.userFunction('counter', 'a', {})), '1', 'one cluster has all keys');
  const hook = join(lab.dir, 'visits.js');
  writeFileSync(hook, "export default (tx) => tx.get('a')");
  await put(lab, file, 'visits', hook);
  assert.is(textOf(await client.userHook('visits')), '1', 'and so has a hook');
  const moved = await lab.run(['migrate', '--config', file, ams.id, 'm', bru.id]);
  assert.is(moved.code, 0, moved.stderr);
  assert.is(textOf(await client.userFunction('counter', 'z', { near: 'z' })), '1');
  assert.is(textOf(await client.userFunction('counter', 'a', { near: 'a' })), '2');
  const outside = await client
    .userFunction('counter', 'a', { near: 'z' })
    .catch((error: NurseryError) => error);
  assert.match(String(outside), /key a belongs to/);
  const unplaced = await client.userFunction('counter', 'a').catch((error: NurseryError) => error);
  assert.match(String(unplaced), /near/);
  const shared = await client.userHook('visits').catch((error: NurseryError) => error);
  assert.match(String(shared), /a hook is called where one cluster has all keys/);
  client.close();

  const [only] = bru.runningNames as [string];
  await bru.process(only).kill();
  const late = await lab.run([
    'function',
    'put',
    'queue',
    join(FUNCTIONS, 'queue.js'),
    '--config',
    file,
    '--timeout',
    '3',
  ]);
  assert.is(late.code, 7, late.stderr);
  assert.match(late.stderr, new RegExp(`${bru.id} does not answer`));
  bru.startNode(only);
  await until('the cluster that was down to have it', async () => {
    const { stdout } = await lab.run(['function', 'list', '--json', '--config', file]);
    return (JSON.parse(stdout) as { lacking: string[] }).lacking.length === 0;
  });
});

functions.run();
