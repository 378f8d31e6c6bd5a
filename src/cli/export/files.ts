/** Files that have their names only once they are whole, and files that are read more than once. */
import { randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, link, lstat, open, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { FatalError, isOfSystem, NurseryError } from '../../base/errors.ts';
import { unreadable, unusable, wrongPathWhy } from '../../process/permissions.ts';

/** In the place of a file: standard input or output. */
export const STANDARD = '-';

/** Opens what is read from its beginning, each time anew. */
export type Source = () => AsyncIterable<Buffer>;

/** What an unfinished file is called at first, before 16 letters and digits; hidden, and left where a process is killed. */
export const UNFINISHED = '.nursery-unfinished-';

/**
 * Has `fill` write a file of a name of its own in `directory`; once all is in it, it gets the name that `nameFor` says, durably,
 * unless something has that by then.
 *
 * @throws FatalError HOME_UNUSABLE
 */
export async function intoFile<T>(
  place: string,
  fill: (file: FileHandle) => Promise<T>,
  nameFor: (result: T) => string,
): Promise<T> {
  // Opened before anything is done: without it the name could not be made durable.
  const directory = await open(place, 'r').catch(cannotUse('directory', place));
  const partial = join(place, `${UNFINISHED}${randomBytes(8).toString('hex')}`);
  try {
    const file = await open(partial, 'wx', 0o600).catch(cannotUse('directory', place)); // values may be secrets
    try {
      const result = await fill(file);
      const path = nameFor(result);
      await file.sync().catch(cannotUse('file', path));
      await giveName(partial, path);
      await directory.sync().catch(cannotUse('directory', place));
      return result;
    } finally {
      await file.close();
      await rm(partial, { force: true });
    }
  } finally {
    await directory.close();
  }
}

/** @throws FatalError HOME_UNUSABLE where something is at `path` */
export async function refuseTaken(path: string): Promise<void> {
  const isThere = (await lstat(path).catch(() => null)) !== null; // a link to nothing is there too
  if (isThere) throw taken(path);
}

/** What a file system says that has no second names for files. */
const NO_LINKS: ReadonlySet<string | undefined> = new Set([
  'EPERM',
  'ENOTSUP',
  'EOPNOTSUPP',
  'ENOSYS',
  'EMLINK',
]);

/** Never takes the place of something that has come there meanwhile. */
async function giveName(partial: string, path: string): Promise<void> {
  try {
    await link(partial, path);
  } catch (error) {
    if (isOfSystem(error) && error.code === 'EEXIST') throw taken(path);
    if (!isOfSystem(error) || !NO_LINKS.has(error.code)) throw unusable('file', path, error);
    await renameOver(partial, path);
  }
}

/** The name is taken first, by an empty file, so that nobody else can have it. */
async function renameOver(partial: string, path: string): Promise<void> {
  try {
    await (await open(path, 'wx', 0o600)).close();
    await rename(partial, path);
  } catch (error) {
    throw isOfSystem(error) && error.code === 'EEXIST' ? taken(path) : unusable('file', path, error);
  }
}

function taken(path: string): FatalError {
  return new FatalError('HOME_UNUSABLE', `${path} is there already: name another file, or remove it`);
}

/** What can be read once only, such as a pipe, goes to a file without a name first, which goes with the process. */
export async function fromFile(path: string, use: (source: Source) => Promise<void>): Promise<void> {
  if (path !== STANDARD) {
    const file = await open(path, 'r').catch(cannotRead(path));
    try {
      const stats = await file.stat();
      if (stats.isDirectory()) cannotRead(path)(Object.assign(new Error(), { code: 'EISDIR' }));
      if (stats.isFile()) return await use(fromTheStart(file));
      return await throughCopy(file.createReadStream({ autoClose: false }), use);
    } finally {
      await file.close();
    }
  }
  await throughCopy(process.stdin, use);
}

async function throughCopy(stream: Readable, use: (source: Source) => Promise<void>): Promise<void> {
  const place = tmpdir();
  const name = join(place, `nursery-import-${randomBytes(8).toString('hex')}`);
  const copy = await open(name, 'wx+', 0o600).catch(cannotUse('temporary copy', name));
  try {
    await rm(name);
    await writeFile(copy, stream).catch(cannotUse('temporary copy', name));
    await use(fromTheStart(copy));
  } finally {
    await copy.close();
  }
}

function fromTheStart(file: FileHandle): Source {
  return () => file.createReadStream({ start: 0, autoClose: false });
}

export function cannotUse(what: string, path: string): (error: unknown) => never {
  return (error) => {
    throw isOfSystem(error) ? unusable(what, path, error) : error;
  };
}

/** @throws NurseryError BAD_INPUT for a wrong path; FatalError HOME_UNUSABLE where the file cannot be read */
export function cannotRead(path: string): (error: unknown) => never {
  return (error) => {
    const wrong = wrongPathWhy(path, error);
    if (wrong !== null) throw new NurseryError('BAD_INPUT', `${path} ${wrong}`, { cause: error });
    throw new FatalError('HOME_UNUSABLE', unreadable(path, error), { cause: error });
  };
}

/** A file that a command was given, of which all is wanted. */
export type Given = {
  /** `-` is standard input. */
  readonly path: string;
  /** Most that it may hold (bytes), and of what that is the limit. */
  readonly max: number;
  readonly limitOf: string;
  /** What names it on the command line. */
  readonly word: string;
};

/**
 * All that a file holds, but never much more than may be, whatever the file is.
 *
 * @throws FatalError USAGE where it cannot be read; NurseryError BAD_INPUT where it holds too much
 */
export async function readGiven({ path, max, limitOf, word }: Given): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of path === STANDARD ? process.stdin : createReadStream(path)) {
      chunks.push(chunk as Buffer);
      bytes += (chunk as Buffer).length;
      if (bytes > max) break;
    }
  } catch (error) {
    throw new FatalError('USAGE', `${word}: ${unreadable(path, error)}`, { cause: error });
  }
  if (bytes <= max) return Buffer.concat(chunks);
  throw new NurseryError('BAD_INPUT', `${word} ${path}: more than ${max} bytes, the limit of ${limitOf}`);
}
