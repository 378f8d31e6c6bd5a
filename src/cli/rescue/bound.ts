/** Clusters of a nursery as their own nodes say that they are: what `rescue keeper` knows before anything is done. */
import { NurseryError } from '../../base/errors.ts';
import { type ClusterIni, toClusterConfig, toKeeperConfig } from '../../config/cluster-config.ts';
import type { ClusterConfig, NodeStatus } from '../../protocol/admin/admin.ts';
import type { Bound } from './predecessors.ts';
import { statusesOf } from './statuses.ts';
import type { Owner } from './yields.ts';

/** A cluster by the file that was given. */
export type Given = {
  readonly file: string;
  readonly config: ClusterConfig;
  /** Where its nodes look for their keeper; null where the file does not say. */
  readonly nursery: ClusterConfig | null;
};

/** A cluster that answers. */
export type Found = Bound &
  Omit<Owner, 'hasCome'> & {
    readonly given: Given;
    /** The node that says it is master: a survivor that waits for the keeper that is lost names none to clients. */
    readonly master: string;
  };

/** What was read. */
export function givenBy(ini: ClusterIni): Given {
  return { file: ini.file, config: toClusterConfig(ini), nursery: toKeeperConfig(ini) };
}

/**
 * The keeper that a cluster belongs to, whether or not it has a master.
 *
 * @throws NurseryError UNREACHABLE where no node of it says that
 */
export async function belongingOf({ config }: Given): Promise<Bound> {
  const { cluster } = config;
  const all = await boundNodes(config);
  if (all.length === 0)
    throw new NurseryError(
      'UNREACHABLE',
      `no node of ${cluster} answers that belongs to a nursery: which keeper that is nobody says; start its nodes, and type the same again`,
    );
  return latestOf(cluster, all);
}

/**
 * Asks all nodes of a cluster.
 *
 * @throws NurseryError UNREACHABLE where none answers, REFUSED where those of two foundings do, NOT_MASTER
 */
export async function find(given: Given): Promise<Found> {
  const { cluster } = given.config;
  const bound = await boundNodes(given.config);
  if (bound.length === 0)
    throw new NurseryError(
      'UNREACHABLE',
      `no node of ${cluster} answers that belongs to a nursery: where all of it is gone, its file belongs behind --lost`,
    );
  refuseSeveral(cluster, bound);
  const master = bound.find(({ role }) => role === 'master');
  if (master === undefined)
    throw new NurseryError(
      'NOT_MASTER',
      `${cluster} has no master: wait until it has one; where a majority of it is gone for good, nursery rescue promote comes first, and then this again`,
    );
  const { node, owned, waitsFor } = master;
  return { ...latestOf(cluster, bound), given, master: node, owned, mayWait: waitsFor !== null };
}

async function boundNodes(config: ClusterConfig): Promise<NodeStatus[]> {
  return (await statusesOf(config)).flatMap(({ status }) =>
    status !== null && status.cluster === config.cluster && status.keeper !== '' ? [status] : [],
  );
}

/** A node that lags may not know of the last order yet. */
function latestOf(cluster: string, bound: readonly NodeStatus[]): Bound {
  const { founding, keeper, keepers, adopted } = bound.reduce((last, each) =>
    each.adopted > last.adopted ? each : last,
  );
  return { cluster, founding, keeper, keepers, adopted };
}

/** @throws NurseryError REFUSED where nodes of several foundings answer: one alone is the cluster, and this command cannot know which */
function refuseSeveral(cluster: string, bound: readonly NodeStatus[]): void {
  const foundings = [...new Set(bound.map(({ founding }) => founding))];
  if (foundings.length < 2) return;
  const all = foundings.map((founding) => {
    const theirs = bound.filter((status) => status.founding === founding);
    return `${founding} (${theirs.map(({ node, role }) => `${node}, ${role}`).join('; ')})`;
  });
  throw new NurseryError(
    'REFUSED',
    `under the file of ${cluster} answer nodes of ${foundings.length} foundings, ${all.join(' and ')}: stop those that are no longer ${cluster}, or correct the file, and type the same again`,
  );
}
