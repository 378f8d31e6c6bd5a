/** What a store counts by itself, and what a full count says. */
import type { RowCount } from '../../../node/store/buckets.ts';
import type { LmdbStore } from '../../../node/store/lmdb-store.ts';
import { TABLES, type View } from '../../../node/store/types.ts';
import type { Range } from '../../../src/keyspace/range.ts';
import { until } from '../../support/wait.ts';

/** Once it knows. */
export async function countsOf(store: LmdbStore, ranges: readonly Range[]): Promise<readonly RowCount[]> {
  store.countRanges(ranges);
  const { counts } = await until('counts', () => store.counts, { everyMs: 1 });
  return counts;
}

/** Of all that is applied. */
export function fullCounts(view: View, ranges: readonly Range[]): RowCount[] {
  return ranges.map(({ lo, hi }) => {
    let keys = 0;
    let bytes = 0;
    let from: string | null = TABLES.DATA + lo;
    while (from !== null) {
      from = view.scan(from, hi === null ? TABLES.COMPLETIONS : TABLES.DATA + hi, (key, value) => {
        keys += 1;
        bytes += key.length - 1 + value.length;
        return true;
      });
    }
    return { keys, bytes };
  });
}
