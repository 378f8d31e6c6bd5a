/**
 * Rescue, where a majority is gone: an operator has one survivor gather all that those who are left know, and go on as the first
 * member of a new founding (docs/architecture.md, "Rescue"). Nothing of it happens by itself, nor by time.
 *
 * First everybody is fenced: who is left *retires* in this founding, durably, and reports what it voted, as in phase 1; all others
 * are gone, by the operator's word. Then what any of them holds is fetched, and above that the value of the highest ballot counts
 * in each slot: it may have been acknowledged. Once every lease has ended that a retired node may have granted, the driver is told.
 */

import { includesLife } from '../../src/identity/founding.ts';
import { report } from './acceptor.ts';
import type { Effect, Event, Heard } from './contract.ts';
import { choose, fetchMissing, noteHolder, UNAPPLIED_MAX } from './learner.ts';
import type { Message, Of } from './messages.ts';
import { highestReported } from './promises.ts';
import {
  floorOf,
  isVoter,
  knownMembers,
  othersOf,
  type Promised,
  type Promotion,
  persist,
  type Replica,
  send,
  votersOf,
} from './replica.ts';
import { stepDown } from './role.ts';
import { masterOf } from './status.ts';
import type { Incarnation, NodeName, Slot } from './values.ts';
import { unreportedOf } from './waiting.ts';

/** How often who has not retired yet is asked to (ms). */
const ASK_EVERY_MS = 100;
/** An order that is not repeated is dropped after so long (ms): whoever gave it is gone. What has retired stays so. */
const ORDER_MS = 5000;
/** A member that was not heard of for so long does not answer (ms). */
const SILENT_MS = 3000;

/** What would bind a life that has retired: it answers to none of it any more. */
const BINDING: ReadonlySet<Message['kind']> = new Set([
  'joined',
  'canvass',
  'prepare',
  'accept',
  'heartbeat',
  'adopted',
]);
/** All that one still hears that has parted. */
const PARTING: ReadonlySet<Message['kind']> = new Set(['retire', 'retired']);

/**
 * Whether a life that has retired leaves a message of that kind alone. One that has parted tells nobody what it holds, and takes
 * nothing from those who are not fenced: its history need not be that of this founding any more.
 */
export function isLeftAlone({ retired }: Replica, { kind }: Message): boolean {
  return retired !== null && (retired.hasParted ? !PARTING.has(kind) : BINDING.has(kind));
}

/** Why this node cannot be promoted while those are gone, or null. */
export function whyNotPromoted(replica: Replica, gone: readonly NodeName[], nowMs: number): string | null {
  const { config, founded, active } = replica;
  if (founded === null || !active) return `${config.node} belongs to no cluster yet`;
  if (config.learners.includes(config.node)) {
    return `${config.node} is a learner by its file: a cluster begins with a voter; take the mark out of its section and restart it first`;
  }
  const { forcedMaster } = config;
  if (forcedMaster !== null && forcedMaster !== config.node) {
    return `by its file ${forcedMaster} alone may be master: take that out of the file of ${config.node}, and restart it first`;
  }
  const master = masterOf(replica, nowMs);
  if (master !== null) return `${master} is master: the cluster works`;
  const { retired } = replica;
  if (retired !== null && retired.by !== config.node && !gone.includes(retired.by)) {
    return `${config.node} has retired, since ${retired.by} is being promoted: go on with that one, or vouch that it is gone`;
  }
  const others = othersOf(replica);
  const unknown = gone.filter((node) => !others.includes(node));
  if (unknown.length > 0) return `${unknown.join(', ')}: no other member or node of the file has that name`;
  const answering = answeringOf(replica, nowMs);
  const alive = gone.filter((node) => answering.has(node));
  if (alive.length > 0) return `${alive.join(', ')} answers: it is not gone`;
  const voters = votersOf(replica, knownMembers(replica) ?? replica.members);
  const willing = voters.filter(
    ({ node }) => answering.has(node) && replica.peers.get(node)?.votes !== false,
  );
  const own = replica.retired === null && isSelfVoter(replica) ? 1 : 0;
  if (willing.length + own > voters.length / 2) {
    const names = willing.map(({ node }) => node).join(', ');
    return `a majority of the members answers (${names}): they elect a master by themselves; status says what they wait for`;
  }
  return null;
}

/** The operator's order, again and again until it is done. Where it cannot be, nothing happens. */
export function onPromote(
  replica: Replica,
  out: Effect[],
  { gone, loseFrom, nowMs }: Extract<Event, { kind: 'promote' }>,
): void {
  const { promotion } = replica;
  if (promotion !== null && promotion.gone.join() === gone.join()) {
    promotion.untilMs = nowMs + ORDER_MS;
    promotion.loseFrom = loseFrom;
    return;
  }
  if (whyNotPromoted(replica, gone, nowMs) !== null) return;
  retire(replica, out, replica.config.node);
  replica.promotion = {
    gone,
    loseFrom,
    reports: new Map(),
    refusals: new Map(),
    untilMs: nowMs + ORDER_MS,
    askedMs: Number.NEGATIVE_INFINITY,
    reportedMs: null,
    isDone: false,
  };
  const facts = { gone: gone.join(', ') };
  out.push({ kind: 'log', level: 'warn', what: 'promotion: fencing the members that are left', facts });
}

/** In this founding this life never promises, votes, grants or serves again. */
function retire(replica: Replica, out: Effect[], by: NodeName): void {
  if (replica.retired !== null) return;
  stepDown(replica, out, `it has retired, by the order that promotes ${by}`);
  replica.retired = {
    by,
    hasParted: false,
    record: persist(replica, out, { kind: 'retired', by, hasParted: false }),
  };
}

/** A survivor that is being promoted asks this one to retire, and what it voted. */
export function onRetire(
  replica: Replica,
  out: Effect[],
  { from, nowMs }: Heard,
  message: Of<'retire'>,
): void {
  const { cluster } = replica.members;
  const master = masterOf(replica, nowMs);
  const known = { chosen: replica.chosen, floor: floorOf(replica) };
  const why =
    replica.retired?.by === replica.config.node
      ? 'it is being promoted itself'
      : replica.retired === null && master !== null
        ? `${master} is master, as far as it knows`
        : null;
  if (why !== null) {
    send(out, from, { kind: 'retired', cluster, accepted: [], ...known, upTo: null, why });
    return;
  }
  retire(replica, out, from);
  const { accepted, upTo } = report(replica, message.from);
  // What is reported is durable: a vote that a crash takes back was never one.
  const after = replica.nextRecord - 1;
  send(out, from, { kind: 'retired', cluster, accepted, ...known, upTo, why: null }, after);
}

/** One of those that are left has retired, or says why not. */
export function onRetired(
  replica: Replica,
  out: Effect[],
  { from, incarnation, nowMs }: Heard,
  message: Of<'retired'>,
): void {
  const { promotion } = replica;
  if (promotion === null) return;
  const { accepted, chosen, floor, upTo, why } = message;
  if (why !== null) {
    promotion.refusals.set(from, why);
    return;
  }
  if (isOtherLife(replica, from, incarnation)) {
    promotion.refusals.set(
      from,
      'it answers in another life than the one that votes, whose home must be gone',
    );
    return;
  }
  promotion.refusals.delete(from);
  promotion.reports.set(from, { incarnation, accepted, admissions: [], chosen, floor, upTo });
  replica.watermark = Math.max(replica.watermark, chosen, floor);
  noteHolder(replica, from, chosen, nowMs);
  goOnPromoting(replica, out, nowMs);
}

/** One that is said to be gone has spoken, in the life that votes: the order rests on an error, and ends. */
export function heardOfGone(replica: Replica, out: Effect[], from: NodeName): void {
  if (replica.promotion?.gone.includes(from) !== true) return;
  replica.promotion = null;
  out.push({
    kind: 'log',
    level: 'error',
    what: 'promotion: a node that is said to be gone answers; given up, and this node stays retired',
    facts: { node: from },
  });
}

/** Asks who has not retired yet, and goes on; called by every tick. */
export function tickPromotion(replica: Replica, out: Effect[], nowMs: number): void {
  const { promotion } = replica;
  if (promotion === null || promotion.isDone) return;
  if (nowMs > promotion.untilMs) {
    replica.promotion = null;
    const what = 'promotion: the order was not repeated, and is dropped; who has retired stays so';
    out.push({ kind: 'log', level: 'warn', what, facts: {} });
    return;
  }
  if (nowMs - promotion.askedMs >= ASK_EVERY_MS) {
    promotion.askedMs = nowMs;
    const { cluster } = replica.members;
    const from = replica.chosen + 1;
    for (const to of unreportedOf(replica, promotion))
      send(out, to, { kind: 'retire', cluster, from }, replica.retired?.record ?? 0);
  }
  goOnPromoting(replica, out, nowMs);
}

/**
 * Once all have reported: fetches what any of them holds, waits until no lease can hold any more, and then takes what was merely
 * accepted.
 */
export function goOnPromoting(replica: Replica, out: Effect[], nowMs: number): void {
  const { promotion, config, retired } = replica;
  if (promotion === null || retired === null || promotion.isDone) return;
  if (unreportedOf(replica, promotion).length > 0) return;
  promotion.reportedMs ??= nowMs;
  const best = bestHolder(promotion);
  if (best !== null && best.chosen > replica.chosen) {
    if (!retired.hasParted) fetchMissing(replica, out, best.node, best.chosen, nowMs);
    return;
  }
  if (nowMs < promotion.reportedMs + config.leaseMs + config.driftMs) return;
  takeAccepted(replica, out, promotion);
  if (unreportedOf(replica, promotion).length > 0) return;
  if (lastKnown(replica, promotion) > replica.chosen && !isLossOrdered(replica, promotion)) return;
  if (replica.applied < replica.chosen || replica.syncedRecord < replica.nextRecord - 1) return;
  promotion.isDone = true;
  out.push({ kind: 'promoted', slot: replica.chosen, members: replica.members });
}

/**
 * Takes in each slot the accepted value of the highest ballot, and a no-op where nobody has one above all that is known to be
 * chosen. A slot that is known to be chosen, and that nobody who is left has, is lost: what follows it would rest on a gap, so it
 * ends there, and goes on only where the order says that all from that slot on is given up. Before the first of them it *parts*, durably: what it holds from then on was chosen by an order, and need not be what
 * those chose who were said to be gone.
 */
function takeAccepted(replica: Replica, out: Effect[], promotion: Promotion): void {
  const last = lastKnown(replica, promotion);
  if (last <= replica.chosen) return;
  const complete = Math.min(last, ...[...promotion.reports.values()].map(({ upTo }) => upTo ?? last));
  const best = highestReported(allReports(replica, promotion), replica.chosen);
  while (replica.chosen < complete && replica.chosen - replica.applied <= UNAPPLIED_MAX) {
    const slot = replica.chosen + 1;
    const value = best.get(slot)?.value ?? (slot > replica.watermark ? ({ kind: 'noop' } as const) : null);
    if (value === null) return;
    part(replica, out);
    persist(replica, out, { kind: 'learn', slot, value, chosen: slot });
    choose(replica, out, value, null, null);
  }
  // A report that was too long is asked for again, from where it ended.
  for (const [node, { upTo }] of [...promotion.reports])
    if (upTo !== null && upTo <= replica.chosen) promotion.reports.delete(node);
}

/** Whether the next slot is one that is lost, and the order gives up all from there on. */
function isLossOrdered(replica: Replica, promotion: Promotion): boolean {
  const { loseFrom } = promotion;
  const slot = replica.chosen + 1;
  // Who holds nothing at all is no survivor.
  if (loseFrom === null || slot < loseFrom || slot > replica.watermark || replica.chosen === 0) return false;
  return !highestReported(allReports(replica, promotion), replica.chosen).has(slot);
}

function part(replica: Replica, out: Effect[]): void {
  const { retired } = replica;
  if (retired === null || retired.hasParted) return;
  const { by } = retired;
  replica.retired = {
    by,
    hasParted: true,
    record: persist(replica, out, { kind: 'retired', by, hasParted: true }),
  };
}

function allReports(replica: Replica, { reports }: Promotion): Map<NodeName, Promised> {
  const accepted = [...replica.accepted].map(([slot, { ballot, value }]) => ({ slot, ballot, value }));
  const own: Promised = {
    incarnation: replica.incarnation,
    accepted,
    admissions: [],
    chosen: replica.chosen,
    floor: floorOf(replica),
    upTo: null,
  };
  return new Map([...reports, [replica.config.node, own]]);
}

/** The highest slot of which anybody who is left knows anything. */
function lastKnown(replica: Replica, promotion: Promotion): Slot {
  let last = replica.watermark;
  for (const { accepted } of allReports(replica, promotion).values())
    for (const { slot } of accepted) if (slot > last) last = slot;
  return last;
}

function bestHolder({ reports }: Promotion): { readonly node: NodeName; readonly chosen: Slot } | null {
  let best: { readonly node: NodeName; readonly chosen: Slot } | null = null;
  for (const [node, { chosen }] of reports)
    if (best === null || chosen > best.chosen) best = { node, chosen };
  return best;
}

/** Members that were heard of lately, in the lives that vote. */
function answeringOf({ heardMs }: Replica, nowMs: number): Set<NodeName> {
  return new Set([...heardMs].filter(([, atMs]) => nowMs - atMs <= SILENT_MS).map(([node]) => node));
}

function isSelfVoter(replica: Replica): boolean {
  const list = knownMembers(replica);
  return list !== null && isVoter(replica, replica.config.node, replica.incarnation, list);
}

/** Whether another life of that node votes: where its home is, nobody can tell from this one. */
function isOtherLife(replica: Replica, node: NodeName, incarnation: Incarnation): boolean {
  const voters = votersOf(replica);
  return voters.some((voter) => voter.node === node) && !includesLife(voters, { node, incarnation });
}
