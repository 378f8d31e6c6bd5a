/** Mastership is given up in order before a node ends. */
import { TIMERS } from '../../src/process/timers.ts';
import type { Driver } from './driver.ts';

/** How long an orderly end waits for that at most (ms), and how often it is looked at. */
const RELEASE_MS = 3000;
const LOOK_MS = 10;

/** Resolves once all that is in flight is chosen, which the lease bounds: mastership is released then. */
export async function untilReleased({ replica }: Driver): Promise<void> {
  const untilMs = TIMERS.nowMs() + Math.min(replica.config.leaseMs, RELEASE_MS);
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    const { role } = replica;
    if (role.kind !== 'master' || role.draining === null || TIMERS.nowMs() > untilMs) return;
  }
}
