/**
 * The life of a request in the router, as a pure function from events to effects.
 *
 * A request is routed by the map to the master of the cluster that owns all it names, held while it certainly was
 * not executed and cannot be now, and answered once. What may have been executed is never sent again: a read is
 * asked again, an update is answered that nobody knows.
 */

import { unreachable } from '../../src/base/assert.ts';
import { RETURN_CODES } from '../../src/base/errors.ts';
import { answerMarginMs } from '../../src/base/limits.ts';
import { WHOLE } from '../../src/keyspace/range.ts';
import { EMPTY_MAP } from '../../src/keyspace/rangemap.ts';
import type { Hint } from '../../src/protocol/admin/admin.ts';
import { isPassing } from '../../src/protocol/arakoon/run.ts';
import type { Field, RouterFigures } from '../../src/protocol/arakoon/statistics.ts';
import type { Version } from '../../src/protocol/arakoon/values.ts';
import { classify, type Plan } from './classify.ts';
import {
  clusterOf,
  configure,
  doubt,
  offer,
  onAsked,
  onDown,
  onNotMaster,
  onUnsent,
  onUp,
  take,
  tend,
  waitingWhy,
} from './clusters.ts';
import { addPart, planPart } from './gather.ts';
import { checkCounters } from './invariants.ts';
import { enterLane, giveBack, repliesOf } from './lanes.ts';
import { answerLocally, unmappedWhy } from './local.ts';
import { adopt, holdMoving, movingWhy, onProbed, onProbeLost, onRangeError, probeDue } from './moving.ts';
import {
  answerWithinMs,
  codeOf,
  createTask,
  expire,
  fail,
  finish,
  giveUp,
  hold,
  needBy,
  type Refusal,
  release,
  SWEEP_MS,
} from './tasks.ts';
import {
  type Effect,
  type Event,
  type InFlight,
  LIMITS,
  type Limits,
  type Peer,
  type Router,
  type Task,
} from './types.ts';
import { holding, namesDead, ownersNamed, soleOwner } from './view.ts';

const NOTHING: readonly never[] = [];
const STRAYED: Refusal = {
  code: 'GOING_DOWN',
  message: 'the map gives the key to a founding that is not in force; not executed, send it again',
};

/** A router that knows no map yet. `nowMs`: the time at which it begins. */
export function createRouter(options: {
  readonly name: string;
  readonly clusterId: string;
  readonly version: Version;
  readonly nowMs: number;
  readonly limits?: Partial<Limits>;
  readonly seats?: RouterFigures;
  readonly recorded?: () => readonly Field[];
}): Router {
  const limits = { ...LIMITS, ...options.limits };
  return {
    name: options.name,
    clusterId: options.clusterId,
    version: options.version,
    limits,
    seats: options.seats ?? null,
    recorded: options.recorded ?? null,
    keeper: null,
    keeperWhy: null,
    view: EMPTY_MAP,
    effective: EMPTY_MAP,
    clusters: new Map(),
    peers: new Map(),
    inFlight: new Map(),
    lastCall: 0,
    lastPeer: 0,
    moving: [],
    holding: 0,
    hasDead: false,
    strayed: [],
    unmapped: [],
    firstMapByMs: options.nowMs + limits.firstMapMs,
    lanes: new Map(),
    held: 0,
    heldBytes: 0,
    queuedBytes: 0,
    todo: [],
    effects: [],
    wakeAtMs: Number.POSITIVE_INFINITY,
    counters: {
      requests: 0,
      updates: 0,
      answers: 0,
      redirects: 0,
      holds: 0,
      holdsRefused: 0,
      holdsExpired: 0,
      maybeApplied: 0,
      probes: 0,
      gathered: 0,
      runs: 0,
      runUpdates: 0,
    },
  };
}

/**
 * Advances `router` by one event and returns what must be done about it, in order.
 *
 * Deterministic: equal router and event give equal router and effects.
 */
export function step(router: Router, event: Event): readonly Effect[] {
  const { nowMs } = event;
  switch (event.kind) {
    case 'request':
      onRequest(router, event);
      break;
    case 'reply':
      onReply(router, event.call, event.bytes, event.hint, nowMs);
      break;
    case 'lost':
      onLost(router, event);
      break;
    case 'abandoned':
      onAbandoned(router, event.call, event.why);
      break;
    case 'map':
      onMap(router, event);
      break;
    case 'keeper':
      router.keeperWhy = event.why;
      break;
    case 'up':
    case 'down': {
      const peer = router.peers.get(event.peer);
      if (peer === undefined) break; // disconnected meanwhile
      if (event.kind === 'up') onUp(router, peer);
      else onDown(router, peer, nowMs);
      break;
    }
    case 'timer':
      onTimer(router, nowMs);
      break;
    default:
      unreachable(event);
  }
  const { todo } = router;
  for (let index = 0; index < todo.length; index += 1) route(router, todo[index] as Task, nowMs);
  todo.length = 0;
  probeDue(router, nowMs);
  const { effects } = router;
  router.effects = [];
  checkCounters(router);
  return effects;
}

function onRequest(router: Router, event: Extract<Event, { kind: 'request' }>): void {
  router.counters.requests += 1;
  const plan = classify(event.body);
  if (plan.kind === 'answer' || plan.kind === 'local') {
    router.counters.answers += 1;
    const answer = plan.kind === 'answer' ? plan.answer : answerLocally(router, plan.request);
    router.effects.push({ kind: 'answer', request: event.request, answer });
    return;
  }
  const task = taskOf(plan, event, router.limits);
  if (task.isUpdate) {
    router.counters.updates += 1;
    if (task.origin !== 0) {
      enterLane(router, task);
      return;
    }
  }
  router.todo.push(task);
}

/** Written out field by field: every request passes here, and spreading objects would cost more than all the rest. */
function taskOf(
  plan: Extract<Plan, { kind: 'forward' | 'gather' }>,
  event: Extract<Event, { kind: 'request' }>,
  limits: Limits,
): Task {
  const isForward = plan.kind === 'forward';
  const gather = isForward ? null : plan.gather;
  const withinMs = answerWithinMs(limits, event.leftMs);
  return createTask({
    request: event.request,
    origin: event.origin,
    arrivedMs: event.nowMs,
    holdUntilMs: event.nowMs + withinMs - answerMarginMs(withinMs),
    answerByMs: event.nowMs + withinMs,
    isUpdate: isForward && plan.isUpdate,
    isStale: plan.isStale,
    body: isForward ? plan.body : plan.gather.body,
    keys: isForward ? plan.keys : NOTHING,
    ranges: isForward ? plan.ranges : NOTHING,
    to: null,
    gather,
    indices: gather?.kind === 'keys' ? [...gather.keys.keys()] : NOTHING,
  });
}

/** Sends a task on its way, by the map as it is now. */
function route(router: Router, task: Task, nowMs: number): void {
  const { gather } = task;
  if (gather?.isDone === true) return;
  if (router.effective.isEmpty) {
    if (nowMs >= router.firstMapByMs) giveUp(router, task, maplessWhy(router));
    else hold(router, router.unmapped, task, nowMs, maplessWhy(router));
    return;
  }
  if (gather !== null && !planPart(router, task, gather)) return;
  const moving = holding(router, task);
  if (moving !== null) {
    holdMoving(router, moving, task, nowMs);
    return;
  }
  const owner = task.to ?? soleOwner(router.effective, task.keys, task.ranges);
  if (owner === null) {
    refuseSpanning(router, task);
    return;
  }
  if (router.hasDead && namesDead(router, task)) {
    hold(router, router.strayed, task, nowMs, STRAYED);
    return;
  }
  offer(router, clusterOf(router, owner), task, nowMs);
}

/** Why a request was given up that waited for the first map. */
function maplessWhy(router: Router): Refusal {
  return { code: 'GOING_DOWN', message: `${unmappedWhy(router)}; not executed, send it again` };
}

function refuseSpanning(router: Router, task: Task): void {
  const owners = ownersNamed(router.effective, task.keys, task.ranges).join(', ');
  const message =
    task.ranges[0] === WHOLE
      ? `the clusters ${owners} share the keys: ${task.isUpdate ? 'a function is called near a key that it works with ({ near: KEY })' : 'a hook is called where one cluster has all keys, a function near one of them'}; nothing was executed`
      : `the update spans the clusters ${owners}: it must stay within one; nothing was executed`;
  fail(router, task, 'BAD_INPUT', message);
}

function onReply(router: Router, call: number, bytes: Uint8Array, hint: Hint | null, nowMs: number): void {
  const flight = take(router, call);
  if (flight === undefined) return;
  const { peer } = flight;
  if (flight.kind === 'ask') {
    onAsked(router, peer, bytes);
    return;
  }
  if (flight.kind === 'probe') {
    onProbed(router, flight.moving, peer, bytes, hint, nowMs);
    return;
  }
  if (flight.kind === 'run') onRunReply(router, flight, bytes, hint, nowMs);
  else onTaskReply(router, flight.task, peer, bytes, hint, nowMs);
}

/** Up to the first that was refused for now all have their answers; it and the ones after it go back, in order. */
function onRunReply(
  router: Router,
  { tasks, peer }: Extract<InFlight, { kind: 'run' }>,
  bytes: Uint8Array,
  hint: Hint | null,
  nowMs: number,
): void {
  const code = codeOf(bytes);
  if (code !== RETURN_CODES.OK) {
    // It was not taken for a run at all.
    const isLater = isPassing(code);
    if (isLater) giveBack(router, tasks.slice(1));
    for (const task of isLater ? tasks.slice(0, 1) : tasks) {
      onTaskReply(router, task, peer, bytes, hint, nowMs);
    }
    return;
  }
  const replies = repliesOf(bytes, tasks.length);
  if (replies === null) {
    for (const task of tasks) failUnknown(router, task, peer, 'answered what is no reply to a run');
    return;
  }
  giveBack(router, tasks.slice(replies.length));
  for (const [index, reply] of replies.entries()) {
    const isLast = index === replies.length - 1;
    onTaskReply(router, tasks[index] as Task, peer, reply, isLast ? hint : null, nowMs);
  }
}

function onTaskReply(
  router: Router,
  task: Task,
  peer: Peer,
  bytes: Uint8Array,
  hint: Hint | null,
  nowMs: number,
): void {
  const { gather } = task;
  const code = codeOf(bytes);
  switch (code) {
    case RETURN_CODES.OK:
      if (gather !== null) {
        addPart(router, task, gather, bytes);
        return;
      }
      break;
    case RETURN_CODES.NOT_MASTER:
      onNotMaster(router, peer, task, bytes, nowMs);
      return;
    case RETURN_CODES.OUT_OF_RANGE:
      if (task.to === null) {
        onRangeError(router, task, peer, hint, nowMs);
        return;
      }
      fail(
        router,
        task,
        'GOING_DOWN',
        `the ranges of cluster ${peer.cluster.id} have changed; send it again`,
      );
      return;
    case RETURN_CODES.GOING_DOWN:
      elsewhere(router, task, peer, nowMs);
      return;
    case RETURN_CODES.MAYBE_APPLIED:
      if (!task.isUpdate) {
        elsewhere(router, task, peer, nowMs);
        return;
      }
      router.counters.maybeApplied += 1;
      break;
    default:
      break;
  }
  finish(router, task, { bytes, hint: null });
}

function onLost(router: Router, event: Extract<Event, { kind: 'lost' }>): void {
  const { nowMs, why, sent } = event;
  const flight = take(router, event.call);
  if (flight === undefined) return;
  const { peer } = flight;
  if (flight.kind === 'task' || flight.kind === 'run') {
    const tasks = flight.kind === 'run' ? flight.tasks : [flight.task];
    const isUnknown = sent && tasks.some(({ isUpdate }) => isUpdate);
    if (!isUnknown) giveBack(router, tasks.slice(1));
    for (const task of isUnknown ? tasks : tasks.slice(0, 1))
      onTaskLost(router, task, peer, why, sent, nowMs);
    return;
  }
  if (flight.kind === 'probe') onProbeLost(router, flight.moving, nowMs);
  else peer.isAsked = false;
  if (why === 'timeout') doubt(router, peer, nowMs);
}

function onAbandoned(router: Router, call: number, why: string): void {
  const flight = take(router, call);
  if (flight?.kind === 'task') fail(router, flight.task, 'GOING_DOWN', why);
}

function onTaskLost(
  router: Router,
  task: Task,
  peer: Peer,
  why: 'closed' | 'timeout' | 'overloaded',
  sent: boolean,
  nowMs: number,
): void {
  if (task.isUpdate && sent) {
    failUnknown(router, task, peer, why === 'timeout' ? 'did not answer' : 'was lost before it answered');
    return;
  }
  if (!sent && why !== 'timeout') {
    onUnsent(router, peer, task, nowMs);
    return;
  }
  elsewhere(router, task, peer, nowMs);
}

/** Nobody knows what became of an update. */
function failUnknown(router: Router, task: Task, peer: Peer, what: string): void {
  router.counters.maybeApplied += 1;
  const who = `node ${peer.name} of cluster ${peer.cluster.id}`;
  fail(router, task, 'MAYBE_APPLIED', `${who} ${what}: the update may or may not have been applied`);
}

/** `peer` cannot serve `task` now, which was not executed, or may be executed again. */
function elsewhere(router: Router, task: Task, peer: Peer, nowMs: number): void {
  doubt(router, peer, nowMs);
  if (!task.isUpdate && nowMs >= task.holdUntilMs) {
    const who = `node ${peer.name} of cluster ${peer.cluster.id}`;
    fail(router, task, 'GOING_DOWN', `${who} did not answer in time; send it again`);
    return;
  }
  router.todo.push(task);
}

function onMap(router: Router, event: Extract<Event, { kind: 'map' }>): void {
  const { map, changed, nowMs } = event;
  // Versions of two keepers say nothing about each other.
  const isSameKeeper = router.keeper?.nursery?.founding === map.nursery?.founding;
  if (router.keeper !== null && isSameKeeper && map.map.version < router.keeper.map.version) return;
  if (map.clusters !== router.keeper?.clusters) configure(router, map.clusters, nowMs);
  adopt(router, map, changed, nowMs);
  release(router, router.unmapped);
  release(router, router.strayed);
}

function onTimer(router: Router, nowMs: number): void {
  router.wakeAtMs = Number.POSITIVE_INFINITY;
  if (nowMs >= router.firstMapByMs)
    release(router, router.unmapped); // is answered where it is routed
  else expire(router, router.unmapped, nowMs, maplessWhy(router));
  expire(router, router.strayed, nowMs, STRAYED);
  for (const cluster of router.clusters.values()) {
    expire(router, cluster.waiting, nowMs, waitingWhy(cluster));
    tend(router, cluster, nowMs);
  }
  for (const moving of router.moving) expire(router, moving.held, nowMs, movingWhy(moving));
  if (router.held > 0) needBy(router, nowMs + SWEEP_MS);
}
