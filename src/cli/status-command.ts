/** `nursery status`: the map, every node of every cluster, and every migration, as far as they answer. */
import { printKey } from '../bytes.ts';
import { ClusterClient } from '../client/cluster-client.ts';
import { NurseryError } from '../errors.ts';
import type { ClusterConfig, KeeperMap, Migration, NodeStatus } from '../protocol/admin.ts';
import { printRange } from '../range.ts';
import { type NurseryConnections, withNursery } from './connections.ts';
import { printJson } from './data-commands.ts';

/** How long a node may take to answer (ms). */
const NODE_MS = 1500;

type NodeReport = { readonly name: string; readonly status: NodeStatus | null; readonly why: string };
type ClusterReport = { readonly cluster: string; readonly nodes: readonly NodeReport[] };

/** Prints what is known; a node that does not answer is listed with the reason. */
export async function runStatus(args: { config: string; json: boolean }): Promise<void> {
  await withNursery(args.config, async (nursery) => {
    const keeper = await nursery.refresh();
    const migrations = await listMigrations(nursery);
    const clusters = await Promise.all(keeper.clusters.map(askNodes));
    if (args.json) printJson({ map: keeper.map, clusters, migrations: migrations.map(toJson) });
    else print(keeper, clusters, migrations);
  });
}

async function listMigrations(nursery: NurseryConnections): Promise<Migration[]> {
  const answer = await nursery.keeper.query({ kind: 'listMigrations' });
  if (answer.kind === 'migrations') return answer.migrations;
  throw new NurseryError('MALFORMED', `keeper answered ${answer.kind} to listMigrations`);
}

async function askNodes(config: ClusterConfig): Promise<ClusterReport> {
  const client = new ClusterClient(config, { role: 'client', node: 'status' });
  try {
    return {
      cluster: config.cluster,
      nodes: await Promise.all(config.nodes.map(({ name }) => askNode(client, name))),
    };
  } finally {
    client.close();
  }
}

async function askNode(client: ClusterClient, name: string): Promise<NodeReport> {
  try {
    const answer = await client.query({ kind: 'nodeStatus' }, { to: name, deadlineMs: NODE_MS });
    if (answer.kind !== 'nodeStatus') return { name, status: null, why: `answered ${answer.kind}` };
    const { kind: _, ...status } = answer;
    return { name, status, why: '' };
  } catch (error) {
    if (!(error instanceof NurseryError)) throw error;
    return { name, status: null, why: error.message };
  }
}

function print(
  keeper: KeeperMap,
  clusters: readonly ClusterReport[],
  migrations: readonly Migration[],
): void {
  console.log(`map, version ${keeper.map.version}`);
  if (keeper.map.entries.length === 0) console.log('  empty: nursery init gives it to a first cluster');
  for (const entry of keeper.map.entries)
    console.log(`  ${printRange(entry)}  ${entry.owner}  epoch ${entry.epoch}`);
  for (const { cluster, nodes } of clusters) {
    console.log(`cluster ${cluster}`);
    for (const node of nodes) console.log(`  ${describe(node)}`);
  }
  const open = migrations.filter(({ phase }) => phase === 'active' || phase === 'published');
  console.log(`migrations: ${open.length} open, ${migrations.length - open.length} ended`);
  for (const migration of open) console.log(`  ${describeMigration(migration)}`);
}

function describe({ name, status, why }: NodeReport): string {
  if (status === null) return `${name}  does not answer: ${why}`;
  const silent = status.members.filter(({ seen }) => !seen).map(({ node }) => node);
  const note = status.role === 'master' && silent.length > 0 ? `; not heard of: ${silent.join(', ')}` : '';
  const owned = status.owned.map(
    (range) => `${printRange(range)}${range.sealedBy === null ? '' : ` sealed by ${range.sealedBy}`}`,
  );
  return `${name}  ${status.role}, slot ${status.applied} of ${status.chosen}, owns ${owned.join(' ') || 'nothing'}${note}`;
}

/** One migration in one line. */
export function describeMigration(migration: Migration): string {
  const { mid, source, target, phase, progress, wish } = migration;
  const range = printRange(migration);
  const wished = wish === 'run' ? '' : `, ${wish} wanted`;
  const waiting = progress.waitingFor === '' ? '' : `, waiting for ${progress.waitingFor}`;
  const share = progress.keysTotal > 0 ? ` of ${progress.keysTotal}` : '';
  return `${mid}: ${range} ${source} → ${target}, ${phase}, ${progress.stage}, ${progress.keysCopied}${share} keys, pause ${progress.pauseMs} ms${wished}${waiting}`;
}

/** A migration as scripts get it: keys printed, big numbers as text. */
export function toJson(migration: Migration): object {
  const { lo, hi, receipt } = migration;
  const digest = receipt === null ? null : receipt.digest;
  return {
    ...migration,
    lo: printKey(lo),
    hi: hi === null ? null : printKey(hi),
    receipt:
      receipt === null || digest === null
        ? null
        : { ...receipt, digest: { ...digest, sum: digest.sum.toString(16).padStart(32, '0') } },
  };
}
