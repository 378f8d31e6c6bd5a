import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { lockHome, prepareDirectory } from '../../../node/life/home.ts';
import { EXIT_CODES, FatalError } from '../../../src/base/errors.ts';

const dir = mkdtempSync(join(tmpdir(), 'nursery-home-'));
test.after(() => rmSync(dir, { recursive: true, force: true }));

let places = 0;

/** A home with its log's directory. */
function newHome(under = dir): { home: string; log: string } {
  places += 1;
  const home = join(under, `home${places}`);
  const log = join(home, 'tlog');
  mkdirSync(log, { recursive: true });
  return { home, log };
}

/** What `lockHome` says. */
function refusalOf(home: string, log: string): FatalError {
  try {
    lockHome(home, log).release();
  } catch (error) {
    assert.instance(error, FatalError);
    return error as FatalError;
  }
  assert.unreachable(`${home} was locked`);
  throw new Error();
}

/** Runs `body` with another PATH. */
function withPath(path: string, body: () => void): void {
  const before = process.env['PATH'];
  process.env['PATH'] = path;
  try {
    body();
  } finally {
    process.env['PATH'] = before;
  }
}

test('a home has one owner, and is free again when it lets go', () => {
  const { home, log } = newHome();
  const first = lockHome(home, log);
  const refused = refusalOf(home, log);
  assert.is(refused.exitCode, EXIT_CODES.HOME_IN_USE);
  assert.match(refused.message, home);
  assert.match(refused.message, `pid ${process.pid} on`);
  first.release();
  lockHome(home, log).release();
});

test('so has the directory of a log, whatever the homes; who does not get it lets go of the home', () => {
  const { home, log } = newHome();
  const other = newHome();
  const first = lockHome(home, log);
  const refused = refusalOf(other.home, log);
  assert.is(refused.exitCode, EXIT_CODES.HOME_IN_USE);
  assert.match(refused.message, 'tlog_dir');
  assert.match(refused.message, log);
  lockHome(other.home, other.log).release();
  assert.is(refusalOf(other.home, home).exitCode, EXIT_CODES.HOME_IN_USE, "a log in somebody's home");
  first.release();
});

test('names do not matter: links to a home are that home, also where its log is a link to it', () => {
  const { home, log } = newHome();
  const link = `${home}-link`;
  symlinkSync(home, link);
  const first = lockHome(link, log);
  assert.is(refusalOf(home, log).exitCode, EXIT_CODES.HOME_IN_USE);
  first.release();
  lockHome(home, link).release();
});

test('what a lock rests on cannot be removed: an emptied home is locked all the same', () => {
  const { home, log } = newHome();
  const first = lockHome(home, log);
  for (const name of readdirSync(home)) rmSync(join(home, name), { recursive: true });
  mkdirSync(log);
  const refused = refusalOf(home, log);
  assert.is(refused.exitCode, EXIT_CODES.HOME_IN_USE);
  assert.match(refused.message, 'unknown process');
  first.release();
});

test('a path may be as long as the system allows', () => {
  const { home, log } = newHome(join(dir, ...Array.from({ length: 10 }, () => 'a'.repeat(100))));
  const first = lockHome(home, log);
  assert.is(refusalOf(home, log).exitCode, EXIT_CODES.HOME_IN_USE);
  first.release();
});

test('where nothing can lock it is not taken, with the reason', () => {
  const { home, log } = newHome();
  withPath(join(dir, 'nowhere'), () => {
    const refused = refusalOf(home, log);
    assert.is(refused.exitCode, EXIT_CODES.HOME_UNUSABLE);
    assert.match(refused.message, 'program flock is not there');
  });
  // As util-linux and busybox say that a file system has no locks.
  for (const [code, says] of [
    [71, 'flock: 3: No locks available'],
    [1, 'flock: Operation not supported'],
  ] as const) {
    const bin = join(dir, `bin${code}`);
    mkdirSync(bin);
    writeFileSync(join(bin, 'flock'), `#!/bin/sh\necho '${says}' >&2\nexit ${code}\n`, { mode: 0o755 });
    withPath(bin, () => {
      const refused = refusalOf(home, log);
      assert.is(refused.exitCode, EXIT_CODES.HOME_UNUSABLE);
      assert.match(refused.message, says);
      assert.match(refused.message, 'flock(2)');
    });
  }
  lockHome(home, log).release();
});

test('a directory that cannot be is refused by name, with what stands in its place', async () => {
  const at = (name: string): string => join(dir, name);
  writeFileSync(at('file'), '');
  spawnSync('mkfifo', [at('pipe')]);
  const server = createServer().listen(at('socket')).unref();
  await once(server, 'listening');
  symlinkSync(at('loop'), at('loop'));
  symlinkSync(at('disk'), at('unmounted'));
  symlinkSync(at('file'), at('astray'));
  const cases = [
    [at('file'), 'is a file'],
    [join(at('file'), 'home'), `${at('file')} is a file`],
    [at('astray'), 'is a file'],
    [at('pipe'), 'is a pipe'],
    [at('socket'), 'is a socket'],
    ['/dev/null', 'is a device'],
    [at('loop'), 'leads in a circle'],
    [at('unmounted'), `${at('unmounted')} is a link to ${at('disk')}`],
    [join(at('unmounted'), 'home'), `${at('unmounted')} is a link to ${at('disk')}`],
  ] as const;
  for (const [path, says] of cases) {
    try {
      prepareDirectory(path);
      assert.unreachable(`${path} was taken`);
    } catch (error) {
      assert.instance(error, FatalError);
      assert.is((error as FatalError).exitCode, EXIT_CODES.HOME_UNUSABLE);
      assert.match((error as FatalError).message, path);
      assert.match((error as FatalError).message, says);
    }
  }
  server.close();
});

test.run();
