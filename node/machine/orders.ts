/** The keeper's part of a rescue: orders, each one entry of its log (docs/architecture.md, "Rescue"). */
import { overlaps, printRange } from '../../src/keyspace/range.ts';
import { carve, entriesIn, type MapEntry, RangeMap } from '../../src/keyspace/rangemap.ts';
import { ascending, commonParts, gapsIn, highest } from '../../src/keyspace/sweep.ts';
import {
  type AdminAnswer,
  type AdminCommand,
  type Confirmation,
  type Migration,
  NO_PROGRESS,
  type Order,
  type Owned,
} from '../../src/protocol/admin/admin.ts';
import { chainOf, epochsThen, knownParts, mergesOf } from '../../src/protocol/admin/lineage.ts';
import { isMerge } from '../../src/protocol/admin/migration.ts';
import { refused } from './answers.ts';
import type { Draft } from './draft.ts';
import { installFunctions } from './functions.ts';
import { rangeOf } from './headers.ts';
import {
  buryFounding,
  foundingOf,
  installCluster,
  isKeeper,
  noteDead,
  noteStranger,
  replaceFounding,
  standingOf,
} from './registry.ts';
import { type SystemState, withEntry } from './system-state.ts';

type Of<K extends AdminCommand['kind']> = Extract<AdminCommand, { kind: K }>;
type Place = { readonly cluster: string; readonly founding: string };

/**
 * `founding` takes the place of `was`. The first time that fences: `was` is dead from then on, and so is whoever coordinates a move
 * with it. Once its moves are settled, what the map still gives to `was`, and `founding` had at that very epoch, is its own, at
 * epochs that nobody has met; repeated, the answer is the same.
 */
export function replace(draft: Draft, command: Of<'replace'>): AdminAnswer {
  const { cluster, was, founding } = command;
  const standing = standingOf(draft.state, command);
  if (standing.verdict === 'dead') return { kind: 'standing', ...standing };
  // It knocks as one that introduces itself does: no first map is made beside it.
  if (standing.verdict === 'foreign') noteStranger(draft, cluster, command.keeper);
  if (['notKeeper', 'foreign'].includes(standing.verdict)) return refused(standing.why);
  if (cluster === draft.state.bound?.keeper.cluster) {
    return refused(`${cluster} is the keeper: it may lack moves that it planned and maps that it published`);
  }
  let order = orderOf(draft.state, { cluster, founding });
  if (order === null) {
    const inForce = foundingOf(draft.state, cluster) ?? '';
    if (!mayFollow(draft.state, command, inForce)) {
      const past = standingOf(draft.state, { ...command, founding: was });
      if (past.verdict === 'dead' && !command.after.includes(inForce))
        return { kind: 'standing', ...past, why: tooLate(command, past.why) };
      if (inForce === '' && draft.state.map.isEmpty) noteStranger(draft, cluster, '');
      return refused(`founding ${was} of cluster ${cluster} is not in force: ${standing.why}`);
    }
    order = enter(draft, { kind: 'promote', cluster, was: inForce, founding, takenMs: command.takenMs });
    replaceFounding(draft, command);
    raise(draft, command.lastMid);
    fence(draft, order, command);
  }
  if (order.given !== null) return { kind: 'given', ...order.given };
  const chain = chainOf(draft.state.orders.values(), order, was);
  const open = unsettled(draft.state, new Set(chain.map((each) => each.order)));
  if (open.length > 0) {
    return {
      kind: 'busy',
      why: `order ${order.order} waits until migrations ${open.join(', ')} are settled: a migrator does that, or nursery migrate --resume`,
    };
  }
  const { given, before } = give(draft, chain, command);
  save(draft, { ...order, given, before });
  return { kind: 'given', ...given };
}

/**
 * Whether the founding in force is the one that `command` takes the place of: `was`, or one that took the place of `was` itself, was
 * not confirmed as far as its survivor knows, and is where that survivor's log comes from.
 */
function mayFollow(state: SystemState, { cluster, was, after }: Of<'replace'>, inForce: string): boolean {
  if (inForce === '') return false;
  if (inForce === was) return true;
  const last = orderOf(state, { cluster, founding: inForce });
  return (
    last !== null && after.includes(inForce) && chainOf(state.orders.values(), last, was).at(-1)?.was === was
  );
}

/** What it would take the place of is dead, and what is in force does not come from it: neither is ever otherwise again. */
function tooLate({ cluster, founding }: Place, why: string): string {
  return `founding ${founding} of cluster ${cluster} came too late, for ever: ${why}`;
}

/** A founding is dead, and nothing takes its place: what the map gives it nobody serves, until it is brought to another cluster. */
export function lose(draft: Draft, { cluster, founding, takenMs }: Of<'lose'>): AdminAnswer {
  const { state } = draft;
  if (!isKeeper(state)) return refused('this cluster is no keeper, or does not know itself yet');
  const known = [...state.orders.values()].find(
    // That a keeper was lost settles none of its moves as a cluster that served keys too.
    (order) => order.kind !== 'keeper' && order.cluster === cluster && order.was === founding,
  );
  if (known !== undefined) return { kind: 'orders', orders: [known] };
  if (founding === state.bound?.mine) return refused(`${cluster} is the keeper itself`);
  const isDead = state.identities.get(cluster)?.dead.includes(founding) === true;
  if (!isDead && foundingOf(state, cluster) !== founding) {
    return refused(`founding ${founding} of cluster ${cluster} is not in force`);
  }
  const order = enter(draft, { kind: 'lost', cluster, was: founding, founding: '', takenMs });
  if (!isDead) buryFounding(draft, cluster);
  fence(draft, order, { owned: [], activated: [] });
  return { kind: 'orders', orders: [order] };
}

/** What became of a move with a dead end: back to its source, at a new epoch where that took it back, or nowhere. */
export function settle(draft: Draft, { mid, token }: Of<'settle'>): AdminAnswer {
  const record = draft.state.migrations.get(mid);
  if (record === undefined) return refused(`no migration ${mid} is on record`);
  if (token < record.token) return { kind: 'fenced', token: record.token };
  if (record.phase === 'lost') return { kind: 'ok' };
  const { rescue, foundings } = record;
  const isOpen = record.phase === 'active' || (record.phase === 'published' && rescue?.dead === 'target');
  if (rescue === undefined || foundings === undefined || !isOpen || rescue.isThere) {
    return refused(`migration ${mid} is ${record.phase}, and no order settles it`);
  }
  if (rescue.dead === 'target') giveBack(draft, record, rescue.epoch);
  end(draft, record, 'lost', `order ${rescue.order}: its ${rescue.dead} is dead`);
  return { kind: 'ok' };
}

/** What the map gives to the dead founding of an order is to come to `target`, with what its command brings, or with nothing. */
export function planCopy(draft: Draft, command: Of<'planCopy'>): AdminAnswer {
  const { map, migrations, bound, lastMid, orders } = draft.state;
  const order = orders.get(command.order);
  const range = rangeOf(command);
  if (order === undefined || range === null)
    return refused(`no order ${command.order} is on record, or the range is empty`);
  const target = foundingOf(draft.state, command.target);
  if (target === null) return refused(`cluster ${command.target} is not bound to this keeper`);
  const waits = waitsForRanges(draft.state, command.target);
  if (waits !== null) return { kind: 'busy', why: waits };
  const entries = entriesIn(map, range);
  const other = entries.find(({ owner, founding }) => owner !== order.cluster || founding !== order.was);
  if (other !== undefined)
    return refused(`${printRange(other)} is not of founding ${order.was} of ${order.cluster}`);
  const open = [...migrations.values()].find(
    (record) => (record.phase === 'active' || record.phase === 'published') && overlaps(record, range),
  );
  if (open !== undefined) return { kind: 'busy', why: `migration ${open.mid} is about ${printRange(open)}` };
  const mid = lastMid + 1;
  const record: Migration = {
    mid,
    source: order.cluster,
    target: command.target,
    lo: range.lo,
    hi: range.hi,
    phase: 'active',
    token: 0,
    heartbeat: 0,
    wish: 'run',
    why: '',
    progress: NO_PROGRESS,
    receipt: null,
    foundings: { keeper: bound?.mine ?? '', source: order.was, target },
    rescue: { order: order.order, dead: 'source', epoch: 0, isThere: false, isCopy: true },
  };
  draft.update({ lastMid: mid, migrations: withEntry(migrations, mid, record) });
  return { kind: 'planned', mid };
}

/**
 * What this keeper, which has no map, goes on with in the place of one that is lost: computed from what every cluster has told. A
 * second one is the first one again, or nothing.
 */
export function install(draft: Draft, command: Of<'install'>): AdminAnswer {
  const { map, bound, orders, replaced } = draft.state;
  if (!isKeeper(draft.state) || bound === null)
    return refused('this cluster is no keeper, or does not know itself yet');
  const known = orders.get(command.order);
  if (known !== undefined) return { kind: 'orders', orders: [known] };
  if (!map.isEmpty) return refused('this keeper has a map: only a new one is given another');
  const order: Order = {
    order: command.order,
    kind: 'keeper',
    cluster: bound.keeper.cluster,
    was: command.from,
    founding: bound.mine,
    takenMs: command.takenMs,
    given: null,
    before: [],
  };
  // The id of this very keeper is its own founding's, whatever the one before it had under that id.
  for (const each of command.clusters) if (each.cluster !== bound.keeper.cluster) installCluster(draft, each);
  noteDead(draft, [{ cluster: bound.keeper.cluster, founding: command.from }, ...placesIn(command)]);
  draft.update({
    map: RangeMap.of(draft.state.map.version + 1, command.entries),
    migrations: new Map(
      [...command.migrations].sort((a, b) => a.mid - b.mid).map((record) => [record.mid, record]),
    ),
    lastMid: Math.max(draft.state.lastMid, command.lastMid),
    replaced: [...new Set([...replaced, ...command.replaced, command.from])],
  });
  if (command.functions !== undefined) installFunctions(draft, command.functions);
  save(draft, order);
  return { kind: 'orders', orders: [order] };
}

/**
 * Every founding that a map names, and that open moves name of clusters that nobody speaks for. What they name of others may wait to be
 * confirmed: the keeper that is lost had done so, and its own log does not know it yet.
 */
function placesIn({ clusters, entries, migrations }: Of<'install'>): Place[] {
  const known = new Set(clusters.map(({ cluster }) => cluster));
  const inMoves = migrations.flatMap(({ source, target, foundings }) =>
    foundings === undefined
      ? []
      : [
          { cluster: source, founding: foundings.source },
          { cluster: target, founding: foundings.target },
        ],
  );
  return [
    ...entries.map(({ owner, founding = '' }) => ({ cluster: owner, founding })),
    ...inMoves.filter(({ cluster }) => !known.has(cluster)),
  ];
}

/** Whether a migration goes on although one of its ends is dead: an order says how. */
export function isRescued({ rescue }: Migration): boolean {
  return rescue !== undefined;
}

/**
 * Why no move may begin at a cluster: its founding took the place of another one, and has not been given its ranges. When it is, all
 * that it has begun by then goes, and a move of before would be forgotten at one of its ends. Null where that is not so.
 */
export function waitsForRanges(state: SystemState, cluster: string): string | null {
  const founding = foundingOf(state, cluster);
  const order = founding === null ? null : orderOf(state, { cluster, founding });
  return order === null || order.kind !== 'promote' || order.given !== null
    ? null
    : `cluster ${cluster} waits for its ranges, by order ${order.order}: no move begins there before it serves`;
}

function orderOf({ orders }: SystemState, { cluster, founding }: Place): Order | null {
  return (
    [...orders.values()].find((order) => order.cluster === cluster && order.founding === founding) ?? null
  );
}

function enter(draft: Draft, order: Omit<Order, 'order' | 'given' | 'before'>): Order {
  const number = highest(draft.state.orders.keys()) + 1;
  const entered: Order = { ...order, order: number, given: null, before: [] };
  save(draft, entered);
  return entered;
}

function save(draft: Draft, order: Order): void {
  draft.update({ orders: withEntry(draft.state.orders, order.order, order) });
}

/** Nobody has met a migration above it. */
function raise(draft: Draft, mid: number): void {
  if (mid > draft.state.lastMid) draft.update({ lastMid: mid });
}

/** What a survivor, or an image, shows of moves. */
type Shown = Pick<Of<'replace'>, 'owned' | 'activated'>;

/**
 * A new token for each move with the dead founding, and how it ends without it. What a survivor shows as activated is its own, and so
 * is what it had taken back from a target that was dead before.
 */
function fence(draft: Draft, { order, was }: Order, { owned, activated }: Shown): void {
  // Nobody owns a range at the number of a move but its target that has taken over: an image remembers no more than that.
  const shown = new Set([...activated, ...owned.map(({ epoch }) => epoch)]);
  for (const record of [...draft.state.migrations.values()]) {
    const { mid, phase, foundings, token } = record;
    if (record.isUntold === true && foundings?.target === was) {
      const { isUntold: _, ...told } = record; // who is dead need not be told
      draft.update({ migrations: withEntry(draft.state.migrations, mid, told) });
    }
    if ((phase !== 'active' && phase !== 'published') || foundings === undefined) continue;
    const dead = foundings.source === was ? 'source' : foundings.target === was ? 'target' : null;
    if (dead === null) continue;
    const before = record.rescue;
    if (isMerge(record)) {
      endMerge(draft, record, { order, hasMerged: shown.has(mid) });
      continue;
    }
    const isThere = dead === 'target' && shown.has(mid);
    if (before !== undefined && before.dead !== dead) {
      const why = `orders ${before.order} and ${order}: both ends are dead`;
      if (isThere && phase === 'active') publishFor(draft, record);
      if (dead === 'source' && shown.has(before.epoch)) giveBack(draft, record, before.epoch);
      // What the target acknowledged stands, where its survivor shows it; no source is left that could release.
      end(draft, record, isThere || before.isThere ? 'done' : 'lost', why);
      continue;
    }
    const epoch = draft.state.lastMid + 1;
    draft.update({ lastMid: epoch });
    const rescue = { order, dead, epoch, isThere, isCopy: false } as const;
    const fenced: Migration = { ...record, token: token + 1, rescue };
    draft.update({ migrations: withEntry(draft.state.migrations, mid, fenced) });
    if (isThere && phase === 'active') publishFor(draft, fenced);
  }
}

/** Both of its ends are dead: published it is done, and else it is whatever a survivor shows. */
function endMerge(
  draft: Draft,
  record: Migration,
  { order, hasMerged }: { readonly order: number; readonly hasMerged: boolean },
): void {
  const isPublished = record.phase === 'published';
  if (hasMerged && !isPublished) publishFor(draft, record);
  end(draft, record, hasMerged || isPublished ? 'done' : 'lost', `order ${order}: its cluster is dead`);
}

/** The target had activated, and its survivor shows it: the map follows its evidence. */
function publishFor(draft: Draft, record: Migration): void {
  const { mid, lo, hi, target, foundings } = record;
  const { map, migrations } = draft.state;
  draft.update({
    map: carve(map, { lo, hi }, target, mid, foundings?.target),
    migrations: withEntry(migrations, mid, { ...record, phase: 'published' }),
  });
}

/** The source has taken it back, at that epoch. */
function giveBack(draft: Draft, { lo, hi, source, foundings }: Migration, epoch: number): void {
  draft.update({ map: carve(draft.state.map, { lo, hi }, source, epoch, foundings?.source) });
}

function end(draft: Draft, record: Migration, phase: 'done' | 'lost', why: string): void {
  const ended: Migration = { ...record, phase, why };
  draft.update({ migrations: withEntry(draft.state.migrations, record.mid, ended) });
}

/** Moves of these orders that decide whose a range is. */
function unsettled({ migrations }: SystemState, orders: ReadonlySet<number>): number[] {
  return [...migrations.values()]
    .filter(({ phase, rescue }) => {
      if (rescue === undefined || !orders.has(rescue.order)) return false;
      return phase === 'active' || (phase === 'published' && rescue.dead === 'target' && !rescue.isThere);
    })
    .map(({ mid }) => mid);
}

/** What the map gives to dead foundings of the chain, and the new one had at that epoch; each piece at an epoch of its own. */
function give(
  draft: Draft,
  chain: readonly Order[],
  command: Of<'replace'>,
): { readonly given: Confirmation; readonly before: number[] } {
  const { cluster, founding, imports } = command;
  const order = chain[0]?.order ?? 0;
  const owned = ascending(command.owned);
  const ranges: Owned[] = [];
  const before: number[] = [];
  const entries: MapEntry[] = [];
  const { map } = draft.state;
  const epochThen = epochsThen(chain.slice(1), command.was);
  const merges = mergesOf(draft.state.migrations.values());
  let epoch = draft.state.lastMid;
  for (const { range: entry, parts } of commonParts(map.entries, owned)) {
    const mine = entry.owner === cluster ? knownParts(entry, parts, { epochThen, merges }) : [];
    const pieces = mine.map(({ lo, hi, of }): MapEntry => {
      epoch += 1;
      ranges.push({ lo, hi, epoch, sealedBy: null });
      before.push(of.epoch);
      return { lo, hi, owner: cluster, epoch, founding };
    });
    const rest = gapsIn(entry, mine).map((gap): MapEntry => ({ ...entry, ...gap }));
    entries.push(...ascending([...pieces, ...rest]));
  }
  if (ranges.length > 0) draft.update({ map: RangeMap.of(map.version + 1, entries) });
  const spareMid = epoch + 1;
  // As many as there can be pieces that go: what is cut out of a range leaves one more than there were cuts.
  const floorMid = spareMid + owned.length + ranges.length + imports + 1;
  draft.update({ lastMid: floorMid - 1 });
  return { given: { order, ranges, floorMid, spareMid }, before };
}
