/**
 * What holds of a router between two events: each task in exactly one place, each counter equal to what it counts
 * (docs/architecture.md, "What is checked of itself").
 */
import { type Facts, invariant } from '../../src/base/assert.ts';
import type { InFlight, Router, Task } from './types.ts';

/**
 * Compares the counters with one another, at constant cost: a running router does so after every event.
 *
 * @throws InvariantError
 */
export function checkCounters(router: Router): void {
  const { held, heldBytes, queuedBytes, holding, moving, lanes, todo, effects } = router;
  const facts = (): Facts => factsOf(router);
  invariant(todo.length === 0 && effects.length === 0, 'a step leaves nothing to be done', facts);
  invariant(held > 0 ? heldBytes >= 0 : held === 0 && heldBytes === 0, 'what is held has a size', facts);
  invariant(lanes.size > 0 ? queuedBytes >= 0 : queuedBytes === 0, 'what is queued is in a lane', facts);
  invariant(holding >= 0 && holding <= moving.length, 'what holds is among what moves', facts);
  invariant(
    held === 0 || router.wakeAtMs < Number.POSITIVE_INFINITY,
    'what is held is looked at again',
    facts,
  );
}

/**
 * Compares all that a router remembers with itself. It takes time in proportion to what is on its way: for simulations.
 *
 * @throws InvariantError
 */
export function checkRouter(router: Router): void {
  checkCounters(router);
  const held = heldTasks(router);
  const queued = [...router.lanes.values()].flatMap(({ waiting }) => waiting);
  const sent = [...router.inFlight.values()].flatMap(tasksOf);
  checkPlaces(router, held, queued, sent);
  checkSums(router, held, queued);
  checkLanes(router, [...held, ...sent]);
  checkPeers(router);
  checkMoving(router);
  checkGathers(router, [...held, ...sent]);
}

function checkPlaces(
  router: Router,
  held: readonly Task[],
  queued: readonly Task[],
  sent: readonly Task[],
): void {
  const seen = new Set<Task>();
  for (const task of [...held, ...queued, ...sent]) {
    invariant(!seen.has(task), 'a task is in one place', () => of(router, task));
    seen.add(task);
  }
  const isHeld = new Set(held);
  for (const task of seen) {
    invariant(isHeld.has(task) === task.heldBytes >= 0, 'a task knows whether it is held', () =>
      of(router, task),
    );
  }
}

function checkSums(router: Router, held: readonly Task[], queued: readonly Task[]): void {
  const sums: Facts = {
    sumHeld: held.length,
    sumHeldBytes: sum(held.map(({ heldBytes }) => heldBytes)),
    sumQueuedBytes: sum(queued.map(({ body }) => body.length)),
    sumHolding: router.moving.filter(({ owner }) => owner === null).length,
  };
  const facts = (): Facts => ({ ...sums, ...factsOf(router) });
  invariant(router.held === sums['sumHeld'], 'as many are held as are counted', facts);
  invariant(router.heldBytes === sums['sumHeldBytes'], 'as many bytes are held as are counted', facts);
  invariant(router.queuedBytes === sums['sumQueuedBytes'], 'as many bytes are queued as are counted', facts);
  invariant(router.holding === sums['sumHolding'], 'as many ranges hold as are counted', facts);
}

/** `under`: the tasks that are on their way, held or sent. */
function checkLanes(router: Router, under: readonly Task[]): void {
  const active = new Map<number, number>();
  for (const { isUpdate, origin } of under) {
    if (isUpdate && origin !== 0) active.set(origin, (active.get(origin) ?? 0) + 1);
  }
  for (const [origin, lane] of router.lanes) {
    const facts = (): Facts => ({
      origin,
      active: lane.active,
      waiting: lane.waiting.length,
      ...factsOf(router),
    });
    invariant(lane.active === active.get(origin), 'a lane counts what of it is under way', facts);
    const isOwn = lane.waiting.every((task) => task.isUpdate && task.origin === origin);
    invariant(isOwn, 'a lane holds updates of its own connection', facts);
    active.delete(origin);
  }
  invariant(active.size === 0, 'an update of a connection has a lane', () => ({
    origins: [...active.keys()].join(' '),
    ...factsOf(router),
  }));
}

function checkPeers(router: Router): void {
  const flights = [...router.inFlight.values()];
  for (const peer of router.peers.values()) {
    const mine = flights.filter((flight) => flight.peer === peer);
    const isAsked = mine.some(({ kind }) => kind === 'ask');
    const isMember = peer.cluster.peers.get(peer.name) === peer;
    const facts = (): Facts => ({
      cluster: peer.cluster.id,
      node: peer.name,
      outstanding: peer.outstanding,
      inFlight: mine.length,
      isAsked: peer.isAsked,
      isRetired: peer.isRetired,
    });
    invariant(peer.outstanding === mine.length, 'a peer counts what it was sent', facts);
    invariant(peer.isAsked === isAsked, 'a peer that is asked has the question', facts);
    invariant(peer.isRetired === !isMember, 'a peer of a configuration is not retired', facts);
    invariant(!peer.isRetired || mine.length > 0, 'a retired peer is kept for what it was sent alone', facts);
  }
  for (const { peer } of flights) {
    invariant(router.peers.get(peer.id) === peer, 'what is in flight has a peer', () => ({
      cluster: peer.cluster.id,
      node: peer.name,
    }));
  }
  for (const { id, master, peers } of router.clusters.values()) {
    const isMember = master === null || peers.get(master.name) === master;
    invariant(isMember, 'a master is a node of its cluster', () => ({
      cluster: id,
      master: master?.name ?? null,
    }));
  }
}

function checkMoving(router: Router): void {
  const asked = [...router.inFlight.values()].flatMap((flight) =>
    flight.kind === 'probe' ? [flight.moving] : [],
  );
  for (const moving of router.moving) {
    const facts = (): Facts => ({ mid: moving.mid, owner: moving.owner, held: moving.held.length });
    invariant(!moving.isOver, 'what is over moves no more', facts);
    invariant(
      moving.owner === null || moving.held.length === 0,
      'a range that is served holds nothing',
      facts,
    );
    const questions = asked.filter((each) => each === moving).length;
    invariant(questions === (moving.isProbing ? 1 : 0), 'one question goes out about a range', facts);
  }
}

/** What is still missing of a gathered answer is on its way. */
function checkGathers(router: Router, under: readonly Task[]): void {
  const parts = new Map<NonNullable<Task['gather']>, Task[]>();
  for (const task of under) {
    const { gather } = task;
    if (gather === null || gather.isDone) continue;
    parts.set(gather, [...(parts.get(gather) ?? []), task]);
  }
  for (const [gather, tasks] of parts) {
    const request = tasks[0]?.request ?? 0;
    const facts = (): Facts => ({ request, kind: gather.kind, parts: tasks.length, ...factsOf(router) });
    if (gather.kind === 'range') {
      invariant(tasks.length === 1, 'the parts of a range are asked one by one', facts);
    } else if (gather.kind === 'keys') {
      const missing = sum(tasks.map(({ indices }) => indices.length));
      invariant(gather.pending === missing, 'each key that is missing is asked for once', facts);
    } else if (tasks.every(({ to }) => to !== null)) {
      invariant(gather.pending === tasks.length, 'each count that is missing is asked for once', facts);
    }
  }
}

function heldTasks(router: Router): Task[] {
  const queues = [
    router.unmapped,
    router.strayed,
    ...[...router.clusters.values()].map(({ waiting }) => waiting),
    ...router.moving.map(({ held }) => held),
  ];
  return queues.flat();
}

function tasksOf(flight: InFlight): readonly Task[] {
  if (flight.kind === 'task') return [flight.task];
  return flight.kind === 'run' ? flight.tasks : [];
}

function of(router: Router, { request, origin, isUpdate, heldBytes }: Task): Facts {
  return { request, origin, isUpdate, heldBytes, ...factsOf(router) };
}

function factsOf(router: Router): Facts {
  const { name, held, heldBytes, queuedBytes, holding, moving, lanes, inFlight, wakeAtMs } = router;
  return {
    router: name,
    held,
    heldBytes,
    queuedBytes,
    holding,
    moving: moving.length,
    lanes: lanes.size,
    inFlight: inFlight.size,
    wakeAtMs,
    todo: router.todo.length,
    effects: router.effects.length,
  };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
