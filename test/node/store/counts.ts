/** What a store counts by itself, and what a full count says. */
import type { RowCount } from '../../../node/store/buckets.ts';
import type { LmdbStore } from '../../../node/store/lmdb-store.ts';
import { RUN_POLICY, type RunPolicy } from '../../../node/store/run-policy.ts';
import { TABLES, type View } from '../../../node/store/types.ts';
import type { Range } from '../../../src/keyspace/range.ts';
import { until } from '../../support/wait.ts';

/** Makes runs of all but small flushes, and merges them at once: counts are exact when none is left. */
export const MERGED_SOON: RunPolicy = {
  ...RUN_POLICY,
  directRowsMax: 500,
  directBytesMax: 0,
  mergeIdleMs: 0,
};

/** Once it knows, and no run is left. */
export async function countsOf(store: LmdbStore, ranges: readonly Range[]): Promise<readonly RowCount[]> {
  await until('runs to be merged', () => store.statistics.runs === 0, { everyMs: 1 });
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
