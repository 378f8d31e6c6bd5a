/** A node's directories: made, checked for writing, and owned by one process at a time. */
import { closeSync, fsyncSync, openSync, readdirSync, rmSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { FatalError } from '../../src/base/errors.ts';
import { makeDirectories } from '../../src/process/directories.ts';
import {
  type DirectoryLock,
  isSameDirectory,
  lockDirectory,
  noteOwner,
} from '../../src/process/directory-lock.ts';
import { noRoomWhy } from '../../src/process/no-room.ts';
import { checkUsable, unusable } from '../../src/process/permissions.ts';

/** Proof that this process owns a node's directories; ends with the process, however it ends. */
export type HomeLock = { release(): void };

/** Of the store and of the log. */
const STORE_FILES = ['data.mdb', 'lock.mdb', 'complete.mdb'];
const LOG_FILE = /\.tlog(\.new)?$/;
/** Without these nothing can be read. */
const BEGUN_STORE_FILES = ['data.mdb', 'lock.mdb'];
const SEGMENT_FILE = /\.tlog$/;
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
 * Takes a node's home and the directory of its log, which both exist, for this process (`lockDirectory`).
 *
 * @throws FatalError HOME_IN_USE where another process has one of them; HOME_UNUSABLE where they cannot be locked
 */
export function lockHome(home: string, logDir: string): HomeLock {
  const locked: DirectoryLock[] = [];
  const release = (): void => {
    for (const lock of locked.splice(0)) lock.release();
  };
  try {
    locked.push(lockDirectory(home, `home ${home}`));
    noteOwner(home);
    // Two names of one directory are one lock, which a second open file of ours would not get.
    if (!isSameDirectory(home, logDir)) {
      locked.push(lockDirectory(logDir, `log directory ${logDir} (tlog_dir)`));
      noteOwner(logDir);
    }
  } catch (error) {
    release();
    throw error;
  }
  return { release };
}
