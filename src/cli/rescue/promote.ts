/** `nursery rescue promote`: where a majority is gone, one survivor begins a new founding with all that is left. */
import { FatalError, NurseryError } from '../../base/errors.ts';
import { ClusterClient } from '../../client/cluster-client.ts';
import { nodeOf, readClusterConfig, toClusterConfig } from '../../config/cluster-config.ts';
import type { NodeStatus } from '../../protocol/admin/admin.ts';
import { NurseryConnections, readTarget } from '../connections.ts';
import { printJson, printLine } from '../output.ts';
import { notice } from '../report.ts';
import { confirm } from './confirm.ts';
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
 * @throws NurseryError REFUSED where the cluster has a master or a majority, or somebody who is said to be gone answers; UNREACHABLE
 *   where the survivor does not answer, or it takes too long
 * @throws FatalError CONFIG, USAGE
 */
export async function runPromote(args: PromoteArgs): Promise<void> {
  const ini = readClusterConfig(args.config);
  if (args.node === null) {
    const names = ini.nodes.map(({ name }) => name).join(', ');
    throw new FatalError('USAGE', `--node says which of ${names} is to go on: the one that has most`);
  }
  const { name } = nodeOf(ini, args.node);
  const client = new ClusterClient(
    { cluster: '', nodes: toClusterConfig(ini).nodes },
    { role: 'operator', node: 'rescue' },
  );
  try {
    const survey = await look(
      client,
      name,
      ini.nodes.map((node) => node.name),
    );
    const { clusterId } = ini;
    const untilMs = performance.now() + (args.timeout ?? PATIENCE_S) * 1000;
    const settle = async (): Promise<void> => {
      const isIts = (move: { source: string; target: string }): boolean =>
        move.source === clusterId || move.target === clusterId;
      if (survey.own.keeper !== '') await settleMoves(args.config, isIts, untilMs);
    };
    const what = isUnconfirmed(survey.own)
      ? null // it was promoted already
      : await agree(client, args, { clusterId, name, survey });
    if (args.dryRun) return;
    const after = await carryOut(client, name, { what, settle, untilMs });
    report(ini.clusterId, name, survey.others, after, args.json);
  } finally {
    client.close();
  }
}

/** Says what is known, and has it confirmed; what is to be ordered. */
async function agree(
  client: ClusterClient,
  args: PromoteArgs,
  { clusterId, name, survey }: { readonly clusterId: string; readonly name: string; readonly survey: Survey },
): Promise<Order> {
  const silent = survey.others.filter((other) => !survey.left.has(other));
  const gone = args.gone ?? silent;
  describe(clusterId, name, survey, silent, args.json);
  refuseLiving(gone, survey);
  const what = { founding: survey.founding, gone, loseFrom: args.loseFrom };
  await tryOrder(client, name, what);
  if (survey.own.keeper !== '') await askKeeper(args, clusterId, survey.own);
  if (args.dryRun) return what;
  const unnamed = args.gone === null ? gone : [];
  await confirm([
    { expected: clusterId, given: args.yes, question: `type the name of the cluster (${clusterId})` },
    ...unnamed.map((node) => ({
      expected: node,
      given: null,
      question: `type ${node}: it is off, and its home will never start again`,
    })),
  ]);
  return what;
}

/** @throws NurseryError REFUSED where its keeper would not have it; a keeper that is silent is waited for later */
async function askKeeper(
  { config, json }: PromoteArgs,
  cluster: string,
  { founding, keeper }: NodeStatus,
): Promise<void> {
  const nursery = new NurseryConnections(readTarget(config).keeper);
  try {
    const query = { kind: 'standing', cluster, founding, keeper } as const;
    const answer = await nursery.keeper.query(query, { deadlineMs: KEEPER_MS });
    if (answer.kind === 'standing' && answer.verdict !== 'inForce')
      throw new NurseryError(
        'REFUSED',
        `the keeper does not know this founding for the one in force: ${answer.why}`,
      );
  } catch (error) {
    if (!(error instanceof NurseryError) || error.code === 'REFUSED') throw error;
    notice(
      `the keeper does not answer (${error.message}): nothing is served before it has confirmed the new founding`,
    );
  } finally {
    nursery.close();
  }
  if (json) return;
  printLine('then the keeper says which ranges are still its own: what moved away stays where it is');
}

/** It took the place of a founding, and waits for its keeper. */
function isUnconfirmed({ waitsFor }: NodeStatus): boolean {
  return waitsFor?.includes('took the place of') === true;
}

async function look(client: ClusterClient, name: string, inFile: readonly string[]): Promise<Survey> {
  const own = await statusOf(client, name);
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
      const status = inFile.includes(node) ? await statusOf(client, node) : null;
      if (status !== null && status.founding === own.founding) left.set(node, status);
    }),
  );
  return { founding: own.founding, others, left, own };
}

/** Null where it does not answer. */
async function statusOf(client: ClusterClient, node: string): Promise<NodeStatus | null> {
  try {
    const answer = await client.query({ kind: 'nodeStatus' }, { to: node, deadlineMs: NODE_MS });
    return answer.kind === 'nodeStatus' ? answer : null;
  } catch (error) {
    if (!(error instanceof NurseryError)) throw error;
    return null;
  }
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

function refuseLiving(gone: readonly string[], { left }: Survey): void {
  const alive = gone.filter((node) => left.has(node));
  if (alive.length > 0) throw new NurseryError('REFUSED', `${alive.join(', ')} answers: it is not gone`);
}

type Order = {
  readonly founding: string;
  readonly gone: readonly string[];
  readonly loseFrom: number | null;
};

async function order(
  client: ClusterClient,
  name: string,
  { gone, ...rest }: Order & { readonly isTrial: boolean },
): Promise<void> {
  const answer = await client.query(
    { kind: 'promote', gone: [...gone], ...rest },
    { to: name, deadlineMs: NODE_MS },
  );
  if (answer.kind === 'refused') throw new NurseryError('REFUSED', answer.why);
}

/** Whoever has just died was heard of a moment ago, and its lease may last: a refusal counts once that cannot be the reason any more. */
async function tryOrder(client: ClusterClient, name: string, what: Order): Promise<void> {
  const untilMs = performance.now() + HEARD_MS;
  for (;;) {
    try {
      await order(client, name, { ...what, isTrial: true });
      return;
    } catch (error) {
      if (!(error instanceof NurseryError) || error.code !== 'REFUSED' || performance.now() > untilMs)
        throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, REPEAT_MS));
  }
}

/** Once more; it may be closing its ports by now, or have begun anew. */
async function repeat(client: ClusterClient, name: string, what: Order): Promise<void> {
  try {
    await order(client, name, { ...what, isTrial: false });
  } catch (error) {
    if (!(error instanceof NurseryError)) throw error;
    if (error.code !== 'REFUSED') return;
    const now = await statusOf(client, name);
    if (now === null || now.founding === what.founding) throw error;
  }
}

/** Repeats the order until the node is of another founding, and then waits until it serves. */
async function carryOut(
  client: ClusterClient,
  name: string,
  {
    what,
    settle,
    untilMs,
  }: { readonly what: Order | null; readonly settle: () => Promise<void>; readonly untilMs: number },
): Promise<NodeStatus> {
  let said = '';
  for (;;) {
    const status = await statusOf(client, name);
    const isNew = status !== null && status.founding !== what?.founding;
    if (isNew && status.master === name && status.waitsFor === null) return status;
    const waits = status?.waitsFor ?? '';
    if (waits !== '' && waits !== said) notice(waits);
    if (waits !== '') said = waits;
    if (performance.now() > untilMs) {
      throw new NurseryError(
        'TIMEOUT',
        `${name} is not through yet: ${said || 'it does not answer'}; type the same again, and it goes on`,
      );
    }
    if (isNew && isUnconfirmed(status)) await settle();
    else if (status !== null && what !== null && !isNew) await repeat(client, name, what);
    await new Promise((resolve) => setTimeout(resolve, REPEAT_MS));
  }
}

function report(
  cluster: string,
  name: string,
  others: readonly string[],
  { founding, applied }: NodeStatus,
  json: boolean,
): void {
  if (json) {
    printJson({ cluster, node: name, founding, slot: applied });
    return;
  }
  printLine(`${name} serves: it is the first member of founding ${founding}, from slot ${applied} on`);
  if (others.length > 0)
    printLine(
      `now empty the homes of ${others.join(', ')}, and start them: each joins by itself, and until then all rests on ${name}. Never start an old home`,
    );
}
