/** One home, one process, and one log directory, one process: by whatever path, from whatever name space, after whatever death. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { EXIT_CODES } from '../../src/base/errors.ts';
import { TestCluster } from '../support/clusters.ts';
import { freePorts, type Lab, labSuite, type NurseryProcess } from '../support/processes.ts';
import { until } from '../support/wait.ts';

/** Processes that want a home whose owner has died, and how often. */
const HEIRS = 4;
const DEATHS = 2;

const suite = labSuite('one home, one process');

/** Commands that put a process into name spaces of its own, as a container does; where that is not permitted: none. */
function nameSpaces(): readonly (readonly string[])[] {
  const ways = [
    ['unshare', '-n'],
    ['unshare', '-m'],
    ['unshare', '-n', '-m', '-u', '-i'],
  ];
  const permitted = ways.filter(([command, ...words]) => {
    return spawnSync(command as string, [...words, 'true']).status === 0;
  });
  if (permitted.length < ways.length) console.log('without name spaces: they are not permitted here');
  return permitted;
}

/** A configuration of the same node with another home, or another directory for its log. */
function edited(lab: Lab, cluster: TestCluster, name: string, home: string, logDir: string | null): string {
  const file = join(lab.dir, `${name}.ini`);
  const text = readFileSync(cluster.file, 'utf8').replace(/^home = .*$/m, () => `home = ${home}`);
  writeFileSync(
    file,
    logDir === null ? text : text.replace(/^home = .*$/m, (line) => `${line}\ntlog_dir = ${logDir}`),
  );
  return file;
}

async function refused(started: NurseryProcess, says: string): Promise<void> {
  const { code, stderr, stdout } = await started.finished();
  assert.is(code, EXIT_CODES.HOME_IN_USE, stdout + stderr);
  assert.match(stderr, says);
}

suite.test(
  'an owner is met by every path, and from every name space; it goes on as if nothing were',
  async (lab) => {
    const cluster = await TestCluster.start(lab, { clusterId: 'lair', size: 1 });
    const { name, home } = cluster.nodes[0] as (typeof cluster.nodes)[number];
    const client = cluster.client();
    await client.call((master) => master.set('key', 'kept'));
    const says = `pid ${cluster.process(name).pid} on`;
    const start = (file: string, under: readonly string[]): NurseryProcess =>
      lab.start('intruder', ['node', '--config', file, '--node', name], {}, under);

    const link = join(lab.dir, 'link');
    symlinkSync(home, link);
    const linked = edited(lab, cluster, 'linked', link, null);
    await Promise.all([
      refused(start(cluster.file, []), says),
      refused(start(linked, []), says),
      ...nameSpaces().map((under) => refused(start(cluster.file, under), says)),
    ]);
    const bound = join(lab.dir, 'bound');
    mkdirSync(bound);
    const elsewhere = edited(lab, cluster, 'elsewhere', bound, null);
    const bind = ['unshare', '-n', '-m', 'sh', '-c', `mount --bind '${home}' '${bound}' && exec "$0" "$@"`];
    if (nameSpaces().length > 0) await refused(start(elsewhere, bind), says);

    assert.is(String(await client.call((master) => master.get('key'))), 'kept');
    await client.call((master) => master.set('key', 'written'));
    await cluster.killAll();
  },
);

suite.test(
  'two homes with one log directory are not one too many: the second is refused by its name',
  async (lab) => {
    const cluster = await TestCluster.create(lab, { clusterId: 'den', size: 1 });
    const [{ name, home }] = cluster.nodes as [(typeof cluster.nodes)[number]];
    const logDir = join(lab.dir, 'one-log');
    const first = edited(lab, cluster, 'first', home, logDir);
    const second = edited(lab, cluster, 'second', `${home}-2`, logDir);
    const usual = edited(lab, cluster, 'usual', `${home}-3`, null); // its log is a folder of its home
    const usualLog = join(`${home}-3`, 'tlog');
    const third = edited(lab, cluster, 'third', `${home}-4`, usualLog);
    const start = (file: string, under: readonly string[] = []): NurseryProcess =>
      lab.start('node', ['node', '--config', file, '--node', name], {}, under);
    const owner = start(first);
    await owner.output('to be up', (text) => text.includes('clients at port'));
    for (const under of [[], ...nameSpaces()]) await refused(start(second, under), `log directory ${logDir}`);
    await owner.kill();
    const other = start(usual);
    await other.output('to be up', (text) => text.includes('clients at port'));
    await refused(start(third), `log directory ${usualLog}`);
    await other.kill();
  },
);

suite.test('of several that take over from a dead one at once, one gets the home', async (lab) => {
  const cluster = await TestCluster.start(lab, { clusterId: 'nest', size: 1 });
  const { name, home } = cluster.nodes[0] as (typeof cluster.nodes)[number];
  const args = ['node', '--config', cluster.file, '--node', name];
  const ways = [[], ...nameSpaces()];
  let owner = cluster.process(name);
  for (let death = 0; death < DEATHS; death += 1) {
    if (death === 0) await cluster.ask(name, (client) => client.set('key', 'kept'));
    const heirs = Array.from({ length: HEIRS }, (_, index) => {
      const start = (): NurseryProcess => lab.start('heir', args, {}, ways[index % ways.length]);
      return start;
    });
    // Some of them come while it still lives, some when it is dead.
    const early = heirs.slice(0, 1).map((start) => start());
    owner.signal('SIGKILL');
    const all = [...early, ...heirs.slice(1).map((start) => start())];
    await until('one to be up and the others to be refused', () => {
      const left = all.filter((heir) => heir.isRunning);
      return left.length <= 1 && left.every((heir) => heir.stdout.includes('clients at port'));
    });
    const left = all.filter((heir) => heir.isRunning);
    assert.is(left.length, 1, all.map((heir) => heir.stderr).join(''));
    for (const heir of all.filter((one) => !one.isRunning)) await refused(heir, home);
    owner = left[0] as NurseryProcess;
  }
  await owner.kill();
  cluster.startNode(name);
  await cluster.master();
  assert.is(String(await cluster.ask(name, (client) => client.get('key'))), 'kept');
  await cluster.killAll();
});

suite.test('a home cannot be taken where nothing can lock it, and nothing is begun there', async (lab) => {
  const [clientPort] = await freePorts(1);
  const home = join(lab.dir, 'burrow');
  const file = join(lab.dir, 'burrow.ini');
  const lines = [
    '[global]',
    'cluster = burrow_0',
    'cluster_id = burrow',
    '[burrow_0]',
    'ip = 127.0.0.1',
    `client_port = ${clientPort}`,
    `home = ${home}`,
  ];
  writeFileSync(file, `${lines.join('\n')}\n`);
  const env = { PATH: join(lab.dir, 'nothing') };
  const { code, stderr } = await lab
    .start('burrow', ['node', '--config', file, '--node', 'burrow_0'], env)
    .finished();
  assert.is(code, EXIT_CODES.HOME_UNUSABLE);
  assert.match(stderr, 'flock');
  assert.not.match(stderr, '    at ');
  assert.not(existsSync(join(home, 'store')));
});

suite.run();
