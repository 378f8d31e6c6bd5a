/** The keeper's register: which founding of each cluster id is in force, who its members are, and where they are reached. */

import {
  type Claim,
  type ClaimedAddress,
  type Introduction,
  includesLife,
  isSameLife,
  type KnownLife,
  knownClusterCodec,
  type Self,
  type Standing,
  type Verdict,
} from '../../src/identity/founding.ts';
import { covers, printRange, type Range, subtract } from '../../src/keyspace/range.ts';
import { type MapEntry, RangeMap } from '../../src/keyspace/rangemap.ts';
import type {
  AdminAnswer,
  AdminCommand,
  KnownCluster,
  Migration,
  Owned,
} from '../../src/protocol/admin/admin.ts';
import { isMerge } from '../../src/protocol/admin/migration.ts';
import { encode } from '../../src/wire/codec.ts';
import { refused } from './answers.ts';
import type { Draft } from './draft.ts';
import { type Identity, type SystemState, withEntry } from './system-state.ts';

type Of<K extends AdminCommand['kind']> = Extract<AdminCommand, { kind: K }>;
type Registry = Pick<
  SystemState,
  'bound' | 'identities' | 'configs' | 'map' | 'migrations' | 'strangers' | 'orders'
>;

/** Clusters that the keeper knows, and those of other keepers that it has noted. */
export const CLUSTERS_MAX = 1000;
/** Longest cluster id (bytes). */
const CLUSTER_ID_MAX = 256;
/** Ranges that a refusal names. */
const RANGES_SHOWN = 3;

const NOBODY: Identity = { founding: '', dead: [], version: 0, members: [], presences: [], owned: false };

/** Whether this cluster is a keeper that knows itself: from then on clusters are known by their foundings. */
export function isKeeper({ bound }: Pick<SystemState, 'bound'>): boolean {
  return bound !== null && bound.mine === bound.keeper.founding;
}

/** The founding of `cluster` that is in force, or null. */
export function foundingOf({ identities }: Registry, cluster: string): string | null {
  const founding = identities.get(cluster)?.founding ?? '';
  return founding === '' ? null : founding;
}

/** What the keeper says of one founding of a cluster id; '' is an empty home that would found. */
export function standingOf(
  state: Registry,
  { cluster, founding, keeper }: Pick<Introduction, 'cluster' | 'founding' | 'keeper'>,
): Standing {
  const identity = state.identities.get(cluster) ?? NOBODY;
  const say = (verdict: Verdict, why: string): Standing => ({
    verdict,
    why,
    keeper:
      state.bound !== null && isKeeper(state) ? state.bound.keeper : { cluster: '', founding: '', nodes: [] },
    isNew: state.map.isEmpty,
    version: verdict === 'inForce' ? identity.version : 0,
    members: verdict === 'inForce' ? identity.members : [],
    presences: verdict === 'inForce' ? [...identity.presences] : [],
  });
  const { bound } = state;
  if (bound === null || !isKeeper(state)) {
    return say(
      'notKeeper',
      'this cluster is not a keeper, or does not know itself yet: its own file must name itself under [nursery], and all of its nodes must run this version',
    );
  }
  const mine = bound.keeper.founding;
  if (keeper !== '' && keeper !== mine) {
    return say('foreign', `cluster ${cluster} belongs to the nursery ${keeper}, and this keeper is ${mine}`);
  }
  if (founding !== '' && identity.dead.includes(founding)) {
    return say('dead', deathOf(state, cluster, founding));
  }
  if (identity.founding !== '' && identity.founding === founding) return say('inForce', '');
  if (identity.founding !== '')
    return say('taken', founding === '' ? mayJoin(cluster, identity) : takenBy(cluster, identity));
  if (cluster === bound.keeper.cluster && founding !== mine) {
    return say('taken', `${cluster} is the keeper's own id, and its founding is ${mine}`);
  }
  if (founding === '' && state.map.entries.some(({ owner }) => owner === cluster)) {
    const lost = `where they are gone for good, nursery rescue lost ${cluster} gives them to another one`;
    return say('taken', `the map gives ranges to cluster ${cluster}: its homes hold them; ${lost}`);
  }
  return say('free', '');
}

/** How a founding ended, and what its nodes can be from then on. */
function deathOf({ orders, identities }: Registry, cluster: string, founding: string): string {
  const what = `founding ${founding} of cluster ${cluster}`;
  const order = [...orders.values()].find((each) => each.cluster === cluster && each.was === founding);
  if (order?.kind === 'lost') {
    const now =
      (identities.get(cluster)?.founding ?? '') === ''
        ? 'a new cluster of that name'
        : 'the one that is in force';
    return `${what} was declared lost by order ${order.order}: its ranges went to other clusters, and what is in this home alone is not part of the nursery any more; keep a copy of it where that is still wanted. With an empty home its node can be of ${now}`;
  }
  if (order?.kind === 'promote')
    return `founding ${order.founding} took the place of ${what} by order ${order.order}, for ever${nowAt(identities.get(cluster), order.founding)}: with an empty home its node joins that one`;
  return `${what} was removed from the nursery, for ever: with an empty home its node can be of a new cluster`;
}

/** Who took a founding's place may have been followed by others since. */
function nowAt(identity: Identity | undefined, founding: string): string {
  if (identity === undefined || identity.founding === '') return '';
  const nodes = identity.members.map(({ node }) => node).join(', ');
  const now = identity.founding === founding ? 'it' : `by now founding ${identity.founding}`;
  return nodes === '' ? '' : ` (${now} has ${nodes})`;
}

/** Digits of a founding that are enough to name it. */
const DIGITS = 8;

/** To an empty home, which may be one of those that the cluster had, at the address of one. */
function mayJoin(cluster: string, { founding, members }: Identity): string {
  const nodes = members.map(({ node }) => node).join(', ');
  return `cluster ${cluster} is founding ${founding}${nodes === '' ? '' : `, of ${nodes}`}; an empty home joins it where a majority of it is up. If all its homes are gone for good: nursery restore --replace ${founding.slice(0, DIGITS)} brings it back from a backup, nursery rescue lost ${cluster} gives its ranges to another one. If this is meant to be another cluster, it needs a cluster_id of its own`;
}

function takenBy(cluster: string, { founding, members }: Identity): string {
  const where = members.flatMap(({ node, ips, port }) =>
    ips.length === 0 ? [] : [`${node} at ${ips[0]}:${port}`],
  );
  const at = where.length === 0 ? '' : ` (${where.join(', ')})`;
  return `cluster ${cluster} is founding ${founding}${at}; if another one is meant to take its place, move its ranges away and run nursery remove ${cluster} first`;
}

/** The master of a cluster tells its members. The first time that binds its founding, where it owns just what the map says. */
export function introduce(draft: Draft, command: Of<'introduce'>): AdminAnswer {
  const { state } = draft;
  const { cluster, founding, keeper } = command;
  const idBytes = Buffer.byteLength(cluster);
  if (idBytes === 0 || idBytes > CLUSTER_ID_MAX || founding === '') {
    return refused(`cluster id of ${idBytes} bytes: it has 1 to ${CLUSTER_ID_MAX}, and a founding`);
  }
  const standing = standingOf(state, command);
  if (standing.verdict === 'foreign') noteStranger(draft, cluster, keeper);
  if (standing.verdict === 'free') {
    const why = unboundWhy(state, command);
    if (why !== null) return { kind: 'standing', ...standing, verdict: 'unfit', why };
    bindCluster(draft, command);
  } else if (standing.verdict === 'inForce') {
    if (command.version >= standing.version) updateMembers(draft, command);
  } else return { kind: 'standing', ...standing };
  return { kind: 'standing', ...standingOf(draft.state, command) };
}

/**
 * A node tells where it is reached, and whoever says so last is believed: what logs of before hold. Only the list decides who is
 * one: a removed node, or a life that is over, tells nothing.
 */
export function tellAddress(draft: Draft, self: Self): AdminAnswer {
  return ofMember(draft, self, (identity, known) => {
    const presences = identity.presences.filter(({ node }) => node !== known.node);
    return withAddress({ ...identity, presences }, known, self);
  });
}

/**
 * The same of one process. A life is one process at a time, and its home may have been copied: who is reached at the address in
 * force stays the one, until it has been silent for so long that the claimant insists. So nobody is sent to a copy.
 */
export function claimAddress(draft: Draft, command: ClaimedAddress): AdminAnswer {
  return ofMember(draft, command, (identity, known) => {
    const { process, insists, ips, port } = command;
    const claim = identity.presences.find(({ node }) => node === known.node)?.claim;
    if (claim === undefined) return present(withAddress(identity, known, command), known, null);
    if (isAt(known, command)) {
      const refused = claim === null ? null : { ...claim, refused: true };
      return present(withAddress(identity, known, command), known, refused);
    }
    const isMine = claim?.process === process && isAt(claim, command);
    if (isMine && claim.refused) return identity;
    if (isMine && insists) return present(withAddress(identity, known, command), known, null);
    return present(identity, known, { process, ips, port, refused: false });
  });
}

function ofMember(
  draft: Draft,
  { cluster, founding, node, incarnation }: Self,
  change: (identity: Identity, known: KnownLife) => Identity,
): AdminAnswer {
  const standing = standingOf(draft.state, { cluster, founding, keeper: '' });
  if (standing.verdict !== 'inForce') return { kind: 'standing', ...standing };
  const identity = draft.state.identities.get(cluster) ?? NOBODY;
  const known = identity.members.find((life) => isSameLife(life, { node, incarnation }));
  if (known === undefined)
    return refused(`${node} is no member of cluster ${cluster} in this life, as far as is known`);
  const changed = change(identity, known);
  if (changed !== identity) keep(draft, cluster, changed);
  return { kind: 'standing', ...standingOf(draft.state, { cluster, founding, keeper: '' }) };
}

function isAt(a: Pick<Claim, 'ips' | 'port'>, b: Pick<Claim, 'ips' | 'port'>): boolean {
  return a.port === b.port && a.ips.join() === b.ips.join();
}

function withAddress(identity: Identity, known: KnownLife, { ips, port, label }: Self): Identity {
  const members = identity.members.map((life) => (life === known ? { ...life, ips, port, label } : life));
  return { ...identity, members };
}

/** `known` has told its address in its present life, and this claim stands beside it. */
function present(identity: Identity, { node }: KnownLife, claim: Claim | null): Identity {
  const others = identity.presences.filter((presence) => presence.node !== node);
  return { ...identity, presences: [...others, { node, claim }] };
}

/** Why this keeper, which has no map, would refuse whoever asks for the first one; null where it has one, or would not. */
export function strangersWhy(state: Registry): string | null {
  return state.map.isEmpty && state.strangers.size > 0 ? initWhy(state, '') : null;
}

/** Forgets a cluster for good: its founding is dead from now on, and its id is free. Null where there is none. */
export function bury(draft: Draft, cluster: string): AdminAnswer | null {
  const { identities, strangers, map } = draft.state;
  if (strangers.has(cluster)) draft.update({ strangers: withEntry(strangers, cluster, null) });
  const identity = identities.get(cluster);
  if (identity === undefined || identity.founding === '') return null;
  if (cluster === draft.state.bound?.keeper.cluster) return refused(`${cluster} is the keeper itself`);
  if (identity.owned && map.isEmpty) {
    return refused(
      `${cluster} owns keys since before there was a map: nursery init ${cluster} gives it all of them`,
    );
  }
  buryFounding(draft, cluster);
  return { kind: 'ok' };
}

/** The founding of `cluster` that is in force is dead from now on. */
export function buryFounding(draft: Draft, cluster: string): void {
  const { identities, configs, map } = draft.state;
  const { founding, dead } = identities.get(cluster) ?? NOBODY;
  draft.update({
    identities: withEntry(identities, cluster, { ...NOBODY, dead: [...dead, founding] }),
    configs: withEntry(configs, cluster, null),
    map: map.at(map.version + 1),
  });
}

/**
 * A keeper that was lost had bound this founding. Its nodes are known by their addresses alone: those that live tell who they are, and
 * of those that are lost people are told who must be off.
 */
export function installCluster(
  draft: Draft,
  { cluster, founding, nodes }: KnownCluster & { readonly founding: string },
): void {
  const { identities, strangers } = draft.state;
  const { dead: known, founding: first, members: before } = identities.get(cluster) ?? NOBODY;
  // Whoever was bound by this id before this keeper was told is over.
  const dead = first === '' || first === founding ? known : [...known, first];
  const told = nodes.map(({ name, ips, port }): KnownLife => {
    return { node: name, incarnation: '', learner: false, ips, port, label: '' };
  });
  const members = told.length === 0 ? before : told;
  draft.update({ strangers: withEntry(strangers, cluster, null) });
  keep(draft, cluster, { founding, dead, version: 0, members, presences: [], owned: true });
}

/** Of these, the foundings that are not in force are dead: what the map gives them nobody serves. */
export function noteDead(
  draft: Draft,
  places: readonly { readonly cluster: string; readonly founding: string }[],
): void {
  const dead = new Map<string, Set<string>>();
  for (const { cluster, founding } of places) {
    if (founding === '' || founding === foundingOf(draft.state, cluster)) continue;
    dead.set(cluster, (dead.get(cluster) ?? new Set(deadOf(draft.state, cluster))).add(founding));
  }
  for (const [cluster, foundings] of dead) {
    const identity = draft.state.identities.get(cluster) ?? NOBODY;
    const noted = { ...identity, dead: [...foundings] };
    draft.update({ identities: withEntry(draft.state.identities, cluster, noted) });
  }
}

function deadOf({ identities }: Registry, cluster: string): readonly string[] {
  return identities.get(cluster)?.dead ?? [];
}

/** Another founding takes the place of the one in force, which is dead from now on. Its nodes tell their addresses themselves. */
export function replaceFounding(draft: Draft, command: Of<'replace'>): void {
  const { cluster, founding, version, members, owned } = command;
  const identity = draft.state.identities.get(cluster) ?? NOBODY;
  const dead = [...identity.dead, identity.founding];
  const known = members.map((life): KnownLife => {
    const before = identity.members.find(({ node }) => node === life.node);
    const { ips, port, label } = before ?? { ips: [], port: 0, label: '' };
    return { ...life, ips, port, label };
  });
  keep(draft, cluster, { founding, dead, version, members: known, presences: [], owned: owned.length > 0 });
}

/** Why the first map cannot be made yet, or null. */
export function initWhy({ identities, strangers, bound }: Registry, cluster: string): string | null {
  const [stranger] = strangers;
  if (stranger !== undefined) {
    const ids = [...strangers.keys()];
    const [id, keeper] = stranger;
    const who = ids.length === 1 ? `cluster ${id} belongs` : `clusters ${ids.join(', ')} belong`;
    const whose = keeper === '' ? ', whose keeper knew what was promoted or restored' : ` (${keeper})`;
    return `${who} to another nursery${whose}, and this keeper, ${bound?.mine}, is new: if it stands in for one that is lost, ${RESCUE}; if they met by mistake, correct [nursery] there and run nursery remove ${id}`;
  }
  for (const [id, { owned, founding }] of identities) {
    if (id === cluster || !owned || founding === '') continue;
    return `${id} owns keys too, since before it had a keeper: only one cluster can begin the map. ${COMES_OVER}`;
  }
  return null;
}

const RESCUE = 'nursery rescue keeper, with the files of all clusters, tells it what they have';

const COMES_OVER =
  'The rows of a cluster that lived by itself come over through clients: read them there, write them through a router, then empty its homes and start it as a new cluster';

/** A cluster of another nursery has spoken to this keeper; `keeper` is '' where it does not say which. As many at most as there can be. */
export function noteStranger(draft: Draft, cluster: string, keeper: string): void {
  const { strangers } = draft.state;
  if (strangers.get(cluster) === keeper || strangers.size >= CLUSTERS_MAX) return;
  draft.update({ strangers: withEntry(strangers, cluster, keeper) });
}

/** Why a founding of an id that nobody has is not bound, or null. */
function unboundWhy(state: Registry, { cluster, owned }: Introduction): string | null {
  const { identities, configs, map } = state;
  const known = new Set([...identities.keys(), ...configs.keys()]);
  if (!known.has(cluster) && known.size >= CLUSTERS_MAX) {
    return `${CLUSTERS_MAX} clusters are known: remove one that owns nothing`;
  }
  if (map.isEmpty) {
    const moved = owned.find(({ epoch }) => epoch > 0);
    return moved === undefined
      ? null
      : `cluster ${cluster} owns ${printRange(moved)} at epoch ${moved.epoch}, and this keeper has no map: it is a new one. If it stands in for one that is lost, ${RESCUE}`;
  }
  return differenceOf(state, cluster, owned);
}

/** In what a cluster's ranges differ from what map and open moves give it; null where they are just these, at these epochs. */
function differenceOf(state: Registry, cluster: string, owned: readonly Owned[]): string | null {
  const { map, migrations } = state;
  const dead = deadOf(state, cluster);
  const given = map.entries.filter(
    ({ owner, founding }) => owner === cluster && !dead.includes(founding ?? ''),
  );
  const open = [...migrations.values()].filter(({ phase }) => phase === 'active' || phase === 'published');
  const extra = without(owned, given).filter((own) => !isMoving(open, cluster, own));
  const missing = without(given, owned).filter((entry) => !isMerged(open, owned, entry));
  if (extra.length === 0 && missing.length === 0) return null;
  const lacks = missing.length === 0 ? '' : `; the map gives it ${show(missing)}, which it does not own`;
  const has = extra.length === 0 ? '' : `; it owns ${show(extra)}, which the map does not give it`;
  const hint =
    extra.length === 0
      ? 'Are these its homes? Are they mounted, and was it started in the right directory?'
      : extra.every(({ epoch }) => epoch === 0)
        ? COMES_OVER
        : 'Are these old homes, or those of another nursery?';
  return `this is not the cluster ${cluster} of the map${lacks}${has}. ${hint}`;
}

/** What of `pieces` no entry of `others` covers at the same epoch. Both are sorted and disjoint; costs the sum of both. */
function without<T extends Range & { readonly epoch: number }>(
  pieces: readonly T[],
  others: readonly (Range & { readonly epoch: number })[],
): T[] {
  let first = 0;
  return pieces.flatMap((piece) => {
    while (first < others.length && isBelow(others[first] as Range, piece)) first += 1;
    let rest: T[] = [piece];
    for (let at = first; at < others.length && rest.length > 0; at += 1) {
      const other = others[at] as Range & { readonly epoch: number };
      if (piece.hi !== null && other.lo >= piece.hi) break;
      if (other.epoch !== piece.epoch) continue;
      rest = rest.flatMap((part) => subtract(part, other).map((left) => ({ ...part, ...left })));
    }
    return rest;
  });
}

function isBelow({ hi }: Range, { lo }: Range): boolean {
  return hi !== null && hi <= lo;
}

/** A target that has activated owns ahead of the map; a source that has not released owns after it. */
function isMoving(open: readonly Migration[], cluster: string, own: Owned): boolean {
  return open.some((record) => {
    if (subtract(own, record).length > 0) return false;
    return record.target === cluster
      ? record.mid === own.epoch
      : record.source === cluster && record.phase === 'published' && own.sealedBy === record.mid;
  });
}

/** An owner that has merged is ahead of the map. */
function isMerged(open: readonly Migration[], owned: readonly Owned[], entry: Range): boolean {
  return open.some(
    (record) =>
      isMerge(record) &&
      covers(record, entry) &&
      owned.some((own) => own.epoch === record.mid && covers(own, entry)),
  );
}

function show(ranges: readonly (Range & { readonly epoch: number })[]): string {
  const shown = ranges.slice(0, RANGES_SHOWN).map((range) => `${printRange(range)} at epoch ${range.epoch}`);
  if (ranges.length > RANGES_SHOWN) shown.push(`and ${ranges.length - RANGES_SHOWN} more`);
  return shown.join(', ');
}

/** From now on this founding is the cluster. What the keeper knew of the id without one gets it. */
function bindCluster(draft: Draft, command: Introduction): void {
  const { cluster, founding, owned } = command;
  const { identities, migrations, map, configs, strangers, bound } = draft.state;
  const keeper = bound?.mine ?? '';
  const isIts = (entry: MapEntry): boolean =>
    entry.owner === cluster && !deadOf(draft.state, cluster).includes(entry.founding ?? '');
  const entries = map.entries.map((entry): MapEntry => (isIts(entry) ? { ...entry, founding } : entry));
  const isOwner = map.entries.some(isIts);
  if (isOwner) draft.update({ map: RangeMap.of(map.version, entries) });
  // A record may be completed only once both ends are known.
  const known = (id: string): string => (id === cluster ? founding : (foundingOf(draft.state, id) ?? ''));
  const completed = new Map(migrations);
  for (const [mid, record] of migrations) {
    const isOver = record.phase === 'done' || (record.phase === 'aborted' && record.isUntold !== true);
    if (isOver) continue;
    const [source, target] = [known(record.source), known(record.target)];
    if (record.foundings === undefined && source !== '' && target !== '') {
      completed.set(mid, { ...record, foundings: { keeper, source, target } });
    }
  }
  draft.update({ migrations: completed, strangers: withEntry(strangers, cluster, null) });
  const { dead } = identities.get(cluster) ?? NOBODY;
  const before = configs.get(cluster)?.nodes ?? [];
  const members = command.members.map((life): KnownLife => {
    const address = before.find(({ name }) => name === life.node);
    return { ...life, ips: address?.ips ?? [], port: address?.port ?? 0, label: '' };
  });
  const { version } = command;
  keep(draft, cluster, { founding, dead, version, members, presences: [], owned: owned.length > 0 });
}

/** A new list. A node keeps its address until its present life tells another one. */
function updateMembers(draft: Draft, { cluster, version, members }: Introduction): void {
  const identity = draft.state.identities.get(cluster) ?? NOBODY;
  const next = members.map((life): KnownLife => {
    const known = identity.members.find(({ node }) => node === life.node);
    const { ips, port, label } = known ?? { ips: [], port: 0, label: '' };
    return { ...life, ips, port, label };
  });
  const stays = ({ node, incarnation }: KnownLife): boolean => includesLife(members, { node, incarnation });
  // A new life is taken at its first word: the one before is over.
  const staying = new Set(identity.members.filter(stays).map(({ node }) => node));
  const presences = identity.presences.filter(({ node }) => staying.has(node));
  keep(draft, cluster, { ...identity, version, members: next, presences });
}

/** Stores it, and how clients reach the cluster now, where that has changed. */
function keep(draft: Draft, cluster: string, identity: Identity): void {
  const { identities, configs, map } = draft.state;
  draft.update({ identities: withEntry(identities, cluster, identity) });
  const { founding, members } = identity;
  const reached = members.filter(({ ips }) => ips.length > 0);
  const config: KnownCluster = {
    cluster,
    founding,
    nodes: reached.map(({ node, ips, port }) => ({ name: node, ips, port })),
  };
  const before = configs.get(cluster);
  // Compared as bytes: what was loaded from the store has its fields in another order, and replicas must agree.
  if (before !== undefined && encode(knownClusterCodec, before).equals(encode(knownClusterCodec, config)))
    return;
  draft.update({ configs: withEntry(configs, cluster, config), map: map.at(map.version + 1) });
}
