/** One coordinator, and the real state machines that it moves a range between. */
import type { Effect, Event } from '../../../migrator/core/calls.ts';
import { checkState } from '../../../migrator/core/invariants.ts';
import type { CoordinatorOptions } from '../../../migrator/core/state.ts';
import { type Coordination, createCoordination, hasEnded, step } from '../../../migrator/core/step.ts';
import { type AdminAnswer, decodeAnswer } from '../../../src/protocol/admin/admin.ts';
import { TestCluster } from '../../node/machine/cluster.ts';

export type Send = Extract<Effect, { kind: 'send' }>;
type Reply = AdminAnswer | 'silence' | null;

/** What a coordinator works on. */
type Clusters = { readonly keeper: TestCluster; readonly source: TestCluster; readonly target: TestCluster };

/** The migration that a rig moves. */
export const MID = 2;
const nodes = [{ name: 'n1', ips: ['10.0.0.1'], port: 4000 }];

/** Moves ['k', end) from A to B. Answers come in the order of requests, at once, unless `intercept` says otherwise. */
export class Rig {
  readonly keeper: TestCluster;
  readonly source: TestCluster;
  readonly target: TestCluster;
  readonly coordinator: Coordination;
  readonly asked: string[] = [];
  readonly sends: Send[] = [];
  readonly effects: Effect[] = [];
  nowMs = 0;
  wakeAtMs = Number.POSITIVE_INFINITY;
  /** What is answered in the place of a cluster; null: what the cluster says. */
  intercept: (name: string, send: Send) => Reply = () => null;
  /** Sees each event that the coordinator takes, and what came of it. */
  onStep: (event: Event, effects: readonly Effect[]) => void = () => {};
  /** Why the target has no room, where it has none. */
  noRoom: string | null = null;
  #queue: Send[] = [];
  #looksForRoom = false;

  /** @param beside those of another coordinator, whose migration this one works on, too */
  constructor(options: Partial<CoordinatorOptions> = {}, beside: Clusters | null = null) {
    this.keeper = beside?.keeper ?? new TestCluster();
    this.source = beside?.source ?? new TestCluster({ nursery: true });
    this.target = beside?.target ?? new TestCluster({ nursery: true });
    if (beside === null) this.#plan();
    this.coordinator = createCoordination({ mid: MID, startedAtMs: 0, claimAtOnce: true, ...options });
  }

  #plan(): void {
    for (const cluster of ['A', 'B']) this.keeper.expect({ kind: 'setClusterConfig', cluster, nodes }, 'ok');
    this.keeper.expect({ kind: 'initMap', cluster: 'A' }, 'planned');
    this.keeper.expect({ kind: 'plan', source: 'A', target: 'B', lo: 'k', hi: null }, 'planned');
    this.source.expect({ kind: 'assume', epoch: 1 }, 'ok');
    for (const key of ['a', 'k', 'l', 'm']) this.source.set(key, key);
  }

  /** Until it waits for time to pass, or `stop` says so; at most so many answers. */
  settle(stop: () => boolean = () => false, answersMax = 300): void {
    for (let count = 0; count < answersMax && !stop(); count += 1) {
      this.#findRoom();
      const send = this.#queue.shift();
      if (send === undefined) return;
      const reply = this.intercept(nameOf(send), send) ?? this.answerOf(send);
      if (reply !== 'silence') this.answer(send, reply);
    }
  }

  #findRoom(): void {
    if (!this.#looksForRoom) return;
    this.#looksForRoom = false;
    this.step({ kind: 'room', why: this.noRoom, nowMs: this.nowMs });
  }

  /** The coordinator hears `answer`. */
  answer({ call }: Send, answer: AdminAnswer): void {
    this.step({ kind: 'answer', call, answer, nowMs: this.nowMs });
  }

  /** The coordinator takes an event; what it asks for waits for its answer. */
  step(event: Event): void {
    const effects = step(this.coordinator, event);
    checkState(this.coordinator);
    this.onStep(event, effects);
    this.#take(effects);
  }

  start(): void {
    this.step({ kind: 'start', nowMs: this.nowMs });
    this.settle();
  }

  /** Lets time pass, waking it whenever it asked for that. */
  run(forMs: number): void {
    const untilMs = this.nowMs + forMs;
    while (this.wakeAtMs <= untilMs && !hasEnded(this.coordinator)) {
      this.nowMs = Math.max(this.nowMs, this.wakeAtMs);
      this.wakeAtMs = Number.POSITIVE_INFINITY;
      this.tick();
    }
    this.nowMs = untilMs;
  }

  tick(): void {
    this.step({ kind: 'tick', nowMs: this.nowMs });
    this.settle();
  }

  unanswered(send: Send, why = 'closed'): void {
    this.step({ kind: 'unanswered', call: send.call, why, nowMs: this.nowMs });
    this.settle();
  }

  count(name: string): number {
    return this.asked.filter((each) => each === name).length;
  }

  lastOf(name: string): Send {
    const send = this.sends.findLast((each) => nameOf(each) === name);
    if (send === undefined) throw new Error(`${name} was not asked for`);
    return send;
  }

  get end(): Effect | undefined {
    return this.effects.find(({ kind }) => kind === 'finished' || kind === 'failed');
  }

  #take(effects: readonly Effect[]): void {
    for (const effect of effects) {
      this.effects.push(effect);
      if (effect.kind === 'wake') this.wakeAtMs = effect.atMs;
      if (effect.kind === 'findRoom') this.#looksForRoom = true;
      if (effect.kind !== 'send') continue;
      this.asked.push(nameOf(effect));
      this.sends.push(effect);
      this.#queue.push(effect);
    }
  }

  /** Its cluster carries out what is sent; what it says. */
  answerOf({ to, request }: Send): AdminAnswer {
    const cluster = this[to];
    if (request.kind === 'command') return cluster.command(request.command);
    if (request.query.kind === 'slowDown') return { kind: 'ok' };
    return decodeAnswer(cluster.queryAnswer(request.query).bytes);
  }
}

/** What is sent, in one word. */
export function nameOf({ request }: Send): string {
  return request.kind === 'command' ? request.command.kind : request.query.kind;
}
