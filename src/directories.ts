/** Making directories, whatever file system they are to be on. */
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

/**
 * Makes `path`, and the directories above it, durably, where they are missing. Node's own recursive mkdir never returns where a
 * file system, such as /proc, refuses with ENOENT although the parent is there.
 *
 * @throws the system's error where one of them cannot be made
 */
export function makeDirectories(path: string): void {
  const missing: string[] = [];
  for (let at = resolve(path); !existsSync(at); at = dirname(at)) missing.push(at);
  for (const directory of missing.reverse()) {
    try {
      mkdirSync(directory);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error; // another process made it
    }
    syncDirectory(dirname(directory));
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
