import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { EXIT_CODES, type FatalError } from '../../../src/base/errors.ts';
import { type LogFile, openLogFile } from '../../../src/process/log.ts';
import { until } from '../../support/wait.ts';

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
    assert.is(said.length, 1);
    assert.match(said[0] as string, path);

    rmSync(path);
    file.reopen();
    assert.match(said[1] as string, 'can be written again');
    await until('both lines', () => {
      file.logger.info({ n: 3 }, 'third');
      return readFileSync(path, 'utf8').includes('second');
    });
    const lines = readFileSync(path, 'utf8').split('\n');
    assert.match(lines[0] as string, 'first');
    assert.match(lines[1] as string, 'second');
    assert.match(lines[2] as string, 'open anew');
    assert.match(lines[3] as string, 'third');
  } finally {
    console.error = error;
    rmSync(dir, { recursive: true });
  }
});

/** A log file in a folder of its own, and what standard error says meanwhile. */
async function within(
  body: (file: LogFile, path: string, said: readonly string[]) => Promise<void> | void,
): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'nursery-log-'));
  const said: string[] = [];
  const { error } = console;
  console.error = (text: string) => said.push(text);
  try {
    await body(
      openLogFile(join(dir, 'logs'), 'node', 'info', { node: 'a' }),
      join(dir, 'logs', 'node.log'),
      said,
    );
  } finally {
    console.error = error;
    rmSync(dir, { recursive: true });
  }
}

const messagesOf = (path: string): string[] =>
  readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line).msg);

test('after a rotation lines go into the new file, also where its folder is gone', () =>
  within((file, path) => {
    file.logger.info({}, 'before');
    renameSync(path, `${path}.1`);
    file.logger.info({}, 'still before');
    file.reopen();
    assert.equal(messagesOf(`${path}.1`), ['before', 'still before']);
    assert.equal(messagesOf(path), ['log file is open anew']);
    rmSync(dirname(path), { recursive: true });
    file.reopen();
    assert.equal(messagesOf(path), ['log file is open anew']);
  }));

test('where something else stands in its place the old file is kept, and it is tried again', () =>
  within(async (file, path, said) => {
    for (const [name, put] of [
      ['a directory', () => mkdirSync(path)],
      ['a pipe that nobody reads', () => spawnSync('mkfifo', [path])],
      ['a link to itself', () => symlinkSync(path, path)],
    ] as const) {
      const before = said.length;
      renameSync(path, `${path}.old`);
      put();
      file.reopen();
      file.logger.info({}, name);
      assert.equal(messagesOf(`${path}.old`).slice(-2), [
        'log file could not be opened anew; this one is kept',
        name,
      ]);
      assert.is(said.length, before + 1);
      assert.match(said[before] as string, path);
      rmSync(path, { recursive: true });
      await until('the new file by itself', () => {
        file.logger.info({}, 'next');
        return existsSync(path);
      });
      assert.match(said[before + 1] as string, 'open anew');
    }
  }));

test('each line has each key once, whatever the facts are called', () =>
  within((file, path) => {
    file.logger.info({ node: 'b', level: 'high', time: 0, msg: 'other', slot: 1 }, 'facts');
    const [line] = readFileSync(path, 'utf8').split('\n') as [string];
    for (const key of ['node', 'level', 'time', 'msg']) assert.is(line.split(`"${key}":`).length, 2, line);
    const facts = JSON.parse(line);
    assert.is(facts.node, 'a');
    assert.is(facts.node_, 'b');
    assert.is(facts.msg, 'facts');
    assert.is(facts.slot, 1);
  }));

test('lines that find no room are counted, and their number is said once there is', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'nursery-log-'));
  const path = join(dir, 'node.log');
  const { error } = console;
  console.error = () => undefined;
  try {
    symlinkSync('/dev/full', path);
    const file = openLogFile(dir, 'node', 'info', { node: 'a' });
    const long = 'x'.repeat(100_000);
    for (let n = 0; n < 20; n += 1) file.logger.info({ long }, 'long');
    rmSync(path);
    file.reopen();
    const lines = readFileSync(path, 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    const { lines: lost } = lines.find(({ msg }) => msg.includes('dropped'));
    assert.is(lost, 20 - lines.filter(({ msg }) => msg === 'long').length);
    assert.ok(lost > 5 && lost < 20);
  } finally {
    console.error = error;
    rmSync(dir, { recursive: true });
  }
});

test('a log file that cannot be opened is refused by its name', () => {
  const dir = mkdtempSync(join(tmpdir(), 'nursery-log-'));
  try {
    mkdirSync(join(dir, 'a.log'));
    spawnSync('mkfifo', [join(dir, 'b.log')]);
    for (const name of ['a', 'b']) {
      try {
        openLogFile(dir, name, 'info', {});
        assert.unreachable(name);
      } catch (error) {
        assert.is((error as FatalError).exitCode, EXIT_CODES.HOME_UNUSABLE);
        assert.match((error as FatalError).message, join(dir, `${name}.log`));
      }
    }
  } finally {
    rmSync(dir, { recursive: true });
  }
});

test.run();
