/** Debian's redis-server as a reference: durable (appendfsync always), one node, not replicated. */
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { freePorts } from '../support/processes.ts';
import { until } from '../support/wait.ts';
import type { Stage } from './stage.ts';

/** Runs redis-benchmark's sets and gets with the sizes and connections of our own scenarios. */
export async function redis({ lab, report }: Stage): Promise<void> {
  report.begin('Redis, one node, appendfsync always, the same sizes');
  if (spawnSync('redis-server', ['--version']).error !== undefined) {
    console.log('  redis-server is not installed: apt-get install redis-server');
    return;
  }
  const [port = 0] = await freePorts(1);
  const dir = join(lab.dir, 'redis');
  mkdirSync(dir);
  const server = spawn(
    'redis-server',
    ['--port', String(port), '--dir', dir, '--save', '', '--appendonly', 'yes', '--appendfsync', 'always'],
    { stdio: 'ignore' },
  );
  lab.closing(() => server.kill('SIGKILL'));
  await until('redis to answer', () => spawnSync('redis-cli', ['-p', String(port), 'ping']).status === 0);
  for (const { what, test, clients, pipeline, requests } of RUNS) {
    const args = [
      '-p',
      String(port),
      '-t',
      test,
      '-c',
      clients,
      '-P',
      pipeline,
      '-n',
      requests,
      '-d',
      100,
      '-r',
      1_000_000,
      '--csv',
    ];
    const { stdout } = spawnSync('redis-benchmark', args.map(String), { encoding: 'utf8' });
    const perSecond = Number(/^"(?:SET|GET)","([\d.]+)"/m.exec(stdout)?.[1] ?? 0);
    report.add({ what, unit: 'per second', measured: perSecond, better: 'more' });
  }
  server.kill('SIGTERM');
}

const RUNS = [
  { what: 'sets, 1 connection', test: 'set', clients: 1, pipeline: 1, requests: 10_000 },
  { what: 'sets, 100 connections', test: 'set', clients: 100, pipeline: 1, requests: 200_000 },
  { what: 'sets, 256 connections', test: 'set', clients: 256, pipeline: 1, requests: 200_000 },
  { what: 'sets, 10 connections, 50 outstanding', test: 'set', clients: 10, pipeline: 50, requests: 400_000 },
  { what: 'gets, 1 connection', test: 'get', clients: 1, pipeline: 1, requests: 50_000 },
  { what: 'gets, 100 connections', test: 'get', clients: 100, pipeline: 1, requests: 300_000 },
] as const;
