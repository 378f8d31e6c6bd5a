/** What `nursery function` does. */
import { NurseryError } from '../base/errors.ts';
import type { ClusterClient } from '../client/cluster-client.ts';
import type { TimeLimit } from '../client/limited-client.ts';
import type { AdminAnswer, AdminCommand } from '../protocol/admin/admin.ts';
import { type FunctionsStatus, SOURCE_MAX } from '../protocol/admin/functions.ts';
import { type NurseryConnections, withNursery } from './connections.ts';
import { readGiven } from './export/files.ts';
import { print, printJson, printLine } from './output.ts';
import { notice, sayWhoIsAwaited } from './report.ts';

type Common = { readonly config: string; readonly json: boolean; readonly limit: TimeLimit };
type Named = Common & { readonly name: string };

/** How often clusters are asked whether they have a function yet (ms). */
const ASK_EVERY_MS = 200;
/** How long one of them has for its answer (ms). */
const ASK_MS = 5000;

/** Puts a function, and waits until every cluster has it. @throws NurseryError BAD_INPUT where it can be none */
export async function runPut(args: Named & { readonly file: string }): Promise<void> {
  const { name, json, file } = args;
  const command = async (): Promise<AdminCommand> => ({
    kind: 'putFunction',
    name,
    source: await readGiven({ path: file, max: SOURCE_MAX, limitOf: 'a function', word: 'function put' }),
  });
  await change(args, command, (version) => {
    if (json) printJson({ function: name, version, put: true });
    else printLine(`function ${name} is there (version ${version} of all functions)`);
  });
}

/** Removes a function, and waits until no cluster has it. @throws NurseryError NOT_FOUND */
export async function runRemove(args: Named): Promise<void> {
  const { name, json } = args;
  const command = async (): Promise<AdminCommand> => ({ kind: 'removeFunction', name });
  await change(args, command, (version) => {
    if (json) printJson({ function: name, version, removed: true });
    else printLine(`function ${name} is gone (version ${version} of all functions)`);
  });
}

/** The functions that there are, and which clusters lack some of them. */
export async function runList(args: Common): Promise<void> {
  const { config, limit } = args;
  const list = async (nursery: NurseryConnections): Promise<void> => {
    const status = await nursery.awaited(statusOf(nursery.keeper, limit.leftMs), limit.leftMs);
    const { functions, version } = status;
    const { lacking, own } = await compare(nursery, status, version, limit.leftMs);
    if (args.json) printJson({ version, functions, lacking, own });
    else {
      for (const { name, bytes, sha256 } of functions)
        printLine(`${name}\t${bytes} bytes\t${sha256.slice(0, 12)}`);
      if (functions.length === 0) printLine('there are no functions');
      for (const why of [...lacking, ...own]) printLine(why);
    }
  };
  await withNursery(config, list, limit);
}

/** Prints the source of a function, as it is. @throws NurseryError NOT_FOUND */
export async function runShow(args: Named): Promise<void> {
  const { config, limit } = args;
  const show = async (nursery: NurseryConnections): Promise<void> => {
    const query = { kind: 'getFunction', name: args.name } as const;
    const asked = nursery.keeper.query(query, { deadlineMs: limit.leftMs });
    const answer = await nursery.awaited(asked, limit.leftMs);
    const ofKeeper = answer.kind === 'functionsPage' ? answer.functions[0]?.source : undefined;
    const own = ofKeeper === undefined ? await ownOf(nursery, args) : null;
    const source = ofKeeper ?? own?.source;
    if (source === undefined) throw noFunction(args.name);
    if (own !== null) notice(`${own.cluster} alone has it, from before it came to the nursery`);
    if (args.json) printJson({ function: args.name, source: Buffer.from(source).toString('utf8') });
    else print(Buffer.from(source));
  };
  await withNursery(config, show, limit);
}

/** Which cluster alone has a function of that name, from before it came to the nursery; null where none has. */
async function ownOf(
  nursery: NurseryConnections,
  { name, limit }: Named,
): Promise<{ readonly cluster: string; readonly source: Uint8Array } | null> {
  const { clusters } = await nursery.refresh(limit.leftMs);
  for (const { cluster } of clusters) {
    const query = { kind: 'getFunction', name } as const;
    const options = { deadlineMs: ASK_MS };
    const answer = await nursery.cluster(cluster).query(query, options).catch(whereSilent);
    const source = answer?.kind === 'functionsPage' ? answer.functions[0]?.source : undefined;
    if (source !== undefined) return { cluster, source };
  }
  return null;
}

function whereSilent(error: unknown): null {
  if (error instanceof NurseryError) return null;
  throw error;
}

async function change(
  args: Named,
  commandOf: () => Promise<AdminCommand>,
  done: (version: number) => void,
): Promise<void> {
  const { config, name, limit } = args;
  const ask = async (nursery: NurseryConnections): Promise<void> => {
    const command = await commandOf();
    const changing = sayWhoIsAwaited('the keeper, or the cluster where there is none');
    const answer = await nursery.keeper
      .command(command, { idempotent: true, deadlineMs: limit.leftMs })
      .finally(changing);
    const own = answer.kind === 'none' ? await ownOf(nursery, args) : null;
    if (own !== null)
      throw new NurseryError(
        'NOT_FOUND',
        `the nursery has no function ${name}; ${own.cluster} alone has one, from before it came to it: put one of that name, and remove that`,
      );
    const version = versionIn(answer, name);
    const status = await statusOf(nursery.keeper, limit.leftMs);
    const waiting = sayWhoIsAwaited('all clusters of the nursery to take it over');
    await untilAllHave(nursery, status, version, limit.untilMs).finally(waiting);
    done(version);
  };
  await withNursery(config, ask, limit);
}

function versionIn(answer: AdminAnswer, name: string): number {
  if (answer.kind === 'changed') return answer.version;
  if (answer.kind === 'none') throw noFunction(name);
  throw new NurseryError('REFUSED', 'why' in answer ? answer.why : `answered ${answer.kind}`);
}

/** @throws NurseryError TIMEOUT naming who lacks it, each as of its own last word: a silent one keeps nobody else's back */
async function untilAllHave(
  nursery: NurseryConnections,
  { keeper }: FunctionsStatus,
  version: number,
  untilMs: number,
): Promise<void> {
  const leftMs = (): number => Math.max(ASK_EVERY_MS, Math.ceil(untilMs - performance.now()));
  const clients = await clientsOf(nursery, leftMs());
  const waits = [...clients].map(async ([cluster, client]): Promise<string | null> => {
    for (;;) {
      const theirs = await statusOrWhy(client, leftMs());
      const why = whyLacking(cluster, theirs, { keeper, version });
      if (why === null || performance.now() >= untilMs) return why;
      await new Promise((resolve) => setTimeout(resolve, ASK_EVERY_MS));
    }
  });
  const who = (await Promise.all(waits)).filter((why) => why !== null).join('; ');
  if (who !== '')
    throw new NurseryError('TIMEOUT', `it is done, and reaches the others when they run: ${who}`);
}

/** Sentences about clusters: why they could not run the functions of that version yet, and what they have that nobody else has. */
type Comparison = { readonly lacking: string[]; readonly own: string[] };

async function compare(
  nursery: NurseryConnections,
  { keeper }: FunctionsStatus,
  version: number,
  leftMs: number,
): Promise<Comparison> {
  const own: string[] = [];
  const found = [...(await clientsOf(nursery, leftMs))].map(async ([cluster, client]) => {
    const theirs = await statusOrWhy(client, leftMs);
    if (typeof theirs !== 'string') {
      // One that has not met the keeper's yet has nothing but its own.
      const isApart = theirs.keeper === '' && keeper !== '';
      const alone = theirs.functions.filter((each) => isApart || each.version < 0).map(({ name }) => name);
      if (alone.length > 0)
        own.push(
          `${cluster} alone has ${alone.join(', ')}, from before it came to the nursery: put what is to be called wherever its keys go`,
        );
    }
    return whyLacking(cluster, theirs, { keeper, version });
  });
  const lacking = (await Promise.all(found)).filter((why) => why !== null);
  return { lacking, own };
}

async function clientsOf(nursery: NurseryConnections, leftMs: number): Promise<Map<string, ClusterClient>> {
  const { clusters } = await nursery.refresh(leftMs);
  const clients = new Map(clusters.map(({ cluster }) => [cluster, nursery.cluster(cluster)]));
  // Without a nursery it is the cluster itself.
  return clients.set(nursery.keeperId, nursery.keeper);
}

/** Why a cluster could not run the functions of that version yet; null where it could. */
function whyLacking(
  cluster: string,
  theirs: FunctionsStatus | string,
  { keeper, version }: { readonly keeper: string; readonly version: number },
): string | null {
  if (typeof theirs === 'string') return `${cluster} does not answer: ${theirs}`;
  if (version > 0 && (theirs.keeper !== keeper || theirs.version < version)) {
    return `${cluster} has version ${theirs.version} of the functions, not ${version}`;
  }
  const isReady = theirs.engine !== '' || theirs.functions.length === 0;
  return isReady ? null : `${cluster} waits until all of its nodes run the same build`;
}

/** What its master says, or why it does not. */
async function statusOrWhy(client: ClusterClient, leftMs: number): Promise<FunctionsStatus | string> {
  try {
    return await statusOf(client, Math.min(leftMs, ASK_MS));
  } catch (error) {
    if (!(error instanceof NurseryError)) throw error;
    return error.message;
  }
}

async function statusOf(client: ClusterClient, deadlineMs: number): Promise<FunctionsStatus> {
  const answer = await client.query({ kind: 'listFunctions' }, { to: 'master', deadlineMs });
  if (answer.kind !== 'functionsStatus') throw new NurseryError('MALFORMED', `answered ${answer.kind}`);
  return answer;
}

function noFunction(name: string): NurseryError {
  return new NurseryError('NOT_FOUND', `there is no function ${name}`);
}
