/** `nursery sim` as a user runs it. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';

const MAIN = fileURLToPath(new URL('../../../src/cli/main.js', import.meta.url));

function sim(...args: string[]): { status: number | null; out: string; err: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, 'sim', ...args], {
    encoding: 'utf8',
  });
  return { status, out: stdout, err: stderr };
}

test('runs seeds and says so', () => {
  const { status, out, err } = sim('--seed', '3', '--seeds', '2', '--faults', 'crashNode,partition');
  assert.is(status, 0, err);
  assert.match(out, /^2 of 2 nurseries from seed 3 kept every promise: \d+ operations, [\d.]+ s\n$/);
});

test('replays one seed step by step, the same each time', () => {
  const first = sim('--replay', '3', '--trace');
  assert.is(first.status, 0, first.err);
  assert.match(first.out, /became master/);
  assert.match(first.out, /every check holds/);
  assert.ok(first.out === sim('--replay', '3', '--trace').out, 'byte for byte');
});

for (const [only, noun] of [
  ['consensus', 'clusters'],
  ['migration', 'schedules of moves'],
  ['store', 'stores'],
] as const) {
  test(`runs ${only} alone, and replays a seed of it`, () => {
    const { status, out, err } = sim('--only', only, '--seed', '3', '--seeds', '2');
    assert.is(status, 0, err);
    const line = `^2 of 2 ${noun} from seed 3 kept every promise: \\d+ operations, [\\d.]+ s\\n$`;
    assert.match(out, new RegExp(line));
    const first = sim('--only', only, '--replay', '3', '--trace');
    assert.is(first.status, 0, first.err);
    assert.match(first.out, /every check holds/);
    assert.ok(first.out.split('\n').length > 100, 'step by step');
    assert.ok(first.out === sim('--only', only, '--replay', '3', '--trace').out, 'byte for byte');
  });
}

test('names the faults there are', () => {
  const { status, err } = sim('--faults', 'earthquake');
  assert.is(status, 2);
  assert.match(err, /there is no fault earthquake; known: crashNode/);
  assert.match(sim('--only', 'consensus', '--faults', 'crashNode').err, /no fault crashNode; known: crash, /);
  assert.match(
    sim('--only', 'migration', '--faults', 'crash').err,
    /no fault crash; known: --only migration has/,
  );
});

test.run();
