/**
 * The order of a connection's updates. One request to a cluster is under way for them at a time: a single update, or
 * a run of those that had gathered behind it and have the same owner. Whatever is refused goes back with all that was
 * behind it, so that nothing overtakes (docs/architecture.md, "Router").
 */
import { present } from '../../src/base/assert.ts';
import { NurseryError } from '../../src/base/errors.ts';
import { failure } from '../../src/protocol/arakoon/replies.ts';
import { decodeRunReply, RUN_BYTES_MAX, RUN_UPDATES_MAX } from '../../src/protocol/arakoon/run.ts';
import type { Lane, Router, Task } from './types.ts';
import { holding, soleOwner } from './view.ts';

/** Takes in an update of a connection: it is to be routed now, or waits behind the others. */
export function enterLane(router: Router, task: Task): void {
  const { lanes, limits } = router;
  const lane = lanes.get(task.origin);
  if (lane === undefined) {
    lanes.set(task.origin, { active: 1, waiting: [] });
    router.todo.push(task);
    return;
  }
  if (router.queuedBytes + task.body.length > limits.queuedBytes) {
    router.counters.holdsRefused += 1;
    router.counters.answers += 1;
    const message = `${router.queuedBytes} bytes of updates are waiting, not executed; send it again`;
    router.effects.push({ kind: 'answer', request: task.request, answer: failure('GOING_DOWN', message) });
    return;
  }
  router.queuedBytes += task.body.length;
  lane.waiting.push(task);
}

/** An update was answered: after the last one under way the next is to be routed. */
export function leaveLane(router: Router, task: Task): void {
  const lane = laneOf(router, task);
  lane.active -= 1;
  if (lane.active > 0) return;
  const next = lane.waiting.shift();
  if (next === undefined) {
    router.lanes.delete(task.origin);
    return;
  }
  lane.active = 1;
  router.queuedBytes -= next.body.length;
  router.todo.push(next);
}

/**
 * `task`, which is about to be sent to the cluster `owner`, and the updates behind it that go with it: the next ones of
 * its connection, as long as they have the same owner and nothing of them moves.
 */
export function takeRun(router: Router, task: Task, owner: string): readonly Task[] {
  const alone = [task];
  if (!task.isUpdate || task.origin === 0) return alone;
  const { waiting } = laneOf(router, task);
  let bytes = task.body.length;
  let count = 0;
  for (const next of waiting) {
    bytes += next.body.length;
    if (count + 1 >= RUN_UPDATES_MAX || bytes > RUN_BYTES_MAX) break;
    if (holding(router, next) !== null || soleOwner(router.effective, next.keys, next.ranges) !== owner)
      break;
    count += 1;
  }
  return count === 0 ? alone : alone.concat(take(router, task, count));
}

/** Puts `tasks`, which were under way behind others and certainly not executed, back in front of what waits. */
export function giveBack(router: Router, tasks: readonly Task[]): void {
  const first = tasks[0];
  if (first === undefined) return;
  const lane = laneOf(router, first);
  lane.active -= tasks.length;
  lane.waiting.unshift(...tasks);
  for (const { body } of tasks) router.queuedBytes += body.length;
}

/** The replies to a run of `count` updates, or null where the bytes are none. */
export function repliesOf(reply: Uint8Array, count: number): readonly Uint8Array[] | null {
  try {
    return decodeRunReply(reply, count);
  } catch (error) {
    if (!(error instanceof NurseryError)) throw error;
    return null;
  }
}

function take(router: Router, task: Task, count: number): Task[] {
  const lane = laneOf(router, task);
  const taken = lane.waiting.splice(0, count);
  lane.active += count;
  for (const { body } of taken) router.queuedBytes -= body.length;
  return taken;
}

function laneOf(router: Router, task: Task): Lane {
  return present(router.lanes.get(task.origin), 'lane of an update under way');
}
