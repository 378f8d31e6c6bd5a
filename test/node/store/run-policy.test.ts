import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { mergeIsDue, RUN_POLICY, RUN_TABLES } from '../../../node/store/run-policy.ts';

const runs = (count: number, rows: number, removed = 0) =>
  Array.from({ length: count }, () => ({ rows, removed }));

test('runs are merged when they hold a fifth of what is below, when they are many, or when nothing comes', () => {
  const idleMs = 0;
  const due = (baseRows: number, ...state: Parameters<typeof runs>) =>
    mergeIsDue(RUN_POLICY, { runs: runs(...state), baseRows, idleMs });
  assert.not.ok(due(20_000_000, 0, 0), 'there are none');
  assert.not.ok(due(20_000_000, 20, 150_000));
  assert.ok(due(20_000_000, 20, 200_000));
  assert.not.ok(due(1000, 1, 40_000), 'a small store is not rewritten for each run');
  assert.ok(due(1000, 2, 25_000));
  assert.not.ok(
    due(200_000, 3, 60_000),
    'a store that changes all over is not rewritten for each part of it',
  );
  assert.ok(due(200_000, 4, 50_000));
  assert.not.ok(due(1_000_000, 4, 60_000));
  assert.ok(due(1_000_000, 5, 50_000));
  assert.ok(due(20_000_000, 20, 0, 100_000), 'what is gone counts double');
  assert.ok(due(20_000_000, 24, 1), 'however small');
  assert.ok(mergeIsDue(RUN_POLICY, { runs: runs(1, 1), baseRows: 20_000_000, idleMs: 10_000 }));
  assert.not.ok(mergeIsDue(RUN_POLICY, { runs: [], baseRows: 1, idleMs: 10_000 }));
});

test('there are tables left while runs are merged', () => {
  assert.ok(RUN_POLICY.mergeRuns < RUN_POLICY.urgentRuns);
  assert.ok(RUN_POLICY.urgentRuns < RUN_TABLES);
});

test.run();
