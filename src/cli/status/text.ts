/** Status as people read it: the verdict, what is wrong, then tables of all that is known. */
import {
  absentOf,
  answeringOf,
  type ClusterSeen,
  type Facts,
  masterOf,
  type NodeSeen,
} from '../../health/facts.ts';
import type { Finding, Since } from '../../health/finding.ts';
import type { Verdict } from '../../health/findings.ts';
import { loadOf, rangeLoads } from '../../health/load.ts';
import { openMoves } from '../../health/map-findings.ts';
import { stillSince } from '../../health/move-findings.ts';
import { describeFatal, type PlaceSeen, placesOf } from '../../health/places.ts';
import { copiesOf } from '../../health/safe-to-stop.ts';
import { sameRange } from '../../keyspace/range.ts';
import type { MapEntry } from '../../keyspace/rangemap.ts';
import type { Migration, NotedBackup } from '../../protocol/admin/admin.ts';
import { isMerge, printWay } from '../../protocol/admin/migration.ts';
import { shortRange } from '../forms.ts';
import { printPause } from '../progress-display.ts';
import { printAge, printBytes, printCount } from './amounts.ts';
import { waitedFor } from './json.ts';
import { describeLoad } from './load.ts';
import { paceOf } from './pace.ts';

/** All lines. @param wallMs the clock of whoever reads it (ms since 1970) */
export function statusLines(facts: Facts, { words, findings }: Verdict, wallMs: number): string[] {
  const lines = [words, ...findings.flatMap(findingLines), ''];
  lines.push(...mapLines(facts));
  for (const cluster of facts.clusters) lines.push(...clusterLines(facts, cluster, wallMs));
  lines.push(...visitorLines(facts), ...migrationLines(facts));
  return lines;
}

/** What is wrong, since when, and what to do; each in lines of its own. */
function findingLines({ severity, what, since, todo, command }: Finding): string[] {
  const lines = [`${severity === 'note' ? '-' : '!'} ${printable(what)}`];
  if (since !== null) lines.push(`    since ${printSince(since)}`);
  if (todo !== null) lines.push(`    ${printable(todo)}`);
  if (command !== null) lines.push(`    type: ${printable(command)}`);
  return lines;
}

function printSince({ sinceMs, ageMs, by }: Since): string {
  const at = new Date(sinceMs).toISOString().slice(0, 19).replace('T', ' ');
  return `${at} UTC, for ${printAge(ageMs)}, by the clock of ${by}`;
}

function mapLines({ keeper, clusters }: Facts): string[] {
  if (keeper === null) return [];
  const { known, why } = keeper;
  if (why !== null && known.map.isEmpty) return ['no map is known'];
  const whose = known.nursery === undefined ? '' : `, of nursery ${known.nursery.founding}`;
  const heard = why === null ? '' : ', as a router heard it last';
  const busy = busyRanges(clusters);
  return [
    `map, version ${known.map.version}${whose}${heard}`,
    ...table(
      known.map.entries.map((entry) => [
        shortRange(entry),
        entry.owner,
        `epoch ${entry.epoch}`,
        countOf(entry, clusters),
        ...(busy.get(rangeName(entry.owner, entry)) ?? []),
      ]),
    ),
  ];
}

/** How many keys and bytes a range has, as its owner's master counted, or any node that has. */
function countOf(entry: MapEntry, clusters: readonly ClusterSeen[]): string {
  const cluster = clusters.find((each) => each.cluster === entry.owner && !each.isElsewhere);
  const master = cluster === undefined ? null : masterOf(cluster);
  const nodes = cluster === undefined ? [] : [...(master === null ? [] : [master]), ...answeringOf(cluster)];
  for (const { facts } of nodes) {
    const count = facts.counts?.find((each) => sameRange(each, entry));
    if (count === undefined) continue;
    const age = printAge(facts.atMs - facts.countedMs);
    return `${facts.unmergedRows > 0 ? 'about ' : ''}${printCount(count.keys)} keys, ${printBytes(count.bytes)}, ${age} ago`;
  }
  return nodes.length === 0 ? '' : 'keys are being counted';
}

/** What the nodes of its owner were asked of each range that is not idle. */
function busyRanges(clusters: readonly ClusterSeen[]): Map<string, string[]> {
  const said = new Map<string, string[]>();
  for (const cluster of clusters.filter(({ isElsewhere }) => !isElsewhere)) {
    for (const load of rangeLoads(cluster)) {
      const words = describeLoad(load);
      if (words !== null) said.set(rangeName(cluster.cluster, load), [words]);
    }
  }
  return said;
}

function rangeName(cluster: string, { lo, epoch }: Pick<MapEntry, 'lo' | 'epoch'>): string {
  return `${cluster} ${epoch} ${lo}`;
}

function clusterLines(facts: Facts, seen: ClusterSeen, wallMs: number): string[] {
  const { cluster, founding, nodes } = seen;
  const backup = describeBackup(facts, seen, wallMs);
  const load = describeLoad(loadOf(rangeLoads(seen)));
  const pool = nodes.find(({ facts }) => facts !== null)?.facts?.places.pool ?? '';
  const among = pool === '' ? '' : `, in pool ${printable(pool)}`;
  return [
    `cluster ${cluster}${founding === undefined ? '' : `, founding ${founding}`}${among}`,
    ...copiesLine(seen),
    ...roomLine(seen),
    ...(backup === null ? [] : [`  ${backup}`]),
    ...(load === null ? [] : [`  ${load}`]),
    ...table(nodes.map((node) => nodeRow(seen, node))),
  ];
}

/** Each member has a copy of all that its cluster owns. */
function copiesLine(cluster: ClusterSeen): string[] {
  const copies = copiesOf(cluster);
  if (copies === null || cluster.isElsewhere) return [];
  const { members, fit, mayFail } = copies;
  const master = masterOf(cluster);
  const absent = master === null ? 0 : absentOf(master).length;
  const wanted = absent === 0 ? '' : ` of ${members + absent}`;
  const more = mayFail < 0 ? 'too few to go on' : mayFail === 0 ? 'none may fail' : `${mayFail} may fail`;
  const places = placesOf(cluster);
  const fatal = describeFatal(places, mayFail);
  return [
    `  ${members} ${members === 1 ? 'copy' : 'copies'}${wanted}, ${fit} up to date; ${more}${fatal === null ? '' : `, and not ${fatal}`}`,
    ...placesLine(places),
  ];
}

/** How much the fullest of its disks has left; nothing where nobody says. */
function roomLine({ nodes, isElsewhere }: ClusterSeen): string[] {
  const said = nodes.flatMap(({ name, facts }) =>
    facts === null || facts.freeBytes === null ? [] : [{ name, free: facts.freeBytes }],
  );
  const fullest = said.sort((a, b) => a.free - b.free)[0];
  if (fullest === undefined || isElsewhere) return [];
  const least = said.length > 1 ? `, the least of its nodes: ${fullest.name}` : '';
  return [`  ${printBytes(fullest.free)} of disk space free${least}`];
}

/** On which disks, machines and racks they are, and how many where those are several. */
function placesLine(places: readonly PlaceSeen[]): string[] {
  if (places.length === 0) return [];
  const said = places.map(({ name, members }) =>
    members.length === 1 ? printable(name) : `${printable(name)} (${members.length} of them)`,
  );
  return [`  on ${said.join(', ')}`];
}

function nodeRow(seen: ClusterSeen, { name, facts, why, isUnheard }: NodeSeen): string[] {
  if (facts === null)
    return [name, isUnheard === true ? `not known: ${why}` : `does not answer: ${printable(why)}`];
  const { status } = facts;
  const owned = status.owned.map(
    (range) => `${shortRange(range)}${range.sealedBy === null ? '' : ` sealed by ${range.sealedBy}`}`,
  );
  const label = status.label === '' ? [] : [`(${printable(status.label)})`];
  const isOther = ![undefined, ''].includes(seen.founding) && !['', seen.founding].includes(status.founding);
  const founding = isOther ? `, of founding ${status.founding}` : '';
  const what = [`owns ${owned.join(' ') || 'nothing'}${founding}`, ...label].join(' ');
  return [name, status.role, `slot ${status.applied} of ${status.chosen}`, what];
}

/** What the nodes know of the last backup; null where the cluster owns nothing. */
function describeBackup(
  { keeper }: Facts,
  { cluster, founding, nodes, isElsewhere }: ClusterSeen,
  wallMs: number,
): string | null {
  const there = nodes.flatMap(({ facts }) => facts?.status ?? []);
  if (!there.some(({ owned }) => owned.length > 0)) {
    const isOwner = keeper?.known.map.entries.some(({ owner }) => owner === cluster) === true;
    const isGone = there.every(({ role }) => role === 'joining');
    // Whoever has to bring it back looks for one now: the nodes alone have noted it.
    return isOwner && isGone && !isElsewhere
      ? 'last backup: none of its nodes is there to say; nursery verify DIRECTORY says what is in one'
      : null;
  }
  const newest = there
    .flatMap(({ backup }) => backup ?? [])
    .reduce<NotedBackup | null>((best, each) => (best === null || each.slot > best.slot ? each : best), null);
  const order = keeper?.orders?.find((each) => founding !== undefined && each.founding === founding);
  if (newest === null && order !== undefined)
    return `no backup was noted since order ${order.order} (promotion or restore); those of before can still be restored`;
  if (newest === null) return 'no backup was noted';
  return `last backup: ${printAge(wallMs - newest.takenMs)} ago, as of slot ${newest.slot}`;
}

/** Routers and migrators, by who is connected to the keeper's nodes; each once, however many links it has. */
function visitorLines({ keeper, clusters }: Facts): string[] {
  if (keeper === null) return [];
  const nodes = clusters.filter(({ cluster }) => cluster === keeper.cluster).flatMap((each) => each.nodes);
  const rows = new Map<string, string[]>();
  for (const { facts } of nodes) {
    for (const { role, node, remote, sinceMs } of facts?.visitors ?? []) {
      const from = remote.replace(/:\d+$/, '');
      const since = `connected for ${printAge((facts?.atMs ?? sinceMs) - sinceMs)}`;
      rows.set(`${role} ${node} ${from}`, [role, printable(node), `from ${from}`, since]);
    }
  }
  if (rows.size === 0) return [nobodyConnected(nodes)];
  return ['routers and migrators that are connected to the keeper', ...table([...rows.values()])];
}

/** Who is connected to a node is known to that node alone. */
function nobodyConnected(nodes: readonly NodeSeen[]): string {
  const silent = nodes.filter(({ facts }) => facts === null).length;
  if (silent > 0 && silent === nodes.length)
    return 'which routers and migrators are connected to the keeper is not known: no node of it answers';
  return `no router and no migrator is connected to ${silent > 0 ? 'the nodes of the keeper that answer' : 'the keeper'}`;
}

function migrationLines({ keeper, clusters }: Facts): string[] {
  if (keeper === null || keeper.migrations === null) return [];
  const open = openMoves(keeper.migrations);
  const ended = keeper.migrations.length - open.length;
  const keepers = clusters.filter(({ cluster, isElsewhere }) => cluster === keeper.cluster && !isElsewhere);
  return [
    `migrations: ${open.length} open, ${ended} ended`,
    ...open.map((each) => `  ${describeMigration(each, stillSince(keepers, each.mid) !== null)}`),
    ...(keeper.auto?.isOn === true
      ? [`rebalances by itself, by ${keeper.auto.by}: nursery rebalance --auto show says what it does`]
      : []),
  ];
}

/** One migration in one line. Of one that `isStill` the record says what was so when a migrator last wrote there. */
export function describeMigration(migration: Migration, isStill: boolean): string {
  const { mid, phase, progress, wish } = migration;
  const range = shortRange(migration);
  const wished = wish === 'run' ? '' : `, ${wish} wanted`;
  const waits = isStill ? 'when last heard of waiting for' : 'waiting for';
  const whom = waitedFor(migration);
  const waiting = whom === '' ? '' : `, ${waits} ${whom}`;
  const share = progress.keysTotal > 0 ? ` of ${progress.keysTotal}` : '';
  const pace = paceOf(migration);
  const limit = pace === '' ? '' : `, ${pace}`;
  const counted = isMerge(migration) ? '' : `, ${progress.keysCopied}${share} keys, ${printPause(progress)}`;
  return `${mid}: ${range} ${printWay(migration)}, ${phase}, ${progress.stage}${counted}${limit}${wished}${waiting}`;
}

/** Rows with their columns below one another; the last one as it is. */
export function table(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [at, cell] of row.slice(0, -1).entries()) widths[at] = Math.max(widths[at] ?? 0, cell.length);
  }
  return rows.map((row) => {
    const cells = row.map((cell, at) => (at === row.length - 1 ? cell : cell.padEnd(widths[at] ?? 0)));
    return `  ${cells.join('  ')}`;
  });
}

/** Text from elsewhere, which may try to move the cursor. */
export function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, '?');
}
