/** One life of a node: everything wired together, started and stopped. */

import { randomBytes } from 'node:crypto';
import { resolve } from 'node:path';
import { present } from '../src/base/assert.ts';
import { type EXIT_CODES, FatalError, NurseryError } from '../src/base/errors.ts';
import { toKeeperConfig } from '../src/config/cluster-config.ts';
import { messagingPortOf, type NodeIni } from '../src/config/node-section.ts';
import { type Hello, LINK_PROTOCOL, type Memory, named } from '../src/link/frames.ts';
import { afterArrivals } from '../src/port/arrivals.ts';
import { type ClientPort, portBudgets } from '../src/port/port.ts';
import { Recording } from '../src/port/recording.ts';
import { watchCollections } from '../src/process/collections.ts';
import { type Logger, withFacts } from '../src/process/log.ts';
import { Repeated } from '../src/process/repeated.ts';
import { TIMERS } from '../src/process/timers.ts';
import { CleanUps } from './driver/clean-ups.ts';
import { Driver } from './driver/driver.ts';
import { FairShare } from './driver/fair-share.ts';
import { FunctionKeeping } from './driver/function-keeping.ts';
import { Pulse } from './driver/pulse.ts';
import { quietUntilMs } from './driver/quiet.ts';
import { untilReleased } from './driver/release.ts';
import { Scheduler } from './driver/scheduler.ts';
import { beatsOf, driftMsOf, isNews, WINDOW_MAX } from './driver/timing.ts';
import { UpdateCost } from './driver/update-cost.ts';
import { engineId, FunctionEngine } from './functions/engine.ts';
import { Introduction } from './identity/introduction.ts';
import { connectKeeper } from './identity/keeper-link.ts';
import { compactStore } from './life/compaction.ts';
import type { Ends, Life } from './life/lives.ts';
import { readMembers } from './life/members-row.ts';
import { logDirOf, Storage, storePlace } from './life/storage.ts';
import { Machine } from './machine/machine.ts';
import { memoryOf } from './members/acquaintances.ts';
import { installFrom } from './members/installation.ts';
import { Peers } from './members/peers.ts';
import { SnapshotServer } from './members/snapshots.ts';
import type { Built, NodeOptions, Parts, Tally } from './parts.ts';
import { createReplica } from './paxos/step.ts';
import type { NodeName, Slot } from './paxos/values.ts';
import { Scrubber } from './scrub/scrubber.ts';
import { ConditionWatch } from './serve/conditions.ts';
import { Heartbeats } from './serve/heartbeats.ts';
import { Load } from './serve/load.ts';
import { MapWatchers } from './serve/map-watchers.ts';
import { openClientPort, openMessagingPort } from './serve/ports.ts';
import { Requests } from './serve/requests.ts';
import { Seals } from './serve/seals.ts';
import { SlowDowns } from './serve/slow-downs.ts';
import { costTotals } from './serve/status.ts';
import { Visitors } from './serve/visitors.ts';
import { isStoreDamage } from './store/failures.ts';

/** How long it rests between two questions to the keeper while nothing is open (ms). */
const KEEPER_REST_MS = 2000;

/** A node from the opening of its store to its close. */
export class NodeProcess {
  readonly #options: NodeOptions;
  readonly #tally: Tally;
  readonly #ends: Ends;
  readonly #logger: Logger;
  readonly #scheduler = new Scheduler(nowMs, afterArrivals);
  readonly #share = new FairShare({ nowMs, after: TIMERS.after, defer: afterArrivals });
  readonly #reads = new Scheduler(nowMs, this.#share.defer);
  /** Of the client port. */
  readonly #links = { watchers: new MapWatchers(), visitors: new Visitors(Date.now) };
  readonly #budgets = portBudgets();
  readonly #recording: Recording;
  readonly #timers: NodeJS.Timeout[] = [];
  /** Of what is looked at again and again, by one timer: an idle process pays for each time that it wakes. */
  #pulse: Pulse | null = null;
  #endWatch = (): void => undefined;
  #incarnation = '';
  #memory: Memory | null = null;
  /** Part of what this node says of itself, once it is there. */
  #introduction: Introduction | null = null;
  /** Asked for its figures, once it is open. */
  #clientPort: ClientPort | null = null;
  #closing = false;
  #installing: Promise<void> = Promise.resolve();
  /** Snapshots that were not installed. */
  readonly #notInstalled: Repeated;

  constructor(options: NodeOptions, tally: Tally, ends: Ends) {
    this.#options = options;
    this.#tally = tally;
    this.#ends = ends;
    this.#logger = options.logger;
    const { logger, node } = options;
    this.#recording = new Recording({ logger, nowMs, wallMs: Date.now, slowMs: node.slowMs });
    this.#notInstalled = new Repeated((times, what) => this.#logger.error({ times }, what), nowMs);
  }

  async start(): Promise<Life> {
    const storage = await this.#openStorage();
    const freshIncarnation = randomBytes(16).toString('hex');
    this.#incarnation = storage.recovered.incarnation ?? freshIncarnation;
    this.#memory = memoryOf(randomBytes(8).toString('hex'), storage.recovered);
    const engine = await FunctionEngine.start();
    const machine = await this.#loadMachine(storage, engine);
    const peers = this.#createPeers();
    const applied: Parts['applied'] = [() => this.#share.short()];
    const driver = this.#createDriver(machine, { storage, peers, applied });
    const introduction = this.#createIntroduction({ storage, peers, driver });
    const scrubber = this.#createScrubber({ storage, peers, driver });
    const snapshots = new SnapshotServer(storage.store);
    const seen = { seals: new Seals(), heartbeats: new Heartbeats(), nowMs, wallMs: Date.now };
    const conditions = new ConditionWatch({ driver, introduction, ...seen });
    const load = new Load(nowMs, () => driver.machine.owned());
    this.#recording.heard = load.answered;
    const serving = { cost: new UpdateCost(), conditions, load, ...seen };
    const requests = this.#createRequests({ storage, driver, introduction, snapshots, serving });
    applied.push(
      (slot) => scrubber.applied(slot),
      (slot) => this.#noteApplied(slot, { storage, driver, serving }),
    );
    const built = { storage, peers, applied, driver, introduction, scrubber, snapshots, serving, requests };
    this.#begin(built, freshIncarnation);
    const ports = await this.#listen(built).catch(async (error: unknown) => {
      await this.#close({ ...built, ports: [] }, () => storage.abandon());
      throw error;
    });
    const parts: Parts = { ...built, ports };
    this.#introduce(parts);
    this.#logger.info({ incarnation: this.#incarnation, slot: storage.store.slot }, 'node is up');
    return {
      clientPort: present(ports[0], 'client port').port,
      close: () => this.#close(parts, () => storage.close(driver.durableSlot)),
      abandon: () => {
        this.#tally.scrubDifferences = driver.counters.scrubDifferences;
        driver.quarantine();
        return this.#close(parts, () => storage.abandon());
      },
    };
  }

  async #openStorage(): Promise<Storage> {
    const { ini, node, waits } = this.#options;
    const storage = await Storage.open({
      place: storePlace(node.home, ini.clusterId, node.name),
      logDir: logDirOf(node),
      segmentBytes: ini.segmentBytes,
      reserveBytes: null,
      logger: this.#logger,
    });
    if (storage.log.isFull)
      waits(`waits for room: ${storage.log.fullWhy}; updates are refused until then, reads are served`);
    storage.refuseUnfit(node.home, this.#others);
    return storage;
  }

  get #others(): NodeIni[] {
    const { ini, node } = this.#options;
    return ini.nodes.filter(({ name }) => name !== node.name);
  }

  async #loadMachine(storage: Storage, engine: FunctionEngine): Promise<Machine> {
    try {
      return storage.loadMachine(engine);
    } catch (error) {
      await storage.abandon();
      throw error;
    }
  }

  #createPeers(): Peers {
    return new Peers({
      peers: this.#others.map((other) => ({
        name: other.name,
        host: present(other.ips[0], 'address of a node'),
        port: messagingPortOf(other),
      })),
      logger: this.#logger,
      hello: () => this.#hello(),
      disowned: (why) => this.#disowned(why),
      nowMs,
    });
  }

  #createDriver(
    machine: Machine,
    { storage, peers, applied }: Built<'storage' | 'peers' | 'applied'>,
  ): Driver {
    const { ini, node, bootstrap } = this.#options;
    const replica = createReplica(
      {
        node: node.name,
        wished: ini.nodes.map(({ name }) => name),
        leaseMs: ini.leaseMs,
        driftMs: driftMsOf(ini.leaseMs),
        windowMax: WINDOW_MAX,
        bootstrap,
        asksFirst: true,
        genesis: Machine.genesis({ nursery: ini.nursery !== null }),
        forcedMaster: ini.forcedMaster,
        preferredMasters: ini.preferredMasters,
        learners: ini.nodes.filter(({ learner }) => learner).map(({ name }) => name),
      },
      storage.recovered,
    );
    const driver: Driver = new Driver(
      {
        ...TIMERS,
        wallMs: Date.now,
        log: storage.log,
        store: storage.store,
        // Who became master, and the like, is looked for at its address.
        logger: withFacts(this.#logger, { address: `${node.ips[0]} port ${node.clientPort}` }),
        send: (to, message) => peers.send(to, message),
        installSnapshot: (from) => this.#install(from, { storage, peers, driver }),
        applied: (slot) => {
          for (const hear of applied) hear(slot);
        },
        promoted: (slot) => this.#ends.promoted(slot),
        turned: () => this.#pulse?.plan(),
        stop: (exit, cause) => this.#stop(exit, cause),
      },
      replica,
      machine,
    );
    Object.assign(driver.counters, this.#tally);
    return driver;
  }

  #createIntroduction({ storage, peers, driver }: Built<'storage' | 'peers' | 'driver'>): Introduction {
    const { ini, node, bootstrap, withoutKeeper = false } = this.#options;
    this.#introduction = new Introduction({
      clusterId: ini.clusterId,
      node: node.name,
      home: resolve(node.home),
      incarnation: this.#incarnation,
      process: present(this.#memory, 'memory of this life').process,
      ips: node.ips,
      port: node.clientPort,
      label: node.label,
      nursery: toKeeperConfig(ini),
      learners: ini.nodes.filter(({ learner }) => learner).map(({ name }) => name),
      bootstrap,
      withoutKeeper,
      restMs: KEEPER_REST_MS,
      driver,
      store: storage.store,
      logger: this.#logger,
      nowMs,
      wallMs: Date.now,
      random: Math.random,
      connect: (keeper) => connectKeeper(keeper, node.name),
      tell: (word) => peers.speak(word),
      stop: (exit, error) => this.#stop(exit, error),
    });
    return this.#introduction;
  }

  #createScrubber({ storage, peers, driver }: Built<'storage' | 'peers' | 'driver'>): Scrubber {
    const { ini, node } = this.#options;
    return new Scrubber({
      node: node.name,
      driver,
      store: storage.store,
      scheduler: this.#scheduler,
      logger: this.#logger,
      stepMs: ini.scrubStepMs,
      restMs: ini.scrubRestMs,
      nowMs,
      after: (delayMs, run) => setTimeout(run, delayMs).unref(),
      tell: (finding, to) => peers.tell(finding, to),
      differs: (what) => this.#ends.damaged(storage.damaged(what)),
    });
  }

  #createRequests(parts: Built<'storage' | 'driver' | 'introduction' | 'snapshots' | 'serving'>): Requests {
    const { storage, driver, introduction, snapshots, serving } = parts;
    const { ini, node } = this.#options;
    return new Requests({
      clusterId: ini.clusterId,
      node: node.name,
      nursery: ini.nursery?.clusterId ?? null,
      driver,
      store: storage.store,
      scheduler: this.#scheduler,
      reads: this.#reads,
      share: this.#share,
      ...this.#links,
      ...serving,
      slowDowns: new SlowDowns(nowMs, TIMERS.after),
      introduction,
      readOnly: ini.readOnly,
      places: { ...node.places, mayShare: [...ini.sharedPlaces], pool: ini.pool },
      valueBytesMax: ini.valueBytesMax,
      updateBytesMax: ini.updateBytesMax,
      after: TIMERS.after,
      recording: this.#recording,
      counts: () => storage.store.counts,
      buckets: (hear) => storage.store.buckets(hear),
      storeFigures: () => storage.figures,
      syncs: () => storage.syncs,
      seats: () => present(this.#clientPort, 'client port').seats,
      budgets: this.#budgets.clients,
      flush: () => storage.flush(driver.durableSlot),
      collapse: (keep, dropped) => {
        if (snapshots.busy)
          throw new NurseryError(
            'GOING_DOWN',
            'a peer copies the store of this node, and needs the log; not executed, send it again',
          );
        return storage.collapse(keep, dropped);
      },
      compact: () => this.#compact({ storage, driver }),
    });
  }

  #noteApplied(slot: Slot, { storage, driver, serving }: Built<'storage' | 'driver' | 'serving'>): void {
    const { cost, seals } = serving;
    this.#pulse?.hasten(); // the next tick tells the others what is chosen
    if (cost.isDue(driver.counters.updatesApplied))
      cost.note(costTotals({ driver, syncs: () => storage.syncs }));
    storage.store.countRanges(driver.machine.owned());
    seals.applied(driver.machine.seals, slot, () => driver.mayRead(), nowMs());
    this.#links.watchers.changed(driver.machine.mapVersion, () => driver.machine.keeperMap());
    this.#links.watchers.moved(driver.machine, driver.master() !== null);
  }

  /** From here on time passes for the node, and its peers are heard. */
  #begin(parts: Omit<Parts, 'ports'>, freshIncarnation: string): void {
    const { storage, peers, driver, introduction, scrubber, snapshots } = parts;
    peers.start({
      received: (from, incarnation, message) => {
        if (isNews(message)) this.#pulse?.hasten();
        driver.submit({ kind: 'message', from, incarnation, message });
      },
      scrubbed: (from, incarnation, finding) => scrubber.received(from, incarnation, finding),
      foreign: (from, founding, replaces) => driver.submit({ kind: 'foreign', from, founding, replaces }),
      spoke: (word) => introduction.heard(word),
    });
    this.#endWatch = watchCollections((tookMs, kind) => {
      this.#share.collected(tookMs);
      this.#recording.collected(kind);
    });
    this.#recording.stages = () => driver.proposals.settling;
    driver.proposals.taken = (updates) => this.#recording.operations.harvested(updates);
    this.#every(this.#options.node.reportingMs, () => this.#recording.report());
    const cleanUps = new CleanUps({ driver, defer: TIMERS.defer });
    driver.submit({ kind: 'start', random: Math.random(), freshIncarnation });
    const untilMs = (): number => quietUntilMs({ driver, introduction, store: storage.store, nowMs });
    const pulse = new Pulse({ ...TIMERS, ...beatsOf(this.#options.ini.leaseMs), untilMs });
    this.#pulse = pulse;
    pulse.each(() => {
      driver.lookAtClocks();
      driver.submit({ kind: 'tick', random: Math.random() });
      cleanUps.look();
      scrubber.tick();
    });
    const flush = storage.flushing(
      () => driver.durableSlot,
      () => {
        driver.resume();
        // A flush that was under way may end while the store is being replaced.
        if (!snapshots.busy && storage.store.isOpen)
          storage.collapse().catch((error: Error) => this.#stop('DISK_FAILED', error));
      },
      (error) => this.#stop('DISK_FAILED', error),
    );
    pulse.each(flush);
    storage.store.whenRoom(() => driver.resume());
  }

  /** Asks and tells the keeper, now and again and again. */
  #introduce({ storage, peers, driver, introduction, serving, ports }: Parts): void {
    let said = introduction.founding;
    const { name } = this.#options.node;
    const engineOf = (peer: NodeName): string | null => peers.engineOf(peer);
    const functions = FunctionKeeping.of({ node: name, driver, introduction, engineOf, nowMs });
    present(this.#pulse, 'pulse').each(() => {
      if (!storage.store.isOpen) return; // it is being replaced, and says who is a member
      introduction.tick();
      functions.tick();
      serving.heartbeats.look(driver.machine.migrations, nowMs());
      serving.conditions.tick();
      this.#links.watchers.moved(driver.machine, driver.master() !== null);
      serving.load.look();
      if (said !== '' || introduction.founding === '') return;
      said = introduction.founding;
      // Who was met before was told of no founding.
      for (const port of ports) port.closeLinks('this node has joined a cluster');
      peers.again('this node has joined a cluster');
    });
    introduction.tick();
  }

  async #listen(parts: Built<'peers' | 'driver' | 'snapshots' | 'requests'>): Promise<readonly ClientPort[]> {
    const { ini, node, waits, dashboard } = this.#options;
    const options = {
      ...{ node, dashboard },
      clusterId: ini.clusterId,
      budgets: this.#budgets,
      hello: () => this.#hello(),
      logger: this.#logger,
      warn: (message: string) => this.#logger.warn({}, message),
      waits,
    };
    const port = await openClientPort(options, { ...parts, ...this.#links });
    this.#clientPort = port;
    try {
      const memberPort = await openMessagingPort(options, parts);
      return memberPort === null ? [port] : [port, memberPort];
    } catch (error) {
      await port.close();
      throw error;
    }
  }

  /** Copies a peer's image and puts it in place; the node's end waits for it. */
  #install(from: NodeName, { storage, peers, driver }: Built<'storage' | 'peers' | 'driver'>): void {
    const installing = this.#installing.then(() =>
      installFrom(from, {
        storage,
        driver,
        runner: driver.machine.runner,
        logger: this.#logger,
        failures: this.#notInstalled,
        ask: (body, deadlineMs) => peers.request(from, body, deadlineMs),
        after: TIMERS.after,
        members: () => present(readMembers(storage.store), 'members in a snapshot'),
      }),
    );
    this.#installing = installing.catch((error: Error) => this.#stop('INVARIANT', error));
  }

  /** Rewrites the store; not while it is being replaced, and nothing replaces it meanwhile. */
  async #compact({ storage, driver }: Built<'storage' | 'driver'>): Promise<void> {
    const { ini, node } = this.#options;
    const { dir } = storePlace(node.home, ini.clusterId, node.name);
    const compacting = this.#installing.then(() =>
      compactStore({ storage, driver, dir, logger: this.#logger, isClosing: () => this.#closing }),
    );
    this.#installing = compacting.catch((error: Error) => {
      if (!(error instanceof NurseryError)) this.#stop('DISK_FAILED', error);
    });
    await compacting;
  }

  async #close(parts: Parts, closeStorage: () => Promise<void>): Promise<void> {
    if (this.#closing) return;
    this.#closing = true;
    const { peers, driver, introduction, snapshots, ports } = parts;
    const [clientPort, ...memberPorts] = ports;
    driver.submit({ kind: 'dropMaster' });
    // The members' votes still come in, so that what is under way is chosen and answered.
    await clientPort?.close();
    await untilReleased(driver);
    await Promise.all(memberPorts.map((port) => port.close()));
    for (const timer of this.#timers) clearInterval(timer);
    this.#pulse?.close();
    this.#endWatch();
    introduction.close();
    driver.stop();
    peers.close();
    snapshots.close();
    await this.#installing; // no peer answers any more, so that it ends
    await driver.idle();
    await closeStorage();
  }

  /** A peer has seen this life elsewhere, or remembers more of it than this home does. */
  #disowned(said: string): void {
    const home = resolve(this.#options.node.home);
    const why = `a peer refuses this home, ${home}: ${said}. A copy must never run beside its original, nor after it has gone on: stop the one that is not meant to live, and empty its home; then it joins anew`;
    this.#stop('SUPERSEDED', new FatalError('SUPERSEDED', why));
  }

  #hello(): Hello {
    const { ini, node } = this.#options;
    return {
      protocol: LINK_PROTOCOL,
      role: 'node',
      cluster: ini.clusterId,
      node: node.name,
      incarnation: this.#incarnation,
      ...named('founding', this.#introduction?.founding),
      ...named('keeper', this.#introduction?.keeper),
      engine: engineId(),
      ...(this.#memory === null ? {} : { memory: this.#memory }),
      ...(this.#introduction === null ? {} : { replaces: this.#introduction.replaces }),
    };
  }

  #every(periodMs: number, run: () => void): void {
    this.#timers.push(setInterval(run, periodMs));
  }

  #stop(exit: keyof typeof EXIT_CODES, cause: Error): void {
    const fatal = cause instanceof FatalError ? cause : new FatalError(exit, cause.message, { cause });
    if (isStoreDamage(fatal)) this.#ends.damaged(fatal);
    else this.#options.stop(fatal);
  }
}

const { nowMs } = TIMERS;
