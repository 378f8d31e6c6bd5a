/**
 * One member of a Paxos cluster, as a function: an event in, effects out (docs/architecture.md, "Consensus").
 *
 * Deterministic: equal replica and event give equal replica and effects. No clock, chance, I/O or promise inside.
 * An effect that may not be seen before a record is durable carries that record's number in `after`.
 *
 * Sources: Lamport, "Paxos Made Simple"; van Renesse and Altinbuken, "Paxos Made Moderately Complex"; Gray and
 * Cheriton, "Leases".
 */

import { unreachable } from '../../src/base/assert.ts';
import { onAccept, onCanvass, onHeartbeat, onPrepare, onRelease } from './acceptor.ts';
import { campaignIfDue, finishPhase1, onFavour, onPromise } from './candidate.ts';
import type { Effect, Event, Heard } from './contract.ts';
import { activateIfAllJoined, onAdopted, onAsk, onJoined, onReport, tickFounding } from './founding.ts';
import { goOnWithOwnLog, hearOf, onEntries, onFetch, onSnapshotInstalled, serveDurable } from './learner.ts';
import { countOwnVotes, drain, onAccepted, onGranted, onNack, proposeBatch, tickMaster } from './master.ts';
import { isSuperseded } from './members.ts';
import { replacedBy } from './members-state.ts';
import type { Message } from './messages.ts';
import {
  goOnPromoting,
  heardOfGone,
  isLeftAlone,
  onPromote,
  onRetire,
  onRetired,
  tickPromotion,
} from './promotion.ts';
import { lifeOf, newestOf, othersOf, ownLife, persist, type Replica, send } from './replica.ts';
import { electionJitterMs } from './timing.ts';
import type { Incarnation, NodeName } from './values.ts';
import { tickWaiting } from './waiting.ts';

export { createReplica, type Replica } from './replica.ts';
export {
  expectProgressPossible,
  masterOf,
  mayPropose,
  mayRead,
  readableUntilMs,
  shortage,
  statusOf,
} from './status.ts';

/** Advances `replica` by one event and returns what must be done about it, in order. */
export function step(replica: Replica, event: Event): Effect[] {
  const out: Effect[] = [];
  // The driver was told what this home becomes: nothing that is heard now may change it.
  if (replica.promotion?.isDone === true) return out;
  switch (event.kind) {
    case 'start':
      onStart(replica, out, event);
      break;
    case 'message':
      onMessage(replica, out, event, event.message);
      break;
    case 'propose':
      proposeBatch(replica, out, event.id, event.bytes, event.nowMs);
      break;
    case 'synced':
      replica.syncedRecord = event.record;
      activateIfAllJoined(replica, out);
      countOwnVotes(replica, out, event.nowMs);
      serveDurable(replica, out);
      break;
    case 'applied':
      replica.applied = event.slot;
      break;
    case 'tick':
      replica.random = event.random;
      tickFounding(replica, out, event.nowMs);
      tickWaiting(replica, out, event.nowMs);
      campaignIfDue(replica, out, event.nowMs);
      tickMaster(replica, out, event.nowMs);
      tickPromotion(replica, out, event.nowMs);
      break;
    case 'dropMaster':
      if (replica.role.kind === 'master') replica.isDropped = true;
      drain(replica, '', event.nowMs);
      break;
    case 'promote':
      onPromote(replica, out, event);
      break;
    case 'slept':
      if (replica.role.kind === 'master') replica.role.lastHeartbeatMs = Number.NEGATIVE_INFINITY;
      break;
    case 'foreign':
      meetForeign(replica, out, event.from, event.founding, event.replaces);
      break;
    case 'mayFound':
      replica.mayFound = true;
      break;
    case 'snapshotInstalled':
      onSnapshotInstalled(replica, out, event.slot, event.members, event.nowMs);
      break;
    case 'snapshotFailed':
      replica.installing = null;
      break;
    default:
      unreachable(event);
  }
  goOnPromoting(replica, out, event.nowMs);
  finishPhase1(replica, out, event.nowMs); // what was learnt or synced may have been the last thing missing
  return out;
}

/** A process begins to count its challenges at one of so many numbers, by chance, each so far from the next. */
const CHALLENGE_STARTS = 2 ** 30;
const CHALLENGES_MAX = 2 ** 20;

/** Wakes up: a life of its own where the home was empty, and everything known to be chosen goes to the state machine. */
function onStart(replica: Replica, out: Effect[], event: Extract<Event, { kind: 'start' }>): void {
  const { recovered, config } = replica;
  const { nowMs } = event;
  replica.startedMs = nowMs;
  replica.lookedAt = { chosen: replica.chosen, sinceMs: nowMs };
  replica.random = event.random;
  // No earlier process of this node used these.
  replica.nextChallenge = Math.floor(event.random * CHALLENGE_STARTS) * CHALLENGES_MAX + 1;
  if (recovered.incarnation === null) {
    replica.incarnation = event.freshIncarnation;
    replica.bornRecord = persist(replica, out, { kind: 'incarnation', incarnation: event.freshIncarnation });
  }
  const { founded } = recovered;
  if (founded === null) return;
  if (recovered.members === null) out.push({ kind: 'found', state: founded.state, genesis: founded.genesis });
  if (recovered.promised.round > 0 && othersOf(replica).length > 0)
    replica.waitUntilMs = nowMs + config.leaseMs;
  // The wait binds promises to others; campaigning needs a grant that is no longer there, too.
  replica.electionAtMs = nowMs + electionJitterMs(replica);
  for (const { slot, ballot, value } of recovered.accepted) {
    // One that was learnt as chosen, above a hole, has no ballot: it is reported as accepted at the last one promised here.
    if (slot > replica.chosen) replica.accepted.set(slot, { ballot: ballot ?? recovered.promised, value });
  }
  goOnWithOwnLog(replica, out);
}

function onMessage(replica: Replica, out: Effect[], heard: Heard, message: Message): void {
  const { from, incarnation, nowMs } = heard;
  if (isCutOff(replica, from, incarnation)) {
    if (isSuperseded(replica, { node: from, incarnation })) sayOver(replica, out, from, incarnation);
    return;
  }
  if (isForeign(replica, out, from, message)) return;
  const inForce = replica.members.members.find(({ node }) => node === from);
  if (inForce?.incarnation === incarnation) {
    replica.heardMs.set(from, nowMs);
    heardOfGone(replica, out, from);
  }
  if (isLeftAlone(replica, message)) return;
  switch (message.kind) {
    case 'ask':
      hearOf(replica, out, heard, message.chosen);
      onAsk(replica, out, heard, message);
      break;
    case 'report':
      onReport(replica, out, heard, message);
      break;
    case 'joined':
      onJoined(replica, out, heard, message);
      break;
    case 'fetch':
      onFetch(replica, out, heard, message);
      break;
    case 'entries':
      onEntries(replica, out, heard, message);
      break;
    case 'canvass':
      hearOf(replica, out, heard, message.chosen);
      onCanvass(replica, out, heard);
      break;
    case 'favour':
      hearOf(replica, out, heard, message.chosen);
      onFavour(replica, out, heard, message);
      break;
    case 'promise':
      onPromise(replica, out, heard, message);
      break;
    case 'accepted':
      onAccepted(replica, out, heard, message);
      break;
    case 'granted':
      onGranted(replica, out, heard, message);
      break;
    case 'nack':
      onNack(replica, out, message);
      break;
    case 'release':
      onRelease(replica, message, nowMs);
      break;
    case 'adopted':
      onAdopted(replica, out, heard, message);
      break;
    case 'over':
      if (message.incarnation === replica.incarnation) stopSuperseded(replica, out);
      break;
    case 'retire':
      onRetire(replica, out, heard, message);
      break;
    case 'retired':
      onRetired(replica, out, heard, message);
      break;
    case 'prepare':
      replica.active = true; // who prepares knows that all members have joined
      onPrepare(replica, out, heard, message);
      break;
    case 'accept':
      replica.active = true;
      onAccept(replica, out, heard, message);
      break;
    case 'heartbeat':
      replica.active = true;
      onHeartbeat(replica, out, heard, message);
      break;
    default:
      unreachable(message);
  }
}

/** Whether the sender is a life that is known to be over. */
function isCutOff(replica: Replica, from: NodeName, incarnation: Incarnation): boolean {
  if (replica.cutOff.has(lifeOf({ node: from, incarnation }))) return true;
  const newest = newestOf(replica, from);
  if (newest !== null && from !== replica.config.node && newest.incarnation !== incarnation) {
    // A still newer life may ask; it is not the one that was cut off.
    const former = replica.members.members.find(({ node }) => node === from);
    if (former?.incarnation === incarnation) return replica.members.members.length === 2;
  }
  return isSuperseded(replica, { node: from, incarnation });
}

/**
 * Whether the message comes from another founding. It is ignored, loudly. Where most of those that this node should form a
 * cluster with are of another one, or as many as its own founding has, two clusters of one name may both serve: this node
 * stops, and says what to do, unless its keeper says that it is in force.
 */
function isForeign(replica: Replica, out: Effect[], from: NodeName, message: Message): boolean {
  if (!('cluster' in message) || (message.kind === 'ask' && message.cluster === '')) return false;
  if (replica.founded === null) return true; // not a member of anything yet: only reports matter
  const { cluster } = replica.members;
  if (message.cluster === cluster) {
    replica.foreign.delete(from);
    return false;
  }
  meetForeign(replica, out, from, message.cluster);
  return true;
}

/** At the place of a peer there is another founding. */
function meetForeign(
  replica: Replica,
  out: Effect[],
  from: NodeName,
  theirs: Incarnation,
  replaces: readonly Incarnation[] = [],
): void {
  const { cluster, members } = replica.members;
  if (replica.founded === null || theirs === cluster) return;
  if (replaces.includes(cluster)) {
    const why = `${from} is of founding ${theirs}, which took the place of ${cluster}, that of this home, by a promotion or a restore, and for ever: empty this home, and start it again`;
    out.push({ kind: 'stop', exit: 'OTHER_CLUSTER', why });
    return;
  }
  if (replica.foreign.has(from)) return;
  if (replacedBy(replica.members).includes(theirs)) {
    meetFormer(replica, out, from, theirs);
    return;
  }
  replica.foreign.add(from);
  const facts = { peer: from, theirs, ours: cluster };
  out.push({ kind: 'log', level: 'error', what: 'peer belongs to another cluster', facts });
  const { foreign, config } = replica;
  const others = othersOf(replica);
  // Whoever is in no file and no list, as a node that was removed long ago, forms no cluster with this one; but a node that is all of its
  // founding has nobody else to hear of it from than who calls it as a member of another one.
  const isAlone = members.length === 1 && members[0]?.node === config.node;
  const met = isAlone ? [...foreign] : others.filter((node) => foreign.has(node));
  const strangers = met.filter((node) => !config.learners.includes(node)).length;
  const own = members.filter(({ node }) => !foreign.has(node)).length;
  if (strangers > others.length / 2 || strangers >= own) {
    const why =
      `${[...foreign].join(', ')} ${foreign.size === 1 ? 'belongs' : 'belong'} to cluster ${theirs}, the home of this node to ${cluster}: they were founded ` +
      'apart. Decide which one is meant to live; empty the homes of the other, and start them again without --bootstrap, with a file that names all members';
    const inForce = `${[...foreign].join(', ')} ${foreign.size === 1 ? 'runs in a home' : 'run in homes'} of cluster ${theirs}, which has this one's name; the keeper says that ${cluster}, of this node, is in force: stop them, and empty their homes`;
    out.push({ kind: 'stop', exit: 'OTHER_CLUSTER', why, inForce });
  }
}

/** A node of the founding that this one took the place of: it was said to be gone. */
function meetFormer(replica: Replica, out: Effect[], from: NodeName, theirs: Incarnation): void {
  if (replica.formers.has(from)) return;
  replica.formers.add(from);
  const facts = { peer: from, theirs, ours: replica.members.cluster };
  const what =
    'a node of the founding that this one took the place of is running: stop it, and empty its home; what it told clients since is lost';
  out.push({ kind: 'log', level: 'error', what, facts });
}

/**
 * A life that was replaced or removed must not go on. It is told so by those who know, and does not end by itself: it
 * may be too far behind to learn it from the log, or the only one that knows, while others wait to learn it from it.
 */
function sayOver(replica: Replica, out: Effect[], to: NodeName, incarnation: Incarnation): void {
  send(out, to, { kind: 'over', cluster: replica.members.cluster, incarnation });
}

function stopSuperseded(replica: Replica, out: Effect[]): void {
  const { node, wished, learners } = replica.config;
  const members = replica.members.members.flatMap((each) => (each.node === node ? [] : [each.node]));
  // With such a file an empty home would found a cluster of its own, without any key.
  const isAlone = !wished.some((each) => each !== node && !learners.includes(each));
  const first = isAlone
    ? `its file names no other member: write those of the cluster into it${members.length === 0 ? '' : ` (${members.join(', ')})`}, and only then `
    : '';
  const why = `the cluster has replaced or removed ${ownLife(replica)}; ${first}empty the home to join anew, in place of ${lifeOf({ node, incarnation: replica.incarnation })}`;
  out.push({ kind: 'stop', exit: 'SUPERSEDED', why });
}
