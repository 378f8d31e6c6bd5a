/** When a merge begins by itself: times are given, nothing waits. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Counting } from '../../../node/store/counting.ts';
import { openEnvironment } from '../../../node/store/environment.ts';
import { Merger } from '../../../node/store/merger.ts';
import { RUN_POLICY } from '../../../node/store/run-policy.ts';
import { RunStock } from '../../../node/store/run-stock.ts';

const dir = mkdtempSync(join(tmpdir(), 'nursery-merger-'));
test.after(() => rmSync(dir, { recursive: true, force: true }));

test('runs are merged when no large one has come for a while; small ones, and who reads an older image, are told apart', async () => {
  const environment = openEnvironment(dir);
  const stock = new RunStock(environment);
  const merger = new Merger(dir, environment, stock, new Counting(environment), RUN_POLICY, 0);
  assert.is(merger.waitMs(0), null, 'there are none');
  const { directRowsMax, mergeIdleMs } = RUN_POLICY;
  const add = (slot: number, rows: number, nowMs: number): void => {
    const note = { slot, table: stock.take() ?? -1, rows, removed: 0 };
    stock.added(note);
    merger.added(note, nowMs);
  };
  add(1, directRowsMax + 1, 1000);
  assert.is(merger.waitMs(4000), mergeIdleMs - 3000);
  add(2, directRowsMax, 4000);
  assert.is(merger.waitMs(4000), mergeIdleMs - 3000, 'a small one only is a run since the other lies there');
  add(3, directRowsMax + 1, 5000);
  assert.is(merger.waitMs(5000), mergeIdleMs);
  merger.pinned(true);
  assert.is(merger.waitMs(1e6), null, 'what it frees could not be used again');
  merger.pinned(false);
  assert.is(merger.waitMs(1e6), 0);
  await environment.close();
});

test.run();
