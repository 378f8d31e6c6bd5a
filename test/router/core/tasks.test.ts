/** Tasks by themselves: until when they are held, what is refused, and when a queue is looked at again. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createRouter } from '../../../router/core/step.ts';
import {
  answerWithinMs,
  codeOf,
  createTask,
  expire,
  finish,
  hold,
  needBy,
  type Refusal,
  release,
} from '../../../router/core/tasks.ts';
import { LIMITS, type Limits, type Router, type Task } from '../../../router/core/types.ts';
import { RETURN_CODES } from '../../../src/base/errors.ts';
import { OK } from '../../../src/protocol/arakoon/replies.ts';

const NOW_MS = 5000;
const UNTIL_MS = NOW_MS + 200;
const WHY: Refusal = { code: 'NOT_MASTER', message: 'none' };

function begun(limits: Partial<Limits> = {}): Router {
  const version = { major: 1, minor: 9, patch: 22, text: 'a router in a test' };
  const router = createRouter({ name: 'R', clusterId: 'nursery', version, nowMs: NOW_MS, limits });
  router.effects = [];
  return router;
}

/** A read with a body of ten bytes. */
function task(request: number, more: Partial<Task> = {}): Task {
  const times = { arrivedMs: NOW_MS, holdUntilMs: UNTIL_MS, answerByMs: UNTIL_MS + 100 };
  const what = { origin: 0, isUpdate: false, isStale: false, body: new Uint8Array(10), keys: [], ranges: [] };
  const made = createTask({ request, ...times, ...what, to: null, gather: null, indices: [], ...more });
  return Object.assign(made, more);
}

/** Requests that were answered, with their return codes. */
function answers(router: Router): [request: number, code: number][] {
  return router.effects.flatMap((effect) =>
    effect.kind === 'answer' ? [[effect.request, codeOf(effect.answer.bytes)] as [number, number]] : [],
  );
}

const wakes = (router: Router): number[] =>
  router.effects.flatMap((effect) => (effect.kind === 'wake' ? [effect.atMs] : []));

test('a task begins unheld, and without redirects', () => {
  const { redirects, wasHeld, heldBytes } = task(1);
  assert.equal([redirects, wasHeld, heldBytes], [0, false, -1]);
});

test('what is held counts, and is looked at again: soon, or when its time is up', () => {
  const router = begun();
  const queue: Task[] = [];
  hold(router, queue, task(1), NOW_MS, WHY);
  assert.equal([queue.length, router.held, router.heldBytes, router.counters.holds], [1, 1, 10, 1]);
  assert.equal(wakes(router), [NOW_MS + 50]);
  const late = begun();
  hold(late, [], task(1, { holdUntilMs: NOW_MS + 20 }), NOW_MS, WHY);
  assert.equal(wakes(late), [NOW_MS + 20]);
});

test('whose time is up is not held, but answered', () => {
  const at = (nowMs: number): unknown => {
    const router = begun();
    const queue: Task[] = [];
    hold(router, queue, task(1), nowMs, WHY);
    return [queue.length, router.held, router.counters.holdsExpired, answers(router)];
  };
  assert.equal(at(UNTIL_MS - 1), [1, 1, 0, []]);
  assert.equal(at(UNTIL_MS), [0, 0, 1, [[1, RETURN_CODES.NOT_MASTER]]]);
});

test('only so many are held, and so many bytes; what was held before finds its place again', () => {
  for (const limits of [{ heldMax: 2 }, { heldBytes: 20 }]) {
    const router = begun(limits);
    const queue: Task[] = [];
    for (const request of [1, 2, 3]) hold(router, queue, task(request), NOW_MS, WHY);
    assert.equal(
      queue.map(({ request }) => request),
      [1, 2],
    );
    assert.equal(answers(router), [[3, RETURN_CODES.GOING_DOWN]]);
    assert.is(router.counters.holdsRefused, 1);
    hold(router, queue, task(4, { wasHeld: true }), NOW_MS, WHY);
    assert.is(queue.length, 3);
    assert.is(router.counters.holds, 2, 'each is counted once');
  }
});

test('what is released is to be routed, in order, and held no longer', () => {
  const router = begun();
  const queue: Task[] = [];
  for (const request of [1, 2]) hold(router, queue, task(request), NOW_MS, WHY);
  release(router, queue);
  assert.equal([queue.length, router.held, router.heldBytes], [0, 0, 0]);
  assert.equal(
    router.todo.map(({ request, heldBytes, wasHeld }) => [request, heldBytes, wasHeld]),
    [
      [1, -1, true],
      [2, -1, true],
    ],
  );
});

test('what has waited for as long as it may is answered; the others wait on, and are looked at in time', () => {
  const router = begun();
  const queue: Task[] = [];
  const gather = { kind: 'count', body: new Uint8Array(10), isDone: false, pending: 1, sum: 0 } as const;
  const over = { ...gather };
  hold(router, queue, task(1), NOW_MS, WHY);
  hold(router, queue, task(2, { holdUntilMs: UNTIL_MS + 7 }), NOW_MS, WHY);
  hold(router, queue, task(3, { gather: over, holdUntilMs: UNTIL_MS + 7 }), NOW_MS, WHY);
  hold(router, queue, task(4, { holdUntilMs: UNTIL_MS + 8 }), NOW_MS, WHY);
  Object.assign(over, { isDone: true });
  router.effects = [];
  router.wakeAtMs = Number.POSITIVE_INFINITY;
  expire(router, queue, UNTIL_MS, WHY);
  assert.equal(
    queue.map(({ request }) => request),
    [2, 4],
  );
  assert.equal(answers(router), [[1, RETURN_CODES.NOT_MASTER]], 'the part of what is over is not');
  assert.equal([router.held, router.heldBytes], [2, 20]);
  assert.equal(wakes(router), [UNTIL_MS + 7]);
});

test('a request of which parts are under way is answered once', () => {
  const router = begun();
  const gather = { kind: 'count', body: new Uint8Array(10), isDone: false, pending: 2, sum: 0 } as const;
  const parts = [1, 1].map((request) => task(request, { gather }));
  for (const part of parts) finish(router, part, OK);
  assert.equal(answers(router), [[1, 0]]);
  assert.is(router.counters.answers, 1);
});

test('a timer is asked for where none comes earlier', () => {
  const router = begun();
  router.wakeAtMs = Number.POSITIVE_INFINITY;
  for (const atMs of [30, 30, 40, 20]) needBy(router, atMs);
  assert.equal(wakes(router), [30, 20]);
});

test('a client waits as it says, or as long as is usual, and never longer than a bound; less what its answer takes', () => {
  const within = (leftMs: number | null): number => answerWithinMs(LIMITS, leftMs);
  assert.is(within(null), within(LIMITS.patienceMs));
  assert.is(within(10 * LIMITS.patienceMaxMs), within(LIMITS.patienceMaxMs));
  assert.ok(within(1000) < 1000 && within(1000) > 500);
  assert.ok(within(2000) > within(1000));
});

test('a reply that is too short for a return code is a failure', () => {
  assert.is(codeOf(new Uint8Array(3)), RETURN_CODES.UNKNOWN_FAILURE);
  assert.is(codeOf(new Uint8Array(4)), RETURN_CODES.OK);
});

test.run();
