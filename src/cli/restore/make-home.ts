/** The image of a cluster in a backup, and the home of a node that is made of it. */
import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { bytesToKey } from '../../base/bytes.ts';
import { FatalError, NurseryError } from '../../base/errors.ts';
import { type ClusterIni, nodeOf } from '../../config/cluster-config.ts';
import type { KeeperRef, Owned } from '../../identity/founding.ts';
import { readBackup, readImage } from '../backup/read-backup.ts';
import type { Taken } from '../backup/take-image.ts';
import { fromFile } from '../export/files.ts';
import { ExportReader, linesOf } from '../export/lines.ts';

/** Keys and values that are handed on at a time (bytes). */
const PAGE_BYTES = 256 * 1024;

type Row = { readonly key: string; readonly value: Uint8Array };

/** An image that was read as a whole, and its file. */
export type ImageFile = Taken & { readonly path: string };

/** The node whose home is made. */
export type Founder = ReturnType<typeof nodeOf>;

/** In a nursery: whose place the new founding takes (node/life/restore.ts). */
export type Succession = {
  readonly keeper: KeeperRef;
  readonly keepers: readonly string[];
  readonly was: string;
  readonly replaced: readonly string[];
};

/** A home that was made, now or before. */
export type Made = {
  readonly founding: string;
  readonly slot: number;
  readonly owned: readonly Owned[];
  readonly was: string;
  readonly replaced: readonly string[];
};

/**
 * The node of the file that is on this machine.
 *
 * @throws FatalError USAGE where the file has several and none is named
 * @throws NurseryError REFUSED for a learner
 */
export function founderOf(ini: ClusterIni, name: string | null): Founder {
  const [first, ...others] = ini.nodes;
  if (name === null && others.length > 0) {
    const names = ini.nodes.map((node) => node.name).join(', ');
    throw new FatalError('USAGE', `--node says which of ${names} is on this machine: its home is made here`);
  }
  const node = nodeOf(ini, name ?? first?.name ?? '');
  if (node.learner)
    throw new NurseryError('REFUSED', `${node.name} is a learner: a cluster begins with a voter`);
  return node;
}

/**
 * The image of that cluster in a backup, or the one image that is named itself, of whatever cluster it is.
 *
 * @throws NurseryError BAD_INPUT where the backup is not whole, or has no image of the cluster
 */
export async function imageFor(path: string, cluster: string): Promise<ImageFile> {
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

/** Makes the home. @throws FatalError as `restoreHome` */
export async function makeHome(
  cluster: string,
  node: Founder,
  { image, path }: ImageFile,
  succession: Succession | null,
): Promise<Made> {
  const { restoreHome } = await import('../../../node/life/restore.ts');
  let made = { founding: '', slot: 0 };
  const place = await directoriesOf(cluster, node);
  await fromFile(path, async (source) => {
    made = await restoreHome({ ...place, image, rows: rowsOf(source), succession });
  });
  const owned = image.owned.map(({ lo, hi, epoch }): Owned => ({ lo, hi, epoch, sealedBy: null }));
  return { ...made, owned, was: succession?.was ?? '', replaced: succession?.replaced ?? [] };
}

/**
 * What was made of the home before, by a command that was killed after it; null where it is empty.
 *
 * @throws FatalError HOME_IN_USE where its node runs; and as `restoredBefore`
 */
export async function madeBefore(cluster: string, node: Founder): Promise<Made | null> {
  const { restoredBefore } = await import('../../../node/life/restore.ts');
  return await restoredBefore(await directoriesOf(cluster, node));
}

async function directoriesOf(cluster: string, node: Founder) {
  const { logDirOf, storePlace } = await import('../../../node/life/storage.ts');
  return { home: node.home, logDir: logDirOf(node), place: storePlace(node.home, cluster, node.name) };
}

/** For people. */
export function homeOf({ home }: Founder): string {
  return resolve(home);
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
