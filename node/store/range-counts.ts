/** How many rows ranges of client keys have, as a store counts them by itself. */
import type { Owned } from '../../src/identity/founding.ts';
import type { Range } from '../../src/keyspace/range.ts';
import type { RowCount } from './buckets.ts';

/** What each of some ranges has, in their order, and when that was so (monotonic, ms). */
export type RangeCounts = {
  readonly ranges: readonly Range[];
  readonly counts: readonly RowCount[];
  readonly atMs: number;
};

/** Keys of those of `owned` that are served, and not sealed; 0 where they are not known yet. */
export function keysIn(known: RangeCounts | null, owned: readonly Owned[]): number {
  const begins = new Set(owned.flatMap(({ lo, sealedBy }) => (sealedBy === null ? [lo] : [])));
  const keysOf = ({ lo }: Range, at: number): number => (begins.has(lo) ? (known?.counts[at]?.keys ?? 0) : 0);
  return known?.ranges.reduce((sum, range, at) => sum + keysOf(range, at), 0) ?? 0;
}
