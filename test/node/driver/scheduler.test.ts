import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ABANDONED, Scheduler, SLICE_MS } from '../../../node/driver/scheduler.ts';
import type { Work } from '../../../node/store/types.ts';

type World = { scheduler: Scheduler; run: () => void; stepMs: number; nowMs: number };

function world(): World {
  const turns: (() => void)[] = [];
  const state: World = {
    nowMs: 0,
    stepMs: SLICE_MS / 4,
    scheduler: new Scheduler(
      () => state.nowMs,
      (run) => turns.push(run),
    ),
    run: () => (turns.shift() as () => void)(),
  };
  return state;
}

test('short work ends at once and never pauses', () => {
  const { scheduler } = world();
  const seen: string[] = [];
  function* work(): Generator<undefined, string> {
    yield;
    return 'done';
  }
  scheduler.run(
    work(),
    (result) => seen.push(result),
    () => seen.push('failed'),
    () => seen.push('paused'),
  );
  assert.equal(seen, ['done']);
});

test('long work is paused before anything else runs, and takes turns with other work', () => {
  const state = world();
  const seen: string[] = [];
  function* work(name: string): Generator<undefined, string> {
    for (let i = 0; i < 8; i += 1) {
      state.nowMs += state.stepMs;
      seen.push(name);
      yield;
    }
    return name;
  }
  for (const name of ['a', 'b']) {
    state.scheduler.run(
      work(name),
      (result) => seen.push(`${result} ends`),
      () => undefined,
      () => seen.push(`${name} paused`),
    );
  }
  const slices = ['a', 'a', 'a', 'a', 'a paused', 'b', 'b', 'b', 'b', 'b paused'];
  assert.equal(seen, slices);
  state.run();
  state.run();
  assert.equal(seen.slice(10), slices, 'a slice each');
  state.run();
  state.run();
  assert.equal(seen.slice(20), ['a ends', 'b ends']);
});

test('whoever defers slices hears what they took since, those at the beginning of work among them', () => {
  const turns: (() => void)[] = [];
  const tookMs: number[] = [];
  let nowMs = 0;
  const scheduler = new Scheduler(
    () => nowMs,
    (run, ms) => {
      turns.push(run);
      tookMs.push(ms);
    },
  );
  function* work(...slicesMs: number[]): Work<undefined> {
    for (const ms of slicesMs) {
      nowMs += ms;
      yield;
    }
  }
  const begin = (...slicesMs: number[]): void =>
    scheduler.run(
      work(...slicesMs),
      () => undefined,
      () => undefined,
    );
  begin(2, 3, 4);
  begin(5);
  turns.shift()?.();
  assert.equal(tookMs, [2, 5 + 3]);
});

test('what work throws reaches its caller, and others go on', () => {
  const { scheduler } = world();
  const seen: unknown[] = [];
  // biome-ignore lint/correctness/useYield: work that fails before its first pause
  function* broken(): Generator<undefined, string> {
    throw new Error('broken');
  }
  scheduler.run(
    broken(),
    () => seen.push('done'),
    (error) => seen.push((error as Error).message),
  );
  assert.equal(seen, ['broken']);
});

test('work that nobody waits for any more ends before its next slice', () => {
  const deferred: (() => void)[] = [];
  let now = 0;
  const scheduler = new Scheduler(
    () => {
      now += SLICE_MS;
      return now;
    },
    (run) => deferred.push(run),
  );
  let steps = 0;
  function* endless(): Work<never> {
    for (;;) {
      steps += 1;
      yield;
    }
  }
  let isOver = false;
  const failed: unknown[] = [];
  scheduler.run(
    endless(),
    () => assert.unreachable('it has no end'),
    (error) => failed.push(error),
    () => undefined,
    () => isOver,
  );
  deferred.shift()?.();
  assert.equal(failed, []);
  isOver = true;
  const before = steps;
  deferred.shift()?.();
  assert.equal(failed, [ABANDONED]);
  assert.is(steps, before);
  assert.is(deferred.length, 0);
});

test.run();
