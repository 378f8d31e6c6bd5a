/**
 * How a cluster begins, and how an empty home finds its cluster.
 *
 * A majority with empty homes must not found a new, empty cluster and tell clients that their keys do not exist: a
 * cluster begins only when all members of the INI report empty homes, the first by name founds it, the founding
 * names every member's life, and nobody votes before all of them have durably joined.
 */

import { includesLife } from '../../src/identity/founding.ts';
import { accept, promise } from './acceptor.ts';
import type { Effect, Heard } from './contract.ts';
import { fetchMissing, hearOf } from './learner.ts';
import { entitle, isSuperseded } from './members.ts';
import type { Of } from './messages.ts';
import {
  isEligible,
  isShort,
  lifeOf,
  mayVote,
  newestOf,
  othersOf,
  persist,
  type Replica,
  send,
  votesAbove,
} from './replica.ts';
import {
  compareBallots,
  type Incarnation,
  type Member,
  type MembersState,
  type NodeName,
  type RecordNumber,
} from './values.ts';
import { isStuck } from './waiting.ts';

/** How often an empty home asks, and a member that waits for others to join says that it has (ms). */
const ASK_EVERY_MS = 100;
/** An empty home that has asked nothing for so long is another life by now, or has joined (ms). */
const SILENT_MS = 3000;
/** With `bootstrap`: how long to wait for other empty homes before founding without them (ms). */
const BOOTSTRAP_WAIT_MS = 3000;
/** How long learners may take to say whether they belong to a cluster, before one is founded without their word (ms). */
const LEARNERS_WAIT_MS = 3000;

/** Asks, founds, or says that it has joined; called by every tick, and silent once this node may vote and lacks nothing. */
export function tickFounding(replica: Replica, out: Effect[], nowMs: number): void {
  if (nowMs - replica.lastAskMs < ASK_EVERY_MS) return;
  replica.lastAskMs = nowMs;
  const { cluster } = replica.members;
  if (replica.founded === null) {
    ask(replica, out, '', replica.bornRecord);
    foundIfAllEmpty(replica, out, nowMs);
  } else if (!replica.active) {
    for (const to of othersOf(replica)) {
      send(out, to, { kind: 'joined', cluster, active: false }, replica.founded.record);
    }
    activateIfAllJoined(replica, out);
  } else {
    if (replica.retired !== null && replica.retired.parted !== null) return;
    // A wiped member of a cluster of two is heard by nobody else, and need not even know yet that it is a member.
    const isNewcomer = !mayVote(replica) && !replica.config.learners.includes(replica.config.node);
    if (isNewcomer || isStuck(replica, nowMs)) ask(replica, out, cluster, 0);
  }
}

/** Asks everyone, learners too: whoever holds more will say so. */
function ask(replica: Replica, out: Effect[], cluster: string, after: RecordNumber): void {
  const votes = mayVote(replica);
  const eligible = isEligible(replica);
  const { chosen, echoes } = replica;
  const isRetired = replica.retired !== null;
  for (const to of othersOf(replica)) {
    const echo = echoes.get(to) ?? 0;
    send(out, to, { kind: 'ask', cluster, chosen, votes, eligible, isRetired, echo }, after);
  }
}

/** An empty home asks, or a node that has no vote, or one that lacks what was chosen. */
export function onAsk(
  replica: Replica,
  out: Effect[],
  { from, incarnation, nowMs }: Heard,
  message: Of<'ask'>,
): void {
  const { chosen, votes, eligible, isRetired } = message;
  const { founded, active, saidEmptyTo } = replica;
  const { bootstrap } = replica.config;
  if (founded === null) {
    saidEmptyTo.set(from, { incarnation, atMs: nowMs });
    const empty = { founded: null, active: false, chosen: 0, bootstrap, challenge: 0 } as const;
    send(out, from, { kind: 'report', asker: incarnation, ...empty }, replica.bornRecord);
    return;
  }
  // The founding that a life has retired in is over: nobody joins it.
  if (replica.retired !== null && message.cluster === '') return;
  const challenge = challengeOf(replica, from, incarnation);
  const isPresent = challenge === 0 || message.echo === challenge;
  if (isRetired) replica.retirees.set(from, incarnation);
  // One that has retired would be admitted again and again, and never vote.
  if (active && isPresent && !isRetired)
    replica.peers.set(from, {
      incarnation,
      heardMs: nowMs,
      chosen,
      applied: chosen,
      votes,
      eligible,
    });
  const { state, genesis, record } = founded;
  const known = { founded: { state, genesis }, active, chosen: replica.chosen, bootstrap, challenge };
  send(out, from, { kind: 'report', asker: incarnation, ...known }, record);
  if (isPresent && !votes && !isRetired) adoptPartner(replica, out, { node: from, incarnation });
}

/**
 * What a life that is not known as the present one of its node must repeat before anything is done for it: a question
 * of a life that is over may come late, after those of its successor. 0 where it need repeat nothing.
 */
function challengeOf(replica: Replica, node: NodeName, incarnation: Incarnation): number {
  const isListed = includesLife(replica.members.members, { node, incarnation });
  if (isListed || newestOf(replica, node)?.incarnation === incarnation) return 0;
  const known = replica.challenges.get(node);
  if (known?.incarnation === incarnation) return known.number;
  const number = replica.nextChallenge;
  replica.nextChallenge += 1;
  replica.challenges.set(node, { incarnation, number });
  return number;
}

export function onReport(replica: Replica, out: Effect[], heard: Heard, message: Of<'report'>): void {
  const { from, incarnation, nowMs } = heard;
  if (message.asker !== replica.incarnation) return; // an answer to a former life
  const { founded } = message;
  replica.echoes.set(from, message.challenge);
  if (replica.founded !== null) {
    if (!message.active || founded?.state.cluster !== replica.members.cluster) return;
    replica.active = true;
    hearOf(replica, out, heard, message.chosen);
    return;
  }
  if (founded === null) {
    replica.emptyHomes.set(from, incarnation);
    if (message.bootstrap) replica.bootstrapping.add(from);
    foundIfAllEmpty(replica, out, nowMs);
    return;
  }
  if (message.active || isTrusted(replica, founded.state, nowMs)) {
    join(replica, out, founded.state, founded.genesis, message.active, nowMs);
  }
}

/** A founding member has durably joined, or the whole cluster has. */
export function onJoined(
  replica: Replica,
  out: Effect[],
  { from, incarnation }: Heard,
  message: Of<'joined'>,
): void {
  const { founded } = replica;
  if (founded === null) return;
  if (message.active) replica.active = true;
  if (includesLife(founded.state.members, { node: from, incarnation })) replica.joined.add(from);
  activateIfAllJoined(replica, out);
  if (replica.active && !message.active) {
    send(out, from, { kind: 'joined', cluster: replica.members.cluster, active: true });
  }
}

/** Own founding record is durable: it counts like the others' word. */
export function activateIfAllJoined(replica: Replica, out: Effect[]): void {
  const { founded, active, joined, config, syncedRecord } = replica;
  if (founded === null || active || syncedRecord < founded.record) return;
  const missing = founded.state.members.filter(({ node }) => node !== config.node && !joined.has(node));
  if (missing.length > 0) return;
  replica.active = true;
  out.push({
    kind: 'log',
    level: 'info',
    what: 'cluster is active',
    facts: { founding: founded.state.cluster },
  });
}

/**
 * In a cluster of two, the partner that was wiped, or that cannot tell at which ballot it was admitted, gets all that
 * this node promised, accepted and knows: every value that was ever chosen is among it. Before it is told, its former
 * life is durably cut off.
 */
function adoptPartner(replica: Replica, out: Effect[], partner: Member): void {
  const { members, cluster } = replica.members;
  const former = members.find(({ node }) => node === partner.node);
  if (members.length !== 2 || former === undefined || !mayVote(replica)) return;
  if (isShort(replica)) return; // what it forgot may be with the life that it would cut off, and the list may be outdated
  if (isSuperseded(replica, partner) || replica.cutOff.has(lifeOf(partner))) return;
  let record = replica.supersededBy.get(partner.node);
  if (record?.incarnation !== partner.incarnation) {
    if (record !== undefined) {
      // The life in between was never admitted; it is over as well.
      replica.cutOff.add(lifeOf({ node: partner.node, incarnation: record.incarnation }));
    }
    const { incarnation } = partner;
    record = { incarnation, record: persist(replica, out, { kind: 'supersede', ...partner }) };
    replica.supersededBy.set(partner.node, record);
  }
  const accepted = [...replica.accepted].map(([slot, { ballot, value }]) => ({ slot, ballot, value }));
  const { promised, chosen } = replica;
  send(
    out,
    partner.node,
    { kind: 'adopted', cluster, incarnation: partner.incarnation, promised, accepted, chosen },
    Math.max(record.record, replica.promisedRecord),
  );
}

/** The other of two has cut off this node's former life: with all that the other knows, this one may vote. */
export function onAdopted(
  replica: Replica,
  out: Effect[],
  { from, incarnation, nowMs }: Heard,
  message: Of<'adopted'>,
): void {
  if (message.incarnation !== replica.incarnation || mayVote(replica)) return;
  replica.watermark = Math.max(replica.watermark, message.chosen);
  if (replica.chosen < message.chosen) {
    fetchMissing(replica, out, from, message.chosen, nowMs); // it asks again, and is answered again, when that is here
    return;
  }
  if (compareBallots(message.promised, replica.promised) > 0) promise(replica, out, message.promised);
  for (const { slot, ballot, value } of message.accepted) {
    const known = replica.accepted.get(slot);
    if (slot > votesAbove(replica) && (known === undefined || compareBallots(known.ballot, ballot) < 0)) {
      accept(replica, out, slot, ballot, value);
    }
  }
  // The other may itself vote in a life that the list does not name yet, and only it remembers so.
  const listed = replica.members.members.find(({ node }) => node === from);
  if (listed !== undefined && listed.incarnation !== incarnation) {
    const record = persist(replica, out, { kind: 'supersede', node: from, incarnation });
    replica.supersededBy.set(from, { incarnation, record });
  }
  entitle(replica, out);
}

/**
 * A founding that is not active yet is believed only where it comes from the life that this node reported to: another one may found anew.
 * An empty home asks on and on; of a life that has not asked for long the question may have come late, after those of its successor.
 */
function isTrusted(replica: Replica, state: MembersState, nowMs: number): boolean {
  return state.members.every(({ node, incarnation }) => {
    const said = replica.saidEmptyTo.get(node);
    return said === undefined || said.incarnation === incarnation || nowMs - said.atMs >= SILENT_MS;
  });
}

function foundIfAllEmpty(replica: Replica, out: Effect[], nowMs: number): void {
  const { config, emptyHomes, incarnation, startedMs } = replica;
  const voters = config.wished.filter((node) => !config.learners.includes(node)).sort();
  const all = voters.every((node) => node === config.node || emptyHomes.has(node));
  // Of several that found with `--bootstrap` and hear each other, the first by name does.
  const isFirst = voters.every((node) => node >= config.node || !replica.bootstrapping.has(node));
  const forced = config.bootstrap && isFirst && nowMs - startedMs >= BOOTSTRAP_WAIT_MS;
  if (!replica.mayFound || (!forced && !(all && voters[0] === config.node))) return;
  // They vote for nothing, but may be all that is left of a cluster.
  const silent = config.learners.some((node) => node !== config.node && !emptyHomes.has(node));
  if (silent && nowMs - startedMs < LEARNERS_WAIT_MS) return;
  const members = voters
    .filter((node) => node === config.node || emptyHomes.has(node))
    .map((node) => ({
      node,
      incarnation: node === config.node ? incarnation : (emptyHomes.get(node) ?? ''),
    }));
  const state: MembersState = { cluster: incarnation, members, superseded: [] };
  out.push({ kind: 'log', level: 'info', what: 'founding a cluster', facts: { members: members.length } });
  join(replica, out, state, config.genesis, false, nowMs);
}

/** Durably becomes part of the cluster; the founder too. */
function join(
  replica: Replica,
  out: Effect[],
  state: MembersState,
  genesis: Uint8Array,
  active: boolean,
  nowMs: number,
): void {
  const record = persist(replica, out, { kind: 'founded', state, genesis });
  replica.founded = { state, genesis, record };
  replica.members = state;
  replica.active = active;
  replica.lastAskMs = Number.NEGATIVE_INFINITY;
  const founding = state.members.some(
    (m) => m.node === replica.config.node && m.incarnation === replica.incarnation,
  );
  // One that is not a founding member may have granted a lease in a former life.
  if (!founding) replica.waitUntilMs = nowMs + replica.config.leaseMs;
  out.push({ kind: 'found', state, genesis });
}
