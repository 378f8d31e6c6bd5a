/** One simulated nursery: keeper, data clusters, routers, migrators and clients, from a seed to a verdict. */

import { driftMsOf } from '../../../node/driver/timing.ts';
import { scanAll } from '../../../node/machine/store-keys.ts';
import type { ReplicaConfig } from '../../../node/paxos/contract.ts';
import { present } from '../../../src/base/assert.ts';
import type { EXIT_CODES } from '../../../src/base/errors.ts';
import type { Logger } from '../../../src/process/log.ts';
import { createRandom, type Random } from '../../support/random.ts';
import { Rare } from '../base/rare.ts';
import { Schedule } from '../base/schedule.ts';
import { check, Violation } from '../base/violation.ts';
import { Asker } from './asker.ts';
import { SHORT_MAX, textOf } from './asking.ts';
import { ClientProcess } from './client-process.ts';
import { Hardware } from './hardware.ts';
import { mix } from './hash.ts';
import { type Call, History } from './history.ts';
import { Host } from './host.ts';
import { Impostors } from './impostors.ts';
import { KEYS } from './keys.ts';
import { Membership } from './membership.ts';
import { MigratorProcess } from './migrator-process.ts';
import { Nemesis } from './nemesis.ts';
import { Link, type LinkEvents, Network, type Server, SILENCE_NOTICED_MS } from './network.ts';
import { NodeProcess } from './node-process.ts';
import { get, keyCount, type Operation, set } from './operation.ts';
import { Operator } from './operator.ts';
import { CALM, drawAuto, drawPlan, drawRescues, NO_ROLES, type Plan } from './plan.ts';
import { Rescues } from './rescues.ts';
import { RouterProcess } from './router-process.ts';
import { KEEPER, Watch } from './watch.ts';

/** Virtual time in which a new nursery must have a map (ms). */
const FOUNDED_WITHIN_MS = 20_000;
/** Virtual time within which everything ends once faults have stopped (ms). */
const ENDS_WITHIN_MS = 30_000;
/** Virtual time in which a change of the map that nothing delays has come to whoever watches it (ms). */
const PUSHED_WITHIN_MS = 100;
/** Least length of a run (virtual ms). */
const RUN_MS = 60_000;

export type RunOptions = {
  readonly seed: number;
  /** Changes the plan that the seed drew. */
  readonly plan?: (plan: Plan) => Plan;
  readonly trace?: (line: string) => void;
};

export type Outcome = {
  readonly seed: number;
  readonly rare: Rare;
  readonly operations: number;
  readonly faults: number;
  readonly migrations: number;
  readonly virtualMs: number;
  /** Equal for equal runs. */
  readonly digest: string;
};

/** What a node says of something that it logs. */
type Facts = { readonly why?: unknown };

/** A machine with a node of a cluster, whether it runs or not. */
export type Machine = {
  readonly cluster: string;
  readonly name: string;
  /** Follows without a vote. */
  readonly isLearner: boolean;
  /** Not in the first INI of its cluster. */
  readonly isSpare: boolean;
  /** Nodes that the INI on this machine names. */
  wished: readonly string[];
  hardware: Hardware;
  process: NodeProcess | null;
};

/**
 * Runs one seed to its end.
 *
 * @throws Violation where anything that must hold does not; also what the code under test throws
 */
export function runSeed(options: RunOptions): Outcome {
  return new Nursery(options).run();
}

/** So that rescues, and what moves by itself, have a chance of their own. */
const RESCUES = 0x5e5c;
const AUTO = 0xa070;
/** How long an operator takes to start a node again that stopped beside its cluster (leases). */
const RESTART_LEASES = 3;

export class Nursery {
  readonly plan: Plan;
  readonly random: Random;
  readonly schedule = new Schedule();
  readonly rare = new Rare();
  readonly network: Network;
  readonly history: History;
  readonly watch: Watch;
  readonly machines: readonly Machine[];
  readonly routers = new Map<string, RouterProcess>();
  readonly migrators = new Map<string, MigratorProcess>();
  readonly trace: ((who: string, what: () => string) => void) | null;
  readonly membership: Membership;
  readonly nemesis: Nemesis;
  readonly operator: Operator;
  readonly impostors: Impostors;
  readonly rescues: Rescues;
  /** What a clock on the wall shows: goes nowhere near the truth (ms). */
  wallClockMs = 1e12;
  /** Whether faults may still strike. */
  isFaulty = true;
  quietSinceMs = Number.POSITIVE_INFINITY;
  readonly #byName: Map<string, Machine>;
  readonly #names = new Map<string, string[]>();
  readonly #seed: number;
  #clients: ClientProcess[] = [];
  #links = 0;
  readonly #openLinks = new Set<Link>();
  #incarnations = 0;
  #digest = 0x811c9dc5;
  #failure: unknown = null;

  constructor({ seed, plan, trace }: RunOptions) {
    this.#seed = seed;
    this.random = createRandom(seed);
    const drawn = {
      ...drawPlan(this.random),
      rescues: drawRescues(createRandom(mix(RESCUES, seed))),
      auto: drawAuto(createRandom(mix(AUTO, seed))),
    };
    this.plan = plan?.(drawn) ?? drawn;
    this.network = new Network(this.schedule, this.random);
    this.history = new History(this.rare, KEYS);
    this.watch = new Watch(this.plan.sizes.keys(), this.history, this.rare, (milestone) => {
      this.nemesis.onMilestone(milestone);
      this.rescues.onMilestone(milestone);
    });
    this.machines = [...this.plan.sizes].flatMap(([cluster, size]) => {
      const hasLearner = this.plan.roles.get(cluster)?.learner === true;
      const spares = this.plan.spares.get(cluster) ?? 0;
      const first = size + (hasLearner ? 1 : 0);
      return Array.from({ length: first + spares }, (_, index) => ({
        cluster,
        name: `${cluster}${index + 1}`,
        isLearner: hasLearner && index === size,
        isSpare: index >= first,
        wished: [],
        hardware: this.newHardware(),
        process: null,
      }));
    });
    this.impostors = new Impostors(this);
    this.#byName = new Map(this.machines.map((machine) => [machine.name, machine]));
    for (const machine of this.impostors.machines) this.#byName.set(machine.name, machine);
    for (const { cluster, name } of [...this.machines, ...this.impostors.machines]) {
      this.#names.set(cluster, [...(this.#names.get(cluster) ?? []), name]);
    }
    this.trace =
      trace === undefined
        ? null
        : (who, what) => trace(`${this.schedule.nowMs.toFixed(1).padStart(9)} ${who.padEnd(4)} ${what()}`);
    this.membership = new Membership(this);
    this.nemesis = new Nemesis(this);
    this.rescues = new Rescues(this);
    this.operator = new Operator(this);
  }

  // ── Who there is ─────────────────────────────────────────────────────────────────────────────────────────

  /** All nodes that the cluster has, may get, or had. */
  namesOf(cluster: string): readonly string[] {
    return this.#names.get(cluster) ?? [];
  }

  /** What the INI of a cluster says of single nodes. */
  rolesOf(cluster: string): Pick<ReplicaConfig, 'forcedMaster' | 'preferredMasters' | 'learners'> {
    const { learner, forced, preferred } = this.plan.roles.get(cluster) ?? NO_ROLES;
    const names = this.namesOf(cluster);
    return {
      forcedMaster: forced === null ? null : (names[forced] ?? null),
      preferredMasters: preferred === null ? [] : names.slice(preferred, preferred + 1),
      learners: learner
        ? this.machines.flatMap((each) => (each.cluster === cluster && each.isLearner ? [each.name] : []))
        : [],
    };
  }

  get dataNodes(): string[] {
    return this.machines.filter(({ cluster }) => cluster !== KEEPER).map(({ name }) => name);
  }

  get routerNames(): string[] {
    return Array.from({ length: this.plan.routers }, (_, index) => `r${index + 1}`);
  }

  /** Whether a process is to be expected at an address: everywhere but where nobody starts a node. */
  isServing(address: string): boolean {
    const machine = this.#byName.get(address);
    return machine === undefined || this.membership.isInUse(machine);
  }

  get #inUse(): Machine[] {
    return this.machines.filter((machine) => this.membership.isInUse(machine));
  }

  machine(name: string): Machine {
    return present(this.#byName.get(name), `machine ${name}`);
  }

  /** The living process of a node; null where it is down. */
  nodeAt(name: string): NodeProcess | null {
    const process = this.#byName.get(name)?.process ?? null;
    return process === null || process.isDead ? null : process;
  }

  get running(): NodeProcess[] {
    return this.machines.flatMap(({ process }) => (process === null || process.isDead ? [] : [process]));
  }

  linkTo(host: Host, address: string, events: LinkEvents = {}): Link {
    this.#links += 1;
    const at = (): Server | null => this.nodeAt(address) ?? this.routers.get(address) ?? null;
    const link = new Link(this.network, host, { address, id: this.#links, at }, events);
    this.#openLinks.add(link);
    host.onDeath.push(() => this.#openLinks.delete(link));
    return link;
  }

  /** Every link that some living process holds. */
  get links(): Link[] {
    return [...this.#openLinks];
  }

  /** The stamp of what some cluster has just changed, and a key of it; null where it was nothing. */
  stamp(): { readonly cluster: string; readonly slot: number; readonly key: string } | null {
    const ids = [...this.watch.clusters.keys()].filter((id) => id !== KEEPER);
    const history = this.watch.cluster(this.random.pick(ids));
    const { id: cluster, top: slot, lastChanges } = history;
    const keys = lastChanges.map(({ key }) => key).filter((key) => KEYS.includes(key));
    return keys.length === 0 ? null : { cluster, slot, key: this.random.pick(keys) };
  }

  /** A value that a key had or may have by now, for conditions that hold at times. */
  recent(key: string): string | null {
    for (const { data, state } of this.watch.clusters.values()) {
      if (
        state?.owned.some(
          (own) => own.sealedBy === null && own.lo <= key && (own.hi === null || key < own.hi),
        )
      ) {
        const value = data.get(key);
        // Of a large one the history holds a summary, which nobody may ask for.
        return value === undefined || value.length > SHORT_MAX ? null : textOf(value);
      }
    }
    return null;
  }

  // ── Processes come and go ────────────────────────────────────────────────────────────────────────────────

  newHardware(): Hardware {
    const { leaseMs, driftFactor, syncMaxMs } = this.plan;
    const share = (driftMsOf(leaseMs) / leaseMs / 2) * 0.95 * driftFactor;
    return new Hardware(1 + (this.random.next() * 2 - 1) * share, syncMaxMs);
  }

  startNode(machine: Machine): void {
    if (this.nodeAt(machine.name) !== null || !this.membership.isInUse(machine)) return;
    if (this.rescues.isOff(machine)) return;
    const { refusal } = machine.hardware;
    if (refusal !== null) {
      this.#refused(machine, refusal);
      return;
    }
    this.startApart(machine);
  }

  /** The same for a machine that is none of the nursery's. */
  startApart(machine: Machine): void {
    machine.process = new NodeProcess(this, {
      cluster: machine.cluster,
      node: machine.name,
      wished: machine.wished,
      hardware: machine.hardware,
      freshIncarnation: this.newLife(),
    });
    this.note('starts', machine.name);
  }

  /** The name of a life that nobody has had. */
  newLife(): string {
    this.#incarnations += 1;
    return `${this.#incarnations.toString(16).padStart(12, '0')}${'0'.repeat(20)}`;
  }

  /** A node does not even start. Its operator does what the message says: empties the home. */
  #refused(machine: Machine, exit: keyof typeof EXIT_CODES): void {
    this.note(`refuses to start: ${exit}`, machine.name);
    this.rare.note(`refuses to start: ${exit}`);
    this.schedule.after(this.plan.leaseMs, () => this.nemesis.emptied(machine));
  }

  crashNode(machine: Machine): void {
    if (this.nodeAt(machine.name) === null) return;
    this.note('crashes', machine.name);
    machine.process?.driver.stop();
    machine.process?.die();
  }

  startRouter(name: string): void {
    if (this.routers.get(name)?.isDead === false) return;
    this.routers.set(name, new RouterProcess(this, name));
    this.note('starts', name);
  }

  startMigrator(name: string): void {
    if (this.migrators.get(name)?.isDead === false) return;
    this.migrators.set(name, new MigratorProcess(this, name));
    this.note('starts', name);
  }

  /** All that is left of a founding is in the store of this node, as of that slot. */
  promoted(node: NodeProcess, slot: number): void {
    try {
      this.rescues.promoted(node, slot);
    } catch (error) {
      this.#fail(error);
    }
  }

  /** A node ends itself. */
  nodeStopped(node: NodeProcess, exit: string, cause: Error): void {
    this.note(`stops itself: ${exit}`, `${node.name} ${cause.message}`);
    this.rare.note(`stops itself: ${exit}`);
    node.die();
    const machine = this.machine(node.name);
    if (exit !== 'INVARIANT' && this.impostors.has(node.name)) this.impostors.stopped(node, exit, cause);
    else if (exit === 'INVARIANT')
      this.#fail(
        cause instanceof Violation ? cause : new Violation('invariant', `${node.name}: ${cause.stack}`),
      );
    else if (exit === 'OTHER_CLUSTER' && node.founding === '') {
      // An empty home beside its cluster, which is silent: its operator looks for the real one, and starts it again.
      this.rare.note('an empty home founds nothing');
      this.schedule.after(RESTART_LEASES * this.plan.leaseMs, () => this.startNode(machine));
    } else if (exit === 'OTHER_CLUSTER' && this.rescues.mayStop(node)) {
      this.rescues.stopped(machine, cause);
    } else if (exit === 'OTHER_CLUSTER')
      this.#fail(new Violation('invariant', `${node.name} stops: ${cause.message}`));
    else {
      // Its home is going to be emptied: from now on nobody may count on what it holds.
      if (exit === 'SUPERSEDED' && machine.process === node) machine.hardware.refusal = 'SUPERSEDED';
      this.schedule.after(this.plan.leaseMs, () => this.nemesis.replaced(machine, node, exit));
    }
  }

  /** Ends the run: what a node caught on its way must not be lost. */
  #fail(error: unknown): void {
    this.#failure ??= error;
    throw error;
  }

  // ── What happened ────────────────────────────────────────────────────────────────────────────────────────

  note(what: string, who: string): void {
    this.mix(what.length);
    this.trace?.(who, () => `── ${what}`);
  }

  noteAnswer(client: string, call: Call): void {
    this.mix(call.answeredAt);
    this.mix(call.answeredMs);
    this.mix(call.answer.length);
    this.trace?.(client, () => `is answered ${call.operation.name}: ${call.answer}`);
  }

  mix(value: number): void {
    this.#digest = mix(this.#digest, value * 1024);
  }

  logger(who: string): Logger {
    const log = (facts: object, message: string): void => {
      this.rare.note(kindOf(message));
      if (message === 'became master') this.#countRoles(who);
      if (String((facts as Facts).why).endsWith(' is preferred'))
        this.rare.note('made way for a preferred master');
      this.trace?.(who, () => `${message} ${JSON.stringify(facts)}`);
    };
    return { info: log, warn: log, error: log, debug: () => undefined };
  }

  #countRoles(master: string): void {
    const { cluster } = this.machine(master);
    const { forcedMaster } = this.rolesOf(cluster);
    if (forcedMaster === master) this.rare.note('forced master rules');
    else if (forcedMaster !== null) this.rare.note('another rules while the forced master has no vote');
  }

  // ── The run ──────────────────────────────────────────────────────────────────────────────────────────────

  run(): Outcome {
    this.trace?.('plan', () =>
      JSON.stringify({ ...this.plan, sizes: [...this.plan.sizes], spares: [...this.plan.spares] }),
    );
    this.#found();
    this.network.weather = this.plan.weather;
    this.#clients = Array.from(
      { length: this.plan.clients },
      (_, index) => new ClientProcess(this, `c${index + 1}`, index < this.plan.directClients),
    );
    const begunMs = this.schedule.nowMs;
    this.nemesis.begin();
    this.impostors.begin();
    this.operator.begin();
    this.rescues.begin();
    this.#watchReaders();
    this.#runUntil(begunMs + this.plan.faultyMs);
    // What a minute did not bring together takes longer.
    const isEnough = (): boolean =>
      this.history.calls.length >= this.plan.operationsMin &&
      this.nemesis.struck >= this.plan.faultsMin &&
      this.operator.planned >= 2;
    while (!isEnough() && this.schedule.nowMs < begunMs + this.plan.faultyMs * 6) {
      this.#runUntil(this.schedule.nowMs + 500);
    }
    this.#quieten();
    for (const client of this.#clients) client.stop();
    this.#settle();
    this.#readEverything();
    this.#settle(); // a move that was asked for before the end may have been planned only now
    this.watch.atEnd();
    this.#checkReplicas();
    this.history.checkAll(true);
    return {
      seed: this.#seed,
      rare: this.rare,
      operations: this.history.calls.length,
      faults: this.nemesis.struck,
      migrations: this.operator.planned,
      virtualMs: this.schedule.nowMs,
      digest: `${this.#digest.toString(16)} ${this.schedule.nowMs} ${this.random.next()}`,
    };
  }

  #runUntil(untilMs: number, isDone: () => boolean = () => false): void {
    this.schedule.run(untilMs, isDone);
    if (this.#failure !== null) throw this.#failure;
  }

  /** All nodes start, the clusters found themselves, and the operator gives the key space to the first. */
  #found(): void {
    for (const machine of this.machines) {
      this.schedule.after(this.random.next() * 300, () => this.startNode(machine));
    }
    for (const name of this.routerNames) this.startRouter(name);
    const host = new Host(this.schedule, 'op', 0);
    const asker = new Asker(this, host);
    let isDone = false;
    this.operator.initialise(asker, () => {
      isDone = true;
    });
    this.#runUntil(FOUNDED_WITHIN_MS, () => isDone);
    check(isDone, 'progress', () => `nothing was founded within ${FOUNDED_WITHIN_MS} ms`);
    host.die();
    for (let index = 1; index <= this.plan.migrators; index += 1) this.startMigrator(`m${index}`);
  }

  #quieten(): void {
    this.note('faults end', '');
    this.nemesis.end();
    this.impostors.end();
    this.operator.end();
    this.rescues.end();
    this.network.weather = CALM;
    this.network.keepsOrder = true;
    this.network.heal();
    this.network.pushLagMs = 0;
    this.isFaulty = false;
    this.quietSinceMs = this.schedule.nowMs;
  }

  /** Everything under way ends within a bound. */
  #settle(): void {
    const untilMs = this.schedule.nowMs + ENDS_WITHIN_MS;
    const missing = (): string | null => {
      // A link that fell silent in a partition still looks whole, and takes requests with it when it breaks.
      if (this.schedule.nowMs < this.quietSinceMs + SILENCE_NOTICED_MS)
        return 'links that were cut may break';
      if (this.history.pending > 0) return `${this.history.pending} calls are not answered`;
      const broken = this.#clients.find((client) => !client.isConnected);
      if (broken !== undefined) return `${broken.name} has no connection`;
      // What it was told may be old: all else must be pushed.
      const deaf = [...this.routers.values()].find(({ mapVersion }) => mapVersion < 0);
      if (deaf !== undefined) return `no node of the keeper has told ${deaf.name} a map`;
      return (
        this.operator.unfinished() ?? this.rescues.unfinished() ?? this.watch.unfinished() ?? this.#laggard()
      );
    };
    while (missing() !== null && this.schedule.nowMs < untilMs) this.#runUntil(this.schedule.nowMs + 100);
    check(missing() === null, 'progress', () => `${ENDS_WITHIN_MS} ms after the last fault: ${missing()}`);
    this.#runUntil(this.schedule.nowMs + PUSHED_WITHIN_MS);
  }

  #laggard(): string | null {
    for (const cluster of this.watch.clusters.keys()) {
      const why = this.membership.unfinished(cluster);
      if (why !== null) return why;
    }
    const reached = this.watch.cluster(KEEPER).state?.configs;
    for (const { name, cluster } of this.#inUse) {
      const node = this.nodeAt(name);
      if (node === null) return `${name} is down`;
      // A member that was just added may be master before the keeper has heard where it is reached: nobody is routed to it.
      const isKnown = reached?.get(cluster)?.nodes.some((at) => at.name === name) ?? false;
      if (cluster !== KEEPER && node.driver.mayRead() && !isKnown)
        return `the keeper does not know where ${name} is reached`;
      if (node.isFlipped) return `nobody has found that the store of ${name} is damaged`;
      const { top } = this.watch.cluster(cluster);
      if (node.store.slot + 2 < top) return `${name} is at slot ${node.store.slot} of ${top}`;
    }
    return null;
  }

  /** Every key is readable and writable through every router; what is read counts in the history. */
  #readEverything(): void {
    const client = this.#clients.find((_, index) => index >= this.plan.directClients);
    const reader = present(client, 'a client of routers');
    // At once: what is asked later counts on what was done before.
    const call = (operation: Operation, link?: Link): void =>
      reader.call(
        operation,
        ({ seen, answer }) =>
          check(
            seen?.outcome === 'done',
            'progress',
            () => `refused without any fault: ${operation.name}: ${answer}`,
          ),
        link,
      );
    for (const key of KEYS) call(get(this.history.calls.length + 1, key));
    this.#await(() => this.history.pending === 0);
    for (const key of KEYS) {
      const id = this.history.calls.length + 1;
      call(set(id, 'set', key, `${id}`));
    }
    this.#await(() => this.history.pending === 0);
    for (const key of KEYS) call(get(this.history.calls.length + 1, key));
    this.#await(() => this.history.pending === 0);
    for (const link of reader.links) call(keyCount(this.history.calls.length + 1, KEYS.length), link);
    this.#await(() => this.history.pending === 0);
    const restMs = Math.max(this.schedule.nowMs + 3000, RUN_MS);
    this.#runUntil(restMs, () => this.schedule.nowMs >= RUN_MS && this.#unequal() === null);
  }

  #await(isDone: () => boolean): void {
    this.#runUntil(this.schedule.nowMs + ENDS_WITHIN_MS, isDone);
    check(isDone(), 'progress', () => 'calls without any fault are not answered');
  }

  #unequal(): string | null {
    for (const { name, cluster } of this.#inUse) {
      const { top } = this.watch.cluster(cluster);
      const slot = this.nodeAt(name)?.store.slot;
      if (slot !== top) return `${name} is at slot ${slot} of ${top}`;
    }
    return null;
  }

  /** At rest all replicas hold the same rows. */
  #checkReplicas(): void {
    for (const { process, isLearner } of this.#inUse) {
      if (process === null) continue;
      if (isLearner) this.rare.note('learner ends with all rows');
      const rows: [string, Uint8Array][] = [];
      scanAll(process.store, '', null, (key, value) => {
        rows.push([key, value]);
      });
      this.watch.cluster(process.cluster).checkImage(process.name, 'ends with', {
        slot: process.store.slot,
        rows,
      });
    }
  }

  /** At any moment at most one node of a cluster would serve a consistent read, paused ones too. */
  #watchReaders(): void {
    this.schedule.after(100 * (0.5 + this.random.next()), () => {
      const readers = new Map<string, string>();
      for (const node of this.running) {
        if (!node.driver.mayRead()) continue;
        const of = `${node.cluster} ${node.founding}`;
        const other = readers.get(of);
        check(
          other === undefined,
          'one-reader',
          () => `${node.name} and ${other} both serve consistent reads`,
        );
        readers.set(of, node.name);
      }
      this.#watchReaders();
    });
  }
}

/** A log line without what differs each time: slots and names. */
function kindOf(message: string): string {
  if (message.includes('nobody reachable holds')) return 'waits for who holds what its log lacks';
  if (message.includes('log begins at')) return 'fetches what its log lacks';
  return message.includes('forgot its votes') ? 'waits for what another forgot' : message;
}
