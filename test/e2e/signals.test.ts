/** Signals never end a server by accident, whatever stands in the place of its log file. */
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { constants } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { renderRouterIni } from '../../src/config/render.ts';
import { TestCluster } from '../support/clusters.ts';
import { limitDescriptors } from '../support/descriptors.ts';
import { AS_OTHER_USER, folderOfOther, forbid } from '../support/other-user.ts';
import { freePorts, type Lab, labSuite, type NurseryProcess } from '../support/processes.ts';
import { until } from '../support/wait.ts';

/** Descriptors of a process that may open no further one. */
const NO_DESCRIPTORS = 10;
const KEPT = 'log file could not be opened anew; this one is kept';

const suite = labSuite('signals');

/** What may stand in the way of a log file: how it comes there, and how it goes. */
type Obstacle = { readonly name: string; put(path: string, server: NurseryProcess): () => void };

const OBSTACLES: readonly Obstacle[] = [
  {
    name: 'the file of another owner',
    put: (path) => {
      writeFileSync(path, '');
      forbid(path);
      return () => rmSync(path);
    },
  },
  {
    name: 'a directory in its place',
    put: (path) => {
      mkdirSync(path);
      return () => rmSync(path, { recursive: true });
    },
  },
  {
    name: 'a folder that may not be written',
    put: (path) => forbid(join(path, '..')),
  },
  {
    name: 'no file descriptors left',
    put: (_path, server) => limitDescriptors(server, NO_DESCRIPTORS),
  },
];

/** Files that hold the last lines of every level. */
function lastLinesIn(folder: string, name: string): string[] {
  return readdirSync(folder).filter((file) => file.startsWith(`${name}.last-`));
}

/** A server whose log file meets one obstacle after the other. */
async function meetsObstacles(
  server: NurseryProcess,
  folder: string,
  name: string,
  works: () => Promise<void>,
): Promise<void> {
  const path = join(folder, `${name}.log`);
  for (const [index, obstacle] of OBSTACLES.entries()) {
    const moved = `${path}.${index}`;
    renameSync(path, moved);
    const clear = obstacle.put(path, server);
    server.signal(index % 2 === 0 ? 'SIGUSR1' : 'SIGHUP');
    await until(
      `${name} to say that there is ${obstacle.name}`,
      () => server.stderr.split(path).length > index * 2 + 1,
    );
    await until(`the old log file to say it`, () => readFileSync(moved, 'utf8').includes(KEPT));
    clear();
    await works();
    await until(`${name} to open it by itself`, () => existsSync(path));
    assert.ok(server.isRunning, obstacle.name);
  }
  for (const signal of ['SIGUSR2', 'SIGALRM', 'SIGHUP', 'SIGUSR1', 'SIGIO', 'SIGPWR', 'SIGXFSZ'] as const) {
    server.signal(signal);
  }
  await until('the signal to be heard', () => readFileSync(path, 'utf8').includes('"signal":"SIGALRM"'));
  await until('the last lines to be written', () => lastLinesIn(folder, name).length > 0);
  for (const last of lastLinesIn(folder, name)) {
    const lines = readFileSync(join(folder, last), 'utf8').trimEnd().split('\n');
    assert.ok(lines.length > 3, 'lines were kept');
    for (const line of lines) JSON.parse(line);
  }
  await works();
  assert.ok(server.isRunning);
  for (const line of readFileSync(path, 'utf8').trimEnd().split('\n')) JSON.parse(line);
}

/** A cluster of one that is its own keeper, with its log in a folder of its own, run by somebody who is not root. */
async function solo(
  lab: Lab,
  clusterId: string,
): Promise<{ cluster: TestCluster; node: NurseryProcess; folder: string }> {
  const disk = join(lab.dir, `${clusterId}-disk`);
  const folder = join(lab.dir, `${clusterId}-logs`);
  for (const dir of [disk, folder]) folderOfOther(lab, dir);
  const cluster = await TestCluster.create(lab, {
    clusterId,
    size: 1,
    keeper: 'itself',
    disk: () => ({ dir: disk, env: {} }),
  });
  const text = readFileSync(cluster.file, 'utf8');
  writeFileSync(
    cluster.file,
    text.replace(/^home = .*$/m, (line) => `${line}\nlog_dir = ${folder}`),
  );
  const args = ['node', '--config', cluster.file, '--node', `${clusterId}_0`];
  const node = lab.start(`${clusterId}_0`, args, {}, AS_OTHER_USER);
  await node.output('to be up', (text) => text.includes('clients at port'));
  return { cluster, node, folder };
}

suite.test('of a node: it keeps the log file that it has, says so, tries again, and serves', async (lab) => {
  const { cluster, node, folder } = await solo(lab, 'bell');
  await until('a master', () => cluster.ask('bell_0', (client) => client.nop()).then(() => true));
  await meetsObstacles(node, folder, 'bell_0', async () => {
    // A connection needs a descriptor too: it is there again.
    await until('an update', () => cluster.ask('bell_0', (client) => client.nop()).then(() => true));
  });
  assert.equal(await node.terminate(), { code: 0, signal: null });
});

suite.test('of a router and a migrator daemon: the same', async (lab) => {
  const { cluster, node } = await solo(lab, 'gong');
  const [port] = await freePorts(1);
  const folder = join(lab.dir, 'router-logs');
  folderOfOther(lab, folder);
  const file = join(lab.dir, 'router.ini');
  const text = renderRouterIni({
    name: 'router',
    clusterId: 'front',
    ip: '127.0.0.1',
    port: port as number,
    logDir: folder,
    keeper: cluster.config,
  });
  writeFileSync(file, text);
  const router = lab.start('router', ['router', '--config', file], {}, AS_OTHER_USER);
  const migrator = lab.start('migrator', ['migrator', '--config', file], {}, AS_OTHER_USER);
  await router.output('to be up', (text) => text.includes('clients at port'));
  await migrator.output('to be up', (text) => text.includes('watching keeper'));
  await meetsObstacles(router, folder, 'router', async () => {
    await until('healthz', () =>
      fetch(`http://127.0.0.1:${port}/healthz`, { signal: AbortSignal.timeout(2000) }).then(
        ({ status }) => status > 0,
      ),
    );
  });
  for (const signal of ['SIGUSR1', 'SIGHUP', 'SIGUSR2'] as const) {
    migrator.signal(signal);
    await until(`${signal} to be heard`, () => migrator.stderr.includes(signal));
  }
  for (const server of [migrator, router, node]) {
    assert.equal(await server.terminate(), { code: 0, signal: null });
  }
});

/** Whether the process has a handler of its own for a signal, as the kernel says. */
function catches({ pid }: NurseryProcess, signal: 'SIGUSR1' | 'SIGUSR2'): boolean {
  const caught = /^SigCgt:\s*(\S+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  const bit = BigInt(constants.signals[signal] - 1);
  return ((BigInt(`0x${caught?.[1] ?? 0}`) >> bit) & 1n) === 1n;
}

/** Whether a program of the machine could attach a debugger. */
async function hasDebugger(): Promise<boolean> {
  return await fetch('http://127.0.0.1:9229/json/version').then(
    ({ ok }) => ok,
    () => false,
  );
}

suite.test('from the first moment on: none opens a debugger, or ends a server that starts', async (lab) => {
  const { cluster, node } = await solo(lab, 'carillon');
  await node.terminate();
  const args = ['node', '--config', cluster.file, '--node', 'carillon_0'];
  const server = lab.start('carillon_0 again', args, {}, AS_OTHER_USER);
  await until('its first handler', () => catches(server, 'SIGUSR2'));
  assert.is(server.stdout, '');
  for (const signal of ['SIGUSR1', 'SIGHUP', 'SIGUSR2', 'SIGALRM', 'SIGIO', 'SIGPWR'] as const) {
    server.signal(signal);
  }
  await server.output('to be up', (text) => text.includes('clients at port'));
  assert.not.match(server.stderr, 'Debugger');
  assert.equal(await server.terminate(), { code: 0, signal: null });
  // A command that is heard and not answered. Its signal may come before any code of ours runs: Node opens its debugger then.
  const silent = createServer().unref().listen(cluster.config.nodes[0]?.port, '127.0.0.1');
  const connected = once(silent, 'connection');
  lab.closing(() => silent.close());
  const command = lab.start('get', ['get', '--config', cluster.file, 'key']);
  await until('a handler', () => catches(command, 'SIGUSR1'));
  command.signal('SIGUSR1');
  await connected;
  command.signal('SIGUSR1');
  assert.not(await hasDebugger());
  await command.kill();
});

suite.run();
