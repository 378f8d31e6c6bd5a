/** Times and bounds of a node at work, for a process and for a simulation alike. */
import type { Message } from '../paxos/messages.ts';

/** Slots in flight at a time. */
export const WINDOW_MAX = 16;
/** Share of a lease that two clocks may drift apart, and its least (ms). */
const DRIFT_SHARE = 0.02;
const DRIFT_MIN_MS = 10;

/** How far two clocks may drift apart within a lease (ms). */
export function driftMsOf(leaseMs: number): number {
  return Math.max(DRIFT_MIN_MS, leaseMs * DRIFT_SHARE);
}

/**
 * A node that is idle looks at its clock so often within a lease: a master beats every eighth of one, at each second look. Nothing
 * else that is due because nothing happens takes less. Where it is known when something is due (`restsUntilMs`) it rests until then,
 * for so many looks at most: of what people ask for nothing is older than half a second.
 */
const BEATS = 16;
const QUIET_BEATS = 4;
/** Bounds of that (ms): a timer costs an idle process 0.8 % of a core every 10 ms, 0.2 % every 50 ms. */
const IDLE_MIN_MS = 5;
const IDLE_MAX_MS = 126;
/** After something has happened (ms): a master tells what is chosen, and a migrator waits for the next step. */
const BUSY_MS = 10;

/**
 * How often time passes for a node (ms). What happens is handled at once; this is for what is due because nothing happens, and for
 * what may wait a little so that more of it goes together.
 */
export function beatsOf(leaseMs: number): {
  readonly idleMs: number;
  readonly busyMs: number;
  readonly quietMs: number;
} {
  // A little more than a sixteenth: two of them are never a moment too short for an eighth.
  const idleMs = Math.max(IDLE_MIN_MS, Math.min(IDLE_MAX_MS, Math.floor(leaseMs / BEATS) + 1));
  return { idleMs, busyMs: Math.min(BUSY_MS, idleMs), quietMs: QUIET_BEATS * idleMs };
}

/** Messages that come all the time, and of which nothing follows but that all goes on. */
const ROUTINE: ReadonlySet<Message['kind']> = new Set(['heartbeat', 'granted']);

/** Whether there may soon be something to do for who hears this. */
export function isNews({ kind }: Pick<Message, 'kind'>): boolean {
  return !ROUTINE.has(kind);
}
