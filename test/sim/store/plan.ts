/** What a seed decides before anything happens: when runs are made and merged, and what is done how often. */
import { PAGE_BYTES } from '../../../node/store/environment.ts';
import { RUN_TABLES, type RunPolicy } from '../../../node/store/run-policy.ts';
import type { Changes, StoreKey } from '../../../node/store/types.ts';
import type { Random } from '../../support/random.ts';

/** How often things happen, over how often the thread is heard (8). */
export type Plan = {
  readonly policy: RunPolicy;
  readonly timers: number;
  readonly commits: number;
  readonly flushes: number;
  readonly snapshots: number;
  readonly keys: number;
  /** What a slot changes. */
  changes(random: Random, slot: number): Changes;
};

/** Larger than a page of rows on its way: with several of them a run takes several transactions. */
const LARGE_BYTES = 300_000;

export function planOf(random: Random): Plan {
  const mergeRuns = random.pick([2, 6, 30, 38]);
  const urgentRuns = Math.max(mergeRuns, random.pick([4, 10, 36, RUN_TABLES - 1]));
  const mergeRowsMin = random.pick([5, 50, 1_000_000]);
  const keys = random.pick([6, 40, 80]);
  const large = random.pick([0, 0.002, 0.02]);
  return {
    policy: {
      directRowsMax: random.pick([0, 0, 4, 12]),
      directBytesMax: random.pick([0, 0, 4 * PAGE_BYTES]),
      mergeRowsMin,
      mergeRowsMost: Math.max(mergeRowsMin, 50),
      mergeRuns,
      urgentRuns,
      mergeIdleMs: random.pick([50, 500, 3000]),
      sliceRows: random.pick([1, 3, 10, 1000]),
      commitBytes: random.pick([1, 100_000, 4 * 1024 * 1024]),
    },
    timers: random.pick([0.5, 2, 6]),
    commits: random.pick([3, 8]),
    flushes: random.pick([1, 4, 8]),
    snapshots: random.pick([0.1, 1]),
    keys,
    changes: (from, slot) => changesOf(from, slot, keys, large),
  };
}

function changesOf(random: Random, slot: number, keys: number, large: number): Changes {
  const changes = new Map<StoreKey, Uint8Array | null>();
  for (let left = 1 + random.below(6); left > 0; left -= 1) {
    const key = `\x01${String(random.below(keys)).padStart(2, '0')}`;
    if (random.chance(0.3)) changes.set(key, null);
    else if (random.chance(large)) changes.set(key, Buffer.alloc(LARGE_BYTES, slot));
    // What looks like a removal is a value all the same.
    else changes.set(key, random.chance(0.1) ? Buffer.of(0xff) : Buffer.from(`${slot}`));
  }
  if (random.chance(0.1)) changes.set('\x04slot', Buffer.from(`${slot}`));
  return changes;
}
