import { execFile, execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import yargsParser from 'yargs';
import { EXIT_CODES, FatalError } from '../../../src/base/errors.ts';
import { COMMANDS, nearest, usageError } from '../../../src/cli/usage.ts';
import { protectWords } from '../../../src/cli/words.ts';

const MAIN = fileURLToPath(new URL('../../../src/cli/main.js', import.meta.url));

function refused(given: readonly string[]): string {
  try {
    protectWords(given);
  } catch (error) {
    if (error instanceof FatalError && error.exitCode === EXIT_CODES.USAGE) return error.message;
    throw error;
  }
  throw new Error(`${given.join(' ')} was not refused`);
}

/** What yargs makes of a key and a value, where it is given stand-ins. */
function through(...words: string[]): unknown[] {
  const { argv, decode } = protectWords(words);
  const parsed = yargsParser([...argv])
    .command('set <key> <value>', '', (command) =>
      command.positional('key', { type: 'string' }).option('to', { type: 'string' }),
    )
    .parserConfiguration({ 'parse-positional-numbers': false })
    .exitProcess(false)
    .parseSync();
  return [parsed['key'], parsed['value'], parsed['to']].map((word) =>
    typeof word === 'string' ? decode(word) : word,
  );
}

test('words come back as they were given, whatever they look like', () => {
  const odd = [
    '-',
    '',
    '"quoted"',
    "'quoted'",
    '-1',
    '0x00',
    'true',
    '1e3',
    'a=b',
    '007',
    '{}',
    '\\n',
    'é',
    'a b',
  ];
  for (const word of odd) assert.equal(through('set', word, word), [word, word, undefined], word);
  for (const word of ['--x', '-a', '--', '--to=y', '-']) {
    assert.equal(through('set', '--to', '-', '--', word, word), [word, word, '-'], word);
  }
  assert.equal(through('set', 'k', 'v', '--to=-x=--y'), ['k', 'v', '-x=--y']);
  const words = fc.string().filter((word) => !word.includes('\0'));
  fc.assert(
    fc.property(words, words, words, (key, value, to) => {
      assert.equal(through('set', `--to=${to}`, '--', key, value), [key, value, to]);
    }),
    { numRuns: 200 },
  );
});

test('what cannot be meant is refused', () => {
  assert.match(refused(['get', '--config', 'a', '--config', 'b']), /--config is given twice/);
  assert.match(refused(['get', '--json', '--json']), /--json is given twice/);
  assert.match(refused(['get', '--max=1', '--max', '2']), /--max is given twice/);
  assert.match(
    refused(['get', '-x']),
    /-x: options have two dashes; a word that begins with - stands behind --/,
  );
  assert.match(
    refused(['migrate', '--dryRun', '--dry-run']),
    /no option --dryRun: options are in small letters/,
  );
  assert.match(refused(['--config', 'x', 'get', 'k']), /the command comes first/);
  assert.equal(protectWords(['get', '--', '--json', '--json']).options, []);
});

test('a near word is suggested, and none where none is near', () => {
  const near = {
    gte: 'get',
    stauts: 'status',
    migrat: 'migrate',
    delet: 'delete',
    who: 'who-master',
    rang: 'range',
  };
  for (const [word, meant] of Object.entries(near)) assert.is(nearest(word, COMMANDS), meant, word);
  for (const word of ['frobnicate', '', 'x', 'explode']) assert.is(nearest(word, COMMANDS), null, word);
  const words = protectWords(['get', '--jsn', 'k', 'more']);
  const said = (message: string, command: string) =>
    usageError(message, words, command, ['config', 'json']).message;
  assert.is(said('Unknown argument: jsn', 'get'), 'there is no option --jsn; is --json meant?');
  assert.is(said('Unknown argument: x', 'gte'), 'there is no command gte; is get meant?');
  assert.match(
    said('Not enough non-option arguments: got 0, need at least 2', 'set'),
    /set needs 2 words, and none is there/,
  );
  assert.match(
    said('Not enough non-option arguments: got 0, need at least 1', 'get'),
    /get needs 1 word, and none is there/,
  );
});

test('what is said is the same in every locale', () => {
  const env = { ...process.env, LC_ALL: 'de_DE.UTF-8', LANG: 'de_DE.UTF-8' };
  const { stderr } = spawnSync(process.execPath, [MAIN, 'gte'], { encoding: 'utf8', env });
  assert.is(stderr, 'nursery: there is no command gte; is get meant?\n');
});

test('the commands are those of the help', () => {
  const help = execFileSync(process.execPath, [MAIN, '--help'], { encoding: 'utf8' });
  const listed = [...help.matchAll(/^ {2}nursery ([a-z-]+)/gm)].map((match) => match[1] as string);
  assert.equal([...listed].sort(), [...COMMANDS].sort());
});

test('help names the groups of commands, in their order', () => {
  const help = execFileSync(process.execPath, [MAIN, '--help'], { encoding: 'utf8' });
  const titles = help.split('\n').filter((line) => /^[A-Z].*:$/.test(line));
  assert.equal(titles, [
    'Servers:',
    'A nursery:',
    'Data:',
    'Copies:',
    'When all else is lost:',
    'Tools:',
    'Measuring:',
    'Options:',
  ]);
});

const execute = promisify(execFile);

test('help of each command has an example, which the command line takes', async () => {
  const cwd = mkdtempSync(join(tmpdir(), 'nursery-examples-'));
  writeFileSync(join(cwd, 'picture.png'), 'a picture');
  writeFileSync(join(cwd, 'counter.js'), 'export default () => undefined;');
  await Promise.all(
    [...COMMANDS].map(async (command) => {
      const { stdout } = await execute(process.execPath, [MAIN, command, '--help']);
      const examples = examplesIn(stdout).filter(([first]) => first === command);
      assert.ok(examples.length > 0, `${command} has an example`);
      if (['dev', 'sim', 'bench', 'completion'].includes(command)) return; // would do it
      for (const words of examples) {
        const failure = await execute(process.execPath, [MAIN, ...words], { cwd }).catch((error) => error);
        // There is no such configuration; what needs none says that there is no such backup.
        const isOfFile = words.includes('--config');
        assert.is(failure.code, isOfFile ? 66 : 2, `${words.join(' ')}: ${failure.stderr}`);
        assert.ok(isOfFile || failure.stderr.includes('is missing'), `${words.join(' ')}: ${failure.stderr}`);
      }
    }),
  );
  rmSync(cwd, { recursive: true });
});

/** The words behind `nursery` in each example of a command's help: a line each, which can be copied. */
function examplesIn(help: string): string[][] {
  const [, examples = ''] = help.split('\nExamples:\n');
  return examples
    .split('\n')
    .filter((line) => line.startsWith('  nursery '))
    .map((line) => line.trim().split(' ').slice(1));
}

test.run();
