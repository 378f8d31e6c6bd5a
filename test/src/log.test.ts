import { mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { openLogFile } from '../../src/log.ts';
import { until } from '../support/wait.ts';

test('a line that the disk has no room for ends nothing: it waits, and its place is said once', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'nursery-log-'));
  const path = join(dir, 'node.log');
  const said: string[] = [];
  const { error } = console;
  console.error = (text: string) => said.push(text);
  try {
    symlinkSync('/dev/full', path);
    const file = openLogFile(dir, 'node', 'info', { node: 'a' });
    file.logger.info({ n: 1 }, 'first');
    file.logger.error({ n: 2 }, 'second');
    file.flush();
    assert.is(said.length, 1);
    assert.match(said[0] as string, path);

    rmSync(path);
    file.reopen();
    await until('both lines', () => {
      file.logger.info({ n: 3 }, 'third');
      return readFileSync(path, 'utf8').includes('second');
    });
    file.flush();
    const lines = readFileSync(path, 'utf8').split('\n');
    assert.match(lines[0] as string, 'first');
    assert.match(lines[1] as string, 'second');
    assert.match(lines[2] as string, 'third');
  } finally {
    console.error = error;
    rmSync(dir, { recursive: true });
  }
});

test.run();
