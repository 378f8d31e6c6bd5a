/** How busy each part of the key space was over the last ten minutes, as the page has heard it. Pure. */
import type { ShownRange } from '../document.ts';

/** How much time a row stands for (s): each poll tells of so much, so the last one in that time tells of all of it. */
export const ROW_S = 10;
/** Rows that are kept: ten minutes. */
export const ROWS_MAX = 60;

/** Requests a second, by first keys, ascending; null: nobody said. */
type Row = { readonly los: readonly string[]; readonly rates: readonly (number | null)[] };
const NOTHING: Row = { los: [''], rates: [null] };

/** Takes what polls say, and says what was so where. */
export class Heat {
  /** The newest last, at most `ROWS_MAX`. */
  readonly rows: Row[] = [];
  /** When the newest one began. */
  #atS = Number.NEGATIVE_INFINITY;

  /** Takes what a poll said, into the newest row as long as that is its time; where nobody answered for longer, there are empty ones. */
  add(ranges: readonly ShownRange[], atS: number): void {
    const row = { los: ranges.map(({ lo }) => lo), rates: ranges.map(({ perSecond }) => perSecond) };
    const passedS = atS - this.#atS;
    if (passedS >= 0 && passedS < ROW_S) {
      this.rows[this.rows.length - 1] = row;
      return;
    }
    const missed = Number.isFinite(passedS) ? Math.floor(Math.max(0, passedS) / ROW_S) - 1 : 0;
    for (let count = 0; count < Math.min(missed, ROWS_MAX); count += 1) this.#push(NOTHING);
    this.#push(row);
    this.#atS = atS;
  }

  /** The highest rate of them all; 0 where there is none. */
  get most(): number {
    return this.rows.reduce((most, { rates }) => rates.reduce<number>(higher, most), 0);
  }

  /** What each of these ranges had in a row: of several that lay there then, the busiest. As far as texts of keys tell their order. */
  ratesIn(row: Row, ranges: readonly ShownRange[]): (number | null)[] {
    let at = 0;
    return ranges.map(({ hi }) => {
      let rate = row.rates[at] ?? null;
      while (at + 1 < row.los.length && (hi === null || (row.los[at + 1] as string) < hi)) {
        at += 1;
        const next = row.rates[at] ?? null;
        rate = next === null ? rate : higher(rate ?? 0, next);
      }
      // The next range begins where this one ends, or within it.
      if (at + 1 < row.los.length && row.los[at + 1] === hi) at += 1;
      return rate;
    });
  }

  #push(row: Row): void {
    this.rows.push(row);
    if (this.rows.length > ROWS_MAX) this.rows.shift();
  }
}

function higher(one: number, other: number | null): number {
  return Math.max(one, other ?? 0);
}

/** How dark a rate is drawn, from 0 to 1: each further power of ten is as much darker as the one before. */
export function darkness(rate: number, most: number): number {
  return rate <= 0 ? 0 : 0.15 + (0.85 * Math.log1p(rate)) / Math.log1p(Math.max(rate, most));
}
