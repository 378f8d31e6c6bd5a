/** `nursery backup`: images of clusters that serve meanwhile. */
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { FatalError, NurseryError } from '../base/errors.ts';
import { ClusterClient } from '../client/cluster-client.ts';
import type { KeeperMap } from '../protocol/admin/admin.ts';
import { IMAGE_FILE, inDirectory } from './backup/directory.ts';
import { MANIFEST, type Manifest, printManifest, whyForeign, whyNotTheMap } from './backup/manifest.ts';
import { readImage } from './backup/read-backup.ts';
import { fileSink, standardOutput } from './backup/sinks.ts';
import { type Taken, type TakeOptions, takeImage } from './backup/take-image.ts';
import { NurseryConnections, readTarget, unknownCluster } from './connections.ts';
import { cannotUse, intoFile, STANDARD } from './export/files.ts';
import type { Image } from './export/lines.ts';
import { printJson, printLine } from './output.ts';
import { notice } from './report.ts';

/** Images are taken so often, where ranges move meanwhile. */
const ROUNDS = 5;
/** Pause between two rounds (ms): a move that is about to end needs a moment. */
const ROUND_MS = 1000;
/** An image of a backup that was broken off is gone on with for so long (ms); later it is taken anew. */
const KEPT_MS = 60 * 60_000;
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
      await inDirectory(args.to, 'all clusters', () => backupAll(nursery, args, common));
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
  await inDirectory(to, `cluster ${options.client.cluster}`, async () => {
    for (const { file } of await unfinishedImages(to)) await rm(join(to, file)).catch(cannotUse('file', to));
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
  let why = '';
  for (let round = 0; round < ROUNDS; round += 1) {
    if (round > 0) await new Promise((resolve) => setTimeout(resolve, ROUND_MS));
    const known = await nursery.refresh();
    const { entries } = known.map;
    if (known.map.isEmpty) {
      throw new NurseryError('REFUSED', 'there is no map, so nothing belongs to anybody: init comes first');
    }
    for (const [cluster, { file, image }] of done) {
      const theirs = entries.filter(({ owner }) => owner === cluster);
      if (isOf(image, known) && whyNotTheMap(theirs, [image]) === null) {
        if (round === 0) notice(`goes on with ${file}, taken at ${image.taken}`);
        continue;
      }
      done.delete(cluster);
      await rm(join(to, file)).catch(cannotUse('file', join(to, file)));
    }
    const owners = [...new Set(entries.map(({ owner }) => owner))];
    for (const cluster of owners.filter((owner) => !done.has(owner))) {
      const nodes = known.clusters.find((config) => config.cluster === cluster)?.nodes ?? [];
      const options = { ...common, client: nursery.cluster(cluster), nodes: nodes.map(({ name }) => name) };
      done.set(cluster, await intoDirectory(to, options));
    }
    const images = [...done.values()];
    const after = await nursery.refresh();
    const foreign = images.find(({ image }) => !isOf(image, after));
    const whole = images.map(({ image }) => image);
    why =
      foreign === undefined
        ? (whyNotTheMap(after.map.entries, whole) ?? '')
        : `${foreign.file} is of another founding`;
    if (why === '') {
      const map = { version: after.map.version, entries: after.map.entries };
      await finish(to, { nursery: after.nursery?.founding ?? '', map, images }, json);
      for (const taken of images) await note(nursery.cluster(taken.image.cluster), taken);
      return;
    }
    notice(`ranges have moved meanwhile: ${why}; the images concerned are taken again`);
  }
  throw new NurseryError(
    'RANGE_MOVING',
    `the backup in ${to} is incomplete: ranges moved on in each of ${ROUNDS} rounds (${why}); see status: pause what moves them, or migrate --resume what stands still, and type it again`,
  );
}

/** Whether an image is of this nursery, and of the founding that it knows for its cluster. */
function isOf(image: Image, { nursery, clusters }: KeeperMap): boolean {
  const founding = clusters.find(({ cluster }) => cluster === image.cluster)?.founding ?? image.founding;
  return whyForeign(image, nursery?.founding ?? '') === null && image.founding === founding;
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
    (file) => file.writeFile(printManifest(manifest)).catch(cannotUse('file', path)),
    () => path,
  );
  const entries = images.reduce((sum, image) => sum + image.entries, 0);
  if (json) printJson({ directory, entries, images: manifest.images });
  else
    printLine(
      `${entries} keys of ${images.length} ${images.length === 1 ? 'cluster' : 'clusters'} are in ${directory}`,
    );
}

/** Whole images of a backup that was broken off, the newest of each cluster, and not too old; all others are removed. */
async function unfinishedImages(directory: string): Promise<Done[]> {
  const newest = new Map<string, Done>();
  for (const file of (await readdir(directory)).filter((name) => IMAGE_FILE.test(name))) {
    const path = join(directory, file);
    const read = await readImage(path);
    const before = newest.get(read.image.cluster);
    if (Date.now() - Date.parse(read.image.taken) > KEPT_MS || (before?.image.slot ?? -1) > read.image.slot) {
      await rm(path).catch(cannotUse('file', path));
      continue;
    }
    if (before !== undefined) await rm(join(directory, before.file)).catch(cannotUse('file', path));
    newest.set(read.image.cluster, { ...read, file });
  }
  return [...newest.values()];
}
