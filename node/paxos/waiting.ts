/** What a node waits for, and for whom: decides when it asks everyone, and tells people (docs/architecture.md, "A lost store"). */

import { unreachable } from '../../src/base/assert.ts';
import type { Effect } from './contract.ts';
import { nextOf } from './gathering.ts';
import { UNAPPLIED_MAX } from './learner.ts';
import { floorOf, isShort, knownMembers, othersOf, type Promotion, type Replica } from './replica.ts';
import type { NodeName, Slot } from './values.ts';

/** How often a node that goes on waiting says so (ms). */
const SAY_EVERY_MS = 10_000;
/** A peer that was not heard of for so long is not seen (ms). */
const SEEN_MS = 3000;
/** Known chosen slots may be missing for so long before everyone is asked (ms): most come by themselves. */
const STUCK_MS = 100;

/** Notes whether this node is getting on, and says at each change, and from time to time, what it waits for. */
export function tickWaiting(replica: Replica, out: Effect[], nowMs: number): void {
  const { chosen, lookedAt, waiting, config } = replica;
  if (chosen !== lookedAt.chosen || chosen >= replica.watermark)
    replica.lookedAt = { chosen, sinceMs: nowMs };
  const isWorthSaying = isShort(replica) || nowMs - replica.lookedAt.sinceMs > config.leaseMs;
  const what = isWorthSaying ? (lackOf(replica, nowMs) ?? '') : '';
  if (what === waiting.said && (what === '' || nowMs - waiting.saidMs < SAY_EVERY_MS)) return;
  if (what !== waiting.said && nowMs - waiting.saidMs < config.leaseMs) return; // who fetches page by page says so once
  replica.waiting = { said: what, saidMs: nowMs };
  if (what !== '') out.push({ kind: 'log', level: 'warn', what, facts: {} });
}

/** Whether this node knows chosen slots that it does not hold, and nothing is under way that would bring them. */
export function isStuck(replica: Replica, nowMs: number): boolean {
  const { chosen, applied, watermark, fetching, installing, lookedAt } = replica;
  if (chosen >= watermark || installing !== null) return false;
  if (fetching !== null && nowMs < fetching.untilMs) return false;
  if (chosen - applied > UNAPPLIED_MAX) return false;
  return isShort(replica) || nowMs - lookedAt.sinceMs >= STUCK_MS;
}

/** For people: what this node waits for, and for whom; null where it waits for nothing. */
export function waitsFor(replica: Replica, nowMs: number): string | null {
  return joiningOf(replica) ?? retiredOf(replica, nowMs) ?? lackOf(replica, nowMs);
}

/** A life that has retired serves nothing any more. */
function retiredOf(replica: Replica, nowMs: number): string | null {
  const { retired, promotion, config } = replica;
  if (retired === null) return null;
  if (promotion !== null) return `promotion: ${promotionWaitsFor(replica, promotion, nowMs)}`;
  const again = `nursery rescue promote --node ${retired.by} goes on; where the cluster works without this node, empty its home`;
  if (retired.by === config.node) return `this node has retired: it was being promoted itself, and ${again}`;
  return `this node has retired: ${retired.by} is being promoted in its founding; ${again}`;
}

function promotionWaitsFor(replica: Replica, promotion: Promotion, nowMs: number): string {
  const { chosen, watermark, retired, syncedRecord } = replica;
  if (syncedRecord < (retired?.record ?? 0)) return 'waiting for the disk of this node, where it is recorded';
  const next = nextOf(replica, promotion, nowMs);
  switch (next.kind) {
    case 'unreported': {
      const names = next.nodes.map(
        (node) => `${node} (${promotion.refusals.get(node) ?? 'does not answer'})`,
      );
      return `waiting for ${names.join(', ')} to retire`;
    }
    case 'overtaken':
      return `${next.node} has gone on since this one began to be promoted: promote ${next.node} in its place, and empty this home`;
    case 'fetch':
      return `fetching slots ${slotsOf(chosen + 1, next.upTo)} from ${next.from}`;
    case 'lease':
      return 'all who are left have retired; waiting until no lease can hold';
    case 'lost':
      if (chosen === 0) return 'this node holds nothing, and nobody who is left does: restore a backup';
      return `slots ${slotsOf(next.slot, watermark)} were chosen, and not all of them are left: --lose-from ${next.slot} gives up what follows slot ${next.slot - 1}`;
    case 'take':
    case 'done':
      return `all that is left is here; waiting until it is stored, up to slot ${chosen}`;
    default:
      return unreachable(next);
  }
}

function joiningOf({ founded, active, config, emptyHomes, joined, foreign }: Replica): string | null {
  if (active) return null;
  const others = config.wished.filter((node) => node !== config.node && !config.learners.includes(node));
  if (founded === null) {
    const silent = others.filter((node) => !emptyHomes.has(node));
    if (silent.length > 0) return `this home is empty: waiting for ${silent.join(', ')} (not seen)`;
    return `all homes are empty: waiting for ${[config.node, ...others].sort()[0]} to found the cluster`;
  }
  const missing = founded.state.members.filter(({ node }) => node !== config.node && !joined.has(node));
  const named = missing.map(({ node }) => (foreign.has(node) ? `${node} (of another cluster)` : node));
  return `the cluster is founded: waiting for ${named.join(', ')} to join`;
}

function lackOf(replica: Replica, nowMs: number): string | null {
  const { chosen, watermark, fetching, installing, role } = replica;
  if (chosen >= watermark) return null;
  const floor = floorOf(replica);
  const store = chosen < floor ? `store at slot ${chosen}, log begins at ${floor + 1}: ` : '';
  const last = chosen < floor ? floor : watermark;
  const missing = slotsOf(chosen + 1, last);
  const from = installing ?? (fetching !== null && nowMs < fetching.untilMs ? fetching.from : null);
  if (from !== null) return `${store}fetching ${missing} from ${from}`;
  const having = othersSeen(replica, nowMs).filter(
    (node) => (replica.holders.get(node)?.chosen ?? 0) >= last,
  );
  if (having.length > 0)
    return `${store}slots ${missing} are chosen, and to be fetched from ${having.join(', ')}`;
  const repair =
    chosen < floor
      ? `; start them, or put a copy of the store of slot ${floor} or later back; never empty another home`
      : '';
  return `${store}slots ${missing} are chosen, nobody reachable holds them${forgot(replica, role)}: waiting for ${peersOf(replica, nowMs)}${repair}`;
}

/** Of a candidate: whose promises do not count yet, and why. */
function forgot({ chosen }: Replica, role: Replica['role']): string {
  if (role.kind !== 'preparing') return '';
  const names = [...role.promises].filter(([, { floor }]) => floor > chosen);
  return names
    .map(([node, { floor }]) => `; ${node} forgot its votes up to slot ${floor}, this node holds ${chosen}`)
    .join('');
}

/** Those that are not seen; where all are, everyone with what they hold. */
function peersOf(replica: Replica, nowMs: number): string {
  const { holders, config, installing } = replica;
  // Whoever tells what it holds, too: a file that names nobody else, and a list that is long outdated, know of nobody.
  const names = new Set([...othersOf(replica), ...holders.keys()]);
  for (const { node } of knownMembers(replica)?.members ?? []) if (node !== config.node) names.add(node);
  const seen = othersSeen(replica, nowMs);
  const missing = [...names].filter((node) => !seen.includes(node) && node !== installing);
  if (missing.length > 0) return missing.map((node) => `${node} (not seen)`).join(', ');
  const said = [...names].map((node) => `${node} (holds ${holders.get(node)?.chosen ?? 0})`).join(', ');
  return said === '' ? 'other members, of which its file names none' : said;
}

function othersSeen({ holders }: Replica, nowMs: number): NodeName[] {
  return [...holders].filter(([, { heardMs }]) => nowMs - heardMs < SEEN_MS).map(([node]) => node);
}

function slotsOf(first: Slot, last: Slot): string {
  return first === last ? `${first}` : `${first} to ${last}`;
}
