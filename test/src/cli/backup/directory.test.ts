/** The directory of a backup: who writes there, what is gone on with, and what is left of one that came to nothing. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { inDirectory } from '../../../../src/cli/backup/directory.ts';

let root = '';
test.before.each(() => {
  root = mkdtempSync(join(tmpdir(), 'nursery-directory-'));
});
test.after.each(() => rmSync(root, { recursive: true }));

/** What comes of it. */
async function tried(directory: string, work: () => Promise<void>): Promise<string> {
  return await inDirectory(directory, 'cluster ams', work).then(
    () => 'done',
    (error: Error) => error.message,
  );
}

async function refused(): Promise<void> {
  throw new Error('refused');
}

test('two at once: the second is told who is at it; nothing is left of that', async () => {
  const directory = join(root, 'monday');
  let second = '';
  const first = await tried(directory, async () => {
    second = await tried(directory, async () => {});
    writeFileSync(join(directory, 'ams-7.image'), '');
  });
  assert.is(first, 'done');
  assert.ok(second.includes(`in use by another process (pid ${process.pid} on ${hostname()})`), second);
  assert.equal(readdirSync(directory), ['ams-7.image']);
});

test('of one that was refused nothing is left, unless it was there before', async () => {
  assert.is(await tried(join(root, 'a', 'b'), refused), 'refused');
  assert.not(existsSync(join(root, 'a')));
  mkdirSync(join(root, 'there'));
  assert.is(await tried(join(root, 'there'), refused), 'refused');
  assert.equal(readdirSync(join(root, 'there')), []);
  const beside = async (): Promise<void> => {
    writeFileSync(join(root, 'c', 'somebody'), '');
    await refused();
  };
  assert.is(await tried(join(root, 'c', 'd'), beside), 'refused');
  assert.equal(readdirSync(join(root, 'c')), ['somebody']);
});

test('one that was broken off keeps what it has, and one that was killed is gone on with', async () => {
  const directory = join(root, 'monday');
  const broken = async (): Promise<void> => {
    writeFileSync(join(directory, 'ams-7.image'), '');
    await refused();
  };
  assert.is(await tried(directory, broken), 'refused');
  assert.equal(readdirSync(directory).sort(), ['ams-7.image', 'unfinished']);
  writeFileSync(join(directory, 'OWNER'), 'pid 1 on killed');
  let owner = '';
  const goesOn = async (): Promise<void> => {
    owner = readFileSync(join(directory, 'OWNER'), 'utf8');
  };
  assert.is(await tried(directory, goesOn), 'done');
  assert.ok(owner.startsWith(`pid ${process.pid} `), owner);
  assert.equal(readdirSync(directory), ['ams-7.image']);
});

test('what belongs to somebody else is left as it is', async () => {
  writeFileSync(join(root, 'OWNER'), 'a node');
  assert.match(await tried(root, async () => {}), /it holds OWNER, which is no part of a backup/);
  assert.is(readFileSync(join(root, 'OWNER'), 'utf8'), 'a node');
});

test.run();
