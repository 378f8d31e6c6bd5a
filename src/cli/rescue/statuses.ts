/** Asks each node of a cluster for itself how it is. */
import { NurseryError } from '../../base/errors.ts';
import { whoDoes } from '../../base/names.ts';
import { ClusterClient } from '../../client/cluster-client.ts';
import type { ClusterConfig, NodeStatus } from '../../protocol/admin/admin.ts';

/** How long a node may take to answer (ms). */
const NODE_MS = 1500;
/** What is heard of one that is off, or cut off. Whoever refuses, or goes down, is there. */
const SILENCE: ReadonlySet<string> = new Set(['UNREACHABLE', 'TIMEOUT']);

/** What a node says; `status` null where it says nothing of itself, `isSilent` where it says nothing at all. */
export type Asked = { readonly name: string; readonly status: NodeStatus | null; readonly isSilent: boolean };

/** Of whatever cluster they are by now. */
export async function statusesOf({ nodes }: Pick<ClusterConfig, 'nodes'>): Promise<Asked[]> {
  const client = new ClusterClient({ cluster: '', nodes }, { role: 'operator', node: 'rescue' });
  try {
    return await Promise.all(nodes.map(({ name }) => statusOf(client, name)));
  } finally {
    client.close();
  }
}

/** @throws NurseryError REFUSED where a node of the cluster answers: it could serve, or be promoted */
export async function refuseAnswering(config: ClusterConfig): Promise<void> {
  const alive = (await statusesOf(config)).filter(({ status, isSilent }) =>
    status === null ? !isSilent : status.cluster === config.cluster,
  );
  if (alive.length === 0) return;
  const names = alive.map(({ name, status }) => `${name} (${status?.role ?? 'it refuses'})`);
  throw new NurseryError(
    'REFUSED',
    `${whoDoes(names, 'answers', `of ${config.cluster}`)}: it is not gone. Name its file among those of the clusters that answer, after nursery rescue promote where it has no majority; or stop it, and never start its home again`,
  );
}

async function statusOf(client: ClusterClient, name: string): Promise<Asked> {
  try {
    const answer = await client.query({ kind: 'nodeStatus' }, { to: name, deadlineMs: NODE_MS });
    return { name, status: answer.kind === 'nodeStatus' ? answer : null, isSilent: false };
  } catch (error) {
    if (!(error instanceof NurseryError)) throw error;
    return { name, status: null, isSilent: SILENCE.has(error.code) };
  }
}
