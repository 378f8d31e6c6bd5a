/** Making directories, whatever file system they are to be on. */
import { closeSync, fsyncSync, mkdirSync, openSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

/**
 * Makes `path`, and the directories above it, durably, where they are missing. Node's own recursive mkdir never returns where a
 * file system, such as /proc, refuses with ENOENT although the parent is there.
 *
 * @returns those that were missing, the outermost first
 * @throws the system's error where one of them cannot be made, EEXIST where something else stands in its place
 */
export function makeDirectories(path: string): readonly string[] {
  const missing: string[] = [];
  for (let at = resolve(path); !isDirectory(at); at = dirname(at)) missing.push(at);
  for (const directory of missing.reverse()) {
    try {
      mkdirSync(directory);
    } catch (error) {
      const isThere = (error as NodeJS.ErrnoException).code === 'EEXIST' && isDirectory(directory);
      if (!isThere) throw error; // else another process made it
    }
    syncDirectory(dirname(directory));
  }
  return missing;
}

/** False also where it cannot be seen: whoever makes it hears why. */
function isDirectory(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false; // not there, a link to nothing, or behind something that may not be entered
  }
}

function syncDirectory(path: string): void {
  const directory = openSync(path, 'r');
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}
