/** How many rows ranges of client keys have, as a store counts them by itself. */
import type { Range } from '../../src/keyspace/range.ts';
import type { RowCount } from './buckets.ts';

/** What each of some ranges has, in their order, and when that was so (monotonic, ms). */
export type RangeCounts = {
  readonly ranges: readonly Range[];
  readonly counts: readonly RowCount[];
  readonly atMs: number;
};

/** Keys of all of them; 0 where they are not known yet. */
export function keysIn(known: RangeCounts | null): number {
  return known?.counts.reduce((sum, { keys }) => sum + keys, 0) ?? 0;
}
