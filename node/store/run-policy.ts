/**
 * When changes go into the store's rows directly, when they become a run, and when runs are merged: docs/architecture.md,
 * "The store".
 */

/** Runs that a store can have at a time, and tables for them. Where all are taken a flush waits for a merge. */
export const RUN_TABLES = 40;

/** Bounds that tests make small. */
export type RunPolicy = {
  /** Flushes of up to this many rows go to the rows directly, where no run lies above them: a page each, 16 MiB at most. */
  readonly directRowsMax: number;
  /** Runs with fewer rows than this are not worth a merge, however small the store is: where rows can be cut is known once they are merged. */
  readonly mergeRowsMin: number;
  /** Nor are runs with fewer rows than lie below, up to so many: a small store that changes all over is not rewritten for each run. */
  readonly mergeRowsMost: number;
  /** From this many runs on they are merged, however few rows they have. */
  readonly mergeRuns: number;
  /** From this many runs on a merge neither rests nor waits for readers of older images. */
  readonly urgentRuns: number;
  /** Without a new run for so long (ms) all are merged: nobody is disturbed. */
  readonly mergeIdleMs: number;
};

export const RUN_POLICY: RunPolicy = {
  directRowsMax: 2000,
  mergeRowsMin: 50_000,
  mergeRowsMost: 250_000,
  mergeRuns: 24,
  urgentRuns: 32,
  mergeIdleMs: 10_000,
};

/** Runs are merged when they hold this part of what lies below: each page that a merge touches takes several rows then. */
const MERGE_PART = 5;

/** What the choice depends on: of each run its rows, and how many it has that only say that a row is gone. */
export type RunState = {
  readonly runs: readonly { readonly rows: number; readonly removed: number }[];
  readonly baseRows: number;
  /** Since the last run was added (ms). */
  readonly idleMs: number;
};

/** Whether all runs that there are should be merged now. Removals count double: every scan passes over them until then. */
export function mergeIsDue(policy: RunPolicy, { runs, baseRows, idleMs }: RunState): boolean {
  if (runs.length === 0) return false;
  const weight = runs.reduce((sum, { rows, removed }) => sum + rows + 2 * removed, 0);
  const least = Math.max(policy.mergeRowsMin, Math.min(policy.mergeRowsMost, baseRows));
  const enough = Math.max(baseRows / MERGE_PART, least);
  return weight >= enough || runs.length >= policy.mergeRuns || idleMs >= policy.mergeIdleMs;
}
