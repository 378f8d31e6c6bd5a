/** What goes wrong with a store's file, as errors that say what to do. */
import { stat, statfs } from 'node:fs/promises';
import { EXIT_CODES, FatalError, NurseryError } from '../../src/base/errors.ts';
import { fileSizeLimit } from '../../src/process/descriptors.ts';
import { isFileSizeLimit, noRoomWhy } from '../../src/process/no-room.ts';
import { dataFile, PAGE_BYTES } from './environment.ts';

/** `errno` that LMDB makes of a write that was cut short, by the end of the disk or of what this process may write. */
const INPUT_OUTPUT = 5;
/** A disk with less than this is taken to be full (bytes). */
const ROOM_BYTES = 8 * 1024 * 1024;
/** LMDB: page not found, corrupted, version mismatch, invalid, incompatible, bad transaction. */
const DAMAGE: readonly unknown[] = [-30797, -30796, -30794, -30793, -30784, -30782];

/** The store's file does not hold what it should. */
export function storeDamaged(dir: string, what: string, cause?: unknown): FatalError {
  return new FatalError('STORE_DAMAGED', `store file ${dataFile(dir)} is damaged: ${what}`, { cause });
}

/** Whether an error says that the store's file does not hold what it should: it is of no use any more. */
export function isStoreDamage(error: unknown): error is FatalError {
  return error instanceof FatalError && error.exitCode === EXIT_CODES.STORE_DAMAGED;
}

/** What an error of LMDB means; an error that is ours already stays as it is. */
export function storeFailure(dir: string, error: unknown): Error {
  if (error instanceof FatalError || error instanceof NurseryError) return error;
  const { message, code } = error as Error & { code?: unknown };
  if (noRoomWhy(error) !== null) return diskFull(dir, error);
  if (DAMAGE.includes(code)) return storeDamaged(dir, message, error);
  return new FatalError('DISK_FAILED', `store file ${dataFile(dir)}: ${message}`, { cause: error });
}

/**
 * What an error of a commit means, which also depends on how full the disk is.
 *
 * @param fileBytesMax how large this process might make a file when the commit began
 */
export async function commitFailure(
  dir: string,
  error: Error & { code: number | null },
  fileBytesMax: number,
): Promise<Error> {
  if (error.code !== INPUT_OUTPUT) return storeFailure(dir, error);
  const { size } = await stat(dataFile(dir));
  if (size + PAGE_BYTES > Math.min(fileBytesMax, fileSizeLimit()))
    return diskFull(dir, Object.assign(new Error(error.message), { code: 'EFBIG' }));
  return (await hasRoom(dir, 0)) ? storeFailure(dir, error) : diskFull(dir, error);
}

/**
 * Refuses to begin what the disk has no room for.
 *
 * @throws NurseryError DISK_FULL
 */
export async function checkRoom(dir: string, bytes: number): Promise<void> {
  if (!(await hasRoom(dir, bytes))) throw diskFull(dir);
}

async function hasRoom(dir: string, bytes: number): Promise<boolean> {
  const { bavail, bsize } = await statfs(dir);
  return bavail * bsize >= bytes + ROOM_BYTES;
}

function diskFull(dir: string, cause?: unknown): NurseryError {
  const message = isFileSizeLimit(cause)
    ? `${dataFile(dir)} did not grow: ${noRoomWhy(cause)}; nothing was written`
    : `no room on the disk of ${dataFile(dir)}: nothing was written`;
  return new NurseryError('DISK_FULL', message, { cause });
}
