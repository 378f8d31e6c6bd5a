import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { lockHome, prepareDirectory } from '../../node/home.ts';
import { EXIT_CODES, FatalError } from '../../src/errors.ts';

const dir = mkdtempSync(join(tmpdir(), 'nursery-home-'));
test.after(() => rmSync(dir, { recursive: true, force: true }));

test('a home has one owner, and is free again when it lets go', async () => {
  const first = await lockHome(dir);
  try {
    await lockHome(dir);
    assert.unreachable('locked twice');
  } catch (error) {
    assert.instance(error, FatalError);
    assert.is((error as FatalError).exitCode, EXIT_CODES.HOME_IN_USE);
    assert.match((error as FatalError).message, `pid ${process.pid}`);
  }
  first.release();
  (await lockHome(dir)).release();
});

test('a directory that cannot be is refused by name', () => {
  const file = join(dir, 'file');
  writeFileSync(file, '');
  try {
    prepareDirectory(join(file, 'home'));
    assert.unreachable('made a directory below a file');
  } catch (error) {
    assert.is((error as FatalError).exitCode, EXIT_CODES.HOME_UNUSABLE);
    assert.match((error as FatalError).message, join(file, 'home'));
  }
});

test.run();
