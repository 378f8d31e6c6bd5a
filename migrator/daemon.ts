/** Takes over every migration whose migrator has died. Several daemons may run: the keeper's tokens decide. */
import { NurseryError } from '../src/base/errors.ts';
import type { Migration, Progress } from '../src/protocol/admin/admin.ts';
import { claimAfterMs } from './core/beat.ts';
import type { MigrationResult } from './core/result.ts';
import { SETTINGS, type Settings } from './core/settings.ts';
import type { Seen } from './core/state.ts';
import { type Clusters, isOpen, listMigrations, runMigration } from './driver.ts';

export type DaemonOptions = {
  readonly clusters: Clusters;
  readonly signal: AbortSignal;
  readonly settings?: Partial<Settings>;
  readonly onEvent?: (event: DaemonEvent) => void;
};

/** What a daemon did, for its log. */
export type DaemonEvent =
  | { readonly kind: 'takesOver'; readonly migration: Migration }
  | { readonly kind: 'progress'; readonly mid: number; readonly progress: Progress }
  | { readonly kind: 'ended'; readonly result: MigrationResult }
  | { readonly kind: 'failed'; readonly mid: number; readonly error: Error }
  | { readonly kind: 'keeperSilent'; readonly error: Error };

/** Between two looks at the keeper (ms). */
const LOOK_MS = 250;
/** After the keeper did not answer (ms). */
const KEEPER_SILENT_MS = 1000;
/** Before a migration that failed here is tried again (ms). */
const REST_MS = 5000;
/** Migrations that one daemon works on at a time; more wait. */
const RUNS_MAX = 8;

/**
 * Watches the keeper until `signal` is raised: a migration that is not ended and whose heartbeat stands still is
 * claimed and brought to its end. Resolves when the last run has stopped.
 */
export async function runDaemon(options: DaemonOptions): Promise<void> {
  const { clusters, signal } = options;
  const watched = new Map<number, Seen>();
  const restUntilMs = new Map<number, number>();
  const runs = new Map<number, Promise<void>>();
  while (!signal.aborted) {
    try {
      const open = (await listMigrations(clusters.keeper)).filter(isOpen);
      forgetOthers(watched, open);
      forgetOthers(restUntilMs, open);
      for (const migration of open) {
        const { mid } = migration;
        if (runs.has(mid) || runs.size >= RUNS_MAX) continue;
        if ((restUntilMs.get(mid) ?? 0) > performance.now()) continue;
        const seen = look(watched, migration);
        const settings = { ...SETTINGS, ...options.settings };
        if (performance.now() - seen.atMs < claimAfterMs(settings, migration.progress)) continue;
        watched.delete(mid);
        const run = takeOver(options, migration, seen).then((isEnded) => {
          runs.delete(mid);
          if (!isEnded) restUntilMs.set(mid, performance.now() + REST_MS);
        });
        runs.set(mid, run);
      }
      await sleep(LOOK_MS, signal);
    } catch (error) {
      if (!(error instanceof NurseryError)) throw error;
      options.onEvent?.({ kind: 'keeperSilent', error });
      await sleep(KEEPER_SILENT_MS, signal);
    }
  }
  await Promise.all(runs.values());
}

/** When this token and heartbeat were seen first. */
function look(watched: Map<number, Seen>, { mid, token, heartbeat }: Migration): Seen {
  const before = watched.get(mid);
  if (before !== undefined && before.token === token && before.heartbeat === heartbeat) return before;
  const seen = { token, heartbeat, atMs: performance.now() };
  watched.set(mid, seen);
  return seen;
}

function forgetOthers(map: Map<number, unknown>, open: readonly Migration[]): void {
  for (const mid of map.keys()) if (!open.some((migration) => migration.mid === mid)) map.delete(mid);
}

/** True where it ended; false where another has it, or a cluster stands in the way. A broken invariant passes through. */
async function takeOver(options: DaemonOptions, migration: Migration, seen: Seen): Promise<boolean> {
  const { clusters, signal, settings, onEvent } = options;
  const { mid } = migration;
  onEvent?.({ kind: 'takesOver', migration });
  try {
    const onProgress = (progress: Progress): void => onEvent?.({ kind: 'progress', mid, progress });
    const run = { clusters, mid, seen, signal, onProgress };
    const result = await runMigration(settings === undefined ? run : { ...run, settings });
    onEvent?.({ kind: 'ended', result });
    return true;
  } catch (error) {
    if (!(error instanceof NurseryError)) throw error;
    if (!signal.aborted) onEvent?.({ kind: 'failed', mid, error });
    return false;
  }
}

/** Resolves after `ms`, or at once when `signal` is raised. */
function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const wake = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', wake);
      resolve();
    };
    const timer = setTimeout(wake, ms);
    signal.addEventListener('abort', wake);
    if (signal.aborted) wake();
  });
}
