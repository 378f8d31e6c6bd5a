/** One simulated process of a member: carries out the effects of the consensus core as the real driver does. */

import type { Effect, Event, ReplicaConfig } from '../../../node/paxos/contract.ts';
import { checkDelta, checkState, observe } from '../../../node/paxos/invariants.ts';
import { replacedBy } from '../../../node/paxos/members-state.ts';
import { entriesMessage, type Message, messageCodec } from '../../../node/paxos/messages.ts';
import { restsUntilMs } from '../../../node/paxos/rest.ts';
import { createReplica, mayPropose, mayRead, type Replica } from '../../../node/paxos/step.ts';
import type {
  Incarnation,
  LogRecord,
  MembersState,
  NodeName,
  RecordNumber,
  Slot,
} from '../../../node/paxos/values.ts';
import { present, unreachable } from '../../../src/base/assert.ts';
import { decode, encode } from '../../../src/wire/codec.ts';
import type { Random } from '../../support/random.ts';
import { invariant } from '../base/invariant.ts';
import { noteRare, type Rare } from '../base/rare.ts';
import type { Schedule } from '../base/schedule.ts';
import { check } from '../base/violation.ts';
import type { Bugs } from './bugs.ts';
import { type Checker, proposalBytes, textOf } from './checker.ts';
import type { Disk } from './disk.ts';
import type { Network, Parcel } from './network.ts';
import type { Plan } from './plan.ts';
import type { Witness } from './witness.ts';

type Of<K extends Effect['kind']> = Extract<Effect, { kind: K }>;
type WithoutTime<E> = E extends unknown ? Omit<E, 'nowMs'> : never;
type Happening = WithoutTime<Event>;

const TICK_MS = 10;

/** What all processes of one run share. */
export type World = {
  readonly plan: Plan;
  readonly random: Random;
  readonly schedule: Schedule;
  readonly network: Network;
  readonly checker: Checker;
  readonly rare: Rare;
  readonly bugs: Bugs;
  /** The process that runs on that node, if any. */
  processOf(node: NodeName): Process | null;
  /** Whether any disk holds that founding, or any process knows of it. */
  isKept(founding: MembersState): boolean;
  /** The node asked to be stopped. */
  stopped(process: Process, effect: Of<'stop'>): void;
  /** All that is left of its founding is here. */
  promoted(process: Process, effect: Of<'promoted'>): void;
  /** Null where nobody wants to see it. */
  readonly trace: ((line: string) => void) | null;
};

/** The present speed of the node's clock, and the longest its disk takes; faults change them. */
export type Hardware = {
  readonly disk: Disk;
  /** What others heard of this home. */
  readonly witness: Witness;
  clockRate: number;
  syncMaxMs: number;
};

export class Process {
  readonly node: NodeName;
  readonly config: ReplicaConfig;
  readonly incarnation: Incarnation;
  readonly hardware: Hardware;
  readonly replica: Replica;
  readonly #world: World;
  readonly #bornMs: number;
  readonly #clockBaseMs: number;
  #isDead = false;
  #lastEventMs = 0;
  /** As the core said after the last event (ms, its own clock). */
  #restsUntilMs = 0;
  /** What waits for the process to go on; null where it runs. */
  #backlog: (() => void)[] | null = null;
  /** Effects that are still carried out before it crashes; null where it lives on. */
  #effectsLeft: number | null = null;
  /** Kind of message after which it crashes; null where it lives on. */
  #crashOn: Message['kind'] | null = null;

  #unsynced: Of<'persist'>[] = [];
  #inFlight: Of<'persist'>[] = [];
  #lastRecord: RecordNumber = 0;
  #syncedUpTo: RecordNumber = 0;
  #held: Of<'send'>[] = [];

  #queue: Of<'apply'>[] = [];
  #isApplying = false;
  #emitted: Slot;
  #stateSlot: Slot;
  #stateMembers: MembersState | null;
  #appliedAt: { readonly slot: Slot; readonly record: RecordNumber }[] = [];
  #durableSlot: Slot;
  /** Proposals whose client waits. */
  readonly outstanding = new Set<number>();

  constructor(world: World, node: NodeName, hardware: Hardware, config: ReplicaConfig, fresh: Incarnation) {
    this.#world = world;
    this.node = node;
    this.config = config;
    this.hardware = hardware;
    this.#bornMs = world.schedule.nowMs;
    this.#clockBaseMs = world.random.pick([0, 1, world.random.next() * 1e7]);
    const recovered = world.bugs.recover(hardware.disk.recovered());
    hardware.witness.check(node, recovered);
    this.incarnation = recovered.incarnation ?? fresh;
    this.#stateSlot = recovered.applied;
    this.#stateMembers = recovered.members;
    this.#emitted = recovered.applied;
    this.#durableSlot = recovered.applied;
    world.trace?.(`${this.#at()} starts ${JSON.stringify(recovered, plain)} wishes ${config.wished}`);
    this.replica = createReplica(config, recovered);
    this.handle({ kind: 'start', random: world.random.next(), freshIncarnation: fresh });
    this.#local(world.random.next() * TICK_MS, () => this.#tick());
    this.#local(world.plan.flushEveryMs, () => this.#flush());
  }

  get isDead(): boolean {
    return this.#isDead;
  }

  /** It is being promoted, and its history need not be that of its founding any more. */
  get hasParted(): boolean {
    return (this.replica.retired?.parted ?? null) !== null;
  }

  get isPaused(): boolean {
    return this.#backlog !== null;
  }

  /** Slot of the state machine, which a read would see. */
  get stateSlot(): Slot {
    return this.#stateSlot;
  }

  get stateMembers(): MembersState | null {
    return this.#stateMembers;
  }

  /** The node's own monotonic clock (ms). */
  get nowMs(): number {
    const elapsedMs = this.#world.schedule.nowMs - this.#bornMs;
    return this.#clockBaseMs + elapsedMs * this.hardware.clockRate;
  }

  get mayRead(): boolean {
    return mayRead(this.replica, this.#world.bugs.trustsLastEvent ? this.#lastEventMs : this.nowMs);
  }

  /** Whether a client's update is taken at this moment. */
  get mayPropose(): 'yes' | 'full' | 'not-master' {
    return mayPropose(this.replica, this.nowMs);
  }

  propose(id: number): void {
    this.outstanding.add(id);
    this.handle({ kind: 'propose', id, bytes: proposalBytes(id) });
  }

  receive(parcel: Parcel): void {
    const { from, incarnation, message } = parcel;
    this.#run(() => {
      this.#greet(parcel);
      this.handle({ kind: 'message', from, incarnation, message });
    });
  }

  /** Links begin with a hello, which says what the other end took the place of. */
  #greet({ from, incarnation, message }: Parcel): void {
    const peer = this.#world.processOf(from);
    const { founded, members } = this.replica;
    if (founded === null || peer?.incarnation !== incarnation || !('cluster' in message)) return;
    if (message.cluster === '' || message.cluster === members.cluster) return;
    const replaces = replacedBy(peer.replica.members);
    this.handle({ kind: 'foreign', from, founding: message.cluster, replaces });
  }

  /** Lets the core handle one event and carries out what it asks for. */
  handle(happening: Happening): void {
    if (this.#isDead) return;
    const event = { ...happening, nowMs: this.nowMs } as Event;
    this.#lastEventMs = event.nowMs;
    const before = observe(this.replica);
    const effects = this.#world.bugs.step(this.replica, event);
    checkDelta(before, this.replica);
    checkState(this.replica);
    this.#checkRest(event, effects);
    noteRare(this.#world.rare, this.replica, event, effects);
    if (this.#world.trace !== null && (effects.length > 0 || event.kind !== 'tick')) {
      this.#world.trace(`${this.#at()} ${describe(event)}`);
      for (const effect of effects) this.#world.trace(`${' '.repeat(14)}-> ${describe(effect)}`);
    }
    for (const effect of effects) {
      if (this.#effectsLeft !== null && this.#effectsLeft <= 0) this.crash();
      if (this.#isDead) return;
      if (this.#effectsLeft !== null) this.#effectsLeft -= 1;
      this.#carryOut(effect);
    }
    this.#applySoon();
    this.#append();
  }

  /** A real process does not wake for ticks that it knows to do nothing: of such a tick nothing follows. */
  #checkRest(event: Event, effects: readonly Effect[]): void {
    if (event.kind === 'tick' && event.nowMs < this.#restsUntilMs) {
      this.#world.rare.note('ticks within a rest');
      invariant(effects.length === 0, 'nothing follows from a tick within a rest');
    }
    this.#restsUntilMs = restsUntilMs(this.replica, event.nowMs);
  }

  /** Ends the process now; of the group being written any beginning may be on the disk. */
  crash(): void {
    if (this.#isDead) return;
    this.#isDead = true;
    this.#world.trace?.(`${this.#at()} crashes`);
    const kept = this.#world.random.below(this.#inFlight.length + 1);
    this.#world.bugs.write(this.hardware.disk, entriesOf(this.#inFlight.slice(0, kept)));
  }

  /** Ends the process somewhere between the effects of a later event. */
  crashAfterEffects(count: number): void {
    this.#effectsLeft = count;
  }

  /** Ends the process right after it has next sent a message of that kind. */
  crashOnSend(kind: Message['kind']): void {
    this.#crashOn = kind;
  }

  /** A crash that was ordered and has not come yet does not come any more. */
  disarm(): void {
    this.#crashOn = null;
    this.#effectsLeft = null;
  }

  /** Stops the process's own time, as a stalled scheduler or a debugger does; its clock goes on. */
  pause(): void {
    this.#backlog ??= [];
  }

  /** Goes on: what came meanwhile is handled before timers. */
  resume(): void {
    const backlog = this.#backlog;
    if (backlog === null || this.#isDead) return;
    this.#world.trace?.(`${this.#at()} goes on`);
    this.#backlog = null;
    for (const run of backlog) this.#run(run);
  }

  /** Opens a snapshot for a peer; null where there is nothing to copy. */
  snapshot(): { readonly slot: Slot; readonly members: MembersState } | null {
    if (this.#isDead || this.#stateMembers === null) return null;
    return { slot: this.#stateSlot, members: this.#stateMembers };
  }

  /** For the end of a trace: where the process stands. */
  summary(): string {
    const { role, chosen, watermark, applied, promised, members, active } = this.replica;
    const shown = { role: role.kind, chosen, watermark, applied, promised, members: members.members, active };
    return `${this.#at()} ${this.isPaused ? 'paused ' : ''}${this.incarnation.slice(0, 12)} ${describe(shown)}`;
  }

  #tick(): void {
    this.handle({ kind: 'tick', random: this.#world.random.next() });
    this.#local(TICK_MS * (0.9 + this.#world.random.next() * 0.4), () => this.#tick());
  }

  /** Runs something of this process later, if it still lives, and not while it is paused. */
  #local(delayMs: number, run: () => void): void {
    this.#world.schedule.after(delayMs, () => this.#run(run));
  }

  #run(run: () => void): void {
    if (this.#isDead) return;
    if (this.#backlog !== null) this.#backlog.push(run);
    else run();
  }

  #carryOut(effect: Effect): void {
    switch (effect.kind) {
      case 'persist':
        invariant(effect.record === this.#lastRecord + 1, 'record numbers have no gap');
        this.#lastRecord = effect.record;
        this.#unsynced.push(effect);
        return;
      case 'send':
        invariant(effect.after <= this.#lastRecord, 'a send waits for a record that was asked for');
        invariant(effect.to !== this.node, 'nobody sends to itself');
        if (effect.after > this.#syncedUpTo && !this.#world.bugs.sendsEarly) this.#held.push(effect);
        else this.#send(effect.to, effect.message);
        return;
      case 'apply':
        invariant(effect.slot === this.#emitted + 1, `apply ${effect.slot} follows ${this.#emitted}`);
        this.#emitted = effect.slot;
        if (effect.slot > this.#stateSlot) this.#queue.push(effect); // else a snapshot has it already
        return;
      case 'lost':
        this.#world.rare.note('proposals lost');
        for (const id of effect.proposals) this.#settle(id);
        return;
      case 'refused':
        this.#world.rare.note('proposals refused');
        for (const id of effect.proposals) {
          this.#settle(id);
          this.#world.checker.refuse(id);
        }
        return;
      case 'found':
        this.#world.checker.founded(this.node, effect.state, this.#world.isKept);
        if (this.#stateSlot === 0) this.#stateMembers = effect.state;
        return;
      case 'serveLog':
        this.#serveLog(effect);
        return;
      case 'installSnapshot':
        this.#installSnapshot(effect);
        return;
      case 'promoted':
        this.#world.promoted(this, effect);
        return;
      case 'log':
        this.#noteLog(effect);
        return;
      case 'stop':
        this.#world.stopped(this, effect);
        return;
      default:
        unreachable(effect);
    }
  }

  #noteLog({ what, facts }: Of<'log'>): void {
    const { rare } = this.#world;
    rare.note(what);
    if (what !== 'became master') return;
    if (Number(facts['adopted']) > 0) rare.note('value adopted');
    if (Number(facts['holes']) > 0) rare.note('hole filled');
  }

  #settle(id: number): void {
    invariant(this.outstanding.delete(id), `proposal ${id} is answered once`);
  }

  #send(to: NodeName, message: Message): void {
    const { plan, network } = this.#world;
    const carried = plan.encodes ? decode(messageCodec, encode(messageCodec, message)) : message;
    this.hardware.witness.hear(message);
    this.#world.rare.note(`sent ${message.kind}`);
    network.send({ from: this.node, incarnation: this.incarnation, to, message: carried });
    if (message.kind === this.#crashOn) this.crash();
  }

  /** One sync in flight at a time; what gathers meanwhile goes with the next. */
  #append(): void {
    if (this.#isDead || this.#inFlight.length > 0 || this.#unsynced.length === 0) return;
    this.#inFlight = this.#unsynced;
    this.#unsynced = [];
    const group = this.#inFlight;
    this.#world.schedule.after(this.#world.random.next() * this.hardware.syncMaxMs, () => {
      if (this.#isDead) return;
      this.#world.bugs.write(this.hardware.disk, entriesOf(group));
      this.#inFlight = [];
      this.#run(() => this.#onSynced(present(group.at(-1), 'last record of a group').record));
    });
  }

  #onSynced(upTo: RecordNumber): void {
    this.#syncedUpTo = upTo;
    const ready = this.#held.filter(({ after }) => after <= upTo);
    this.#held = this.#held.filter(({ after }) => after > upTo);
    for (const { to, message } of ready) if (!this.#isDead) this.#send(to, message);
    this.#advanceDurableSlot();
    this.handle({ kind: 'synced', record: upTo });
    this.#append();
  }

  /** The state machine works beside the core, and reports what it has done in a later turn. */
  #applySoon(): void {
    if (this.#isApplying || this.#queue.length === 0) return;
    this.#isApplying = true;
    const { random, plan } = this.#world;
    if (plan.applyMaxMs === 0 || random.chance(0.3)) this.#applyAll();
    else this.#local(random.next() * plan.applyMaxMs, () => this.#applyAll());
  }

  #applyAll(): void {
    const queue = this.#queue;
    this.#queue = [];
    for (const effect of queue) this.#apply(effect);
    this.#isApplying = false;
    const slot = this.#stateSlot;
    if (queue.length > 0) this.#local(0, () => this.handle({ kind: 'applied', slot }));
  }

  #apply(effect: Of<'apply'>): void {
    const { checker } = this.#world;
    invariant(effect.slot === this.#stateSlot + 1, `slot ${effect.slot} is applied after ${this.#stateSlot}`);
    if (this.hasParted) checker.appliedParted(this.incarnation, effect);
    else checker.applied(this.node, effect);
    this.#stateSlot = effect.slot;
    this.#stateMembers = effect.members;
    this.#appliedAt.push({ slot: effect.slot, record: this.#lastRecord });
    this.#advanceDurableSlot();
    if (effect.proposal === null) return;
    this.#settle(effect.proposal);
    checker.acknowledge(this.node, effect.proposal, effect.slot);
  }

  #advanceDurableSlot(): void {
    const waiting = this.#appliedAt.findIndex(({ record }) => record > this.#syncedUpTo);
    const ready = this.#appliedAt.splice(0, waiting === -1 ? this.#appliedAt.length : waiting);
    this.#durableSlot = Math.max(this.#durableSlot, ready.at(-1)?.slot ?? 0);
  }

  /** Writes the store's image, up to the slot that the node's own log durably holds. */
  #flush(): void {
    const { random, plan, schedule } = this.#world;
    const slot = this.#world.bugs.flushesEarly ? this.#stateSlot : this.#durableSlot;
    if (this.#stateMembers !== null) {
      schedule.after(random.next() * plan.flushEveryMs, () => {
        if (!this.#isDead) this.#flushed(slot);
      });
    }
    this.#local(plan.flushEveryMs * (1 + random.next()), () => this.#flush());
  }

  #flushed(slot: Slot): void {
    const { disk } = this.hardware;
    const { checker } = this.#world;
    const from = disk.image?.slot ?? 0;
    if (disk.image !== null && slot <= from) return;
    if (this.hasParted || this.replica.members.cluster !== checker.cluster) return; // its slots are others'
    for (let at = Math.max(from + 1, disk.firstSlot); at <= slot; at += 1) {
      const value = disk.valueAt(at);
      check(
        value !== undefined,
        'image-agrees',
        () => `the store of ${this.node} is ahead of its log at ${at}`,
      );
      const chosen = checker.valueAt(at);
      check(
        value !== undefined && textOf(value) === chosen,
        'image-agrees',
        () => `the log of ${this.node} has ${value && textOf(value)} at ${at}, not ${chosen}`,
      );
    }
    if (disk.image !== null && this.#world.random.chance(0.1)) disk.older.push(disk.image);
    disk.image = { slot, members: checker.membersAt(slot), snapshot: disk.image?.snapshot ?? 0 };
  }

  /** Reads durable records only, as the real log does; waits for the group in flight where it concerns the slots. */
  #serveLog(effect: Of<'serveLog'>): void {
    const { to, from, upTo } = effect;
    const isInFlight = (slot: Slot): boolean => this.#inFlight.some(({ entry }) => slotOf(entry) === slot);
    for (let slot = from; slot <= upTo; slot += 1) {
      if (!isInFlight(slot)) continue;
      this.#local(1, () => this.#serveLog(effect));
      return;
    }
    const { disk } = this.hardware;
    const entries: { slot: Slot; value: NonNullable<ReturnType<Disk['valueAt']>> }[] = [];
    for (let slot = from; slot <= upTo && entries.length < this.#world.plan.serveMax; slot += 1) {
      const value = slot < disk.firstSlot ? undefined : disk.valueAt(slot);
      if (value === undefined) break;
      entries.push({ slot, value });
    }
    const firstLogSlot = disk.firstSlot;
    this.#local(this.#world.random.next() * 3, () =>
      this.#send(to, entriesMessage(effect, entries, firstLogSlot)),
    );
  }

  #installSnapshot({ from }: Of<'installSnapshot'>): void {
    const { random, schedule, network, processOf } = this.#world;
    const isReachable = (): boolean => network.reaches(from, this.node) && network.reaches(this.node, from);
    schedule.after(random.next() * 20, () => {
      const peer = processOf(from);
      const snapshot = isReachable() && peer?.isPaused === false ? peer.snapshot() : null;
      this.#local(random.next() * 100, () => {
        if (snapshot === null || peer?.isDead !== false || !isReachable() || random.chance(0.1)) {
          this.handle({ kind: 'snapshotFailed', from });
        } else {
          this.#install(from, snapshot.slot, snapshot.members);
        }
      });
    });
  }

  #install(from: NodeName, slot: Slot, members: MembersState): void {
    if (slot <= this.#stateSlot && this.#stateMembers !== null) {
      this.handle({ kind: 'snapshotFailed', from });
      return;
    }
    this.#world.rare.note('snapshot installed');
    this.hardware.disk.image = { slot, members, snapshot: slot };
    this.#stateSlot = slot;
    this.#stateMembers = members;
    this.#durableSlot = slot;
    this.#appliedAt = [];
    this.#queue = this.#queue.filter((effect) => effect.slot > slot);
    this.#local(0, () => {
      this.#emitted = Math.max(this.#emitted, slot);
      this.handle({ kind: 'snapshotInstalled', slot, members });
    });
  }

  #at(): string {
    const { schedule } = this.#world;
    return `${schedule.nowMs.toFixed(1).padStart(9)} ${this.node}`;
  }
}

function entriesOf(effects: readonly Of<'persist'>[]): LogRecord[] {
  return effects.map(({ entry }) => entry);
}

function slotOf(entry: LogRecord): Slot | null {
  return entry.kind === 'accept' || entry.kind === 'learn' ? entry.slot : null;
}

/** On one line, with bytes as numbers. */
export function describe(what: object): string {
  return JSON.stringify(what, plain);
}

function plain(_name: string, value: unknown): unknown {
  return value instanceof Uint8Array ? `bytes ${Buffer.from(value).toString('hex')}` : value;
}
