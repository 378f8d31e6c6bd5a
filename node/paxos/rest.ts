/** How long a member may leave its clock alone: until when nothing follows from time alone. */

import { electionAtMs } from './candidate.ts';
import { wantedChange } from './members.ts';
import { hasQuorum } from './promises.ts';
import { isShort, leaseUntilMs, type Mastering, mayVote, type Replica } from './replica.ts';
import { heartbeatEveryMs } from './timing.ts';

/**
 * Every tick before this time does nothing, unless something else happens first (ms, this node's clock); `nowMs` where that is not
 * certain. So a node that is idle need not wake for them. The simulation ticks all the same, and holds every tick against this.
 */
export function restsUntilMs(replica: Replica, nowMs: number): number {
  const { config, role, founded, active, retired, promotion, waiting } = replica;
  const hasPlace = mayVote(replica) || config.learners.includes(config.node);
  if (founded === null || !active || !hasPlace || retired !== null || promotion !== null) return nowMs;
  const { chosen, applied, watermark, fetching, installing } = replica;
  const isWhole = chosen >= watermark && chosen === applied && fetching === null && installing === null;
  if (!isWhole || isShort(replica) || waiting.said !== '') return nowMs;
  switch (role.kind) {
    case 'following':
      return mayVote(replica) ? Math.max(nowMs, electionAtMs(replica)) : Number.POSITIVE_INFINITY;
    case 'master':
      return isAtRest(replica, role, nowMs)
        ? Math.max(nowMs, role.lastHeartbeatMs + heartbeatEveryMs(replica))
        : nowMs;
    default:
      return nowMs;
  }
}

/** Whether a master has nothing to do but to renew its lease. */
function isAtRest(replica: Replica, role: Mastering, nowMs: number): boolean {
  const { forcedMaster, preferredMasters, wished, learners } = replica.config;
  if (role.draining !== null || role.flights.size > 0 || role.adopt.length > 0) return false;
  if (role.ownSlot === 0 || role.changeSlot !== null || role.announced < replica.chosen) return false;
  if (role.lacksPromises || !hasQuorum(replica, role.promises)) return false;
  if (nowMs >= leaseUntilMs(replica, role)) return false;
  // Whether these come at all, and when they are near enough, depends on what is heard of them.
  if (forcedMaster !== null || preferredMasters.length > 0) return false;
  const mayJoin = [...replica.peers].some(
    ([node, { votes }]) => !votes && wished.includes(node) && !learners.includes(node),
  );
  return !mayJoin && wantedChange(replica, role, nowMs) === null;
}
