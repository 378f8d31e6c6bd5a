/**
 * Ranges move between three clusters and a keeper, all of them real state machines, driven by real coordinators,
 * while clients update and everything goes wrong that may. One seed is one schedule.
 */

import { inspect } from 'node:util';
import { checkState } from '../../../migrator/core/invariants.ts';
import type { Settings } from '../../../migrator/core/settings.ts';
import { stageOf } from '../../../migrator/core/step.ts';
import { type HowToRun, Run } from '../../../migrator/driver.ts';
import { tellTarget } from '../../../migrator/tell.ts';
import type { World as MigratorWorld, WorldRequest } from '../../../migrator/world.ts';
import type { SystemState } from '../../../node/machine/system-state.ts';
import { NurseryError, RETURN_CODES } from '../../../src/base/errors.ts';
import { overlaps } from '../../../src/keyspace/range.ts';
import { lookup, soleEntry } from '../../../src/keyspace/rangemap.ts';
import {
  type AdminAnswer,
  type AdminCommand,
  decodeAnswer,
  encodeAnswer,
  type Migration,
} from '../../../src/protocol/admin/admin.ts';
import { GIVES_WAY, UNSAID } from '../../../src/protocol/admin/migration.ts';
import type { MigrationResult } from '../../../src/protocol/admin/moves.ts';
import { failure, okBytes } from '../../../src/protocol/arakoon/replies.ts';
import type { Update } from '../../../src/protocol/arakoon/updates.ts';
import type { Answer } from '../../../src/protocol/arakoon/values.ts';
import { createRandom, type Random } from '../../support/random.ts';
import { invariant } from '../base/invariant.ts';
import { Checker, Violation } from './checker.ts';
import { KEYS, randomUpdate, SEPARATORS } from './model.ts';
import { type Queued, SimCluster } from './sim-cluster.ts';
import { World } from './world.ts';

/** A bug to be planted, at the seams of the simulation; each method may change what passes. */
export type Bug = {
  /** What a coordinator asks for; more may be sent than it did. */
  readonly sends?: (sent: Sent, send: (sent: Sent) => void) => void;
  /** What a cluster applies instead of a command. */
  readonly applies?: (command: AdminCommand, cluster: SimCluster) => AdminCommand | AdminCommand[];
  /** What a coordinator hears instead of an answer. */
  readonly hears?: (answer: AdminAnswer) => AdminAnswer;
};
type Sent = {
  /** '' is the keeper. */
  readonly cluster: string;
  readonly request: WorldRequest;
  /** Called once: with the answer, or why there is none. */
  readonly done: (answer: AdminAnswer | string) => void;
};

/** How often something happened. */
export type Counts = Map<string, number>;

/** Until then everything may fail (virtual ms). */
const FAULTS_MS = 5000;
/** From then on everything must come to its end within this time (virtual ms). */
const ENDS_MS = 60_000;
/** No answer after this long: the driver says so (ms). */
const ANSWER_MS = 300;

const SETTINGS: Partial<Settings> = {
  pageBytes: 24,
  dirtyRowsMax: 3,
  sealRowsMax: 2,
  sealBytesMax: 100,
  sealRowsWanted: 1,
  pollMs: 40,
  stuckRounds: 2,
  courteousBytesMin: 50,
};
/** Longer than requests may wait beside any copy (ms). */
const LONG_WAIT_MS = 1000;
/** Answers that say how long requests waited. */
const SAYING_WAITED: ReadonlySet<string> = new Set(['page', 'beginImport', 'readPage', 'slowDown']);

/** What one seed did. */
export type Simulated = {
  /** Updates that clients asked for. */
  readonly updates: number;
  /** Equal for equal schedules. */
  readonly digest: string;
};

/** Runs one seed. @throws Violation, or what a coordinator throws */
export function simulate(
  seed: number,
  counts: Counts,
  bug: Bug = {},
  trace?: (line: string) => void,
): Simulated {
  return new Simulation(seed, counts, bug, trace).run();
}

class Simulation {
  readonly #random: Random;
  readonly #world: World;
  readonly #counts: Counts;
  readonly #bug: Bug;
  readonly #trace: ((line: string) => void) | undefined;
  readonly #keeper: SimCluster;
  readonly #clusters: ReadonlyMap<string, SimCluster>;
  readonly #checker: Checker;
  readonly #queues = new Map<SimCluster, Queued[]>();
  readonly #unreachableUntil = new Map<SimCluster, number>();
  #migrators: Migrator[] = [];
  /** Migrations whose target is being told that they were aborted. */
  readonly #telling = new Set<number>();
  #movesLeft: number;
  #mergesLeft = 3;
  #unique = 0;
  #lastMove: { readonly lo: string; readonly hi: string | null } | null = null;
  /** A replica of the source differs, so that its digest of the range does too. */
  #corruptsBase: boolean;
  #mayMismatch = false;
  /** Migrations whose rate is 0, and the token that they had when it was set. */
  readonly #stopped = new Map<number, number>();
  /** Until when requests of clients wait for long at a cluster; at one they may do so for ever. */
  readonly #crowdedUntil = new Map<SimCluster, number>();

  constructor(seed: number, counts: Counts, bug: Bug, trace: ((line: string) => void) | undefined) {
    this.#trace = trace;
    this.#random = createRandom(seed);
    this.#world = new World(this.#random);
    this.#counts = counts;
    this.#bug = bug;
    this.#keeper = new SimCluster('keeper', this.#random);
    this.#clusters = new Map(['a', 'b', 'c'].map((id) => [id, new SimCluster(id, this.#random)]));
    this.#checker = new Checker(this.#keeper, this.#clusters);
    this.#movesLeft = 2 + this.#random.below(3);
    this.#corruptsBase = this.#random.chance(0.06);
    if (this.#random.chance(0.05)) this.#crowdedUntil.set(this.#cluster('b'), Number.POSITIVE_INFINITY);
  }

  run(): Simulated {
    this.#found();
    const world = this.#world;
    for (let client = 0; client < 3; client += 1) this.#client();
    this.#operator();
    this.#nemesis();
    this.#daemon();
    world.run(FAULTS_MS, () => false);
    world.isFaulty = false;
    this.#unreachableUntil.clear();
    this.#movesLeft = 0;
    this.#mergesLeft = 0;
    for (const { mid, wish, asked } of this.#open) {
      if (asked?.rate === 0) this.#setRate(mid, 2000);
      if (wish === 'pause') this.#keeper.command({ kind: 'wish', mid, wish: 'run', why: '' });
    }
    world.run(FAULTS_MS + ENDS_MS, () => this.#isQuiet);
    this.#checker.atEnd();
    const digest = `${world.nowMs} ${this.#unique} ${this.#random.next()}`;
    return { updates: this.#unique, digest };
  }

  /** Tells of a step; \`what\` is asked only where somebody listens. */
  #tell(who: string, what: () => string): void {
    this.#trace?.(`${this.#world.nowMs.toFixed(0).padStart(6)} ${who.padEnd(6)} ${what()}`);
  }

  #found(): void {
    for (const cluster of this.#clusters.keys()) {
      this.#keeper.command({ kind: 'setClusterConfig', cluster, nodes: [] });
    }
    const initial = this.#keeper.command({ kind: 'initMap', cluster: 'a' });
    invariant(initial.kind === 'planned', 'the nursery begins');
    this.#cluster('a').command({ kind: 'assume', epoch: initial.mid });
    for (const key of KEYS) {
      if (this.#random.chance(0.6))
        this.#applyNow(this.#cluster('a'), { kind: 'set', key, value: Buffer.from('0') });
    }
  }

  get #open(): Migration[] {
    const all = [...this.#keeper.state.migrations.values()];
    return all.filter(({ phase }) => phase === 'active' || phase === 'published');
  }

  get #untold(): Migration[] {
    return [...this.#keeper.state.migrations.values()].filter(({ isUntold }) => isUntold === true);
  }

  get #isQuiet(): boolean {
    if (this.#world.isFaulty || this.#open.length > 0 || this.#untold.length > 0) return false;
    return [...this.#clusters.values()].every(({ state }) => state.cleanups.size === 0);
  }

  // ── Clusters ─────────────────────────────────────────────────────────────────────────────────────────────

  #cluster(id: string): SimCluster {
    const cluster = id === '' ? this.#keeper : this.#clusters.get(id);
    invariant(cluster !== undefined, 'only clusters of the simulation are spoken to');
    return cluster;
  }

  /** Takes an update into the cluster's next batch. */
  #enqueue(cluster: SimCluster, queued: Queued): void {
    const queue = this.#queues.get(cluster) ?? [];
    this.#queues.set(cluster, queue);
    queue.push(queued);
    if (queue.length === 1) this.#world.after(this.#random.below(4), () => this.#applyQueue(cluster));
  }

  #applyQueue(cluster: SimCluster): void {
    const queue = this.#queues.get(cluster) ?? [];
    this.#queues.delete(cluster);
    const applied = this.#apply(
      cluster,
      queue.map(({ update }) => update),
    );
    for (const [index, { answer }] of queue.entries()) answer(applied[index] as Answer);
  }

  #apply(cluster: SimCluster, updates: readonly Update[]): readonly Answer[] {
    const slot = cluster.apply(updates);
    this.#tell(cluster.id, () => `slot ${cluster.store.image.slot}: ${updates.map(print).join(', ')}`);
    this.#checker.afterSlot(cluster, slot);
    for (const update of updates)
      if (update.kind === 'admin') this.#watch(update.command, cluster, slot.before);
    this.#proposeCleanups(cluster);
    return slot.answers;
  }

  /** Operators like to change their minds at the worst moment. */
  #watch(command: AdminCommand, { state }: SimCluster, before: SystemState): void {
    if (command.kind === 'merge' && before.exports.size > 0) this.#count('merge applied beside a move');
    if (command.kind === 'page' && command.seq <= (before.imports.get(command.mid)?.seq ?? 0)) {
      this.#count('page doubled');
    }
    const isWorst =
      ((command.kind === 'seal' || command.kind === 'merge') && before.owned !== state.owned) ||
      (command.kind === 'activate' && before.closed !== state.closed);
    if (isWorst && this.#world.isFaulty && this.#random.chance(0.06)) this.#wish(command.mid, 'abort');
  }

  #applyNow(cluster: SimCluster, update: Update): void {
    this.#apply(cluster, [update]);
  }

  /** The master deletes rows step by step; its proposals may come late, when there is nothing to delete any more. */
  #proposeCleanups(cluster: SimCluster): void {
    for (const mid of cluster.machine.cleanups) {
      if (!this.#random.chance(0.3)) continue;
      const command: AdminCommand = { kind: 'cleanupStep', mid, rowsMax: 1 + this.#random.below(3) };
      this.#world.carry(() => this.#deliver(cluster, command, () => {}));
    }
  }

  #deliver(cluster: SimCluster, command: AdminCommand, answer: (answer: Answer) => void): void {
    if ((this.#unreachableUntil.get(cluster) ?? 0) > this.#world.nowMs) return;
    const instead = this.#bug.applies?.(command, cluster) ?? command;
    const commands = Array.isArray(instead) ? instead : [instead];
    for (const [index, each] of commands.entries()) {
      this.#enqueue(cluster, {
        update: { kind: 'admin', command: each },
        answer: index === 0 ? answer : () => {},
      });
    }
  }

  // ── Clients ──────────────────────────────────────────────────────────────────────────────────────────────

  /** Sends one update after the other to whom it believes to be the owner, and sometimes to anybody. */
  #client(): void {
    const random = this.#random;
    this.#unique += 1;
    const update = randomUpdate(random, this.#checker.model, this.#unique);
    const key = 'key' in update ? update.key : random.pick(KEYS);
    const owner = lookup(this.#keeper.state.map, key)?.owner ?? 'a';
    const cluster = this.#cluster(random.chance(0.8) ? owner : random.pick(['a', 'b', 'c']));
    if (random.chance(0.2)) this.#read(cluster, key);
    else this.#world.carry(() => this.#enqueue(cluster, { update, answer: () => {} }));
    const isOver = !this.#world.isFaulty && this.#isQuiet;
    if (!isOver) this.#world.after(5 + random.below(40), () => this.#client());
  }

  #read(cluster: SimCluster, key: string): void {
    const answer = cluster.read(key, cluster.store);
    if (answer.bytes[0] === RETURN_CODES.OUT_OF_RANGE) return;
    const value = this.#checker.model.rows.get(key);
    const expected = value === undefined ? failure('NOT_FOUND', 'Not_found') : okBytes(value);
    if (Buffer.compare(answer.bytes, expected.bytes) !== 0)
      throw new Violation(`stale read of ${key} at ${cluster.id}`);
    this.#count('read served');
  }

  // ── Operators ────────────────────────────────────────────────────────────────────────────────────────────

  /** Plans moves: often of what has just been moved, back or onwards. */
  #operator(): void {
    const random = this.#random;
    if (!this.#world.isFaulty) return;
    if (this.#movesLeft > 0 && (this.#open.length === 0 || random.chance(0.1))) this.#plan();
    if (this.#mergesLeft > 0 && random.chance(0.3)) this.#planMerge();
    for (const { mid, wish } of this.#open) {
      if (random.chance(0.012)) this.#wish(mid, 'abort');
      else if (wish === 'run' && random.chance(0.015)) this.#wish(mid, 'pause');
      else if (wish === 'pause' && random.chance(0.2)) this.#wish(mid, 'run');
      if (random.chance(0.02)) this.#setRate(mid, random.pick([0, 200, 2000, GIVES_WAY]));
      else if (this.#stopped.has(mid) && random.chance(0.1)) this.#setRate(mid, 2000);
    }
    this.#world.after(60 + random.below(80), () => this.#operator());
  }

  #wish(mid: number, wish: Migration['wish']): void {
    const answer = this.#keeper.command({ kind: 'wish', mid, wish, why: `somebody wants it to ${wish}` });
    if (answer.kind === 'ok') this.#count(`wish: ${wish}`);
  }

  #setRate(mid: number, rate: number): void {
    if (this.#keeper.command({ kind: 'setRate', mid, rate }).kind !== 'ok') return;
    this.#count(rate === 0 ? 'rate of nothing' : rate === GIVES_WAY ? 'rate taken back' : 'rate');
    const record = this.#keeper.state.migrations.get(mid);
    if (rate === 0 && record !== undefined) this.#stopped.set(mid, record.token);
    else this.#stopped.delete(mid);
  }

  #plan(): void {
    const random = this.#random;
    const { map } = this.#keeper.state;
    const again = random.chance(0.6) ? this.#lastMove : null;
    const at = random.below(SEPARATORS.length + 1);
    const lo = again?.lo ?? SEPARATORS[at - 1] ?? '';
    const hi = again === null ? (SEPARATORS[at + random.below(3)] ?? null) : again.hi;
    const owner = soleEntry(map, { lo, hi })?.owner;
    if (owner === undefined) return;
    const target = random.pick(['a', 'b', 'c'].filter((id) => id !== owner));
    if (random.chance(0.3)) {
      this.#undo();
      return;
    }
    const answer = this.#keeper.command({ kind: 'plan', source: owner, target, lo, hi });
    if (answer.kind !== 'planned') return;
    if (again !== null) this.#count('chained or back');
    this.#lastMove = { lo, hi };
    this.#movesLeft -= 1;
    if (random.chance(0.9)) this.#start(answer.mid, { claimAtOnce: true });
  }

  /** Takes back a move that is done: none of its range may have moved since. */
  #undo(): void {
    const { map, migrations } = this.#keeper.state;
    const done = [...migrations.values()].filter(({ phase }) => phase === 'done');
    if (done.length === 0) return;
    const { mid: undoes, source, target, lo, hi } = this.#random.pick(done);
    const asked = { ...UNSAID, undoes };
    const answer = this.#keeper.command({ kind: 'plan', source: target, target: source, lo, hi, asked });
    if (answer.kind !== 'planned') {
      this.#count('undo refused');
      return;
    }
    if (soleEntry(map, { lo, hi })?.epoch !== undoes)
      throw new Violation(`${undoes} is taken back, and its range has moved since`);
    this.#count('undone');
    this.#movesLeft -= 1;
    this.#start(answer.mid, { claimAtOnce: true });
  }

  /** Of two neighbours or more with one owner, whatever else is under way there. */
  #planMerge(): void {
    const random = this.#random;
    const { entries } = this.#keeper.state.map;
    const owned = entries.flatMap((first, at) => {
      const run = entries.slice(at).findIndex(({ owner }) => owner !== first.owner);
      return entries.slice(at + 1, run < 0 ? undefined : at + run).map((last) => ({ first, last }));
    });
    if (owned.length === 0) return;
    const { first, last } = random.pick(owned);
    const range = { lo: first.lo, hi: last.hi };
    if (this.#open.some((move) => overlaps(move, range))) this.#count('merge asked for beside a move');
    const answer = this.#keeper.command({ kind: 'planMerge', cluster: first.owner, ...range });
    if (answer.kind !== 'planned') return;
    this.#count('merge planned');
    this.#mergesLeft -= 1;
    if (random.chance(0.9)) this.#start(answer.mid, { claimAtOnce: true });
    // It is over soon.
    if (random.chance(0.4)) this.#world.after(random.below(60), () => this.#crashAt(answer.mid));
  }

  #crashAt(mid: number): void {
    const migrator = this.#migrators.find((each) => each.mid === mid && each.isAlive);
    if (migrator !== undefined) this.#crash(migrator);
  }

  // ── Migrators ────────────────────────────────────────────────────────────────────────────────────────────

  #start(mid: number, how: { claimAtOnce: boolean; atOnce?: Migration }): void {
    const { atOnce } = how;
    const seen =
      atOnce === undefined
        ? null
        : { token: atOnce.token, heartbeat: atOnce.heartbeat, atMs: this.#world.nowMs - 60_000 };
    this.#tell(`m${mid}`, () => 'starts');
    const migrator = new Migrator(
      this.#world,
      {
        ...{ mid, settings: SETTINGS, claimAtOnce: how.claimAtOnce, seen },
        onProgress: ({ givesWay }) => {
          if (givesWay !== undefined) this.#count('copy gives way');
        },
      },
      {
        send: (sent) => {
          this.#checkRate(migrator, sent);
          this.#sends(mid, sent);
        },
        noRoom: () => this.#noRoom(),
      },
      (result) => this.#ended(result),
    );
    this.#migrators.push(migrator);
    migrator.begin();
  }

  /** Why a target has no room: a disk has filled, now and then. */
  #noRoom(): string | null {
    if (!this.#world.isFaulty || !this.#random.chance(0.06)) return null;
    this.#count('no room');
    return 'it has no room';
  }

  /** Whoever claims a migration keeps to its rate from the first page on; one of before learns of it with a beat. */
  #checkRate({ mid, token }: Migrator, { request }: Sent): void {
    const stoppedAt = this.#stopped.get(mid);
    if (stoppedAt === undefined || request.kind !== 'query' || request.query.kind !== 'readPage') return;
    if (token > stoppedAt)
      throw new Violation(`migration ${mid} is copied under token ${token}, and its rate is 0`);
  }

  #sends(mid: number, sent: Sent): void {
    if (this.#bug.sends === undefined) this.#send(mid, sent);
    else this.#bug.sends(sent, (other) => this.#send(mid, other));
  }

  #send(mid: number, { cluster: id, request, done }: Sent): void {
    const cluster = this.#cluster(id);
    this.#tell(`m${mid}`, () => `asks ${cluster.id}: ${print(request)}`);
    const answered = (answer: Answer): void => {
      this.#world.carry(() => done(this.#decoded(cluster, request, answer)));
    };
    this.#world.carry(() => {
      if ((this.#unreachableUntil.get(cluster) ?? 0) > this.#world.nowMs) return;
      if (request.kind === 'command') this.#deliver(cluster, request.command, answered);
      else if (request.query.kind === 'slowDown') {
        if (request.query.delayMs > 0) this.#count('writers slowed');
        answered({ bytes: encodeAnswer({ kind: 'ok' }), hint: null });
      } else answered(cluster.query(request.query, request.node));
    });
    this.#world.after(ANSWER_MS, () => done('no answer in time'));
  }

  /** The answer, or why there is none; and what about it is worth counting. */
  #decoded(cluster: SimCluster, request: WorldRequest, answer: Answer): AdminAnswer | string {
    if (answer.bytes[0] !== 0) {
      this.#count('replica too far behind');
      return `return code ${answer.bytes[0]}`;
    }
    const decoded = this.#saysWaited(cluster, request, (this.#bug.hears ?? same)(decodeAnswer(answer.bytes)));
    this.#tell(cluster.id, () => `answers ${print(decoded)}`);
    if (request.kind === 'command') this.#countAnswer(request.command, decoded);
    if (decoded.kind === 'rows' && decoded.asOf < cluster.store.image.slot)
      this.#count('read from an older image');
    if (decoded.kind !== 'base' || !this.#corruptsBase) return decoded;
    this.#corruptsBase = false;
    this.#mayMismatch = true;
    this.#count('replica with another digest');
    return { ...decoded, base: { ...decoded.base, sum: decoded.base.sum ^ 1n } };
  }

  /** As a node does where clients wait beside a copy. */
  #saysWaited(cluster: SimCluster, request: WorldRequest, answer: AdminAnswer): AdminAnswer {
    const asked = request.kind === 'command' ? request.command.kind : request.query.kind;
    const isCrowded = (this.#crowdedUntil.get(cluster) ?? 0) > this.#world.nowMs;
    if (!isCrowded || !SAYING_WAITED.has(asked)) return answer;
    if (answer.kind !== 'ok' && answer.kind !== 'importing' && answer.kind !== 'rows') return answer;
    return { ...answer, waitedMs: this.#random.below(2 * LONG_WAIT_MS) };
  }

  #countAnswer(command: AdminCommand, answer: AdminAnswer): void {
    if (answer.kind === 'closed') this.#count(`closed: ${answer.outcome ?? 'below the floor'}`);
    if (['gap', 'fenced', 'behind', 'busy', 'mismatch'].includes(answer.kind)) this.#count(answer.kind);
    if (answer.kind === 'refused' && command.kind === 'setBase') this.#count('diverged');
  }

  #ended(result: MigrationResult | Error): void {
    if (result instanceof NurseryError) {
      this.#count(`failed: ${result.code}`);
      if (result.code !== 'FENCED' && result.code !== 'GOING_DOWN')
        throw new Violation(`${result.code}: ${result.message}`);
      return;
    }
    if (result instanceof Error) throw result;
    const { mid, outcome, why, progress } = result;
    this.#tell(`m${mid}`, () => `${outcome} ${why}`);
    this.#count(`ended: ${outcome}`);
    if (why.startsWith('too late')) this.#count('abort too late');
    if (outcome === 'aborted' && progress.pauseMs > 0) this.#count('abort after the seal');
    if (why.startsWith('ALARM') && !this.#mayMismatch) throw new Violation(why);
  }

  /** Starts a migrator for whatever has none. */
  #daemon(): void {
    this.#migrators = this.#migrators.filter(({ isAlive }) => isAlive);
    for (const { mid } of this.#open) {
      if (!this.#migrators.some((migrator) => migrator.mid === mid)) this.#start(mid, { claimAtOnce: false });
    }
    for (const record of this.#untold) if (!this.#telling.has(record.mid)) this.#tellTarget(record);
    if (!this.#isQuiet) this.#world.after(150 + this.#random.below(300), () => this.#daemon());
  }

  #tellTarget(record: Migration): void {
    const { mid } = record;
    this.#count('aborted without its target');
    this.#telling.add(mid);
    const ask: MigratorWorld['ask'] = (cluster, request, _deadlineMs, done) => {
      let isWanted = true;
      const first = (answer: AdminAnswer | string): void => {
        if (!isWanted) return;
        isWanted = false;
        done(typeof answer === 'string' ? new NurseryError('UNREACHABLE', answer) : answer);
      };
      this.#sends(mid, { cluster, request, done: first });
    };
    tellTarget({ ask }, record, (error) => {
      this.#telling.delete(mid);
      if (error === null) this.#count('target told of an abort');
    });
  }

  // ── What goes wrong ──────────────────────────────────────────────────────────────────────────────────────

  #nemesis(): void {
    const random = this.#random;
    if (!this.#world.isFaulty) return;
    const alive = this.#migrators.filter(({ isAlive }) => isAlive);
    const migrator = alive.length === 0 ? null : random.pick(alive);
    const cluster = this.#cluster(random.pick(['', 'a', 'b', 'c']));
    switch (random.below(7)) {
      case 0:
        if (migrator !== null) this.#crash(migrator);
        break;
      case 1: {
        const record = this.#open.find(({ mid }) => mid === migrator?.mid);
        if (record !== undefined) this.#start(record.mid, { claimAtOnce: true, atOnce: record });
        break;
      }
      case 2:
        this.#tell(`m${migrator?.mid}`, () => '── pauses');
        migrator?.freeze(200 + random.below(2500));
        break;
      case 3:
        this.#tell(cluster.id, () => '── cannot be reached');
        this.#unreachableUntil.set(cluster, this.#world.nowMs + 50 + random.below(1200));
        if (random.chance(0.3)) this.#loseTarget(cluster);
        break;
      case 4:
      case 5:
        this.#tell(cluster.id, () => '── has another master');
        cluster.failOver();
        break;
      default: // for once nothing else
        this.#crowdedUntil.set(cluster, this.#world.nowMs + random.below(1500));
    }
    this.#world.after(80 + random.below(250), () => this.#nemesis());
  }

  /** It is gone for long, and somebody takes back what is on its way there. */
  #loseTarget(cluster: SimCluster): void {
    this.#unreachableUntil.set(cluster, this.#world.nowMs + 1500 + this.#random.below(2500));
    for (const { mid, target } of this.#open) if (target === cluster.id) this.#wish(mid, 'abort');
  }

  #crash(migrator: Migrator): void {
    const { stage } = migrator;
    const record = this.#open.find(({ mid }) => mid === migrator.mid);
    if (this.#random.chance(0.25)) {
      this.#tell(`m${migrator.mid}`, () => `── leaves while ${stage}`);
      migrator.leave();
      return;
    }
    this.#tell(`m${migrator.mid}`, () => `── crashes while ${stage}`);
    migrator.crash();
    if (record === undefined) return;
    this.#count(`crash while ${stage}`);
    if (this.#random.chance(0.7)) this.#start(record.mid, { claimAtOnce: true, atOnce: record });
  }

  #count(what: string): void {
    this.#counts.set(what, (this.#counts.get(what) ?? 0) + 1);
  }
}

/** A process with one run of the real driver: it may crash, or stand still for a while. */
class Migrator {
  readonly #world: World;
  readonly #send: (sent: Sent) => void;
  readonly #noRoom: () => string | null;
  readonly #run: Run;
  #frozenUntilMs = 0;
  #isCrashed = false;

  constructor(
    world: World,
    how: HowToRun,
    { send, noRoom }: { send: (sent: Sent) => void; noRoom: () => string | null },
    ended: (result: MigrationResult | Error) => void,
  ) {
    this.#world = world;
    this.#send = send;
    this.#noRoom = noRoom;
    this.#run = new Run(this.#outside(), how, ended);
  }

  begin(): void {
    this.#run.start();
    checkState(this.#run.coordination);
  }

  get mid(): number {
    return this.#run.mid;
  }

  get token(): number {
    return this.#run.coordination.claim.token;
  }

  get stage(): string {
    return stageOf(this.#run.coordination);
  }

  get isAlive(): boolean {
    return !this.#isCrashed && !this.#run.isOver;
  }

  crash(): void {
    this.#isCrashed = true;
  }

  /** Gives up what it does, in order. */
  leave(): void {
    this.#when(
      () => true,
      () => this.#run.leave(),
    );
  }

  freeze(ms: number): void {
    this.#frozenUntilMs = this.#world.nowMs + ms;
  }

  #outside(): MigratorWorld {
    const world = this.#world;
    return {
      nowMs: () => world.nowMs,
      wallMs: () => 1,
      defer: (run) => world.after(0, () => this.#when(() => true, run)),
      after: (delayMs, run) => {
        let isWanted = true;
        world.after(delayMs, () => this.#when(() => isWanted, run));
        return () => {
          isWanted = false;
        };
      },
      findRoom: (_migration, done) => {
        // Disks are asked in no time, unless a node does not answer.
        world.after(world.random.below(world.random.chance(0.05) ? 1500 : 20), () =>
          this.#when(
            () => true,
            () => done(this.#noRoom()),
          ),
        );
      },
      ask: (cluster, request, _deadlineMs, done) => {
        let isWanted = true;
        this.#send({
          cluster,
          request,
          // The first that comes counts: an answer, or that there is none.
          done: (answer) =>
            this.#when(
              () => isWanted,
              () => {
                isWanted = false;
                done(typeof answer === 'string' ? new NurseryError('UNREACHABLE', answer) : answer);
              },
            ),
        });
      },
    };
  }

  /** Runs something of this process where it is still wanted, and not while the process stands still. */
  #when(isWanted: () => boolean, run: () => void): void {
    if (!this.isAlive || !isWanted()) return;
    const frozenMs = this.#frozenUntilMs - this.#world.nowMs;
    if (frozenMs > 0) {
      this.#world.after(frozenMs, () => this.#when(isWanted, run));
      return;
    }
    run();
    checkState(this.#run.coordination);
  }
}

/** For the trace. */
function print(what: object): string {
  return inspect(what, { depth: 4, breakLength: Number.POSITIVE_INFINITY });
}

function same<T>(value: T): T {
  return value;
}
