/**
 * `nursery restore --replace`: a cluster of a nursery whose homes are all gone comes back under its own name, as a new founding with what
 * a backup holds. It serves nothing before the keeper has said which of its ranges are still its own.
 */
import { EXIT_CODES, FatalError, NurseryError } from '../../base/errors.ts';
import { whoDoes } from '../../base/names.ts';
import { TimeLimit } from '../../client/limited-client.ts';
import { type ClusterIni, toClusterConfig } from '../../config/cluster-config.ts';
import { printRange } from '../../keyspace/range.ts';
import type {
  AdminAnswer,
  Confirmation,
  Migration,
  NodeAddress,
  NodeStatus,
  Order,
} from '../../protocol/admin/admin.ts';
import { mergesOf } from '../../protocol/admin/lineage.ts';
import { NurseryConnections } from '../connections.ts';
import { jsonRange } from '../forms.ts';
import { printJson, printLine } from '../output.ts';
import { confirm } from '../rescue/confirm.ts';
import { settleMoves } from '../rescue/settle.ts';
import { statusesOf } from '../rescue/statuses.ts';
import {
  type Founder,
  founderOf,
  homeOf,
  type ImageFile,
  imageFor,
  type Made,
  madeBefore,
  makeHome,
} from './make-home.ts';
import { refuseInUse } from './ports.ts';
import { type Prospect, prospectOf } from './prospect.ts';
import {
  isMadeBefore,
  type OnRecord,
  type Place,
  placeOf,
  replacementOf,
  successionOf,
} from './succession.ts';

/** Before the command gives up waiting (s), unless it is told otherwise. */
const PATIENCE_S = 120;
/** How long the keeper may take to answer, elections included (ms). */
const KEEPER_MS = 5000;
/** Digits of a founding that are shown where it is to be typed. */
const DIGITS = 8;
/** Between two repetitions of the order (ms). */
const AGAIN_MS = 500;

export type ReplaceArgs = {
  readonly path: string;
  readonly config: string;
  readonly node: string | null;
  readonly replace: string | null;
  readonly gone: readonly string[] | null;
  readonly yes: string | null;
  readonly dryRun: boolean;
  readonly timeout: number | null;
  readonly json: boolean;
};

/** What is known before anything is done. */
type Survey = {
  readonly cluster: string;
  readonly node: Founder;
  readonly file: ImageFile;
  readonly known: OnRecord;
  readonly place: Place;
  readonly prospect: Prospect;
  /** Names of all nodes that the keeper or the file knows: their homes of before never start again. */
  readonly names: readonly string[];
  /** What this command has made before runs already. */
  readonly isRunning: boolean;
  readonly moves: readonly Migration[];
};

/**
 * Says what is known, has names typed, makes the home, and has the keeper say what is its own; typed again it goes on.
 *
 * @throws NurseryError BAD_INPUT where the backup is not whole, or has no image of the cluster; REFUSED where a node of the cluster
 *   answers, or as `placeOf`; UNREACHABLE where the keeper does not answer; TIMEOUT where moves are not settled in time
 * @throws FatalError USAGE; HOME_UNUSABLE where the home is neither empty nor one that this command has made
 */
export async function restoreInNursery(args: ReplaceArgs, ini: ClusterIni): Promise<void> {
  const { nursery: keeper, clusterId: cluster } = ini;
  if (keeper === null)
    throw new FatalError('USAGE', `--replace is for a cluster of a nursery, and ${args.config} names none`);
  if (keeper.clusterId === cluster)
    throw new NurseryError(
      'REFUSED',
      `${cluster} is the keeper, of which no backup is made: start it with empty homes, then nursery rescue keeper tells it what all clusters have`,
    );
  const node = founderOf(ini, args.node);
  const file = await imageFor(args.path, cluster);
  if (file.image.cluster !== cluster)
    throw new NurseryError(
      'REFUSED',
      `${file.path} is the image of cluster ${file.image.cluster}, not of ${cluster}`,
    );
  const limit = TimeLimit.ofCommand(args.timeout ?? PATIENCE_S);
  const nursery = new NurseryConnections({ cluster: keeper.clusterId, nodes: [...keeper.nodes] }, limit);
  try {
    const survey = await look(nursery, { ini, node, file, typed: args.replace });
    if (!survey.isRunning) await refuseInUse(node);
    describe(survey, args.json);
    if (args.dryRun) return;
    limit.refuseLate();
    if (survey.place.order === null && !survey.isRunning) await limit.uncounted(() => ask(args, survey));
    limit.refuseLate();
    const home = await homeFor(survey, { clusterId: keeper.clusterId, nodes: keeper.nodes });
    if (survey.place.isNewKeeper) reportWaiting(survey, home, args.json);
    else {
      const given = await give(nursery, survey, home, { config: args.config, limit });
      await report(nursery, survey, { home, given }, args.json);
    }
  } finally {
    nursery.close();
  }
}

async function look(
  nursery: NurseryConnections,
  what: {
    readonly ini: ClusterIni;
    readonly node: Founder;
    readonly file: ImageFile;
    readonly typed: string | null;
  },
): Promise<Survey> {
  const { ini, node, file, typed } = what;
  const { clusterId: cluster } = ini;
  const known = await recordOf(nursery);
  const place = placeOf(file.image, typed, known);
  const config = known.clusters.find((each) => each.cluster === cluster);
  const nodes = [...toClusterConfig(ini).nodes, ...(config?.nodes ?? [])];
  const isRunning = await refuseLiving(cluster, nodes, { place, keeper: known.nursery?.founding ?? '' });
  const { founding: was } = file.image;
  return {
    cluster,
    node,
    file,
    known,
    place,
    prospect: prospectOf(known.map.entries, file.image.owned, {
      cluster,
      chain: place.chain,
      merges: mergesOf(known.migrations),
      was,
    }),
    names: [...new Set(nodes.map(({ name }) => name))],
    isRunning,
    moves: known.migrations.filter(
      ({ phase, foundings }) =>
        (phase === 'active' || phase === 'published') &&
        (foundings?.source === place.dead || foundings?.target === place.dead),
    ),
  };
}

/** @throws NurseryError UNREACHABLE where the keeper does not answer: nobody else knows whose the ranges are by now */
async function recordOf(nursery: NurseryConnections): Promise<OnRecord> {
  const known = await nursery.refresh(KEEPER_MS).catch((error: unknown) => {
    if (!(error instanceof NurseryError)) throw error;
    throw new NurseryError(
      'UNREACHABLE',
      `the keeper has to say whose place is taken, and does not answer: start it, with empty homes where all of it is gone (${error.message})`,
      { cause: error },
    );
  });
  const [orders, migrations] = await Promise.all([
    nursery.keeper.query({ kind: 'listOrders' }),
    nursery.keeper.query({ kind: 'listMigrations' }),
  ]);
  if (orders.kind !== 'orders' || migrations.kind !== 'migrations')
    throw new NurseryError('MALFORMED', `the keeper answered ${orders.kind} and ${migrations.kind}`);
  return { ...known, orders: orders.orders, migrations: migrations.migrations };
}

/**
 * Whether what this command has made before runs already.
 *
 * @throws NurseryError REFUSED where another node of the cluster answers, that could serve, or be promoted
 */
async function refuseLiving(
  cluster: string,
  nodes: readonly NodeAddress[],
  { place, keeper }: { readonly place: Place; readonly keeper: string },
): Promise<boolean> {
  const places = [
    ...new Map(nodes.map((each) => [`${each.name} ${each.ips.join()} ${each.port}`, each])).values(),
  ];
  const alive = (await Promise.all(places.map((each) => statusesOf({ nodes: [each] })))).flat();
  const isMade = (status: NodeStatus): boolean => isMadeBefore(status, place, keeper);
  const names = alive.flatMap(({ name, status, isSilent }) => {
    if (status === null) return isSilent ? [] : [`${name} (it refuses)`];
    const isOurs = isMade(status);
    return status.cluster === cluster && status.founding !== '' && !isOurs
      ? [`${name} (${status.role})`]
      : [];
  });
  if (names.length === 0) return alive.some(({ status }) => status?.cluster === cluster && isMade(status));
  throw new NurseryError(
    'REFUSED',
    `${whoDoes(names, 'answers', `of ${cluster}`)}: it is not gone. nursery rescue promote goes on with what is left; or stop all of it, and never start its homes again`,
  );
}

function describe({ cluster, node, file, place, prospect, names, moves }: Survey, json: boolean): void {
  const { image, path } = file;
  const { back, left, moved } = prospect;
  if (json) {
    printJson({
      cluster,
      node: node.name,
      dead: place.dead,
      order: place.order?.order ?? null,
      newKeeper: place.isNewKeeper,
      image: { path, slot: image.slot, taken: image.taken, founding: image.founding },
      gone: names,
      back: back.map(jsonRange),
      left: left.map(jsonRange),
      moved: moved.map((entry) => ({ ...jsonRange(entry), owner: entry.owner })),
      moves: moves.map(({ mid }) => mid),
    });
    return;
  }
  printLine(`cluster ${cluster}, founding ${place.dead}, is dead for ever by this, whoever of it comes back`);
  if (place.order !== null)
    printLine(`  founding ${place.order.founding} has taken its place by order ${place.order.order}`);
  else
    for (const name of names)
      printLine(`  ${name}  does not answer: it must be off, and its home must never start again`);
  printLine(
    `${node.name} begins anew with the image of ${cluster} in ${path}, as of slot ${image.slot}, ${image.taken}: what was acknowledged since is lost`,
  );
  if (place.isNewKeeper) {
    printLine(
      'this keeper is a new one, and knows nothing yet: nursery rescue keeper, with the files of all clusters, says whose the ranges are, once all are started',
    );
    return;
  }
  for (const { mid, source, target } of moves)
    printLine(`  migration ${mid}, ${source} → ${target}: is settled first, without founding ${place.dead}`);
  if (place.order !== null) return;
  for (const range of back) printLine(`  ${printRange(range)} comes back`);
  for (const range of left)
    printLine(`  ${printRange(range)} had come to ${cluster} after this image: ${leftTo(cluster)}`);
  for (const entry of moved)
    printLine(`  ${printRange(entry)} of the image is of ${entry.owner} by now, and stays there`);
}

function leftTo(cluster: string): string {
  return `nobody serves it, until nursery rescue lost ${cluster} --at CLUSTER brings it to another one, with --restore DIR from whichever image has it, or --empty`;
}

async function ask({ gone, yes }: ReplaceArgs, { cluster, names }: Survey): Promise<void> {
  const unnamed = names.filter((name) => gone?.includes(name) !== true);
  if (gone !== null && unnamed.length > 0)
    throw new FatalError('USAGE', `--gone does not name ${unnamed.join(', ')}: nothing was done`);
  await confirm([
    {
      expected: cluster,
      given: yes,
      question: `type the name of the cluster (${cluster})`,
      option: `--yes ${cluster}`,
    },
    ...unnamed.map((name) => ({
      expected: name,
      given: null,
      question: `type ${name}: it is off, and its home of before will never start again`,
      option: `--gone ${unnamed.join()}`,
    })),
  ]);
}

/** The home, made now or before; null where its node runs already, by the order that was given then. */
async function homeFor(
  { cluster, node, file, known, place, isRunning }: Survey,
  keeper: { readonly clusterId: string; readonly nodes: readonly NodeAddress[] },
): Promise<Made | null> {
  const { order } = place;
  let before: Made | null;
  try {
    before = await madeBefore(cluster, node);
  } catch (error) {
    const isInUse = error instanceof FatalError && error.exitCode === EXIT_CODES.HOME_IN_USE;
    if (!isInUse || !isRunning) throw error;
    return null;
  }
  if (before === null && order !== null)
    throw new NurseryError(
      'REFUSED',
      `founding ${order.founding} has taken the place of ${order.was} by order ${order.order}, and is not in the home ${homeOf(node)}: where it is lost too, --replace ${order.founding.slice(0, DIGITS)} takes its place`,
    );
  if (before === null) {
    const { clusterId, nodes } = keeper;
    const ref = { cluster: clusterId, founding: known.nursery?.founding ?? '', nodes: [...nodes] };
    return await makeHome(cluster, node, file, successionOf(file.image, place, ref));
  }
  const isIts =
    before.replaced.includes(place.dead) && (place.order?.founding ?? before.founding) === before.founding;
  if (isIts) return before;
  throw new FatalError(
    'HOME_UNUSABLE',
    `the home ${homeOf(node)} of ${node.name} is not empty, and is of founding ${before.founding}, which does not take the place of ${place.dead}: empty it if nobody needs it`,
  );
}

/** Has the keeper say what is its own, once moves are settled; its node says the same again when it starts. */
async function give(
  nursery: NurseryConnections,
  survey: Survey,
  home: Made | null,
  { config, limit }: { readonly config: string; readonly limit: TimeLimit },
): Promise<Confirmation> {
  const { cluster } = survey;
  for (;;) {
    const answer =
      home === null
        ? await given(nursery, survey)
        : await nursery.keeper.command(replacementOf(survey, home, Date.now()));
    if (answer.kind === 'given') return answer;
    if (answer.kind !== 'busy') throw new NurseryError('REFUSED', 'why' in answer ? answer.why : answer.kind);
    if (limit.leftMs < 0)
      throw new NurseryError('TIMEOUT', `not done yet: ${answer.why}; type the same again, and it goes on`);
    await settleMoves(config, (move) => move.source === cluster || move.target === cluster, limit);
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
  }
}

/** What the order has given; its node runs, and asks for it itself. */
async function given(nursery: NurseryConnections, { cluster, place }: Survey): Promise<AdminAnswer> {
  const answer = await nursery.keeper.query({ kind: 'listOrders' });
  const orders: readonly Order[] = answer.kind === 'orders' ? answer.orders : [];
  const order = orders.find((each) => each.order === place.order?.order);
  return order?.given == null
    ? { kind: 'busy', why: `founding ${place.order?.founding} of ${cluster} has not been told its ranges` }
    : { kind: 'given', ...order.given };
}

async function report(
  nursery: NurseryConnections,
  { cluster, node, names, place }: Survey,
  { home, given: { order, ranges } }: { readonly home: Made | null; readonly given: Confirmation },
  json: boolean,
): Promise<void> {
  const founding = home?.founding ?? place.order?.founding ?? '';
  const { map } = await nursery.refresh();
  const left = map.entries.filter((entry) => entry.owner === cluster && entry.founding !== founding);
  if (json) {
    printJson({
      ...asJson(node, founding),
      order,
      ranges: ranges.map((range) => ({ ...jsonRange(range), epoch: range.epoch })),
      left: left.map(jsonRange),
    });
    return;
  }
  printLine(`home ${homeOf(node)} of node ${node.name} begins founding ${founding}, by order ${order}`);
  for (const range of ranges)
    printLine(`${printRange(range)} is ${cluster}'s again, at epoch ${range.epoch}`);
  if (ranges.length === 0) printLine(`nothing of the map is ${cluster}'s as of this image`);
  for (const range of left)
    printLine(`${printRange(range)} had come to ${cluster} after it: ${leftTo(cluster)}`);
  sayNext(node, names);
}

/** A new keeper knows nothing yet. */
function reportWaiting({ cluster, node, names }: Survey, home: Made | null, json: boolean): void {
  if (json) {
    printJson({ ...asJson(node, home?.founding ?? ''), order: null, ranges: [], left: [] });
    return;
  }
  if (home === null) printLine(`${node.name} runs already with the home that was made`);
  else {
    printLine(`home ${homeOf(node)} of node ${node.name} begins founding ${home.founding}`);
    sayNext(node, names);
  }
  printLine(
    `${cluster} serves nothing before nursery rescue keeper was typed, once all clusters of the nursery run: with the files of all of them, those that are restored and those that live`,
  );
}

function asJson({ name, home }: Founder, founding: string): object {
  return { node: name, home, founding };
}

function sayNext({ name }: Founder, names: readonly string[]): void {
  printLine(
    names.length > 1
      ? `now start ${name}, then the others with empty homes: they join by themselves, and until then all rests on ${name}. Never start an old home`
      : `now start ${name}. Never start an old home`,
  );
}
