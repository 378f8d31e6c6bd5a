/** What no event may undo, and what holds between two events (docs/architecture.md, "What is checked of itself"). */

import { type Facts, invariant } from '../../src/base/assert.ts';
import { includesLife } from '../../src/identity/founding.ts';
import { ownLife, type Replica } from './replica.ts';
import { type Ballot, compareBallots, printBallot, type RecordNumber, type Slot } from './values.ts';

/** What a broken invariant says of a replica: who it is, its ballots and its slots. */
export function factsOf(replica: Replica): Facts {
  const { config, incarnation, role, promised, members } = replica;
  const { chosen, watermark, applied, nextRecord, syncedRecord } = replica;
  return {
    node: config.node,
    incarnation,
    cluster: members.cluster,
    role: role.kind,
    ballot: role.kind === 'preparing' || role.kind === 'master' ? printBallot(role.ballot) : null,
    promised: printBallot(promised),
    chosen,
    watermark,
    applied,
    nextRecord,
    syncedRecord,
  };
}

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
 * Compares a replica with what it was before one event, at constant cost: a running node does so after every event.
 *
 * @throws InvariantError where something went back that never goes back
 */
export function checkDelta(before: Observation, replica: Replica): void {
  const { promised, chosen, watermark, applied, members, nextRecord, syncedRecord } = replica;
  const facts = (): Facts => ({ ...factsOf(replica), before: JSON.stringify(before) });
  invariant(compareBallots(promised, before.promised) >= 0, 'a promise never goes back', facts);
  invariant(chosen >= before.chosen, 'what is chosen stays chosen', facts);
  invariant(watermark >= before.watermark, 'what was heard to be chosen stays so', facts);
  invariant(applied >= before.applied, 'what is applied stays applied', facts);
  invariant(nextRecord >= before.nextRecord, 'records are numbered upwards', facts);
  invariant(syncedRecord >= before.syncedRecord, 'what is durable stays durable', facts);
  invariant(members.superseded.length >= before.superseded, 'an ended life stays ended', facts);
  const isSame = before.cluster === '' || members.cluster === before.cluster;
  invariant(isSame, 'a node changes its cluster never', facts);
  invariant(applied <= chosen && chosen <= watermark, 'applied is chosen, and chosen is heard of', facts);
  invariant(syncedRecord < nextRecord, 'nothing is durable that was not asked for', facts);
}

/**
 * Compares all that a replica holds with itself. It takes time in proportion to what is in flight: for simulations.
 *
 * @throws InvariantError where something does not hold between two events
 */
export function checkState(replica: Replica): void {
  const { chosen, promised, accepted, grant, members, role } = replica;
  const facts =
    (more: Facts = {}) =>
    (): Facts => ({ ...more, ...factsOf(replica) });
  for (const [slot, { ballot }] of accepted) {
    const entry = facts({ slot, accepted: printBallot(ballot) });
    invariant(slot > chosen, 'a chosen slot is no longer merely accepted', entry);
    invariant(compareBallots(ballot, promised) <= 0, 'accepting is promising', entry);
  }
  const isPromised = grant === null || compareBallots(grant.ballot, promised) <= 0;
  invariant(isPromised, 'granting is promising', facts());
  for (const { node, incarnation } of members.members) {
    const ended = includesLife(members.superseded, { node, incarnation });
    invariant(
      !ended,
      'a member in force has not been superseded',
      facts({ member: node, life: incarnation }),
    );
  }
  if (role.kind === 'preparing' || role.kind === 'master') {
    invariant(role.ballot.node === ownLife(replica), 'a proposer uses its own ballots', facts());
    const isOwn = compareBallots(role.ballot, promised) <= 0;
    invariant(isOwn, 'a proposer has promised its own ballot', facts());
  }
  if (role.kind !== 'master') return;
  const { nextSlot } = role;
  invariant(nextSlot > chosen, 'a master proposes above what is chosen', facts({ nextSlot }));
  for (const slot of role.flights.keys()) {
    const isOpen = slot > chosen && slot < nextSlot;
    invariant(isOpen, 'what is in flight was proposed and is not chosen yet', facts({ slot, nextSlot }));
  }
}
