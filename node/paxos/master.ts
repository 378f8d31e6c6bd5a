/** The master: phase 2 pipelined, its lease, changes of members, and how it gives up. */

import { invariant } from '../../src/base/assert.ts';
import { accept } from './acceptor.ts';
import type { Effect, Heard } from './contract.ts';
import { factsOf } from './invariants.ts';
import { choose, noteHolder, UNAPPLIED_MAX } from './learner.ts';
import { wantedChange } from './members.ts';
import type { Message, Of } from './messages.ts';
import { hasQuorum, sendPrepare, valuesToAdopt } from './promises.ts';
import {
  type Flight,
  isVoter,
  leaseUntilMs,
  lifeOf,
  type Mastering,
  othersOf,
  ownLife,
  type Preparing,
  quorumOf,
  type Replica,
  send,
  votersOf,
  votesAbove,
} from './replica.ts';
import { stepDown } from './role.ts';
import { electionJitterMs, heartbeatEveryMs } from './timing.ts';
import { compareBallots, type NodeName, type Slot, type Value } from './values.ts';

/** Slots known chosen that one round of re-sending looks at. */
const RESEND_MAX = 32;

/** How long a master goes on without a lease, in leases: what is in flight may still be chosen. */
const LEASES_WITHOUT_QUORUM = 2;

/** Phase 1 is won. */
export function becomeMaster(replica: Replica, out: Effect[], won: Preparing, nowMs: number): void {
  const adopt = valuesToAdopt(won.promises, replica.chosen);
  const adopted = adopt.filter(({ value }) => value.kind !== 'noop').length;
  replica.role = {
    kind: 'master',
    ballot: won.ballot,
    promises: won.promises,
    lacksPromises: false,
    promisedMs: nowMs,
    adopt,
    nextSlot: replica.chosen + 1,
    flights: new Map(),
    changeSlot: null,
    lastChangeSlot: 0,
    ownSlot: 0,
    grants: new Map(),
    lastHeartbeatMs: Number.NEGATIVE_INFINITY,
    quorumMs: nowMs,
    announced: replica.chosen,
    draining: null,
  };
  replica.fetching = null; // from here on this node learns by choosing
  const facts = { round: won.ballot.round, adopted, holes: adopt.length - adopted };
  out.push({ kind: 'log', level: 'info', what: 'became master', facts });
  heartbeat(replica, out, replica.role, nowMs);
  proposePending(replica, out, nowMs);
}

/** A batch of client updates; the driver asked `mayPropose` in this very turn. */
export function proposeBatch(
  replica: Replica,
  out: Effect[],
  id: number,
  bytes: Uint8Array,
  nowMs: number,
): void {
  const { role } = replica;
  invariant(role.kind === 'master', 'only a master proposes', () => ({ proposal: id, ...factsOf(replica) }));
  propose(replica, out, role, { kind: 'batch', bytes }, id, nowMs);
}

/** Whether a batch can be proposed now: this is the master under its lease, and the window has room. */
export function roomOf(replica: Replica, nowMs: number): 'yes' | 'full' | 'not-master' {
  const { role } = replica;
  if (role.kind !== 'master' || role.draining !== null || leaseUntilMs(replica, role) <= nowMs)
    return 'not-master';
  const lacking = role.lacksPromises || !hasQuorum(replica, role.promises);
  const busy = role.ownSlot === 0 || role.changeSlot !== null || lacking;
  const full = role.flights.size >= replica.config.windowMax;
  return busy || full || replica.chosen - replica.applied > UNAPPLIED_MAX ? 'full' : 'yes';
}

/** A vote. A slot is chosen when a majority of the members in force has accepted this ballot's value. */
export function onAccepted(
  replica: Replica,
  out: Effect[],
  { from, incarnation, nowMs }: Heard,
  message: Of<'accepted'>,
): void {
  const { role } = replica;
  if (role.kind !== 'master' || compareBallots(message.ballot, role.ballot) !== 0) return;
  if (!isVoter(replica, from, incarnation)) return;
  role.flights.get(message.slot)?.votes.add(lifeOf({ node: from, incarnation }));
  settle(replica, out, nowMs);
}

/** Own records became durable: they are this node's votes. */
export function countOwnVotes(replica: Replica, out: Effect[], nowMs: number): void {
  const { role } = replica;
  if (role.kind !== 'master') return;
  const own = ownLife(replica);
  for (const flight of role.flights.values()) {
    if (flight.record > replica.syncedRecord) break; // slots are proposed, and recorded, in order
    flight.votes.add(own);
  }
  settle(replica, out, nowMs);
}

/** A follower has granted the lease anew. */
export function onGranted(
  replica: Replica,
  out: Effect[],
  { from, incarnation, nowMs }: Heard,
  message: Of<'granted'>,
): void {
  const { chosen, applied, votes, eligible } = message;
  const { role } = replica;
  if (role.kind !== 'master' || compareBallots(message.ballot, role.ballot) !== 0) return;
  noteHolder(replica, from, chosen, nowMs);
  // An old answer may be that of a life that is over.
  if (nowMs - message.sentAtMs <= replica.config.leaseMs)
    replica.peers.set(from, { incarnation, heardMs: nowMs, chosen, applied, votes, eligible });
  if (chosen > replica.chosen) {
    // Its phase 1 did not hear of it, and it may have proposed there: it asks again, and fetches first.
    replica.watermark = Math.max(replica.watermark, chosen);
    stepDown(replica, out, `${from} knows more to be chosen`);
    replica.electionAtMs = nowMs + electionJitterMs(replica) / 4;
    return;
  }
  if (!votes) return;
  const life = lifeOf({ node: from, incarnation });
  role.grants.set(life, Math.max(role.grants.get(life) ?? Number.NEGATIVE_INFINITY, message.sentAtMs));
}

/** Someone promised a higher ballot: this mastership, or candidacy, is over. */
export function onNack(replica: Replica, out: Effect[], message: Of<'nack'>): void {
  const { role } = replica;
  replica.highestRound = Math.max(replica.highestRound, message.promised.round);
  if (role.kind !== 'master' && role.kind !== 'preparing') return;
  if (compareBallots(message.promised, role.ballot) > 0)
    stepDown(replica, out, 'a higher ballot was promised');
}

/** What a master does as time goes by. */
export function tickMaster(replica: Replica, out: Effect[], nowMs: number): void {
  const { role, config } = replica;
  if (role.kind !== 'master') return;
  if (nowMs < leaseUntilMs(replica, role)) role.quorumMs = nowMs;
  else if (nowMs - role.quorumMs > LEASES_WITHOUT_QUORUM * config.leaseMs) {
    // Its heartbeats may still be heard though no answer comes back: going on would keep others from an election.
    stepDown(replica, out, 'no quorum answers');
    replica.electionAtMs = nowMs + config.leaseMs + electionJitterMs(replica);
    return;
  }
  if (hasQuorum(replica, role.promises)) role.promisedMs = nowMs;
  else if (nowMs - role.promisedMs > LEASES_WITHOUT_QUORUM * config.leaseMs) {
    // Members of a new list may know slots to be chosen that this node must fetch before their promises count.
    stepDown(replica, out, 'no quorum of the new list promises');
    replica.electionAtMs = nowMs + electionJitterMs(replica);
    return;
  }
  const everyMs = heartbeatEveryMs(replica);
  if (nowMs - role.lastHeartbeatMs >= everyMs) {
    heartbeat(replica, out, role, nowMs);
    if (!hasQuorum(replica, role.promises)) askNewMembers(replica, out, role);
  } else if (replica.chosen > role.announced) heartbeat(replica, out, role, nowMs);
  resend(replica, out, role, nowMs, everyMs);
  if (role.draining !== null && (role.flights.size === 0 || nowMs >= role.draining.untilMs)) {
    release(replica, out, role, role.draining.successor, nowMs);
    return;
  }
  makeWayForPreferred(replica, role, nowMs);
  proposePending(replica, out, nowMs);
}

/** Gives up mastership as soon as what is in flight has been chosen, and stays out of the next election. */
export function drain(replica: Replica, successor: NodeName, nowMs: number): void {
  const { role, config } = replica;
  if (role.kind !== 'master' || role.draining !== null || othersOf(replica).length === 0) return;
  role.draining = { successor, untilMs: nowMs + config.leaseMs };
}

/**
 * Proposes what is due beside client updates: first what phase 1 found, in slot order; then, once, a no-op of this
 * ballot's own; then a change of members. Nothing goes above an undecided change.
 */
export function proposePending(replica: Replica, out: Effect[], nowMs: number): void {
  const { role } = replica;
  if (role.kind !== 'master') return;
  if (!hasQuorum(replica, role.promises)) {
    role.lacksPromises = true;
    return;
  }
  if (role.lacksPromises) {
    // What members of a new list report above what this master proposed is adopted like what phase 1 reported.
    role.lacksPromises = false;
    role.adopt = valuesToAdopt(role.promises, role.nextSlot - 1);
  }
  for (;;) {
    if (replica.role !== role || role.changeSlot !== null) return;
    const next = role.adopt[0];
    if (next === undefined) break;
    if (role.flights.size >= Math.max(replica.config.windowMax, RESEND_MAX)) return;
    role.adopt.shift();
    if (next.slot < role.nextSlot) continue;
    invariant(next.slot === role.nextSlot, 'adopted values have no hole', () => ({
      adopted: next.slot,
      nextSlot: role.nextSlot,
      ...factsOf(replica),
    }));
    propose(replica, out, role, next.value, null, nowMs);
  }
  if (role.ownSlot === 0) {
    role.ownSlot = role.nextSlot;
    propose(replica, out, role, { kind: 'noop' }, null, nowMs);
  }
  if (replica.role !== role || role.draining !== null || role.changeSlot !== null) return;
  const change = wantedChange(replica, role, nowMs);
  if (change !== null) propose(replica, out, role, change, null, nowMs);
}

/** Phase 2a. The accept leaves at once; only this node's own vote waits for its disk. */
function propose(
  replica: Replica,
  out: Effect[],
  role: Mastering,
  value: Value,
  proposal: number | null,
  nowMs: number,
): void {
  const slot = role.nextSlot;
  role.nextSlot += 1;
  invariant(slot > votesAbove(replica), 'nothing is proposed in a slot that is known chosen', () => ({
    slot,
    value: value.kind,
    ...factsOf(replica),
  }));
  if (value.kind === 'admit' || value.kind === 'addMember' || value.kind === 'removeMember') {
    role.changeSlot = slot;
    role.lastChangeSlot = slot;
  }
  const record = accept(replica, out, slot, role.ballot, value);
  role.flights.set(slot, { value, proposal, votes: new Set(), record, sentMs: nowMs });
  role.announced = replica.chosen;
  const message = acceptMessage(replica, role, slot, value);
  for (const to of othersOf(replica)) send(out, to, message);
}

/** One object for all who get it, so that it need be encoded once. */
function acceptMessage(replica: Replica, role: Mastering, slot: Slot, value: Value): Message {
  const { cluster } = replica.members;
  return { kind: 'accept', cluster, ballot: role.ballot, slot, value, chosen: replica.chosen };
}

/** Chooses what has a quorum, in slot order. */
function settle(replica: Replica, out: Effect[], nowMs: number): void {
  const { role } = replica;
  if (role.kind !== 'master') return;
  let changed = false;
  for (;;) {
    const slot = replica.chosen + 1;
    const flight = role.flights.get(slot);
    if (flight === undefined || !hasVotes(replica, flight)) break;
    role.flights.delete(slot);
    choose(replica, out, flight.value, flight.proposal, role.ballot);
    if (slot === role.changeSlot) {
      role.changeSlot = null;
      changed = true;
    }
  }
  if (changed) afterChange(replica, out, role, nowMs);
  else if (role.adopt.length > 0 || role.ownSlot === 0) proposePending(replica, out, nowMs);
}

function hasVotes(replica: Replica, flight: Flight): boolean {
  const { votes } = flight;
  if (votes.size < quorumOf(replica)) return false;
  return votersOf(replica).filter((member) => votes.has(lifeOf(member))).length >= quorumOf(replica);
}

/** A new list is in force: its quorum must have promised this ballot too, and may report values of its own. */
function afterChange(replica: Replica, out: Effect[], role: Mastering, nowMs: number): void {
  if (!isVoter(replica, replica.config.node, replica.incarnation)) {
    stepDown(replica, out, 'no longer a member');
    return;
  }
  if (!hasQuorum(replica, role.promises)) askNewMembers(replica, out, role);
  proposePending(replica, out, nowMs);
}

function askNewMembers(replica: Replica, out: Effect[], role: Mastering): void {
  for (const member of votersOf(replica)) {
    if (role.promises.get(member.node)?.incarnation !== member.incarnation) {
      sendPrepare(replica, out, role.ballot, member.node);
    }
  }
}

function heartbeat(replica: Replica, out: Effect[], role: Mastering, nowMs: number): void {
  role.lastHeartbeatMs = nowMs;
  role.announced = replica.chosen;
  const { cluster } = replica.members;
  const { ballot } = role;
  const sentAtMs = Math.floor(nowMs); // never later than it was: the lease counts from it
  for (const to of othersOf(replica)) {
    send(out, to, { kind: 'heartbeat', cluster, ballot, chosen: replica.chosen, sentAtMs });
  }
}

/** Messages get lost: accepts without a quorum are sent again to those that have not voted. */
function resend(replica: Replica, out: Effect[], role: Mastering, nowMs: number, everyMs: number): void {
  let left = RESEND_MAX;
  for (const [slot, flight] of role.flights) {
    if (left === 0) return;
    left -= 1;
    if (nowMs - flight.sentMs < everyMs) continue;
    flight.sentMs = nowMs;
    for (const member of votersOf(replica)) {
      if (member.node === replica.config.node || flight.votes.has(lifeOf(member))) continue;
      send(out, member.node, acceptMessage(replica, role, slot, flight.value));
    }
  }
}

/** A preferred master that has caught up takes over. */
function makeWayForPreferred(replica: Replica, role: Mastering, nowMs: number): void {
  const { preferredMasters, node, leaseMs, forcedMaster } = replica.config;
  const wanted = forcedMaster === null ? preferredMasters : [forcedMaster];
  if (wanted.length === 0 || wanted.includes(node) || role.ownSlot === 0) return;
  const ready = wanted.find((name) => {
    const peer = replica.peers.get(name);
    if (peer === undefined || !peer.eligible) return false;
    return nowMs - peer.heardMs < leaseMs && peer.chosen + 5 >= replica.chosen;
  });
  if (ready !== undefined) drain(replica, ready, nowMs);
}

function release(replica: Replica, out: Effect[], role: Mastering, successor: NodeName, nowMs: number): void {
  const { cluster } = replica.members;
  stepDown(replica, out, successor === '' ? 'mastership dropped on request' : `${successor} is preferred`);
  replica.abstainUntilMs = nowMs + replica.config.leaseMs;
  replica.electionAtMs = replica.abstainUntilMs + electionJitterMs(replica);
  for (const to of othersOf(replica))
    send(out, to, { kind: 'release', cluster, ballot: role.ballot, successor });
}
