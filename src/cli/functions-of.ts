/** All functions of users that one node has, with their sources. */
import { NurseryError } from '../base/errors.ts';
import type { ClusterClient } from '../client/cluster-client.ts';
import type { FunctionSet, NamedFunction } from '../protocol/admin/functions.ts';

/** Below each version: also of what a cluster had before it came to a keeper. */
export const WITH_OWN = Number.MIN_SAFE_INTEGER;
/** What has come to the nursery, or to the cluster, since its beginning. */
export const WITHOUT_OWN = 0;

/**
 * Asks page by page.
 *
 * @throws NurseryError as `ClusterClient.query`
 */
export async function functionsOf(
  client: ClusterClient,
  node: string,
  above: typeof WITH_OWN | typeof WITHOUT_OWN,
): Promise<FunctionSet> {
  const functions: NamedFunction[] = [];
  for (let version: number = above; ; ) {
    const answer = await client.query({ kind: 'functionsAbove', version }, { to: node });
    if (answer.kind !== 'functionsPage')
      throw new NurseryError('MALFORMED', `cluster ${client.cluster} answered ${answer.kind}`);
    functions.push(...answer.functions);
    if (answer.functions.length === 0) return { version: answer.version, functions };
    version = answer.version;
  }
}
