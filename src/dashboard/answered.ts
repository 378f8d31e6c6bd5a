/** What a process has answered, as the page draws it: reads and updates of clients, each with how long it took. */
import { LATENCY_BOUNDS_S, type Operations } from '../protocol/arakoon/operations.ts';
import { rowOf } from '../protocol/arakoon/request-table.ts';
import type { Answered } from './document.ts';

/** @param nowMs monotonic: the page divides by the time between two of these */
export function answeredOf(operations: Operations, nowMs: number): Answered {
  const none = (): number[] => new Array(LATENCY_BOUNDS_S.length + 1).fill(0);
  const [reads, updates] = [none(), none()];
  let failed = 0;
  for (const { kind, outcome, counts } of operations.latencies()) {
    const { by } = rowOf(kind);
    if (by !== 'image' && by !== 'log') continue; // what processes ask of one another
    const into = by === 'image' ? reads : updates;
    for (const [at, count] of counts.entries()) {
      if (outcome === 'failed') failed += count;
      else into[at] = (into[at] ?? 0) + count;
    }
  }
  return { atMs: nowMs, boundsS: LATENCY_BOUNDS_S, reads, updates, failed };
}
