/** Leaving a role: what a node does that is master or candidate no more. */
import type { Effect } from './contract.ts';
import { ownLife, proposerOf, type Replica } from './replica.ts';
import { type Ballot, compareBallots } from './values.ts';

/** Stops being master or candidate; what was in flight may or may not be chosen by another. */
export function stepDown(replica: Replica, out: Effect[], why: string): void {
  const { role } = replica;
  replica.role = { kind: 'following' };
  if (role.kind !== 'master') return;
  const proposals = [...role.flights.values()].flatMap(({ proposal }) =>
    proposal === null ? [] : [proposal],
  );
  if (proposals.length > 0) out.push({ kind: 'lost', proposals });
  out.push({ kind: 'log', level: 'info', what: 'mastership ended', facts: { why, lost: proposals.length } });
}

/** Another proposer's ballot is in force: whatever this node was up to as a proposer is over. */
export function follow(replica: Replica, out: Effect[], ballot: Ballot): void {
  replica.highestRound = Math.max(replica.highestRound, ballot.round);
  if (replica.role.kind === 'following' || ballot.node === ownLife(replica)) return;
  if (replica.role.kind !== 'canvassing' && compareBallots(ballot, replica.role.ballot) < 0) return;
  stepDown(replica, out, `${proposerOf(ballot)} is master at a higher ballot`);
}
