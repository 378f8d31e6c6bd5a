import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { FunctionEngine } from '../../../node/functions/engine.ts';
import { CALL_WORK_MAX } from '../../../node/machine/function-call.ts';
import { HOSTILE, sourceOf } from './hostile-functions.ts';
import { rowsInMemory } from './rows-in-memory.ts';

/** A call may take so much time of a processor (ms). */
const CALL_MS_MAX = 20;

test('hostile functions end, within the limit of work, and soon', async () => {
  const engine = await FunctionEngine.start();
  assert.ok(Object.keys(HOSTILE).length >= 30);
  for (const [name, body] of Object.entries(HOSTILE)) {
    const stored = { source: sourceOf(body) };
    engine.prepare(stored);
    const times = Array.from({ length: 5 }, () => {
      const before = process.cpuUsage();
      const outcome = engine.call(stored, rowsInMemory(new Map()), null);
      const { user, system } = process.cpuUsage(before);
      assert.ok(outcome.work <= CALL_WORK_MAX, name);
      return (user + system) / 1000;
    });
    // The fastest of some: others compile, collect, or share a processor.
    const best = Math.min(...times);
    assert.ok(best <= CALL_MS_MAX, `${name}: ${best} ms`);
  }
});

test('what came of a call, and the work of it, is the same in processes of different history', async () => {
  const child = fileURLToPath(new URL('count-child.js', import.meta.url));
  const run = async (seed: number) => {
    const { stdout } = await promisify(execFile)(process.execPath, [child, String(seed)]);
    return JSON.parse(stdout) as unknown;
  };
  const [first, ...others] = await Promise.all([run(0), run(31)]);
  for (const other of others) assert.equal(other, first);
});

test('what a hostile function leaves behind, the next call does not see', async () => {
  const engine = await FunctionEngine.start();
  const counted = {
    source: sourceOf('globalThis.seen = (globalThis.seen ?? 0) + 1; return String(globalThis.seen)'),
  };
  const first = engine.call(counted, rowsInMemory(new Map()), null);
  for (const body of Object.values(HOSTILE)) {
    engine.call({ source: sourceOf(body) }, rowsInMemory(new Map()), null);
    assert.equal(engine.call(counted, rowsInMemory(new Map()), null), first);
  }
});

test.run();
