/** The directory of a backup, while it is written: for one process alone, and marked until the backup is whole. */
import { chmod, readdir, readFile, rm, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FatalError } from '../../base/errors.ts';
import { makeDirectories } from '../../process/directories.ts';
import { lockDirectory, noteOwner, OWNER } from '../../process/directory-lock.ts';
import { unusable } from '../../process/permissions.ts';
import { cannotUse, UNFINISHED } from '../export/files.ts';
import { MANIFEST } from './manifest.ts';

/** In a directory in which a backup was begun, and is not whole: what it is of. */
const BEGUN = 'unfinished';
/** What the file of an image is called. */
export const IMAGE_FILE: RegExp = /\.image$/;

/**
 * Runs `work` with the directory for this process alone: made anew, or one in which a backup of the same was broken off. Where nothing
 * was begun in it, what was made for it is removed.
 *
 * @param what is backed up
 * @throws FatalError HOME_UNUSABLE where it holds something else; HOME_IN_USE where another backup is being written there
 */
export async function inDirectory(directory: string, what: string, work: () => Promise<void>): Promise<void> {
  const cannot = cannotUse('directory', directory);
  const made = madeFor(directory);
  const lock = lockDirectory(directory, `directory ${directory}`);
  const marker = join(directory, BEGUN);
  const owner = join(directory, OWNER);
  let isOurs = false;
  try {
    const names = await readdir(directory).catch(cannot);
    if (names.includes(MANIFEST)) {
      throw new FatalError('HOME_UNUSABLE', `${directory} holds a backup already: name another directory`);
    }
    if (names.length === 0)
      await chmod(directory, 0o700).catch(cannot); // values may be secrets
    else await refuseOther(directory, names, what);
    // From here on it may be gone on with, also where the owner was noted and the process killed.
    await writeFile(marker, `${what}\n`).catch(cannotUse('file', marker));
    isOurs = true;
    noteOwner(directory);
    for (const name of names.filter(isUnfinished)) await rm(join(directory, name)).catch(cannot);
    await work();
    await rm(owner, { force: true }).catch(cannotUse('file', owner));
    await rm(marker).catch(cannotUse('file', marker));
  } catch (error) {
    // Where there is nothing to go on with, nothing was begun.
    const isBegun = (await readdir(directory).catch(cannot)).some((name) => IMAGE_FILE.test(name));
    if (isOurs) await rm(owner, { force: true }).catch(cannot);
    if (isBegun) throw error;
    await rm(marker, { force: true }).catch(cannot);
    await removeEmpty(made);
    throw error;
  } finally {
    lock.release();
  }
}

/** The directories that were made, the outermost first. */
function madeFor(directory: string): readonly string[] {
  try {
    return makeDirectories(directory);
  } catch (error) {
    return cannotUse('directory', directory)(error);
  }
}

/** From the innermost on, until one holds something by now. */
async function removeEmpty(made: readonly string[]): Promise<void> {
  try {
    for (const each of [...made].reverse()) await rmdir(each);
  } catch {
    // It stays, and is in nobody's way.
  }
}

/** Nothing is ever removed, or gone on with, that a backup did not begin itself. */
async function refuseOther(directory: string, names: readonly string[], what: string): Promise<void> {
  const isPart = (name: string): boolean =>
    name === BEGUN || name === OWNER || IMAGE_FILE.test(name) || isUnfinished(name);
  const other = names.find((name) => !isPart(name));
  const begun = names.includes(BEGUN) ? (await readFile(join(directory, BEGUN), 'utf8')).trim() : null;
  const why =
    begun === null || other !== undefined
      ? `it holds ${other ?? names[0]}, which is no part of a backup that was broken off`
      : `a backup of ${begun} was broken off there, and this is one of ${what}`;
  if (begun !== what || other !== undefined) throw unusable('directory', directory, new Error(why));
}

function isUnfinished(name: string): boolean {
  return name.startsWith(UNFINISHED);
}
