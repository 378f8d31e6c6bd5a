/** What a flush costs where its rows belong is told by a few of its keys. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Environment, openEnvironment } from '../../../node/store/environment.ts';
import { Generation } from '../../../node/store/overlay.ts';
import { SPREAD_MAX, spansOf, spreadOf } from '../../../node/store/spread.ts';

const dir = mkdtempSync(join(tmpdir(), 'nursery-spread-'));
test.after(() => rmSync(dir, { recursive: true, force: true }));

const STORED = 50_000;
const keyOf = (n: number): string => `\x01${String(n).padStart(8, '0')}`;

/** As many rows as `of` names keys. */
function flushOf(count: number, of: (n: number) => number): Generation {
  const generation = new Generation(1);
  for (let n = 0; n < count; n += 1) generation.set(keyOf(of(n)), Buffer.from('v'));
  return generation;
}

test('rows beside each other have few others among them, however many there are elsewhere', async () => {
  const environment: Environment = openEnvironment(dir);
  const spread = (generation: Generation): number => spreadOf(environment, spansOf(generation));
  assert.is(spread(flushOf(5000, (n) => n)), 0, 'nothing is there yet');
  environment.transactionSync(() => {
    for (let n = 0; n < STORED; n += 1) void environment.put(keyOf(n), Buffer.from('stored'));
  });
  assert.is(spread(flushOf(5000, (n) => STORED + n)), 0, 'a copy to where nothing is');
  assert.is(
    spread(flushOf(5000, (n) => 20_000 + n)),
    0,
    'the very rows that are there, overwritten or removed',
  );
  assert.is(spread(flushOf(5000, (n) => 5 * n)), 4, 'one in five');
  assert.is(spread(flushOf(500, (n) => 100 * n)), SPREAD_MAX, 'one in a hundred: so many are not counted');
  const mixed = flushOf(30_000, (n) => (n < 10_000 ? 5 * n : STORED + n));
  const most = spread(mixed);
  assert.ok(most > 0.5 && most < 3, `a third of one in five, and a copy: ${most}`);
  await environment.close();
});

test('of a flush with a row or none nothing is known', async () => {
  const environment = openEnvironment(dir);
  assert.is(spreadOf(environment, spansOf(flushOf(0, (n) => n))), SPREAD_MAX);
  assert.is(spreadOf(environment, spansOf(flushOf(1, (n) => n))), SPREAD_MAX);
  await environment.close();
});

test.run();
