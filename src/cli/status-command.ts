/** `nursery status`: the map, every node of every cluster, and every migration, as far as they answer. */

import { EXIT_CODES, NurseryError } from '../base/errors.ts';
import { ClusterClient } from '../client/cluster-client.ts';
import { printRange, type Range } from '../keyspace/range.ts';
import { EMPTY_MAP, type MapEntry } from '../keyspace/rangemap.ts';
import type {
  KeeperMap,
  KnownCluster,
  Migration,
  NodeAddress,
  NodeStatus,
  NotedBackup,
} from '../protocol/admin/admin.ts';
import type { TurnedAway } from '../protocol/arakoon/statistics.ts';
import { NurseryConnections, readTarget, type Target } from './connections.ts';
import { jsonRange } from './forms.ts';
import { printJson, printLine } from './output.ts';
import { printPause } from './progress-display.ts';
import { sayWhoIsAwaited } from './report.ts';
import { askTurnedAway, describeTurnedAway, type TurnedAwayReport } from './turned-away.ts';

/** How long a node may take to answer (ms). */
const NODE_MS = 1500;
/** How long the keeper may take, elections included (ms). */
const KEEPER_MS = 5000;

type NodeReport = {
  readonly name: string;
  readonly status: NodeStatus | null;
  readonly why: string;
  /** Null where it does not say. */
  readonly turnedAway: TurnedAway | null;
};
/** The router of the configuration. */
type RouterReport = { readonly name: string } & TurnedAwayReport;
type ClusterReport = {
  readonly cluster: string;
  /** The one that the keeper knows. */
  readonly founding?: string;
  readonly nodes: readonly NodeReport[];
};

/** What the keeper said, or why it did not. */
type Keeper =
  | { readonly known: KeeperMap; readonly migrations: readonly Migration[]; readonly why: null }
  /** `known`: what a router heard last, or that nothing is known but the configuration. */
  | { readonly known: KeeperMap; readonly migrations: null; readonly why: string };

/**
 * Prints what is known; a node that does not answer is listed with the reason. Where the keeper does not answer, what a
 * router has heard last stands in for it, or the configuration alone, and the exit code is KEEPER_SILENT.
 */
export async function runStatus(args: { config: string; json: boolean }): Promise<void> {
  const target = readTarget(args.config);
  const keeper = await askKeeper(target);
  const [router, clusters] = await Promise.all([
    target.isRouter ? askRouter(target) : null,
    Promise.all(withConfigured(keeper.known.clusters, target).map(askNodes)),
  ]);
  if (args.json) {
    const { version, entries } = keeper.known.map;
    const isDead = (entry: MapEntry) =>
      isOver(entry, keeper.known.clusters) ? { servedByNobody: true } : {};
    const map = { version, entries: entries.map((entry) => ({ ...withJsonRange(entry), ...isDead(entry) })) };
    const migrations = keeper.migrations?.map(toJson) ?? null;
    const silent = keeper.why === null ? {} : { keeperSilent: keeper.why };
    const nursery = keeper.known.nursery?.founding ?? null;
    printJson({ ...silent, nursery, map, router, clusters: clusters.map(clusterToJson), migrations });
  } else {
    print(keeper, clusters, router);
  }
  if (keeper.why !== null) process.exitCode = EXIT_CODES.KEEPER_SILENT;
}

async function askKeeper(target: Target): Promise<Keeper> {
  const nursery = new NurseryConnections(target.keeper);
  try {
    const answered = sayWhoIsAwaited(
      `the keeper, cluster ${target.keeper.cluster}; at most ${KEEPER_MS / 1000} s`,
    );
    const known = await nursery.refresh(KEEPER_MS).finally(answered);
    return { known, migrations: await listMigrations(nursery), why: null };
  } catch (error) {
    if (!(error instanceof NurseryError)) throw error;
    return { known: await heardByRouter(target), migrations: null, why: error.message };
  } finally {
    nursery.close();
  }
}

/** What the router of the configuration was last told by the keeper; nothing where it is none, or does not answer. */
async function heardByRouter({ front, isRouter }: Target): Promise<KeeperMap> {
  const nothing: KeeperMap = { map: EMPTY_MAP, clusters: [] };
  if (!isRouter) return nothing;
  const client = new ClusterClient(front, { role: 'operator', node: 'status' });
  try {
    const answer = await client.query({ kind: 'getMap' }, { to: 'any', deadlineMs: NODE_MS });
    return answer.kind === 'keeperMap' ? withoutKind(answer) : nothing;
  } catch (error) {
    if (!(error instanceof NurseryError)) throw error;
    return nothing;
  } finally {
    client.close();
  }
}

/**
 * The clusters that are known and those that the configuration names. A cluster of which it names other nodes than the keeper
 * knows stands there twice: they may be of another founding.
 */
function withConfigured(known: readonly KnownCluster[], { front, isRouter, keeper }: Target): KnownCluster[] {
  const clusters = [...known];
  for (const { cluster, nodes } of isRouter ? [keeper] : [front, keeper]) {
    const same = clusters.find((config) => config.cluster === cluster);
    const others = nodes.filter((node) => !same?.nodes.some((other) => isAt(other, node)));
    const { founding } = same ?? {};
    if (others.length > 0)
      clusters.push({ cluster, nodes: others, ...(founding === undefined ? {} : { founding }) });
  }
  return clusters;
}

function isAt(a: NodeAddress, b: NodeAddress): boolean {
  return a.name === b.name && a.port === b.port && a.ips.join() === b.ips.join();
}

async function listMigrations(nursery: NurseryConnections): Promise<Migration[]> {
  const answer = await nursery.keeper.query({ kind: 'listMigrations' });
  if (answer.kind === 'migrations') return answer.migrations;
  throw new NurseryError('MALFORMED', `keeper answered ${answer.kind} to listMigrations`);
}

/** Whoever answers is asked, of whatever founding it is: people must see who is there. */
async function askNodes({ cluster, nodes, founding }: KnownCluster): Promise<ClusterReport> {
  const client = new ClusterClient({ cluster, nodes }, { role: 'operator', node: 'status' });
  try {
    return {
      cluster,
      ...(founding === undefined ? {} : { founding }),
      nodes: await Promise.all(nodes.map(({ name }) => askNode(client, name))),
    };
  } finally {
    client.close();
  }
}

async function askNode(client: ClusterClient, name: string): Promise<NodeReport> {
  const counting = askTurnedAway(client, name, NODE_MS);
  try {
    const answer = await client.query({ kind: 'nodeStatus' }, { to: name, deadlineMs: NODE_MS });
    const { turnedAway } = await counting;
    if (answer.kind !== 'nodeStatus')
      return { name, status: null, why: `answered ${answer.kind}`, turnedAway };
    const { kind: _, ...status } = answer;
    return { name, status, why: '', turnedAway };
  } catch (error) {
    if (!(error instanceof NurseryError)) throw error;
    return { name, status: null, why: error.message, turnedAway: (await counting).turnedAway };
  }
}

async function askRouter({ front }: Target): Promise<RouterReport | null> {
  const [node] = front.nodes;
  if (node === undefined) return null;
  const client = new ClusterClient(front, { role: 'operator', node: 'status' });
  try {
    return { name: node.name, ...(await askTurnedAway(client, node.name, NODE_MS)) };
  } finally {
    client.close();
  }
}

function withoutKind({ kind: _, ...map }: { readonly kind: string } & KeeperMap): KeeperMap {
  return map;
}

function print(
  { known: { map, nursery, clusters: known }, migrations, why }: Keeper,
  clusters: readonly ClusterReport[],
  router: RouterReport | null,
): void {
  if (why !== null) {
    printLine(`the keeper does not answer: ${why}`);
    printLine(map.isEmpty ? 'no map is known' : 'what follows is what the router heard last');
  }
  if (why === null || !map.isEmpty) {
    const whose = nursery === undefined ? '' : `, of nursery ${nursery.founding}`;
    printLine(`map, version ${map.version}${whose}`);
    if (map.isEmpty) printLine('  empty: nursery init gives it to a first cluster');
    for (const entry of map.entries) {
      printLine(`  ${printRange(entry)}  ${entry.owner}  epoch ${entry.epoch}`);
      if (isOver(entry, known)) {
        const what = `founding ${entry.founding} of ${entry.owner} is over, and serves nothing`;
        printLine(
          `    ! ${what}: nursery rescue promote goes on where it was begun; nursery rescue lost ${entry.owner} brings the range to another cluster`,
        );
      }
    }
  }
  if (router !== null) printRouter(router);
  for (const { cluster, founding, nodes } of clusters) {
    printLine(`cluster ${cluster}${founding === undefined ? '' : `, founding ${founding}`}`);
    const backup = describeBackup(nodes);
    if (backup !== null) printLine(`  ${backup}`);
    for (const node of nodes) {
      printLine(`  ${describe(node)}`);
      for (const note of disagreements(node, founding, nursery?.founding)) printLine(`    ! ${note}`);
    }
  }
  if (migrations === null) return;
  const open = migrations.filter(({ phase }) => phase === 'active' || phase === 'published');
  printLine(`migrations: ${open.length} open, ${migrations.length - open.length} ended`);
  const still = stillOf(clusters);
  for (const migration of open) printLine(`  ${describeMigration(migration, still.has(migration.mid))}`);
  for (const { mid, target, isUntold } of migrations) {
    if (isUntold !== true) continue;
    const what = `migration ${mid} was aborted without ${target}, which keeps what it has staged until it is told`;
    printLine(`  ! ${what}: a migrator does so, or nursery migrate --resume`);
  }
}

/** Whether the map gives a range to a founding that another one took the place of, or that is lost. */
export function isOver({ owner, founding }: MapEntry, clusters: readonly KnownCluster[]): boolean {
  const known = clusters.find(({ cluster }) => cluster === owner);
  return founding !== undefined && (known === undefined || (known.founding ?? founding) !== founding);
}

/** What the nodes know of the last backup; null where none answers, or the cluster owns nothing. */
function describeBackup(nodes: readonly NodeReport[]): string | null {
  const there = nodes.flatMap(({ status }) => status ?? []);
  if (!there.some(({ owned }) => owned.length > 0)) return null;
  const newest = there
    .flatMap(({ backup }) => backup ?? [])
    .reduce<NotedBackup | null>((best, each) => (best === null || each.slot > best.slot ? each : best), null);
  if (newest === null) return 'no backup was noted';
  const age = printAge(Date.now() - newest.takenMs);
  return `last backup: ${age} ago, as of slot ${newest.slot}`;
}

/** Of a router that is well there is nothing to say. */
function printRouter({ name, turnedAway, why }: RouterReport): void {
  if (turnedAway === null) printLine(`router ${name}  does not answer: ${why}`);
  const lines = turnedAway === null ? [] : describeTurnedAway(turnedAway);
  if (lines.length > 0) printLine(`router ${name}`);
  for (const line of lines) printLine(`    ! ${line}`);
}

function describe({ name, status, why }: NodeReport): string {
  if (status === null) return `${name}  does not answer: ${why}`;
  const silent = status.members.filter(({ seen }) => !seen).map(({ node }) => node);
  const note = status.role === 'master' && silent.length > 0 ? `; not heard of: ${silent.join(', ')}` : '';
  const waiting = status.waitsFor === null ? '' : `; ${status.waitsFor}`;
  const owned = status.owned.map(
    (range) => `${printRange(range)}${range.sealedBy === null ? '' : ` sealed by ${range.sealedBy}`}`,
  );
  const label = status.label === '' ? '' : ` (${status.label.replace(/\p{Cc}/gu, '?')})`;
  return `${name}${label}  ${status.role}, slot ${status.applied} of ${status.chosen}, owns ${owned.join(' ') || 'nothing'}${note}${waiting}`;
}

/** What an operator should know of a node: its own notes, and where it says otherwise than the keeper. */
function disagreements(
  { status, turnedAway }: NodeReport,
  founding: string | undefined,
  keeper: string | undefined,
): string[] {
  const counted = turnedAway === null ? [] : describeTurnedAway(turnedAway);
  if (status === null) return counted;
  const notes = [...status.notes, ...counted];
  if (founding !== undefined && status.founding !== '' && status.founding !== founding) {
    notes.push(`it is of founding ${status.founding}, which is not the cluster that the keeper knows`);
  }
  if (keeper !== undefined && status.keeper !== '' && status.keeper !== keeper) {
    notes.push(`it belongs to the nursery ${status.keeper}, not to this one`);
  }
  return notes;
}

/** Migrations of which the keeper's master says that nobody notes progress (node/serve/heartbeats.ts). */
function stillOf(clusters: readonly ClusterReport[]): Set<number> {
  const notes = clusters.flatMap(({ nodes }) => nodes.flatMap(({ status }) => status?.notes ?? []));
  const found = notes.map((note) => /^migration (\d+): no migrator/.exec(note)?.[1]);
  return new Set(found.filter((mid) => mid !== undefined).map(Number));
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

/** One that is paused asks nobody: whom it had asked before is not waited for, and the stage says the rest. */
function waitedFor({ progress }: Migration): string {
  return progress.stage === 'paused' ? '' : progress.waitingFor;
}

function withJsonRange<T extends Range>(range: T): object {
  return { ...range, ...jsonRange(range) };
}

function clusterToJson({ cluster, founding, nodes }: ClusterReport): object {
  const reports = nodes.map(({ status, ...node }) => ({
    ...node,
    status: status === null ? null : { ...status, owned: status.owned.map(withJsonRange) },
  }));
  return { cluster, founding: founding ?? null, nodes: reports };
}

/** A migration as scripts get it: keys in the form of JSON, big numbers as text. */
export function toJson(migration: Migration): object {
  const { receipt } = migration;
  const digest = receipt === null ? null : receipt.digest;
  return {
    ...migration,
    ...jsonRange(migration),
    progress: { ...migration.progress, waitingFor: waitedFor(migration) },
    receipt:
      receipt === null || digest === null
        ? null
        : { ...receipt, digest: { ...digest, sum: digest.sum.toString(16).padStart(32, '0') } },
  };
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
