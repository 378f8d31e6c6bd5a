/** What the command line asks of the migrator. Each function resolves when what it is for has happened. */
import type { Key } from '../src/base/bytes.ts';
import { NurseryError } from '../src/base/errors.ts';
import { printRange, type Range } from '../src/keyspace/range.ts';
import type { ClusterConfig, Migration, Progress } from '../src/protocol/admin/admin.ts';
import { Connections, type Nursery } from './connections.ts';
import { claimAfterMs } from './core/beat.ts';
import { type Plan, type PlannedMove, planMigrate, planRange, planRemove } from './core/plan.ts';
import { type MigrationResult, resultOf } from './core/result.ts';
import { SETTINGS, type Settings } from './core/settings.ts';
import { isOpen, listMigrations, runMigration, unexpected } from './driver.ts';
import { type Rate, RateMeter } from './rate.ts';
import { sideBySide } from './side-by-side.ts';

export { type DaemonEvent, type DaemonOptions, runDaemon } from './daemon.ts';
export { listMigrations, type MigrationResult, type Nursery, type PlannedMove, type Rate };

/** What to move: as Arakoon's `migrate LEFT SEPARATOR RIGHT`, or any range to any cluster. */
export type MoveRequest =
  | { readonly kind: 'separator'; readonly left: string; readonly separator: Key; readonly right: string }
  | { readonly kind: 'range'; readonly range: Range; readonly target: string };

/** How to run, and whom to tell. */
export type MoveOptions = {
  readonly settings?: Partial<Settings>;
  /** A move has its id, and begins. */
  readonly onPlanned?: (mid: number, move: PlannedMove) => void;
  readonly onProgress?: (mid: number, progress: Progress, rate: Rate) => void;
  /** A move has ended. */
  readonly onResult?: (result: MigrationResult) => void;
  /** Stops at once; what was begun can be resumed. */
  readonly signal?: AbortSignal;
  /** Only records the moves at the keeper; a daemon runs them. */
  readonly detach?: boolean;
};

/** One move of a dry run, and how many keys its two clusters hold now; null for one that does not answer. */
export type DryMove = PlannedMove & {
  readonly sourceKeys: number | null;
  readonly targetKeys: number | null;
};

/** Migrations that `resume` takes on at a time. Each is watched for a second before it is claimed. */
const RESUMED_AT_ONCE = 16;
/** Between two looks at a migration that another migrator runs (ms). */
const FOLLOW_MS = 250;

/** Connects to a nursery by its keeper. Close it when done. */
export function openNursery(keeper: ClusterConfig): Connections {
  return new Connections(keeper);
}

/**
 * Moves what is asked for, one range after the other.
 *
 * @throws NurseryError REFUSED where it cannot be done, before anything is moved; those of `runMigration`
 */
export async function migrate(
  nursery: Nursery,
  request: MoveRequest,
  options: MoveOptions = {},
): Promise<MigrationResult[]> {
  return await runMoves(nursery, await movesFor(nursery, request), options);
}

/** What `migrate` would do. @throws NurseryError REFUSED where it would be refused */
export async function dryRun(nursery: Nursery, request: MoveRequest): Promise<DryMove[]> {
  return await Promise.all(
    (await movesFor(nursery, request)).map(async (move) => ({
      ...move,
      sourceKeys: await keysOf(nursery, move.source),
      targetKeys: await keysOf(nursery, move.target),
    })),
  );
}

/**
 * Moves all that a cluster owns to its neighbours, then drops it from the keeper's list.
 *
 * @throws NurseryError as `migrate`; an aborted move leaves the cluster in the nursery
 */
export async function remove(
  nursery: Nursery,
  { cluster, separator }: { readonly cluster: string; readonly separator: Key | null },
  options: Omit<MoveOptions, 'detach'> = {},
): Promise<MigrationResult[]> {
  const { map, clusters } = await nursery.map();
  if (!clusters.some((config) => config.cluster === cluster) && (await isForgotten(nursery, cluster)))
    return [];
  const known = { map, clusters: clusters.map((config) => config.cluster) };
  const results = await runMoves(nursery, movesOf(planRemove(known, cluster, separator)), options);
  const kept = results.find(({ outcome }) => outcome === 'aborted');
  if (kept !== undefined) {
    throw new NurseryError('REFUSED', `${cluster} stays: migration ${kept.mid} was aborted (${kept.why})`);
  }
  const answer = await nursery.keeper.command({ kind: 'dropCluster', cluster });
  if (answer.kind !== 'ok' && answer.kind !== 'none') throw unexpected(`remove ${cluster}`, answer);
  return results;
}

/** Whether the keeper knew it for one of another nursery that had spoken to it, and does not any more. */
async function isForgotten(nursery: Nursery, cluster: string): Promise<boolean> {
  return (await nursery.keeper.command({ kind: 'dropCluster', cluster })).kind === 'ok';
}

/**
 * Goes on with a migration that nobody works on any more, or with all of them where `mid` is null, side by side.
 *
 * @throws NurseryError FENCED where another migrator is alive; those of `runMigration`. Of several the first, after the
 *   others have come to their end
 */
export async function resume(
  nursery: Nursery,
  mid: number | null,
  options: MoveOptions = {},
): Promise<MigrationResult[]> {
  const mids = mid === null ? (await listMigrations(nursery.keeper)).filter(isOpen) : [{ mid }];
  return await sideBySide(
    mids.map(
      ({ mid: each }) =>
        () =>
          run(nursery, each, options, false),
    ),
    RESUMED_AT_ONCE,
  );
}

/** Lets a migration stop copying; its migrator stays alive. It cannot where the range is sealed already, and then goes on. */
export async function pause(nursery: Nursery, mid: number): Promise<void> {
  await wish(nursery, mid, 'pause', 'paused by an operator');
}

/** Takes a pause back. */
export async function unpause(nursery: Nursery, mid: number): Promise<void> {
  await wish(nursery, mid, 'run', '');
}

/** What became of a pause, or of its end: it is so; its migrator is alive and has not got there yet; nobody works on it. */
export type Heeded = 'done' | 'wanted' | 'nobody';

/** Beats of a migrator within which it does what it is asked for, where it can. */
const HEEDED_BEATS = 3;
/** After so long without a beat people are told that nobody works on it (ms), as by the keeper's notes; it may be claimed later. */
const SILENT_MS = 5000;

/**
 * Watches whether a migrator does what `pause` or `unpause` has asked for. That nobody works on the migration shows after the
 * time for which a heartbeat may stand still: 5 s at most.
 *
 * @throws NurseryError REFUSED where the keeper knows no such migration
 */
export async function watchWish(nursery: Nursery, mid: number, options: MoveOptions = {}): Promise<Heeded> {
  const settings = { ...SETTINGS, ...options.settings };
  let last: Migration | null = null;
  let beatMs = performance.now();
  for (let beats = 0; beats < HEEDED_BEATS; ) {
    const record = await recordOf(nursery, mid);
    if (!isOpen(record)) return 'wanted';
    const isBeat = last !== null && (record.token !== last.token || record.heartbeat !== last.heartbeat);
    if (isBeat) beats += 1;
    if (isBeat || last === null) beatMs = performance.now();
    last = record;
    if (isBeat && (record.progress.stage === 'paused') === (record.wish === 'pause')) return 'done';
    const patienceMs = Math.min(SILENT_MS, claimAfterMs(settings, record.progress));
    if (performance.now() - beatMs >= patienceMs) return 'nobody';
    await new Promise((resolve) => setTimeout(resolve, FOLLOW_MS));
  }
  return 'wanted';
}

/**
 * Asks for an abort, and resolves with how the migration ended: aborted, or done where it was too late. Takes it
 * over where its migrator is dead.
 *
 * @throws NurseryError REFUSED where it has ended or the map has changed already; those of `runMigration`
 */
export async function abort(
  nursery: Nursery,
  mid: number,
  why: string,
  options: MoveOptions = {},
): Promise<MigrationResult> {
  await wish(nursery, mid, 'abort', why);
  for (;;) {
    const followed = await follow(nursery, mid, options);
    if (followed !== null) return followed;
    try {
      return await run(nursery, mid, options, false);
    } catch (error) {
      if (!(error instanceof NurseryError) || error.code !== 'FENCED') throw error;
    }
  }
}

async function movesFor(nursery: Nursery, request: MoveRequest): Promise<readonly PlannedMove[]> {
  const { map, clusters } = await nursery.map();
  const known = { map, clusters: clusters.map(({ cluster }) => cluster) };
  return movesOf(
    request.kind === 'range'
      ? planRange(known, request.range, request.target)
      : planMigrate(known, request.left, request.separator, request.right),
  );
}

function movesOf(plan: Plan): readonly PlannedMove[] {
  if (plan.kind === 'refused') throw new NurseryError('REFUSED', plan.why);
  return plan.moves;
}

async function runMoves(
  nursery: Nursery,
  moves: readonly PlannedMove[],
  options: MoveOptions,
): Promise<MigrationResult[]> {
  const results: MigrationResult[] = [];
  for (const move of moves) {
    const mid = await record(nursery, move);
    options.onPlanned?.(mid, move);
    if (options.detach === true) continue;
    const result = await run(nursery, mid, options, true);
    results.push(result);
    if (result.outcome === 'aborted') break;
  }
  return results;
}

/** Records a move at the keeper. Where the answer was lost, the record tells whether it was carried out. */
async function record(nursery: Nursery, { source, target, lo, hi }: PlannedMove): Promise<number> {
  try {
    const answer = await nursery.keeper.command({ kind: 'plan', source, target, lo, hi });
    if (answer.kind === 'planned') return answer.mid;
    throw unexpected(`move of ${printRange({ lo, hi })}`, answer);
  } catch (error) {
    if (!(error instanceof NurseryError) || error.code !== 'MAYBE_APPLIED') throw error;
    const isIt = (other: Migration): boolean =>
      other.source === source && other.target === target && other.lo === lo && other.hi === hi;
    const found = (await listMigrations(nursery.keeper)).find((other) => isOpen(other) && isIt(other));
    if (found === undefined) throw error;
    return found.mid;
  }
}

async function run(
  nursery: Nursery,
  mid: number,
  options: MoveOptions,
  claimAtOnce: boolean,
): Promise<MigrationResult> {
  const { settings, signal, onProgress, onResult } = options;
  const meter = new RateMeter();
  const result = await runMigration({
    clusters: nursery,
    mid,
    claimAtOnce,
    onProgress: (progress) => onProgress?.(mid, progress, meter.add(progress, performance.now())),
    ...(settings === undefined ? {} : { settings }),
    ...(signal === undefined ? {} : { signal }),
  });
  onResult?.(result);
  return result;
}

/** Watches another migrator at work. The result where it comes to an end, null where its heartbeat stands still. */
async function follow(nursery: Nursery, mid: number, options: MoveOptions): Promise<MigrationResult | null> {
  const settings = { ...SETTINGS, ...options.settings };
  const meter = new RateMeter();
  let heartbeat = -1;
  let beatMs = performance.now();
  for (;;) {
    if (options.signal?.aborted) {
      throw new NurseryError('GOING_DOWN', `stopped; migration ${mid} goes on where a migrator runs`);
    }
    const found = await recordOf(nursery, mid);
    const nowMs = performance.now();
    const { progress } = found;
    if (!isOpen(found)) {
      const result = resultOf(found, progress);
      options.onResult?.(result);
      return result;
    }
    options.onProgress?.(mid, progress, meter.add(progress, nowMs));
    if (found.heartbeat !== heartbeat) beatMs = nowMs;
    heartbeat = found.heartbeat;
    if (nowMs - beatMs >= claimAfterMs(settings, progress)) return null;
    await new Promise((resolve) => setTimeout(resolve, FOLLOW_MS));
  }
}

async function recordOf(nursery: Nursery, mid: number): Promise<Migration> {
  const answer = await nursery.keeper.query({ kind: 'getMigration', mid });
  const found = answer.kind === 'migrations' ? answer.migrations[0] : undefined;
  if (found === undefined) throw new NurseryError('REFUSED', `the keeper knows no migration ${mid}`);
  return found;
}

/** Wishes as operators know them. */
const VERBS: { readonly [W in Migration['wish']]: string } = {
  run: 'continue',
  pause: 'pause',
  abort: 'abort',
};

async function wish(nursery: Nursery, mid: number, what: Migration['wish'], why: string): Promise<void> {
  const answer = await nursery.keeper.command({ kind: 'wish', mid, wish: what, why });
  if (answer.kind !== 'ok') throw unexpected(`cannot ${VERBS[what]}`, answer);
}

async function keysOf(nursery: Nursery, id: string): Promise<number | null> {
  try {
    const answer = await (await nursery.cluster(id)).query({ kind: 'nodeStatus' }, { to: 'master' });
    return answer.kind === 'nodeStatus' ? answer.keys : null;
  } catch (error) {
    if (!(error instanceof NurseryError)) throw error;
    return null;
  }
}
