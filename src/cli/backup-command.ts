/** `nursery backup`: images of clusters that serve meanwhile. */
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { FatalError, NurseryError } from '../base/errors.ts';
import { ClusterClient } from '../client/cluster-client.ts';
import { lockDirectory } from '../process/directory-lock.ts';
import { unusable } from '../process/permissions.ts';
import type { KeeperMap } from '../protocol/admin/admin.ts';
import { MANIFEST, type Manifest, printManifest, whyNotTheMap } from './backup/manifest.ts';
import { readImage } from './backup/read-backup.ts';
import { fileSink, standardOutput } from './backup/sinks.ts';
import { type Taken, type TakeOptions, takeImage } from './backup/take-image.ts';
import { NurseryConnections, readTarget, unknownCluster } from './connections.ts';
import { cannotUse, intoFile, STANDARD, UNFINISHED } from './export/files.ts';
import type { Image } from './export/lines.ts';
import { printJson, printLine } from './output.ts';
import { notice } from './report.ts';

/** Images are taken so often, where ranges move meanwhile. */
const ROUNDS = 5;
/** An image of a backup that was broken off is gone on with for so long (ms); later it is taken anew. */
const KEPT_MS = 24 * 60 * 60_000;
const IMAGE_FILE = /\.image$/;
/** Who asks, as other processes see it. */
const IDENTITY = { role: 'operator', node: 'backup' } as const;

export type BackupArguments = {
  readonly config: string;
  readonly json: boolean;
  /** Null with `all`; without it, the cluster of the configuration. */
  readonly cluster: string | null;
  readonly all: boolean;
  readonly to: string;
  readonly node: string | null;
  readonly rate: number | null;
};

/**
 * Writes a backup of one cluster, or of all that the map names, into a directory; an image alone to standard output.
 *
 * @throws FatalError HOME_UNUSABLE where the directory cannot be written, or holds something else
 * @throws NurseryError as `takeImage`; REFUSED where there is no map; RANGE_MOVING where ranges went on moving: the
 *   backup is not whole then, and says so
 */
export async function runBackup(args: BackupArguments): Promise<void> {
  const target = readTarget(args.config);
  const id = args.cluster ?? (target.isRouter || args.all ? null : target.front.cluster);
  checkForms(args, id);
  const nursery = new NurseryConnections(target.keeper);
  // A cluster by its own file is asked where that says; it may be in no nursery, or its keeper gone.
  const own = !target.isRouter && id === target.front.cluster ? target.front : null;
  const alone = own === null ? null : new ClusterClient(own, IDENTITY, { keepsToFirst: true });
  try {
    const common = { only: args.node, rate: args.rate };
    if (id === null) {
      await inDirectory(args.to, () => backupAll(nursery, args, common));
      return;
    }
    const known = own === null ? await nursery.refresh() : null;
    const config = own ?? known?.clusters.find(({ cluster }) => cluster === id);
    if (config === undefined) throw unknownCluster(id, known as KeeperMap);
    const client = alone ?? nursery.cluster(id);
    await backupOne({ ...common, client, nodes: config.nodes.map(({ name }) => name) }, args);
  } finally {
    nursery.close();
    alone?.close();
  }
}

function checkForms({ all, to, node, cluster }: BackupArguments, id: string | null): void {
  if (to === '') throw new FatalError('USAGE', `--to takes the name of a directory, or ${STANDARD}`);
  if (all && cluster !== null) throw new FatalError('USAGE', 'name a cluster, or --all, not both');
  if (!all && id === null) {
    throw new FatalError(
      'USAGE',
      'a router has no data: name a cluster, or say --all for every cluster of the map',
    );
  }
  if (all && to === STANDARD)
    throw new FatalError('USAGE', '--all takes a directory: there is an image for each cluster');
  if (all && node !== null) throw new FatalError('USAGE', '--node is of one cluster: name that');
}

async function backupOne(options: TakeOptions, { to, json }: BackupArguments): Promise<void> {
  if (to === STANDARD) {
    const taken = await takeImage(options, standardOutput());
    notice(described(taken));
    return;
  }
  await inDirectory(to, async () => {
    for (const { file } of await unfinishedImages(to)) await rm(join(to, file));
    const image = await intoDirectory(to, options);
    await finish(to, { nursery: null, map: null, images: [image] }, json);
    // Where one node was asked there may be no master to note it.
    if (options.only === null) await note(options.client, image);
  });
}

/** Keeps those images of a backup that was broken off which are still what the map says. */
async function backupAll(
  nursery: NurseryConnections,
  { to, json }: BackupArguments,
  common: Pick<TakeOptions, 'only' | 'rate'>,
): Promise<void> {
  const done = new Map((await unfinishedImages(to)).map((image) => [image.image.cluster, image]));
  for (const image of done.values()) notice(`goes on with ${image.file}, taken at ${image.image.taken}`);
  let why = '';
  for (let round = 0; round < ROUNDS; round += 1) {
    const { map, clusters } = await nursery.refresh();
    if (map.isEmpty)
      throw new NurseryError('REFUSED', 'there is no map, so nothing belongs to anybody: init comes first');
    const owners = [...new Set(map.entries.map(({ owner }) => owner))];
    for (const [cluster, { file, image }] of done) {
      if (
        whyNotTheMap(
          map.entries.filter(({ owner }) => owner === cluster),
          [image],
        ) === null
      )
        continue;
      done.delete(cluster);
      await rm(join(to, file));
    }
    for (const cluster of owners.filter((owner) => !done.has(owner))) {
      const nodes = clusters.find((config) => config.cluster === cluster)?.nodes ?? [];
      const options = { ...common, client: nursery.cluster(cluster), nodes: nodes.map(({ name }) => name) };
      done.set(cluster, await intoDirectory(to, options));
    }
    const images = [...done.values()];
    const after = await nursery.refresh();
    why =
      whyNotTheMap(
        after.map.entries,
        images.map(({ image }) => image),
      ) ?? '';
    if (why === '') {
      const { version, entries } = after.map;
      const kept = { nursery: after.nursery?.founding ?? '', map: { version, entries }, images };
      await finish(to, kept, json);
      for (const taken of images) await note(nursery.cluster(taken.image.cluster), taken);
      return;
    }
    notice(`ranges have moved meanwhile: ${why}; the images concerned are taken again`);
  }
  throw new NurseryError(
    'RANGE_MOVING',
    `the backup in ${to} is incomplete: ranges moved on in each of ${ROUNDS} rounds (${why}); pause what moves them, and type it again`,
  );
}

/** An image in the directory of a backup that is not finished. */
type Done = Taken & { readonly file: string };

async function intoDirectory(directory: string, options: TakeOptions): Promise<Done> {
  // Its slot, which is a part of its name, is known once it is begun.
  const name = (image: Image): string => `${encodeURIComponent(image.cluster)}-${image.slot}.image`;
  const taken = await intoFile(
    directory,
    async (file) => await takeImage(options, fileSink(file, directory)),
    (result) => join(directory, name(result.image)),
  );
  notice(described(taken));
  return { ...taken, file: name(taken.image) };
}

/** The cluster remembers its last backup, for status. One that cannot be told has a backup all the same. */
async function note(client: ClusterClient, { image: { slot, taken } }: Taken): Promise<void> {
  try {
    await client.command({ kind: 'noteBackup', slot, takenMs: Date.parse(taken) });
  } catch (error) {
    if (!(error instanceof NurseryError)) throw error;
    notice(
      `cluster ${client.cluster} could not note its backup, and status will not show it: ${error.message}`,
    );
  }
}

function described({ image, entries }: Taken): string {
  return `${image.cluster}: ${entries} keys as of slot ${image.slot}, from ${image.node}`;
}

async function finish(
  directory: string,
  { nursery, map, images }: Pick<Manifest, 'nursery' | 'map'> & { readonly images: readonly Done[] },
  json: boolean,
): Promise<void> {
  const manifest: Manifest = {
    finished: new Date().toISOString(),
    nursery,
    map,
    images: images.map(({ image, file, entries, sha256 }) => ({
      cluster: image.cluster,
      file,
      slot: image.slot,
      entries,
      sha256,
    })),
  };
  const path = join(directory, MANIFEST);
  await intoFile(
    directory,
    (file) => file.writeFile(printManifest(manifest)),
    () => path,
  );
  const entries = images.reduce((sum, image) => sum + image.entries, 0);
  if (json) printJson({ directory, entries, images: manifest.images });
  else
    printLine(
      `${entries} keys of ${images.length} ${images.length === 1 ? 'cluster' : 'clusters'} are in ${directory}`,
    );
}

/**
 * Runs `work` with the directory for this process alone: made anew, or one in which a backup was broken off.
 *
 * @throws FatalError HOME_UNUSABLE where it holds something else; HOME_IN_USE where another backup is being written there
 */
async function inDirectory(directory: string, work: () => Promise<void>): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 }).catch(cannotUse('directory', directory));
  const lock = lockDirectory(directory, `directory ${directory}`);
  try {
    const names = await readdir(directory).catch(cannotUse('directory', directory));
    if (names.includes(MANIFEST)) {
      throw new FatalError('HOME_UNUSABLE', `${directory} holds a backup already: name another directory`);
    }
    const other = names.find((name) => !IMAGE_FILE.test(name) && !name.startsWith(UNFINISHED));
    if (other !== undefined) {
      throw unusable('directory', directory, new Error(`it holds ${other}, which is no part of a backup`));
    }
    for (const name of names) if (name.startsWith(UNFINISHED)) await rm(join(directory, name));
    await work();
  } finally {
    lock.release();
  }
}

/** Whole images of a backup that was broken off, the newest of each cluster; all others are removed. */
async function unfinishedImages(directory: string): Promise<Done[]> {
  const newest = new Map<string, Done>();
  for (const file of (await readdir(directory)).filter((name) => IMAGE_FILE.test(name))) {
    const path = join(directory, file);
    const read = await readImage(path);
    const before = newest.get(read.image.cluster);
    if (Date.now() - Date.parse(read.image.taken) > KEPT_MS || (before?.image.slot ?? -1) > read.image.slot) {
      await rm(path);
      continue;
    }
    if (before !== undefined) await rm(join(directory, before.file));
    newest.set(read.image.cluster, { ...read, file });
  }
  return [...newest.values()];
}
