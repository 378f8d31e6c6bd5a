/** Takes over every migration whose migrator has died. Several daemons may run: the keeper's tokens decide. */
import { NurseryError } from '../src/base/errors.ts';
import type { Migration, Progress } from '../src/protocol/admin/admin.ts';
import { isAnybodys } from '../src/protocol/admin/migration.ts';
import type { MigrationResult } from '../src/protocol/admin/moves.ts';
import { type AutoListener, type AutoLooked, AutoPlanner, type AutoTimes } from './auto.ts';
import { claimAfterMs } from './core/beat.ts';
import { SETTINGS, type Settings } from './core/settings.ts';
import type { Seen } from './core/state.ts';
import { Run } from './driver.ts';
import { worldOf } from './process-world.ts';
import { ANSWER_MS, unexpected } from './questions.ts';
import { tellTarget } from './tell.ts';
import type { Clusters, MovesNews, MovesWatch, World } from './world.ts';

export type HowToWatch = {
  readonly settings?: Partial<Settings>;
  /** How often it looks for what could be moved by itself, where not as usual. */
  readonly auto?: Partial<AutoTimes>;
  readonly onEvent?: (event: DaemonEvent) => void;
};

export type DaemonOptions = HowToWatch & {
  readonly clusters: Clusters & MovesWatch;
  readonly signal: AbortSignal;
};

/** What a daemon did, for its log. */
export type DaemonEvent =
  /** It has claimed what stood still, or was given up. */
  | { readonly kind: 'takesOver'; readonly migration: Migration }
  | { readonly kind: 'progress'; readonly mid: number; readonly progress: Progress }
  | { readonly kind: 'ended'; readonly result: MigrationResult }
  /** Another one has it: of several that watch, one has claimed it first. */
  | { readonly kind: 'fenced'; readonly mid: number }
  /** The target of an aborted migration has dropped what it staged. */
  | { readonly kind: 'told'; readonly migration: Migration }
  /** A look for what could be moved by itself has ended otherwise than the one before. */
  | { readonly kind: 'auto'; readonly looked: AutoLooked }
  | { readonly kind: 'failed'; readonly mid: number; readonly error: NurseryError }
  | { readonly kind: 'keeperSilent'; readonly error: NurseryError };

/** Between two looks at the keeper while there are moves (ms), or sooner where one may be claimed; while there are none it is asked nothing. */
const LOOK_MS = 150;
/** Before a claim that is due, up to so long (ms): of many that watch, one is first, and the others see it. */
const JITTER_MS = 100;
/** For all that is worked on to be given up (ms): longer than a sealed range is gone on with, and an answer of the keeper. */
const LEAVE_MS = 1000;
/** After the keeper did not answer (ms). */
const KEEPER_SILENT_MS = 1000;
/** Before a migration that failed here is tried again (ms). */
const REST_MS = 5000;
/** Migrations that one daemon works on at a time; more wait. */
const RUNS_MAX = 8;

/** What lies outside of a daemon. */
export type DaemonWorld = World &
  MovesWatch & {
    /** Between 0 and 1, any. */
    chance(): number;
  };

/**
 * Watches the keeper until `signal` is raised: a migration that is not ended and whose heartbeat stands still is
 * claimed and brought to its end. Resolves when all that it works on has been given up.
 */
export function runDaemon({ clusters, signal, ...how }: DaemonOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    const world = worldOf(clusters);
    const watchMoves: MovesWatch['watchMoves'] = (listener) => clusters.watchMoves(listener);
    const daemon = new Daemon({ ...world, watchMoves, chance: Math.random }, how, reject);
    const leave = (): void => daemon.leave(resolve);
    signal.addEventListener('abort', leave, { once: true });
    if (signal.aborted) leave();
    else daemon.start();
  });
}

/** Of a migration that may stand still, and how much longer than others it is waited for. */
type Watched = { readonly seen: Seen; readonly jitterMs: number };

/** A migrator that takes over what stands still. */
export class Daemon {
  readonly #world: DaemonWorld;
  readonly #how: HowToWatch;
  readonly #settings: Settings;
  readonly #broken: (error: Error) => void;
  readonly #watched = new Map<number, Watched>();
  readonly #restUntilMs = new Map<number, number>();
  readonly #runs = new Map<number, Run>();
  /** Migrations whose target is being told that they were aborted. */
  readonly #telling = new Set<number>();
  readonly #auto: AutoPlanner;
  /** As the keeper said last. */
  #areMoves = false;
  #isLooking = false;
  /** Takes the next look back. */
  #timer: (() => void) | null = null;
  #unwatch: (() => void) | null = null;
  #isStopped = false;
  /** Takes nothing on any more; what it calls once all that it works on is over. */
  #left: (() => void) | null = null;

  /** @param broken an invariant does not hold, and the daemon has stopped: the process should end */
  constructor(world: DaemonWorld, how: HowToWatch, broken: (error: Error) => void) {
    this.#world = world;
    this.#how = how;
    this.#settings = { ...SETTINGS, ...how.settings };
    this.#broken = broken;
    let last = '';
    const listener: AutoListener = {
      planned: (mid) => this.#work(mid, null),
      looked: (looked) => {
        if (looked.verdict.kind !== last) how.onEvent?.({ kind: 'auto', looked });
        last = looked.verdict.kind;
      },
      broken: (error) => this.#break(error),
    };
    this.#auto = new AutoPlanner(world, listener, how.auto);
  }

  /** Migrations that it works on. */
  get runs(): ReadonlyMap<number, Run> {
    return this.#runs;
  }

  /** Looks at the keeper as soon as that says that there are moves, and again and again while there are any, until `stop`. */
  start(): void {
    this.#unwatch = this.#world.watchMoves((news) => this.#hear(news));
  }

  /** Gives up all that it works on, so that others may claim it at once, and calls `left`; after a second it stops all the same. */
  leave(left: () => void): void {
    this.#left = left;
    this.#rest();
    this.#timer = this.#world.after(LEAVE_MS, () => this.stop());
    for (const run of [...this.#runs.values()]) run.leave();
    this.#leaveWhereIdle();
  }

  #leaveWhereIdle(): void {
    if (this.#left === null || this.#runs.size > 0) return;
    this.#timer?.();
    this.#left();
    this.#left = null;
  }

  /** Stops all that it works on, without an end. */
  stop(): void {
    this.#rest();
    for (const run of [...this.#runs.values()]) run.stop();
  }

  #rest(): void {
    this.#isStopped = true;
    this.#unwatch?.();
    this.#timer?.();
    this.#auto.stop();
  }

  /**
   * Works on a migration without waiting until its heartbeat has stood still here: on one that was planned here, and is
   * claimed at once where nobody has claimed it yet (`seen` null), or whose token and heartbeat somebody has watched. Does
   * nothing where it works on it already, or has stopped.
   */
  work(mid: number, seen: Seen | null): void {
    this.#work(mid, seen);
  }

  #work(mid: number, seen: Seen | null, onClaimed?: () => void): void {
    if (this.#isStopped || this.#runs.has(mid)) return;
    this.#watched.delete(mid);
    const { settings, onEvent } = this.#how;
    const run = new Run(
      this.#world,
      {
        mid,
        seen,
        claimAtOnce: seen === null,
        onClaimed,
        onProgress: (progress) => onEvent?.({ kind: 'progress', mid, progress }),
        ...(settings === undefined ? {} : { settings }),
      },
      (result) => this.#ended(mid, result),
    );
    this.#runs.set(mid, run);
    run.start();
  }

  #ended(mid: number, result: MigrationResult | Error): void {
    const hasClaimed = this.#runs.get(mid)?.hasClaimed === true;
    this.#runs.delete(mid);
    const { onEvent } = this.#how;
    if (!(result instanceof Error)) {
      onEvent?.(hasClaimed ? { kind: 'ended', result } : { kind: 'fenced', mid });
    } else if (result instanceof NurseryError && result.code === 'FENCED') {
      onEvent?.({ kind: 'fenced', mid }); // and is watched, as before
    } else if (result instanceof NurseryError) {
      // A cluster stands in the way.
      this.#restUntilMs.set(mid, this.#world.nowMs() + REST_MS);
      if (!this.#isStopped) onEvent?.({ kind: 'failed', mid, error: result });
    } else this.#break(result);
    this.#leaveWhereIdle();
  }

  #break(error: Error): void {
    this.stop();
    this.#broken(error);
  }

  #hear(news: MovesNews): void {
    if (this.#isStopped) return;
    if (news.kind === 'silent') {
      this.#how.onEvent?.({ kind: 'keeperSilent', error: new NurseryError('UNREACHABLE', news.why) });
      return;
    }
    if (news.kind === 'auto') {
      this.#auto.hear(news.wish);
      return;
    }
    this.#areMoves = news.areAny;
    if (news.areAny && !this.#isLooking) this.#look();
  }

  #look(): void {
    const query = { kind: 'openMigrations' } as const;
    this.#isLooking = true;
    this.#world.ask('', { kind: 'query', query, node: 'master' }, ANSWER_MS, (answer) => {
      if (this.#isStopped) return;
      if (answer instanceof Error && !(answer instanceof NurseryError)) {
        this.#break(answer);
      } else if (!(answer instanceof Error) && answer.kind === 'migrations') {
        this.#lookAgain(Math.min(LOOK_MS, this.#found(answer.migrations)));
      } else {
        const error = answer instanceof Error ? answer : unexpected(query.kind, answer);
        this.#how.onEvent?.({ kind: 'keeperSilent', error });
        this.#lookAgain(KEEPER_SILENT_MS);
      }
    });
  }

  #lookAgain(delayMs: number): void {
    if (this.#isStopped) return;
    this.#isLooking = this.#areMoves;
    if (this.#isLooking) this.#timer = this.#world.after(delayMs, () => this.#look());
  }

  /** After how long one of them may be claimed, unless it moves meanwhile (ms). */
  #found(migrations: readonly Migration[]): number {
    const { nowMs } = this.#world;
    let nextMs = Number.POSITIVE_INFINITY;
    const open = migrations.filter(isAnybodys);
    forgetOthers(this.#watched, open);
    const untold = migrations.filter(({ isUntold }) => isUntold === true);
    forgetOthers(this.#restUntilMs, [...open, ...untold]);
    for (const migration of untold) this.#tell(migration);
    for (const migration of open) {
      const { mid, progress } = migration;
      if (this.#runs.has(mid) || this.#runs.size >= RUNS_MAX) continue;
      if (this.#rests(mid)) continue;
      const { seen, jitterMs } = this.#watch(migration);
      const dueMs = seen.atMs + claimAfterMs(this.#settings, progress) + jitterMs - nowMs();
      if (dueMs > 0) nextMs = Math.min(nextMs, dueMs);
      else this.#work(mid, seen, () => this.#how.onEvent?.({ kind: 'takesOver', migration }));
    }
    return nextMs;
  }

  /** Tries now and then, for as long as its target does not answer. */
  #tell(migration: Migration): void {
    const { mid } = migration;
    if (this.#telling.has(mid) || this.#telling.size >= RUNS_MAX || this.#rests(mid)) return;
    this.#telling.add(mid);
    tellTarget(this.#world, migration, (error) => {
      this.#telling.delete(mid);
      if (this.#isStopped) return;
      // Counted from here, so that those who do not answer do not keep the others from being told.
      this.#restUntilMs.set(mid, this.#world.nowMs() + REST_MS);
      if (error === null) this.#how.onEvent?.({ kind: 'told', migration });
      else if (!(error instanceof NurseryError)) this.#break(error);
      else if (error.code === 'DAMAGED') this.#how.onEvent?.({ kind: 'failed', mid, error });
    });
  }

  #rests(mid: number): boolean {
    return (this.#restUntilMs.get(mid) ?? 0) > this.#world.nowMs();
  }

  /** When this token and heartbeat were seen first. */
  #watch({ mid, token, heartbeat }: Migration): Watched {
    const before = this.#watched.get(mid);
    const isSame = before?.seen.token === token && before.seen.heartbeat === heartbeat;
    if (before !== undefined && isSame) return before;
    const seen = { token, heartbeat, atMs: this.#world.nowMs() };
    const watched = { seen, jitterMs: this.#world.chance() * JITTER_MS };
    this.#watched.set(mid, watched);
    return watched;
  }
}

function forgetOthers(map: Map<number, unknown>, open: readonly Migration[]): void {
  for (const mid of map.keys()) if (!open.some((migration) => migration.mid === mid)) map.delete(mid);
}
