/**
 * How often in a row a store was opened and not closed again.
 *
 * A page that is broken in the right way does not make LMDB fail: it makes LMDB end the process, and the next one, and so
 * on. So each opening is written down before the file is mapped; who finds a few of them looks at every page first.
 */
import {
  closeSync,
  constants,
  fsyncSync,
  ftruncateSync,
  openSync,
  readFileSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { noRoomWhy } from '../../src/process/no-room.ts';
import { unusable } from '../../src/process/permissions.ts';

const { O_CREAT, O_WRONLY } = constants;

/** From so many openings in a row on, the file is read as a whole before LMDB sees it (about a second per GiB). */
export const OPENINGS_SUSPECT = 2;

/**
 * Enters an opening of the store in `dir`; returns how many before it were not followed by a close.
 *
 * @param unnoted hears why it could not be written down on a disk without any room
 * @throws FatalError HOME_UNUSABLE where it could not for another reason
 */
export function enterOpening(dir: string, unnoted: (why: string) => void): number {
  const before = readCount(fileOf(dir));
  try {
    writeCount(fileOf(dir), before + 1);
  } catch (error) {
    if (noRoomWhy(error) === null) throw error;
    unnoted((error as Error).message);
  }
  return before;
}

/** The store has been open for long enough, and will not end the process at once. */
export function settleOpenings(dir: string): void {
  writeCount(fileOf(dir), 1);
}

/** The store was closed. */
export function forgetOpenings(dir: string): void {
  rmSync(fileOf(dir), { force: true });
}

/** Beside the store, whose directory is the store's own. */
function fileOf(dir: string): string {
  return `${dir}.opened`;
}

function readCount(file: string): number {
  try {
    return Number.parseInt(readFileSync(file, 'utf8'), 10) || 0;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw unusable('file', file, error);
    return 0;
  }
}

function writeCount(file: string, count: number): void {
  try {
    // Over what is there already: on a full disk an emptied file would stay empty.
    const handle = openSync(file, O_WRONLY | O_CREAT, 0o644);
    try {
      ftruncateSync(handle, writeSync(handle, String(count)));
      fsyncSync(handle);
    } finally {
      closeSync(handle);
    }
  } catch (error) {
    throw unusable('file', file, error);
  }
}
