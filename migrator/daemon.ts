/** Takes over every migration whose migrator has died. Several daemons may run: the keeper's tokens decide. */
import { NurseryError } from '../src/base/errors.ts';
import type { Migration, Progress } from '../src/protocol/admin/admin.ts';
import { isAnybodys } from '../src/protocol/admin/migration.ts';
import type { MigrationResult } from '../src/protocol/admin/moves.ts';
import { claimAfterMs } from './core/beat.ts';
import { SETTINGS, type Settings } from './core/settings.ts';
import type { Seen } from './core/state.ts';
import { ANSWER_MS, Run, unexpected } from './driver.ts';
import { tellTarget } from './tell.ts';
import { type Clusters, type MovesNews, type MovesWatch, type World, worldOf } from './world.ts';

export type HowToWatch = {
  readonly settings?: Partial<Settings>;
  readonly onEvent?: (event: DaemonEvent) => void;
};

export type DaemonOptions = HowToWatch & {
  readonly clusters: Clusters & MovesWatch;
  readonly signal: AbortSignal;
};

/** What a daemon did, for its log. */
export type DaemonEvent =
  | { readonly kind: 'takesOver'; readonly migration: Migration }
  | { readonly kind: 'progress'; readonly mid: number; readonly progress: Progress }
  | { readonly kind: 'ended'; readonly result: MigrationResult }
  /** The target of an aborted migration has dropped what it staged. */
  | { readonly kind: 'told'; readonly migration: Migration }
  | { readonly kind: 'failed'; readonly mid: number; readonly error: NurseryError }
  | { readonly kind: 'keeperSilent'; readonly error: NurseryError };

/** Between two looks at the keeper while there are moves (ms); while there are none it is asked nothing. */
const LOOK_MS = 250;
/** After the keeper did not answer (ms). */
const KEEPER_SILENT_MS = 1000;
/** Before a migration that failed here is tried again (ms). */
const REST_MS = 5000;
/** Migrations that one daemon works on at a time; more wait. */
const RUNS_MAX = 8;

/**
 * Watches the keeper until `signal` is raised: a migration that is not ended and whose heartbeat stands still is
 * claimed and brought to its end. Resolves when all that it works on has stopped.
 */
export function runDaemon({ clusters, signal, ...how }: DaemonOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    const daemon = new Daemon(
      { ...worldOf(clusters), watchMoves: (listener) => clusters.watchMoves(listener) },
      how,
      reject,
    );
    const stop = (): void => {
      daemon.stop();
      resolve();
    };
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
    else daemon.start();
  });
}

/** A migrator that takes over what stands still. */
export class Daemon {
  readonly #world: World & MovesWatch;
  readonly #how: HowToWatch;
  readonly #settings: Settings;
  readonly #broken: (error: Error) => void;
  readonly #watched = new Map<number, Seen>();
  readonly #restUntilMs = new Map<number, number>();
  readonly #runs = new Map<number, Run>();
  /** Migrations whose target is being told that they were aborted. */
  readonly #telling = new Set<number>();
  /** As the keeper said last. */
  #areMoves = false;
  #isLooking = false;
  /** Takes the next look back. */
  #timer: (() => void) | null = null;
  #unwatch: (() => void) | null = null;
  #isStopped = false;

  /** @param broken an invariant does not hold, and the daemon has stopped: the process should end */
  constructor(world: World & MovesWatch, how: HowToWatch, broken: (error: Error) => void) {
    this.#world = world;
    this.#how = how;
    this.#settings = { ...SETTINGS, ...how.settings };
    this.#broken = broken;
  }

  /** Migrations that it works on. */
  get runs(): ReadonlyMap<number, Run> {
    return this.#runs;
  }

  /** Looks at the keeper as soon as that says that there are moves, and again and again while there are any, until `stop`. */
  start(): void {
    this.#unwatch = this.#world.watchMoves((news) => this.#hear(news));
  }

  /** Stops all that it works on, without an end. */
  stop(): void {
    this.#isStopped = true;
    this.#unwatch?.();
    this.#timer?.();
    for (const run of [...this.#runs.values()]) run.stop();
  }

  /**
   * Works on a migration without waiting until its heartbeat has stood still here: on one that was planned here, and is
   * claimed at once where nobody has claimed it yet (`seen` null), or whose token and heartbeat somebody has watched. Does
   * nothing where it works on it already, or has stopped.
   */
  work(mid: number, seen: Seen | null): void {
    if (this.#isStopped || this.#runs.has(mid)) return;
    this.#watched.delete(mid);
    const { settings, onEvent } = this.#how;
    const run = new Run(
      this.#world,
      {
        mid,
        seen,
        claimAtOnce: seen === null,
        onProgress: (progress) => onEvent?.({ kind: 'progress', mid, progress }),
        ...(settings === undefined ? {} : { settings }),
      },
      (result) => this.#ended(mid, result),
    );
    this.#runs.set(mid, run);
    run.start();
  }

  #ended(mid: number, result: MigrationResult | Error): void {
    this.#runs.delete(mid);
    const { onEvent } = this.#how;
    if (!(result instanceof Error)) {
      onEvent?.({ kind: 'ended', result });
    } else if (result instanceof NurseryError) {
      // Another has it, or a cluster stands in the way.
      this.#restUntilMs.set(mid, this.#world.nowMs() + REST_MS);
      if (!this.#isStopped) onEvent?.({ kind: 'failed', mid, error: result });
    } else this.#break(result);
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
    this.#areMoves = news.areAny;
    if (news.areAny && !this.#isLooking) this.#look();
  }

  #look(): void {
    const query = { kind: 'listMigrations' } as const;
    this.#isLooking = true;
    this.#world.ask('', { kind: 'query', query, node: 'master' }, ANSWER_MS, (answer) => {
      if (this.#isStopped) return;
      if (answer instanceof Error && !(answer instanceof NurseryError)) {
        this.#break(answer);
      } else if (!(answer instanceof Error) && answer.kind === 'migrations') {
        this.#found(answer.migrations);
        this.#lookAgain(LOOK_MS);
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

  #found(migrations: readonly Migration[]): void {
    const open = migrations.filter(isAnybodys);
    forgetOthers(this.#watched, open);
    const untold = migrations.filter(({ isUntold }) => isUntold === true);
    forgetOthers(this.#restUntilMs, [...open, ...untold]);
    for (const migration of untold) this.#tell(migration);
    for (const migration of open) {
      const { mid, progress } = migration;
      if (this.#runs.has(mid) || this.#runs.size >= RUNS_MAX) continue;
      if (this.#rests(mid)) continue;
      const seen = this.#watch(migration);
      if (this.#world.nowMs() - seen.atMs < claimAfterMs(this.#settings, progress)) continue;
      this.#how.onEvent?.({ kind: 'takesOver', migration });
      this.work(mid, seen);
    }
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
  #watch({ mid, token, heartbeat }: Migration): Seen {
    const before = this.#watched.get(mid);
    if (before !== undefined && before.token === token && before.heartbeat === heartbeat) return before;
    const seen = { token, heartbeat, atMs: this.#world.nowMs() };
    this.#watched.set(mid, seen);
    return seen;
  }
}

function forgetOthers(map: Map<number, unknown>, open: readonly Migration[]): void {
  for (const mid of map.keys()) if (!open.some((migration) => migration.mid === mid)) map.delete(mid);
}
