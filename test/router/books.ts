/**
 * The router's books, kept a second time: again and again each count that it keeps must be what can be counted. What is
 * counted wrongly bounds nothing, or refuses for ever.
 */
import * as assert from 'uvu/assert';
import { classify } from '../../router/core/classify.ts';
import type { Effect, Event, Router, Task } from '../../router/core/types.ts';
import { NurseryError, RETURN_CODES } from '../../src/base/errors.ts';
import { decodeRunReply } from '../../src/protocol/arakoon/run.ts';
import { returnCodeOf } from '../../src/protocol/arakoon/values.ts';

const { NOT_MASTER, OUT_OF_RANGE, MAYBE_APPLIED, GOING_DOWN, OK } = RETURN_CODES;
/** What those are told that the router has no room for. */
const REFUSED = /are waiting( already)?, not executed/;
/** Counting everything takes longer than an event: what is wrong stays wrong for so many of them. */
const AUDIT_EVERY = 5;

export class Books {
  readonly #router: Router;
  /** Calls under way, and whether they are a client's. */
  readonly #calls = new Map<number, boolean>();
  #events = 0;
  #requests = 0;
  #updates = 0;
  #answers = 0;
  #redirects = 0;
  #probes = 0;
  #runs = 0;
  #runUpdates = 0;
  #maybeApplied = 0;
  #refused = 0;
  #wakeAtMs = Number.POSITIVE_INFINITY;

  constructor(router: Router) {
    this.#router = router;
  }

  /** To be called before the router takes `event`. */
  before(event: Event): void {
    if (event.kind === 'request') {
      this.#requests += 1;
      const plan = classify(event.body);
      if (plan.kind === 'forward' && plan.isUpdate) this.#updates += 1;
    }
    if (event.kind === 'timer') this.#wakeAtMs = Number.POSITIVE_INFINITY;
    if (event.kind === 'reply') this.#redirects += this.#redirectsOf(event);
  }

  /** To be called with what it did. @throws where the books differ */
  after(effects: readonly Effect[]): void {
    for (const effect of effects) this.#note(effect);
    this.#events += 1;
    if (this.#events % AUDIT_EVERY === 0) {
      this.#checkCounters();
      checkHeld(this.#router);
      checkCalls(this.#router);
    }
    assert.is(this.#router.wakeAtMs, this.#wakeAtMs, 'the timer that was asked for last');
  }

  #note(effect: Effect): void {
    if (effect.kind === 'wake') {
      assert.ok(effect.atMs < this.#wakeAtMs, 'a timer replaces a later one');
      this.#wakeAtMs = effect.atMs;
    }
    if (effect.kind === 'answer') {
      this.#answers += 1;
      const { bytes } = effect.answer;
      const code = returnCodeOf(bytes);
      if (code === MAYBE_APPLIED) this.#maybeApplied += 1;
      if (code === GOING_DOWN && REFUSED.test(Buffer.from(bytes).toString('utf8', 8))) this.#refused += 1;
    }
    if (effect.kind !== 'send') return;
    const flight = this.#router.inFlight.get(effect.call);
    assert.ok(flight, 'what is sent is under way');
    assert.not.ok(this.#calls.has(effect.call), 'each call has a number of its own');
    this.#calls.set(effect.call, flight?.kind === 'task' || flight?.kind === 'run');
    if (flight?.kind === 'probe') this.#probes += 1;
    if (flight?.kind === 'run') {
      this.#runs += 1;
      this.#runUpdates += flight.tasks.length;
    }
  }

  /** Only the first that is refused in a run counts: those behind it were not looked at. */
  #redirectsOf({ call, bytes }: Extract<Event, { kind: 'reply' }>): number {
    const flight = this.#router.inFlight.get(call);
    if ((flight?.kind !== 'task' && flight?.kind !== 'run') || bytes.length < 4) return 0;
    const isRun = flight.kind === 'run' && returnCodeOf(bytes) === OK;
    const code = isRun ? lastOfRun(bytes, flight.tasks.length) : returnCodeOf(bytes);
    return code === NOT_MASTER || code === OUT_OF_RANGE ? 1 : 0;
  }

  #checkCounters(): void {
    const { counters } = this.#router;
    const mine = {
      requests: this.#requests,
      updates: this.#updates,
      answers: this.#answers,
      redirects: this.#redirects,
      probes: this.#probes,
      runs: this.#runs,
      runUpdates: this.#runUpdates,
      maybeApplied: this.#maybeApplied,
      holdsRefused: this.#refused,
    };
    const theirs = Object.fromEntries(
      Object.keys(mine).map((name) => [name, counters[name as keyof typeof mine]]),
    );
    assert.equal(theirs, mine, 'counters');
    for (const [name, count] of Object.entries(counters)) assert.ok(count >= 0, name);
  }
}

function lastOfRun(bytes: Uint8Array, count: number): number | null {
  try {
    const last = decodeRunReply(bytes, count).at(-1);
    return last === undefined ? null : returnCodeOf(last);
  } catch (error) {
    if (!(error instanceof NurseryError)) throw error;
    return null; // no reply to a run
  }
}

function checkHeld(router: Router): void {
  const queues = [
    router.unmapped,
    router.strayed,
    ...[...router.clusters.values()].map(({ waiting }) => waiting),
  ];
  const held: Task[] = [...queues, ...router.moving.map((moving) => moving.held)].flat();
  assert.is(router.held, held.length, 'held');
  assert.is(router.heldBytes, sum(held.map(({ body }) => body.length)), 'bytes held');
  for (const task of held) assert.is(task.heldBytes, task.body.length, 'bytes of one that is held');
  const lanes = [...router.lanes.values()];
  assert.is(
    router.queuedBytes,
    sum(lanes.flatMap(({ waiting }) => waiting.map(({ body }) => body.length))),
    'queued',
  );
  for (const { active } of lanes) assert.ok(active > 0, 'a lane where nothing is under way is gone');
  const holding = router.moving.filter(({ owner }) => owner === null);
  assert.is(router.holding, holding.length, 'ranges that hold');
  for (const moving of router.moving) assert.not.ok(moving.isOver, 'what is over is gone');
}

function checkCalls(router: Router): void {
  const flights = [...router.inFlight.values()];
  const peers = new Set([...router.peers.values(), ...flights.map(({ peer }) => peer)]);
  for (const peer of peers) {
    const mine = flights.filter((flight) => flight.peer === peer);
    assert.is(peer.outstanding, mine.length, `calls of ${peer.name}`);
    assert.is(
      peer.isAsked,
      mine.some(({ kind }) => kind === 'ask'),
      `${peer.name} is being asked`,
    );
    assert.is(router.peers.get(peer.id), peer, 'a link stays while something is outstanding');
    if (peer.isRetired)
      assert.ok(peer.outstanding > 0, 'a link that is not wanted ends with its last answer');
    else assert.is(peer.cluster.peers.get(peer.name), peer);
  }
  const named = [...router.clusters.values()].flatMap(({ peers: mine }) => [...mine.values()]);
  for (const peer of named) assert.ok(router.peers.has(peer.id) && !peer.isRetired, `${peer.name} is linked`);
  for (const { master, peers: mine } of router.clusters.values()) {
    assert.ok(master === null || mine.get(master.name) === master, 'the master is one of its nodes');
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
