/** Rows that a cluster no longer owns are deleted step by step; its master proposes the steps. */
import { successor } from '../../src/base/bytes.ts';
import type { AdminAnswer, AdminCommand } from '../../src/protocol/admin/admin.ts';
import type { StoreKey, Work } from '../store/types.ts';
import type { Draft } from './draft.ts';
import { rangeOf } from './headers.ts';
import { dataRange, userKey } from './store-keys.ts';
import { withEntry } from './system-state.ts';

/** Rows that one step may delete, whatever it asks for. */
export const CLEANUP_ROWS_MAX = 10_000;
/** Rows looked at in one slice. */
const SLICE_ROWS = 500;

/**
 * Deletes at most so many rows of a range under clean-up; the clean-up ends with the step that finds fewer. Does nothing
 * where there is no such clean-up: a step that comes late must not delete what was activated in the meantime.
 */
export function* cleanupStep(
  draft: Draft,
  { mid, rowsMax }: Extract<AdminCommand, { kind: 'cleanupStep' }>,
): Work<AdminAnswer> {
  const cleanup = draft.state.cleanups.get(mid);
  if (cleanup === undefined) return { kind: 'none' };
  const { tx, pace } = draft;
  yield* tx.prepareScan(pace);
  const { from, to } = dataRange(cleanup);
  let left = Math.min(Math.max(rowsMax, 1), CLEANUP_ROWS_MAX);
  let next: StoreKey | null = from;
  let last: StoreKey | null = null;
  while (next !== null && left > 0) {
    const keys: StoreKey[] = [];
    next = tx.scanSlice({ from: next, to }, { rowsMax: Math.min(SLICE_ROWS, left) }, (key) => keys.push(key));
    for (const key of keys) tx.putRow(userKey(key), null);
    left -= keys.length;
    last = keys.at(-1) ?? last;
    if (next !== null && pace.rows(SLICE_ROWS)) yield;
  }
  // What is deleted already need not be looked at again: until the store is flushed it would still be passed over. Where the
  // scan stopped must not be used for that: it says what this replica has flushed. The number of rows does not.
  const rest = left > 0 || last === null ? null : rangeOf({ lo: successor(userKey(last)), hi: cleanup.hi });
  draft.update({ cleanups: withEntry(draft.state.cleanups, mid, rest) });
  return { kind: 'ok' };
}
