/** A node's directories: made, checked for writing, and owned by one process at a time. */
import { spawnSync } from 'node:child_process';
import {
  type BigIntStats,
  closeSync,
  fstatSync,
  fsyncSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { FatalError } from '../../src/base/errors.ts';
import { makeDirectories } from '../../src/process/directories.ts';
import { noRoomWhy } from '../../src/process/no-room.ts';
import { checkUsable, unusable } from '../../src/process/permissions.ts';

/** Proof that this process owns a node's directories; ends with the process, however it ends. */
export type HomeLock = { release(): void };

/** In a locked directory: who has it, for people. The lock does not rest on it. */
const OWNER = 'OWNER';
/** Of the store and of the log. */
const STORE_FILES = ['data.mdb', 'lock.mdb', 'complete.mdb'];
const LOG_FILE = /\.tlog(\.new)?$/;
/** Without these nothing can be read. */
const BEGUN_STORE_FILES = ['data.mdb', 'lock.mdb'];
const SEGMENT_FILE = /\.tlog$/;
/** Tries to lock a directory that is put in another's place meanwhile. */
const LOCK_TRIES = 3;
/** Inode numbers of some file systems have more than 53 bits. */
const BIG = { bigint: true } as const;

/**
 * Makes `path` where it is missing and proves that it can be written and synced. False where all that lacks is room: who finds
 * all it needs there can do without for now.
 *
 * @throws FatalError HOME_UNUSABLE naming the directory and the reason
 */
export function prepareDirectory(path: string): boolean {
  const probe = join(path, `.probe-${process.pid}`);
  try {
    makeDirectories(path);
  } catch (error) {
    throw unusable('directory', path, error);
  }
  try {
    writeProbe(probe);
    return true;
  } catch (error) {
    if (noRoomWhy(error) === null) throw unusable('directory', path, error);
    return false;
  }
}

function writeProbe(path: string): void {
  const file = openSync(path, 'w');
  try {
    writeSync(file, 'probe');
    fsyncSync(file);
  } finally {
    closeSync(file);
    rmSync(path, { force: true });
  }
}

/**
 * Checks that a node whose disk has no room has all that it needs to serve reads: a log and a store. LMDB's table of readers
 * is one of it, whole: it is mapped, and what a map has no room for ends the process.
 *
 * @throws FatalError HOME_UNUSABLE where something would have to be written first
 */
export function checkBegun(home: string, logDir: string): void {
  const store = join(home, 'store');
  const files = BEGUN_STORE_FILES.map((name) => join(store, name)).filter(isMissing);
  if (!namesIn(logDir).some((name) => SEGMENT_FILE.test(name))) files.push(logDir);
  const [first] = files;
  if (first === undefined) return;
  throw new FatalError(
    'HOME_UNUSABLE',
    `home ${home} is not begun, or not whole (${first}), and there is no room to write on its disk, or that of ${logDir}; free some space, or see ulimit -f, and start it again`,
  );
}

/** Whether it is not there, or has parts for which nothing was allocated yet. */
function isMissing(path: string): boolean {
  const stats = statSync(path, { throwIfNoEntry: false });
  return stats === undefined || stats.blocks === 0;
}

/**
 * Checks that what a node keeps in its home and in the directory of its log is what it should be, and open to us: an
 * earlier start may have been by somebody else.
 *
 * @throws FatalError HOME_UNUSABLE naming the first that is not
 */
export function checkFiles(home: string, logDir: string): void {
  const store = join(home, 'store');
  checkUsable(store, 'directory');
  checkUsable(`${store}.opened`, 'file');
  for (const name of STORE_FILES) checkUsable(join(store, name), 'file');
  checkUsable(join(store, 'incoming'), 'directory');
  for (const name of namesIn(logDir)) {
    if (LOG_FILE.test(name)) checkUsable(join(logDir, name), 'file');
  }
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    throw unusable('directory', directory, error);
  }
}

/**
 * Takes a node's home and the directory of its log, which both exist, for this process.
 *
 * Each is locked with flock(2), on the directory itself. Why that holds: the kernel keeps such a lock with the inode, so
 * that every path to it meets the same lock, by whatever link, bind mount, or name space of mounts, networks or
 * processes. It belongs to an open file of ours, which nobody else has: the kernel lets go of it when that is closed, so
 * at the latest when the process dies, of whatever. So there is nothing that a dead process leaves behind, no file to be judged stale
 * and removed, and hence no moment in which two that take over could both believe so: of any number that ask for a
 * free lock the kernel gives it to one.
 *
 * Node has no call for it. The system's program `flock` has: it gets our open file as its descriptor 3, locks it and
 * ends. The lock is of the open file, not of the process that asked for it, and so stays with us.
 *
 * @throws FatalError HOME_IN_USE where another process has one of them; HOME_UNUSABLE where they cannot be locked
 */
export function lockHome(home: string, logDir: string): HomeLock {
  const locked: number[] = [];
  const release = (): void => {
    for (const directory of locked.splice(0)) closeSync(directory);
  };
  try {
    locked.push(lockDirectory(home, `home ${home}`));
    // Two names of one directory are one lock, which a second open file of ours would not get.
    if (!isSame(statSync(home, BIG), statSync(logDir, BIG)))
      locked.push(lockDirectory(logDir, `log directory ${logDir} (tlog_dir)`));
  } catch (error) {
    release();
    throw error;
  }
  return { release };
}

/** Locks the directory at `path`, and returns the open file that holds the lock. */
function lockDirectory(path: string, what: string): number {
  for (let tries = 0; tries < LOCK_TRIES; tries += 1) {
    const directory = openDirectory(path);
    try {
      takeLock(directory, path, what);
      // Between opening and locking, another directory may have been put in its place.
      if (isSame(fstatSync(directory, BIG), statSync(path, BIG))) {
        noteOwner(join(path, OWNER));
        return directory;
      }
    } catch (error) {
      closeSync(directory);
      throw error;
    }
    closeSync(directory);
  }
  throw new FatalError('HOME_UNUSABLE', `${what} is replaced by another directory again and again`);
}

function openDirectory(path: string): number {
  try {
    return openSync(path, 'r');
  } catch (error) {
    throw unusable('directory', path, error);
  }
}

function noteOwner(file: string): void {
  checkUsable(file, 'file');
  try {
    writeFileSync(file, `pid ${process.pid} on ${hostname()}\n`);
  } catch (error) {
    if (noRoomWhy(error) !== null) return; // it only helps whom the lock refuses
    throw unusable('file', file, error);
  }
}

function takeLock(directory: number, path: string, what: string): void {
  const { error, status, stderr } = spawnSync('flock', ['-n', '-x', '3'], {
    stdio: ['ignore', 'ignore', 'pipe', directory],
    encoding: 'utf8',
  });
  if (status === 0) return;
  // util-linux and busybox alike: taken by another, and not a word.
  if (status === 1 && stderr === '') {
    throw new FatalError(
      'HOME_IN_USE',
      `${what} is in use by another process (${ownerOf(path)}); stop it first, or give this node a directory of its own`,
    );
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
