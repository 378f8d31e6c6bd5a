/** All functions of users that one node has, with their sources. */
import { NurseryError } from '../base/errors.ts';
import type { ClusterClient } from '../client/cluster-client.ts';
import type { FunctionSet, FunctionsPage, NamedFunction } from '../protocol/admin/functions.ts';

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
  const reading = readFunctions(above);
  let next = reading.next();
  while (next.done !== true) {
    const answer = await client.query({ kind: 'functionsAbove', version: next.value }, { to: node });
    if (answer.kind !== 'functionsPage')
      throw new NurseryError('MALFORMED', `cluster ${client.cluster} answered ${answer.kind}`);
    next = reading.next(answer);
  }
  return next.value;
}

/**
 * Yields above which version the next page is to be asked for, and ends with all functions as of the version that the last one says: what
 * is put anew or removed between two pages is so there too.
 */
export function* readFunctions(above: number): Generator<number, FunctionSet, FunctionsPage> {
  let functions: NamedFunction[] = [];
  for (let from = above; ; ) {
    const page = yield from;
    // Without changes nothing goes: a keeper without a map then names none, although it has some.
    const names = new Set(page.version > from ? page.names : functions.map(({ name }) => name));
    for (const { name } of page.functions) names.delete(name);
    functions = [...functions.filter(({ name }) => names.has(name)), ...page.functions];
    if (page.functions.length === 0) return { version: page.version, functions };
    from = page.version;
  }
}
