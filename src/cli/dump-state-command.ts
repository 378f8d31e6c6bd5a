/** `nursery dump-state`: what all processes say of themselves, in one file, for whoever helps. */
import { existsSync, readFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { cpus, platform, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { NurseryError } from '../base/errors.ts';
import { ClusterClient } from '../client/cluster-client.ts';
import { clusterConfigOf } from '../config/cluster-config.ts';
import { readIni, readIniText } from '../config/ini.ts';
import { routerConfigOf } from '../config/router-config.ts';
import { descriptorLimit } from '../process/descriptors.ts';
import { unreadableWhy } from '../process/permissions.ts';
import type { KnownCluster, NodeAddress } from '../protocol/admin/admin.ts';
import { decodeStatistics, decodeText } from '../protocol/arakoon/replies.ts';
import { encodeRequest } from '../protocol/arakoon/requests.ts';
import type { Field } from '../protocol/arakoon/statistics.ts';
import { PRODUCT_VERSION } from '../version.ts';
import { NurseryConnections, readTarget, type Target } from './connections.ts';
import { cannotUse, refuseTaken } from './export/files.ts';
import { jsonRange } from './forms.ts';
import { printJson, printLine } from './output.ts';

/** How long one process may take to answer (ms). */
const NODE_MS = 1500;
/** How long the keeper may take, elections included (ms). */
const KEEPER_MS = 5000;
/** Of each log file that is on this machine, the end (bytes). */
const LOG_BYTES = 256 * 1024;
/** Keys of a configuration whose values nobody should pass on. */
const SECRET = /key|secret|password|token|cert/i;

/** Gathers it, and writes it to a file that must not be there, or to standard output. Whoever does not answer is listed with the reason. */
export async function runDumpState(args: {
  readonly config: string;
  readonly to: string | null;
  readonly json: boolean;
}): Promise<void> {
  if (args.to !== null) await refuseTaken(args.to);
  const text = readIniText(args.config);
  const target = readTarget(args.config);
  const keeper = await askKeeper(target);
  const clusters = [...keeper.clusters];
  for (const config of target.isRouter ? [target.keeper] : [target.front, target.keeper]) {
    if (!clusters.some(({ cluster }) => cluster === config.cluster)) clusters.push(config);
  }
  const state = {
    product: PRODUCT_VERSION,
    taken: new Date().toISOString(),
    machine: {
      platform: `${platform()} ${release()}`,
      node: process.version,
      cpus: cpus().length,
      memoryBytes: totalmem(),
      descriptors: descriptorLimit(),
    },
    configuration: { file: args.config, lines: withoutSecrets(text) },
    keeper: keeper.said,
    router: target.isRouter ? await askAll(target.front) : null,
    clusters: await Promise.all(clusters.map(askAll)),
    logs: logsOf(args.config, target),
  };
  if (args.to === null) {
    printJson(state);
    return;
  }
  const file = await open(args.to, 'wx', 0o600).catch(cannotUse('file', args.to));
  try {
    await file.writeFile(`${JSON.stringify(state, null, 1)}\n`);
  } finally {
    await file.close();
  }
  if (args.json) printJson({ to: args.to });
  else
    printLine(
      `${args.to}: what every process says of itself, and the ends of the logs on this machine; no values, but keys where ranges begin`,
    );
}

type KeeperSaid = { readonly clusters: readonly KnownCluster[]; readonly said: object };

async function askKeeper({ keeper }: Target): Promise<KeeperSaid> {
  const nursery = new NurseryConnections(keeper);
  try {
    const { map, clusters } = await nursery.refresh(KEEPER_MS);
    const answer = await nursery.keeper.query({ kind: 'listMigrations' });
    const entries = map.entries.map((entry) => ({ ...entry, ...jsonRange(entry) }));
    return { clusters, said: { version: map.version, entries, migrations: plain(answer) } };
  } catch (error) {
    if (!(error instanceof NurseryError)) throw error;
    return { clusters: [], said: { why: error.message } };
  } finally {
    nursery.close();
  }
}

/** A cluster, or the router of a configuration. */
async function askAll({ cluster, nodes, founding }: KnownCluster): Promise<object> {
  const client = new ClusterClient({ cluster, nodes }, { role: 'operator', node: 'dump-state' });
  try {
    const said = await Promise.all(nodes.map((node) => askNode(client, node)));
    return { cluster, founding: founding ?? null, nodes: said };
  } finally {
    client.close();
  }
}

async function askNode(client: ClusterClient, { name, ips, port }: NodeAddress): Promise<object> {
  const to = { to: name, deadlineMs: NODE_MS };
  return {
    name,
    ips,
    port,
    state: await orWhy(async () => {
      const { bytes } = await client.send(encodeRequest({ kind: 'currentState' }), to);
      return decodeText(bytes);
    }),
    status: await orWhy(async () => plain(await client.query({ kind: 'nodeStatus' }, to))),
    statistics: await orWhy(async () => {
      const { bytes } = await client.send(encodeRequest({ kind: 'statistics' }), to);
      return fieldsOf(decodeStatistics(bytes));
    }),
  };
}

async function orWhy<T>(ask: () => Promise<T>): Promise<T | { readonly why: string }> {
  try {
    return await ask();
  } catch (error) {
    if (!(error instanceof NurseryError)) throw error;
    return { why: error.message };
  }
}

function fieldsOf(fields: readonly Field[]): object {
  return Object.fromEntries(
    fields.map((field) => [field.name, field.kind === 'list' ? fieldsOf(field.value) : field.value]),
  );
}

/** What JSON can hold: numbers beyond its own as text, bytes by their length. */
function plain(value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString();
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, plain(inner)]));
}

function withoutSecrets(text: string): string[] {
  return text.split(/\r?\n/).map((line) => {
    const [name = '', ...value] = line.split('=');
    return value.length > 0 && SECRET.test(name) ? `${name}= (left out)` : line;
  });
}

/** The ends of the logs that the configuration names and that are on this machine. */
function logsOf(file: string, { isRouter }: Target): object {
  const ini = readIni(file);
  const writers = isRouter ? [routerConfigOf(ini)] : clusterConfigOf(ini, 'client').nodes;
  const paths = writers
    .map(({ name, logDir }) => join(logDir, `${name}.log`))
    .filter((path) => existsSync(path));
  return Object.fromEntries(paths.map((path) => [path, endOf(path)]));
}

/** Lines of slow requests, and of followed ones, name the key of a client. */
function withoutKey(line: string): string {
  try {
    const said = JSON.parse(line);
    return typeof said?.key === 'string' ? JSON.stringify({ ...said, key: '(left out)' }) : line;
  } catch {
    return line; // what a process says before its log is open is no JSON
  }
}

function endOf(path: string): string[] {
  try {
    const bytes = readFileSync(path);
    const lines = bytes.subarray(-LOG_BYTES).toString('utf8').trimEnd().split('\n');
    return (bytes.length > LOG_BYTES ? lines.slice(1) : lines).map(withoutKey); // the first is half a line
  } catch (error) {
    return [`(cannot be read: ${unreadableWhy(path, error)})`];
  }
}
