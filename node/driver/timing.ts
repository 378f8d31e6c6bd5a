/** Times and bounds of a node at work, for a process and for a simulation alike. */

/** Slots in flight at a time. */
export const WINDOW_MAX = 16;
/** Share of a lease that two clocks may drift apart, and its least (ms). */
const DRIFT_SHARE = 0.02;
const DRIFT_MIN_MS = 10;

/** How far two clocks may drift apart within a lease (ms). */
export function driftMsOf(leaseMs: number): number {
  return Math.max(DRIFT_MIN_MS, leaseMs * DRIFT_SHARE);
}
