/** How tasks are made, held, and come to their end. */
import { type ErrorCode, RETURN_CODES } from '../../src/base/errors.ts';
import { answerMarginMs } from '../../src/base/limits.ts';
import { failure } from '../../src/protocol/arakoon/replies.ts';
import { type Answer, RETURN_CODE_BYTES, returnCodeOf } from '../../src/protocol/arakoon/values.ts';
import { leaveLane } from './lanes.ts';
import type { Limits, Router, Task } from './types.ts';

/** While anything is held, the router looks this often whether it has been held for too long (ms). */
export const SWEEP_MS = 50;

/** What a task is made of; the rest begins the same for all. */
type TaskInit = Pick<
  Task,
  | 'request'
  | 'origin'
  | 'isUpdate'
  | 'isStale'
  | 'arrivedMs'
  | 'holdUntilMs'
  | 'answerByMs'
  | 'body'
  | 'keys'
  | 'ranges'
  | 'to'
  | 'gather'
  | 'indices'
>;

export function createTask(init: TaskInit): Task {
  return {
    request: init.request,
    origin: init.origin,
    isUpdate: init.isUpdate,
    isStale: init.isStale,
    arrivedMs: init.arrivedMs,
    holdUntilMs: init.holdUntilMs,
    answerByMs: init.answerByMs,
    body: init.body,
    keys: init.keys,
    ranges: init.ranges,
    to: init.to,
    gather: init.gather,
    indices: init.indices,
    redirects: 0,
    wasHeld: false,
    heldBytes: -1,
  };
}

/** What a client waits from the arrival of its request on, less what its answer may take to come back (ms). */
export function answerWithinMs(limits: Limits, leftMs: number | null): number {
  const waitsMs = Math.min(leftMs ?? limits.patienceMs, limits.patienceMaxMs);
  return waitsMs - answerMarginMs(waitsMs);
}

/** Why a request was not executed. */
export type Refusal = { readonly code: 'GOING_DOWN' | 'NOT_MASTER'; readonly message: string };

/** Asks for a `timer` event no later than `atMs`. */
export function needBy(router: Router, atMs: number): void {
  if (atMs >= router.wakeAtMs) return;
  router.wakeAtMs = atMs;
  router.effects.push({ kind: 'wake', atMs });
}

/** Answers the client, and lets the next update of its connection go. The request is over with that. */
export function finish(router: Router, task: Task, answer: Answer): void {
  const { gather } = task;
  if (gather !== null) {
    if (gather.isDone) return;
    gather.isDone = true;
  }
  router.counters.answers += 1;
  router.effects.push({ kind: 'answer', request: task.request, answer });
  if (task.isUpdate && task.origin !== 0) leaveLane(router, task);
}

/** Answers the client that its request failed. */
export function fail(
  router: Router,
  task: Task,
  code: ErrorCode & keyof typeof RETURN_CODES,
  message: string,
): void {
  finish(router, task, failure(code, message));
}

/**
 * Puts `task`, which was certainly not executed, into `queue`. Where its time is up, it is answered `why` instead;
 * or where the router holds too much already, but one that was held before always finds its place again.
 */
export function hold(router: Router, queue: Task[], task: Task, nowMs: number, why: Refusal): void {
  const { limits, counters } = router;
  if (nowMs >= task.holdUntilMs) {
    giveUp(router, task, why);
    return;
  }
  if (!task.wasHeld) {
    if (router.held >= limits.heldMax || router.heldBytes + task.body.length > limits.heldBytes) {
      counters.holdsRefused += 1;
      const what = `${router.held} requests of ${router.heldBytes} bytes`;
      fail(router, task, 'GOING_DOWN', `${what} are waiting already, not executed; send it again`);
      return;
    }
    counters.holds += 1;
    task.wasHeld = true;
  }
  task.heldBytes = task.body.length;
  router.held += 1;
  router.heldBytes += task.heldBytes;
  queue.push(task);
  needBy(router, Math.min(nowMs + SWEEP_MS, task.holdUntilMs));
}

/** Takes everything out of `queue`, to be routed again in this step, in order. */
export function release(router: Router, queue: Task[]): void {
  for (const task of queue) {
    unhold(router, task);
    router.todo.push(task);
  }
  queue.length = 0;
}

/** Answers what has waited in `queue` for as long as it may; parts whose request is over go too. */
export function expire(router: Router, queue: Task[], nowMs: number, why: Refusal): void {
  let kept = 0;
  // Failing a task only adds to `todo`, so that the queue stays as it is meanwhile.
  for (const task of queue) {
    const isOver = task.gather?.isDone === true;
    if (!isOver && nowMs < task.holdUntilMs) {
      queue[kept] = task;
      kept += 1;
      needBy(router, task.holdUntilMs);
      continue;
    }
    unhold(router, task);
    if (!isOver) giveUp(router, task, why);
  }
  queue.length = kept;
}

/** Answers a task whose time was up before it could be sent. */
export function giveUp(router: Router, task: Task, { code, message }: Refusal): void {
  router.counters.holdsExpired += 1;
  fail(router, task, code, message);
}

function unhold(router: Router, task: Task): void {
  router.held -= 1;
  router.heldBytes -= task.heldBytes;
  task.heldBytes = -1;
}

/** The return code of a reply; one too short to hold any is an unknown failure. */
export function codeOf(reply: Uint8Array): number {
  return reply.length < RETURN_CODE_BYTES ? RETURN_CODES.UNKNOWN_FAILURE : returnCodeOf(reply);
}
