/** What goes wrong with a store's file, as errors that say what to do. */
import { FatalError, NurseryError } from '../../src/errors.ts';
import { dataFile } from './environment.ts';

/** `errno` of a disk, or a quota, without room. */
const NO_SPACE: readonly unknown[] = [28, 122];
/** LMDB: page not found, corrupted, version mismatch, invalid, incompatible, bad transaction. */
const DAMAGE: readonly unknown[] = [-30797, -30796, -30794, -30793, -30784, -30782];

/** The store's file does not hold what it should. */
export function storeDamaged(dir: string, what: string, cause?: unknown): FatalError {
  return new FatalError(
    'STORE_DAMAGED',
    `store file ${dataFile(dir)} is damaged: ${what}. Delete the directory ${dir} and start again: ` +
      'it is rebuilt from the log and the other nodes.',
    { cause },
  );
}

/** What an error of LMDB means; an error that is ours already stays as it is. */
export function storeFailure(dir: string, error: unknown): Error {
  if (error instanceof FatalError || error instanceof NurseryError) return error;
  const { message, code } = error as Error & { code?: unknown };
  if (NO_SPACE.includes(code)) {
    return new NurseryError('DISK_FULL', `no room on the disk of ${dataFile(dir)}: nothing was written`, {
      cause: error,
    });
  }
  if (DAMAGE.includes(code)) return storeDamaged(dir, message, error);
  return new FatalError('DISK_FAILED', `store file ${dataFile(dir)}: ${message}`, { cause: error });
}
