/** `nursery rescue keeper`: the keeper is lost; a new one, with empty homes, is told what every cluster has. */
import { FatalError, NurseryError } from '../../base/errors.ts';
import type { ClusterClient } from '../../client/cluster-client.ts';
import { clientWithin, TimeLimit } from '../../client/limited-client.ts';
import { readClusterConfig } from '../../config/cluster-config.ts';
import type { KeeperRef } from '../../identity/founding.ts';
import { printRange } from '../../keyspace/range.ts';
import type { MapEntry } from '../../keyspace/rangemap.ts';
import type { ClusterConfig } from '../../protocol/admin/admin.ts';
import type { FunctionSet } from '../../protocol/admin/functions.ts';
import { NurseryConnections, readTarget } from '../connections.ts';
import { jsonRange } from '../forms.ts';
import { functionsOf, WITHOUT_OWN } from '../functions-of.ts';
import { printJson, printLine } from '../output.ts';
import { notice } from '../report.ts';
import { belongingOf, type Found, find, type Given, givenBy } from './bound.ts';
import type { Yield } from './claims.ts';
import { confirm } from './confirm.ts';
import { whyNotDone, whyTaken } from './has-map.ts';
import { answeringOf, type Nodes, nodesBefore, refuseLivingKeeper } from './keepers-of-before.ts';
import { keeperAt } from './new-keeper.ts';
import { newestFunctions, whyNotNewest } from './newest-functions.ts';
import { type Predecessors, predecessorsOf } from './predecessors.ts';
import { type Rebuilt, rebuild, type Told, type Yielded } from './rebuild.ts';
import { refuseAnswering } from './statuses.ts';
import { printDeleted, printYield, type Settlement, settlementOf, wasSaid } from './yields.ts';

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

/** What is known before anything is done. */
type Survey = Predecessors & {
  readonly keeper: KeeperRef;
  readonly found: readonly Found[];
  readonly lost: readonly ClusterConfig[];
  /** Of the keepers that they belong to or came from. */
  readonly nodes: Nodes;
  readonly settlement: Settlement;
};

/**
 * Has every cluster come to the new keeper, and tells that what they have; typed again it goes on.
 *
 * @throws NurseryError REFUSED where the keeper is none that is new, the one that a cluster belongs to lives, a cluster that is said to be
 *   lost does, or no map follows from the answers; UNREACHABLE where a cluster, or the keeper, does not answer (yet)
 * @throws FatalError CONFIG, USAGE
 */
export async function runKeeper(args: KeeperArgs): Promise<void> {
  if (args.files.length === 0)
    throw new FatalError(
      'USAGE',
      'rescue keeper takes the configuration files of all clusters of the nursery',
    );
  const { alive, lost } = givenFor(args);
  const target = readTarget(args.config);
  const limit = TimeLimit.ofCommand(args.timeout ?? PATIENCE_S);
  const nursery = new NurseryConnections(target.keeper, limit);
  try {
    const { founding, known } = await keeperAt(nursery, target, limit);
    const keeper: KeeperRef = { ...target.keeper, founding };
    if (!known.map.isEmpty) {
      const owners = [...new Set(known.map.entries.map(({ owner }) => owner))];
      await refuseUnlessDone(nursery, keeper, { alive, lost, owners });
      printDone(keeper, args.json);
      return;
    }
    refuseMisnamed(args.yields, alive, keeper.cluster);
    const survey = await look({ alive, lost }, keeper, args.yields);
    describe(survey, args.json);
    refuseOpen(survey.settlement);
    if (args.dryRun) return;
    limit.refuseLate();
    await limit.uncounted(() => ask(args, survey));
    const done = await install(nursery, survey, { ...args, limit });
    report(keeper, { ...done, ...(await inForce(nursery, done.waiting, limit)) }, args.json);
  } finally {
    nursery.close();
  }
}

type Files = { readonly alive: readonly Given[]; readonly lost: readonly Given[] };

/** @throws FatalError USAGE where one cluster is named twice */
function givenFor({ files, lost }: KeeperArgs): Files {
  const read = (file: string): Given => givenBy(readClusterConfig(file));
  const given = { alive: files.map(read), lost: lost.map(read) };
  const ids = [...given.alive, ...given.lost].map(({ config }) => config.cluster);
  const twice = ids.find((id, index) => ids.indexOf(id) < index);
  if (twice !== undefined) throw new FatalError('USAGE', `cluster ${twice} is named twice`);
  return given;
}

/** @throws FatalError USAGE where the keeper is named as a cluster that answers, or nobody's file is of a cluster that yields */
function refuseMisnamed(yields: readonly Yield[], alive: readonly Given[], keeper: string): void {
  const isNamed = (cluster: string): boolean => alive.some(({ config }) => config.cluster === cluster);
  if (isNamed(keeper))
    throw new FatalError(
      'USAGE',
      `${keeper} is the keeper: where the one that is lost served keys too, its file belongs behind --lost`,
    );
  const stranger = yields.find(({ cluster }) => !isNamed(cluster));
  if (stranger !== undefined)
    throw new FatalError(
      'USAGE',
      `--yields names ${stranger.cluster}, whose file is not among those that answer`,
    );
}

/** Asks all clusters that were named, and the nodes of the keepers that they belong to. */
async function look({ alive, lost }: Files, keeper: KeeperRef, yields: readonly Yield[]): Promise<Survey> {
  const found = await Promise.all(alive.map(find));
  const answering = await answeringOf([...alive, ...lost], keeper);
  refuseLivingKeeper(
    found.map((each) => ({ ...each, file: each.given.file })),
    answering,
    keeper.founding,
  );
  for (const { given, cluster, keeper: before } of found)
    if (given.nursery === null && before !== keeper.founding)
      notice(
        `${given.file} has no [nursery]: where the keeper of ${cluster} was, founding ${before}, it does not say, and it was not asked there`,
      );
  // Under the keeper's addresses the new one answers.
  await Promise.all(
    lost.flatMap(({ config }) => (config.cluster === keeper.cluster ? [] : [refuseAnswering(config)])),
  );
  return {
    ...predecessorsOf(found, keeper.founding),
    keeper,
    found,
    lost: lost.map(({ config }) => config),
    nodes: nodesBefore([...alive, ...lost], keeper, answering),
    settlement: settlementOf(
      found.map((each) => ({ ...each, hasCome: each.keeper === keeper.founding })),
      yields,
    ),
  };
}

/**
 * What can be known of ranges that several own, before any cluster has come.
 *
 * @throws NurseryError REFUSED where such a range is left, or what is said to yield does not
 */
function refuseOpen({ open, idle, perhapsBefore }: Settlement): void {
  if (idle.length > 0)
    throw new NurseryError(
      'REFUSED',
      `--yields ${idle.map(printYield).join(', ')}: no other cluster owns any of that, so there is nothing to give up; leave it out, or correct it; nothing was done`,
    );
  if (open.length > 0)
    throw new NurseryError('REFUSED', `no map can follow, and nothing was done: ${open.join('; ')}`);
  for (const each of perhapsBefore)
    notice(
      `--yields ${printYield(each)}: no other cluster owns any of that now: it was given up before, or never was owned twice`,
    );
}

/** @throws NurseryError REFUSED where the keeper has a map, and not by a rescue to which all that were named have come */
async function refuseUnlessDone(
  nursery: NurseryConnections,
  keeper: KeeperRef,
  { alive, lost, owners }: Files & { readonly owners: readonly string[] },
): Promise<void> {
  const { cluster, founding } = keeper;
  const answer = await nursery.keeper.query({ kind: 'listOrders' });
  const isRescued =
    answer.kind === 'orders' &&
    answer.orders.some((order) => order.kind === 'keeper' && order.founding === founding);
  const mapped = { cluster, founding, isRescued, owners };
  const named = await Promise.all(
    alive.map(async (each) => ({ ...(await belongingOf(each)), file: each.file })),
  );
  const taken = whyTaken(mapped, named);
  if (taken !== null) throw new NurseryError('REFUSED', taken);
  refuseLivingKeeper(named, await answeringOf([...alive, ...lost], keeper), founding);
  const whyNot = whyNotDone(mapped, named);
  if (whyNot !== null) throw new NurseryError('REFUSED', whyNot);
}

function printDone({ cluster, founding }: KeeperRef, json: boolean): void {
  if (json) printJson({ keeper: cluster, founding, isDone: true });
  else printLine(`done before: keeper ${cluster} took the place of the one that is lost, and has its map`);
}

function clientOf(config: ClusterConfig, limit: TimeLimit): ClusterClient {
  return clientWithin(config, { role: 'operator', node: 'rescue' }, { limit, isKeeper: false });
}

function describe(survey: Survey, json: boolean): void {
  const { keeper, found, lost, from, replaced, nodes, settlement } = survey;
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
      deleted: settlement.deleted.map((each) => ({
        cluster: each.cluster,
        ...jsonRange(each),
        keeps: each.keeps,
      })),
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
  for (const name of nodes.gone)
    printLine(
      `  ${name}  of the keeper that is lost must be off, and its home of before must never start again: it is named too`,
    );
  for (const name of nodes.members)
    printLine(`  ${name}  runs as a node of this keeper, and need not be named`);
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
  for (const each of settlement.deleted) printLine(`lost: ${printDeleted(each)}`);
}

/** All nodes whose homes of before never start again: the old keeper's, and those of clusters that are lost. */
function namesOf({ keeper, lost, nodes }: Survey): string[] {
  return [...nodes.gone, ...namesOfLost({ keeper, lost })];
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
  const named = namesOf(survey);
  // Where nothing of it is left to be named, the names of all its nodes say it.
  const vow = `--gone ${(named.length > 0 ? named : survey.nodes.members).join()}`;
  const word = `--yes ${keeper.cluster}`;
  await confirm([
    {
      expected: keeper.cluster,
      given: yes,
      question: `type the name of the keeper (${keeper.cluster})`,
      option: word,
    },
    {
      expected: typed,
      given: gone === null ? null : typed,
      question: `type ${typed}: no home of the keeper of that founding runs, and none ever starts again`,
      option: vow,
    },
    ...yields.map(({ cluster, range }) => ({
      expected: cluster,
      given: yes === null ? null : cluster,
      question: `type ${cluster}: what it has of ${printRange(range)}, where another one owns it too, is given up`,
      option: word,
    })),
    ...namesOfLost(survey).map((name) => ({
      expected: name,
      given: gone === null ? null : name,
      question: `type ${name}: it is off, and its home will never start again`,
      option: vow,
    })),
  ]);
}

async function install(
  nursery: NurseryConnections,
  { keeper, found, lost, from, replaced, order, settlement }: Survey,
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
  refuseUnsaid(rebuilt.yielded, settlement);
  for (const each of rebuilt.yielded) {
    limit.refuseLate();
    await giveUp(found, each, { order, keeper: founding }, limit);
  }
  const configs = [...lost, ...found.map(({ given }) => given.config)];
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
  { given: { config }, keeper: from, master }: Found,
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
  const client = clientOf(owner.given.config, limit);
  try {
    const set = await functionsOf(client, owner.master, WITHOUT_OWN);
    const why = whyNotNewest(from, owner.master, set);
    if (why !== null) throw new NurseryError('REFUSED', why);
    return set;
  } finally {
    client.close();
  }
}

/** @throws NurseryError REFUSED where rows would be deleted of which that was not said before names were typed */
function refuseUnsaid(yielded: readonly Yielded[], { deleted }: Settlement): void {
  const unsaid = yielded.filter(({ cluster, to }) => !wasSaid(cluster, to, deleted));
  if (unsaid.length === 0) return;
  const all = unsaid.map(({ cluster, to }) => printDeleted({ ...to, cluster, keeps: to.owner }));
  throw new NurseryError(
    'REFUSED',
    `what the clusters own has changed meanwhile: ${all.join('; ')}, which was not said before; nothing is served otherwise than before: type the same again`,
  );
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
  const client = clientOf(owner.given.config, limit);
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
