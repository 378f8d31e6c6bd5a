/** Reads what `nursery backup` has written, whole, and checks it. */
import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isOfSystem, NurseryError } from '../../base/errors.ts';
import { cannotRead } from '../export/files.ts';
import { ExportReader, type Image, linesOf } from '../export/lines.ts';
import {
  type ImageFile,
  MANIFEST,
  type Manifest,
  type ReadManifest,
  readManifest,
  whyForeign,
  whyNotTheMap,
} from './manifest.ts';
import type { Taken } from './take-image.ts';

/** A backup that is whole. */
export type Backup = {
  readonly manifest: ReadManifest;
  readonly images: readonly (Taken & { readonly path: string })[];
};

/**
 * Reads a whole backup.
 *
 * @throws NurseryError BAD_INPUT where anything is missing, damaged, or not what the rest says
 */
export async function readBackup(directory: string): Promise<Backup> {
  const manifest = await readManifest(directory);
  const images: (Taken & { readonly path: string })[] = [];
  for (const expected of manifest.images) {
    const path = join(directory, expected.file);
    const read = await readImage(path);
    if (!isThat(expected, read))
      throw new NurseryError('BAD_INPUT', `${path} is another image than ${MANIFEST} names`);
    images.push({ ...read, path });
  }
  const why = whyNotTogether(
    manifest,
    images.map(({ image }) => image),
  );
  if (why !== null) throw new NurseryError('BAD_INPUT', `${directory}: ${why}`);
  return { manifest, images };
}

/** What is worth knowing of a backup that is whole: sentences. @throws FatalError HOME_UNUSABLE where its directory cannot be read */
export async function remarksOn(directory: string, { isSummed, images }: ReadManifest): Promise<string[]> {
  const own = new Set([MANIFEST, ...images.map(({ file }) => file)]);
  const names = await readdir(directory).catch(cannotRead(directory));
  const foreign = names.filter((name) => !own.has(name)).sort();
  return [
    ...(isSummed
      ? []
      : [
          `${MANIFEST} has no sum of itself, as an earlier build wrote it: that its date or the version of its map was changed would not be seen`,
        ]),
    ...foreign.map((name) => `${name} is no part of this backup: ${MANIFEST} does not name it`),
  ];
}

function whyNotTogether({ map, nursery }: Manifest, images: readonly Image[]): string | null {
  if (map === null || nursery === null) return null;
  const foreign = images.map((image) => whyForeign(image, nursery)).find((why) => why !== null);
  return foreign ?? whyNotTheMap(map.entries, images);
}

function isThat({ cluster, slot, entries, sha256 }: ImageFile, read: Taken): boolean {
  const { image } = read;
  return (
    read.sha256 === sha256 && image.cluster === cluster && image.slot === slot && read.entries === entries
  );
}

/**
 * Reads a whole image.
 *
 * @throws NurseryError BAD_INPUT naming the file and what is wrong with it
 */
export async function readImage(path: string): Promise<Taken> {
  const reader = new ExportReader();
  const file = await open(path, 'r').catch(cannotRead(path));
  try {
    for await (const line of linesOf(file.createReadStream({ autoClose: false }), true)) reader.take(line);
    reader.finish();
  } catch (error) {
    if (isOfSystem(error)) cannotRead(path)(error);
    if (!(error instanceof NurseryError)) throw error;
    throw new NurseryError(error.code, `${path}: ${error.message}`, { cause: error });
  } finally {
    await file.close();
  }
  const { head, entries, sha256 } = reader;
  if (head?.kind !== 'image' || sha256 === null) {
    throw new NurseryError('BAD_INPUT', `${path}: an export, where the image of a cluster is wanted`);
  }
  return { image: head.image, entries, sha256 };
}
