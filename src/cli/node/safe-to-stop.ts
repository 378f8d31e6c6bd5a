/** `nursery node safe-to-stop` and `nursery node drain`: before work on the machine of a node. */
import { NurseryError } from '../../base/errors.ts';
import type { ArakoonClient } from '../../client/arakoon-client.ts';
import { readClusterConfig } from '../../config/cluster-config.ts';
import { type ClusterSeen, masterOf } from '../../health/facts.ts';
import { describeFatal, placesOf } from '../../health/places.ts';
import { copiesOf, fitMembers, whyNotSafeToStop } from '../../health/safe-to-stop.ts';
import { gather } from '../status/gather.ts';

/** How long the others may take to elect a master (ms). */
const HANDOVER_MS = 60_000;
/** How long a new master may take to hear of the others (ms), and how often that is looked at. */
const SETTLE_MS = 10_000;
const AGAIN_MS = 250;

type Asked = { readonly config: string; readonly node: string };
type Said = { readonly line: string; readonly json: object };

/** Says that the cluster goes on without the node. @throws NurseryError REFUSED, with the reason, where it would not */
export async function safeToStop({ config, node }: Asked): Promise<Said> {
  const { master, cluster } = await checked({ config, node });
  const isMaster = master === node;
  const before = isMaster ? '; it is the master, and nursery node drain hands that over first' : '';
  // Who has no vote is no copy that is missed.
  const isFit = fitMembers(cluster).includes(node);
  const mayFail = (copiesOf(cluster)?.mayFail ?? 0) - (isFit ? 1 : 0);
  const fatal = placesOf(cluster, node).filter(({ losesQuorum }) => losesQuorum);
  const named = describeFatal(fatal, mayFail);
  const meanwhile = `; meanwhile ${mayFail === 0 ? 'no other' : mayFail} may fail${named === null ? '' : `, and not ${named}`}`;
  return {
    line: `${node} may be stopped${before}${meanwhile}`,
    json: { safeToStop: true, isMaster, thenMayFail: mayFail, thenFatal: fatal.map(({ name }) => name) },
  };
}

/**
 * Hands mastership over, where the node has it, and waits until another one is master.
 *
 * @throws NurseryError REFUSED where the cluster would not go on without the node, or it is master again at once
 */
export async function drain(client: ArakoonClient, { config, node }: Asked): Promise<Said> {
  const { master: before } = await checked({ config, node });
  if (before === node) await client.dropMaster({ deadlineMs: HANDOVER_MS });
  const master = await settledMaster({ config, node });
  if (master === node) {
    throw new NurseryError(
      'REFUSED',
      `${node} is master again: its file prefers it, or the others did not want it`,
    );
  }
  return { line: `${master} is master; ${node} may be stopped`, json: { drained: true, master } };
}

/** The same, once a master that is new has heard of the others. */
async function settledMaster(asked: Asked): Promise<string> {
  for (const untilMs = performance.now() + SETTLE_MS; ; ) {
    try {
      return (await checked(asked)).master;
    } catch (error) {
      if (!(error instanceof NurseryError) || performance.now() >= untilMs) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
  }
}

/** The master, where the node may be stopped. */
async function checked({
  config,
  node,
}: Asked): Promise<{ readonly master: string; readonly cluster: ClusterSeen }> {
  const { clusterId } = readClusterConfig(config, 'client');
  const { clusters } = await gather(config);
  const cluster = clusters.find((each) => each.cluster === clusterId && !each.isElsewhere);
  const why = cluster === undefined ? `${clusterId} is not known` : whyNotSafeToStop(cluster, node);
  const master = cluster === undefined ? null : masterOf(cluster);
  if (why !== null || master === null || cluster === undefined)
    throw new NurseryError('REFUSED', `do not stop ${node}: ${why}`);
  return { master: master.name, cluster };
}
