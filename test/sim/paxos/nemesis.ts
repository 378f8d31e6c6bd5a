/** What goes wrong in a simulated run, and what its operator does meanwhile. Only what design and manual allow. */
import { createReplica, isShort, mayVote, othersOf, type Replica } from '../../../node/paxos/replica.ts';
import { step } from '../../../node/paxos/step.ts';
import type { Member, NodeName, Slot } from '../../../node/paxos/values.ts';
import { type Cluster, type Node, namesOf } from './cluster.ts';
import type { Parcel } from './network.ts';
import { drawStorm, drawWeather, type Fault, NAMES } from './plan.ts';

/** Draws faults until it is told to end them. */
export class Nemesis {
  readonly #cluster: Cluster;
  #isOver = false;
  /** Nodes that the operator will start again. */
  readonly #down = new Set<NodeName>();

  readonly #wiped = new Set<NodeName>();

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  begin(): void {
    this.#later();
    this.#tidyLater();
  }

  /** Everything that is wished runs again, under the present INI; what is no longer a member is stopped. */
  end(): void {
    this.#isOver = true;
    const { nodes, wished, random, plan } = this.#cluster;
    for (const node of nodes) {
      node.hardware.syncMaxMs = plan.syncMaxMs;
      node.process?.disarm();
      node.process?.resume();
      node.wished = wished;
      const isOutdated = node.process?.config.wished.join() !== wished.join();
      if (isOutdated && (random.chance(0.5) || wished.includes(node.name))) this.#cluster.crash(node);
      if (this.#isNeeded(node)) this.#startLater(node, plan.leaseMs * random.next());
    }
  }

  #later(): void {
    const { schedule, random, plan } = this.#cluster;
    schedule.after(plan.faultEveryMs * random.next() * 2, () => {
      if (this.#isOver) return;
      this.#burst(random.pick([1, 1, 2, 3, 6]));
      this.#later();
    });
  }

  /** Several faults close together: what one alone does is soon repaired. */
  #burst(left: number): void {
    const { schedule, random, plan } = this.#cluster;
    if (this.#isOver || left === 0) return;
    this.#strike(random.pick(plan.faults));
    schedule.after(plan.leaseMs * random.pick([0, 0.02, 0.2]) * random.next(), () => this.#burst(left - 1));
  }

  /** Half of the time a node that believes to be master or candidate. */
  #victim(running: readonly Node[]): Node {
    const { random } = this.#cluster;
    const ambitious = running.filter(({ process }) => process?.replica.role.kind !== 'following');
    return random.pick(ambitious.length > 0 && random.chance(0.5) ? ambitious : running);
  }

  /** Stops nodes that were removed, now and then, and asks a master that has to go to give way. */
  #tidyLater(): void {
    const { schedule, plan, nodes } = this.#cluster;
    schedule.after(plan.leaseMs, () => {
      for (const node of nodes) {
        const isUp = node.process !== null && !node.process.isDead;
        if (!isUp && this.#isOver && this.#isNeeded(node)) this.#startLater(node, 0); // a change was still under way
        if (!isUp || this.#cluster.wished.includes(node.name)) continue;
        if (!this.#isNeeded(node)) this.#cluster.crash(node);
        else if (node.process?.mayPropose !== 'not-master') node.process?.handle({ kind: 'dropMaster' });
      }
      this.#tidyLater();
    });
  }

  /** Whether the node is wished, or still in force as far as any member would know after a power cut. */
  #isNeeded(node: Node): boolean {
    const { checker, wished, gone } = this.#cluster;
    if (gone.includes(node.name)) return false;
    if (wished.includes(node.name)) return true;
    if (!checker.isFounded || node.process === null) return false;
    const { members } = checker.membersAt(checker.height);
    return (
      members.some((member) => member.node === node.name) ||
      !members.every((member) => this.#remembers(member))
    );
  }

  #startLater(node: Node, delayMs: number): void {
    if (this.#down.has(node.name)) return;
    this.#down.add(node.name);
    this.#cluster.schedule.after(delayMs, () => {
      this.#down.delete(node.name);
      if (this.#isNeeded(node)) this.#cluster.start(node);
    });
  }

  #strike(fault: Fault): void {
    const { random, network, plan } = this.#cluster;
    const running = this.#cluster.nodes.filter(({ process }) => process !== null && !process.isDead);
    if (running.length === 0) return;
    const node = this.#victim(running);
    this.#cluster.note(`fault: ${fault}`, node.name);
    switch (fault) {
      case 'crash':
        this.#crash(node);
        return;
      case 'crashAll':
        for (const each of running) this.#crash(each);
        return;
      case 'crashOnSend':
        node.process?.crashOnSend(random.pick(plan.kinds));
        this.#startLaterAgain(node);
        return;
      case 'pause':
        this.#pause(node);
        return;
      case 'partition': {
        const left = new Set(running.filter(() => random.chance(0.5)));
        this.#cut(running, (from, to) => left.has(from) !== left.has(to));
        return;
      }
      case 'isolate':
        this.#cut(running, (from, to) => from === node || to === node);
        return;
      case 'cut': {
        const others = new Set(running.filter(() => random.chance(0.5)));
        const isOneWay = random.chance(0.4);
        this.#cut(
          running,
          (from, to) => (from === node && others.has(to)) || (!isOneWay && to === node && others.has(from)),
        );
        return;
      }
      case 'storm':
        network.weather = drawStorm(random, plan.leaseMs);
        this.#repair(() => {
          network.weather = drawWeather(random, plan.leaseMs);
        });
        return;
      case 'deaf':
        network.weather = { ...plan.weather, lostKind: random.pick(plan.kinds) };
        this.#repair(() => {
          network.weather = plan.weather;
        });
        return;
      case 'slowDisk':
        for (const { hardware } of random.chance(0.5) ? [node] : running) {
          hardware.syncMaxMs = plan.leaseMs * random.pick([0.05, 0.2, 0.5, 2]);
          this.#repair(() => {
            hardware.syncMaxMs = plan.syncMaxMs;
          });
        }
        return;
      case 'wipe':
        this.#wipe(node);
        return;
      case 'collapse':
        node.hardware.disk.collapse(node.hardware.disk.image?.slot ?? 0);
        return;
      case 'loseStore':
        this.#loseStore(node);
        return;
      case 'duel':
        this.#duel(running);
        return;
      case 'lateCopies':
        network.deliverCopies();
        return;
      case 'dropMaster':
        for (const { process } of running)
          if (process?.isPaused === false) process.handle({ kind: 'dropMaster' });
        return;
      case 'reconfigure':
        this.#reconfigure();
        return;
      case 'promote':
        this.#promote(running);
    }
  }

  /**
   * A majority is lost, with as many of the others as chance will; a survivor is promoted by an operator who does not give up. The
   * lost homes are emptied, but now and then one comes back as it was.
   */
  #promote(running: readonly Node[]): void {
    const cluster = this.#cluster;
    const { checker, random, schedule, plan } = cluster;
    if (cluster.gone.length > 0 || !checker.isFounded || checker.height === 0) return;
    if (checker.membersAt(checker.height).members.length < 2) return; // it would serve alone
    const { members } = checker.membersAt(checker.height);
    const isMember = ({ name, process }: Node): boolean =>
      members.some((each) => each.node === name && each.incarnation === process?.incarnation);
    const survivor = random.pick(running);
    const isBarred = plan.forcedMaster !== null && plan.forcedMaster !== survivor.name;
    const woken = this.#woken(survivor.name);
    if (woken?.active !== true || isShort(woken) || woken.chosen === 0) return; // it has joined, and holds nothing yet, or nothing any more
    if (!isMember(survivor) || isBarred || !cluster.wished.includes(survivor.name)) return;
    const others = cluster.nodes.filter((node) => node !== survivor && this.#isNeeded(node));
    const kept = random.below(Math.max(1, Math.floor(members.length / 2)));
    const left = others.filter((node) => running.includes(node) && isMember(node)).slice(0, kept);
    const gone = others.filter((node) => !left.includes(node));
    if (gone.length === 0) return;
    cluster.note('majority lost', `${survivor.name} is left with ${left.map(({ name }) => name)}`);
    const names = gone.map(({ name }) => name);
    cluster.gone = names;
    for (const node of gone) cluster.crash(node);
    const sinceMs = schedule.nowMs;
    const order = (): void => {
      if (cluster.gone !== names) {
        for (const node of gone) this.#comeBack(node);
        return;
      }
      const { process } = survivor;
      if (process?.isDead === true) this.#startLater(survivor, plan.leaseMs * 0.2);
      else if (process?.isPaused === false) {
        // Who has waited for long reads what is lost, or that this home is none that counts, and gives up what it lacks.
        const hasRead = schedule.nowMs - sinceMs > plan.leaseMs * 6;
        cluster.loseFrom = hasRead ? process.replica.chosen + 1 : null;
        const others = othersOf(process.replica);
        const known = cluster.gone.filter((name) => others.includes(name)); // as the refusal says
        const gone = hasRead ? [...known, survivor.name] : known;
        process.handle({ kind: 'promote', gone, loseFrom: cluster.loseFrom });
      }
      schedule.after(plan.leaseMs * 0.5, order);
    };
    order();
  }

  /** A home that was said to be gone: emptied, or first as it was, which nobody was promised would not be. */
  #comeBack(node: Node): void {
    const cluster = this.#cluster;
    const { random, schedule, plan } = cluster;
    if (node.process?.isDead === false && !this.#isOld(node.name)) return; // the end of all faults has started it
    const empty = (): void => {
      cluster.crash(node);
      cluster.wipe(node);
      this.#startLater(node, plan.leaseMs * random.next());
    };
    // One that is a majority by what it holds would serve, where it was said to be gone: nothing can tell it before it hears others.
    const isFew = (this.#woken(node.name)?.members.members.length ?? 0) < 3;
    const isTaken = cluster.nodes.some(({ name }) => name !== node.name && this.#isOld(name));
    if (isFew || isTaken || random.chance(0.6)) empty();
    else {
      cluster.note('an old home comes back', node.name);
      cluster.start(node);
      schedule.after(plan.leaseMs * 4, () => {
        if (this.#isOld(node.name)) empty();
      });
    }
  }

  /** Whether a node runs in a founding that is over. */
  #isOld(name: NodeName): boolean {
    const { process } = this.#cluster.node(name);
    const { checker } = this.#cluster;
    return (
      process?.isDead === false &&
      process.replica.founded !== null &&
      process.replica.members.cluster !== checker.cluster
    );
  }

  /** Most troubles end by themselves, or nothing would ever be under way when the next one comes. */
  #repair(run: () => void): void {
    const { schedule, random, plan } = this.#cluster;
    schedule.after(plan.leaseMs * random.pick([0.3, 1, 3]) * (0.5 + random.next()), () => {
      if (!this.#isOver) run();
    });
  }

  /** At once, or between two effects of a later event. */
  #crash(node: Node): void {
    const { random, plan } = this.#cluster;
    if (random.chance(0.5)) {
      this.#cluster.crash(node);
      this.#startLater(node, plan.leaseMs * random.pick([0.02, 0.3, 1, 5]) * (0.5 + random.next()));
    } else {
      node.process?.crashAfterEffects(random.below(20));
      this.#startLaterAgain(node);
    }
  }

  /** Starts the node soon after it has crashed. */
  #startLaterAgain(node: Node): void {
    const { schedule, random, plan } = this.#cluster;
    const { process } = node;
    const delayMs = plan.leaseMs * random.pick([0.02, 0.1, 1]);
    const watch = (): void => {
      if (this.#isOver || node.process !== process) return;
      if (process?.isDead === true) this.#startLater(node, delayMs);
      else schedule.after(delayMs / 2, watch);
    };
    watch();
  }

  #pause(node: Node): void {
    const { random, schedule, plan } = this.#cluster;
    const { process } = node;
    process?.pause();
    schedule.after(plan.leaseMs * random.pick([0.1, 0.5, 1, 1.5, 3]) * (0.8 + random.next() * 0.4), () => {
      process?.resume();
    });
  }

  /** Cuts each direction of which `isCut` says so, for a while. */
  #cut(running: readonly Node[], isCut: (from: Node, to: Node) => boolean): void {
    const { network } = this.#cluster;
    const cuts = running.flatMap((from) =>
      running.filter((to) => isCut(from, to)).map((to) => ({ from: from.name, to: to.name })),
    );
    for (const { from, to } of cuts) network.cut(from, to);
    this.#repair(() => {
      for (const { from, to } of cuts) network.mend(from, to);
    });
  }

  /**
   * Legal where every other member in force, and every home wiped before, remembers all of its votes and would vote
   * after a restart; and where the node's INI names one of them, or it would begin a cluster of its own.
   */
  #wipe(node: Node): void {
    if (this.#cluster.gone.length > 0) return; // an order is being carried out: nobody does anything else to homes or files
    const { checker, random, plan, wished } = this.#cluster;
    if (!checker.isFounded || checker.height === 0) return;
    const { members } = checker.membersAt(checker.height);
    const others = members.filter((member) => member.node !== node.name);
    if (!others.some((member) => wished.includes(member.node))) return;
    if (!others.every((member) => this.#remembers(member))) return;
    for (const name of this.#wiped) {
      const isBack = !wished.includes(name) || members.some((member) => member.node === name);
      if (name !== node.name && !isBack) return;
    }
    this.#cluster.note('home wiped', node.name);
    this.#wiped.add(node.name);
    this.#cluster.crash(node);
    this.#cluster.wipe(node);
    this.#startLater(node, plan.leaseMs * random.pick([0.02, 0.5, 2]) * (0.5 + random.next()));
  }

  /** Whether the node would vote, hold what its log has dropped, and know the list in force, after a power cut at this moment. */
  #remembers({ node, incarnation }: Member): boolean {
    const { checker } = this.#cluster;
    const { process, hardware } = this.#cluster.node(node);
    if (process === null || hardware.disk.summary.incarnation !== incarnation) return false;
    const woken = this.#woken(node);
    if (woken === null || isShort(woken)) return false;
    return mayVote(woken) && namesOf(woken.members) === namesOf(checker.membersAt(checker.height));
  }

  /** The node as it would be after a power cut at this moment. */
  #woken(name: NodeName): Replica | null {
    const { process, hardware } = this.#cluster.node(name);
    if (process === null || hardware.disk.summary.founded === null) return null;
    const woken = createReplica(process.config, hardware.disk.recovered());
    step(woken, { kind: 'start', nowMs: 0, random: 0, freshIncarnation: '' });
    return woken;
  }

  /**
   * A store is deleted, or an older copy of it put back, however far the log reaches back: legal where what the log lacks is held by
   * another one that will be up in the end, or where half of the members in force remember what they voted there (a life that has
   * not got its node's vote back does not know what the one before it voted); and where nobody else is short, who may need just
   * this store.
   */
  #loseStore(node: Node): void {
    if (this.#cluster.gone.length > 0) return; // an order is being carried out: nobody does anything else to homes or files
    const { disk } = node.hardware;
    const { checker, random } = this.#cluster;
    if (!checker.isFounded || disk.summary.founded === null || !this.#canBeHad(node, disk.firstSlot - 1))
      return;
    const woken = this.#cluster.nodes.map((other) => (other === node ? null : this.#woken(other.name)));
    if (woken.some((replica) => replica !== null && isShort(replica))) return;
    if (random.chance(0.5)) disk.collapse(disk.image?.slot ?? 0); // or it would hardly ever be lost behind its log
    this.#crash(node);
    if (node.process?.isDead !== true) return;
    const floor = disk.firstSlot - 1;
    if (!this.#canBeHad(node, floor)) return;
    const copy = disk.older.length > 0 && random.chance(0.4) ? random.pick(disk.older) : null;
    if (copy !== null && copy.slot > (disk.image?.slot ?? 0)) return;
    this.#cluster.note('store lost', node.name);
    if ((copy?.slot ?? 0) < floor) this.#cluster.note('store lost behind its log', node.name);
    if (copy !== null) this.#cluster.note('older store put back', node.name);
    disk.image = copy;
  }

  #canBeHad(node: Node, floor: Slot): boolean {
    const { checker, nodes, wished } = this.#cluster;
    const { members } = checker.membersAt(checker.height);
    const isKept = (name: NodeName): boolean =>
      wished.includes(name) || members.some((member) => member.node === name);
    const others = nodes.filter((other) => other !== node && isKept(other.name));
    const holders = others.map(({ name }) => this.#woken(name)).filter((woken) => woken !== null);
    const ofThis = holders.filter((woken) => woken.members.cluster === checker.cluster);
    const held = Math.max(0, ...ofThis.map(({ chosen }) => chosen));
    for (let slot = held + 1; slot <= floor; slot += 1) {
      const list = checker.membersAt(slot - 1).members;
      const remembering = list.filter((member) => {
        const { disk } = this.#cluster.node(member.node).hardware;
        const isTheirs = disk.summary.incarnation === member.incarnation && disk.firstSlot <= slot;
        const woken = this.#woken(member.node);
        return (
          member.node !== node.name && isKept(member.node) && isTheirs && woken !== null && mayVote(woken)
        );
      });
      if (2 * remembering.length < list.length) return false;
    }
    return true;
  }

  /**
   * A master is cut off, and goes on proposing under its lease. Its successor gets votes for values of its own, and can tell nobody
   * that these are chosen; it is gone when the first one comes back.
   */
  #duel(running: readonly Node[]): void {
    if (this.#cluster.gone.length > 0) return; // an order is being carried out: nobody does anything else to homes or files
    const { schedule, network, random, plan } = this.#cluster;
    const isMaster = ({ process }: Node): boolean =>
      process?.isDead === false && process.replica.role.kind === 'master';
    const first = running.find(isMaster);
    if (first === undefined || running.length < 3) return;
    const isCutOff = ({ from, to }: Parcel): boolean => from === first.name || to === first.name;
    network.lose(isCutOff);
    const untilMs = schedule.nowMs + plan.leaseMs * 4;
    const watch = (): void => {
      const next = this.#cluster.nodes.find((node) => node !== first && isMaster(node));
      if (this.#isOver || schedule.nowMs > untilMs) network.keep(isCutOff);
      else if (next === undefined) schedule.after(1, watch);
      else this.#silence(first, next, () => network.keep(isCutOff));
    };
    schedule.after(plan.leaseMs * random.next(), watch);
  }

  /** What `next` chooses from now on it tells nobody, and once it has it is gone; then `first` comes back, and campaigns alone. */
  #silence(first: Node, next: Node, comeBack: () => void): void {
    const { schedule, network, random, plan } = this.#cluster;
    const { process } = next;
    const known = process?.replica.chosen ?? 0;
    const tells = ({ from, message }: Parcel): boolean =>
      from === next.name && 'chosen' in message && message.chosen > known;
    const competes = ({ from, message }: Parcel): boolean =>
      message.kind === 'canvass' && from !== first.name;
    network.lose(tells);
    const untilMs = schedule.nowMs + plan.leaseMs * 2;
    const watch = (): void => {
      const hasChosen = process !== null && process.stateSlot > known;
      if (!this.#isOver && !hasChosen && process?.isDead === false && schedule.nowMs < untilMs) {
        schedule.after(1, watch);
        return;
      }
      network.keep(tells);
      comeBack();
      if (this.#isOver || !hasChosen) return;
      this.#cluster.note('chosen, and told to nobody', `${first.name} ${next.name}`);
      if (random.chance(0.7)) {
        this.#cluster.crash(next);
        this.#startLater(next, plan.leaseMs * (1 + 3 * random.next()));
      } else this.#pause(next);
      network.lose(competes);
      schedule.after(plan.leaseMs * 2, () => network.keep(competes));
    };
    watch();
  }

  /** Edits the INI and restarts the nodes, one after the other. */
  #reconfigure(): void {
    if (this.#cluster.gone.length > 0) return; // an order is being carried out: nobody does anything else to homes or files
    const cluster = this.#cluster;
    const { checker, random, schedule, plan } = cluster;
    if (!checker.isFounded || checker.height === 0) return;
    const toggled = random.pick(NAMES);
    if (toggled === plan.forcedMaster) return;
    const isMember = cluster.wished.includes(toggled);
    const next = isMember ? cluster.wished.filter((name) => name !== toggled) : [...cluster.wished, toggled];
    const { members } = checker.membersAt(checker.height);
    const inForce = members.filter((member) => this.#remembers(member)).map(({ node }) => node);
    if (isMember && !cluster.wished.every((name) => inForce.includes(name))) return; // first what was begun
    if (!next.some((name) => inForce.includes(name))) return;
    if (!isMember && this.#isNeeded(cluster.node(toggled))) return; // still on its way out
    cluster.note('members wished', next.join());
    cluster.wished = next;
    for (const node of cluster.nodes) {
      if (!this.#isNeeded(node)) continue;
      schedule.after(plan.leaseMs * random.next() * 4, () => {
        if (this.#isOver) return;
        node.wished = cluster.wished;
        if (!cluster.wished.includes(node.name) && random.chance(0.5)) return; // goes on under its old INI
        cluster.crash(node);
        this.#startLater(node, plan.leaseMs * random.next());
      });
    }
  }
}
