/** Files and directories that cannot be used: whose they are, who we are, and what is wanted, in one sentence. */
import { accessSync, constants, lstatSync, readFileSync, readlinkSync, type Stats, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { FatalError } from '../base/errors.ts';
import { noRoomWhy } from './no-room.ts';

/** What to do about a thing of the wrong kind. */
const ELSEWHERE = 'move it away, or choose another in the configuration';

/**
 * The error for a file or directory that could not be opened, made or written.
 *
 * @param what kind of thing it is, for people: 'directory', 'log file'
 * @param error the system's; one that is a FatalError already has its reason kept
 */
export function unusable(what: string, path: string, error: unknown): FatalError {
  return new FatalError('HOME_UNUSABLE', `${what} ${path} cannot be used: ${reasonOf(path, error)}`, {
    cause: error,
  });
}

/**
 * Checks a file, or a directory, that we are about to use: what is not there yet may be made, but what is there must be of
 * its kind and open to us, and no link to nothing, as one to a disk that is not mounted. A pipe in the place of a file would otherwise hold up the process for ever.
 *
 * @throws FatalError HOME_UNUSABLE
 */
export function checkUsable(path: string, kind: 'file' | 'directory'): void {
  let stats: Stats;
  try {
    stats = statSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT' && brokenLinkOf(path) === null) return;
    throw unusable(kind, path, error);
  }
  if (kind === 'file' ? !stats.isFile() : !stats.isDirectory()) {
    const error = new Error(`it is ${kindOf(stats)}, where a ${kind} is wanted; ${ELSEWHERE}`);
    throw unusable(kind, path, error);
  }
  const { R_OK, W_OK, X_OK } = constants;
  try {
    accessSync(path, kind === 'file' ? R_OK | W_OK : R_OK | W_OK | X_OK);
  } catch (error) {
    throw unusable(kind, path, error);
  }
}

/** What the system says of a path that is wrong, which is no matter of permissions. */
const WRONG_PATH: Readonly<Record<string, string>> = {
  ENOENT: 'is missing',
  ENOTDIR: 'is missing: a file is on the way to it',
  EISDIR: 'is a directory, where a file is wanted',
  ELOOP: 'is a link that leads in a circle',
  ENAMETOOLONG: 'is longer than a path may be',
  ENXIO: 'is a socket, or a device that is not there, where a file is wanted',
};

/** What is wrong with a path, to be read behind it: "is missing"; null where it is not the path. */
export function wrongPathWhy(path: string, error: unknown): string | null {
  const { code } = error as NodeJS.ErrnoException;
  const target = code === 'ENOENT' ? targetOf(path) : null;
  if (target !== null) return `is a link to ${target}, which is not there`;
  return WRONG_PATH[code ?? ''] ?? null;
}

/** Why a file that is only read could not be. */
export function unreadableWhy(path: string, error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  const wrong = wrongPathWhy(path, error);
  if (wrong !== null) return `it ${wrong}`;
  return code === 'EACCES' || code === 'EPERM' ? accessOf(path, 'read') : message;
}

/** The same as a sentence, that names the file. */
export function unreadable(path: string, error: unknown): string {
  return `file ${path} cannot be read: ${unreadableWhy(path, error)}`;
}

/** Why a file or directory could not be used, and what to do. */
function reasonOf(path: string, error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  switch (code) {
    case 'EACCES':
    case 'EPERM':
      return `${accessOf(path, 'write')}; give it to this user (chown), or choose another in the configuration`;
    case 'EROFS':
      return 'its file system is mounted read-only; mount it for writing, or choose another in the configuration';
    case 'ENOENT':
    case 'ELOOP':
      return brokenLinkOf(path) ?? message;
    case 'ENOTDIR':
    case 'EEXIST': {
      const broken = brokenLinkOf(path);
      if (broken !== null) return broken;
      const { path: at, stats } = existingOf(path);
      return `${at} is ${kindOf(stats)}, where a directory is wanted; ${ELSEWHERE}`;
    }
    case 'EISDIR':
      return `it is a directory, where a file is wanted; ${ELSEWHERE}`;
    case 'ENXIO':
      return `it is a pipe that nobody reads, or a socket, where a file is wanted; ${ELSEWHERE}`;
    case 'EMFILE':
    case 'ENFILE':
      return 'no file descriptors are left (see ulimit -n)';
    default:
      return noRoomWhy(error) ?? message;
  }
}

/** Which directory or file on the way to `path` is in the way, whose it is, and what we would need. */
function accessOf(path: string, wanted: 'read' | 'write'): string {
  const { path: at, stats } = existingOf(path);
  const it = at === resolve(path) ? 'it' : at;
  const mode = (stats.mode & 0o7777).toString(8).padStart(4, '0');
  const file = wanted === 'read' ? 'read it (r)' : 'read and write it (rw)';
  const directory = wanted === 'read' ? 'enter it (x)' : 'read, write and enter it (rwx)';
  const needed = stats.isDirectory() ? directory : file;
  const us = userOf(process.geteuid?.() ?? -1);
  return `${it} belongs to ${userOf(stats.uid)} with mode ${mode}, and this process runs as ${us}, which must be allowed to ${needed}`;
}

/** The path itself, or where that cannot be seen, the nearest above it that can. */
function existingOf(path: string): { readonly path: string; readonly stats: Stats } {
  for (let at = resolve(path); ; at = dirname(at)) {
    const stats = statOf(at);
    if (stats !== null) return { path: at, stats };
  }
}

/** The link on the way to `path` that leads nowhere, and what to do about it; null where none does. */
function brokenLinkOf(path: string): string | null {
  for (let at = resolve(path); at !== '/'; at = dirname(at)) {
    try {
      statSync(at);
      return null;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      const target = targetOf(at);
      if (target !== null && code === 'ELOOP')
        return `${at} is a link to ${target}, which leads in a circle; ${ELSEWHERE}`;
      if (target !== null && code === 'ENOENT')
        return `${at} is a link to ${target}, which is not there (is its disk mounted?); make that, or choose another in the configuration`;
    }
  }
  return null;
}

/** Where a link leads; null of what is no link, or cannot be seen. */
function targetOf(path: string): string | null {
  try {
    return lstatSync(path).isSymbolicLink() ? readlinkSync(path) : null;
  } catch {
    return null; // what is above it is the reason
  }
}

function statOf(path: string): Stats | null {
  try {
    return statSync(path);
  } catch (error) {
    if (path === '/') throw error;
    return null; // not there, or behind a directory that may not be entered: that one is the reason
  }
}

function kindOf(stats: Stats): string {
  if (stats.isFile()) return 'a file';
  if (stats.isDirectory()) return 'a directory';
  if (stats.isFIFO()) return 'a pipe';
  if (stats.isSocket()) return 'a socket';
  return 'a device';
}

/** A user as people know them. */
function userOf(uid: number): string {
  const name = namesOf().get(uid);
  return name === undefined ? `uid ${uid}` : `${name} (uid ${uid})`;
}

function namesOf(): Map<number, string> {
  try {
    const lines = readFileSync('/etc/passwd', 'utf8').split('\n');
    return new Map(lines.map((line) => line.split(':')).map(([name, , uid]) => [Number(uid), name ?? '']));
  } catch {
    return new Map(); // numbers will do
  }
}
