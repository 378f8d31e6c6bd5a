/** What `nursery function` does. */
import { createReadStream } from 'node:fs';
import { FatalError, NurseryError } from '../base/errors.ts';
import type { ClusterClient } from '../client/cluster-client.ts';
import type { AdminAnswer, AdminCommand } from '../protocol/admin/admin.ts';
import { type FunctionsStatus, SOURCE_MAX } from '../protocol/admin/functions.ts';
import { type NurseryConnections, withNursery } from './connections.ts';
import { print, printJson, printLine } from './output.ts';
import { sayWhoIsAwaited } from './report.ts';

type Common = { readonly config: string; readonly json: boolean; readonly timeoutMs: number };
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
    source: await readSource(file),
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
  await withNursery(args.config, async (nursery) => {
    const status = await statusOf(nursery.keeper, args.timeoutMs);
    const { functions, version } = status;
    const lacking = await whoLacks(nursery, status, version, args.timeoutMs);
    if (args.json) printJson({ version, functions, lacking });
    else {
      for (const { name, bytes, sha256 } of functions)
        printLine(`${name}\t${bytes} bytes\t${sha256.slice(0, 12)}`);
      if (functions.length === 0) printLine('there are no functions');
      for (const why of lacking) printLine(why);
    }
  });
}

/** Prints the source of a function, as it is. @throws NurseryError NOT_FOUND */
export async function runShow(args: Named): Promise<void> {
  await withNursery(args.config, async (nursery) => {
    const query = { kind: 'getFunction', name: args.name } as const;
    const answer = await nursery.keeper.query(query, { deadlineMs: args.timeoutMs });
    const source = answer.kind === 'functionsPage' ? (answer.functions[0]?.source ?? null) : null;
    if (source === null) throw noFunction(args.name);
    if (args.json) printJson({ function: args.name, source: Buffer.from(source).toString('utf8') });
    else print(Buffer.from(source));
  });
}

async function change(
  { config, name, timeoutMs }: Named,
  commandOf: () => Promise<AdminCommand>,
  done: (version: number) => void,
): Promise<void> {
  const untilMs = performance.now() + timeoutMs;
  await withNursery(config, async (nursery) => {
    const command = await commandOf();
    const changing = sayWhoIsAwaited('the keeper, or the cluster where there is none');
    const answer = await nursery.keeper
      .command(command, { idempotent: true, deadlineMs: timeoutMs })
      .finally(changing);
    const version = versionIn(answer, name);
    const status = await statusOf(nursery.keeper, timeoutMs);
    const waiting = sayWhoIsAwaited('all clusters of the nursery to take it over');
    await untilAllHave(nursery, status, version, untilMs).finally(waiting);
    done(version);
  });
}

function versionIn(answer: AdminAnswer, name: string): number {
  if (answer.kind === 'changed') return answer.version;
  if (answer.kind === 'none') throw noFunction(name);
  throw new NurseryError('REFUSED', 'why' in answer ? answer.why : `answered ${answer.kind}`);
}

/** @throws NurseryError TIMEOUT naming who lacks it */
async function untilAllHave(
  nursery: NurseryConnections,
  status: FunctionsStatus,
  version: number,
  untilMs: number,
): Promise<void> {
  for (;;) {
    const leftMs = Math.max(ASK_EVERY_MS, Math.ceil(untilMs - performance.now()));
    const lacking = await whoLacks(nursery, status, version, leftMs);
    if (lacking.length === 0) return;
    if (performance.now() >= untilMs) {
      const who = lacking.join('; ');
      throw new NurseryError('TIMEOUT', `it is done, and reaches the others when they run: ${who}`);
    }
    await new Promise((resolve) => setTimeout(resolve, ASK_EVERY_MS));
  }
}

/** Why clusters could not run the functions of that version yet, a sentence for each of them. */
async function whoLacks(
  nursery: NurseryConnections,
  { keeper }: FunctionsStatus,
  version: number,
  leftMs: number,
): Promise<string[]> {
  const { clusters } = await nursery.refresh(leftMs);
  const clients = new Map(clusters.map(({ cluster }) => [cluster, nursery.cluster(cluster)]));
  // Without a nursery it is the cluster itself.
  clients.set(nursery.keeperId, nursery.keeper);
  const found = [...clients].map(async ([cluster, client]): Promise<string | null> => {
    try {
      const theirs = await statusOf(client, Math.min(leftMs, ASK_MS));
      if (theirs.keeper !== keeper || theirs.version < version) {
        return `${cluster} has version ${theirs.version} of the functions, not ${version}`;
      }
      const isReady = theirs.engine !== '' || theirs.functions.length === 0;
      return isReady ? null : `${cluster} waits until all of its nodes run the same build`;
    } catch (error) {
      if (!(error instanceof NurseryError)) throw error;
      return `${cluster} does not answer: ${error.message}`;
    }
  });
  return (await Promise.all(found)).filter((why) => why !== null);
}

async function statusOf(client: ClusterClient, deadlineMs: number): Promise<FunctionsStatus> {
  const answer = await client.query({ kind: 'listFunctions' }, { to: 'master', deadlineMs });
  if (answer.kind !== 'functionsStatus') throw new NurseryError('MALFORMED', `answered ${answer.kind}`);
  return answer;
}

function noFunction(name: string): NurseryError {
  return new NurseryError('NOT_FOUND', `there is no function ${name}`);
}

/** Not more than may be put, whatever the file is. */
async function readSource(file: string): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of createReadStream(file)) {
      chunks.push(chunk as Buffer);
      bytes += (chunk as Buffer).length;
      if (bytes > SOURCE_MAX) break;
    }
  } catch (error) {
    throw new FatalError('USAGE', `function put: ${(error as Error).message}`, { cause: error });
  }
  if (bytes <= SOURCE_MAX) return Buffer.concat(chunks);
  throw new NurseryError('BAD_INPUT', `${file}: more than ${SOURCE_MAX} bytes, the limit of a function`);
}
