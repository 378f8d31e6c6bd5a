/** Elections: when to campaign, the canvass before it, and phase 1. */

import { present } from '../../src/base/assert.ts';
import { isFree, promise } from './acceptor.ts';
import type { Effect, Heard } from './contract.ts';
import { choose, fetchMissing, noteHolder } from './learner.ts';
import { becomeMaster, proposePending } from './master.ts';
import type { AcceptedEntry, Of } from './messages.ts';
import { admissionsIn, countVoters, hasQuorum, highestReported, sendPrepare } from './promises.ts';
import {
  floorOf,
  isShort,
  lifeOf,
  mayVote,
  type Preparing,
  type Promised,
  persist,
  quorumOf,
  type Replica,
  send,
  votersOf,
} from './replica.ts';
import { stepDown } from './role.ts';
import { electionJitterMs } from './timing.ts';
import { type Ballot, compareBallots, type Incarnation, type NodeName } from './values.ts';

/** How much longer than others a preferred master waits that was dropped on request (leases). */
const DROPPED_LEASES = 3;

/** Campaigns where it is time and this node may; called by every tick. */
export function campaignIfDue(replica: Replica, out: Effect[], nowMs: number): void {
  const { config, role } = replica;
  if (role.kind === 'master' || !mayVote(replica)) return;
  if (isShort(replica)) return; // by the list that it holds it might be a majority alone
  if (nowMs < electionAtMs(replica) || nowMs < replica.abstainUntilMs) return;
  if (!isFree(replica, config.node, nowMs)) return; // its own vote is bound by what it granted, or forgot that it did
  if (mustLeaveItTo(replica, config.forcedMaster, nowMs)) return;
  if (role.kind === 'preparing') fetchFromBest(replica, out, role, nowMs);
  replica.electionAtMs = nowMs + config.leaseMs / 4 + electionJitterMs(replica);
  const favours = new Map([[config.node, replica.incarnation]]);
  replica.role = { kind: 'canvassing', favours };
  for (const { node } of votersOf(replica)) {
    if (node === config.node) continue;
    send(out, node, { kind: 'canvass', cluster: replica.members.cluster, chosen: replica.chosen });
  }
  prepareIfFavoured(replica, out, nowMs);
}

/** Before then this node does not campaign (ms). A preferred master that was dropped on request leaves it to others, but for want of one. */
export function electionAtMs({ config, isDropped, electionAtMs: atMs }: Replica): number {
  const waits = isDropped && config.preferredMasters.includes(config.node) && config.forcedMaster === null;
  return waits ? atMs + DROPPED_LEASES * config.leaseMs : atMs;
}

/** Nobody else than the forced master campaigns, unless it cannot: it needs a master that admits it again, or its copy. */
function mustLeaveItTo(replica: Replica, forcedMaster: NodeName | null, nowMs: number): boolean {
  const { config, peers } = replica;
  if (forcedMaster === null || forcedMaster === config.node) return false;
  const forced = peers.get(forcedMaster);
  return forced === undefined || forced.eligible || nowMs - forced.heardMs > config.leaseMs;
}

export function onFavour(
  replica: Replica,
  out: Effect[],
  { from, incarnation, nowMs }: Heard,
  message: Of<'favour'>,
): void {
  replica.highestRound = Math.max(replica.highestRound, message.promised.round);
  if (replica.role.kind !== 'canvassing' || !message.granted) return;
  replica.role.favours.set(from, incarnation);
  prepareIfFavoured(replica, out, nowMs);
}

/** Phase 1a. The ballot is durable before anyone hears of it, so that no restart can use it again. */
function prepareIfFavoured(replica: Replica, out: Effect[], nowMs: number): void {
  const { role, config } = replica;
  if (role.kind !== 'canvassing' || countVoters(replica, role.favours) < quorumOf(replica)) return;
  const own = { node: config.node, incarnation: replica.incarnation };
  const ballot: Ballot = { round: replica.highestRound + 1, node: lifeOf(own) };
  promise(replica, out, ballot);
  replica.grant = null;
  const accepted = reportAccepted(replica);
  const promises = new Map<NodeName, Promised>([
    [
      config.node,
      {
        incarnation: replica.incarnation,
        accepted,
        admissions: admissionsIn(accepted),
        chosen: replica.chosen,
        floor: floorOf(replica),
        upTo: null,
      },
    ],
  ]);
  replica.role = { kind: 'preparing', ballot, promises };
  replica.electionAtMs = nowMs + config.leaseMs / 2 + electionJitterMs(replica);
  for (const { node } of votersOf(replica)) if (node !== config.node) sendPrepare(replica, out, ballot, node);
  finishPhase1(replica, out, nowMs);
}

export function onPromise(
  replica: Replica,
  out: Effect[],
  { from, incarnation, nowMs }: Heard,
  message: Of<'promise'>,
): void {
  const { role } = replica;
  if (role.kind !== 'preparing' && role.kind !== 'master') return;
  if (compareBallots(message.ballot, role.ballot) !== 0) return;
  const { accepted, chosen, floor, upTo } = message;
  replica.watermark = Math.max(replica.watermark, chosen, floor);
  noteHolder(replica, from, chosen, nowMs);
  role.promises.set(from, { incarnation, accepted, admissions: admissionsIn(accepted), chosen, floor, upTo });
  if (role.kind === 'preparing') finishPhase1(replica, out, nowMs);
  else proposePending(replica, out, nowMs);
}

/**
 * Ends phase 1 where a quorum has promised and everything that any of them has as chosen is here. What one of them
 * merely heard to be chosen need not be: the promises hold its value, and perhaps nobody else does. Called too
 * whenever more was learnt: the quorum is that of the members then in force.
 */
export function finishPhase1(replica: Replica, out: Effect[], nowMs: number): void {
  const { role } = replica;
  if (role.kind !== 'preparing') return;
  learnFromHalf(replica, out, role);
  if (!mayVote(replica)) {
    stepDown(replica, out, 'it is no member any more'); // as it has just learnt
    return;
  }
  if (!hasQuorum(replica, role.promises)) return;
  if ([...role.promises.values()].some(({ chosen }) => chosen > replica.chosen)) {
    fetchFromBest(replica, out, role, nowMs);
    return;
  }
  if (replica.syncedRecord < replica.promisedRecord) return; // this node's own promise counts when it is durable
  becomeMaster(replica, out, role, nowMs);
}

/**
 * A slot that a promise names as chosen, since its log has dropped it, while nobody here holds it: where those who remember
 * their votes there are half of the list, the value of the highest ballot among what they accepted is the chosen one, for
 * every majority meets that half. It is recorded as learnt; then the next slot.
 */
function learnFromHalf(replica: Replica, out: Effect[], role: Preparing): void {
  for (;;) {
    const slot = replica.chosen + 1;
    const promises = [...role.promises.values()];
    if (promises.some(({ chosen }) => chosen >= slot)) return; // its value is fetched
    if (!promises.some(({ floor }) => floor >= slot)) return;
    const remembering = new Map<NodeName, Incarnation>();
    for (const [node, { incarnation, floor, upTo }] of role.promises) {
      if (floor < slot && (upTo === null || upTo >= slot)) remembering.set(node, incarnation);
    }
    if (2 * countVoters(replica, remembering) < replica.members.members.length) return;
    const best = highestReported(role.promises, replica.chosen).get(slot);
    if (best === undefined) return;
    persist(replica, out, { kind: 'learn', slot, value: best.value, chosen: slot });
    choose(replica, out, best.value, null, null);
  }
}

/** This node's own accepted values, as a promise reports them. */
function reportAccepted(replica: Replica): AcceptedEntry[] {
  return [...replica.accepted].map(([slot, { ballot, value }]) => ({ slot, ballot, value }));
}

function fetchFromBest(replica: Replica, out: Effect[], role: Preparing, nowMs: number): void {
  const others = [...role.promises].filter(([node]) => node !== replica.config.node);
  if (others.length === 0) return;
  const [best, { chosen }] = present(
    others.reduce((a, b) => (b[1].chosen > a[1].chosen ? b : a)),
    'best promise',
  );
  fetchMissing(replica, out, best, chosen, nowMs);
}
