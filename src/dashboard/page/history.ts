/** What the page remembers of rates and times: it alone does, from one poll to the next. Pure. */
import type { Answered } from '../document.ts';

/** Points that are kept: twenty minutes at two seconds each. */
export const POINTS_MAX = 600;

/** The clocks of the page and of one process may differ by so much from one poll to the next (s): more, and it is another process. */
const SLACK_S = 5;

/** One stretch of time between two polls. Null: nothing is known, or nothing was asked. */
export type Point = {
  /** Its end, by the page's clock (s since 1970). */
  readonly atS: number;
  readonly readsPerS: number | null;
  readonly updatesPerS: number | null;
  readonly failedPerS: number | null;
  /** Seconds within which half of them, and 99 of 100, were answered. */
  readonly readHalfS: number | null;
  readonly readMostS: number | null;
  readonly updateHalfS: number | null;
  readonly updateMostS: number | null;
};

/** The newest last, at most `POINTS_MAX`. */
export class History {
  readonly points: Point[] = [];
  #last: { readonly answered: Answered; readonly atS: number } | null = null;

  /** Takes what a poll said. A process that has begun anew counts from nothing again. */
  add(answered: Answered, atS: number): void {
    const last = this.#last;
    if (last?.answered.atMs === answered.atMs) return;
    this.#last = { answered, atS };
    if (last === null) return;
    const isSame = Math.abs(atS - last.atS - (answered.atMs - last.answered.atMs) / 1000) < SLACK_S;
    this.#push(isSame ? pointOf(last.answered, answered, atS) : nothingAt(atS));
  }

  /** Nobody answered: the next answer tells of the time in between, too. */
  miss(atS: number): void {
    this.#push(nothingAt(atS));
  }

  #push(point: Point): void {
    this.points.push(point);
    if (this.points.length > POINTS_MAX) this.points.shift();
  }
}

function pointOf(before: Answered, after: Answered, atS: number): Point {
  const seconds = (after.atMs - before.atMs) / 1000;
  const reads = after.reads.map((count, at) => count - (before.reads[at] ?? 0));
  const updates = after.updates.map((count, at) => count - (before.updates[at] ?? 0));
  const failed = after.failed - before.failed;
  if (seconds <= 0 || failed < 0 || [...reads, ...updates].some((count) => count < 0)) return nothingAt(atS);
  return {
    atS,
    readsPerS: sum(reads) / seconds,
    updatesPerS: sum(updates) / seconds,
    failedPerS: failed / seconds,
    readHalfS: quantile(reads, after.boundsS, 0.5),
    readMostS: quantile(reads, after.boundsS, 0.99),
    updateHalfS: quantile(updates, after.boundsS, 0.5),
    updateMostS: quantile(updates, after.boundsS, 0.99),
  };
}

function nothingAt(atS: number): Point {
  return {
    atS,
    ...{ readsPerS: null, updatesPerS: null, failedPerS: null },
    ...{ readHalfS: null, readMostS: null, updateHalfS: null, updateMostS: null },
  };
}

/** Within how many seconds a share of all was answered: as if those of a bucket were spread evenly in it. Null where there are none. */
export function quantile(
  counts: readonly number[],
  boundsS: readonly number[],
  share: number,
): number | null {
  const wanted = sum(counts) * share;
  if (wanted === 0) return null;
  let below = 0;
  for (const [at, count] of counts.entries()) {
    const from = boundsS[at - 1] ?? 0;
    const to = boundsS[at] ?? from; // what took longer than the last bound took at least that
    if (below + count >= wanted) return from + ((to - from) * (wanted - below)) / count;
    below += count;
  }
  return boundsS.at(-1) ?? null;
}

function sum(counts: readonly number[]): number {
  return counts.reduce((one, other) => one + other, 0);
}
