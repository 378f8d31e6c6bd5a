/** What can be asked of moves: each resolves when what it is for has happened. */
import type { Key } from '../src/base/bytes.ts';
import { NurseryError } from '../src/base/errors.ts';
import type { ClusterClient } from '../src/client/cluster-client.ts';
import type { TimeLimit } from '../src/client/limited-client.ts';
import {
  type AutoShown,
  type DryMove,
  type Evened,
  expectRoom,
  type Heeded,
  type MigrateOptions,
  type MoveOptions,
  type MoveRequest,
  type Moves,
} from '../src/client/moves.ts';
import { printRange } from '../src/keyspace/range.ts';
import type { AdminCommand, ClusterConfig, Migration } from '../src/protocol/admin/admin.ts';
import type { AutoSettings, AutoWish } from '../src/protocol/admin/auto.ts';
import { GIVES_WAY, isAnybodys, isOpen, UNSAID } from '../src/protocol/admin/migration.ts';
import type { MigrationResult, NurseryPlan, PlannedMove } from '../src/protocol/admin/moves.ts';
import { isAttended } from './attended.ts';
import { type AutoLooked, lookForAuto } from './auto.ts';
import { carryOut, planFor } from './balance.ts';
import { Connections, keeperOf, type Nursery } from './connections.ts';
import { AUTO_BEGINNING } from './core/auto.ts';
import { LOOKS_MIN } from './core/auto-known.ts';
import { beatMs, claimAfterMs } from './core/beat.ts';
import { type Plan, type PlannedMerge, planMerges, planMigrate, planRange, planRemove } from './core/plan.ts';
import { resultOf } from './core/result.ts';
import { SETTINGS, type Settings } from './core/settings.ts';
import type { Seen } from './core/state.ts';
import { boundsOf } from './core/weigh.ts';
import { runMigration } from './driver.ts';
import { forecast } from './forecast.ts';
import { worldOf } from './process-world.ts';
import { ANSWER_MS, listMigrations, unexpected } from './questions.ts';
import { RateMeter } from './rate.ts';
import { sideBySide } from './side-by-side.ts';
import { tellTarget } from './tell.ts';

export { BESIDE_CLIENTS } from './core/settings.ts';
export { type DaemonEvent, type DaemonOptions, runDaemon } from './daemon.ts';

/** Migrations that `resume` takes on at a time. Each is watched for a second before it is claimed. */
const RESUMED_AT_ONCE = 16;
/** Between two looks at a migration that another migrator runs (ms). */
const FOLLOW_MS = 250;
/** Beats of a migrator within which it does what it is asked for, where it can. */
const HEEDED_BEATS = 3;
/** After so long without a beat people are told that nobody works on it (ms), as by the keeper's notes; it may be claimed later. */
const SILENT_MS = 5000;
/** Others may set what is wished of rebalancing by itself at the same time: so often it is tried. */
const SET_AUTO_TIMES = 3;
/** Wishes as operators know them. */
const VERBS: { readonly [W in Migration['wish']]: string } = {
  run: 'continue',
  pause: 'pause',
  abort: 'abort',
};

/** Connects to a nursery by its keeper. Close it when done. @param shared as `Connections` has it, and `limit` */
export function openNursery(
  keeper: ClusterConfig,
  shared: ClusterClient | null = null,
  limit: TimeLimit | null = null,
): Connections {
  return new Connections(keeper, shared, limit);
}

/** Moves in a nursery that this process has connected to. */
export class Operations implements Moves {
  readonly #nursery: Nursery;
  readonly #settings: Partial<Settings>;

  /** @param settings of the migrations that it runs, where they are not to be the usual ones */
  constructor(nursery: Nursery, settings: Partial<Settings> = {}) {
    this.#nursery = nursery;
    this.#settings = settings;
  }

  async migrate(request: MoveRequest, options: MigrateOptions = {}): Promise<MigrationResult[]> {
    return await this.#runMoves(await this.#movesFor(request), options);
  }

  async undo(mid: number, options: MoveOptions = {}): Promise<MigrationResult[]> {
    const { lo, hi, source, target } = await this.#recordOf(mid);
    const asked = { ...UNSAID, ...options.asked, undoes: mid };
    return await this.#runMoves([{ lo, hi, source: target, target: source }], { ...options, asked });
  }

  async dryRun(request: MoveRequest, rate: number | null = null): Promise<DryMove[]> {
    return await forecast(this.#nursery, await this.#movesFor(request), rate);
  }

  async merge(separator: Key | null, options: MoveOptions = {}): Promise<MigrationResult[]> {
    const results: MigrationResult[] = [];
    for (;;) {
      const merges = await this.dryMerge(separator);
      if (merges.length === 0) return results;
      for (const { cluster, lo, hi } of merges) {
        const move = { source: cluster, target: cluster, lo, hi };
        const { asked } = options;
        const said = asked === undefined ? {} : { asked };
        const mid = await this.#record(move, { kind: 'planMerge', cluster, lo, hi, ...said });
        options.onPlanned?.(mid, move);
        const result = await this.#run(mid, options, { claimAtOnce: true, seen: null });
        results.push(result);
        if (result.outcome === 'aborted') return results;
      }
      if (separator !== null) return results;
    }
  }

  async dryMerge(separator: Key | null): Promise<readonly PlannedMerge[]> {
    const open = (await listMigrations(this.#nursery.keeper)).filter(isOpen);
    const plan = planMerges((await this.#nursery.map()).map, open, separator);
    if (plan.kind === 'refused') throw new NurseryError('REFUSED', plan.why);
    return plan.merges;
  }

  async planRebalance(evened: Evened): Promise<NurseryPlan> {
    return (await planFor(this.#nursery, boundsOf(evened))).plan;
  }

  async rebalance(
    evened: Evened,
    options: MoveOptions & { readonly onPlan?: (plan: NurseryPlan) => void } = {},
  ): Promise<MigrationResult[]> {
    return await carryOut(this.#nursery, boundsOf(evened), {
      planned: (plan) => options.onPlan?.(plan),
      run: async (move) => {
        const { source, target, lo, hi } = move;
        const asked = { ...UNSAID, ...options.asked, reason: 'plan' } as const;
        const mid = await this.#record(move, { kind: 'plan', source, target, lo, hi, asked });
        options.onPlanned?.(mid, move);
        return await this.#run(mid, options, { claimAtOnce: true, seen: null });
      },
    });
  }

  async auto(): Promise<AutoShown> {
    const world = worldOf(this.#nursery);
    const { wish, verdict, moves } = await new Promise<AutoLooked>((resolve, reject) => {
      const done = (looked: AutoLooked | Error): void =>
        looked instanceof Error ? reject(looked) : resolve(looked);
      lookForAuto(world, AUTO_BEGINNING, done, LOOKS_MIN);
    });
    return { wish, verdict, moves, isAttended: wish.isOn ? await isAttended(this.#nursery) : null };
  }

  async setAuto(change: Partial<AutoSettings>): Promise<void> {
    const { keeper } = this.#nursery;
    const wished = async (): Promise<AutoWish> => {
      const said = await keeper.query({ kind: 'getAuto', recent: 0 });
      if (said.kind !== 'auto') throw unexpected('rebalance --auto', said);
      return said.wish;
    };
    for (let left = SET_AUTO_TIMES; ; left -= 1) {
      const { number: seen, ...before } = await wished();
      const answer = await keeper.command({ kind: 'setAuto', seen, wish: { ...before, ...change } });
      if (answer.kind === 'ok') return;
      if (left === 1 || (await wished()).number === seen) throw unexpected('rebalance --auto', answer);
    }
  }

  async remove(
    { cluster, separator }: { readonly cluster: string; readonly separator: Key | null },
    options: MoveOptions = {},
  ): Promise<MigrationResult[]> {
    const { map, clusters } = await this.#nursery.map();
    if (!clusters.some((config) => config.cluster === cluster) && (await this.#isForgotten(cluster)))
      return [];
    const known = { map, clusters: clusters.map((config) => config.cluster) };
    const moves = movesOf(planRemove(known, cluster, separator));
    if (moves.length > 0) await this.#expectAnswer(cluster);
    const results = await this.#runMoves(moves, options);
    const kept = results.find(({ outcome }) => outcome === 'aborted');
    if (kept !== undefined) {
      throw new NurseryError('REFUSED', `${cluster} stays: migration ${kept.mid} was aborted (${kept.why})`);
    }
    const answer = await this.#nursery.keeper.command({ kind: 'dropCluster', cluster });
    if (answer.kind !== 'ok' && answer.kind !== 'none') throw unexpected(`remove ${cluster}`, answer);
    return results;
  }

  /** @throws NurseryError where its master does not answer: what it owns could not be moved, and nothing is planned */
  async #expectAnswer(id: string): Promise<void> {
    const query = { kind: 'rangeStatus', mid: 0, lo: '', hi: null } as const;
    try {
      await (await this.#nursery.cluster(id)).query(query, { to: 'master', deadlineMs: ANSWER_MS });
    } catch (error) {
      if (!(error instanceof NurseryError)) throw error;
      const why = `${id} stays, and nothing was planned: what it owns can be moved only while it answers; where all of it is gone for good: nursery rescue lost ${id}`;
      throw new NurseryError('UNREACHABLE', `${why} (${error.message})`, { cause: error });
    }
  }

  /** Whether the keeper knew it for one of another nursery that had spoken to it, and does not any more. */
  async #isForgotten(cluster: string): Promise<boolean> {
    return (await this.#nursery.keeper.command({ kind: 'dropCluster', cluster })).kind === 'ok';
  }

  async resume(mid: number | null, options: MoveOptions = {}): Promise<MigrationResult[]> {
    const all = mid === null ? await listMigrations(this.#nursery.keeper) : [];
    const mids = mid === null ? all.filter(isAnybodys).map((record) => record.mid) : [mid];
    // What a target keeps until it is told may be in the way of another move.
    const told = this.#tellAll(all, options);
    const results = await sideBySide(
      mids.map((each) => () => this.#run(each, options, { claimAtOnce: false, seen: null })),
      RESUMED_AT_ONCE,
    ).finally(() => told);
    const [silent] = await told;
    if (silent !== undefined) throw silent;
    return results;
  }

  /** Why which targets of aborted migrations could not be told. */
  async #tellAll(migrations: readonly Migration[], { onTold }: MoveOptions): Promise<Error[]> {
    const untold = migrations.filter(({ isUntold }) => isUntold === true);
    const settled = await Promise.allSettled(
      untold.map(async (record) => {
        await this.#tell(record);
        onTold?.(record);
      }),
    );
    return settled.flatMap((result) => (result.status === 'rejected' ? [result.reason as Error] : []));
  }

  /** @throws NurseryError where the target of an aborted migration still cannot be told */
  async #tell(record: Migration): Promise<void> {
    const error = await new Promise<Error | null>((resolve) => {
      tellTarget(worldOf(this.#nursery), record, resolve);
    });
    if (!(error instanceof NurseryError)) {
      if (error === null) return;
      throw error;
    }
    throw new NurseryError(
      error.code,
      `${record.target} has not been told yet that migration ${record.mid} was aborted, and keeps what it has staged: ${error.message}`,
    );
  }

  async pause(mid: number): Promise<void> {
    await this.#wish(mid, 'pause', 'paused by an operator');
  }

  async unpause(mid: number): Promise<void> {
    await this.#wish(mid, 'run', '');
  }

  async setRate(mid: number, rate: number | null): Promise<void> {
    const answer = await this.#nursery.keeper.command({ kind: 'setRate', mid, rate: rate ?? GIVES_WAY });
    if (answer.kind !== 'ok') throw unexpected('cannot change the rate', answer);
  }

  async watchWish(mid: number): Promise<Heeded> {
    const settings = { ...SETTINGS, ...this.#settings };
    let last: Migration | null = null;
    let beatMs = performance.now();
    for (let beats = 0; beats < HEEDED_BEATS; ) {
      const record = await this.#recordOf(mid);
      if (!isOpen(record)) return 'wanted';
      if (record.wish !== 'pause' && record.phase === 'active' && record.asked?.rate === 0)
        return 'rateIsZero';
      const isBeat = last !== null && (record.token !== last.token || record.heartbeat !== last.heartbeat);
      if (isBeat) beats += 1;
      if (isBeat || last === null) beatMs = performance.now();
      last = record;
      if (isBeat && (record.progress.stage === 'paused') === (record.wish === 'pause')) return 'done';
      // Somebody may go on at once with what was given up.
      const claimableMs = Math.max(settings.claimAfterMs, claimAfterMs(settings, record.progress));
      const patienceMs = Math.min(SILENT_MS, claimableMs);
      if (performance.now() - beatMs >= patienceMs) return 'nobody';
      await new Promise((resolve) => setTimeout(resolve, FOLLOW_MS));
    }
    return 'wanted';
  }

  async abort(mid: number, why: string, options: MoveOptions = {}): Promise<MigrationResult> {
    await this.#wish(mid, 'abort', why);
    return await this.seeThrough(mid, options);
  }

  /**
   * Watches a migration until it has ended, and runs it where nobody else does: whoever claims it first has it.
   *
   * @throws NurseryError as `Moves.resume`, but for FENCED
   */
  async seeThrough(mid: number, options: MoveOptions = {}): Promise<MigrationResult> {
    for (;;) {
      const followed = await this.#follow(mid, options);
      if ('outcome' in followed) return followed;
      try {
        return await this.#run(mid, options, { claimAtOnce: false, seen: followed });
      } catch (error) {
        if (!(error instanceof NurseryError) || error.code !== 'FENCED') throw error;
      }
    }
  }

  async list(): Promise<Migration[]> {
    return await listMigrations(this.#nursery.keeper);
  }

  async #movesFor(request: MoveRequest): Promise<readonly PlannedMove[]> {
    const known = await this.#nursery.map();
    const { map, clusters } = known;
    const nursery = { map, clusters: clusters.map(({ cluster }) => cluster), keeper: keeperOf(known) };
    return movesOf(
      request.kind === 'range'
        ? planRange(nursery, request.range, request.target)
        : planMigrate(nursery, request.left, request.separator, request.right),
    );
  }

  async #runMoves(moves: readonly PlannedMove[], options: MigrateOptions): Promise<MigrationResult[]> {
    expectRoom(await forecast(this.#nursery, moves, null));
    const results: MigrationResult[] = [];
    for (const move of moves) {
      const { asked } = options;
      const mid = await this.#record(move, {
        kind: 'plan',
        ...move,
        ...(asked === undefined ? {} : { asked }),
      });
      options.onPlanned?.(mid, move);
      if (options.detach === true) continue;
      const result = await this.#run(mid, options, { claimAtOnce: true, seen: null });
      results.push(result);
      if (result.outcome === 'aborted') break;
    }
    return results;
  }

  /** Records a move at the keeper. Where the answer was lost, the record tells whether it was carried out. */
  async #record({ source, target, lo, hi }: PlannedMove, command: AdminCommand): Promise<number> {
    try {
      const answer = await this.#nursery.keeper.command(command);
      if (answer.kind === 'planned') return answer.mid;
      throw unexpected(`move of ${printRange({ lo, hi })}`, answer);
    } catch (error) {
      if (!(error instanceof NurseryError) || error.code !== 'MAYBE_APPLIED') throw error;
      const isIt = (other: Migration): boolean =>
        other.source === source && other.target === target && other.lo === lo && other.hi === hi;
      const found = (await listMigrations(this.#nursery.keeper)).find(
        (other) => isOpen(other) && isIt(other),
      );
      if (found === undefined) throw error;
      return found.mid;
    }
  }

  async #run(
    mid: number,
    options: MoveOptions,
    how: { readonly claimAtOnce: boolean; readonly seen: Seen | null },
  ): Promise<MigrationResult> {
    const { signal, onProgress, onResult } = options;
    const meter = new RateMeter();
    const result = await runMigration({
      clusters: this.#nursery,
      mid,
      ...how,
      onProgress: (progress) => onProgress?.(mid, progress, meter.add(progress, performance.now())),
      settings: this.#settings,
      ...(signal === undefined ? {} : { signal }),
    });
    onResult?.(result);
    return result;
  }

  /**
   * Watches another migrator at work. The result where it comes to an end; where it has missed a
   * beat, what was seen of it last, long enough ago to be claimed at once.
   */
  async #follow(mid: number, options: MoveOptions): Promise<MigrationResult | Seen> {
    const settings = { ...SETTINGS, ...this.#settings };
    const meter = new RateMeter();
    let heartbeat = -1;
    let lastMs = performance.now();
    for (;;) {
      if (options.signal?.aborted) {
        throw new NurseryError('GOING_DOWN', `stopped; migration ${mid} goes on where a migrator runs`);
      }
      const found = await this.#recordOf(mid);
      const nowMs = performance.now();
      const { progress } = found;
      if (!isOpen(found)) {
        const result = resultOf(found, progress);
        options.onResult?.(result);
        return result;
      }
      if (found.heartbeat !== heartbeat) {
        options.onProgress?.(mid, progress, meter.add(progress, nowMs));
        lastMs = nowMs;
      }
      heartbeat = found.heartbeat;
      const missedMs = beatMs(settings, progress, progress) + settings.claimAfterMs;
      if (nowMs - lastMs >= Math.min(missedMs, claimAfterMs(settings, progress))) {
        return { token: found.token, heartbeat, atMs: nowMs - claimAfterMs(settings, progress) };
      }
      await new Promise((resolve) => setTimeout(resolve, FOLLOW_MS));
    }
  }

  async #recordOf(mid: number): Promise<Migration> {
    const answer = await this.#nursery.keeper.query({ kind: 'getMigration', mid });
    const found = answer.kind === 'migrations' ? answer.migrations[0] : undefined;
    if (found === undefined) throw new NurseryError('REFUSED', `the keeper knows no migration ${mid}`);
    return found;
  }

  async #wish(mid: number, what: Migration['wish'], why: string): Promise<void> {
    const answer = await this.#nursery.keeper.command({ kind: 'wish', mid, wish: what, why });
    if (answer.kind !== 'ok') throw unexpected(`cannot ${VERBS[what]}`, answer);
  }
}

function movesOf(plan: Plan): readonly PlannedMove[] {
  if (plan.kind === 'refused') throw new NurseryError('REFUSED', plan.why);
  return plan.moves;
}
