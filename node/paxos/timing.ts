/** Waits of the consensus core. */
import type { Replica } from './replica.ts';

/** How long this node waits before it campaigns, beyond what it must (ms): up to an eighth of a lease, by chance. */
export function electionJitterMs(replica: Replica): number {
  return (replica.config.leaseMs / 8) * (0.1 + replica.random);
}

/** How often a master asks for its lease anew, and sends again what was not answered (ms). */
export function heartbeatEveryMs(replica: Replica): number {
  return replica.config.leaseMs / 8;
}
