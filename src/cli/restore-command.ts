/** `nursery restore`: a home from a backup, from which a cluster without a nursery begins anew. */
import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { bytesToKey } from '../base/bytes.ts';
import { FatalError, NurseryError } from '../base/errors.ts';
import { ClusterClient } from '../client/cluster-client.ts';
import { type ClusterIni, nodeOf, readClusterConfig, toClusterConfig } from '../config/cluster-config.ts';
import { printRange } from '../keyspace/range.ts';
import { readBackup, readImage } from './backup/read-backup.ts';
import type { Taken } from './backup/take-image.ts';
import { fromFile } from './export/files.ts';
import { ExportReader, linesOf } from './export/lines.ts';
import { printJson, printLine } from './output.ts';

/** How long a node may take to show that it lives (ms). */
const NODE_MS = 1500;
/** Keys and values that are handed on at a time (bytes). */
const PAGE_BYTES = 256 * 1024;

type Row = { readonly key: string; readonly value: Uint8Array };

/**
 * Makes the home of one node from the image of a backup, which is checked as a whole first. The other nodes of the file start with
 * empty homes, and join.
 *
 * @throws NurseryError BAD_INPUT where the backup is not whole, or has no image of the cluster; REFUSED where a node of the file
 *   answers, or the cluster belongs to a nursery
 * @throws FatalError CONFIG, and as `restoreHome`
 */
export async function runRestore(args: {
  readonly path: string;
  readonly config: string;
  readonly node: string | null;
  readonly json: boolean;
}): Promise<void> {
  const ini = readClusterConfig(args.config);
  if (ini.nursery !== null) {
    throw new NurseryError(
      'REFUSED',
      `${args.config} names a nursery: its clusters are not restored, since what moved since belongs to others; nursery import brings rows back through a router`,
    );
  }
  const [first, ...others] = ini.nodes;
  if (args.node === null && others.length > 0) {
    const names = ini.nodes.map(({ name }) => name).join(', ');
    throw new FatalError('USAGE', `--node says which of ${names} is on this machine: its home is made here`);
  }
  const node = nodeOf(ini, args.node ?? first?.name ?? '');
  if (node.learner)
    throw new NurseryError('REFUSED', `${node.name} is a learner: a cluster begins with a voter`);
  const { image, path } = await imageFor(args.path, ini.clusterId);
  if (image.keeper !== '') {
    throw new NurseryError(
      'REFUSED',
      `${path} is of a cluster of nursery ${image.keeper}: what has moved since belongs to others; nursery import brings rows back, through a router, or into a cluster that is founded anew`,
    );
  }
  await refuseLiving(ini);
  const { restoreHome } = await import('../../node/life/restore.ts');
  const { logDirOf, storePlace } = await import('../../node/life/storage.ts');
  let made = { founding: '', slot: 0 };
  await fromFile(path, async (source) => {
    made = await restoreHome({
      home: node.home,
      logDir: logDirOf(node),
      place: storePlace(node.home, ini.clusterId, node.name),
      image,
      rows: rowsOf(source),
    });
  });
  const home = resolve(node.home);
  if (args.json) printJson({ node: node.name, home, ...made });
  else {
    const ranges = image.owned.map(printRange).join(' ') || 'nothing';
    printLine(
      `home ${home} of node ${node.name} holds ${ranges} as of slot ${image.slot} of ${image.cluster}`,
    );
    printLine(
      `start ${node.name}, then the others with empty homes: founding ${made.founding} begins with it`,
    );
    if (others.length > 0)
      printLine(
        'let clients in once status shows all of them as members, and never start an old home: until then all rests on this one',
      );
  }
}

/** The image of that cluster in a backup, or the one image that is named itself, of whatever cluster it is. */
async function imageFor(path: string, cluster: string): Promise<Taken & { readonly path: string }> {
  const isBackup = (await stat(path).catch(() => null))?.isDirectory() === true;
  if (!isBackup) return { ...(await readImage(path)), path };
  const { images } = await readBackup(path);
  const found = images.find(({ image }) => image.cluster === cluster);
  if (found !== undefined) return found;
  const known = images.map(({ image }) => image.cluster).join(', ');
  throw new NurseryError(
    'BAD_INPUT',
    `${path} has no image of cluster ${cluster}, only of ${known}; the file of an image can be named itself`,
  );
}

/** @throws NurseryError REFUSED where a node of the file runs: its cluster is not gone, or it would meet another founding */
async function refuseLiving(ini: ClusterIni): Promise<void> {
  const { nodes } = toClusterConfig(ini);
  const client = new ClusterClient({ cluster: '', nodes }, { role: 'operator', node: 'restore' });
  try {
    const alive = await Promise.all(
      nodes.map(async ({ name }) => {
        try {
          await client.query({ kind: 'nodeStatus' }, { to: name, deadlineMs: NODE_MS });
          return [name];
        } catch (error) {
          if (!(error instanceof NurseryError)) throw error;
          // Whoever refuses, or is too slow, lives.
          return error.code === 'UNREACHABLE' ? [] : [name];
        }
      }),
    );
    const names = alive.flat();
    if (names.length > 0) {
      throw new NurseryError(
        'REFUSED',
        `${names.join(', ')} of ${ini.clusterId} answers: stop all nodes of the file first`,
      );
    }
  } finally {
    client.close();
  }
}

async function* rowsOf(source: () => AsyncIterable<Buffer>): AsyncGenerator<Row[]> {
  const reader = new ExportReader();
  let page: Row[] = [];
  let bytes = 0;
  for await (const line of linesOf(source())) {
    const entry = reader.take(line);
    if (entry === null) continue;
    page.push({ key: bytesToKey(entry.key), value: entry.value });
    bytes += entry.key.length + entry.value.length;
    if (bytes < PAGE_BYTES) continue;
    yield page;
    page = [];
    bytes = 0;
  }
  reader.finish();
  yield page;
}
