/** Completion offers what help says, and shells take it. Where a shell is not there its test is skipped, and says so. */
import { execFileSync, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { NODE_WORDS } from '../../../src/cli/ask-node.ts';
import { SHELLS, type Shell } from '../../../src/cli/completion/scripts.ts';
import { commandIn } from '../../../src/cli/completion/surface.ts';
import { COMMANDS } from '../../../src/cli/usage.ts';

const MAIN = fileURLToPath(new URL('../../../src/cli/main.js', import.meta.url));
const scripts = new Map<Shell, string>(
  SHELLS.map((shell) => [
    shell,
    execFileSync(process.execPath, [MAIN, 'completion', shell], { encoding: 'utf8' }),
  ]),
);

function scriptOf(shell: Shell): string {
  return scripts.get(shell) as string;
}

/** Runs a test where the shell is there. */
function ifThere(shell: Shell, name: string, body: () => void): void {
  if (spawnSync(shell, ['-c', 'exit 0']).status === 0) test(name, body);
  else {
    console.log(`skipped, since there is no ${shell}: ${name}`);
    test.skip(name, body);
  }
}

/** What bash offers for the last of these words. */
function offered(...words: readonly string[]): string[] {
  const line = ['nursery', ...words].map((word) => `'${word}'`).join(' ');
  const ask = `COMP_WORDS=(${line}); COMP_CWORD=${words.length}; _nursery; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout, stderr } = spawnSync('bash', ['-c', `${scriptOf('bash')}\n${ask}`], { encoding: 'utf8' });
  assert.is(stderr, '');
  return stdout.split('\n').filter((word) => word !== '');
}

test('options and words are read out of help', () => {
  const help = [
    'Positionals:',
    '  what  dump, or verify  [string] [required]',
    'Options:',
    '  --help    Show help  [boolean]',
    '  --version Show it  [boolean]',
    '  --config  configuration file (INI)  [string] [required]',
    '  --wait    until all is well  [choices: "healthy"]',
  ].join('\n');
  const { words, options } = commandIn(help);
  assert.equal(words, ['dump', 'verify']);
  assert.equal(
    options.map(({ name, hasValue }) => [name, hasValue]),
    [
      ['help', false],
      ['config', true],
      ['wait', true],
    ],
  );
});

test('each shell knows every command, and more of each', () => {
  for (const shell of SHELLS) {
    for (const command of COMMANDS)
      assert.match(scriptOf(shell), new RegExp(`\\b${command}\\b`), `${shell}: ${command}`);
    assert.match(scriptOf(shell), 'safe-to-stop');
    assert.match(scriptOf(shell), 'lose-from');
  }
});

ifThere('bash', 'bash offers commands first, then words and options of the command', () => {
  assert.equal(offered('sta'), ['status']);
  assert.equal(
    offered('node', 's'),
    NODE_WORDS.filter((word) => word.startsWith('s')),
  );
  assert.equal(offered('status', '--wa'), ['--watch', '--wait']);
  assert.equal(offered('top', '--config', 'r'), [], 'files are for the shell');
  assert.equal(offered('log', 'v', '--no'), ['--node']);
});

ifThere('zsh', 'zsh takes its script', () => {
  const { status, stderr } = spawnSync('zsh', ['-n'], { input: scriptOf('zsh'), encoding: 'utf8' });
  assert.equal([status, stderr], [0, '']);
});

ifThere('fish', 'fish takes its script, and offers commands', () => {
  const ask = `${scriptOf('fish')}\ncomplete -C 'nursery stat'`;
  const { stdout, stderr } = spawnSync('fish', ['-c', ask], { encoding: 'utf8' });
  assert.not.match(stderr, 'error');
  assert.match(stdout, /^status\t/m);
});

test.run();
