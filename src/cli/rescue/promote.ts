/** `nursery rescue promote`: where a majority is gone, one survivor begins a new founding with all that is left. */
import { FatalError, NurseryError } from '../../base/errors.ts';
import { notGone, whoDoes } from '../../base/names.ts';
import { ClusterClient } from '../../client/cluster-client.ts';
import { TimeLimit } from '../../client/limited-client.ts';
import { nodeOf, readClusterConfig, toClusterConfig } from '../../config/cluster-config.ts';
import { printRange, type Range } from '../../keyspace/range.ts';
import type { AdminAnswer, NodeStatus } from '../../protocol/admin/admin.ts';
import { NurseryConnections, readTarget, withNursery } from '../connections.ts';
import { jsonRange } from '../forms.ts';
import { printJson, printLine } from '../output.ts';
import { notice } from '../report.ts';
import { confirm } from './confirm.ts';
import { migrationsOf } from './lost-survey.ts';
import { missedBy } from './missed.ts';
import { isKeeper, printDone } from './promoted-before.ts';
import { settleMoves } from './settle.ts';

/** How long a node may take to answer (ms). */
const NODE_MS = 1500;
/** How long the keeper may take, elections included (ms). */
const KEEPER_MS = 5000;
/** A node that is heard of no more is taken for silent after less than this (ms; node/paxos/promotion.ts). */
const HEARD_MS = 4000;
/** Between two repetitions of the order (ms); it is dropped where it is not repeated. */
const REPEAT_MS = 500;
/** Before the command gives up waiting (s), unless it is told otherwise. */
const PATIENCE_S = 120;

export type PromoteArgs = {
  readonly config: string;
  readonly node: string | null;
  readonly gone: readonly string[] | null;
  readonly yes: string | null;
  readonly loseFrom: number | null;
  readonly dryRun: boolean;
  readonly timeout: number | null;
  readonly json: boolean;
};

/** The cluster's file, and a client of whoever answers at its addresses. */
type Place = {
  readonly client: ClusterClient;
  readonly file: string;
  readonly cluster: string;
  readonly limit: TimeLimit;
};

/** What is known before anything is done. */
type Survey = {
  readonly founding: string;
  /** All others that the file or the survivor names. */
  readonly others: readonly string[];
  /** Those of them that answer, and are of the survivor's founding. */
  readonly left: ReadonlyMap<string, NodeStatus>;
  readonly own: NodeStatus;
};

/**
 * Says what is known and what may be lost, has names typed, and has the survivor carry it out; typed again it goes on.
 *
 * @throws NurseryError REFUSED where the cluster has a master or a majority, or somebody who is said to be gone answers; WRONG_CLUSTER
 *   where somebody else answers at an address of the file; UNREACHABLE where the survivor does not answer, or it takes too long
 * @throws FatalError CONFIG, USAGE
 */
export async function runPromote(args: PromoteArgs): Promise<void> {
  const ini = readClusterConfig(args.config);
  if (args.node === null) {
    const names = ini.nodes.map(({ name }) => name).join(', ');
    throw new FatalError('USAGE', `--node says which of ${names} is to go on: the one that has most`);
  }
  const { name } = nodeOf(ini, args.node);
  if (args.gone?.includes(name) === true)
    throw new FatalError('USAGE', `--gone names ${name}, which is to go on: nothing was done`);
  const limit = TimeLimit.ofCommand(args.timeout ?? PATIENCE_S);
  const client = new ClusterClient(
    { cluster: '', nodes: toClusterConfig(ini).nodes },
    { role: 'operator', node: 'rescue' },
  );
  try {
    const { clusterId } = ini;
    const place = { client, file: args.config, cluster: clusterId, limit };
    const survey = await look(
      place,
      name,
      ini.nodes.map((node) => node.name),
    );
    limit.refuseLate();
    const settle = async (): Promise<void> => {
      const isIts = (move: { source: string; target: string }): boolean =>
        move.source === clusterId || move.target === clusterId;
      if (survey.own.keeper !== '') await settleMoves(args.config, isIts, limit);
    };
    const what = isWaiting(survey.own, name)
      ? null // it was promoted already
      : await agree(place, args, { clusterId, name, survey });
    if (what === 'done') {
      const joined = (args.gone ?? []).filter((each) => survey.left.has(each));
      await printDone(survey.own, { config: args.config, joined, json: args.json, limit });
    }
    if (args.dryRun || what === 'done') return;
    const after = await carryOut(place, name, { what, settle });
    const behind = await leftBehind(place, after);
    report(clusterId, name, { others: survey.others, after, behind, file: args.config }, args.json);
  } finally {
    client.close();
  }
}

/**
 * Says what is known, and has it confirmed; what is to be ordered, or null where it turns out to have been promoted a moment ago, and
 * `done` where a founding that was promoted before works.
 */
async function agree(
  place: Place,
  args: PromoteArgs,
  { clusterId, name, survey }: { readonly clusterId: string; readonly name: string; readonly survey: Survey },
): Promise<Request | 'done' | null> {
  const silent = survey.others.filter((other) => !survey.left.has(other));
  const gone = args.gone ?? silent;
  const what = { founding: survey.founding, gone, loseFrom: args.loseFrom };
  // Since it was done, those who were gone may have joined anew, and who was left may be silent. It is said before any plan.
  const tried = survey.own.master === null ? null : await attempt(place, name, what);
  if (tried === 'done') return 'done';
  describe(clusterId, name, survey, silent, args.json);
  const unsaid = silent.filter((node) => !gone.includes(node));
  refuseLiving(gone, survey);
  if (unsaid.length > 0)
    throw new FatalError(
      'USAGE',
      `--gone does not name ${unsaid.join(', ')}, of whom nothing is heard: start them, or say that they are gone; nothing was done`,
    );
  if (tried instanceof NurseryError) throw tried;
  const may = tried ?? (await tryOrder(place, name, what));
  if (may !== 'ordered') return may === 'done' ? 'done' : null;
  if (isKeeper(survey.own)) sayForgets(clusterId, args.json);
  else if (survey.own.keeper !== '') await askKeeper(args, clusterId, survey, place.limit);
  place.limit.refuseLate();
  if (args.dryRun) return what;
  const unnamed = args.gone === null ? gone : [];
  const names = [
    {
      expected: clusterId,
      given: args.yes,
      question: `type the name of the cluster (${clusterId})`,
      option: `--yes ${clusterId}`,
    },
    ...unnamed.map((node) => ({
      expected: node,
      given: null,
      question: `type ${node}: it is off, and its home will never start again`,
      option: `--gone ${unnamed.join()}`,
    })),
  ];
  await place.limit.uncounted(() => confirm(names));
  return what;
}

function sayForgets(cluster: string, json: boolean): void {
  if (json) return;
  printLine(
    `${cluster} is the keeper: what is left of it may lack moves that were planned, and maps that were published. It begins anew, with no map, and nursery rescue keeper has every cluster tell it what it has; nothing moves until then`,
  );
}

/** @throws NurseryError REFUSED where its keeper would not have it; a keeper that is silent is waited for later */
async function askKeeper(
  { config, json }: PromoteArgs,
  cluster: string,
  { own, left }: Survey,
  limit: TimeLimit,
): Promise<void> {
  const { founding, keeper } = own;
  const nursery = new NurseryConnections(readTarget(config).keeper, limit);
  try {
    const query = { kind: 'standing', cluster, founding, keeper } as const;
    const answer = await nursery.keeper.query(query, { deadlineMs: KEEPER_MS });
    if (answer.kind === 'standing' && answer.verdict === 'taken') {
      // Bound, and neither in force nor dead: it was promoted, and burnt before it could tell the keeper.
      notice(`the keeper has not heard of this founding, and decides when it does: ${answer.why}`);
    } else if (answer.kind === 'standing' && answer.verdict === 'foreign' && (await isNew(nursery))) {
      notice(
        `at the keeper's place is a new one, which knows nothing yet: nothing is served before nursery rescue keeper was typed; type it while this waits, or then type this again`,
      );
    } else if (answer.kind === 'standing' && answer.verdict !== 'inForce') {
      throw new NurseryError(
        'REFUSED',
        `the keeper does not know this founding for the one in force: ${answer.why}`,
      );
    } else {
      const known = { map: (await nursery.refresh(KEEPER_MS)).map, migrations: await migrationsOf(nursery) };
      sayMissed(cluster, missedBy(known, cluster, [own, ...left.values()]), json);
    }
  } catch (error) {
    if (!(error instanceof NurseryError) || error.code === 'REFUSED' || limit.leftMs <= 0) throw error;
    notice(
      `the keeper does not answer (${error.message}): nothing is served before it has confirmed the new founding. Where all of it is gone for good, a new one takes its place meanwhile: nursery rescue keeper`,
    );
  } finally {
    nursery.close();
  }
  if (json) return;
  printLine('then the keeper says which ranges are still its own: what moved away stays where it is');
}

function sayMissed(cluster: string, missed: readonly Range[], json: boolean): void {
  if (json) {
    printJson({ mayBeLeftBehind: missed.map(jsonRange) });
    return;
  }
  for (const range of missed)
    printLine(
      `  ${printRange(range)} had come to ${cluster} by a move of which none that is left has applied the end: unless one of them has accepted it, nobody serves that range, until nursery rescue lost ${cluster} --at CLUSTER brings it to another one, with --restore DIR from a backup that has it, or --empty`,
    );
}

/** Whether it has no map: it was founded in the place of one that is lost. */
async function isNew(nursery: NurseryConnections): Promise<boolean> {
  return (await nursery.refresh(KEEPER_MS)).map.isEmpty;
}

/** A master that serves nothing: it took the place of a founding, and waits for its keeper. Without a master it has to be promoted. */
function isWaiting({ keeper, master, waitsFor }: NodeStatus, name: string): boolean {
  return keeper !== '' && master === name && waitsFor !== null;
}

async function look(place: Place, name: string, inFile: readonly string[]): Promise<Survey> {
  const own = await patientStatusOf(place, name);
  if (own === null) {
    throw new NurseryError(
      'UNREACHABLE',
      `${name} does not answer: start it first; it gathers what the others know while it runs`,
    );
  }
  const members = own.members.map(({ node }) => node);
  const others = [...new Set([...inFile, ...members])].filter((node) => node !== name);
  const left = new Map<string, NodeStatus>();
  await Promise.all(
    others.map(async (node) => {
      const status = inFile.includes(node) ? await statusOf(place, node).catch(otherCluster) : null;
      if (status !== null && status.founding === own.founding) left.set(node, status);
    }),
  );
  return { founding: own.founding, others, left, own };
}

/** A survivor closes its ports for a moment where it begins anew, as by an order that was given before. */
async function patientStatusOf(place: Place, name: string): Promise<NodeStatus | null> {
  const untilMs = Math.min(performance.now() + HEARD_MS, place.limit.untilMs);
  for (;;) {
    const status = await statusOf(place, name);
    if (status !== null || performance.now() + REPEAT_MS > untilMs) return status;
    await new Promise((resolve) => setTimeout(resolve, REPEAT_MS));
  }
}

/** An address that belongs to somebody else by now tells nothing of whoever burnt. */
function otherCluster(error: unknown): null {
  if (!(error instanceof NurseryError) || error.code !== 'WRONG_CLUSTER') throw error;
  notice(error.message);
  return null;
}

/**
 * Null where it does not answer.
 *
 * @throws NurseryError WRONG_CLUSTER where a node of another cluster does at its address; REFUSED for another one of this cluster
 */
async function statusOf({ client, file, cluster }: Place, node: string): Promise<NodeStatus | null> {
  let answer: AdminAnswer;
  try {
    answer = await client.query({ kind: 'nodeStatus' }, { to: node, deadlineMs: NODE_MS });
  } catch (error) {
    if (!(error instanceof NurseryError)) throw error;
    return null;
  }
  if (answer.kind !== 'nodeStatus') return null;
  if (answer.cluster === cluster && answer.node === node) return answer;
  throw new NurseryError(
    answer.cluster === cluster ? 'REFUSED' : 'WRONG_CLUSTER',
    `at the address of ${node} of cluster ${cluster} in ${file} answers ${answer.node} of cluster ${answer.cluster}: correct the file`,
  );
}

function describe(
  cluster: string,
  name: string,
  { founding, own, left, others }: Survey,
  silent: readonly string[],
  json: boolean,
): void {
  const held = Math.max(own.chosen, ...[...left.values()].map(({ chosen }) => chosen));
  if (json) {
    printJson({
      cluster,
      node: name,
      founding,
      holds: own.chosen,
      left: [...left].map(([node, { chosen, role }]) => ({ node, holds: chosen, role })),
      silent,
      keptUpTo: held,
    });
    return;
  }
  printLine(`cluster ${cluster}, founding ${founding}`);
  printLine(`  ${name}  ${own.role}, holds all up to slot ${own.chosen}: it is to go on`);
  for (const node of others) {
    const status = left.get(node);
    if (status === undefined)
      printLine(`  ${node}  does not answer: it must be off, and its home must never start again`);
    else
      printLine(
        `  ${node}  ${status.role}, holds all up to slot ${status.chosen}: tells what it knows, and retires`,
      );
  }
  printLine(
    `kept: all up to slot ${held}, and above that what any of these has accepted. What was acknowledged after slot ${held} and is with none of them is lost`,
  );
}

/** @throws NurseryError REFUSED where one that is said to be gone answers, with the home that votes or with an emptied one */
function refuseLiving(gone: readonly string[], { left, own }: Survey): void {
  const alive = gone.filter((node) => left.has(node));
  // A member by the survivor's list that is none by its own: its home was emptied, and it has joined, or copies.
  const emptied = alive.filter(
    (node) =>
      ['learner', 'joining'].includes(left.get(node)?.role ?? '') &&
      own.members.some((member) => member.node === node),
  );
  const voting = alive.filter((node) => !emptied.includes(node));
  if (voting.length > 0) throw new NurseryError('REFUSED', notGone(voting));
  if (emptied.length === 0) return;
  throw new NurseryError(
    'REFUSED',
    `${whoDoes(emptied, 'answers')}, from a home that was emptied: stop ${emptied.join(', ')} first, and type the same again. That home has copied from the old founding by now: once the survivor serves, empty it again before it is started, and it joins by itself`,
  );
}

type Request = {
  readonly founding: string;
  readonly gone: readonly string[];
  readonly loseFrom: number | null;
};

async function order(
  client: ClusterClient,
  name: string,
  { gone, ...rest }: Request & { readonly isTrial: boolean },
): Promise<'ordered' | 'done'> {
  const answer = await client.query(
    { kind: 'promote', gone: [...gone], ...rest },
    { to: name, deadlineMs: NODE_MS },
  );
  if (answer.kind === 'refused') throw new NurseryError('REFUSED', answer.why);
  return answer.kind === 'none' ? 'done' : 'ordered';
}

/**
 * Whoever has just died was heard of a moment ago, and its lease may last: a refusal counts once that cannot be the reason any more,
 * and so does that all is done. `waits` where the node turns out to have been promoted a moment ago.
 */
async function tryOrder(place: Place, name: string, what: Request): Promise<'ordered' | 'done' | 'waits'> {
  const untilMs = performance.now() + HEARD_MS;
  for (;;) {
    place.limit.refuseLate();
    try {
      const tried = await order(place.client, name, { ...what, isTrial: true });
      if (tried === 'ordered' || performance.now() > untilMs) return tried;
    } catch (error) {
      if (!(error instanceof NurseryError) || error.code !== 'REFUSED' || performance.now() > untilMs)
        throw error;
    }
    const now = await statusOf(place, name);
    if (now !== null && isWaiting(now, name)) return 'waits';
    await new Promise((resolve) => setTimeout(resolve, REPEAT_MS));
  }
}

/** As `tryOrder`; why it is refused, for whoever has something more to the point to say. */
async function attempt(
  place: Place,
  name: string,
  what: Request,
): Promise<'ordered' | 'done' | 'waits' | NurseryError> {
  try {
    return await tryOrder(place, name, what);
  } catch (error) {
    if (error instanceof NurseryError && error.code === 'REFUSED') return error;
    throw error;
  }
}

/** Once more; it may be closing its ports by now, or have begun anew. */
async function repeat(place: Place, name: string, what: Request): Promise<void> {
  try {
    await order(place.client, name, { ...what, isTrial: false });
  } catch (error) {
    if (!(error instanceof NurseryError)) throw error;
    if (error.code !== 'REFUSED') return;
    const now = await statusOf(place, name);
    if (now === null || now.founding === what.founding) throw error;
  }
}

/** Repeats the order until the node is of another founding, and then waits until it serves. */
async function carryOut(
  place: Place,
  name: string,
  { what, settle }: { readonly what: Request | null; readonly settle: () => Promise<void> },
): Promise<NodeStatus> {
  let said = '';
  for (;;) {
    const status = await statusOf(place, name);
    const isNew = status !== null && status.founding !== what?.founding;
    if (isNew && status.master === name && status.waitsFor === null) return status;
    const waits = status?.waitsFor ?? '';
    if (waits !== '' && waits !== said) notice(waits);
    if (waits !== '') said = waits;
    if (place.limit.leftMs < 0) {
      throw new NurseryError(
        'TIMEOUT',
        `${name} is not through yet: ${said || 'it does not answer'}; type the same again, and it goes on`,
      );
    }
    if (isNew && isWaiting(status, name)) await settle();
    else if (status !== null && what !== null && !isNew) await repeat(place, name, what);
    await new Promise((resolve) => setTimeout(resolve, REPEAT_MS));
  }
}

/** Ranges that the map gives to foundings before this one, at epochs that it has missed: nobody serves them. */
async function leftBehind(
  { file, cluster, limit }: Place,
  { founding, keeper }: NodeStatus,
): Promise<readonly Range[]> {
  if (keeper === '') return [];
  try {
    const behind = async (nursery: NurseryConnections): Promise<readonly Range[]> => {
      const { map } = await nursery.refresh(KEEPER_MS);
      return map.entries.filter(
        (entry) => entry.owner === cluster && (entry.founding ?? founding) !== founding,
      );
    };
    return await withNursery(file, behind, limit);
  } catch (error) {
    if (!(error instanceof NurseryError)) throw error;
    notice(`the keeper does not say which ranges were left behind (${error.message}): see nursery status`);
    return [];
  }
}

function report(
  cluster: string,
  name: string,
  {
    others,
    after,
    behind,
    file,
  }: {
    readonly others: readonly string[];
    readonly after: NodeStatus;
    readonly behind: readonly Range[];
    readonly file: string;
  },
  json: boolean,
): void {
  const { founding, applied } = after;
  if (json) {
    printJson({ cluster, node: name, founding, slot: applied, leftBehind: behind.map(jsonRange) });
    return;
  }
  printLine(`${name} serves: it is the first member of founding ${founding}, from slot ${applied} on`);
  for (const range of behind)
    printLine(
      `${printRange(range)} had come to ${cluster} by a move that ${name} has missed, and is served by nobody: nursery rescue lost ${cluster} --at CLUSTER --restore DIR --config ${file} brings it to another cluster from a backup, --empty without one`,
    );
  if (isKeeper(after))
    printLine(
      `${cluster} has no map: now nursery rescue keeper FILE… --config ${file}, with the files of all clusters`,
    );
  if (others.length > 0)
    printLine(
      `now empty the homes of ${others.join(', ')}, and start them: each joins by itself, and until then all rests on ${name}. Never start an old home`,
    );
}
