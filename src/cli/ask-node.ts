/** `nursery node WORD`: asks one node that runs, or has it do something. */
import { EXIT_CODES, NurseryError } from '../base/errors.ts';
import { ArakoonClient } from '../client/arakoon-client.ts';
import { nodeOf, readClusterConfig } from '../config/cluster-config.ts';
import { printAddress } from '../identity/address.ts';
import type { Field } from '../protocol/arakoon/statistics.ts';
import { drain, safeToStop } from './node/safe-to-stop.ts';
import { printJson, printLine } from './output.ts';
import { sayWhoIsAwaited } from './report.ts';

/** How long a node may take for work on its files (ms): a store of many GiB is copied meanwhile. */
const WORK_MS = 3_600_000;

export const NODE_WORDS = [
  'state',
  'drop-master',
  'safe-to-stop',
  'drain',
  'flush',
  'collapse',
  'defrag',
  'expect-progress',
  'statistics',
  'version',
] as const;
export type NodeWord = (typeof NODE_WORDS)[number];

type Asked = {
  readonly config: string;
  readonly node: string;
  readonly json: boolean;
  readonly keep: number;
};
/** What is printed, and what a script gets. */
type Said = { readonly line: string; readonly json: object; readonly exitCode?: number };

/** Asks, and prints what the node answers. @throws NurseryError UNREACHABLE, and what the node refuses */
export async function askNode(word: NodeWord, args: Asked): Promise<void> {
  const ini = readClusterConfig(args.config, 'client');
  const { name, ips, clientPort } = nodeOf(ini, args.node);
  const client = await connect(ini.clusterId, ips, clientPort);
  const answered = sayWhoIsAwaited(`node ${name}`);
  try {
    const said = await WORDS[word](client, { ...args, node: name });
    if (args.json) printJson({ node: name, ...said.json });
    else printLine(said.line);
    process.exitCode = said.exitCode ?? EXIT_CODES.OK;
  } finally {
    answered();
    client.close();
  }
}

const WORDS: { readonly [W in NodeWord]: (client: ArakoonClient, asked: Asked) => Promise<Said> } = {
  state: async (client) => {
    const state = await client.currentState();
    return { line: state, json: { state } };
  },
  'drop-master': async (client) => {
    await client.dropMaster({ deadlineMs: WORK_MS });
    const master = await client.whoMaster();
    return { line: `${master ?? 'nobody'} is master`, json: { master } };
  },
  'safe-to-stop': async (_, asked) => await safeToStop(asked),
  drain,
  flush: async (client, { node }) => {
    await client.flushStore({ deadlineMs: WORK_MS });
    return { line: `what ${node} had in memory is in its store`, json: { flushed: true } };
  },
  collapse: async (client, { node, keep }) => {
    const microseconds = await client.collapse(keep, { deadlineMs: WORK_MS });
    const line = `${microseconds.length} segments of the log of ${node} went`;
    return { line, json: { dropped: microseconds.length, microseconds } };
  },
  defrag: async (client, { node, config }) => {
    const isAlone = readClusterConfig(config, 'client').nodes.length === 1;
    await client.defragment({ deadlineMs: WORK_MS }).catch(whereMaster(node, isAlone));
    return { line: `the store of ${node} was rewritten`, json: { rewritten: true } };
  },
  'expect-progress': async (client) => {
    const isPossible = await client.expectProgressPossible();
    const exitCode = isPossible ? EXIT_CODES.OK : EXIT_CODES.NO_MASTER;
    return { line: String(isPossible), json: { expectProgress: isPossible }, exitCode };
  },
  statistics: async (client) => {
    const fields = await client.statistics();
    return { line: linesOf(fields, '').join('\n'), json: { statistics: plain(fields) } };
  },
  version: async (client) => {
    const { text } = await client.version();
    return { line: text, json: { version: text } };
  },
};

/** A master does not rewrite its store; what it answers is Arakoon's text, which knows of no command of ours. */
function whereMaster(node: string, isAlone: boolean): (error: unknown) => never {
  return (error) => {
    if (!(error instanceof NurseryError) || error.code !== 'NOT_SUPPORTED') throw error;
    const why = isAlone
      ? `${node} is the only node of its cluster, and its store is not rewritten while it serves. Later updates use the room that is free in it; to give that back to the disk, stop its clients, make a backup (nursery backup), and restore that into an empty home (nursery restore, in a nursery with --replace)`
      : `${error.message}; or hand mastership over first (nursery node drain)`;
    throw new NurseryError('NOT_SUPPORTED', why, { cause: error });
  };
}

/** At whichever of its addresses answers. */
async function connect(cluster: string, ips: readonly string[], port: number): Promise<ArakoonClient> {
  const whys: string[] = [];
  for (const host of ips) {
    try {
      return await ArakoonClient.connect({ host, port, cluster });
    } catch (error) {
      if (!(error instanceof NurseryError)) throw error;
      whys.push(`${printAddress(host, port)}: ${error.message}`);
    }
  }
  throw new NurseryError('UNREACHABLE', `cluster ${cluster}: ${whys.join('; ')}`);
}

function linesOf(fields: readonly Field[], prefix: string): string[] {
  return fields.flatMap((field) => {
    const name = `${prefix}${field.name}`;
    return field.kind === 'list' ? linesOf(field.value, `${name}.`) : [`${name}\t${field.value}`];
  });
}

function plain(fields: readonly Field[]): object {
  return Object.fromEntries(
    fields.map((field) => [field.name, field.kind === 'list' ? plain(field.value) : field.value]),
  );
}
