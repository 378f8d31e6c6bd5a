/** What each slot changes in the crash test: known to the process that is killed and to the one that looks. */
import type { Changes, StoreKey } from '../../../node/store/types.ts';
import { createRandom } from '../../support/seeded.ts';

/** Few enough that slots overwrite each other, many enough that a generation fills several pages. */
const KEYS = 20_000;

export function changesOf(slot: number): Changes {
  const random = createRandom(slot);
  const changes = new Map<StoreKey, Uint8Array | null>();
  for (let count = 0; count < 50; count += 1) {
    const key = `\x01${String(random.below(KEYS)).padStart(8, '0')}`;
    changes.set(key, random.chance(0.2) ? null : Buffer.from(`${slot}`.repeat(1 + random.below(10))));
  }
  if (slot % 500 === 0) changes.set('\x01large', new Uint8Array(100_000).fill(slot));
  changes.set('\x04slot', Buffer.from(`${slot}`));
  return changes;
}
