/** The acceptor: promises, accepts, grants. What it says leaves only when the record behind it is durable. */

import { invariant, present } from '../../src/base/assert.ts';
import type { Effect, Heard } from './contract.ts';
import { factsOf } from './invariants.ts';
import { fetchMissing, learnWatermark, noteHolder } from './learner.ts';
import type { AcceptedEntry, Of } from './messages.ts';
import {
  floorOf,
  isEligible,
  isVoter,
  knownMembers,
  leaseUntilMs,
  mayVote,
  othersOf,
  persist,
  proposerOf,
  type Replica,
  send,
  votesAbove,
} from './replica.ts';
import { follow } from './role.ts';
import { electionJitterMs } from './timing.ts';
import { type Ballot, compareBallots, type NodeName, printBallot, type Slot, type Value } from './values.ts';

/** An accept so far above what is chosen here is dropped, as if lost; the node catches up by fetching. */
const AHEAD_SLOTS_MAX = 4096;
/** Bytes of values that one promise reports: more than a window of proposals, less than a link takes at a time. */
const REPORT_BYTES_MAX = 40 * 1024 * 1024;

/** Would this node promise to `from` now? Answered from what is, and nothing changes. */
export function onCanvass(replica: Replica, out: Effect[], { from, incarnation, nowMs }: Heard): void {
  // Who remembers what this node has forgotten may be a voter by the list of what is held here alone.
  const lists = [replica.members, knownMembers(replica)];
  const isMember = lists.some((list) => list !== null && isVoter(replica, from, incarnation, list));
  const granted = mayVote(replica) && isMember && isFree(replica, from, nowMs);
  const { cluster } = replica.members;
  send(out, from, { kind: 'favour', cluster, granted, promised: replica.promised, chosen: replica.chosen });
}

/**
 * Phase 1b. Promises where nothing higher was promised, no lease is granted to another, and, after a restart, no
 * forgotten grant may still hold.
 */
export function onPrepare(
  replica: Replica,
  out: Effect[],
  { from, nowMs }: Heard,
  message: Of<'prepare'>,
): void {
  const { cluster } = replica.members;
  const order = compareBallots(message.ballot, replica.promised);
  if (order < 0) {
    send(out, from, { kind: 'nack', cluster, promised: replica.promised });
    return;
  }
  if (!mayVote(replica) || (order > 0 && !isFree(replica, from, nowMs))) return;
  follow(replica, out, message.ballot);
  promise(replica, out, message.ballot);
  const { accepted, upTo } = report(replica, message.from);
  send(
    out,
    from,
    {
      kind: 'promise',
      cluster,
      ballot: message.ballot,
      accepted,
      chosen: replica.chosen,
      floor: floorOf(replica),
      upTo,
    },
    replica.promisedRecord,
  );
  replica.electionAtMs = nowMs + replica.config.leaseMs / 2 + electionJitterMs(replica);
}

/**
 * What this node accepted from slot `from` on, in the order of slots. A node that is short may have a whole log of it: the
 * report then ends early, and `upTo` says where.
 */
export function report(
  replica: Replica,
  from: Slot,
): { readonly accepted: AcceptedEntry[]; readonly upTo: Slot | null } {
  const accepted: AcceptedEntry[] = [];
  let bytes = 0;
  const slots = [...replica.accepted.keys()].filter((slot) => slot >= from).sort((a, b) => a - b);
  for (const slot of slots) {
    const { ballot, value } = present(replica.accepted.get(slot), 'accepted value');
    bytes += value.kind === 'batch' ? value.bytes.length : 0;
    if (bytes > REPORT_BYTES_MAX && accepted.length > 0) return { accepted, upTo: slot - 1 };
    accepted.push({ slot, ballot, value });
  }
  return { accepted, upTo: null };
}

/** Phase 2b. Accepting is promising; the vote leaves when it is durable. */
export function onAccept(replica: Replica, out: Effect[], { from }: Heard, message: Of<'accept'>): void {
  const { ballot, slot, value, chosen } = message;
  const { cluster } = replica.members;
  if (compareBallots(ballot, replica.promised) < 0) {
    send(out, from, { kind: 'nack', cluster, promised: replica.promised });
    return;
  }
  follow(replica, out, ballot);
  // A chosen slot gets no vote: a master that does not know it to be chosen may be one that lost it to a higher ballot,
  // with another value. It hears by the answer to its heartbeat that it knows too little. Nor does one that was chosen and is
  // not held any more: the vote would be the log's last word on it.
  const above = votesAbove(replica);
  if (slot > above && slot <= above + AHEAD_SLOTS_MAX) {
    const record = accept(replica, out, slot, ballot, value);
    send(out, from, { kind: 'accepted', cluster, ballot, slot }, record);
  }
  learnWatermark(replica, out, ballot, chosen);
}

/** Durably accepts; used by the master for its own vote too. Returns the record that the vote waits for. */
export function accept(replica: Replica, out: Effect[], slot: number, ballot: Ballot, value: Value): number {
  const record = persist(replica, out, { kind: 'accept', slot, ballot, value, chosen: replica.chosen });
  if (compareBallots(ballot, replica.promised) > 0) replica.promised = ballot;
  replica.promisedRecord = record;
  if (slot > replica.chosen) replica.accepted.set(slot, { ballot, value });
  return record;
}

/** The master is alive: grants it the lease, and learns what is chosen. */
export function onHeartbeat(
  replica: Replica,
  out: Effect[],
  { from, nowMs }: Heard,
  message: Of<'heartbeat'>,
): void {
  const { cluster } = replica.members;
  const { ballot, sentAtMs, chosen } = message;
  if (compareBallots(ballot, replica.promised) < 0) {
    send(out, from, { kind: 'nack', cluster, promised: replica.promised });
    return;
  }
  follow(replica, out, ballot);
  const votes = mayVote(replica);
  if (votes) {
    promise(replica, out, ballot);
    const { leaseMs } = replica.config;
    replica.grant = { ballot, untilMs: nowMs + leaseMs };
    replica.electionAtMs = nowMs + leaseMs + electionJitterMs(replica);
  }
  noteHolder(replica, from, chosen, nowMs);
  learnWatermark(replica, out, ballot, chosen);
  const { applied } = replica;
  const eligible = isEligible(replica);
  send(
    out,
    from,
    { kind: 'granted', cluster, ballot, sentAtMs, chosen: replica.chosen, applied, votes, eligible },
    votes ? replica.promisedRecord : 0,
  );
  fetchMissing(replica, out, from, chosen, nowMs);
}

/** The master gives its lease back: the next election need not wait for it. */
export function onRelease(replica: Replica, message: Of<'release'>, nowMs: number): void {
  if (replica.grant === null || compareBallots(replica.grant.ballot, message.ballot) !== 0) return;
  replica.grant = null;
  const first = message.successor === '' || message.successor === replica.config.node;
  replica.electionAtMs = nowMs + (first ? electionJitterMs(replica) / 4 : replica.config.leaseMs / 2);
}

/** Records a promise, unless it is made already. */
export function promise(replica: Replica, out: Effect[], ballot: Ballot): void {
  const order = compareBallots(ballot, replica.promised);
  invariant(order >= 0, 'a promise never goes back', () => ({
    asked: printBallot(ballot),
    ...factsOf(replica),
  }));
  if (order === 0) return;
  replica.promised = ballot;
  replica.promisedRecord = persist(replica, out, { kind: 'promise', ballot });
  replica.highestRound = Math.max(replica.highestRound, ballot.round);
}

/** Whether no lease that this node granted, or may have granted and forgotten, stands against `candidate`. */
export function isFree(replica: Replica, candidate: NodeName, nowMs: number): boolean {
  const { grant, role, waitUntilMs, promised } = replica;
  if (grant !== null && nowMs < grant.untilMs && proposerOf(grant.ballot) !== candidate) return false;
  if (role.kind === 'master' && nowMs < leaseUntilMs(replica, role)) return false;
  return nowMs >= waitUntilMs || proposerOf(promised) === candidate || othersOf(replica).length === 0;
}
