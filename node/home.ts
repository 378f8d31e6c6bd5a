/** A node's directory: made, checked for writing, and owned by one process at a time. */
import { closeSync, fsyncSync, openSync, readFileSync, statSync, unlinkSync, writeSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { makeDirectories } from '../src/directories.ts';
import { FatalError } from '../src/errors.ts';

/** Proof that this process owns a home; ends with the process, however it ends. */
export type HomeLock = { release(): void };

/**
 * Makes `home` where it is missing and proves that it can be written and synced.
 *
 * @throws FatalError HOME_UNUSABLE naming the directory and the reason
 */
export function prepareDirectory(path: string): void {
  const probe = join(path, `.probe-${process.pid}`);
  try {
    makeDirectories(path);
    const file = openSync(probe, 'w');
    writeSync(file, 'probe');
    fsyncSync(file);
    closeSync(file);
    unlinkSync(probe);
  } catch (error) {
    throw new FatalError(
      'HOME_UNUSABLE',
      `directory ${path} cannot be used (${(error as Error).message}); make it writable for this user, or choose another in the configuration`,
      { cause: error },
    );
  }
}

/**
 * Takes `home` for this process. The lock is a socket in the kernel's abstract name space, named after the
 * directory's device and inode: unlike a file with a process id it cannot be left behind by a kill.
 *
 * @throws FatalError HOME_IN_USE where another process has it
 */
export async function lockHome(home: string): Promise<HomeLock> {
  const { dev, ino } = statSync(home);
  const server = createServer();
  const owner = join(home, 'OWNER');
  try {
    await listen(server, `\0nursery-home-${dev}-${ino}`);
  } catch (error) {
    throw new FatalError(
      'HOME_IN_USE',
      `home ${home} is in use by another process (${ownerOf(owner)}); stop it first, or give this node a home of its own`,
      { cause: error },
    );
  }
  server.unref();
  const file = openSync(owner, 'w');
  writeSync(file, `pid ${process.pid}\n`);
  closeSync(file);
  return { release: () => server.close() };
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, () => resolve());
  });
}

function ownerOf(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return 'unknown process'; // the name of the owner only helps the reader; its absence changes nothing
  }
}
