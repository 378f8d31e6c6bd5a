/** One process at a time in a directory, whatever leads to it. */
import { spawnSync } from 'node:child_process';
import {
  type BigIntStats,
  closeSync,
  fstatSync,
  openSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { FatalError } from '../base/errors.ts';
import { noRoomWhy } from './no-room.ts';
import { checkUsable, unusable } from './permissions.ts';

/** Proof that this process has a directory; ends with the process, however it ends. */
export type DirectoryLock = { release(): void };

/** In a locked directory: who has it, for people. The lock does not rest on it. */
export const OWNER = 'OWNER';
/** Tries to lock a directory that is put in another's place meanwhile. */
const LOCK_TRIES = 3;
/** Inode numbers of some file systems have more than 53 bits. */
const BIG = { bigint: true } as const;

/**
 * Takes a directory, which exists, for this process.
 *
 * It is locked with flock(2), on the directory itself. Why that holds: the kernel keeps such a lock with the inode, so
 * that every path to it meets the same lock, by whatever link, bind mount, or name space of mounts, networks or
 * processes. It belongs to an open file of ours, which nobody else has: the kernel lets go of it when that is closed, so
 * at the latest when the process dies, of whatever. So there is nothing that a dead process leaves behind, no file to be judged stale
 * and removed, and hence no moment in which two that take over could both believe so: of any number that ask for a
 * free lock the kernel gives it to one.
 *
 * Node has no call for it. The system's program `flock` has: it gets our open file as its descriptor 3, locks it and
 * ends. The lock is of the open file, not of the process that asked for it, and so stays with us.
 *
 * @param what the directory, for people
 * @param todo what who is refused should do
 * @throws FatalError HOME_IN_USE where another process has it; HOME_UNUSABLE where it cannot be locked
 */
export function lockDirectory(
  path: string,
  what: string,
  todo = 'stop it first, or take another directory',
): DirectoryLock {
  for (let tries = 0; tries < LOCK_TRIES; tries += 1) {
    const directory = openDirectory(path);
    try {
      takeLock(directory, path, what, todo);
      // Between opening and locking, another directory may have been put in its place.
      if (isSame(fstatSync(directory, BIG), statSync(path, BIG))) {
        return { release: () => closeSync(directory) };
      }
    } catch (error) {
      closeSync(directory);
      throw error;
    }
    closeSync(directory);
  }
  throw new FatalError('HOME_UNUSABLE', `${what} is replaced by another directory again and again`);
}

/** Whether two paths lead to one directory: its lock is one, which a second open file of ours would not get. */
export function isSameDirectory(a: string, b: string): boolean {
  return isSame(statSync(a, BIG), statSync(b, BIG));
}

function openDirectory(path: string): number {
  try {
    return openSync(path, 'r');
  } catch (error) {
    throw unusable('directory', path, error);
  }
}

/** Notes in a locked directory who has it. @throws FatalError HOME_UNUSABLE */
export function noteOwner(directory: string): void {
  const file = join(directory, OWNER);
  checkUsable(file, 'file');
  try {
    writeFileSync(file, `pid ${process.pid} on ${hostname()}\n`);
  } catch (error) {
    if (noRoomWhy(error) !== null) return; // it only helps whom the lock refuses
    throw unusable('file', file, error);
  }
}

function takeLock(directory: number, path: string, what: string, todo: string): void {
  const { error, status, stderr } = spawnSync('flock', ['-n', '-x', '3'], {
    stdio: ['ignore', 'ignore', 'pipe', directory],
    encoding: 'utf8',
  });
  if (status === 0) return;
  // util-linux and busybox alike: taken by another, and not a word.
  if (status === 1 && stderr === '') {
    throw new FatalError('HOME_IN_USE', `${what} is in use by another process (${ownerOf(path)}); ${todo}`);
  }
  const isMissing = (error as NodeJS.ErrnoException | undefined)?.code === 'ENOENT';
  const why = isMissing
    ? 'the program flock is not there; install it (util-linux, or busybox), or put it into PATH'
    : `${error?.message ?? (stderr.trim() || `flock ended with code ${status}`)}; use a file system of this machine that has flock(2)`;
  throw new FatalError(
    'HOME_UNUSABLE',
    `${what} cannot be locked, and without a lock two processes could destroy each other's data: ${why}`,
    { cause: error },
  );
}

/** Whether both are of one directory, whatever the paths to it. */
function isSame(a: BigIntStats, b: BigIntStats): boolean {
  return a.dev === b.dev && a.ino === b.ino;
}

function ownerOf(path: string): string {
  try {
    return readFileSync(join(path, OWNER), 'utf8').trim();
  } catch {
    return 'unknown process'; // the name of the owner only helps the reader; its absence changes nothing
  }
}
