/**
 * Runs the pure consensus core: feeds it events, carries out its effects, and keeps the one rule that everything
 * rests on — nothing leaves the node before the record it waits for is durable.
 *
 * It owns no socket, file or timer: they come in through `World`, so that a simulation can run this very code.
 */

import { invariant, present, unreachable } from '../../src/base/assert.ts';
import { NurseryError } from '../../src/base/errors.ts';
import { failure } from '../../src/protocol/arakoon/replies.ts';
import type { Answer } from '../../src/protocol/arakoon/values.ts';
import { encode } from '../../src/wire/codec.ts';
import { MEMBERS_KEY } from '../life/members-row.ts';
import { Machine } from '../machine/machine.ts';
import type { Effect, Event } from '../paxos/contract.ts';
import { checkDelta, factsOf, observe } from '../paxos/invariants.ts';
import { entriesMessage } from '../paxos/messages.ts';
import { masterOf, mayPropose, type Replica, readableUntilMs, step } from '../paxos/step.ts';
import {
  type LogRecord,
  membersStateCodec,
  type NodeName,
  type RecordNumber,
  type Slot,
} from '../paxos/values.ts';
import { Apart } from './apart.ts';
import { Applier } from './applier.ts';
import { newCounters } from './counters.ts';
import { Fullness } from './fullness.ts';
import { Proposals, type Respond } from './proposals.ts';
import { retirement } from './retirement.ts';
import { SleepWatch } from './sleep.ts';
import { STORE_DAMAGED_ANSWER, STORE_DOUBTFUL_ANSWER } from './store-answers.ts';
import type { Happening, Standing, World } from './world.ts';

/** Bytes of chosen values in one answer to a peer that is behind. */
const SERVE_BYTES_MAX = 1024 * 1024;
/**
 * With so many batches in flight, updates gather until one of them is answered: a slot costs its messages, syncs and
 * wake-ups whatever its size. Gathered bytes beyond the other bound go at once, as far as the window has room.
 */
const GATHER_SLOTS = 2;
const GATHER_BYTES = 256 * 1024;
/** How long a full disk is left alone before the next try (ms). */
const DISK_FULL_RETRY_MS = 500;

/** One member at work. */
export class Driver {
  readonly #world: World;
  readonly #replica: Replica;
  readonly #applier: Applier;
  readonly proposals: Proposals;
  #events: Happening[] = [];
  #scheduled = false;
  #stopped = false;
  #onIdle: (() => void) | null = null;

  /** Asked for by every read; null where an event may have changed it. */
  #readableUntilMs: number | null = null;
  readonly #sleep: SleepWatch | null;
  #sleptAtMs = Number.NEGATIVE_INFINITY;
  #unsynced: { readonly record: RecordNumber; readonly entry: LogRecord }[] = [];
  #appending = false;
  /** The last append found no room. */
  #diskFull = false;
  /** The same, and the next one is not due yet. */
  #waitsForRoom = false;
  readonly #fullness: Fullness;
  #syncedUpTo: RecordNumber = 0;
  #lastRecord: RecordNumber = 0;
  #held: Extract<Effect, { kind: 'send' }>[] = [];
  /** Applied slots, each with the last record that its value may lie in; durable once that one is. */
  #appliedAt: { readonly slot: Slot; readonly record: RecordNumber }[] = [];
  #durableSlot: Slot;
  #standing: Standing = 'sound';
  readonly counters = newCounters();
  readonly apart: Apart;

  constructor(world: World, replica: Replica, machine: Machine) {
    this.#world = world;
    this.apart = new Apart(world.nowMs);
    this.#replica = replica;
    this.proposals = new Proposals(world.nowMs);
    this.#durableSlot = world.store.slot;
    const { wallMs } = world;
    this.#sleep = wallMs === undefined ? null : new SleepWatch(world.nowMs, wallMs, replica.config.driftMs);
    this.#fullness = new Fullness(world.logger, world.nowMs, () => this.#fullWhy);
    this.#applier = new Applier({
      machine,
      store: world.store,
      nowMs: world.nowMs,
      defer: world.defer,
      applied: (effect, answers) => this.#onApplied(effect, answers),
      drained: (slot) => this.submit({ kind: 'applied', slot }),
      failed: (error) => this.#fail('INVARIANT', error),
    });
  }

  get replica(): Replica {
    return this.#replica;
  }

  /** Nothing is applied until `snapshotInstalled` or `releaseApplying`. @returns what waits for that, as it is when asked */
  holdApplying(): Pick<Applier, 'queued'> {
    this.#applier.hold();
    return this.#applier;
  }

  /** The store is as it was when it was held: goes on applying, unless it is damaged. */
  releaseApplying(): void {
    if (this.#standing !== 'damaged') this.#applier.release();
  }

  get machine(): Machine {
    return this.#applier.machine;
  }

  /** Highest slot whose own log records, and all below, are durable; the store may be flushed up to it. */
  get durableSlot(): Slot {
    return this.#durableSlot;
  }

  /** First slot that the log still has; what lies below is in the store alone. */
  get firstLogSlot(): Slot {
    return this.#world.log.firstSlot;
  }

  /** The master that this node believes in, while its lease lasts. */
  master(): NodeName | null {
    return masterOf(this.#replica, this.#world.nowMs());
  }

  /** Whether consistent reads may be served from the store at this moment. */
  mayRead(): boolean {
    if (this.#standing !== 'sound' || this.#applier.isHeld) return false;
    this.lookAtClocks();
    this.#readableUntilMs ??= this.#leaseSinceSleep();
    return this.#world.nowMs() < this.#readableUntilMs;
  }

  /** To be called at each tick, and before each read: a sleep ends without an event. */
  lookAtClocks(): void {
    if (this.#sleep?.hasSlept() !== true) return;
    // In the same millisecond a heartbeat may have been sent before the sleep.
    this.#sleptAtMs = Math.floor(this.#world.nowMs());
    this.#readableUntilMs = null;
    this.#world.logger.warn(
      {},
      'the wall clock has run ahead, as when a machine sleeps: asking for the lease anew',
    );
    this.#world.defer(() => this.submit({ kind: 'slept' }));
  }

  /** As readableUntilMs; but a lease of before the machine slept is none. */
  #leaseSinceSleep(): number {
    const untilMs = readableUntilMs(this.#replica);
    const { leaseMs, driftMs } = this.#replica.config;
    const sentAtMs = untilMs - leaseMs + driftMs;
    return sentAtMs > this.#sleptAtMs ? untilMs : Number.NEGATIVE_INFINITY;
  }

  get standing(): Standing {
    return this.#standing;
  }

  /** Doubts the store, or no longer: what is damaged stays so. */
  doubt(isDoubtful: boolean): void {
    if (this.#standing !== 'damaged') this.#standing = isDoubtful ? 'doubtful' : 'sound';
  }

  /** Answers nothing from the store any more, applies nothing to it, and hands mastership to somebody else. */
  quarantine(): void {
    this.#standing = 'damaged';
    this.#applier.hold();
    this.proposals.refuseWaiting(failure('GOING_DOWN', STORE_DAMAGED_ANSWER));
    this.proposals.abandon(
      this.proposals.ids(),
      failure(
        'MAYBE_APPLIED',
        'the store of this node is damaged; the update may or may not have been applied',
      ),
    );
    this.submit({ kind: 'dropMaster' });
  }

  /** The store's file could not be read: the node must not go on with it. */
  storeFailed(error: Error): void {
    this.#fail('STORE_DAMAGED', error);
  }

  /** Queues an event for the next turn; events of one turn of the loop share one sync and one batch. */
  submit(event: Happening): void {
    if (this.#stopped) return;
    this.#events.push(event);
    this.#schedule();
  }

  /** Why no client is served here at all, whatever it asks of the data; null where one is. */
  get refusal(): Answer | null {
    if (this.#standing === 'damaged') return failure('GOING_DOWN', STORE_DAMAGED_ANSWER);
    if (this.#stopped) return failure('GOING_DOWN', 'node is going down; not executed');
    const retired = retirement(this.#replica, this.#world.nowMs());
    if (retired !== null) return retired;
    return this.#standing === 'doubtful' ? failure('GOING_DOWN', STORE_DOUBTFUL_ANSWER) : null;
  }

  /**
   * Queues an encoded update; `respond` is called once, whatever becomes of it. What is not on its way at `untilMs` is
   * refused: nobody waits for it any more.
   */
  propose(update: Uint8Array, respond: Respond, untilMs?: number): void {
    const refusal = this.refusal;
    if (refusal !== null) respond(refusal);
    else this.proposeOwn(update, respond, untilMs);
  }

  /** The same for a command of this node that reads and changes no data: also while the store is in doubt. */
  proposeOwn(update: Uint8Array, respond: Respond, untilMs?: number): void {
    const refusal = this.#unwritable;
    if (refusal !== null) {
      respond(refusal);
      return;
    }
    this.proposals.add(update, respond, untilMs);
    this.#schedule();
  }

  /** The same for the updates of a run: all are refused alike, or go into one slot. */
  proposeRun(updates: readonly Uint8Array[], responds: readonly Respond[], untilMs?: number): void {
    const refusal = this.refusal ?? this.#unwritable;
    if (refusal !== null) {
      for (const respond of responds) respond(refusal);
      return;
    }
    this.proposals.addRun(updates, responds, untilMs);
    this.#schedule();
  }

  /** For what room updates wait, as people should read it; null where there is some. */
  get waitsForRoom(): string | null {
    const isFull = this.#diskFull || this.#world.log.isFull;
    return isFull ? `${this.#fullWhy}: updates are refused until there is room, reads go on` : null;
  }

  get #fullWhy(): string {
    return this.#world.log.fullWhy ?? 'disk is full';
  }

  /** Why no update is taken, of whomever; null where one is. */
  get #unwritable(): Answer | null {
    const isFull = this.#diskFull || this.#world.log.isFull;
    // Who is no master says so, whatever its disk: another one may have room.
    if (isFull && mayPropose(this.#replica, this.#world.nowMs()) !== 'not-master') {
      this.#fullness.met();
      return failure('READ_ONLY', `${this.#fullWhy}: update refused, not executed; make room on this node`);
    }
    return this.#stopped || this.#standing === 'damaged'
      ? failure('GOING_DOWN', 'node is going down; not executed')
      : null;
  }

  /** A snapshot has replaced the store; `machine` was loaded from it. */
  snapshotInstalled(machine: Machine, event: Extract<Happening, { kind: 'snapshotInstalled' }>): void {
    this.#applier.restart(machine);
    this.#appliedAt = [];
    this.#durableSlot = event.slot;
    this.#world.applied(event.slot); // before the next slot changes what it brought
    this.submit(event);
  }

  /** The store has room again, or may have: goes on applying. */
  resume(): void {
    this.#applier.run();
  }

  /** Takes no more events and answers what waits. */
  stop(): void {
    this.#stopped = true;
    this.proposals.refuseWaiting(failure('GOING_DOWN', 'node is going down; not executed'));
    this.proposals.abandon(
      this.proposals.ids(),
      failure('MAYBE_APPLIED', 'node went down; may or may not have been applied'),
    );
  }

  /** Resolves when no write to the log is under way any more; after `stop` none begins. */
  idle(): Promise<void> {
    if (!this.#appending) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onIdle = resolve;
    });
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#world.defer(() => {
      this.#scheduled = false;
      try {
        this.#turn();
      } catch (error) {
        this.#fail('INVARIANT', error as Error);
      }
    });
  }

  #turn(): void {
    if (this.#stopped) return;
    this.counters.turns += 1;
    const nowMs = this.#world.nowMs(); // read here: after a pause a stored time would be a lie
    const events = this.#events;
    this.#events = [];
    for (const event of events) this.#step({ ...event, nowMs } as Event);
    this.#applier.run(); // first, since what it answers makes room for the next batch
    this.#proposeWaiting(nowMs);
    this.#append();
    this.#fullness.look(this.#diskFull || this.#world.log.isFull);
    const { over } = this.apart;
    if (over !== null) this.#fail('OTHER_CLUSTER', new Error(over));
    this.#world.turned?.();
  }

  #proposeWaiting(nowMs: number): void {
    if (this.proposals.waiting > 0) this.proposals.expire(nowMs, this.#tooLate);
    while (this.proposals.waiting > 0) {
      if (this.proposals.inFlight >= GATHER_SLOTS && this.proposals.waitingBytes < GATHER_BYTES) return;
      const may = mayPropose(this.#replica, nowMs);
      if (may === 'full') return;
      if (may === 'not-master') {
        this.proposals.refuseWaiting(failure('NOT_MASTER', masterOf(this.#replica, nowMs) ?? 'None'));
        return;
      }
      const { id, bytes } = present(this.proposals.take(), 'batch');
      this.counters.batchesProposed += 1;
      this.#step({ kind: 'propose', id, bytes, nowMs });
    }
  }

  get #tooLate(): Answer {
    const { node } = this.#replica.config;
    return failure('GOING_DOWN', `node ${node} did not come to it in time; not executed, send it again`);
  }

  #step(event: Event): void {
    this.#readableUntilMs = null;
    const before = observe(this.#replica);
    const effects = step(this.#replica, event);
    checkDelta(before, this.#replica);
    for (const effect of effects) this.#show(effect);
  }

  #show(effect: Effect): void {
    switch (effect.kind) {
      case 'persist':
        invariant(effect.record === this.#lastRecord + 1, 'record numbers have no gap', () => ({
          last: this.#lastRecord,
          next: effect.record,
          ...factsOf(this.#replica),
        }));
        this.#lastRecord = effect.record;
        this.#unsynced.push(effect);
        return;
      case 'send':
        if (effect.after > this.#syncedUpTo) this.#held.push(effect);
        else this.#send(effect);
        return;
      case 'apply':
        if (effect.proposal !== null) this.proposals.chosen(effect.proposal);
        this.#applier.push(effect);
        return;
      case 'lost':
        this.proposals.abandon(
          effect.proposals,
          failure('MAYBE_APPLIED', 'mastership was lost; the update may or may not have been applied'),
        );
        return;
      case 'refused':
        this.proposals.abandon(effect.proposals, failure('NOT_MASTER', this.master() ?? 'None'));
        return;
      case 'found':
        this.#found(effect);
        return;
      case 'serveLog':
        this.#serve(effect);
        return;
      case 'installSnapshot':
        this.#world.installSnapshot(effect.from);
        return;
      case 'promoted':
        this.#world.promoted(effect.slot);
        return;
      case 'log':
        this.#world.logger[effect.level](effect.facts, effect.what);
        return;
      case 'stop':
        if (!this.apart.asksFirst(effect, this.machine.bound)) this.#fail(effect.exit, new Error(effect.why));
        return;
      default:
        unreachable(effect);
    }
  }

  #send({ to, message }: Pick<Extract<Effect, { kind: 'send' }>, 'to' | 'message'>): void {
    this.counters.messagesSent += 1;
    this.#world.send(to, message);
  }

  #found({ state, genesis }: Extract<Effect, { kind: 'found' }>): void {
    const { store } = this.#world;
    if (store.slot > 0) return; // founded in an earlier life
    store.commit(new Map([...Machine.found(genesis), [MEMBERS_KEY, encode(membersStateCodec, state)]]), 0);
    this.#applier.restart(new Machine(store, this.machine.runner));
  }

  #onApplied(effect: Extract<Effect, { kind: 'apply' }>, answers: Parameters<Proposals['settle']>[1]): void {
    this.counters.slotsApplied += 1;
    this.counters.updatesApplied += answers.length;
    this.#appliedAt.push({ slot: effect.slot, record: this.#lastRecord });
    this.#advanceDurableSlot();
    if (effect.proposal !== null) this.proposals.settle(effect.proposal, answers);
    this.#world.applied(effect.slot);
  }

  /** One sync in flight at a time; what gathers meanwhile goes with the next. Its end is an event. */
  #append(): void {
    if (this.#appending || this.#waitsForRoom || this.#unsynced.length === 0) return;
    const batch = this.#unsynced;
    this.#unsynced = [];
    this.#appending = true;
    const upTo = present(batch.at(-1), 'last record of a batch').record;
    this.#world.log.append(
      batch.map(({ entry }) => entry),
      (error) => {
        this.#appending = false;
        this.#onIdle?.();
        if (this.#stopped) return;
        if (error === null) this.#onSynced(upTo);
        else if (error instanceof NurseryError && error.code === 'DISK_FULL') this.#onDiskFull(batch);
        else this.#fail('DISK_FAILED', error);
      },
    );
  }

  #onSynced(upTo: RecordNumber): void {
    this.#diskFull = false;
    this.#syncedUpTo = upTo;
    const held = this.#held;
    let ready = 0;
    while (ready < held.length && present(held[ready], 'held send').after <= upTo) ready += 1;
    this.#held = held.slice(ready);
    for (let i = 0; i < ready; i += 1) this.#send(present(held[i], 'held send'));
    this.#advanceDurableSlot();
    this.submit({ kind: 'synced', record: upTo });
  }

  /** Nothing was written: the same records are tried again until there is space; meanwhile nobody hears of them. */
  #onDiskFull(batch: { record: RecordNumber; entry: LogRecord }[]): void {
    this.#unsynced = [...batch, ...this.#unsynced];
    this.#fullness.met();
    this.#diskFull = true;
    this.#waitsForRoom = true;
    this.#world.after(DISK_FULL_RETRY_MS, () => {
      if (this.#stopped) return; // the log may be closed, and another life may have begun
      this.#waitsForRoom = false;
      this.#append();
    });
  }

  #advanceDurableSlot(): void {
    let index = 0;
    while (index < this.#appliedAt.length) {
      const { slot, record } = present(this.#appliedAt[index], 'applied slot');
      if (record > this.#syncedUpTo) break;
      this.#durableSlot = slot;
      index += 1;
    }
    if (index > 0) this.#appliedAt.splice(0, index);
  }

  /** Reads the log for a peer that is behind. */
  #serve(asked: Extract<Effect, { kind: 'serveLog' }>): void {
    const { log } = this.#world;
    log.readSlots(asked.from, asked.upTo, SERVE_BYTES_MAX).then(
      (entries) => this.#send({ to: asked.to, message: entriesMessage(asked, entries, log.firstSlot) }),
      (error: Error) => this.#fail('DISK_FAILED', error),
    );
  }

  #fail(exit: Parameters<World['stop']>[0], error: Error): void {
    if (this.#stopped) return;
    this.stop();
    this.#world.stop(exit, error);
  }
}
