/** How the rows of a flush lie among those that are there: near each other, as a copy brings them, or each on a page of its own. */
import type { Environment } from './environment.ts';
import type { Generation } from './overlay.ts';
import type { StoreKey } from './types.ts';

/** What is looked at: so many neighbours, at so many places. */
const PLACES = 16;
const NEIGHBOURS = 16;
/** Where more rows lie between two neighbours nobody asks how many they are. */
export const SPREAD_MAX = 10;

/** Up to this spread a row costs no less where more of them are flushed at once: they share their pages with each other in any case. */
export const NEAR = 0.1;

/** Keys of neighbouring rows of a flush, ascending. */
export type Span = readonly StoreKey[];

/** Spans of a generation, at places that are even distances apart. */
export function spansOf({ rows }: Generation): Span[] {
  const leaves = rows.leafCount();
  const spans: Span[] = [];
  for (let place = 0; place < Math.min(PLACES, leaves); place += 1) {
    const at = leaves <= PLACES ? place : Math.floor((place * leaves) / PLACES);
    spans.push(rows.leafKeys(at).slice(0, NEIGHBOURS));
  }
  return spans;
}

/** Rows of the store that lie within these spans and are not the flush's, to each row of it; `SPREAD_MAX` where that is not known. */
export function spreadOf(environment: Environment, spans: readonly Span[]): number {
  environment.resetReadTxn();
  let gaps = 0;
  let others = 0;
  for (const span of spans) {
    const own = new Set(span);
    const [start, end] = [span[0], span.at(-1)];
    if (start === undefined || end === undefined || start === end) continue;
    const limit = (SPREAD_MAX + 1) * span.length;
    for (const key of environment.getKeys({ start, end, limit })) if (!own.has(key)) others += 1;
    gaps += span.length - 1;
  }
  return gaps === 0 ? SPREAD_MAX : Math.min(SPREAD_MAX, others / gaps);
}
