/** What a page of the dashboard is told, from the facts of `nursery status`. Pure; bounded, whatever there is. */
import type {
  Document,
  ShownCluster,
  ShownMove,
  ShownNode,
  ShownRange,
  Visitor,
} from '../../dashboard/document.ts';
import type { Gathered } from '../../dashboard/http.ts';
import { type Answering, answeringOf, type ClusterSeen, type Facts, masterOf } from '../../health/facts.ts';
import type { Since } from '../../health/finding.ts';
import { judge } from '../../health/findings.ts';
import { rangeLoads } from '../../health/load.ts';
import { isOver, openMoves } from '../../health/map-findings.ts';
import { stillSince } from '../../health/move-findings.ts';
import { copiesOf } from '../../health/safe-to-stop.ts';
import type { MapEntry } from '../../keyspace/rangemap.ts';
import { ascending } from '../../keyspace/sweep.ts';
import type { Migration } from '../../protocol/admin/admin.ts';
import type { RangeCount } from '../../protocol/admin/node-facts.ts';
import { jsonRange } from '../forms.ts';
import { waitedFor } from '../status/json.ts';
import { paceOf } from '../status/pace.ts';

/** Ranges that are told by themselves: more than a screen has columns. Of more, neighbours are told together. */
export const RANGES_MAX = 2000;
/** Of everything else that grows with a nursery. */
export const FINDINGS_MAX = 100;
export const MOVES_MAX = 100;
export const ENDED_MAX = 20;
export const VISITORS_MAX = 200;
const CONDITIONS_MAX = 20;

/** Who tells it, and when by its own clock. */
export type Teller = Pick<Document, 'process' | 'atMs' | 'tookMs' | 'failed'>;

export function documentOf(facts: Facts, teller: Teller): Gathered {
  const { keeper, clusters } = facts;
  const { state, words, findings } = judge(facts);
  const masters = new Map(
    clusters.filter(({ isElsewhere }) => !isElsewhere).map((seen) => [seen.cluster, seen]),
  );
  // Who has heard no map shows what clusters say that they own.
  const map = keeper === null || (keeper.why !== null && keeper.known.map.isEmpty) ? null : keeper.known.map;
  const entries = map?.entries ?? ownEntries(clusters);
  return {
    ...teller,
    verdict: { state, words },
    findings: findings.slice(0, FINDINGS_MAX).map(({ brief: _, ...shown }) => shown),
    keeperSilent: keeper?.why ?? null,
    nursery: keeper?.known.nursery?.founding ?? null,
    map: {
      version: map?.version ?? null,
      ranges: entries.length,
      entries: joined(
        shownRanges(entries, masters, (entry) => isOver(entry, keeper?.known.clusters ?? [])),
        RANGES_MAX,
      ).map((range) => ({ ...range, ...jsonRange(range) })),
    },
    clusters: clusters.map((seen) => shownCluster(seen, keeper?.cluster ?? null)),
    moves: movesOf(facts),
    visitors: visitorsOf(facts).slice(0, VISITORS_MAX),
  };
}

/** Without a map a cluster has what its master says. */
function ownEntries(clusters: readonly ClusterSeen[]): readonly MapEntry[] {
  const owned = clusters.flatMap((seen) => {
    const ranges = masterOf(seen)?.facts.status.owned ?? [];
    return ranges.map(({ lo, hi, epoch }) => ({ lo, hi, epoch, owner: seen.cluster }));
  });
  return ascending(owned);
}

/** Of each range who has it, how much is in it as its owner's master counts, or any node that has counted, and whether it is served. */
function shownRanges(
  entries: readonly MapEntry[],
  clusters: ReadonlyMap<string, ClusterSeen>,
  isDead: (entry: MapEntry) => boolean,
): ShownRange[] {
  const known = new Map([...clusters].map(([id, seen]) => [id, ownerOf(seen)]));
  return entries.map((entry) => {
    const owner = known.get(entry.owner);
    const found = owner?.counts.get(entry.lo);
    const count = found?.hi === entry.hi ? found : undefined; // else it is of before a move
    return {
      lo: entry.lo,
      hi: entry.hi,
      owner: entry.owner,
      epoch: entry.epoch,
      ranges: 1,
      keys: count?.keys ?? null,
      bytes: count?.bytes ?? null,
      perSecond: owner === undefined || owner.isSilent ? null : (owner.rates.get(rangeName(entry)) ?? 0),
      sealedBy: owner?.sealed.get(entry.lo) ?? null,
      isServedByNobody: entry.founding !== undefined && isDead(entry),
    };
  });
}

/** Of the ranges of one cluster, by their first keys, or by `rangeName`. */
type Owner = {
  readonly counts: ReadonlyMap<string, RangeCount>;
  readonly sealed: ReadonlyMap<string, number>;
  /** Requests a second, where there are any. */
  readonly rates: ReadonlyMap<string, number>;
  /** None of its nodes answers. */
  readonly isSilent: boolean;
};

function ownerOf(seen: ClusterSeen): Owner {
  const master = masterOf(seen);
  const nodes = [...(master === null ? [] : [master]), ...answeringOf(seen)];
  const counted = nodes.find(({ facts }) => facts.counts !== null)?.facts.counts ?? [];
  const owned = master?.facts.status.owned ?? [];
  return {
    counts: new Map(counted.map((count) => [count.lo, count])),
    sealed: new Map(owned.flatMap(({ lo, sealedBy }) => (sealedBy === null ? [] : [[lo, sealedBy]]))),
    rates: new Map(
      rangeLoads(seen).map((range) => [rangeName(range), range.reads.s10 + range.writes.s10] as const),
    ),
    isSilent: nodes.length === 0,
  };
}

/** What it had at another epoch was asked of another range. */
function rangeName({ lo, epoch }: Pick<MapEntry, 'lo' | 'epoch'>): string {
  return `${epoch} ${lo}`;
}

/** At most `most` entries: runs of neighbours, of one length, in one each. What is wrong with one of them is wrong with all. */
export function joined(ranges: readonly ShownRange[], most: number): ShownRange[] {
  const length = Math.ceil(ranges.length / most);
  if (length <= 1) return [...ranges];
  const parts: ShownRange[] = [];
  for (let from = 0; from < ranges.length; from += length) {
    parts.push(ranges.slice(from, from + length).reduce(together));
  }
  return parts;
}

function together(one: ShownRange, other: ShownRange): ShownRange {
  return {
    lo: one.lo,
    hi: other.hi,
    owner: one.owner === other.owner ? one.owner : null,
    epoch: Math.max(one.epoch, other.epoch),
    ranges: one.ranges + other.ranges,
    keys: sum(one.keys, other.keys),
    bytes: sum(one.bytes, other.bytes),
    perSecond: sum(one.perSecond, other.perSecond),
    sealedBy: one.sealedBy ?? other.sealedBy,
    isServedByNobody: one.isServedByNobody || other.isServedByNobody,
  };
}

function sum(one: number | null, other: number | null): number | null {
  return one === null || other === null ? null : one + other;
}

function shownCluster(seen: ClusterSeen, keeper: string | null): ShownCluster {
  const { cluster, founding, isElsewhere, nodes } = seen;
  const master = isElsewhere ? null : masterOf(seen);
  const backups = answeringOf(seen).flatMap(({ facts }) => facts.status.backup?.takenMs ?? []);
  return {
    cluster,
    founding: founding ?? null,
    isKeeper: cluster === keeper,
    isElsewhere,
    copies: isElsewhere ? null : copiesOf(seen),
    backupMs: backups.length === 0 ? null : Math.max(...backups),
    nodes: nodes.map(({ name, facts, why }) => shownNode(name, facts, { why, master })),
  };
}

function shownNode(
  name: string,
  facts: Answering['facts'] | null,
  { why, master }: { readonly why: string; readonly master: Answering | null },
): ShownNode {
  if (facts === null) return { name, why, version: null, atMs: null, conditions: [], status: null };
  const { version, atMs, conditions, status } = facts;
  const { role, applied, chosen, waitsFor, label, owned } = status;
  const heard = master?.facts.status.members.find(({ node }) => node === name);
  const isMaster = status.master === status.node;
  const lag =
    master === null ? null : isMaster ? 0 : master.facts.status.chosen - (heard?.applied ?? applied);
  return {
    name,
    why,
    version,
    atMs,
    conditions: conditions.slice(0, CONDITIONS_MAX),
    status: {
      role,
      isMaster,
      applied,
      chosen,
      lag: lag === null ? null : Math.max(0, lag),
      waitsFor,
      label,
      ranges: owned.length,
    },
  };
}

/** The newest first. */
function movesOf({ keeper, clusters }: Facts): Document['moves'] {
  if (keeper === null || keeper.migrations === null) return null;
  const keepers = clusters.filter(({ cluster, isElsewhere }) => cluster === keeper.cluster && !isElsewhere);
  const open = openMoves(keeper.migrations);
  const isOpenMid = new Set(open.map(({ mid }) => mid));
  const ended = keeper.migrations.filter(({ mid }) => !isOpenMid.has(mid));
  return {
    open: newest(open, MOVES_MAX).map((move) => shownMove(move, stillSince(keepers, move.mid))),
    more: Math.max(0, open.length - MOVES_MAX),
    ended: newest(ended, ENDED_MAX).map((move) => shownMove(move, null)),
  };
}

function newest(moves: readonly Migration[], most: number): Migration[] {
  return [...moves].sort((one, other) => other.mid - one.mid).slice(0, most);
}

function shownMove(move: Migration, still: Since | null): ShownMove {
  const { mid, source, target, phase, wish, why, progress, receipt } = move;
  const { stage, keysCopied, bytesCopied, keysTotal, dirtyRows, startedAtMs } = progress;
  const { pauseMs, pauseAtLeast } = receipt ?? progress;
  return {
    ...jsonRange(move),
    ...{ mid, source, target, phase, wish, why, stage, waitingFor: waitedFor(move), pace: paceOf(move) },
    ...{ keysCopied, bytesCopied, keysTotal, dirtyRows, pauseMs, pauseAtLeast, startedAtMs, still },
  };
}

/** Routers and migrators that are connected to nodes of the keeper; each once, however many links it has. */
function visitorsOf({ keeper, clusters }: Facts): Visitor[] {
  if (keeper === null) return [];
  const nodes = clusters.filter(({ cluster }) => cluster === keeper.cluster).flatMap((each) => each.nodes);
  const visitors = new Map<string, Visitor>();
  for (const { facts } of nodes) {
    for (const { role, node, remote, sinceMs } of facts?.visitors ?? []) {
      const from = remote.replace(/:\d+$/, '');
      const ageMs = (facts?.atMs ?? sinceMs) - sinceMs;
      visitors.set(`${role} ${node} ${from}`, { role, node, from, ageMs });
    }
  }
  return [...visitors.values()];
}
