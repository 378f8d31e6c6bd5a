/** What whole nurseries once found, as schedules that do not depend on what a seed draws (docs/reliability.md). */
import type { Value } from '../../../node/paxos/values.ts';
import { askAs, CLUSTER, elect, hear, LEASE_MS, proposedIn, tick, wake } from '../../node/paxos/rig.ts';
import { check } from '../base/violation.ts';
import type { Rule } from '../paxos/rules.ts';

/** The empty home of a node whose real one is not mounted. */
const EMPTY_HOME = 'e'.repeat(32);

function isAdmitted(proposed: readonly Value[]): boolean {
  return proposed.some((value) => value.kind === 'admit' && value.incarnation === EMPTY_HOME);
}

/** Homes were mounted again, and a new master heard of the empty homes of a moment ago, and of the real ones. */
function realHomeSpeaks(): void {
  const replica = wake({ promised: { round: 5, node: `a.${'a'.repeat(12)}` } });
  askAs(replica, 'c', EMPTY_HOME, 0);
  hear(replica, 'c', { kind: 'canvass', cluster: CLUSTER, chosen: 0 }, 10);
  const holds = (condition: boolean, what: string): void => check(condition, 'history', () => what);
  holds(!isAdmitted(elect(replica, 20, [])), 'an empty home is admitted while the real one speaks');
  const laterMs = 10 + LEASE_MS;
  askAs(replica, 'c', EMPTY_HOME, laterMs);
  holds(
    isAdmitted(proposedIn(tick(replica, laterMs))),
    'an empty home is not admitted where the real one is silent',
  );
}

export const NURSERY_HISTORIES: readonly Rule[] = [
  {
    clause: 'nobody is admitted in the place of a member that speaks (nursery, 384 and 428)',
    run: realHomeSpeaks,
  },
];
