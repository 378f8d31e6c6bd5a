/** Real input for the tour: a directory tree as a storage system would keep its metadata. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { USER_KEY_MAX } from '../../base/limits.ts';

/** Metadata of one file. */
export type FileRecord = {
  readonly path: string;
  readonly size: number;
  readonly modifiedMs: number;
  readonly sha256: string;
};

/** The files below `root`, in order of their paths; links are not followed, and paths too long for a key are left out. */
export async function* filesBelow(root: string, folder = root): AsyncGenerator<string> {
  const entries = await readdir(folder, { withFileTypes: true });
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* filesBelow(root, path);
    else if (entry.isFile() && Buffer.byteLength(relative(root, path)) <= USER_KEY_MAX) yield path;
  }
}

/** Reads a file once: its size, time and digest. `root` is taken off its path. */
export async function describeFile(root: string, path: string): Promise<FileRecord> {
  const { size, mtimeMs } = await stat(path);
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return { path: relative(root, path), size, modifiedMs: Math.round(mtimeMs), sha256: hash.digest('hex') };
}
