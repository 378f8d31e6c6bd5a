/**
 * Rescue, where a majority is gone: an operator has one survivor gather all that those who are left know, and go on as the first
 * member of a new founding (docs/architecture.md, "Rescue"). Nothing of it happens by itself, nor by time.
 *
 * First everybody is fenced: who is left *retires* in this founding, durably, and reports what it voted, as in phase 1; all others
 * are gone, by the operator's word. Then what any of them holds is fetched, and above that the value of the highest ballot counts
 * in each slot: it may have been acknowledged. Once every lease has ended that a retired node may have granted, the driver is told.
 */

import { notGone } from '../../src/base/names.ts';
import { report } from './acceptor.ts';
import type { Effect, Event, Heard } from './contract.ts';
import { askedFrom, isOtherLife, nextOf } from './gathering.ts';
import { choose, fetchMissing, noteHolder } from './learner.ts';
import type { Message, Of } from './messages.ts';
import {
  floorOf,
  isVoter,
  knownMembers,
  othersOf,
  type Promotion,
  persist,
  type Replica,
  send,
  votersOf,
} from './replica.ts';
import { stepDown } from './role.ts';
import { masterOf } from './status.ts';
import type { NodeName, Retirement, Value } from './values.ts';

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
  return retired !== null && (retired.parted === null ? BINDING.has(kind) : !PARTING.has(kind));
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
  const unknown = gone.filter((node) => node !== config.node && !others.includes(node));
  if (unknown.length > 0) return `${unknown.join(', ')}: no other member or node of the file has that name`;
  const answering = answeringOf(replica, nowMs);
  const alive = gone.filter((node) => answering.has(node));
  if (alive.length > 0) return notGone(alive);
  if (!isSelfVoter(replica) && !gone.includes(config.node)) {
    return `this home of ${config.node} is no member yet, and may hold a part of what was acknowledged: rather restore a backup; --gone ${config.node} vouches that its former home is gone too, and that what this one lacks is given up`;
  }
  // Who lacks what was chosen, or has retired for an order that came to nothing, elects nobody, and need not be elected.
  const voters = votersOf(replica, knownMembers(replica) ?? replica.members);
  const willing = voters.filter(
    ({ node, incarnation }) =>
      answering.has(node) &&
      replica.peers.get(node)?.eligible !== false &&
      replica.retirees.get(node) !== incarnation,
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
  if (promotion !== null && [...promotion.gone].sort().join() === [...gone].sort().join()) {
    promotion.untilMs = nowMs + ORDER_MS;
    promotion.loseFrom = loseFrom;
    return;
  }
  // Until then who runs may not have been heard.
  if (nowMs - replica.startedMs < SILENT_MS) return;
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

/** In this founding this life never promises, votes, grants or serves again; it reports to whoever it retired for last. */
function retire(replica: Replica, out: Effect[], by: NodeName): void {
  const { retired } = replica;
  if (retired?.by === by) return;
  if (retired === null) stepDown(replica, out, `it has retired, by the order that promotes ${by}`);
  replica.retired = retirementOf(replica, out, { by, parted: retired?.parted ?? null });
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
  const { promotion, retired, chosen, watermark } = replica;
  const why =
    promotion !== null || (retired !== null && retired.parted !== null)
      ? 'it is being promoted itself'
      : retired === null && master !== null
        ? `${master} is master, as far as it knows`
        : null;
  const said = {
    kind: 'retired',
    cluster,
    from: message.from,
    chosen,
    known: watermark,
    floor: floorOf(replica),
  } as const;
  if (why !== null) {
    send(out, from, { ...said, accepted: [], upTo: null, why });
    return;
  }
  retire(replica, out, from);
  // What is reported is durable: a vote that a crash takes back was never one. Until then one answer is enough.
  const after = replica.nextRecord - 1;
  if (retired?.by === from && replica.syncedRecord < after) return;
  send(out, from, { ...said, ...report(replica, message.from), why: null }, after);
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
  const { accepted, chosen, known, floor, upTo, why } = message;
  if (why !== null) {
    promotion.refusals.set(from, why);
    return;
  }
  if (isOtherLife(replica, from, incarnation)) {
    promotion.refusals.set(
      from,
      'it answers in another life than the one that votes: stop it first, and say that its home is gone',
    );
    return;
  }
  // One that was asked for before this process began, or by an order before this one, may begin too late.
  if (message.from > askedFrom(replica)) return;
  promotion.refusals.delete(from);
  promotion.reports.set(from, { incarnation, accepted, admissions: [], chosen, floor, upTo });
  replica.watermark = Math.max(replica.watermark, known);
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
    const from = askedFrom(replica);
    const next = nextOf(replica, promotion, nowMs);
    for (const to of next.kind === 'unreported' ? next.nodes : [])
      send(out, to, { kind: 'retire', cluster, from }, replica.retired?.record ?? 0);
  }
  goOnPromoting(replica, out, nowMs);
}

/** Goes on with what `nextOf` says, once more is here or some time has passed. */
export function goOnPromoting(replica: Replica, out: Effect[], nowMs: number): void {
  const { promotion, retired } = replica;
  if (promotion === null || retired === null || promotion.isDone) return;
  let next = nextOf(replica, promotion, nowMs);
  if (next.kind !== 'unreported') promotion.reportedMs ??= nowMs;
  if (next.kind === 'fetch') fetchMissing(replica, out, next.from, next.upTo, nowMs);
  if (next.kind === 'take') {
    take(replica, out, promotion, next.values);
    next = nextOf(replica, promotion, nowMs);
  }
  if (next.kind !== 'done') return;
  promotion.isDone = true;
  out.push({ kind: 'promoted', slot: replica.chosen, members: replica.members });
}

/**
 * Takes values for chosen. Before the first of them this node *parts*, durably: what it holds from then on was chosen by an order,
 * and need not be what those chose who were said to be gone.
 */
function take(replica: Replica, out: Effect[], { gone, reports }: Promotion, values: readonly Value[]): void {
  if (values.length === 0) return;
  const { retired } = replica;
  if (retired !== null && retired.parted === null) {
    const { chosen: at } = replica;
    replica.retired = retirementOf(replica, out, { by: retired.by, parted: { at, gone: [...gone] } });
    const facts = { slots: `${at + 1}..`, gone: gone.join(', ') };
    out.push({ kind: 'log', level: 'warn', what: 'promotion: what was merely accepted is taken', facts });
  }
  for (const value of values) {
    const slot = replica.chosen + 1;
    persist(replica, out, { kind: 'learn', slot, value, chosen: slot });
    choose(replica, out, value, null, null);
  }
  // A report that was too long is asked for again, from where it ended.
  for (const [node, { upTo }] of [...reports])
    if (upTo !== null && upTo <= replica.chosen) reports.delete(node);
}

function retirementOf(replica: Replica, out: Effect[], retirement: Retirement): Replica['retired'] {
  return { ...retirement, record: persist(replica, out, { kind: 'retired', ...retirement }) };
}

/** Who was heard of lately: members in the lives that vote, and those that are in no list, such as learners. */
function answeringOf({ heardMs, peers, members }: Replica, nowMs: number): Set<NodeName> {
  const isRecent = (atMs: number): boolean => nowMs - atMs <= SILENT_MS;
  const listed = [...heardMs].filter(([, atMs]) => isRecent(atMs)).map(([node]) => node);
  const isListed = (node: NodeName): boolean => members.members.some((member) => member.node === node);
  const unlisted = [...peers].filter(([node, peer]) => isRecent(peer.heardMs) && !isListed(node));
  return new Set([...listed, ...unlisted.map(([node]) => node)]);
}

function isSelfVoter(replica: Replica): boolean {
  const list = knownMembers(replica) ?? replica.members;
  return isVoter(replica, replica.config.node, replica.incarnation, list);
}
