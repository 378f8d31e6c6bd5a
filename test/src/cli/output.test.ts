import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { EXIT_CODES } from '../../../src/base/errors.ts';
import { within } from '../../support/wait.ts';

const OUTPUT = new URL('../../../src/cli/output.js', import.meta.url).href;
const LINES = 5000;

/** A process that runs `body`, with all of output.ts in `output`. */
function run(body: string): ChildProcess {
  const script = `const output = await import(${JSON.stringify(OUTPUT)}); ${body}`;
  return spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

test('a reader that does not read costs lines of progress, and holds up nothing', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'nursery-output-'));
  const worked = join(folder, 'worked');
  const script = `
    import { writeFileSync } from 'node:fs';
    const output = await import(${JSON.stringify(OUTPUT)});
    const display = new output.Display();
    display.line('first');
    for (let i = 0; i < ${LINES}; i += 1) display.progress('progress '.padEnd(1000, '.'));
    display.line('last');
    writeFileSync(${JSON.stringify(worked)}, '');
    display.end();`;
  // A pipe as shells make them; it is read once the work is done.
  const reader = `{ until [ -e "${worked}" ]; do sleep 0.05; done; cat; }`;
  const child = spawn('bash', ['-c', `"$NODE" --input-type=module -e "$SCRIPT" | ${reader}`], {
    env: { ...process.env, NODE: process.execPath, SCRIPT: script },
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  });
  try {
    let text = '';
    child.stdout.on('data', (chunk) => (text += chunk));
    const [code] = await within(20_000, 'work beside a pipe that is full', once(child, 'close'));
    const lines = text.split('\n');
    assert.equal([code, lines[0], lines.at(-2), lines.at(-1)], [0, 'first', 'last', '']);
    assert.ok(lines.length < LINES, 'lines were left out');
    for (const line of lines.slice(1, -2)) assert.is(line.length, 1000, 'each that is there is whole');
  } finally {
    if (child.exitCode === null) process.kill(-(child.pid as number), 'SIGKILL');
    rmSync(folder, { recursive: true });
  }
});

test('a display ends quietly with its pipe, and print says that it is closed', async () => {
  const child = run(`
    const display = new output.Display();
    for (let i = 0; i < ${LINES}; i += 1) display.line('line '.padEnd(1000, '.'));
    display.end();
    try {
      output.print('more');
    } catch (error) {
      process.exit(error.exitCode);
    }`);
  child.stdout?.destroy();
  let said = '';
  child.stderr?.on('data', (chunk) => (said += chunk));
  const [code] = await once(child, 'close');
  assert.equal([code, said], [EXIT_CODES.PIPE_CLOSED, '']);
});

test.run();
