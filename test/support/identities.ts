/** Clusters that are not who they say: copies of files and homes, and what nodes and keeper say of them. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { NurseryError } from '../../src/base/errors.ts';
import { ClusterClient } from '../../src/client/cluster-client.ts';
import { renderClusterIni } from '../../src/config/render.ts';
import type { AdminAnswer, AdminQuery, ClusterConfig, NodeStatus } from '../../src/protocol/admin/admin.ts';
import { LEASE_MS, type TestCluster } from './clusters.ts';
import { freePorts, type Lab, type NurseryProcess } from './processes.ts';
import { until } from './wait.ts';

type Sent = NonNullable<Parameters<ClusterClient['query']>[1]>;

async function askOnce(config: ClusterConfig, query: AdminQuery, options: Sent = {}): Promise<AdminAnswer> {
  const client = new ClusterClient(config, { role: 'client', node: 'test' });
  return await client.query(query, options).finally(() => client.close());
}

/** What a node says of itself; null where it does not answer yet. */
export async function selfOf(cluster: string, name: string, port: number): Promise<NodeStatus | null> {
  const config = { cluster, nodes: [{ name, ips: ['127.0.0.1'], port }] };
  try {
    const answer = await askOnce(config, { kind: 'nodeStatus' }, { to: name, deadlineMs: 2000 });
    return answer.kind === 'nodeStatus' ? answer : null;
  } catch (error) {
    if (!(error instanceof NurseryError)) throw error;
    return null;
  }
}

/** The founding that a node is of, waited for: a node answers before it has founded, and before it was taken in. */
export function foundingOf(cluster: string, name: string, port: number): Promise<string> {
  return until(
    `${name} to be of a founding`,
    async () => (await selfOf(cluster, name, port))?.founding || null,
  );
}

/** What a node says that an operator should know of. */
export async function notesOf(cluster: string, name: string, port: number): Promise<readonly string[]> {
  return (await selfOf(cluster, name, port))?.notes ?? [];
}

/** Where clients reach a cluster, as its keeper says: `name port`, in order. */
export async function addressesOf(keeper: TestCluster, cluster: string): Promise<string> {
  const answer = await askOnce(keeper.config, { kind: 'getMap' });
  if (answer.kind !== 'keeperMap') return answer.kind;
  const nodes = answer.clusters.find((each) => each.cluster === cluster)?.nodes ?? [];
  return nodes.map(({ name, port }) => `${name} ${port}`).join();
}

/** A cluster that is described by a file of its own. */
export type Copy = {
  readonly file: string;
  /** Client and messaging port of each node in turn. */
  readonly ports: readonly number[];
  readonly homes: readonly string[];
  start(name: string, flags?: readonly string[]): NurseryProcess;
};

/** Another cluster that says that it is `clusterId`, with files and homes of its own. */
export async function copyOf(
  lab: Lab,
  folder: string,
  clusterId: string,
  names: readonly string[],
  keeper: ClusterConfig | null,
): Promise<Copy> {
  const ports = await freePorts(2 * names.length);
  const file = join(lab.dir, `${folder}.ini`);
  const homes = names.map((name) => join(lab.dir, folder, name));
  const nodes = names.map((name, index) => ({
    name,
    ip: '127.0.0.1',
    clientPort: ports[2 * index] as number,
    home: homes[index] as string,
    extra: { messaging_port: String(ports[2 * index + 1]) },
  }));
  writeFileSync(
    file,
    renderClusterIni({ clusterId, nodes, keeper, extra: { lease_period: String(LEASE_MS / 1000) } }),
  );
  return { file, ports, homes, start: starter(lab, folder, file) };
}

/** A cluster's own file as somebody edits it, saved under another name. */
export function editedFile(
  lab: Lab,
  cluster: TestCluster,
  name: string,
  edit: (text: string) => string,
): Pick<Copy, 'file' | 'start'> {
  const file = join(lab.dir, `${name}.ini`);
  writeFileSync(file, edit(readFileSync(cluster.file, 'utf8')));
  return { file, start: starter(lab, name, file) };
}

function starter(lab: Lab, folder: string, file: string): Copy['start'] {
  return (name, flags = []) =>
    lab.start(`${folder} ${name}`, ['node', '--config', file, '--node', name, ...flags]);
}

/** The process ends by itself, with that exit code and these words. */
export async function ends(node: NurseryProcess, code: number, why: RegExp): Promise<void> {
  const { code: ended, stderr } = await node.finished(90_000);
  assert.is(ended, code, stderr);
  assert.match(stderr, why);
}
