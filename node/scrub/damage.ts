/** Damage of a store, told from all other failures. */
import { EXIT_CODES, FatalError } from '../../src/base/errors.ts';

/** Whether an error says that the store's file does not hold what it should: it is of no use any more. */
export function isStoreDamage(error: unknown): error is FatalError {
  return error instanceof FatalError && error.exitCode === EXIT_CODES.STORE_DAMAGED;
}
