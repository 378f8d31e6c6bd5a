import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { EXIT_CODES, type FatalError } from '../../../src/base/errors.ts';
import { checkUsable, unreadable, unreadableWhy, unusable } from '../../../src/process/permissions.ts';

const dir = mkdtempSync(join(tmpdir(), 'nursery-permissions-'));
test.after(() => rmSync(dir, { recursive: true, force: true }));

function refusalOf(path: string, kind: 'file' | 'directory'): string {
  try {
    checkUsable(path, kind);
  } catch (error) {
    assert.is((error as FatalError).exitCode, EXIT_CODES.HOME_UNUSABLE);
    assert.match((error as FatalError).message, path);
    return (error as FatalError).message;
  }
  return '';
}

test('what is of its kind may be used, and so may what is not there yet', () => {
  writeFileSync(join(dir, 'file'), '');
  symlinkSync(join(dir, 'file'), join(dir, 'link'));
  for (const name of ['file', 'link', 'nothing']) assert.is(refusalOf(join(dir, name), 'file'), '');
  assert.is(refusalOf(dir, 'directory'), '');
});

test('what is of another kind is refused by its name and kind', () => {
  const pipe = join(dir, 'pipe');
  spawnSync('mkfifo', [pipe]);
  const loop = join(dir, 'loop');
  symlinkSync(loop, loop);
  mkdirSync(join(dir, 'directory'));
  assert.match(refusalOf(pipe, 'file'), 'a pipe, where a file is wanted');
  assert.match(refusalOf('/dev/null', 'file'), 'a device, where a file is wanted');
  assert.match(refusalOf(join(dir, 'directory'), 'file'), 'a directory, where a file is wanted');
  assert.match(refusalOf(join(dir, 'file'), 'directory'), 'a file, where a directory is wanted');
  assert.match(refusalOf(join(dir, 'file', 'below'), 'file'), `${join(dir, 'file')} is a file`);
  for (const path of [loop, join(loop, 'below')]) {
    assert.match(refusalOf(path, 'file'), `${loop} is a link to ${loop}, which leads in a circle`);
  }
  const unmounted = join(dir, 'unmounted');
  symlinkSync(join(dir, 'disk'), unmounted);
  for (const kind of ['file', 'directory'] as const) {
    assert.match(
      refusalOf(unmounted, kind),
      `${unmounted} is a link to ${join(dir, 'disk')}, which is not there`,
    );
  }
});

test('each want has its words: permission, room, descriptors, a file system that is read-only', () => {
  const says = (code: string): string => {
    const error = Object.assign(new Error(`${code}: as the system says it`), { code });
    return unusable('directory', dir, error).message;
  };
  assert.match(
    says('EACCES'),
    /it belongs to .*uid \d+.* with mode 0700, and this process runs as .*uid \d+/,
  );
  assert.match(says('EACCES'), 'read, write and enter it (rwx)');
  assert.match(says('EROFS'), 'mounted read-only');
  assert.match(says('ENOSPC'), 'disk is full');
  assert.match(says('EMFILE'), 'ulimit -n');
  assert.match(says('EIO'), 'as the system says it');
  const denied = Object.assign(new Error(), { code: 'EACCES' });
  assert.match(unreadableWhy(join(dir, 'file'), denied), 'read it (r)');
  assert.match(unreadableWhy(join(dir, 'not', 'there'), denied), `${dir} belongs to`);
});

test('what is wrong with a path that is only read is said in plain words', () => {
  const says = (code: string, path = join(dir, 'file')): string => {
    const error = Object.assign(new Error(`${code}: as the system says it, open '${path}'`), { code });
    return unreadable(path, error);
  };
  assert.is(says('ENOENT', '/nowhere'), 'file /nowhere cannot be read: it is missing');
  assert.match(says('ENOTDIR'), /: it is missing: a file is on the way to it$/);
  assert.match(says('EISDIR'), /: it is a directory, where a file is wanted$/);
  assert.match(says('ELOOP'), /: it is a link that leads in a circle$/);
  const link = join(dir, 'to-nothing');
  symlinkSync('/nowhere/file', link);
  assert.is(
    says('ENOENT', link),
    `file ${link} cannot be read: it is a link to /nowhere/file, which is not there`,
  );
});

test.run();
