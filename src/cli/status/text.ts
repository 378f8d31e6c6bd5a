/** Status as people read it: the verdict, what is wrong, then tables of all that is known. */
import { answeringOf, type ClusterSeen, type Facts, masterOf, type NodeSeen } from '../../health/facts.ts';
import type { Finding, Since } from '../../health/finding.ts';
import type { Verdict } from '../../health/findings.ts';
import { openMoves } from '../../health/map-findings.ts';
import { stillSince } from '../../health/move-findings.ts';
import { copiesOf } from '../../health/safe-to-stop.ts';
import { printRange, sameRange } from '../../keyspace/range.ts';
import type { MapEntry } from '../../keyspace/rangemap.ts';
import type { Migration, NotedBackup } from '../../protocol/admin/admin.ts';
import { printPause } from '../progress-display.ts';
import { waitedFor } from './json.ts';

/** All lines. @param wallMs the clock of whoever reads it (ms since 1970) */
export function statusLines(facts: Facts, { words, findings }: Verdict, wallMs: number): string[] {
  const lines = [words, ...findings.flatMap(findingLines), ''];
  lines.push(...mapLines(facts));
  for (const cluster of facts.clusters) lines.push(...clusterLines(cluster, wallMs));
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
  return [
    `map, version ${known.map.version}${whose}${heard}`,
    ...table(
      known.map.entries.map((entry) => [
        printRange(entry),
        entry.owner,
        `epoch ${entry.epoch}`,
        countOf(entry, clusters),
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
    return `${printCount(count.keys)} keys, ${printBytes(count.bytes)}, ${age} ago`;
  }
  return nodes.length === 0 ? '' : 'keys are being counted';
}

/** A number in three digits or so: 999, 12.3 k, 2.00 M. */
export function printCount(count: number): string {
  const units = [
    [1e9, ' G'],
    [1e6, ' M'],
    [1e4, ' k'],
  ] as const;
  const [, name] = units.find(([least]) => count >= least) ?? [1, ''];
  const unit = name === ' G' ? 1e9 : name === ' M' ? 1e6 : name === ' k' ? 1e3 : 1;
  return unit === 1 ? String(count) : `${(count / unit).toPrecision(3)}${name}`;
}

function printBytes(bytes: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'];
  const power = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(1, bytes)) / 10));
  const amount = bytes / 1024 ** power;
  return `${power === 0 ? bytes : amount.toFixed(amount < 10 ? 1 : 0)} ${units[power]}`;
}

function clusterLines(seen: ClusterSeen, wallMs: number): string[] {
  const { cluster, founding, nodes } = seen;
  const backup = describeBackup(nodes, wallMs);
  return [
    `cluster ${cluster}${founding === undefined ? '' : `, founding ${founding}`}`,
    ...copiesLine(seen),
    ...(backup === null ? [] : [`  ${backup}`]),
    ...table(nodes.map(nodeRow)),
  ];
}

/** Each member has a copy of all that its cluster owns. */
function copiesLine(cluster: ClusterSeen): string[] {
  const copies = copiesOf(cluster);
  if (copies === null || cluster.isElsewhere) return [];
  const { members, fit, mayFail } = copies;
  const more = mayFail < 0 ? 'too few to go on' : mayFail === 0 ? 'none may fail' : `${mayFail} may fail`;
  return [`  ${members} ${members === 1 ? 'copy' : 'copies'}, ${fit} up to date; ${more}`];
}

function nodeRow({ name, facts, why }: NodeSeen): string[] {
  if (facts === null) return [name, `does not answer: ${printable(why)}`];
  const { status } = facts;
  const owned = status.owned.map(
    (range) => `${printRange(range)}${range.sealedBy === null ? '' : ` sealed by ${range.sealedBy}`}`,
  );
  const label = status.label === '' ? [] : [`(${printable(status.label)})`];
  const what = [`owns ${owned.join(' ') || 'nothing'}`, ...label].join(' ');
  return [name, status.role, `slot ${status.applied} of ${status.chosen}`, what];
}

/** What the nodes know of the last backup; null where none answers, or the cluster owns nothing. */
function describeBackup(nodes: readonly NodeSeen[], wallMs: number): string | null {
  const there = nodes.flatMap(({ facts }) => facts?.status ?? []);
  if (!there.some(({ owned }) => owned.length > 0)) return null;
  const newest = there
    .flatMap(({ backup }) => backup ?? [])
    .reduce<NotedBackup | null>((best, each) => (best === null || each.slot > best.slot ? each : best), null);
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
  if (rows.size === 0) return ['no router and no migrator is connected to the keeper'];
  return ['routers and migrators that are connected to the keeper', ...table([...rows.values()])];
}

function migrationLines({ keeper, clusters }: Facts): string[] {
  if (keeper === null || keeper.migrations === null) return [];
  const open = openMoves(keeper.migrations);
  const ended = keeper.migrations.length - open.length;
  const keepers = clusters.filter(({ cluster, isElsewhere }) => cluster === keeper.cluster && !isElsewhere);
  return [
    `migrations: ${open.length} open, ${ended} ended`,
    ...open.map((each) => `  ${describeMigration(each, stillSince(keepers, each.mid) !== null)}`),
  ];
}

/** One migration in one line. Of one that `isStill` the record says what was so when a migrator last wrote there. */
export function describeMigration(migration: Migration, isStill: boolean): string {
  const { mid, source, target, phase, progress, wish } = migration;
  const range = printRange(migration);
  const wished = wish === 'run' ? '' : `, ${wish} wanted`;
  const waits = isStill ? 'when last heard of waiting for' : 'waiting for';
  const whom = waitedFor(migration);
  const waiting = whom === '' ? '' : `, ${waits} ${whom}`;
  const share = progress.keysTotal > 0 ? ` of ${progress.keysTotal}` : '';
  return `${mid}: ${range} ${source} → ${target}, ${phase}, ${progress.stage}, ${progress.keysCopied}${share} keys, ${printPause(progress)}${wished}${waiting}`;
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
function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, '?');
}

/** A time in the one unit that says enough. */
export function printAge(ms: number): string {
  const units = [
    [86_400_000, 'd'],
    [3_600_000, 'h'],
    [60_000, 'min'],
  ] as const;
  const [unitMs, name] = units.find(([least]) => ms >= 2 * least) ?? [1000, 's'];
  return `${Math.max(0, Math.floor(ms / unitMs))} ${name}`;
}
