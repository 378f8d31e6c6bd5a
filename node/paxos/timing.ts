/** Waits of the consensus core that are drawn by chance. */
import type { Replica } from './replica.ts';

/** How long this node waits before it campaigns, beyond what it must (ms): up to an eighth of a lease, by chance. */
export function electionJitterMs(replica: Replica): number {
  return (replica.config.leaseMs / 8) * (0.1 + replica.random);
}
