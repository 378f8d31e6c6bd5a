/** Files and directories that cannot be used: whose they are, who we are, and what is wanted, in one sentence. */
import { readFileSync, type Stats, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { FatalError } from './errors.ts';

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

function reasonOf(path: string, error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  switch (code) {
    case 'EACCES':
    case 'EPERM':
      return `${accessOf(path)}; give it to this user (chown), or choose another in the configuration`;
    case 'EROFS':
      return 'its file system is mounted read-only; mount it for writing, or choose another in the configuration';
    case 'ENOTDIR':
    case 'EEXIST':
      return `${existingOf(path).path} is ${kindOf(existingOf(path).stats)}, where a directory is wanted; move it away, or choose another in the configuration`;
    case 'EISDIR':
      return `it is a directory, where a file is wanted; move it away, or choose another in the configuration`;
    case 'ENXIO':
      return 'it is a pipe or a socket that nobody reads, where a file is wanted; move it away';
    case 'ENOSPC':
    case 'EDQUOT':
      return 'its disk is full; free some space';
    case 'EMFILE':
    case 'ENFILE':
      return 'no file descriptors are left (see ulimit -n)';
    default:
      return message;
  }
}

/** Which directory or file on the way to `path` is in the way, whose it is, and what we would need. */
function accessOf(path: string): string {
  const { path: at, stats } = existingOf(path);
  const it = at === resolve(path) ? 'it' : at;
  const mode = (stats.mode & 0o7777).toString(8).padStart(4, '0');
  const wanted = stats.isDirectory() ? 'read, write and enter it (rwx)' : 'read and write it (rw)';
  return `${it} belongs to ${userOf(stats.uid)} with mode ${mode}, and this process runs as ${userOf(process.geteuid?.() ?? -1)}, which must be allowed to ${wanted}`;
}

/** The path itself, or where that cannot be seen, the nearest above it that can. */
function existingOf(path: string): { readonly path: string; readonly stats: Stats } {
  for (let at = resolve(path); ; at = dirname(at)) {
    const stats = statOf(at);
    if (stats !== null) return { path: at, stats };
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
