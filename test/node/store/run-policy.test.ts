import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  goesDirectly,
  mergedBefore,
  mergeIsDue,
  RUN_POLICY,
  RUN_TABLES,
  restPart,
} from '../../../node/store/run-policy.ts';

const runs = (count: number, rows: number, removed = 0) =>
  Array.from({ length: count }, () => ({ rows, removed }));

test('a large flush goes where its rows belong where few others lie among them', () => {
  const MIB = 1024 * 1024;
  const directly = (rows: number, spread: number, base: number) =>
    goesDirectly(RUN_POLICY, { rows, bytes: rows * 117, spread }, { rows: base, bytes: base * 196 });
  assert.ok(directly(150_000, 0, 0), 'the first rows of all');
  assert.ok(directly(150_000, 0, 20_000_000), 'a copy, or a clean-up: nothing lies among its rows');
  assert.ok(directly(50_000, 3, 200_000), 'a fifth of a small store');
  assert.not.ok(directly(30_000, 4.1, 200_000), 'fewer share their pages with too few others');
  assert.not.ok(directly(150_000, 2.3, 500_000), 'more pages than one transaction should write');
  const values = { rows: 3000, bytes: 65 * MIB, spread: 0 };
  assert.not.ok(goesDirectly(RUN_POLICY, values, { rows: 0, bytes: 0 }), 'more bytes than that');
});

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

test('the more runs there are the less a merge rests', () => {
  const rests = [0, 24, 26, 28, 30, 32, 40].map((count) => restPart(RUN_POLICY, count));
  assert.equal(rests, [1, 1, 0.75, 0.5, 0.25, 0, 0]);
});

test('the last tables are shared out over the rest of the merge', () => {
  const before = Array.from({ length: RUN_TABLES }, (_, count) => mergedBefore(RUN_POLICY, count));
  assert.ok(before.slice(0, RUN_POLICY.urgentRuns).every((part) => part === 0));
  const paced = before.slice(RUN_POLICY.urgentRuns);
  for (const [at, part] of paced.entries()) assert.ok(Math.abs(part - (at + 1) / 9) < 1e-9, String(at));
  assert.ok((paced.at(-1) as number) < 1, 'none waits for the end of it');
  const unpaced = { ...RUN_POLICY, urgentRuns: RUN_TABLES };
  assert.ok(
    Array.from({ length: RUN_TABLES + 1 }, (_, count) => count).every((n) => mergedBefore(unpaced, n) === 0),
  );
});

test.run();
