/** One simulated run: a cluster, its clients and its operator, from a seed to a verdict. */

import type { Effect, ReplicaConfig } from '../../../node/paxos/contract.ts';
import { mayVote } from '../../../node/paxos/replica.ts';
import {
  type Ballot,
  compareBallots,
  type LogRecord,
  type MembersState,
  type NodeName,
  type Slot,
} from '../../../node/paxos/values.ts';
import { present } from '../../../src/base/assert.ts';
import { createRandom, type Random } from '../../support/random.ts';
import { invariant } from '../base/invariant.ts';
import { Rare } from '../base/rare.ts';
import { Schedule } from '../base/schedule.ts';
import { check } from '../base/violation.ts';
import { type Bugs, NO_BUGS } from './bugs.ts';
import { Checker, textOf } from './checker.ts';
import { Disk, refoundDisk } from './disk.ts';
import { Nemesis } from './nemesis.ts';
import { CALM, Network } from './network.ts';
import { drawPlan, NAMES, type Plan } from './plan.ts';
import { type Hardware, Process, type World } from './process.ts';
import { Witness } from './witness.ts';

/** Leases within which everything works again once faults have stopped. */
const RECOVERY_LEASES = 20;
/** How often all nodes are asked whether they would serve a consistent read (ms). */
const READ_EVERY_MS = 15;

export type RunOptions = {
  readonly seed: number;
  readonly bugs?: Bugs;
  /** Changes the plan that the seed drew. */
  readonly plan?: (plan: Plan) => Plan;
  readonly trace?: (line: string) => void;
};

export type Outcome = {
  readonly rare: Rare;
  readonly acknowledged: number;
  readonly slots: number;
  /** How long it took until all was well after the last fault (leases). */
  readonly recoveryLeases: number;
  /** Equal for equal runs. */
  readonly digest: string;
};

/** A node of the cluster, whether it runs or not. */
export type Node = {
  readonly name: NodeName;
  hardware: Hardware;
  process: Process | null;
  /** The INI that it reads at its next start. */
  wished: readonly NodeName[];
};

/**
 * Runs one seed to its end.
 *
 * @throws InvariantError where anything that must hold does not
 */
export function runSeed(options: RunOptions): Outcome {
  const random = createRandom(options.seed);
  const drawn = drawPlan(random);
  const plan = options.plan?.(drawn) ?? drawn;
  const cluster = new Cluster(plan, random, options);
  cluster.run();
  return cluster.outcome();
}

export class Cluster {
  readonly plan: Plan;
  readonly random: Random;
  readonly schedule = new Schedule();
  readonly network: Network;
  readonly checker = new Checker();
  readonly rare = new Rare();
  readonly nodes: readonly Node[];
  readonly bugs: Bugs;
  /** Nodes that never start again in this founding, by the operator's word, while a survivor is promoted. */
  gone: readonly NodeName[] = [];
  /** What the operator gives up with that order, from that slot on. */
  loseFrom: Slot | null = null;
  /** When a survivor was promoted last. */
  #promotedMs = Number.NEGATIVE_INFINITY;
  /** Members that the operator wants at present. */
  wished: readonly NodeName[];
  readonly #world: World;
  readonly #trace: ((line: string) => void) | null;
  #nextProposal = 1;
  #incarnations = 0;
  #starts = 0;
  #recoveredMs = 0;
  #isOver = false;
  /** Who would have served reads when last asked. */
  #readers: readonly Process[] = [];

  constructor(plan: Plan, random: Random, options: RunOptions) {
    this.plan = plan;
    this.random = random;
    this.bugs = options.bugs ?? NO_BUGS;
    this.wished = plan.wished;
    this.#trace = options.trace ?? null;
    this.network = new Network(this.schedule, random, (parcel) => {
      this.node(parcel.to).process?.receive(parcel);
    });
    this.nodes = NAMES.map((name) => ({
      name,
      hardware: this.newHardware(),
      process: null,
      wished: plan.wished,
    }));
    this.#world = {
      plan,
      random,
      schedule: this.schedule,
      network: this.network,
      checker: this.checker,
      rare: this.rare,
      bugs: this.bugs,
      processOf: (name) => this.node(name).process,
      isKept: ({ cluster }) =>
        this.nodes.some(({ hardware }) => hardware.disk.summary.founded?.state.cluster === cluster) ||
        this.running().some(({ replica }) => replica.founded?.state.cluster === cluster),
      stopped: (process, { exit, why }) => {
        this.note(`stops itself: ${exit}`, `${process.node} ${why}`);
        const isOver = process.replica.members.cluster !== this.checker.cluster;
        process.crash();
        if (exit === 'SUPERSEDED' || isOver) this.replaceHome(process);
        else invariant(false, `${process.node} stops: ${exit}: ${why}`);
      },
      promoted: (process, effect) => this.#promoted(process, effect),
      trace: this.#trace,
    };
  }

  node(name: NodeName): Node {
    return present(
      this.nodes.find((node) => node.name === name),
      `node ${name}`,
    );
  }

  /** A machine with an empty home. Its clock runs at its own speed, within the margin. */
  newHardware(): Hardware {
    const { leaseMs, driftMs, syncMaxMs } = this.plan;
    const share = (driftMs / leaseMs / 2) * 0.95 * this.bugs.driftFactor;
    const clockRate = 1 + (this.random.next() * 2 - 1) * share;
    return { disk: new Disk(), witness: new Witness(), clockRate, syncMaxMs };
  }

  /** Starts the node if it is down. */
  start(node: Node): void {
    if (node.process !== null && !node.process.isDead) return;
    if (this.gone.includes(node.name)) return; // by the operator's word
    this.#starts += 1;
    this.#incarnations += 1;
    const { plan } = this;
    const config: ReplicaConfig = {
      node: node.name,
      wished: node.wished,
      leaseMs: plan.leaseMs,
      driftMs: plan.driftMs,
      windowMax: plan.windowMax,
      bootstrap: plan.bootstrap && node.name === plan.wished[0] && !this.checker.isFounded,
      genesis: new Uint8Array([7]),
      forcedMaster: plan.forcedMaster,
      preferredMasters: plan.preferredMasters,
      learners: [],
    };
    const fresh = incarnationOf(this.#incarnations);
    node.process = new Process(this.#world, node.name, node.hardware, config, fresh);
  }

  crash(node: Node): void {
    node.process?.crash();
  }

  /** Empties the node's home; only while it is down. */
  wipe(node: Node): void {
    invariant(node.process === null || node.process.isDead, 'a running node is not wiped');
    const { incarnation, founded, superseded } = node.hardware.disk.summary;
    node.hardware = { ...node.hardware, disk: new Disk(), witness: new Witness() };
    if (!this.bugs.keepsLife || incarnation === null || founded === null) return;
    const entitled = superseded.map((member): LogRecord => ({ kind: 'supersede', ...member }));
    const life: LogRecord[] = [
      { kind: 'incarnation', incarnation },
      { kind: 'founded', ...founded },
    ];
    node.hardware.disk.append([...life, ...entitled]);
  }

  /** What the operator does about a home whose life was superseded. */
  replaceHome(process: Process): void {
    const node = this.node(process.node);
    if (node.process !== process || !this.wished.includes(node.name)) return;
    const { members } = this.checker.membersAt(this.checker.height);
    const isAlone = this.wished.every((name) => name === node.name);
    // With a file that names nobody else it would found a cluster of its own: until it is a member its file names those there are.
    node.wished = isAlone ? [...new Set([...this.wished, ...members.map((each) => each.node)])] : this.wished;
    this.wipe(node);
    this.schedule.after(this.plan.leaseMs / 2, () => this.start(node));
    if (isAlone) this.#aloneOnceMember(node);
  }

  /** Its file is the wished one again as soon as it has a vote. */
  #aloneOnceMember(node: Node): void {
    this.schedule.after(this.plan.leaseMs, () => {
      const { process } = node;
      if (!this.wished.includes(node.name)) return;
      const isMember = process !== null && !process.isDead && mayVote(process.replica);
      if (!isMember) {
        this.#aloneOnceMember(node);
        return;
      }
      this.note('a lone member joins by the file of the others');
      node.wished = this.wished;
      this.crash(node);
      this.start(node);
    });
  }

  /** The survivor begins a new founding; its home is empty but for what it held. */
  #promoted(process: Process, { slot, members }: Extract<Effect, { kind: 'promoted' }>): void {
    const node = this.node(process.node);
    invariant(
      process.stateSlot === slot,
      `${node.name} applied ${process.stateSlot}, and is promoted at ${slot}`,
    );
    this.note('survivor promoted', `${node.name} at ${slot}`);
    this.#promotedMs = this.schedule.nowMs;
    const left = this.nodes.filter(({ name }) => !this.gone.includes(name));
    const expected = leftOf(left.map(({ hardware }) => hardware.disk));
    process.crash();
    this.#incarnations += 1;
    const incarnation = incarnationOf(this.#incarnations);
    const disk = refoundDisk({ slot, members }, { node: node.name, incarnation }, 1);
    const before = this.checker.height;
    const kept = (at: Slot): string => this.checker.valueAt(at);
    this.checker.promoted(process.incarnation, slot, present(disk.image, 'image').members);
    for (const [at, value] of expected) {
      if (at > slot && this.loseFrom !== null) this.note('what was left behind a lost slot is given up');
      else
        check(
          at <= slot && kept(at) === value,
          'promotion',
          () => `slot ${at} of ${slot} lacks ${value}, which was left`,
        );
    }
    if (before > slot) this.note('chosen slots lost by order');
    node.hardware = { ...node.hardware, disk, witness: new Witness() };
    this.gone = [];
    this.schedule.after(this.plan.leaseMs * this.random.next(), () => this.start(node));
  }

  note(what: string, detail = ''): void {
    this.rare.note(what);
    this.#trace?.(`${this.schedule.nowMs.toFixed(1).padStart(9)} ---- ${what} ${detail}`);
  }

  /** Living processes. */
  running(): Process[] {
    return this.nodes.flatMap(({ process }) => (process === null || process.isDead ? [] : [process]));
  }

  run(): void {
    const { plan, random, schedule, network } = this;
    this.#trace?.(JSON.stringify(plan));
    network.weather = plan.weather;
    for (const name of this.wished) {
      const node = this.node(name);
      schedule.after(random.next() * plan.leaseMs * 2, () => this.start(node));
    }
    this.#readLater();
    this.#proposeLater();
    const nemesis = new Nemesis(this);
    nemesis.begin();
    schedule.run(plan.faultyMs);
    nemesis.end();
    network.weather = CALM;
    network.heal();
    this.note('faults end');
    this.checker.watchFrom(this.#nextProposal);
    const old = this.#nextProposal;
    const startedMs = schedule.nowMs;
    let limitMs = startedMs + plan.leaseMs * RECOVERY_LEASES;
    let lag = this.#lag();
    let lookAtMs = startedMs + plan.leaseMs;
    while (this.#complaint(old) !== null && schedule.nowMs < limitMs) {
      schedule.run(schedule.nowMs + 20);
      if (schedule.nowMs < lookAtMs) continue;
      // People wait for seconds before they promote a survivor, however short a lease is, and then all begins.
      limitMs = Math.max(limitMs, this.#promotedMs + plan.leaseMs * RECOVERY_LEASES);
      // Who was cut off from the start may lack ten thousand slots, and comes nearer lease by lease.
      if (this.#lag() < lag) limitMs += plan.leaseMs;
      lag = Math.min(lag, this.#lag());
      lookAtMs += plan.leaseMs;
    }
    this.#recoveredMs = schedule.nowMs - startedMs;
    const complaint = this.#complaint(old);
    for (const process of this.running()) this.#trace?.(process.summary());
    check(
      complaint === null,
      'progress',
      () => `${Math.round(this.#recoveredMs / plan.leaseMs)} leases after the last fault: ${complaint}`,
    );
    this.#isOver = true;
  }

  outcome(): Outcome {
    return {
      rare: this.rare,
      acknowledged: this.checker.acknowledged,
      slots: this.checker.height,
      recoveryLeases: this.#recoveredMs / this.plan.leaseMs,
      digest: `${this.schedule.nowMs} ${this.checker.height} ${this.#nextProposal} ${this.random.next()}`,
    };
  }

  /** How far the last of those that the INI wishes is behind (slots). */
  #lag(): number {
    const slots = this.wished.map((name) => this.node(name).process?.stateSlot ?? 0);
    return this.checker.height - Math.min(...slots);
  }

  /** What is still missing of: members as wished, a master, and a proposal from after the faults applied by all. */
  #complaint(old: number): string | null {
    const { checker } = this;
    if (!checker.isFounded) return 'nothing was founded';
    const slot = checker.freshSlot;
    if (slot === null) return 'nothing new is acknowledged';
    const members = namesOf(checker.membersAt(checker.height));
    const wished = [...this.wished].sort().join();
    if (members !== wished) return `members are ${members}, not ${wished}`;
    for (const name of this.wished) {
      const { process } = this.node(name);
      if (process === null || process.isDead) return `${name} is down`;
      if (process.stateSlot < slot) return `${name} has applied ${process.stateSlot}, not ${slot}`;
      const current = checker.membersAt(checker.height).members.find(({ node }) => node === name);
      if (current?.incarnation !== process.incarnation) return `${name} is not admitted`;
    }
    for (const { node, outstanding } of this.running()) {
      for (const id of outstanding) if (id < old) return `${node} has not answered proposal ${id}`;
    }
    if (!this.running().some((process) => process.mayRead)) return 'nobody serves consistent reads';
    return null;
  }

  /** Asks all nodes at one moment, paused ones too: each could go on right now and answer a client. */
  #readLater(): void {
    this.schedule.after(READ_EVERY_MS * (0.5 + this.random.next()), () => {
      const readers = this.running().filter((process) => process.mayRead);
      for (const process of this.#readers) {
        const isStillMaster = !process.isDead && process.replica.role.kind === 'master';
        if (isStillMaster && !readers.includes(process)) this.rare.note('lease lost');
      }
      this.#readers = readers;
      const names = readers.map(({ node }) => node);
      check(readers.length <= 1, 'one-reader', () => `${names} all serve consistent reads`);
      for (const process of readers) this.checker.read(process.node, process.stateSlot);
      if (!this.#isOver) this.#readLater();
    });
  }

  #proposeLater(): void {
    const { random, plan } = this;
    this.schedule.after(plan.proposeEveryMs * random.next() * 2, () => {
      const masters = this.running().filter(
        (process) => !process.isPaused && process.mayPropose !== 'not-master',
      );
      if (masters.length > 1) this.rare.note('two masters');
      for (const process of masters) this.#burst(process);
      if (!this.#isOver) this.#proposeLater();
    });
  }

  #burst(process: Process): void {
    for (let count = this.random.pick([1, 1, 1, 4]); count > 0; count -= 1) {
      const may = process.isDead ? 'not-master' : process.mayPropose;
      if (may === 'full') this.rare.note('window full');
      if (may !== 'yes') return;
      process.propose(this.#nextProposal);
      this.#nextProposal += 1;
    }
  }
}

function incarnationOf(number: number): string {
  return `${number.toString(16).padStart(12, '0')}${'0'.repeat(20)}`;
}

/** What the homes that are left have of slots that no image covers: of each slot the value of the highest ballot. */
function leftOf(disks: readonly Disk[]): ReadonlyMap<Slot, string> {
  const best = new Map<Slot, { readonly ballot: Ballot | null; readonly value: string }>();
  for (const disk of disks) {
    for (const [slot, { ballot, value }] of disk.entries) {
      const known = best.get(slot);
      const isBetter =
        known === undefined ||
        (known.ballot !== null && (ballot === null || compareBallots(ballot, known.ballot) > 0));
      if (isBetter) best.set(slot, { ballot, value: textOf(value) });
    }
  }
  const covered = Math.max(0, ...disks.map(({ image }) => image?.slot ?? 0));
  return new Map([...best].flatMap(([slot, { value }]) => (slot > covered ? [[slot, value] as const] : [])));
}

/** Sorted names of the members in force. */
export function namesOf(state: MembersState): string {
  return state.members
    .map(({ node }) => node)
    .sort()
    .join();
}
