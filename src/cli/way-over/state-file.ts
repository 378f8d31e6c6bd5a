/** How far an import from Arakoon is, in a file: what was begun goes on, whoever types it again. */
import { existsSync, mkdirSync, readFileSync, renameSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { FatalError, NurseryError } from '../../base/errors.ts';
import { type DirectoryLock, lockDirectory, noteOwner, OWNER } from '../../process/directory-lock.ts';
import { unreadableWhy, unusable } from '../../process/permissions.ts';
import { notice } from '../report.ts';

/** What is remembered. */
export type ImportState = {
  /** Of this layout. */
  readonly version: 1;
  /** Cluster ids of where the rows come from, and of what the configuration names. */
  readonly from: string;
  readonly into: string;
  /** The pass that is under way, from 1. */
  readonly pass: number;
  /** Of it, everything up to this key is done (hexadecimal); null: nothing yet. */
  readonly upTo: string | null;
  /** Keys that it has looked at, and that it has changed. */
  readonly keys: number;
  readonly changed: number;
  /** The comparison found no difference: clients may have gone over since. */
  readonly isDone: boolean;
};

/** The state in the file, null where there is none. @throws NurseryError BAD_INPUT where it is of another import, or damaged */
export function readState(path: string, from: string, into: string): ImportState | null {
  if (!existsSync(path)) return null;
  let state: ImportState;
  try {
    state = JSON.parse(readFileSync(path, 'utf8')) as ImportState;
  } catch (error) {
    throw new NurseryError('BAD_INPUT', `${path}: ${unreadableWhy(path, error)}`, { cause: error });
  }
  if (state.version !== 1 || typeof state.pass !== 'number')
    throw new NurseryError(
      'BAD_INPUT',
      `${path} holds no state of an import; name another file with --state`,
    );
  if (state.from !== from || state.into !== into) {
    throw new NurseryError(
      'BAD_INPUT',
      `${path} is of an import from ${state.from} into ${state.into}; name another file with --state`,
    );
  }
  return state;
}

/** Tries to lock a directory that whoever had it removes meanwhile. */
const LOCK_TRIES = 5;

/**
 * Takes the import for this process, until it ends: of two that run, the one that was suspended would write what it once read
 * over what clients have written since. The directory beside the file that is locked for it goes with the import; where the process
 * was killed it stays, locks nothing, and goes with the next one.
 *
 * @throws FatalError HOME_IN_USE where another process has it; HOME_UNUSABLE where it cannot be locked
 */
export function lockState(path: string): DirectoryLock {
  const directory = `${path}.lock`;
  for (let tries = 1; ; tries += 1) {
    try {
      mkdirSync(directory);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw unusable('directory', directory, error);
    }
    try {
      const lock = lockDirectory(
        directory,
        `the import of ${path}`,
        'nothing was done; wait until that has ended, or end it (one that is suspended, too)',
      );
      noteOwner(directory);
      return { release: () => removeLock(directory, lock) };
    } catch (error) {
      if (existsSync(directory) || tries === LOCK_TRIES) throw error;
    }
  }
}

/** While it is ours: whoever waits for it finds another one, or none, in its place, and looks again. */
function removeLock(directory: string, lock: DirectoryLock): void {
  try {
    rmSync(join(directory, OWNER), { force: true });
    rmdirSync(directory);
  } catch (error) {
    // It holds what is not ours, or may not be removed; the next import locks it as it is.
    notice(`${directory} could not be removed: ${(error as Error).message}`);
  } finally {
    lock.release();
  }
}

/** Refuses an import whose comparison found no difference. @throws FatalError USAGE */
export function refuseDone(path: string, state: ImportState | null): void {
  if (state?.isDone !== true) return;
  throw new FatalError(
    'USAGE',
    `${path} says that this import is done: what clients have written to ${state.into} since would be undone. One anew begins with an empty target, and another file (--state)`,
  );
}

/** Replaces the file as a whole. @throws FatalError HOME_UNUSABLE */
export function writeState(path: string, state: ImportState): void {
  try {
    writeFileSync(`${path}.new`, `${JSON.stringify(state)}\n`);
    renameSync(`${path}.new`, path);
  } catch (error) {
    throw unusable('file', path, error);
  }
}
