/**
 * A move of which one end is lost, at every step of it: an order settles it with what is left, by real coordinators against real
 * state machines (docs/architecture.md, "Rescue"). The end that is lost stays so, or a survivor of it goes on, which may lag.
 */

import type { Settings } from '../../../migrator/core/settings.ts';
import { Run } from '../../../migrator/driver.ts';
import type { WorldRequest } from '../../../migrator/world.ts';
import { promotedState } from '../../../node/machine/rescue.ts';
import { rowsIn } from '../../../node/machine/rows.ts';
import { inForce, loadState, storeState } from '../../../node/machine/system-state.ts';
import type { StoreKey } from '../../../node/store/types.ts';
import { present } from '../../../src/base/assert.ts';
import { NurseryError } from '../../../src/base/errors.ts';
import { rebuild, type Told } from '../../../src/cli/rescue/rebuild.ts';
import { overlaps, printRange, WHOLE } from '../../../src/keyspace/range.ts';
import { checkPartition } from '../../../src/keyspace/rangemap.ts';
import {
  type AdminAnswer,
  type AdminCommand,
  decodeAnswer,
  type Migration,
  type Owned,
} from '../../../src/protocol/admin/admin.ts';
import { createRandom } from '../../support/random.ts';
import { check } from '../base/violation.ts';
import { SimCluster } from './sim-cluster.ts';
import { TinyStore } from './tiny-store.ts';
import { World } from './world.ts';

const K = 'k'.repeat(32);
/** Of the keeper that takes the place of K. */
const K2 = 'l'.repeat(32);
const RANGE = { lo: 'h', hi: 'p' };
/** Small pages: a move has many steps. */
const SETTINGS: Partial<Settings> = {
  pageBytes: 6,
  dirtyRowsMax: 2,
  sealRowsMax: 2,
  sealRowsWanted: 1,
  pollMs: 20,
};
const LONG_MS = 20_000;
/** Commands of a move, at most. */
const STEPS_MAX = 400;

/** Which end is lost, or the keeper; and what is left of it: nothing, or a survivor that lacks its last so many slots. */
export type Loss = { readonly end: 'a' | 'b' | 'keeper'; readonly lag: number | null };

function holds(condition: boolean, what: string): void {
  check(condition, 'migration-rule', () => what);
}

/**
 * Keeper, source `a` and target `b`, each bound; and one move of half of a's rows. Or that move and the one back are over, and a merge
 * makes one range of the three that `a` has then.
 */
export class RescuedMove {
  readonly #random = createRandom(1);
  readonly #world = new World(this.#random);
  #keeper = new SimCluster('keeper', this.#random);
  #nursery = K;
  /** Slot in which each cluster came to another keeper. */
  readonly #boundAt = new Map<string, number>();
  readonly #clusters = new Map<string, SimCluster>();
  readonly #foundings = new Map<string, string>();
  #mid = 0;
  /** What clients were told is stored, in all. */
  readonly #rows = new Map<string, string>();
  #run: Run | null = null;
  /** Commands that the coordinator still gets through. */
  #left = Number.POSITIVE_INFINITY;
  #written = 0;
  /** A survivor of the target shows that it had taken the range over. */
  #hadActivated = false;
  result = '';

  constructor(what: 'move' | 'merge' = 'move') {
    this.#world.isFaulty = false;
    this.#bind(this.#keeper, 'keeper', K);
    for (const id of ['a', 'b']) {
      const cluster = new SimCluster(id, this.#random);
      this.#clusters.set(id, cluster);
      this.#foundings.set(id, `${id}1`);
      const members = [{ node: `${id}_0`, incarnation: `${id}1`, learner: false }];
      const told = { cluster: id, founding: `${id}1`, keeper: '', version: 1, members, owned: [] };
      holds(this.#keeper.command({ kind: 'introduce', ...told }).kind === 'standing', 'introduced');
      this.#bind(cluster, id, `${id}1`);
    }
    const map = this.#keeper.command({ kind: 'initMap', cluster: 'a' });
    if (map.kind !== 'planned') throw new Error(map.kind);
    this.#under('a', { kind: 'assume', epoch: map.mid });
    for (const key of 'abcdefghijklmnopqrs') this.#set(this.cluster('a'), key, '1');
    this.#plan({ kind: 'plan', source: 'a', target: 'b', ...RANGE });
    if (what === 'move') return;
    this.advance(Number.POSITIVE_INFINITY);
    this.#plan({ kind: 'plan', source: 'b', target: 'a', ...RANGE });
    this.advance(Number.POSITIVE_INFINITY);
    for (const _ of [1, 2]) this.write(); // what a survivor may lack besides
    this.#plan({ kind: 'planMerge', cluster: 'a', ...WHOLE });
  }

  #plan(command: Extract<AdminCommand, { kind: 'plan' | 'planMerge' }>): void {
    const planned = this.#keeper.command(command);
    if (planned.kind !== 'planned') throw new Error(planned.kind);
    this.#mid = planned.mid;
  }

  cluster(id: string): SimCluster {
    const cluster = this.#clusters.get(id);
    if (cluster === undefined) throw new Error(id);
    return cluster;
  }

  /** A keeper that was rebuilt knows nothing of a move that had ended. */
  get #record(): Migration | undefined {
    return this.#keeper.state.migrations.get(this.#mid);
  }

  #bind(cluster: SimCluster, id: string, mine: string): void {
    const keeper = { cluster: 'keeper', founding: this.#nursery, nodes: [] };
    holds(cluster.command({ kind: 'bind', keeper, mine }).kind === 'ok', `${id} is bound`);
  }

  #under(id: string, command: Extract<AdminCommand, { kind: 'assume' }>): void {
    const founding = this.#foundings.get(id) ?? '';
    const answer = this.cluster(id).command({
      kind: 'under',
      keeper: this.#nursery,
      founding,
      peer: '',
      command,
    });
    holds(answer.kind === 'ok', answer.kind);
  }

  /** A client's update, where it is served. */
  #set(cluster: SimCluster, key: string, value: string): boolean {
    const { answers } = cluster.apply([{ kind: 'set', key, value: Buffer.from(value) }]);
    const isDone = Buffer.from(answers[0]?.bytes ?? []).readUInt32LE(0) === 0;
    if (isDone) this.#rows.set(key, value);
    return isDone;
  }

  /** Runs the move until its coordinator has got `commands` of its commands through, and dies. False where it ends before. */
  advance(commands: number): boolean {
    this.#left = commands;
    this.#work(true);
    this.#world.run(this.#world.nowMs + LONG_MS, () => {
      this.#cleanUp(1);
      return this.#left <= 0 || this.#run?.isOver === true;
    });
    const isAlive = this.#run?.isOver !== true;
    this.#run?.stop();
    this.#run = null;
    return isAlive;
  }

  /** Writes that clients get through in the range now, wherever it is served. */
  write(): void {
    for (const [id, cluster] of this.#clusters) {
      if (!this.#set(cluster, 'k', `${id} ${this.#written}`)) continue;
      this.#written += 1;
    }
  }

  /** A survivor lacks so many slots at most: it was bound before, also to the keeper in force. */
  #lagMax(id: string): number {
    return this.cluster(id).store.image.slot - (this.#boundAt.get(id) ?? 1);
  }

  /** One end is lost, or one after the other: orders, and coordinators that settle what is left, until survivors are confirmed. */
  lose(...losses: readonly Loss[]): void {
    const before = this.phase;
    for (const loss of losses) this.#order(loss);
    const isOver = before === 'done' || before === 'aborted';
    for (let rounds = 0; this.#isOpen && rounds < 5; rounds += 1) {
      this.#left = Number.POSITIVE_INFINITY;
      this.#work(false);
      this.#world.run(this.#world.nowMs + LONG_MS, () => {
        this.#cleanUp(100);
        return this.#run?.isOver === true;
      });
      this.#run?.stop();
    }
    holds(!this.#isOpen, `migration ${this.#mid} is ${this.phase}: ${this.result}`);
    const isKnown = this.#record !== undefined;
    if (isOver && isKnown) holds(this.phase === before, 'what had ended changed');
    for (const { end, lag } of losses) if (lag !== null && end !== 'keeper') this.#confirm(end);
    this.#cleanUp(100);
  }

  #order({ end, lag }: Loss): void {
    if (end === 'keeper') this.#loseKeeper();
    else if (lag === null) {
      this.#clusters.delete(end);
      this.#bury(end);
    } else this.#promote(end, lag, `${end}2`);
  }

  #bury(id: string): void {
    const founding = this.#keeper.state.identities.get(id)?.founding || (this.#foundings.get(id) ?? '');
    for (const _ of [1, 2]) {
      const answer = this.#keeper.command({ kind: 'lose', cluster: id, founding, takenMs: 1 });
      holds(answer.kind === 'orders', answer.kind);
    }
  }

  /** A new keeper is told by all that are left what they have; orders of before are given to it once more. */
  #loseKeeper(): void {
    this.#keeper = new SimCluster('keeper', this.#random);
    this.#nursery = K2;
    this.#bind(this.#keeper, 'keeper', K2);
    const keeper = { cluster: 'keeper', founding: K2, nodes: [] };
    const told = [...this.#clusters].map(([id, cluster]): Told => {
      const answer = cluster.command({ kind: 'adopt', order: 1, from: K, keeper });
      if (answer.kind !== 'belongings') throw new Error(answer.kind);
      this.#boundAt.set(id, cluster.store.image.slot);
      return { cluster: id, belongings: answer };
    });
    const lost = ['a', 'b'].filter((id) => !this.#clusters.has(id));
    const said = { order: 1, keeper: { ...keeper, from: K }, lost };
    let rebuilt = rebuild(told, { ...said, unclaimed: null, yields: [] });
    if ('whyNot' in rebuilt) {
      const why = rebuilt.whyNot.join('; ');
      holds(/--unclaimed b leaves it/.test(why), why);
      rebuilt = rebuild(told, { ...said, unclaimed: 'b', yields: [] });
    }
    if ('whyNot' in rebuilt) throw new Error(rebuilt.whyNot.join('; '));
    const install = {
      order: 1,
      from: K,
      replaced: [K],
      takenMs: 1,
      clusters: rebuilt.clusters.map((each) => ({ ...each, nodes: [] })),
      entries: [...rebuilt.entries],
      migrations: [...rebuilt.migrations],
      lastMid: rebuilt.lastMid,
      functions: { version: 0, functions: [] },
    };
    const installed = this.#keeper.command({ kind: 'install', ...install });
    holds(installed.kind === 'orders', installed.kind);
    for (const id of lost) this.#bury(id);
    for (const [id, cluster] of this.#clusters) if (cluster.state.unconfirmed !== '') this.#replace(id);
  }

  /** What the masters propose of themselves. */
  #cleanUp(rowsMax: number): void {
    for (const cluster of this.#clusters.values()) {
      for (let steps = 0; cluster.machine.cleanups.length > 0 && steps < 100; steps += 1) {
        const [mid] = cluster.machine.cleanups as [number];
        cluster.command({ kind: 'cleanupStep', mid, rowsMax });
      }
    }
  }

  get #isOpen(): boolean {
    return this.phase === 'active' || this.phase === 'published';
  }

  #promote(id: string, lag: number, founding: string): void {
    const image = this.cluster(id).store.lagging(Math.min(lag, this.#lagMax(id)));
    this.#hadActivated ||= id === 'b' && loadState(image).closed.get(this.#mid) === 'activated';
    const rows = new Map<StoreKey, Uint8Array | null>(image.rows);
    const state = loadState(image);
    storeState(state, promotedState(state, founding), (key, value) => rows.set(key, value));
    const survivor = new SimCluster(id, this.#random, new TinyStore(rows));
    this.#clusters.set(id, survivor);
    this.#foundings.set(id, founding);
    holds(inForce(survivor.state).length === 0, 'a founding that is not confirmed serves');
    const first = this.#replace(id);
    holds(first.kind === 'given' || first.kind === 'busy', `${first.kind}`);
  }

  #replace(id: string): AdminAnswer {
    const { state } = this.cluster(id);
    const founding = this.#foundings.get(id) ?? '';
    return this.#keeper.command({
      kind: 'replace',
      cluster: id,
      keeper: this.#nursery,
      was: state.unconfirmed,
      founding,
      after: [],
      version: 1,
      members: [{ node: `${id}_0`, incarnation: founding, learner: false }],
      owned: [...state.owned],
      activated: [...state.closed].flatMap(([mid, outcome]) =>
        outcome === 'activated' || outcome === 'merged' ? [mid] : [],
      ),
      imports: state.imports.size,
      lastMid: Math.max(state.floor, ...state.tokens.keys()),
      takenMs: 1,
    });
  }

  #confirm(id: string): void {
    const given = this.#replace(id);
    if (given.kind !== 'given') throw new Error(`${given.kind} ${'why' in given ? given.why : ''}`);
    const again = this.#replace(id);
    holds(JSON.stringify(again) === JSON.stringify(given), 'asked again, the keeper gives the same');
    const { kind: _, ...what } = given;
    const confirm = {
      kind: 'confirm',
      keeper: this.#nursery,
      founding: this.#foundings.get(id) ?? '',
      given: what,
    } as const;
    for (const _again of [1, 2]) holds(this.cluster(id).command(confirm).kind === 'ok', 'confirmed');
  }

  #work(claimAtOnce: boolean): void {
    const world = this.#world;
    const { token, heartbeat } = present(this.#record, 'a record');
    const seen = claimAtOnce ? null : { token, heartbeat, atMs: world.nowMs - 60_000 };
    const run: Run = new Run(
      {
        nowMs: () => world.nowMs,
        wallMs: () => 1,
        defer: (work) => world.after(0, () => this.#when(run, work)),
        after: (delayMs, work) => {
          let isWanted = true;
          world.after(delayMs, () => this.#when(run, () => isWanted && work()));
          return () => {
            isWanted = false;
          };
        },
        findRoom: (_migration, done) => world.after(1, () => this.#when(run, () => done(null))),
        ask: (id, request, _deadlineMs, done) => {
          world.after(1, () =>
            this.#when(run, () => {
              const cluster = id === '' ? this.#keeper : this.#clusters.get(id);
              if (cluster === undefined) {
                world.after(50, () => this.#when(run, () => done(new NurseryError('UNREACHABLE', 'gone'))));
                return;
              }
              const answer = answerOf(cluster, request);
              if (request.kind === 'command') this.#left -= 1;
              if (this.#left > 0) this.#when(run, () => done(answer));
            }),
          );
        },
      },
      { mid: this.#mid, settings: SETTINGS, claimAtOnce, seen },
      (result) => {
        this.result = result instanceof Error ? result.message : result.outcome;
      },
    );
    this.#run = run;
    run.start();
  }

  #when(run: Run, work: () => void): void {
    if (this.#run === run && !run.isOver) work();
  }

  /** Each key is served by whom the map names, if that one lives, and by nobody else; nothing is left of the move. */
  check(losses: readonly Loss[], rowsThen: ReadonlyMap<string, string>): void {
    const { map } = this.#keeper.state;
    checkPartition(map);
    const owner = map.entries.find((entry) => overlaps(entry, RANGE));
    const isTheirs = owner?.owner === 'b' && owner.founding === this.#foundings.get('b');
    holds(!this.#hadActivated || isTheirs, `what b had taken over is ${owner?.owner}'s, ${owner?.founding}`);
    for (const entry of map.entries) {
      const cluster = this.#clusters.get(entry.owner);
      const isAlive = cluster !== undefined && entry.founding === this.#foundings.get(entry.owner);
      const served = (cluster === undefined ? [] : inForce(cluster.state)).filter((own) =>
        overlaps(own, entry),
      );
      if (!isAlive)
        holds(
          served.every((own) => own.epoch !== entry.epoch),
          `${printRange(entry)} of the dead is served`,
        );
      else
        holds(
          covers(served, entry),
          `${printRange(entry)} at ${entry.epoch}: ${entry.owner} has ${JSON.stringify(served)}`,
        );
    }
    for (const [id, cluster] of this.#clusters) {
      const { exports, imports, cleanups, owned, unconfirmed } = cluster.state;
      holds(exports.size + imports.size + cleanups.size === 0 && unconfirmed === '', `${id} is not done`);
      for (const own of owned) {
        holds(own.sealedBy === null, `${id} has ${printRange(own)} sealed`);
        const entry = map.entries.find((each) => overlaps(each, own));
        holds(
          entry?.owner === id && entry.epoch === own.epoch,
          `${id} owns ${printRange(own)} and the map does not say so`,
        );
        for (const [key, value] of rowsThen) {
          if (losses.some(({ lag }) => lag !== null && lag > 0)) continue; // a survivor that lags has lost by order
          if (key < own.lo || (own.hi !== null && key >= own.hi)) continue;
          const row = rowsIn(cluster.store, { lo: key, hi: `${key}\0` })[0]?.[1];
          const text = row === undefined ? 'nothing' : Buffer.from(row).toString();
          // What the dead end acknowledged since the seal is lost by order.
          const isTaken = id === 'a' && key === 'k' && own.epoch > this.#mid;
          holds(text === value || isTaken, `${id} has ${text} under ${key}, not ${value}`);
        }
      }
      const outside = [...rowsIn(cluster.store, { lo: '', hi: null })].filter(
        ([key]) => !owned.some((own) => key >= own.lo && (own.hi === null || key < own.hi)),
      );
      holds(outside.length === 0, `${id} keeps rows that it does not own: ${outside.map(([key]) => key)}`);
    }
  }

  /** A survivor of `a` has all that was its own, whether or not it knows of a merge. */
  checkWhole(): void {
    for (const entry of this.#keeper.state.map.entries) {
      const isIts = entry.owner === 'a' && entry.founding === this.#foundings.get('a');
      holds(isIts, `${printRange(entry)} is of ${entry.owner}, ${entry.founding}`);
    }
  }

  get rows(): ReadonlyMap<string, string> {
    return new Map(this.#rows);
  }

  get phase(): string {
    return this.#record?.phase ?? 'unknown';
  }
}

/**
 * Loses these ends, one after the other, after every command of a move.
 *
 * @throws Violation
 */
export function loseAtEveryStep(losses: readonly Loss[], what: 'move' | 'merge' = 'move'): void {
  const ends = new Set<string>();
  let commands = 1;
  for (; commands < STEPS_MAX; commands += 1) {
    const move = new RescuedMove(what);
    const isUnderWay = move.advance(commands);
    move.write();
    const { rows } = move;
    try {
      move.lose(...losses);
      move.check(losses, rows);
      // It lacks no more than the merge and what was written since.
      if (what === 'merge' && losses.every(({ end, lag }) => end === 'keeper' || (lag ?? 9) <= 2))
        move.checkWhole();
    } catch (error) {
      (error as Error).message += ` (after ${commands} commands; ${move.phase}; ${move.result})`;
      throw error;
    }
    ends.add(move.phase);
    if (!isUnderWay) break;
  }
  holds(commands < STEPS_MAX, 'the move comes to no end');
  holds(ends.has('done') || ends.has('unknown'), `it was never done before: ${[...ends]}`);
}

/** What a coordinator hears; whom its copy gives way to the state machines do not know. */
function answerOf(cluster: SimCluster, request: WorldRequest): AdminAnswer {
  if (request.kind === 'command') return cluster.command(request.command);
  if (request.query.kind === 'slowDown') return { kind: 'ok' };
  return decodeAnswer(cluster.query(request.query, 'master').bytes);
}

function covers(
  served: readonly Owned[],
  entry: { readonly lo: string; readonly hi: string | null; readonly epoch: number },
): boolean {
  return served.some(
    (own) =>
      own.epoch === entry.epoch &&
      own.lo <= entry.lo &&
      (own.hi === null || (entry.hi !== null && entry.hi <= own.hi)),
  );
}
