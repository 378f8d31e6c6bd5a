/** What a node does, in the words that Arakoon has for the states of its own. */

import type { Replica } from '../paxos/replica.ts';
import { masterOf, readableUntilMs, roleOf } from '../paxos/status.ts';

/** As `current_state` answers. */
export function stateWord(replica: Replica, nowMs: number): string {
  const { role, config } = replica;
  switch (roleOf(replica)) {
    case 'joining':
    case 'retired':
      return 'Start_transition';
    case 'short':
      return 'Slave_discovered_other_master';
    case 'master':
      return nowMs < readableUntilMs(replica) ? 'Stable_master' : 'Master_dictate';
    case 'candidate':
      if (role.kind === 'preparing') return 'Wait_for_promises';
      return config.forcedMaster === config.node ? 'Forced_master_suggest' : 'Election_suggest';
    case 'follower':
    case 'learner':
      return masterOf(replica, nowMs) === null ? 'Slave_waiting_for_prepare' : 'Slave_steady_state';
  }
}
