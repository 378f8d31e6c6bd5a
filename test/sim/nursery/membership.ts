/** Which machines the INI of each cluster names, and how people grow and shrink a cluster: as docs/operating.md says. */
import type { Machine, Nursery } from './nursery.ts';

export class Membership {
  readonly #nursery: Nursery;
  /** The newest INI of each cluster: names of all nodes in it. */
  readonly #wished = new Map<string, readonly string[]>();

  constructor(nursery: Nursery) {
    this.#nursery = nursery;
    for (const machine of nursery.machines) {
      if (machine.isSpare) continue;
      this.#wished.set(machine.cluster, [...this.wishedOf(machine.cluster), machine.name]);
    }
    for (const machine of nursery.machines) machine.wished = this.wishedOf(machine.cluster);
  }

  /** Nodes that the newest INI of a cluster names, learners too. */
  wishedOf(cluster: string): readonly string[] {
    return this.#wished.get(cluster) ?? [];
  }

  /** Whether anybody starts a node on this machine. */
  isInUse({ cluster, name }: Machine): boolean {
    return this.wishedOf(cluster).includes(name);
  }

  /** What is not yet as the INI says; null where all is. */
  unfinished(cluster: string): string | null {
    const { watch, machines } = this.#nursery;
    const wished = this.wishedOf(cluster);
    const voters = machines.filter(({ name, isLearner }) => wished.includes(name) && !isLearner);
    const inForce = watch.members(cluster)?.members.map(({ node }) => node) ?? [];
    const members = [...inForce].sort().join();
    const names = voters
      .map(({ name }) => name)
      .sort()
      .join();
    return members === names ? null : `members of ${cluster} are ${members}, not ${names}`;
  }

  /**
   * Adds a machine to a cluster, or takes one away: its INI is edited everywhere, and its nodes are restarted one after the
   * other. One change at a time; not where anybody's votes are in doubt. False where nothing is changed.
   */
  change(cluster: string): boolean {
    const { random, machines, running, rare, nemesis } = this.#nursery;
    const theirs = machines.filter((each) => each.cluster === cluster && !each.isLearner);
    if (!theirs.some(({ isSpare }) => isSpare) || this.unfinished(cluster) !== null) return false;
    if (!nemesis.isAtPeace(cluster)) return false;
    // People look first: without a master nobody could take the change, and a member may be needed to elect one.
    if (!running.some((node) => node.cluster === cluster && node.driver.mayRead())) return false;
    const toggled = random.pick(theirs);
    const isLeaving = this.isInUse(toggled);
    const voters = theirs.filter((each) => this.isInUse(each)).length;
    // Of two the one that is left would be no majority of the old list.
    if (isLeaving && (voters < 3 || this.#nursery.rolesOf(cluster).forcedMaster === toggled.name))
      return false;
    const before = this.wishedOf(cluster);
    const next = isLeaving ? before.filter((name) => name !== toggled.name) : [...before, toggled.name];
    this.#wished.set(cluster, next);
    rare.note(isLeaving ? 'cluster shrinks' : 'cluster grows');
    this.#nursery.note(isLeaving ? 'is to leave its cluster' : 'is to join its cluster', toggled.name);
    if (isLeaving) this.#leave(toggled);
    else this.#join(toggled);
    let delayMs = 0;
    for (const machine of theirs.concat(
      machines.filter((each) => each.cluster === cluster && each.isLearner),
    )) {
      if (machine === toggled || !this.isInUse(machine)) continue;
      delayMs += this.#nursery.plan.leaseMs * random.next() * 2;
      this.#nursery.schedule.after(delayMs, () => this.#restart(machine));
    }
    return true;
  }

  /** Everybody has the newest INI, and who has left is stopped. */
  end(): void {
    for (const machine of this.#nursery.machines) {
      if (!this.isInUse(machine)) this.#nursery.crashNode(machine);
      else if (machine.wished !== this.wishedOf(machine.cluster)) this.#restart(machine);
    }
  }

  /** Its node is stopped first; some forget that for a while. */
  #leave(machine: Machine): void {
    const { random, schedule, plan } = this.#nursery;
    schedule.after(random.chance(0.7) ? 0 : plan.leaseMs * random.next() * 4, () => {
      if (this.isInUse(machine)) return;
      this.#nursery.crashNode(machine);
      if (random.chance(0.6)) schedule.after(plan.leaseMs * random.next() * 6, () => this.#comeBack(machine));
    });
  }

  /** Somebody starts a node that has left, with its old home and its old file, for a while: that should harm nobody. */
  #comeBack(machine: Machine): void {
    const { random, rare, schedule, plan, isFaulty } = this.#nursery;
    const { hardware, process } = machine;
    const isGone =
      !this.isInUse(machine) && (process === null || process.isDead) && hardware.refusal === null;
    if (!isFaulty || !isGone) return;
    rare.note('a removed node is started again');
    this.#nursery.startApart(machine);
    schedule.after(plan.leaseMs * random.next() * 6, () => {
      if (!this.isInUse(machine)) this.#nursery.crashNode(machine);
    });
  }

  /** An empty home: what was removed once is never started again. */
  #join(machine: Machine): void {
    const { random, schedule, plan } = this.#nursery;
    this.#nursery.crashNode(machine);
    machine.hardware = this.#nursery.newHardware();
    machine.wished = this.wishedOf(machine.cluster);
    schedule.after(plan.leaseMs * random.next(), () => this.#nursery.startNode(machine));
  }

  #restart(machine: Machine): void {
    if (!this.isInUse(machine)) return;
    machine.wished = this.wishedOf(machine.cluster);
    const { process } = machine;
    if (process === null || process.isDead || process.config.wished === machine.wished) return; // reads it at its start
    this.#nursery.crashNode(machine);
    this.#nursery.nemesis.startLater(machine);
  }
}
