/** `nursery rescue keeper`: the keeper is lost; a new one, with empty homes, is told what every cluster has. */
import { FatalError, NurseryError } from '../../base/errors.ts';
import { ClusterClient } from '../../client/cluster-client.ts';
import { readClusterConfig, toClusterConfig } from '../../config/cluster-config.ts';
import type { KeeperRef } from '../../identity/founding.ts';
import { printRange } from '../../keyspace/range.ts';
import type { ClusterConfig } from '../../protocol/admin/admin.ts';
import { NurseryConnections, readTarget } from '../connections.ts';
import { jsonRange } from '../forms.ts';
import { printJson, printLine } from '../output.ts';
import { confirm } from './confirm.ts';
import { type Rebuilt, rebuild, type Told } from './rebuild.ts';

/** How long a node may take to answer (ms). */
const NODE_MS = 1500;
/** Digits of the old keeper's founding that are typed. */
const TYPED = 8;

export type KeeperArgs = {
  readonly config: string;
  /** Files of all clusters. */
  readonly files: readonly string[];
  readonly lost: readonly string[];
  readonly yes: string | null;
  readonly dryRun: boolean;
  readonly json: boolean;
};

/** A cluster, as its nodes say before anything is done. */
type Found = { readonly config: ClusterConfig; readonly founding: string; readonly keeper: string };

/**
 * Has every cluster come to the new keeper, and tells that what they have; typed again it goes on.
 *
 * @throws NurseryError REFUSED where the keeper is none that is new, a cluster does not answer, or no map follows from the answers
 * @throws FatalError CONFIG, USAGE
 */
export async function runKeeper(args: KeeperArgs): Promise<void> {
  if (args.files.length === 0)
    throw new FatalError(
      'USAGE',
      'rescue keeper takes the configuration files of all clusters of the nursery',
    );
  const nursery = new NurseryConnections(readTarget(args.config).keeper);
  try {
    const known = await nursery.refresh();
    const founding = known.nursery?.founding;
    if (founding === undefined)
      throw new NurseryError(
        'REFUSED',
        'the cluster that [nursery] names is no keeper: its own file must name itself, and its nodes must be up',
      );
    const { cluster, nodes } = readTarget(args.config).keeper;
    const keeper: KeeperRef = { cluster, founding, nodes };
    const found = await Promise.all(args.files.map(find));
    const from = oldKeeperOf(found, founding);
    if (!known.map.isEmpty)
      throw new NurseryError('REFUSED', `keeper ${cluster} has a map: it is not a new one`);
    describe(keeper, found, from, args);
    if (args.dryRun) return;
    await confirm([
      { expected: cluster, given: args.yes, question: `type the name of the keeper (${cluster})` },
      ...(args.yes === null
        ? [
            {
              expected: from.slice(0, TYPED),
              given: null,
              question: `type ${from.slice(0, TYPED)}: the keeper of that founding is off, and its homes never start again`,
            },
          ]
        : []),
    ]);
    const order = Date.now();
    const told: Told[] = [];
    for (const each of found) told.push(await adopt(each, { order, from, keeper }));
    const rebuilt = rebuild(founding, told, args.lost);
    if ('whyNot' in rebuilt) {
      throw new NurseryError(
        'REFUSED',
        `no map follows from what was told; nothing is served otherwise than before: ${rebuilt.whyNot.join('; ')}`,
      );
    }
    const answer = await nursery.keeper.command({
      kind: 'install',
      order,
      from,
      replaced: [],
      clusters: rebuilt.clusters.map((each) => ({ ...each, nodes: [] })),
      entries: [...rebuilt.entries],
      migrations: [...rebuilt.migrations],
      lastMid: rebuilt.lastMid,
    });
    if (answer.kind !== 'orders')
      throw new NurseryError('REFUSED', 'why' in answer ? answer.why : answer.kind);
    report(keeper, rebuilt, args.json);
  } finally {
    nursery.close();
  }
}

async function find(file: string): Promise<Found> {
  const config = toClusterConfig(readClusterConfig(file));
  const client = clientOf(config);
  try {
    const statuses = await Promise.all(
      config.nodes.map(({ name }) =>
        client.query({ kind: 'nodeStatus' }, { to: name, deadlineMs: NODE_MS }).catch((error: unknown) => {
          if (!(error instanceof NurseryError)) throw error;
          return null;
        }),
      ),
    );
    const bound = statuses.find((status) => status?.kind === 'nodeStatus' && status.keeper !== '');
    if (bound?.kind !== 'nodeStatus')
      throw new NurseryError(
        'UNREACHABLE',
        `no node of ${config.cluster} (${file}) answers that belongs to a nursery`,
      );
    return { config, founding: bound.founding, keeper: bound.keeper };
  } finally {
    client.close();
  }
}

function clientOf(config: ClusterConfig): ClusterClient {
  return new ClusterClient(config, { role: 'operator', node: 'rescue' });
}

/** The keeper that all of them belong to, but those that have come to the new one already. */
function oldKeeperOf(found: readonly Found[], fresh: string): string {
  const old = new Set(found.map(({ keeper }) => keeper).filter((keeper) => keeper !== fresh));
  if (old.size > 1)
    throw new NurseryError('REFUSED', `they belong to more than one nursery: ${[...old].join(', ')}`);
  const [from] = old;
  return from ?? fresh;
}

function describe(
  { cluster, founding }: KeeperRef,
  found: readonly Found[],
  from: string,
  { json, lost }: KeeperArgs,
): void {
  const clusters = found.map(({ config, founding: theirs, keeper }) => ({
    cluster: config.cluster,
    founding: theirs,
    keeper,
  }));
  if (json) {
    printJson({ keeper: cluster, founding, from, clusters, lost });
    return;
  }
  printLine(`keeper ${cluster}, founding ${founding}, takes the place of founding ${from}`);
  for (const { cluster: id, founding: theirs, keeper } of clusters)
    printLine(`  ${id}, founding ${theirs}${keeper === founding ? ' has come to it already' : ''}`);
  for (const id of lost)
    printLine(
      `  ${id} is lost: what was its own nobody serves, until nursery rescue lost brings it to another one`,
    );
  printLine('every cluster of the nursery must be named: one that is not is not part of it any more');
  printLine(
    'lost: what the old keeper alone knew, such as finished moves; moves that are open go back, or on where the target had taken over',
  );
}

async function adopt(
  { config }: Found,
  what: { readonly order: number; readonly from: string; readonly keeper: KeeperRef },
): Promise<Told> {
  const client = clientOf(config);
  try {
    const { order, from, keeper } = what;
    const answer = await client.command({
      kind: 'adopt',
      order,
      from,
      keeper: { ...keeper, nodes: [...keeper.nodes] },
    });
    if (answer.kind !== 'belongings')
      throw new NurseryError('REFUSED', `${config.cluster}: ${'why' in answer ? answer.why : answer.kind}`);
    const { kind: _, ...belongings } = answer;
    return { cluster: config.cluster, belongings };
  } finally {
    client.close();
  }
}

function report({ cluster }: KeeperRef, { entries, migrations }: Rebuilt, json: boolean): void {
  if (json) {
    printJson({
      keeper: cluster,
      map: entries.map((entry) => ({ ...entry, ...jsonRange(entry) })),
      migrations: migrations.map(({ mid, phase }) => ({ mid, phase })),
    });
    return;
  }
  printLine(`keeper ${cluster} has a map again:`);
  for (const entry of entries) printLine(`  ${printRange(entry)}  ${entry.owner}  epoch ${entry.epoch}`);
  if (migrations.length > 0)
    printLine(`${migrations.length} moves are open: a migrator ends them, or nursery migrate --resume`);
}
