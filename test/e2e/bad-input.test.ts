/** What an operator may get wrong: one clear line, an exit code for each kind, and nothing is harmed. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { EXIT_CODES } from '../../src/base/errors.ts';
import { TestCluster } from '../support/clusters.ts';
import { type Finished, freePorts, type Lab, labSuite } from '../support/processes.ts';

const tests = labSuite('bad input');

/** A single node that was never started, and its configuration with one thing changed. */
async function nodeWith(lab: Lab, change: (ini: string) => string, id: string): Promise<TestCluster> {
  const cluster = await TestCluster.create(lab, { clusterId: id, size: 1 });
  const before = readFileSync(cluster.file, 'utf8');
  const after = change(before);
  assert.is.not(after, before, 'the change changes something');
  writeFileSync(cluster.file, after);
  return cluster;
}

function run(lab: Lab, cluster: TestCluster, node = `${cluster.id}_0`): Promise<Finished> {
  return lab.run(['node', '--config', cluster.file, '--node', node]);
}

/** One line on standard error, and no stack. */
function refuses(
  finished: Finished,
  exit: keyof typeof EXIT_CODES,
  ...says: readonly (string | RegExp)[]
): void {
  const { code, stderr } = finished;
  assert.is(code, EXIT_CODES[exit], stderr);
  for (const part of says) assert.match(stderr, part);
  assert.is(stderr.trim().split('\n').length, 1, stderr);
  assert.match(stderr, /^nursery: /);
}

/** Number of the line of `text` that has `part`. */
function lineOf(text: string, part: string): number {
  return text.split('\n').findIndex((line) => line.includes(part)) + 1;
}

tests.test('a configuration that is wrong: file, line, key, value, and what is allowed', async (lab) => {
  const soon = await nodeWith(lab, (ini) => ini.replace('lease_period = 1', 'lease_period = soon'), 'soon');
  const line = lineOf(readFileSync(soon.file, 'utf8'), 'lease_period');
  const garbage = await nodeWith(lab, () => '[global\nthis is no configuration\n', 'garbage');
  const binary = await nodeWith(lab, () => '\0\x01\xff\n', 'binary');
  const half = await nodeWith(lab, (ini) => ini.slice(0, ini.indexOf('home = ')), 'half');
  const outcomes = await Promise.all([soon, garbage, binary, half].map((cluster) => run(lab, cluster)));
  const says = [
    [`${soon.file}:${line}`, 'lease_period', 'soon', 'allowed'],
    [`${garbage.file}:1`],
    [`${binary.file}:1`],
    [half.file, 'home'],
  ];
  outcomes.forEach((finished, index) => {
    refuses(finished, 'CONFIG', ...(says[index] ?? []));
  });
  refuses(
    await lab.run(['node', '--config', join(lab.dir, 'none.ini'), '--node', 'x']),
    'CONFIG',
    'none.ini',
  );
});

tests.test('an unknown key is a warning by name', async (lab) => {
  const cluster = await nodeWith(
    lab,
    (ini) => ini.replace('lease_period', 'frobnicate = 7\nlease_period'),
    'warned',
  );
  const node = cluster.startNode('warned_0');
  await cluster.master();
  assert.match(node.stderr, /frobnicate/);
  await node.kill();
});

tests.test('the name of a node that there is not', async (lab) => {
  const cluster = await TestCluster.create(lab, { clusterId: 'named', size: 1 });
  refuses(await run(lab, cluster, 'nobody'), 'CONFIG', 'nobody', 'named_0');
});

tests.test('a command that there is not, and options that are missing', async (lab) => {
  const wrong = [['frobnicate'], ['node'], ['get', '--config', 'x.ini'], []];
  const outcomes = await Promise.all(wrong.map((args) => lab.run(args)));
  outcomes.forEach(({ code, stderr }, index) => {
    assert.is(code, EXIT_CODES.USAGE, `${wrong[index]?.join(' ')}: ${stderr}`);
    assert.match(stderr, /^nursery: /);
  });
});

tests.test('a port that another process has', async (lab) => {
  const [port] = await freePorts(1);
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  lab.closing(() => server.close());
  const keys = ['client_port', 'messaging_port'];
  const outcomes = keys.map(async (key) => {
    const change = (ini: string): string => ini.replace(new RegExp(`${key} = \\d+`), `${key} = ${port}`);
    return run(lab, await nodeWith(lab, change, key.replace('_', '-')));
  });
  for (const finished of await Promise.all(outcomes)) refuses(finished, 'PORT_IN_USE', String(port));
});

tests.test('a home that cannot be written', async (lab) => {
  const file = join(lab.dir, 'a-file');
  writeFileSync(file, 'not a folder');
  const homes = [join(file, 'home'), file, '/proc/nursery'];
  const outcomes = homes.map(async (home, n) => {
    const change = (ini: string): string => ini.replace(/home = .*/, `home = ${home}`);
    return run(lab, await nodeWith(lab, change, `homeless${n}`));
  });
  (await Promise.all(outcomes)).forEach((finished, n) => {
    refuses(finished, 'HOME_UNUSABLE', homes[n] as string);
  });
  assert.is(readFileSync(file, 'utf8'), 'not a folder');
});

tests.test('a home that another process has: it goes on undisturbed', async (lab) => {
  const cluster = await TestCluster.start(lab, { clusterId: 'owner', size: 1 });
  await cluster.client().call((client) => client.set('key', 'value'));
  const intruder = await nodeWith(
    lab,
    (ini) => ini.replace(/home = .*/, `home = ${cluster.place('owner_0').home}`),
    'intruder',
  );
  refuses(await run(lab, intruder), 'HOME_IN_USE', cluster.place('owner_0').home);
  assert.is((await cluster.client().call((client) => client.get('key'))).toString(), 'value');

  // Once it is free, it is still another cluster's.
  await cluster.killAll();
  const { code, stderr } = await run(lab, intruder);
  assert.ok(code === EXIT_CODES.OTHER_CLUSTER || code === EXIT_CODES.LOG_FOREIGN, `${code}: ${stderr}`);
  cluster.startAll();
  await cluster.master();
  assert.is((await cluster.client().call((client) => client.get('key'))).toString(), 'value');
  await cluster.killAll();
});

tests.test('a folder of something else is not taken for a home', async (lab) => {
  const home = join(lab.dir, 'photos');
  mkdirSync(join(home, 'tlog'), { recursive: true });
  writeFileSync(join(home, 'tlog', 'holiday.jpg'), 'a photo');
  const cluster = await nodeWith(lab, (ini) => ini.replace(/home = .*/, `home = ${home}`), 'photos');
  const node = cluster.startNode('photos_0');
  await Promise.race([cluster.master().catch(() => null), node.exited]);
  assert.is(readFileSync(join(home, 'tlog', 'holiday.jpg'), 'utf8'), 'a photo');
  await node.kill();
});

tests.test('commands that find nobody, or no key', async (lab) => {
  const cluster = await TestCluster.create(lab, { clusterId: 'silent', size: 1 });
  const [none, nobody] = await Promise.all([
    lab.run(['get', '--config', cluster.file, 'key']),
    lab.run(['who-master', '--config', cluster.file]),
  ]);
  refuses(none, 'UNREACHABLE', /127\.0\.0\.1/);
  assert.is.not(nobody.code, 0);
  cluster.startAll();
  await cluster.master();
  const config = ['--config', cluster.file];
  const [master, missing, set] = await Promise.all([
    lab.run(['who-master', ...config]),
    lab.run(['get', ...config, 'missing']),
    lab.run(['set', ...config, '0x00ff', 'bytes']),
  ]);
  assert.is(master.stdout, 'silent_0\n');
  refuses(missing, 'NOT_FOUND', 'missing');
  assert.is(set.code, 0, set.stderr);
  const [got, range, tooLong, noBytes] = await Promise.all([
    lab.run(['get', ...config, '0x00ff']),
    lab.run(['range', ...config]),
    lab.run(['set', ...config, 'k'.repeat(5000), 'v']),
    lab.run(['get', ...config, '0x0']),
  ]);
  assert.is(got.stdout, 'bytes');
  // A configuration may come from a pipe, which can be read once.
  const piped = ['get', '--config', '/dev/stdin', '0x00ff'];
  const { code, stdout, stderr } = await lab
    .start('get from a pipe', piped, {}, ['sh', '-c', `cat '${cluster.file}' | "$0" "$@"`])
    .finished();
  assert.is(code, 0, stderr);
  assert.is(stdout, 'bytes');
  assert.is(range.stdout, '0x00ff\n');
  refuses(tooLong, 'USAGE', '4025');
  assert.is(noBytes.code, EXIT_CODES.USAGE, noBytes.stderr);
  await cluster.killAll();
});

tests.run();
