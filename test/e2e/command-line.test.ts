/** The bytes that are given on a command line are the bytes that are meant, and what cannot be meant is refused. */
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { EXIT_CODES } from '../../src/base/errors.ts';
import { VALUE_MAX } from '../../src/base/limits.ts';
import { TestCluster } from '../support/clusters.ts';
import { type Lab, labSuite } from '../support/processes.ts';
import { shell } from '../support/shell.ts';

const tests = labSuite('command line');
let shared: Promise<TestCluster> | null = null;

/** A cluster of one, shared by all of these tests. */
function cluster(lab: Lab): Promise<TestCluster> {
  shared ??= TestCluster.start(lab, { clusterId: 'words', size: 1 });
  return shared;
}

type Outcome = { readonly code: number; readonly stdout: string; readonly stderr: string };

async function run(lab: Lab, command: string, ...args: string[]): Promise<Outcome> {
  const { file } = await cluster(lab);
  const { code, stdout, stderr } = await lab.run([command, '--config', file, ...args]);
  return { code: code ?? -1, stdout, stderr };
}

async function succeeds(lab: Lab, command: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await run(lab, command, ...args);
  assert.is(code, 0, `${command} ${args.join(' ')}: ${stderr}`);
  return stdout;
}

/** Refused as wrong usage, in one line. */
async function refused(lab: Lab, says: RegExp, command: string, ...args: string[]): Promise<void> {
  const { code, stderr } = await run(lab, command, ...args);
  assert.is(code, EXIT_CODES.USAGE, `${command} ${args.join(' ')}: ${stderr}`);
  assert.match(stderr, says);
  assert.is(stderr.trim().split('\n').length, 1, stderr);
}

tests.test('a lone -, quotes, what stands behind --, and the empty word', async (lab) => {
  const client = (await cluster(lab)).client();
  await client.call((one) => one.set('', 'the empty key'));
  // `delete -` would remove the empty key, and `set k -` store nothing, if - were taken for ''.
  const missing = await run(lab, 'delete', '-');
  assert.is(missing.code, EXIT_CODES.NOT_FOUND, missing.stderr);
  assert.match(missing.stderr, /there is no key -\n/);
  assert.is((await client.call((one) => one.get(''))).toString(), 'the empty key');
  for (const value of ['-', '"quoted"', "'q'", '-1', 'true', '']) {
    await succeeds(lab, 'set', 'k', value);
    assert.is((await client.call((one) => one.get('k'))).toString(), value);
  }
  await succeeds(lab, 'set', '--', '--config', '--json');
  assert.is(await succeeds(lab, 'get', '--', '--config'), '--json');
  assert.is(await succeeds(lab, 'range', '--', '-a', 'l'), 'k\n');
  await succeeds(lab, 'delete', '--', '--config');
  await succeeds(lab, 'delete', '');
  assert.is(await succeeds(lab, 'range'), 'k\n');
});

tests.test('values from files and standard input, byte for byte', async (lab) => {
  const { file } = await cluster(lab);
  const bytes = Buffer.from([0, 255, 10, 34, 13, 10]);
  writeFileSync(join(lab.dir, 'value'), bytes);
  writeFileSync(join(lab.dir, '-'), 'a file of that name');
  const client = (await cluster(lab)).client();
  await succeeds(lab, 'set', 'file', '--from', 'value');
  assert.ok((await client.call((one) => one.get('file'))).equals(bytes));
  const piped = await shell('nursery set --config "$CONFIG" piped --from -', file, bytes);
  assert.is(piped.code, 0, piped.stderr);
  assert.ok((await client.call((one) => one.get('piped'))).equals(bytes));
  await succeeds(lab, 'set', 'file', '--from', './-');
  for (const nothing of ['<&-', '< /dev/null']) {
    const closed = await shell(`nursery set --config "$CONFIG" piped --from - ${nothing}`, file);
    assert.is(closed.code, EXIT_CODES.USAGE, closed.stderr);
    assert.match(closed.stderr, /standard input is closed, or is \/dev\/null/);
  }
  assert.is(await succeeds(lab, 'get', 'file'), 'a file of that name');
  await refused(lab, /--from: file none cannot be read: it is missing/, 'set', 'file', '--from', 'none');
  await refused(lab, /function put: file none cannot be read: it is missing/, 'function', 'put', 'f', 'none');
  await refused(lab, /function put: file \. cannot be read: it is a directory/, 'function', 'put', 'f', '.');
  await refused(
    lab,
    /--from: file \. cannot be read: it is a directory, where a file is wanted/,
    'set',
    'file',
    '--from',
    '.',
  );
  await refused(lab, /one of the two/, 'set', 'file', 'value', '--from', 'value');
  await refused(lab, /one of the two/, 'set', 'file');
  const tooMuch = await shell(
    `head -c ${VALUE_MAX + 1} /dev/zero | nursery set --config "$CONFIG" big --from -
    exit "\${PIPESTATUS[1]}"`,
    file,
  );
  assert.is(tooMuch.code, EXIT_CODES.USAGE, tooMuch.stderr);
  assert.match(tooMuch.stderr, new RegExp(`more than ${VALUE_MAX} bytes`));
  // What is no UTF-8 reaches no program as it was written.
  const lost = await shell(`nursery set --config "$CONFIG" $'\\xff' value`, file);
  assert.is(lost.code, EXIT_CODES.USAGE, lost.stderr);
  assert.match(lost.stderr, /0xff/);
});

tests.test('contradicting forms, unknown and repeated words, numbers beyond their range', async (lab) => {
  await refused(lab, /exclude each other/, 'migrate', 'a', 'k', 'b', '--range', 'a..b', '--to', 'c');
  await refused(lab, /--resume and --abort N exclude/, 'migrate', '--resume', '--abort', '3');
  await refused(lab, /--dry-run and --resume/, 'migrate', '--resume', '--dry-run');
  await refused(lab, /--range a\.\.\.b/, 'migrate', '--range', 'a...b', '--to', 'c');
  await refused(lab, /no command stauts; is status meant/, 'stauts');
  await refused(lab, /no option --jsn; is --json meant/, 'get', 'k', '--jsn');
  await refused(lab, /one word too many for get: more/, 'get', 'k', 'more');
  await refused(lab, /--config is given twice/, 'get', 'k', '--config', 'other.ini');
  await refused(
    lab,
    /--max is "99999999999999999999"; .* from -1 to/,
    'range',
    '--max',
    '99999999999999999999',
  );
  await refused(lab, /--max is "-2"/, 'range', '--max', '-2');
  await refused(lab, /--json takes no value/, 'get', 'k', '--json=no');
});

tests.test('options that belong to another word or form are refused, and not ignored', async (lab) => {
  const stray: readonly (readonly [option: string, ...given: string[]])[] = [
    ['keep', 'node', 'flush', '--node', 'n', '--keep', '3'],
    ['keep', 'node', '--node', 'n', '--keep', '3'],
    ['bootstrap', 'node', 'state', '--node', 'n', '--bootstrap'],
    ['without-keeper', 'node', 'collapse', '--node', 'n', '--without-keeper'],
    ['from', 'log', 'verify', '--node', 'n', '--from', '3'],
    ['values', 'log', 'verify', '--node', 'n', '--values'],
    ['table', 'store', 'digest', '--node', 'n', '--table', 'data'],
    ['empty', 'rescue', 'promote', '--node', 'n', '--empty'],
    ['empty', 'rescue', 'keeper', 'a.ini', '--empty'],
    ['dry-run', 'import', '--from-arakoon', 'h:1', '--cluster-id', 'c', '--dry-run'],
    ['overwrite', 'import', '--from-arakoon', 'h:1', '--cluster-id', 'c', '--overwrite'],
    ['every', 'top', '--once', '--every', '3'],
    ['timeout', 'merge', 'k', '--dry-run', '--timeout', '3'],
    ['timeout', 'rebalance', '--plan', '--timeout', '3'],
    ['timeout', 'migrate', '--range', 'a..b', '--to', 'c', '--dry-run', '--timeout', '3'],
    ['timeout', 'migrate', '--pause', '3', '--timeout', '3'],
  ];
  for (const [option, command, ...args] of stray)
    await refused(lab, new RegExp(`does not take --${option}$`, 'm'), command as string, ...args);
});

tests.test('no range begins or ends where no key can be', async (lab) => {
  const long = 'k'.repeat(4026);
  const says = /key of 4026 bytes: the limit is 4025 bytes$/m;
  await refused(lab, says, 'migrate', '--range', `${long}..o`, '--to', 'c');
  await refused(lab, says, 'migrate', 'a', long, 'b');
  await refused(lab, says, 'remove', 'a', long);
  await refused(lab, says, 'merge', long);
  await refused(lab, says, 'history', long);
  await refused(lab, says, 'export', '--to', '-', '--range', `a..${long}`);
  await refused(lab, says, 'import', '--from', '-', '--range', `a..${long}`);
  await refused(lab, says, 'export', '--to', '-', '--key', long);
});

tests.test(
  'a comparison runs what is installed, names what is not, and leaves nothing behind',
  async (lab) => {
    const wrong: readonly [says: RegExp, ...args: string[]][] = [
      [/nothing is known of postgres .*; there are: etcd, redis$/m, 'postgres'],
      [/function cannot be compared with Redis$/m, 'redis', '--mix', 'function'],
      [/compare and config are mutually exclusive/, 'redis', '--config', 'x'],
      [/others speak TCP only$/m, 'redis', '--transport', 'ws'],
    ];
    for (const [says, ...args] of wrong) {
      const { code, stderr } = await lab.run(['bench', '--compare', ...args]);
      assert.ok(code === EXIT_CODES.USAGE || code === EXIT_CODES.REFUSED, stderr);
      assert.match(stderr, says);
    }
    const load = ['--mix', 'get', '--connections', '1', '--keys', '100', '--seconds', '1', '--warm-up', '0'];
    const folder = join(lab.dir, 'compared');
    mkdirSync(folder);
    const args = ['bench', '--compare', 'redis', '--json', ...load];
    const ran = await lab.start('bench', args, { TMPDIR: folder }).finished();
    assert.equal(readdirSync(folder), [], 'its directory is gone');
    if (ran.code === EXIT_CODES.OK) {
      const lines = ran.stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line));
      assert.equal(
        lines.map(({ name, errorCount }) => [name, errorCount]),
        [
          ['nursery', 0],
          ['redis', 0],
        ],
      );
      for (const { perSecond, cpuUs } of lines) assert.ok(perSecond > 0 && cpuUs >= 0);
    } else {
      assert.is(ran.code, EXIT_CODES.UNREACHABLE, ran.stderr);
      assert.match(ran.stderr, /spawn redis-server ENOENT; apt-get install redis-server/);
    }
  },
);

tests.run();
