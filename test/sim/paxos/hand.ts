/**
 * A cluster whose schedule is written by hand: who is up, who hears whom, what is on each disk. Disks sync at once unless one is
 * stuck, state machines apply at once, and messages take no time; all else is the code of production.
 */

import type { Effect, Event, ReplicaConfig } from '../../../node/paxos/contract.ts';
import { checkDelta, observe } from '../../../node/paxos/invariants.ts';
import { entriesMessage, type Message } from '../../../node/paxos/messages.ts';
import { createReplica, mayRead, type Replica, statusOf, step } from '../../../node/paxos/step.ts';
import type {
  Incarnation,
  LogRecord,
  MembersState,
  NodeName,
  RecordNumber,
  Slot,
  Value,
} from '../../../node/paxos/values.ts';
import { present } from '../../../src/base/assert.ts';
import { invariant } from '../base/invariant.ts';
import { check } from '../base/violation.ts';
import { textOf } from './checker.ts';
import { Disk, refoundDisk } from './disk.ts';
import { holds } from './history.ts';

export const LEASE_MS = 1000;
/** Slots between what a survivor held and what its new founding begins with. */
export const LEAP = 1000;
const TICK_MS = 10;

type WithoutTime<E> = E extends unknown ? Omit<E, 'nowMs'> : never;

type Node = {
  readonly name: NodeName;
  disk: Disk;
  replica: Replica | null;
  config: Partial<ReplicaConfig>;
  /** Which of its lives an empty home begins. */
  home: number;
  applied: Slot;
  members: MembersState | null;
  stopped: string | null;
  /** It is all that is left of its founding, up to that slot. */
  promoted: { readonly slot: Slot; readonly members: MembersState } | null;
  /** Nothing that it writes becomes durable any more, nor is anything sent that waits for that. */
  isDiskStuck: boolean;
};

type Wire = {
  readonly from: NodeName;
  readonly to: NodeName;
  readonly incarnation: Incarnation;
  readonly message: Message;
};

/** The life of a node's home. */
export function lifeOf(node: NodeName, home = 0): string {
  return `${node}${home}`.padEnd(32, '-');
}

export function ballotOf(round: number, node: NodeName, home = 0): { round: number; node: string } {
  return { round, node: `${node}.${lifeOf(node, home).slice(0, 12)}` };
}

/** A batch that carries `id`, as the simulation's clients send them. */
export function batch(id: number): Value {
  return { kind: 'batch', bytes: new Uint8Array(Uint32Array.of(id).buffer) };
}

export class Hand {
  readonly #nodes = new Map<NodeName, Node>();
  readonly #founding: MembersState;
  /** What is chosen, by slot; each node that applies something is held against it. */
  readonly #chosen = new Map<Slot, { readonly value: string; readonly members: MembersState }>();
  #wires: Wire[] = [];
  nowMs = 0;
  /** Whether a message gets through, by sender, receiver and kind. */
  hears: (from: NodeName, to: NodeName, kind: Message['kind'], message: Message) => boolean = () => true;
  /** Whether what the node applies may differ from what was chosen: it is being promoted. */
  isFork: (name: NodeName) => boolean = () => false;
  /** How long a copy of a store takes (ms). */
  copyMs = 50;
  /** Slots in one answer from a log. */
  serveMax = 100;
  #copies: { readonly atMs: number; readonly from: NodeName; readonly to: NodeName }[] = [];
  #nextProposal = 1000;
  /** What nodes told people, newest last. */
  readonly said: string[] = [];
  /** Sees each event that a node handles, and what came of it, before it is carried out. */
  onStep: (name: NodeName, event: Event, effects: readonly Effect[]) => void = () => {};

  readonly names: readonly NodeName[];
  readonly learners: readonly NodeName[];

  /** @param founders members by the founding; all of `names` have homes. */
  constructor(
    names: readonly NodeName[],
    founders: readonly NodeName[] = names,
    learners: readonly NodeName[] = [],
  ) {
    this.names = names;
    this.learners = learners;
    const voters = founders.filter((name) => !learners.includes(name));
    this.#founding = {
      cluster: lifeOf(present(voters[0], 'founder')),
      members: voters.map((node) => ({ node, incarnation: lifeOf(node) })),
      superseded: [],
    };
    this.#chosen.set(0, { value: 'founding', members: this.#founding });
    for (const name of names) {
      const disk = new Disk();
      disk.append([
        { kind: 'incarnation', incarnation: lifeOf(name) },
        { kind: 'founded', state: this.#founding, genesis: new Uint8Array(0) },
      ]);
      disk.image = { slot: 0, members: this.#founding, snapshot: 0 };
      this.#nodes.set(name, {
        name,
        disk,
        replica: null,
        config: {},
        home: 0,
        applied: 0,
        members: this.#founding,
        stopped: null,
        promoted: null,
        isDiskStuck: false,
      });
    }
  }

  /** All homes are empty. */
  static empty(names: readonly NodeName[]): Hand {
    const hand = new Hand(names);
    hand.#chosen.clear();
    for (const name of names) hand.wipe(name, 0);
    return hand;
  }

  /** Empties the home of a node; it wakes up in its life number `home`. */
  wipe(name: NodeName, home: number): void {
    this.stop(name);
    const node = this.node(name);
    node.disk = new Disk();
    node.home = home;
  }

  /** A survivor begins a new founding with what it holds, `LEAP` slots above, in its life number `home`. */
  refound(name: NodeName, home: number): void {
    const node = this.node(name);
    const { slot, members } = present(node.promoted, `${name} is promoted`);
    holds(node.applied === slot, `${name} applied ${node.applied}, and is promoted at ${slot}`);
    this.stop(name);
    const disk = refoundDisk({ slot, members }, { node: name, incarnation: lifeOf(name, home) }, LEAP);
    node.disk = disk;
    node.home = home;
    node.promoted = null;
    const image = present(disk.image, 'image');
    this.#chosen.set(image.slot, { value: 'promoted', members: image.members });
  }

  /** Says beforehand what is chosen in a slot, and which list is in force above it. */
  choose(slot: Slot, value: Value, members: MembersState = this.membersAt(slot - 1)): void {
    this.#chosen.set(slot, { value: textOf(value), members });
  }

  membersAt(slot: Slot): MembersState {
    return present(this.#chosen.get(slot), `chosen slot ${slot}`).members;
  }

  /** Writes into the log of a node that is down. */
  write(name: NodeName, ...records: LogRecord[]): void {
    this.node(name).disk.append(records);
  }

  /** An accept as it stands in a log. */
  accepts(
    name: NodeName,
    slot: Slot,
    value: Value,
    ballot: { round: number; node: string },
    chosen: Slot = 0,
  ): void {
    this.write(name, { kind: 'accept', slot, ballot, value, chosen });
  }

  /** The store of a node that is down is the image of `slot`; the log lets go of what is at or below `dropped`. */
  flush(name: NodeName, slot: Slot, dropped: Slot = 0): void {
    const { disk } = this.node(name);
    disk.image = { slot, members: this.membersAt(slot), snapshot: disk.image?.snapshot ?? 0 };
    if (dropped > 0) disk.collapse(dropped);
  }

  /** The store of a node that is down is gone, or that of an older slot is put back in its place. */
  lose(name: NodeName, image: Slot | null = null): void {
    const { disk } = this.node(name);
    disk.image = image === null ? null : { slot: image, members: this.membersAt(image), snapshot: 0 };
  }

  node(name: NodeName): Node {
    return present(this.#nodes.get(name), `node ${name}`);
  }

  replica(name: NodeName): Replica {
    return present(this.node(name).replica, `running ${name}`);
  }

  start(...names: NodeName[]): void {
    for (const name of names) {
      const node = this.node(name);
      const recovered = node.disk.recovered();
      node.applied = recovered.applied;
      node.members = recovered.members;
      node.replica = createReplica(
        {
          node: name,
          wished: this.names,
          leaseMs: LEASE_MS,
          driftMs: 20,
          windowMax: 8,
          bootstrap: false,
          genesis: new Uint8Array(0),
          forcedMaster: null,
          preferredMasters: [],
          learners: this.learners,
          ...node.config,
        },
        recovered,
      );
      this.handle(name, {
        kind: 'start',
        random: 0.1 * this.names.indexOf(name),
        freshIncarnation: lifeOf(name, node.home),
      });
    }
  }

  stop(...names: NodeName[]): void {
    for (const name of names) {
      this.node(name).replica = null;
      this.node(name).isDiskStuck = false;
      const broken = this.#copies.filter(({ from }) => from === name);
      this.#copies = this.#copies.filter(({ from, to }) => from !== name && to !== name);
      for (const { from, to } of broken) this.handle(to, { kind: 'snapshotFailed', from });
    }
  }

  handle(name: NodeName, event: WithoutTime<Event>): void {
    const node = this.node(name);
    const { replica } = node;
    if (replica === null) return;
    const timed = { ...event, nowMs: this.nowMs } as Event;
    const before = observe(replica);
    const effects = step(replica, timed);
    checkDelta(before, replica);
    this.onStep(name, timed, effects);
    let record: RecordNumber = 0;
    for (const effect of effects) {
      if (effect.kind === 'persist') record = effect.record;
      this.#carryOut(node, effect);
    }
    if (record > 0 && !node.isDiskStuck) this.handle(name, { kind: 'synced', record });
    if (node.replica === replica && node.applied > replica.applied)
      this.handle(name, { kind: 'applied', slot: node.applied });
  }

  /** A message reaches the node now, from whichever life sent it. */
  deliver(to: NodeName, from: NodeName, incarnation: Incarnation, message: Message): void {
    this.handle(to, { kind: 'message', from, incarnation, message });
  }

  /** Lets time pass, all messages being heard that `hears` lets through. */
  run(forMs: number): void {
    const untilMs = this.nowMs + forMs;
    while (this.nowMs < untilMs) {
      this.nowMs += TICK_MS;
      for (const name of this.names)
        this.handle(name, { kind: 'tick', random: 0.1 * (1 + this.names.indexOf(name)) });
      this.#copy();
      for (let rounds = 0; this.#wires.length > 0 && rounds < 100; rounds += 1) this.#deliver();
    }
  }

  /** Who is master and would serve a consistent read; null where nobody does. */
  get reader(): NodeName | null {
    const readers = this.names.filter((name) => {
      const { replica } = this.node(name);
      return replica !== null && mayRead(replica, this.nowMs);
    });
    invariant(readers.length <= 1, `${readers} all serve consistent reads`);
    return readers[0] ?? null;
  }

  /** Proposes an update where it can be; null where nobody takes it. */
  propose(): number | null {
    const master = this.reader;
    if (master === null) return null;
    this.#nextProposal += 1;
    this.handle(master, {
      kind: 'propose',
      id: this.#nextProposal,
      bytes: (batch(this.#nextProposal) as { bytes: Uint8Array }).bytes,
    });
    return this.#nextProposal;
  }

  /** Slot that the node's state machine is at. */
  appliedBy(name: NodeName): Slot {
    return this.node(name).applied;
  }

  valueAt(slot: Slot): string | undefined {
    return this.#chosen.get(slot)?.value;
  }

  /** What the node says that it waits for. */
  waitsFor(name: NodeName): string | null {
    return statusOf(this.replica(name), this.nowMs).waitsFor;
  }

  roleOf(name: NodeName): string {
    return statusOf(this.replica(name), this.nowMs).role;
  }

  #deliver(): void {
    const wires = this.#wires;
    this.#wires = [];
    for (const { from, to, incarnation, message } of wires) {
      if (!this.#nodes.has(to) || !this.hears(from, to, message.kind, message)) continue;
      this.handle(to, { kind: 'message', from, incarnation, message });
    }
  }

  #copy(): void {
    const due = this.#copies.filter(({ atMs }) => atMs <= this.nowMs);
    this.#copies = this.#copies.filter(({ atMs }) => atMs > this.nowMs);
    for (const { from, to } of due) {
      const source = this.node(from);
      const node = this.node(to);
      if (source.replica === null || source.members === null || source.applied <= node.applied) {
        this.handle(to, { kind: 'snapshotFailed', from });
        continue;
      }
      const { applied: slot, members } = source;
      node.applied = slot;
      node.members = members;
      node.disk.image = { slot, members, snapshot: slot };
      this.handle(to, { kind: 'snapshotInstalled', slot, members });
    }
  }

  #carryOut(node: Node, effect: Effect): void {
    switch (effect.kind) {
      case 'persist':
        if (!node.isDiskStuck) node.disk.append([effect.entry]);
        return;
      case 'send': {
        const { incarnation, syncedRecord } = this.replica(node.name);
        if (node.isDiskStuck && effect.after > syncedRecord) return;
        this.#wires.push({ from: node.name, to: effect.to, incarnation, message: effect.message });
        return;
      }
      case 'apply':
        this.#apply(node, effect);
        return;
      case 'found':
        if (node.applied === 0) node.members = effect.state;
        return;
      case 'serveLog': {
        const entries: { slot: Slot; value: Value }[] = [];
        for (let slot = effect.from; slot <= effect.upTo && entries.length < this.serveMax; slot += 1) {
          const value = slot < node.disk.firstSlot ? undefined : node.disk.valueAt(slot);
          if (value === undefined) break;
          entries.push({ slot, value });
        }
        const message = entriesMessage(effect, entries, node.disk.firstSlot);
        this.#wires.push({
          from: node.name,
          to: effect.to,
          incarnation: this.replica(node.name).incarnation,
          message,
        });
        return;
      }
      case 'installSnapshot':
        this.#copies.push({ atMs: this.nowMs + this.copyMs, from: effect.from, to: node.name });
        return;
      case 'promoted':
        node.promoted = effect;
        return;
      case 'log':
        this.said.push(`${node.name}: ${effect.what}`);
        return;
      case 'stop':
        node.stopped = `${effect.exit}: ${effect.why}`;
        node.replica = null;
        return;
      default:
        return;
    }
  }

  #apply(node: Node, { slot, value, members }: Extract<Effect, { kind: 'apply' }>): void {
    if (slot <= node.applied) return;
    invariant(slot === node.applied + 1, `slot ${slot} is applied after ${node.applied}`);
    const known = this.#chosen.get(slot);
    const text = textOf(value);
    if (this.isFork(node.name)) {
      node.applied = slot;
      node.members = members;
      return;
    }
    check(
      known === undefined || known.value === text,
      'replicas-agree',
      () => `slot ${slot} on ${node.name}: ${text}, but ${known?.value} was chosen`,
    );
    if (known === undefined) this.#chosen.set(slot, { value: text, members });
    node.applied = slot;
    node.members = members;
  }
}
