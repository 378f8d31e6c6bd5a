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
  /** So do larger ones that touch few pages for each row, and up to so much (bytes): one transaction writes all of it. */
  readonly directBytesMax: number;
  /** Runs with fewer rows than this are not worth a merge, however small the store is: where rows can be cut is known once they are merged. */
  readonly mergeRowsMin: number;
  /** Nor are runs with fewer rows than lie below, up to so many: a small store that changes all over is not rewritten for each run. */
  readonly mergeRowsMost: number;
  /** From this many runs on they are merged, however few rows they have. */
  readonly mergeRuns: number;
  /** From this many runs on a merge neither rests nor waits for readers of older images, and more runs come as fast as it makes room. */
  readonly urgentRuns: number;
  /** Without a new run for so long (ms) all are merged: nobody is disturbed. */
  readonly mergeIdleMs: number;
  /** Rows that one transaction of a merge puts: a page each where they are spread widely, 8 MiB. Longer ones delay the log's syncs. */
  readonly sliceRows: number;
  /** Rows of a run are committed whenever this much has come (bytes), likewise. */
  readonly commitBytes: number;
};

export const RUN_POLICY: RunPolicy = {
  directRowsMax: 2000,
  directBytesMax: 64 * 1024 * 1024,
  mergeRowsMin: 50_000,
  mergeRowsMost: 250_000,
  mergeRuns: 24,
  urgentRuns: 32,
  mergeIdleMs: 10_000,
  sliceRows: 1000,
  commitBytes: 4 * 1024 * 1024,
};

/** Runs are merged when they hold this part of what lies below: each page that a merge touches takes several rows then. */
const MERGE_PART = 5;

/** What lies below all runs: how many rows, and in how many bytes of pages. */
export type BaseSize = { readonly rows: number; readonly bytes: number };

/** What is to be flushed: rows, bytes of keys and values, and how many other rows lie among them, to each of them (spread.ts). */
export type FlushSize = { readonly rows: number; readonly bytes: number; readonly spread: number };

/**
 * Whether a large flush, above whose rows no run lies, goes into them directly: where a merge of it would be due at once, as far as
 * its keys reach. It writes the pages of all rows that lie among its own.
 */
export function goesDirectly(policy: RunPolicy, { rows, bytes, spread }: FlushSize, base: BaseSize): boolean {
  const among = base.rows === 0 ? 0 : (rows * spread * base.bytes) / base.rows;
  return spread + 1 <= MERGE_PART && bytes + Math.min(base.bytes, among) <= policy.directBytesMax;
}

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

/**
 * How long a merge rests between two transactions, over how long each takes: as long as it works, for the log's sake, less and less
 * where runs are many.
 */
export function restPart({ mergeRuns, urgentRuns }: RunPolicy, runs: number): number {
  if (runs <= mergeRuns) return 1;
  return runs >= urgentRuns ? 0 : (urgentRuns - runs) / (urgentRuns - mergeRuns);
}

/**
 * How much of the merge that is under way must be done (0 to 1) before another run is added to so many. The tables that are left are
 * shared out over the rest of the merge: rows that come too fast then wait a little all the time, and not for all of it at its end.
 */
export function mergedBefore({ urgentRuns }: RunPolicy, runs: number): number {
  const paced = RUN_TABLES - urgentRuns;
  return runs < urgentRuns || paced <= 0 ? 0 : Math.min(1, (runs + 1 - urgentRuns) / (paced + 1));
}
