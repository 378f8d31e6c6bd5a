/** One node of one cluster: the real driver, requests and state machine, wired as node/process.ts wires them. */

import { CleanUps } from '../../../node/driver/clean-ups.ts';
import type { Driver } from '../../../node/driver/driver.ts';
import { FunctionKeeping } from '../../../node/driver/function-keeping.ts';
import { Scheduler } from '../../../node/driver/scheduler.ts';
import { driftMsOf, WINDOW_MAX } from '../../../node/driver/timing.ts';
import { UpdateCost } from '../../../node/driver/update-cost.ts';
import type { World as DriverWorld } from '../../../node/driver/world.ts';
import type { Word } from '../../../node/identity/contract.ts';
import { Introduction } from '../../../node/identity/introduction.ts';
import { readMembers } from '../../../node/life/members-row.ts';
import { Machine } from '../../../node/machine/machine.ts';
import { Acquaintances, memoryOf } from '../../../node/members/acquaintances.ts';
import { install, type Received } from '../../../node/members/installation.ts';
import type { ReplicaConfig } from '../../../node/paxos/contract.ts';
import { type Message, messageCodec } from '../../../node/paxos/messages.ts';
import { createReplica, type Replica } from '../../../node/paxos/step.ts';
import type { NodeName } from '../../../node/paxos/values.ts';
import type { Finding } from '../../../node/scrub/findings.ts';
import type { Scrubber } from '../../../node/scrub/scrubber.ts';
import { MapWatchers } from '../../../node/serve/map-watchers.ts';
import { Requests } from '../../../node/serve/requests.ts';
import { Seals } from '../../../node/serve/seals.ts';
import { SlowDowns } from '../../../node/serve/slow-downs.ts';
import { type Image, MemoryStore } from '../../../node/store/memory-store.ts';
import { present } from '../../../src/base/assert.ts';
import { NurseryError } from '../../../src/base/errors.ts';
import { UPDATE_MAX, VALUE_MAX } from '../../../src/base/limits.ts';
import type { Memory } from '../../../src/link/frames.ts';
import type { Link as RealLink } from '../../../src/link/link.ts';
import { Recording } from '../../../src/port/recording.ts';
import { type Asker, unboundedBudgets } from '../../../src/process/budget.ts';
import { SILENT } from '../../../src/process/log.ts';
import { decodeRequest, isUpdateCode, requestCode } from '../../../src/protocol/arakoon/requests.ts';
import type { Answer } from '../../../src/protocol/arakoon/values.ts';
import { decode, encode } from '../../../src/wire/codec.ts';
import { check } from '../base/violation.ts';
import { Asker as ClusterAsker } from './asker.ts';
import { counted } from './counted.ts';
import { FUNCTIONS } from './functions.ts';
import { FLIPPED_ROW, type Hardware } from './hardware.ts';
import { Host } from './host.ts';
import { Later } from './later.ts';
import type { Link, Server } from './network.ts';
import type { Nursery } from './nursery.ts';
import { createScrubber } from './scrubbing.ts';
import { Served } from './served.ts';
import { SimLog } from './sim-log.ts';
import { imageOf, SimStore } from './sim-store.ts';
import { KEEPER, SECOND_KEEPER } from './watch.ts';
import { WatchedDriver } from './watched-driver.ts';

/** Few, so that a clean-up takes several steps. */
const CLEANUP_ROWS = 3;

/** Memory is no subject of the simulation. */
const BUDGETS = unboundedBudgets();

/** Whoever sends one request: in life each connection has a bound of its own. */
function askerOf(): Asker {
  return { replies: unboundedBudgets().replies.open(null), isOver: () => false, isShort: false, waitMs: 0 };
}

export type NodeOptions = {
  readonly cluster: string;
  readonly node: NodeName;
  readonly wished: readonly NodeName[];
  readonly hardware: Hardware;
  readonly freshIncarnation: string;
};

/** How often a link that is down is dialled again (ms). */
const GREET_EVERY_MS = 1000;

/** A node that runs, until it dies. */
export class NodeProcess extends Host implements Server {
  readonly cluster: string;
  readonly config: ReplicaConfig;
  readonly hardware: Hardware;
  readonly incarnation: string;
  readonly memory: Memory;
  readonly #acquaintances = new Acquaintances(this.nowMs);
  readonly driver: Driver;
  readonly store: SimStore;
  readonly #nursery: Nursery;
  readonly #log: SimLog;
  readonly #introduction: Introduction;
  readonly #requests: Requests;
  readonly #served: Served;
  readonly #scrubber: Scrubber;
  readonly #watchers = new MapWatchers();
  readonly #seals = new Seals();
  readonly #cleanUps: CleanUps;
  readonly #functions: FunctionKeeping;

  constructor(nursery: Nursery, options: NodeOptions) {
    const { random, plan } = nursery;
    const { cluster, node, hardware } = options;
    super(nursery.schedule, node, random.pick([0, 1, random.next() * 1e7]), hardware.clockRate);
    this.#nursery = nursery;
    this.cluster = cluster;
    this.hardware = hardware;
    this.#log = new SimLog(this, hardware, nursery);
    this.onDeath.push(() => this.#log.tear());
    const base = hardware.openStore();
    this.store = new SimStore(base, random.next(), (changes, slot) =>
      nursery.watch.committed(this, changes, slot),
    );
    nursery.watch.opened(this, hardware.image);
    this.#served = new Served(
      node,
      () => nursery.watch.historyOf(this) ?? nursery.watch.cluster(cluster),
      nursery.history,
      nursery.rare,
      () => this.store.slot,
    );
    const recovered = hardware.recovered(base);
    this.incarnation = recovered.incarnation ?? options.freshIncarnation;
    this.memory = memoryOf(`${random.next()}`, recovered);
    this.config = {
      node,
      wished: options.wished,
      leaseMs: plan.leaseMs,
      driftMs: driftMsOf(plan.leaseMs),
      windowMax: WINDOW_MAX,
      bootstrap: false,
      asksFirst: true,
      genesis: Machine.genesis({ nursery: nursery.impostors.hasNursery(cluster) }),
      ...nursery.rolesOf(cluster),
    };
    this.driver = this.#createDriver(createReplica(this.config, recovered));
    this.#cleanUps = this.#createCleanUps();
    this.#introduction = this.#createIntroduction();
    this.#functions = FunctionKeeping.of({
      node: this.name,
      driver: this.driver,
      introduction: this.#introduction,
      engineOf: () => FUNCTIONS.engine,
      nowMs: this.nowMs,
    });
    this.#requests = this.#createRequests();
    this.#scrubber = createScrubber(nursery, this, this.#scheduler);
    this.#start(options.freshIncarnation);
  }

  #createDriver(replica: Replica): Driver {
    const nursery = this.#nursery;
    const world: DriverWorld = {
      ...this.timers,
      log: this.#log,
      store: this.store,
      logger: nursery.logger(this.name),
      send: (to, message) => this.#send(to, message),
      installSnapshot: (from) => this.#installSnapshot(from),
      applied: (slot) => {
        this.#served.applied(slot);
        this.#scrubber.applied(slot);
        nursery.watch.applied(this, slot);
        this.#seals.applied(this.driver.machine.seals, slot, () => this.driver.mayRead(), this.nowMs());
        this.#watchers.changed(this.driver.machine.mapVersion, () => this.driver.machine.keeperMap());
        this.#tellOfMoves();
      },
      promoted: (slot) => nursery.promoted(this, slot),
      stop: (exit, cause) => nursery.nodeStopped(this, exit, cause),
    };
    return new WatchedDriver(world, replica, new Machine(this.store, FUNCTIONS), this.#served, nursery.rare);
  }

  /** Reads are cut into slices of a few steps, whatever time they take. */
  #steps = 0;
  readonly #scheduler = new Scheduler(
    () => {
      this.#steps += 1;
      return this.#steps;
    },
    // Others have their turn meanwhile: at a busy node for long enough that slots are applied between two slices.
    (run) => this.local(this.#nursery.random.chance(0.7) ? 0.2 : this.#nursery.random.next() * 30, run),
  );

  /** As in production; its way to the keeper is that of every process here. */
  #createIntroduction(): Introduction {
    const nursery = this.#nursery;
    const asker = new ClusterAsker(nursery, this, [KEEPER, SECOND_KEEPER]);
    return new Introduction({
      clusterId: nursery.impostors.idOf(this.cluster),
      node: this.name,
      home: `/homes/${this.name}`,
      incarnation: this.incarnation,
      process: this.incarnation, // a life has one place here
      ips: [this.name],
      port: 1,
      label: '',
      nursery: nursery.impostors.hasNursery(this.cluster)
        ? {
            cluster: KEEPER,
            nodes: nursery.namesOf(KEEPER).map((name) => ({ name, ips: [name], port: 1 })),
          }
        : null,
      learners: this.config.learners,
      bootstrap: false,
      withoutKeeper: false,
      restMs: 5000,
      wallMs: () => Math.floor(nursery.wallClockMs + nursery.schedule.nowMs),
      driver: this.driver,
      store: this.store,
      logger: nursery.logger(this.name),
      nowMs: this.nowMs,
      random: () => nursery.random.next(),
      connect: () => ({
        ask: (question, done) => {
          const asked = question.kind === 'query' ? { ...question, node: 'master' as const } : question;
          asker.ask(nursery.impostors.keeperOf(this), asked, done);
        },
        close: () => undefined,
      }),
      tell: (word) => this.#speak(word),
      stop: (exit, cause) => nursery.nodeStopped(this, exit, cause),
    });
  }

  #speak(word: Word): void {
    const { network } = this.#nursery;
    for (const to of this.#nursery.namesOf(this.cluster)) {
      if (to === this.name) continue;
      network.carry(this.name, to, () => {
        const peer = this.#nursery.nodeAt(to);
        peer?.run(() => peer.#introduction.heard(word));
      });
    }
  }

  #createRequests(): Requests {
    const { schedule, plan } = this.#nursery;
    return new Requests({
      ...(plan.auto ? counted(this) : {}),
      clusterId: this.cluster,
      node: this.name,
      nursery: KEEPER,
      driver: this.driver,
      store: this.store,
      scheduler: this.#scheduler,
      reads: this.#scheduler,
      share: { short: () => undefined },
      watchers: this.#watchers,
      seals: this.#seals,
      slowDowns: new SlowDowns(this.nowMs, (delayMs, run) => this.local(delayMs, run)),
      introduction: this.#introduction,
      readOnly: false,
      valueBytesMax: VALUE_MAX,
      updateBytesMax: UPDATE_MAX,
      nowMs: this.nowMs,
      wallMs: () => Math.floor(this.nowMs()),
      after: (delayMs, run) => this.local(delayMs, run),
      recording: new Recording({ logger: SILENT, nowMs: this.nowMs, wallMs: this.nowMs }),
      syncs: () => ({ log: 0, store: 0 }),
      cost: new UpdateCost(),
      budgets: BUDGETS,
      flush: () => Later.promise((keep) => schedule.after(0, () => keep(undefined))),
      collapse: () => Later.promise((keep) => schedule.after(0, () => keep(0))),
      compact: () => Later.promise((keep) => schedule.after(0, () => keep(undefined))),
    });
  }

  #tellOfMoves(): void {
    this.#watchers.moved(this.driver.machine, this.driver.master() !== null);
  }

  #start(freshIncarnation: string): void {
    const { random, plan } = this.#nursery;
    this.driver.submit({ kind: 'start', random: random.next(), freshIncarnation });
    this.#every(plan.tickMs, () => {
      this.driver.submit({ kind: 'tick', random: random.next() });
      this.#tellOfMoves();
      this.#cleanUps.look();
      this.#introduction.tick();
      this.#functions.tick();
      this.#scrubber.tick();
    });
    this.#every(plan.flushEveryMs, () => this.#flush());
    this.#greet();
    this.#every(GREET_EVERY_MS, () => this.#greet());
  }

  /** Each node keeps a link to each other one in life, whether or not it has anything to say: hellos come first. */
  #greet(): void {
    for (const to of this.#nursery.namesOf(this.cluster)) {
      if (to === this.name) continue;
      this.#nursery.network.carry(this.name, to, () => {
        this.#nursery.nodeAt(to)?.isAcquaintedWith(this);
      });
    }
  }

  #every(periodMs: number, run: () => void): void {
    const again = (): void => {
      this.local(periodMs * (0.9 + this.#nursery.random.next() * 0.2), () => {
        run();
        again();
      });
    };
    again();
  }

  /** Whether several records are being made durable at this moment. */
  get isWritingGroup(): boolean {
    return this.#log.inFlight > 1;
  }

  /** A client, a router or a migrator asks. */
  request(body: Buffer, respond: (answer: Answer) => void, link: Link, leftMs?: number): void {
    const { role } = this.driver.replica;
    if (role.kind === 'master' && !this.driver.mayRead() && !isUpdateCode(requestCode(body))) {
      this.#nursery.rare.note('lease lost with reads waiting');
    }
    const judged = isUpdateCode(requestCode(body)) ? respond : this.#judged(body, respond);
    this.#requests.handle(body, judged, link as unknown as RealLink, askerOf(), leftMs);
  }

  #judged(body: Buffer, respond: (answer: Answer) => void): (answer: Answer) => void {
    return this.#served.read(decodeRequest(body), respond);
  }

  linkClosed(link: Link): void {
    this.#watchers.remove(link as unknown as RealLink);
  }

  /** What hellos decide in life: nothing is exchanged with another founding, nor with a life that has forgotten something. */
  isAcquaintedWith(sender: NodeProcess): boolean {
    const { name, incarnation, memory, founding } = sender;
    if (this.founding !== '' && founding !== '' && this.founding !== founding) {
      if (sender.isDead) return false; // in life its links have ended with it
      this.#nursery.rare.note('two foundings met');
      const { replaces } = sender.#introduction;
      this.run(() => this.driver.submit({ kind: 'foreign', from: name, founding, replaces }));
      return false;
    }
    if (sender.isDead) return true; // a message that was under way: the hellos of its link are long over
    const doubt = this.#acquaintances.meet(name, incarnation, memory);
    if (doubt === null) return true;
    check(sender.hardware.hasForgotten, 'memory', () => `${this.name} refuses ${name}: ${doubt.why}`);
    this.#nursery.rare.note('refused, since it has forgotten a vote');
    this.#nursery.nodeStopped(sender, 'SUPERSEDED', new Error(doubt.why));
    return false;
  }

  get founding(): string {
    return this.#introduction.founding;
  }

  /** What an operator should know of. */
  get notes(): readonly string[] {
    return this.#introduction.notes;
  }

  /** A message of another member. */
  receive(from: NodeName, incarnation: string, message: Message, process = ''): void {
    this.#acquaintances.heard(from, incarnation, process, message);
    this.run(() => this.driver.submit({ kind: 'message', from, incarnation, message }));
  }

  /** What another node found in its store. */
  compare(from: NodeName, founding: string, incarnation: string, finding: Finding): void {
    if (founding !== this.founding) return; // links end with the hello
    this.run(() => this.#scrubber.received(from, incarnation, finding));
  }

  /** Whether a flipped bit lies in its store, found or not. */
  get isFlipped(): boolean {
    return this.store.get(FLIPPED_ROW) !== undefined;
  }

  #send(to: NodeName, message: Message): void {
    const { network, plan, watch } = this.#nursery;
    const carried = plan.encodes ? decode(messageCodec, encode(messageCodec, message)) : message;
    if (message.kind === 'accept') watch.proposed(this, message);
    network.carry(this.name, to, () => {
      const peer = this.#nursery.nodeAt(to);
      if (peer?.isAcquaintedWith(this) === true) {
        peer.receive(this.name, this.incarnation, carried, this.memory.process);
      }
    });
  }

  /** Writes what the log durably holds into the store's base; the log gives way behind it. */
  #flush(): void {
    const { schedule, random } = this.#nursery;
    const slot = this.driver.durableSlot;
    const { inner } = this.store;
    schedule.after(random.next() * 40, () => {
      if (this.isDead || this.store.inner !== inner) return;
      inner.flush(slot);
      this.hardware.image = inner.image();
      if (random.chance(0.02)) this.hardware.copyStore();
      this.#nursery.watch.flushed(this, this.hardware.image);
      this.run(() => this.driver.resume());
    });
  }

  /** Copies a peer's image, page by page in life; here it is read at one moment and arrives at another. */
  #receive(from: NodeName, done: (received: Received | Error) => void): void {
    const { schedule, random, network } = this.#nursery;
    const isReachable = (): boolean => network.reaches(from, this.name) && network.reaches(this.name, from);
    schedule.after(random.next() * 20, () => {
      const peer = this.#nursery.nodeAt(from);
      // A copy of a damaged store would be the second one: more than a majority can judge.
      const isSound = peer !== null && !peer.isPaused && !peer.isFlipped && peer.driver.refusal === null;
      const isThere =
        isSound &&
        isReachable() &&
        readMembers(peer.store) !== null &&
        (this.founding === '' || this.founding === peer.founding);
      const image = isThere ? imageOf(peer.store) : null;
      this.local(random.next() * 100, () => {
        if (image === null || peer?.isDead !== false || !isReachable() || random.chance(0.1))
          done(new NurseryError('UNREACHABLE', 'the copy has broken off'));
        else done(this.#received(image));
      });
    });
  }

  #received(image: Image): Received {
    const { random, rare } = this.#nursery;
    return {
      slot: image.slot,
      replace: (done) =>
        this.local(random.next() * 10, () => {
          if (random.chance(0.05)) {
            rare.note('snapshot could not be put in place');
            done(new Error('no room'));
            return;
          }
          rare.note('snapshot installed');
          this.hardware.image = image;
          this.store.inner = new MemoryStore(image);
          this.hardware.noteImage(this.store.inner);
          this.#nursery.watch.opened(this, image);
          done(null);
        }),
      discard: (done) => done(),
    };
  }

  #installSnapshot(from: NodeName): void {
    install(
      from,
      {
        storage: { store: this.store },
        driver: this.driver,
        runner: FUNCTIONS,
        logger: this.#nursery.logger(this.name),
        failures: { happened: () => undefined, ended: () => false },
        after: this.timers.after,
        members: () => present(readMembers(this.store), 'members in a snapshot'),
        receive: (peer, done) => this.#receive(peer, done),
      },
      () => undefined,
    );
  }

  #createCleanUps(): CleanUps {
    const { driver } = this;
    return new CleanUps({
      driver: {
        get machine() {
          return driver.machine;
        },
        mayRead: () => driver.mayRead(),
        propose: (update, respond) => {
          driver.propose(update, respond);
          this.#proposeLate(update);
        },
      },
      defer: this.timers.defer,
      rowsMax: CLEANUP_ROWS,
    });
  }

  /** A step of a clean-up as one that an earlier master wrote, and a later one found and adopted. */
  #proposeLate(step: Uint8Array): void {
    const { random, network, rare } = this.#nursery;
    if (!random.chance(network.weather.repeatShare)) return;
    this.local(random.next() * 5000, () => {
      rare.note('late step of a clean-up');
      this.driver.propose(step, () => undefined);
    });
  }
}
