/** What goes wrong, and what the operator does about it. Only what design and manual allow. */

import { stageOf } from '../../../migrator/core/step.ts';
import { driftMsOf } from '../../../node/driver/timing.ts';
import { createReplica, mayVote, type Replica } from '../../../node/paxos/replica.ts';
import { step } from '../../../node/paxos/step.ts';
import { compareBallots, type LogRecord, type MembersState } from '../../../node/paxos/values.ts';
import { Hardware } from './hardware.ts';
import type { Host } from './host.ts';
import type { MigratorProcess } from './migrator-process.ts';
import type { NodeProcess } from './node-process.ts';
import type { Machine, Nursery } from './nursery.ts';
import { drawStorm, drawWeather, type Fault } from './plan.ts';
import { KEEPER, type Milestone } from './watch.ts';

/** Steps of a migration at which faults lie in wait. */
const MILESTONES: ReadonlySet<string> = new Set([
  'import begun',
  'export begun',
  'base set',
  'sealed',
  'activated',
  'abandoned',
  'unsealed',
  'released',
  'cleaned up',
  'migration published',
]);

/** Stages of a coordinator that last for a few answers at most. */
const SHORT_STAGES: ReadonlySet<string> = new Set([
  'finishing',
  'catching up',
  'paused',
  'sealing',
  'sealed',
]);

/** After homes were not mounted: a member of that time may still be admitted in the place of its own home (ms). */
const TOUCHY_MS = 20_000;
/** The wall clock jumps as far as that, to either side (ms). */
const CLOCK_JUMP_MS = 1e9;
/** Of the migrators that end, so many do so in order. */
const IN_ORDER = 0.2;

export class Nemesis {
  readonly #nursery: Nursery;
  #isOver = true;
  struck = 0;
  /** Machines that will be started again by somebody. */
  readonly #expected = new Set<string>();
  /** Clusters whose members had homes that were not theirs, until when nobody touches their disks (ms). */
  readonly #touchyUntilMs = new Map<string, number>();
  /** Homes that are not mounted at present. */
  readonly #unmounted = new Map<string, Hardware>();

  constructor(nursery: Nursery) {
    this.#nursery = nursery;
  }

  begin(): void {
    this.#isOver = false;
    this.#later();
  }

  /** Repairs everything; everybody runs. */
  end(): void {
    this.#isOver = true;
    const { machines, routerNames, migrators, plan, random, schedule } = this.#nursery;
    this.#nursery.membership.end();
    for (const machine of machines) {
      this.#mount(machine);
      machine.hardware.space = 'enough';
      machine.hardware.isBroken = false;
      machine.hardware.syncMaxMs = plan.syncMaxMs;
      machine.process?.resume();
    }
    for (const router of this.#nursery.routers.values()) router.resume();
    for (const migrator of migrators.values()) migrator.resume();
    schedule.after(random.next() * plan.leaseMs, () => {
      for (const machine of machines) this.#nursery.startNode(machine);
      for (const name of routerNames) this.#nursery.startRouter(name);
      for (const name of migrators.keys()) this.#nursery.startMigrator(name);
    });
  }

  /** A migrator that runs. */
  anyMigrator(): MigratorProcess | null {
    const alive = [...this.#nursery.migrators.values()].filter(({ isDead }) => !isDead);
    return alive.length === 0 ? null : this.#nursery.random.pick(alive);
  }

  /** Somebody reached a step of a migration that matters. */
  onMilestone({ cluster, mid, what }: Milestone): void {
    const { network, rare, random, plan, schedule } = this.#nursery;
    if (what === 'sealed' && network.isCut) rare.note('sealed under partition');
    if (this.#isOver || plan.ambush === 0 || !MILESTONES.has(what) || !random.chance(plan.ambush)) return;
    const run = [...this.#nursery.migrators.values()].find((each) => !each.isDead && each.runs.has(mid));
    this.struck += 1;
    rare.note('fault: ambush');
    const delayMs = random.next() * 20;
    switch (random.below(6)) {
      case 0:
        schedule.after(delayMs, () => this.#crashMaster(cluster));
        return;
      case 1:
        schedule.after(delayMs, () => this.#dropMaster(cluster));
        return;
      case 2:
        if (run !== undefined) schedule.after(delayMs, () => this.#crashMigrator(run));
        return;
      case 3:
        if (run !== undefined) schedule.after(delayMs, () => this.#pause(run, 500 + random.next() * 4000));
        return;
      case 4:
        if (plan.faults.includes('partition')) this.#isolate(random.pick(this.#nursery.namesOf(cluster)));
        return;
      default:
        // Whoever takes over after this pause finds the range sealed, and the wish.
        if (what === 'sealed' && run !== undefined) this.#pause(run, 1500 + random.next() * 2000);
        this.#nursery.operator.wish(mid, 'abort');
    }
  }

  /** A coordinator goes on to another stage: some are over so soon that no fault would ever find them there. */
  onStage(migrator: MigratorProcess, stage: string): void {
    const { random, plan, schedule } = this.#nursery;
    if (this.#isOver || !SHORT_STAGES.has(stage) || !random.chance(plan.ambush / 4)) return;
    schedule.after(random.next() * 4, () => {
      if (!migrator.isDead) this.#crashMigrator(migrator);
    });
  }

  /** A node ended itself. Where its life was superseded, the operator empties its home. */
  replaced(machine: Machine, node: NodeProcess, exit: string): void {
    if (machine.process !== node) return;
    if (exit !== 'SUPERSEDED') this.#nursery.startNode(machine);
    else if (!this.#unmounted.has(machine.name)) this.emptied(machine); // else its real home will be back
  }

  /** The operator empties a home that is of no use any more, and starts its node. */
  emptied(machine: Machine): void {
    machine.hardware = this.#nursery.newHardware();
    this.#nursery.startNode(machine);
  }

  #later(): void {
    const { schedule, random, plan } = this.#nursery;
    schedule.after(plan.faultEveryMs * random.next() * 2, () => {
      if (this.#isOver) return;
      this.#strike(random.pick(plan.faults));
      this.#later();
    });
  }

  #strike(fault: Fault): void {
    const { random, rare, network, schedule, running, machines } = this.#nursery;
    this.struck += 1;
    rare.note(`fault: ${fault}`);
    this.#nursery.note(`fault: ${fault}`, '');
    const node = running.length === 0 ? null : random.pick(running);
    const machine = random.pick(machines.filter((each) => this.#nursery.membership.isInUse(each)));
    const cluster = machine.cluster;
    switch (fault) {
      case 'crashNode':
        if (random.chance(0.5)) this.#crashMaster(cluster);
        else this.#crash(machine);
        return;
      case 'crashCluster':
        for (const each of machines) if (each.cluster === cluster) this.#crash(each);
        return;
      case 'crashRouter':
        this.#crashRouter(random.pick(this.#nursery.routerNames));
        return;
      case 'crashMigrator': {
        const migrator = this.anyMigrator();
        if (migrator !== null) this.#crashMigrator(migrator);
        return;
      }
      case 'pauseNode':
        if (node !== null) this.#pause(node, this.#nursery.plan.leaseMs * random.pick([0.3, 1, 1.5, 2.5]));
        return;
      case 'pauseRouter':
        this.#pause(
          this.#nursery.routers.get(random.pick(this.#nursery.routerNames)),
          200 + random.next() * 3000,
        );
        return;
      case 'pauseMigrator':
        this.#pause(this.anyMigrator(), 500 + random.next() * 5000);
        return;
      case 'partition':
        this.#partition(cluster);
        return;
      case 'oneWay': {
        const from = machine.name;
        const to = random.pick(this.#nursery.namesOf(cluster));
        network.cut(from, to);
        schedule.after(this.#spell(), () => network.mend(from, to));
        return;
      }
      case 'isolate':
        this.#isolate(machine.name);
        return;
      case 'storm':
        network.weather = drawStorm(random);
        schedule.after(500 + random.next() * 2000, () => {
          if (!this.#isOver) network.weather = drawWeather(random);
        });
        return;
      case 'resetLinks':
        for (const link of this.#nursery.links) if (random.chance(0.5)) link.reset();
        return;
      case 'slowDisk':
        this.#slowDisk(machine);
        return;
      case 'fullDisk':
        machine.hardware.space = random.chance(0.5) ? 'full' : 'low';
        schedule.after(this.#spell(), () => {
          machine.hardware.space = 'enough';
        });
        return;
      case 'diskError':
        machine.hardware.isBroken = true;
        return;
      case 'dropMaster':
        this.#dropMaster(cluster);
        return;
      case 'wipe':
        this.#wipe(machine);
        return;
      case 'unmount':
        this.#unmount(cluster);
        return;
      case 'loseStore':
        this.#loseStores(machine);
        return;
      case 'collapse':
        for (const { cluster: id, hardware } of machines)
          if (!this.#isTouchy(id)) hardware.disk.collapse(hardware.disk.image?.slot ?? 0);
        return;
      case 'flipLog':
        this.#flipLog(machine);
        return;
      case 'flipStore':
        this.#flipStore(machine);
        return;
      case 'reconfigure':
        this.#reconfigure();
        return;
      case 'clockJump':
        this.#nursery.wallClockMs += (random.next() - 0.5) * 2 * CLOCK_JUMP_MS;
        return;
      case 'clockRate':
        this.#changeClock(machine);
        return;
      case 'lagWatchers':
        network.pushLagMs = 200 + random.next() * 5000;
        schedule.after(this.#spell(), () => {
          network.pushLagMs = 0;
        });
        return;
      case 'secondMigrator':
        this.#secondMigrator();
    }
  }

  /** How long a fault lasts (ms). */
  #spell(): number {
    const { random, plan } = this.#nursery;
    return plan.leaseMs * random.pick([0.3, 1, 2, 3]) * (0.5 + random.next());
  }

  // ── Crashes and pauses ───────────────────────────────────────────────────────────────────────────────────

  /** At once, or as soon as it writes several records: a crash at rest tears nothing. */
  #crash(machine: Machine): void {
    const { random, schedule } = this.#nursery;
    const whileWriting = (left: number): void => {
      const isWriting = this.#nursery.nodeAt(machine.name)?.isWritingGroup ?? true;
      if (left > 0 && !isWriting) {
        schedule.after(1, () => whileWriting(left - 1));
        return;
      }
      this.#nursery.crashNode(machine);
      this.startLater(machine);
    };
    whileWriting(random.chance(0.5) ? 100 : 0);
  }

  /** Somebody starts the node again, soon. */
  startLater(machine: Machine): void {
    if (this.#expected.has(machine.name)) return;
    this.#expected.add(machine.name);
    const { random, plan, schedule } = this.#nursery;
    schedule.after(plan.leaseMs * random.pick([0.05, 0.3, 1, 2]) * (0.5 + random.next()), () => {
      this.#expected.delete(machine.name);
      this.#nursery.startNode(machine);
    });
  }

  #crashMaster(cluster: string): void {
    const names = this.#nursery.namesOf(cluster);
    const masters = names.filter((name) => this.#nursery.nodeAt(name)?.driver.replica.role.kind === 'master');
    if (masters.length > 0) this.#nursery.rare.note('master crashed');
    this.#crash(this.#nursery.machine(masters[0] ?? this.#nursery.random.pick(names)));
  }

  #crashRouter(name: string): void {
    const { schedule, random } = this.#nursery;
    this.#nursery.routers.get(name)?.die();
    schedule.after(50 + random.next() * 2000, () => this.#nursery.startRouter(name));
  }

  #crashMigrator(migrator: MigratorProcess): void {
    const { schedule, random, rare, migrators } = this.#nursery;
    for (const run of migrator.runs.values())
      rare.note(`coordinator crashed while ${stageOf(run.coordination)}`);
    const name = [...migrators].find(([, each]) => each === migrator)?.[0];
    const again = (): void => {
      if (name !== undefined)
        schedule.after(50 + random.next() * 2000, () => this.#nursery.startMigrator(name));
    };
    if (random.chance(IN_ORDER)) {
      if (migrator.runs.size > 0) rare.note('coordinator left in order');
      migrator.leave(again);
      return;
    }
    migrator.die();
    again();
  }

  #pause(host: Host | null | undefined, durationMs: number): void {
    if (host === null || host === undefined || host.isDead) return;
    this.#nursery.note(`pauses for ${Math.round(durationMs)} ms`, host.name);
    host.pause();
    if (durationMs > this.#nursery.plan.leaseMs) this.#nursery.rare.note('paused longer than a lease');
    this.#nursery.schedule.after(durationMs, () => host.resume());
  }

  #secondMigrator(): void {
    const { watch, rare } = this.#nursery;
    for (const { mid, phase, token, heartbeat } of watch.keeper?.migrations.values() ?? []) {
      if (phase !== 'active' && phase !== 'published') continue;
      const migrator = this.anyMigrator();
      if (migrator === null || migrator.runs.has(mid)) continue;
      rare.note('second migrator');
      migrator.start(mid, { token, heartbeat, atMs: migrator.nowMs() - 5000 });
    }
  }

  // ── Network ──────────────────────────────────────────────────────────────────────────────────────────────

  /** Parts the members of a cluster, and everybody else at random, in two. */
  #partition(cluster: string): void {
    const { random, network, schedule, machines, routerNames } = this.#nursery;
    const isWide = random.chance(0.3);
    const names = machines.filter((each) => isWide || each.cluster === cluster).map(({ name }) => name);
    if (isWide) names.push(...routerNames, 'm1', 'm2', 'm3');
    const left = new Set(names.filter(() => random.chance(0.5)));
    const cuts: [string, string][] = [];
    for (const a of names) for (const b of names) if (left.has(a) !== left.has(b)) cuts.push([a, b]);
    for (const [a, b] of cuts) network.cut(a, b);
    schedule.after(this.#spell(), () => {
      for (const [a, b] of cuts) network.mend(a, b);
    });
  }

  #isolate(name: string): void {
    const { network, schedule, machines, routerNames, migrators, plan } = this.#nursery;
    const clients = Array.from({ length: plan.clients }, (_, index) => `c${index + 1}`);
    const others = [
      ...machines.map((each) => each.name),
      ...routerNames,
      ...migrators.keys(),
      ...clients,
      'op',
    ];
    for (const other of others) {
      network.cut(name, other);
      network.cut(other, name);
    }
    schedule.after(this.#spell(), () => {
      for (const other of others) {
        network.mend(name, other);
        network.mend(other, name);
      }
    });
  }

  #dropMaster(cluster: string): void {
    for (const name of this.#nursery.namesOf(cluster)) {
      const node = this.#nursery.nodeAt(name);
      if (node?.driver.replica.role.kind === 'master')
        node.run(() => node.driver.submit({ kind: 'dropMaster' }));
    }
  }

  /** At times a store is lost before everybody has heard of the change. */
  #reconfigure(): void {
    const { membership, watch, random, schedule, plan, machines } = this.#nursery;
    const cluster = random.pick([...watch.clusters.keys()]);
    if (!membership.change(cluster) || !plan.faults.includes('loseStore') || random.chance(0.5)) return;
    schedule.after(plan.leaseMs * random.next() * 2, () => {
      const theirs = machines.filter((each) => each.cluster === cluster && membership.isInUse(each));
      if (!this.#isOver) this.#loseStores(random.pick(theirs));
    });
  }

  // ── Disks and clocks ─────────────────────────────────────────────────────────────────────────────────────

  #slowDisk(machine: Machine): void {
    const { random, plan, schedule } = this.#nursery;
    machine.hardware.syncMaxMs = plan.leaseMs * random.pick([0.05, 0.3, 1]);
    schedule.after(this.#spell(), () => {
      machine.hardware.syncMaxMs = plan.syncMaxMs;
    });
  }

  #changeClock(machine: Machine): void {
    const { random, plan } = this.#nursery;
    const share = (driftMsOf(plan.leaseMs) / plan.leaseMs / 2) * 0.95 * plan.driftFactor;
    machine.hardware.clockRate = 1 + random.pick([-share, share]);
    machine.process?.setRate(machine.hardware.clockRate);
  }

  /** Legal where every other member remembers all of its votes, and would vote after a restart. */
  #wipe(machine: Machine): void {
    if (!this.#mayLose(machine)) return;
    this.#nursery.rare.note('home wiped');
    const before = machine.hardware.disk.summary.incarnation;
    this.#nursery.crashNode(machine);
    machine.hardware = this.#nursery.newHardware();
    if (this.#nursery.plan.keepsIncarnation && before !== null) {
      machine.hardware.append([{ kind: 'incarnation', incarnation: before }]);
    }
    this.startLater(machine);
  }

  #mayLose({ cluster, name }: Machine): boolean {
    const others = this.#othersOf(cluster, name);
    if (this.#isTouchy(cluster) || this.#unmounted.has(name)) return false;
    if (this.#nursery.membership.unfinished(cluster) !== null) return false;
    return others.length > 0 && others.every((other) => this.#remembers(other));
  }

  /** Whether nobody's votes or store are in doubt, and the members are those of the INI. */
  isAtPeace(cluster: string): boolean {
    if (this.#isTouchy(cluster) || this.#nursery.membership.unfinished(cluster) !== null) return false;
    return this.#othersOf(cluster, '').every((name) => this.#remembers(name));
  }

  /** Members in force, without that one. */
  #othersOf(cluster: string, name: string): string[] {
    const members = this.#nursery.watch.members(cluster)?.members ?? [];
    return members.flatMap(({ node }) => (node === name ? [] : [node]));
  }

  /** Whether it would vote after a restart, having forgotten nothing. */
  #remembers(name: string): boolean {
    const machine = this.#nursery.machine(name);
    const woken = this.#woken(machine);
    if (woken === null || !machine.hardware.isWhole || !machine.hardware.remembersVotes()) return false;
    // What it forgot it may have learnt again; a peer that it has not met since refuses it all the same, and its home is emptied.
    if (machine.process !== null && machine.hardware.mayBeRefused(machine.process.memory)) return false;
    return mayVote(woken) && namesIn(woken.members) === namesIn(this.#nursery.watch.members(machine.cluster));
  }

  /** A reboot after which most homes are not mounted: nobody may begin a new, empty cluster. Later they are. */
  #unmount(cluster: string): void {
    const { machines, schedule, rare } = this.#nursery;
    const { membership } = this.#nursery;
    const theirs = machines.filter((each) => each.cluster === cluster && !each.isLearner);
    const members = theirs.filter((each) => membership.isInUse(each));
    if (members.length < 3 || !this.isAtPeace(cluster)) return;
    rare.note(cluster === KEEPER ? 'homes of a majority of the keeper empty' : 'homes of a majority empty');
    this.#touchyUntilMs.set(cluster, schedule.nowMs + TOUCHY_MS);
    for (const machine of members.slice(0, members.length - 1)) {
      this.#nursery.crashNode(machine);
      this.#unmounted.set(machine.name, machine.hardware);
      machine.hardware = new Hardware(machine.hardware.clockRate, machine.hardware.syncMaxMs);
      this.startLater(machine);
    }
    schedule.after(this.#nursery.plan.leaseMs * 4, () => {
      for (const machine of members) this.#mount(machine);
    });
  }

  /** Whether nobody touches the disks of the cluster's other members: they are needed as they are. */
  #isTouchy(cluster: string): boolean {
    const { machines, rescues } = this.#nursery;
    if (rescues.isUnderWay(cluster)) return true;
    if (machines.some((each) => each.cluster === cluster && each.hardware.isFlipped)) return true;
    return (this.#touchyUntilMs.get(cluster) ?? 0) > this.#nursery.schedule.nowMs;
  }

  #mount(machine: Machine): void {
    const home = this.#unmounted.get(machine.name);
    if (home === undefined) return;
    this.#unmounted.delete(machine.name);
    this.#nursery.crashNode(machine);
    machine.hardware = home;
    this.startLater(machine);
  }

  /** The store of a node, at times of two at once, is deleted, or an older copy of it put back, wherever the log begins. */
  #loseStores(machine: Machine): void {
    const { random, rare, machines, membership } = this.#nursery;
    const others = machines.filter((each) => each.cluster === machine.cluster && each !== machine);
    const lost = random.chance(0.4) && others.length > 0 ? [machine, random.pick(others)] : [machine];
    if (this.#isTouchy(machine.cluster) || !lost.every((each) => this.#canBeHad(each, lost))) return;
    if (lost.length > 1) rare.note('two stores lost at once');
    if (membership.unfinished(machine.cluster) !== null) rare.note('store lost while members change');
    for (const each of lost) this.#loseStore(each);
  }

  #loseStore(machine: Machine): void {
    const { random, rare } = this.#nursery;
    const { hardware } = machine;
    const older = hardware.copies.filter(({ slot }) => slot <= hardware.image.slot);
    const copy = older.length > 0 && random.chance(0.4) ? random.pick(older) : null;
    const floor = hardware.disk.firstSlot - 1;
    rare.note(copy === null ? 'store deleted' : 'older store put back');
    if ((copy?.slot ?? 0) < floor) rare.note('store lost behind its log');
    this.#nursery.note(
      `loses its store: has slot ${copy?.slot ?? 0}, its log begins behind ${floor}`,
      machine.name,
    );
    this.#nursery.crashNode(machine);
    this.startLater(machine);
    hardware.removeStore(copy);
  }

  /**
   * Whether each slot that the machine's log has dropped is held by somebody who is not among `lost` and will be up in the end, or
   * remembered by half of the members that voted on it.
   */
  #canBeHad(machine: Machine, lost: readonly Machine[]): boolean {
    const { machines, membership, watch } = this.#nursery;
    if (machine.hardware.disk.summary.founded === null || this.#unmounted.has(machine.name)) return false;
    const others = machines.filter(
      (each) => each.cluster === machine.cluster && !lost.includes(each) && membership.isInUse(each),
    );
    const held = Math.max(0, ...others.map((each) => this.#woken(each)?.chosen ?? 0));
    const floor = machine.hardware.disk.firstSlot - 1;
    if (held < watch.cluster(machine.cluster).first) return false;
    for (let slot = held + 1; slot <= floor; slot += 1) {
      const list = watch.cluster(machine.cluster).membersAt(slot - 1)?.members ?? [];
      const remembering = list.filter(({ node, incarnation }) => {
        const { hardware } = this.#nursery.machine(node);
        const { summary, firstSlot } = hardware.disk;
        const woken = this.#woken(this.#nursery.machine(node));
        const isTheirs = summary.incarnation === incarnation && firstSlot <= slot;
        const remembers = isTheirs && hardware.remembersVotes(slot) && woken !== null && mayVote(woken);
        return remembers && others.some(({ name }) => name === node);
      });
      if (2 * remembering.length < list.length) return false;
    }
    return true;
  }

  /** The node as it would be after a power cut at this moment; null where it was in no cluster yet. */
  #woken({ name, process, hardware }: Machine): Replica | null {
    if (process === null || this.#unmounted.has(name) || hardware.refusal !== null) return null;
    if (hardware.disk.summary.founded === null) return null;
    const woken = createReplica(process.config, hardware.recovered(hardware.openStore()));
    step(woken, { kind: 'start', nowMs: 0, random: 0, freshIncarnation: '' });
    return woken;
  }

  /**
   * A bit of the log is not what was written. In the last group that cannot be told from a torn write, and is cut: done
   * where nobody needs what is lost. Elsewhere the node refuses to start, and its operator empties the home.
   */
  #flipLog(machine: Machine): void {
    const { random, rare } = this.#nursery;
    const { hardware } = machine;
    if (hardware.refusal !== null || !this.#mayLose(machine)) return;
    this.#nursery.crashNode(machine);
    this.startLater(machine);
    const { disk } = hardware;
    const proven = disk.length - disk.unproven;
    const isProven = proven > 0 && random.chance(0.3);
    const lost = isProven ? disk.unproven + 1 + random.below(proven) : 1 + random.below(disk.unproven);
    if (isProven) hardware.refusal = 'LOG_DAMAGED';
    else if (this.#isSpare(machine, disk.tail(lost))) {
      const left = disk.cut(lost);
      const { highest, snapshot } = left.summary;
      if (hardware.image.slot > Math.max(highest, snapshot)) hardware.refusal = 'STORE_AHEAD';
      else {
        hardware.forget(left, disk.tail(lost));
        rare.note('damaged tail cut');
      }
    }
  }

  /** Whether the node promises nothing with these last records, and every other member holds what it accepted. */
  #isSpare({ cluster, name, hardware }: Machine, records: readonly LogRecord[]): boolean {
    const others = this.#othersOf(cluster, name).map((other) => this.#nursery.machine(other).hardware.disk);
    const { promised } = hardware.disk.cut(records.length).summary;
    return records.every((record) => {
      if (record.kind === 'learn' || record.kind === 'chosen') return true;
      if (record.kind !== 'accept' || compareBallots(record.ballot, promised) > 0) return false;
      return others.every((disk) => disk.holds(record.slot, record.ballot));
    });
  }

  /** A bit of the store is not what was written: shows at the next start. One at a time in a cluster, of three or more. */
  #flipStore(machine: Machine): void {
    const { plan, machines, rare } = this.#nursery;
    const { cluster, name, hardware } = machine;
    if (plan.scrubStepMs === 0 || this.#othersOf(cluster, name).length < 2 || !this.isAtPeace(cluster))
      return;
    if (hardware.image.rows.length === 0 || this.#unmounted.has(name)) return;
    // Who judges must come to the same slots by itself: a copy of a store that is in doubt is handed to nobody.
    const theirs = machines.filter((each) => each.cluster === cluster);
    const firstSlot = Math.max(...theirs.map((each) => each.hardware.disk.firstSlot));
    const mayJudge = ({ process, hardware: theirOwn }: Machine): boolean =>
      process !== null && theirOwn.refusal === null && theirOwn.image.slot + 1 >= firstSlot;
    if (!theirs.every(mayJudge)) return;
    rare.note('store damaged');
    this.#nursery.crashNode(machine);
    hardware.flipStore();
    this.startLater(machine);
  }
}

/** Names of the members of a list, in one order. */
function namesIn(state: MembersState | null): string {
  const names = state?.members.map(({ node }) => node) ?? [];
  return names.sort().join();
}
