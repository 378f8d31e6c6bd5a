/** What no event may undo, and what holds between two events. Run by the simulation after every single one. */
import { invariant } from '../../src/base/assert.ts';
import { ownLife, type Replica } from './replica.ts';
import { type Ballot, compareBallots, type RecordNumber, type Slot } from './values.ts';

/** What must be remembered of a replica to compare it with what becomes of it. */
export type Observation = {
  readonly promised: Ballot;
  readonly chosen: Slot;
  readonly watermark: Slot;
  readonly applied: Slot;
  readonly nextRecord: RecordNumber;
  readonly syncedRecord: RecordNumber;
  readonly superseded: number;
  readonly cluster: string;
};

/** Taken before an event. */
export function observe(replica: Replica): Observation {
  const { promised, chosen, watermark, applied, nextRecord, syncedRecord, members } = replica;
  const { superseded, cluster } = members;
  return {
    promised,
    chosen,
    watermark,
    applied,
    nextRecord,
    syncedRecord,
    superseded: superseded.length,
    cluster,
  };
}

/**
 * Compares a replica with what it was before one event.
 *
 * @throws InvariantError where something went back that never goes back
 */
export function checkDelta(before: Observation, replica: Replica): void {
  const { promised, chosen, watermark, applied, members } = replica;
  invariant(compareBallots(promised, before.promised) >= 0, 'a promise never goes back');
  invariant(chosen >= before.chosen, 'what is chosen stays chosen');
  invariant(watermark >= before.watermark, 'what was heard to be chosen stays so');
  invariant(applied >= before.applied, 'what is applied stays applied');
  invariant(replica.nextRecord >= before.nextRecord, 'records are numbered upwards');
  invariant(replica.syncedRecord >= before.syncedRecord, 'what is durable stays durable');
  invariant(members.superseded.length >= before.superseded, 'an ended life stays ended');
  invariant(before.cluster === '' || members.cluster === before.cluster, 'a node changes its cluster never');
  checkState(replica);
}

/** What holds between two events. */
function checkState(replica: Replica): void {
  const { promised, chosen, watermark, applied, accepted, grant, members, role } = replica;
  invariant(applied <= chosen && chosen <= watermark, 'applied is chosen, and chosen is heard of');
  invariant(replica.syncedRecord < replica.nextRecord, 'nothing is durable that was not asked for');
  for (const [slot, { ballot }] of accepted) {
    invariant(slot > chosen, 'a chosen slot is no longer merely accepted');
    invariant(compareBallots(ballot, promised) <= 0, 'accepting is promising');
  }
  invariant(grant === null || compareBallots(grant.ballot, promised) <= 0, 'granting is promising');
  for (const { node, incarnation } of members.members) {
    const ended = members.superseded.some((life) => life.node === node && life.incarnation === incarnation);
    invariant(!ended, 'a member in force has not been superseded');
  }
  if (role.kind === 'preparing' || role.kind === 'master') {
    invariant(role.ballot.node === ownLife(replica), 'a proposer uses its own ballots');
    invariant(compareBallots(role.ballot, promised) <= 0, 'a proposer has promised its own ballot');
  }
  if (role.kind !== 'master') return;
  invariant(role.nextSlot > chosen, 'a master proposes above what is chosen');
  for (const slot of role.flights.keys()) {
    invariant(slot > chosen && slot < role.nextSlot, 'what is in flight was proposed and is not chosen yet');
  }
}
