/** `nursery rescue keeper`: the keeper is lost; a new one, with empty homes, is told what every cluster has. */
import { FatalError, NurseryError } from '../../base/errors.ts';
import type { ClusterClient } from '../../client/cluster-client.ts';
import { clientWithin, TimeLimit } from '../../client/limited-client.ts';
import { readClusterConfig, toClusterConfig } from '../../config/cluster-config.ts';
import type { KeeperRef } from '../../identity/founding.ts';
import { printRange } from '../../keyspace/range.ts';
import type { MapEntry } from '../../keyspace/rangemap.ts';
import type { ClusterConfig, NodeStatus } from '../../protocol/admin/admin.ts';
import type { FunctionSet } from '../../protocol/admin/functions.ts';
import { NurseryConnections, readTarget } from '../connections.ts';
import { jsonRange } from '../forms.ts';
import { functionsOf, WITHOUT_OWN } from '../functions-of.ts';
import { printJson, printLine } from '../output.ts';
import { confirm } from './confirm.ts';
import { newestFunctions } from './newest-functions.ts';
import { type Bound, type Predecessors, predecessorsOf } from './predecessors.ts';
import { type Rebuilt, rebuild, type Told, type Yield, type Yielded } from './rebuild.ts';
import { refuseAnswering, statusesOf } from './statuses.ts';

/** Before the command gives up (s), unless it is told otherwise. */
const PATIENCE_S = 120;
/** How long those that wait for the keeper may take to be told their ranges (ms), and between two looks at that. */
const CONFIRMED_MS = 5000;
const AGAIN_MS = 200;
/** Digits of the old keeper's founding that are typed. */
const TYPED = 8;

export type KeeperArgs = {
  readonly config: string;
  /** Files of all clusters that answer. */
  readonly files: readonly string[];
  /** Files of those that are lost too. */
  readonly lost: readonly string[];
  readonly unclaimed: string | null;
  /** Who yields where two own a range. */
  readonly yields: readonly Yield[];
  readonly gone: readonly string[] | null;
  readonly yes: string | null;
  readonly dryRun: boolean;
  readonly timeout: number | null;
  readonly json: boolean;
};

/** What the new keeper has been given. `waiting`: foundings that took the place of others, and have to be told what is their own. */
type Installed = Rebuilt & {
  readonly functions: FunctionSet;
  readonly waiting: readonly { readonly cluster: string; readonly founding: string }[];
};

/** A cluster that answers. */
type Found = Bound & {
  readonly config: ClusterConfig;
  /** The node that says it is master: a survivor that waits for the keeper that is lost names none to clients. */
  readonly master: string;
};
/** What is known before anything is done. */
type Survey = Predecessors & {
  readonly keeper: KeeperRef;
  readonly found: readonly Found[];
  readonly lost: readonly ClusterConfig[];
};

/**
 * Has every cluster come to the new keeper, and tells that what they have; typed again it goes on.
 *
 * @throws NurseryError REFUSED where the keeper is none that is new, a cluster does not answer, one that is said to be lost does, or no
 *   map follows from the answers
 * @throws FatalError CONFIG, USAGE
 */
export async function runKeeper(args: KeeperArgs): Promise<void> {
  if (args.files.length === 0)
    throw new FatalError(
      'USAGE',
      'rescue keeper takes the configuration files of all clusters of the nursery',
    );
  const configs = configsOf(args);
  const limit = TimeLimit.ofCommand(args.timeout ?? PATIENCE_S);
  const nursery = new NurseryConnections(readTarget(args.config).keeper, limit);
  try {
    const known = await nursery.refresh();
    const founding = known.nursery?.founding;
    if (founding === undefined)
      throw new NurseryError(
        'REFUSED',
        'the cluster that [nursery] names is no keeper: its own file must name itself, and its nodes must be up',
      );
    const { cluster, nodes } = readTarget(args.config).keeper;
    if (!known.map.isEmpty) {
      await refuseUnlessDone(nursery, cluster, founding);
      printDone(cluster, founding, args.json);
      return;
    }
    const { alive, lost } = configs;
    const living = alive.find((each) => each.cluster === cluster);
    if (living !== undefined)
      throw new FatalError(
        'USAGE',
        `${cluster} is the keeper: where the one that is lost served keys too, its file belongs behind --lost`,
      );
    const stranger = args.yields.find((each) => !alive.some((config) => config.cluster === each.cluster));
    if (stranger !== undefined)
      throw new FatalError(
        'USAGE',
        `--yields names ${stranger.cluster}, whose file is not among those that answer`,
      );
    const found = await Promise.all(alive.map(find));
    // Under the keeper's addresses the new one answers.
    await Promise.all(lost.filter((each) => each.cluster !== cluster).map(refuseAnswering));
    const survey: Survey = {
      ...predecessorsOf(found, founding),
      keeper: { cluster, founding, nodes },
      found,
      lost,
    };
    describe(survey, args.json);
    if (args.dryRun) return;
    limit.refuseLate();
    await limit.uncounted(() => ask(args, survey));
    const done = await install(nursery, survey, { ...args, limit });
    report(survey.keeper, { ...done, ...(await inForce(nursery, done.waiting, limit)) }, args.json);
  } finally {
    nursery.close();
  }
}

/** @throws NurseryError REFUSED where the keeper has a map, and it did not get it by a rescue */
async function refuseUnlessDone(
  nursery: NurseryConnections,
  cluster: string,
  founding: string,
): Promise<void> {
  const answer = await nursery.keeper.query({ kind: 'listOrders' });
  const isDone =
    answer.kind === 'orders' &&
    answer.orders.some((order) => order.kind === 'keeper' && order.founding === founding);
  if (!isDone) throw new NurseryError('REFUSED', `keeper ${cluster} has a map: it is not a new one`);
}

function printDone(cluster: string, founding: string, json: boolean): void {
  if (json) printJson({ keeper: cluster, founding, isDone: true });
  else printLine(`done before: keeper ${cluster} took the place of the one that is lost, and has its map`);
}

/** @throws FatalError USAGE where one cluster is named twice */
function configsOf({ files, lost }: KeeperArgs): {
  readonly alive: readonly ClusterConfig[];
  readonly lost: readonly ClusterConfig[];
} {
  const read = (file: string): ClusterConfig => toClusterConfig(readClusterConfig(file));
  const configs = { alive: files.map(read), lost: lost.map(read) };
  const ids = [...configs.alive, ...configs.lost].map(({ cluster }) => cluster);
  const twice = ids.find((id, index) => ids.indexOf(id) < index);
  if (twice !== undefined) throw new FatalError('USAGE', `cluster ${twice} is named twice`);
  return configs;
}

async function find(config: ClusterConfig): Promise<Found> {
  const { cluster } = config;
  const bound = (await statusesOf(config)).flatMap(({ status }) =>
    status !== null && status.cluster === cluster && status.keeper !== '' ? [status] : [],
  );
  const [first] = bound;
  if (first === undefined)
    throw new NurseryError(
      'UNREACHABLE',
      `no node of ${cluster} answers that belongs to a nursery: where all of it is gone, its file belongs behind --lost`,
    );
  refuseSeveral(cluster, bound);
  // A node that lags may not know of the last order yet.
  const { founding, keeper, keepers, adopted } = bound.reduce(
    (last, each) => (each.adopted > last.adopted ? each : last),
    first,
  );
  const master = bound.find(({ role }) => role === 'master')?.node ?? null;
  if (master === null)
    throw new NurseryError(
      'NOT_MASTER',
      `${cluster} has no master: wait until it has one; where a majority of it is gone for good, nursery rescue promote comes first, and then this again`,
    );
  return { config, cluster, founding, keeper, keepers, adopted, master };
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

function clientOf(config: ClusterConfig, limit: TimeLimit): ClusterClient {
  return clientWithin(config, { role: 'operator', node: 'rescue' }, { limit, isKeeper: false });
}

function describe(survey: Survey, json: boolean): void {
  const { keeper, found, lost, from, replaced } = survey;
  const { cluster, founding } = keeper;
  if (json) {
    const clusters = found.map((each) => ({
      cluster: each.cluster,
      founding: each.founding,
      keeper: each.keeper,
    }));
    printJson({
      keeper: cluster,
      founding,
      from,
      clusters,
      lost: lost.map((each) => each.cluster),
      gone: namesOf(survey),
    });
    return;
  }
  printLine(`keeper ${cluster}, founding ${founding}, takes the place of founding ${from}`);
  for (const each of replaced)
    if (each !== from) printLine(`  and of ${each}, which some of them know or have known as their keeper`);
  for (const each of found)
    printLine(
      `  ${each.cluster}, founding ${each.founding}${each.keeper === founding ? ' has come to it already' : ''}`,
    );
  for (const { name } of keeper.nodes)
    printLine(
      `  ${name}  of the keeper that is lost must be off, and its home of before must never start again: it is named too`,
    );
  for (const each of lost) {
    printLine(
      `  ${each.cluster} is lost: what was its own nobody serves, until nursery rescue lost brings it to another one`,
    );
    if (each.cluster === cluster) continue;
    for (const { name } of each.nodes)
      printLine(`    ${name}  does not answer: it must be off, and its home must never start again`);
  }
  printLine('every cluster of the nursery must be named: one that is not is not part of it any more');
  printLine(
    'lost: what the old keeper alone knew, such as finished moves; moves that are open go back, or on where the target had taken over',
  );
}

/** All nodes whose homes of before never start again: the old keeper's, and those of clusters that are lost. */
function namesOf({ keeper, lost }: Survey): string[] {
  return [...keeper.nodes.map(({ name }) => name), ...namesOfLost({ keeper, lost })];
}

function namesOfLost({ keeper, lost }: Pick<Survey, 'keeper' | 'lost'>): string[] {
  return lost.flatMap(({ cluster, nodes }) =>
    cluster === keeper.cluster ? [] : nodes.map(({ name }) => name),
  );
}

async function ask({ gone, yes, yields }: KeeperArgs, survey: Survey): Promise<void> {
  const { keeper, from } = survey;
  const unnamed = namesOf(survey).filter((name) => gone?.includes(name) === false);
  if (unnamed.length > 0)
    throw new FatalError('USAGE', `--gone does not name ${unnamed.join(', ')}: nothing was done`);
  const typed = from.slice(0, TYPED);
  await confirm([
    {
      expected: keeper.cluster,
      given: yes,
      question: `type the name of the keeper (${keeper.cluster})`,
    },
    {
      expected: typed,
      given: gone === null ? null : typed,
      question: `type ${typed}: the keeper of that founding is off, and its homes never start again`,
    },
    ...yields.map(({ cluster, range }) => ({
      expected: cluster,
      given: yes === null ? null : cluster,
      question: `type ${cluster}: what it has of ${printRange(range)}, where another one owns it too, is given up`,
    })),
    ...namesOfLost(survey).map((name) => ({
      expected: name,
      given: gone === null ? null : name,
      question: `type ${name}: it is off, and its home will never start again`,
    })),
  ]);
}

async function install(
  nursery: NurseryConnections,
  { keeper, found, lost, from, replaced, order }: Survey,
  { unclaimed, yields, limit }: KeeperArgs & { readonly limit: TimeLimit },
): Promise<Installed> {
  const { cluster, founding } = keeper;
  const told: Told[] = [];
  for (const each of found) {
    limit.refuseLate();
    told.push(await adopt(each, { order, keeper, limit }));
  }
  const rebuilt = rebuild(told, {
    order,
    keeper: { cluster, founding, from },
    lost: lost.map((each) => each.cluster),
    unclaimed,
    yields,
  });
  if ('whyNot' in rebuilt) {
    throw new NurseryError(
      'REFUSED',
      `no map follows from what was told; nothing is served otherwise than before: ${rebuilt.whyNot.join('; ')}`,
    );
  }
  for (const each of rebuilt.yielded) {
    limit.refuseLate();
    await giveUp(found, each, { order, keeper: founding }, limit);
  }
  const configs = [...lost, ...found.map(({ config }) => config)];
  const met = [...replaced, ...told.flatMap(({ belongings }) => belongings.keepers)];
  limit.refuseLate();
  const functions = await functionsFrom(found, told, limit);
  const answer = await nursery.keeper.command({
    kind: 'install',
    order,
    from,
    replaced: [...new Set(met)].filter((each) => each !== founding),
    takenMs: Date.now(),
    clusters: rebuilt.clusters.map((each) => ({
      ...each,
      nodes: [...(configs.find((config) => config.cluster === each.cluster)?.nodes ?? [])],
    })),
    entries: [...rebuilt.entries],
    migrations: [...rebuilt.migrations],
    lastMid: rebuilt.lastMid,
    functions,
  });
  if (answer.kind !== 'orders') throw new NurseryError('REFUSED', 'why' in answer ? answer.why : answer.kind);
  const waiting = told.flatMap(({ cluster: id, belongings }) =>
    belongings.unconfirmed === '' ? [] : [{ cluster: id, founding: belongings.founding }],
  );
  return { ...rebuilt, functions, waiting };
}

/**
 * What the map says once those that waited have been told what is their own, each range at a new epoch; `late`: who has not, as where
 * moves are to be settled first.
 */
async function inForce(
  nursery: NurseryConnections,
  waiting: Installed['waiting'],
  limit: TimeLimit,
): Promise<{ readonly entries: readonly MapEntry[]; readonly late: readonly string[] }> {
  const untilMs = Math.min(performance.now() + CONFIRMED_MS, limit.untilMs);
  for (;;) {
    const answer = await nursery.keeper.query({ kind: 'listOrders' });
    const orders = answer.kind === 'orders' ? answer.orders : [];
    const late = waiting.filter(
      ({ founding }) => !orders.some((order) => order.founding === founding && order.given !== null),
    );
    if (late.length === 0 || performance.now() > untilMs) {
      const { map } = await nursery.refresh();
      return { entries: map.entries, late: late.map(({ cluster }) => cluster) };
    }
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
  }
}

async function adopt(
  { config, keeper: from, master }: Found,
  { order, keeper, limit }: { readonly order: number; readonly keeper: KeeperRef; readonly limit: TimeLimit },
): Promise<Told> {
  const client = clientOf(config, limit);
  try {
    const answer = await client.command(
      { kind: 'adopt', order, from, keeper: { ...keeper, nodes: [...keeper.nodes] } },
      { to: master },
    );
    if (answer.kind !== 'belongings')
      throw new NurseryError(
        'REFUSED',
        `${config.cluster}: ${'why' in answer ? answer.why : answer.kind}; type the same again, unless another rescue is under way`,
      );
    const { kind: _, ...belongings } = answer;
    return { cluster: config.cluster, belongings };
  } finally {
    client.close();
  }
}

/** The functions of users with which the new keeper goes on. */
async function functionsFrom(
  found: readonly Found[],
  told: readonly Told[],
  limit: TimeLimit,
): Promise<FunctionSet> {
  const from = newestFunctions(told);
  const owner = found.find(({ cluster }) => cluster === from?.cluster);
  if (from === null || owner === undefined) return { version: 0, functions: [] };
  const { version } = from.belongings.functions;
  const client = clientOf(owner.config, limit);
  try {
    const set = await functionsOf(client, owner.master, WITHOUT_OWN);
    if (set.version === version) return set;
    const why = `${owner.master} has functions at version ${set.version}, not ${version}: type the same again`;
    throw new NurseryError('REFUSED', why);
  } finally {
    client.close();
  }
}

/** Before the map is given: from then on this cluster serves none of it. */
async function giveUp(
  found: readonly Found[],
  { cluster, mid, to }: Yielded,
  of: { readonly order: number; readonly keeper: string },
  limit: TimeLimit,
): Promise<void> {
  const owner = found.find((each) => each.cluster === cluster);
  if (owner === undefined) return;
  const client = clientOf(owner.config, limit);
  try {
    const command = { kind: 'yieldRange', ...of, founding: owner.founding, mid, to } as const;
    const answer = await client.command(command, { to: owner.master });
    if (answer.kind !== 'ok')
      throw new NurseryError('REFUSED', `${cluster}: ${'why' in answer ? answer.why : answer.kind}`);
  } finally {
    client.close();
  }
}

function report(
  { cluster }: KeeperRef,
  { entries, migrations, functions: set, late }: Installed & { readonly late: readonly string[] },
  json: boolean,
): void {
  const functions = set.functions.map(({ name }) => name);
  if (json) {
    printJson({
      keeper: cluster,
      map: entries.map((entry) => ({ ...entry, ...jsonRange(entry) })),
      migrations: migrations.map(({ mid, phase }) => ({ mid, phase })),
      functions,
    });
    return;
  }
  printLine(`keeper ${cluster} has a map again:`);
  for (const entry of entries) printLine(`  ${printRange(entry)}  ${entry.owner}  epoch ${entry.epoch}`);
  for (const each of late)
    printLine(
      `${each} has not been told yet which of that is its own: it gets that at new epochs, and serves then`,
    );
  if (functions.length > 0) printLine(`functions that it goes on with: ${functions.join(', ')}`);
  if (migrations.length > 0)
    printLine(`${migrations.length} moves are open: a migrator ends them, or nursery migrate --resume`);
}
