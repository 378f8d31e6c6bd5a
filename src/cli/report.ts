/** How a command that failed says so: one line on standard error, and an exit code of its own. */
import { InvariantError } from '../assert.ts';
import { type ErrorCode, EXIT_CODES, FatalError, NurseryError } from '../errors.ts';

const EXIT_OF: Partial<Record<ErrorCode, number>> = {
  NOT_FOUND: EXIT_CODES.NOT_FOUND,
  NOT_MASTER: EXIT_CODES.NO_MASTER,
  REFUSED: EXIT_CODES.REFUSED,
  BAD_INPUT: EXIT_CODES.USAGE,
  FENCED: EXIT_CODES.FENCED,
  UNREACHABLE: EXIT_CODES.UNREACHABLE,
  TIMEOUT: EXIT_CODES.UNREACHABLE,
  CONFIG: EXIT_CODES.CONFIG,
};

/** The exit code that stands for a failure. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof FatalError) return error.exitCode;
  if (error instanceof NurseryError) return EXIT_OF[error.code] ?? EXIT_CODES.FAILED;
  return error instanceof InvariantError ? EXIT_CODES.INVARIANT : EXIT_CODES.FAILED;
}

/** Prints what went wrong and ends the process. Our own bugs come with their stack. */
export function report(error: unknown): never {
  const known = error instanceof FatalError || error instanceof NurseryError;
  const text = known
    ? error.message
    : error instanceof Error
      ? (error.stack ?? error.message)
      : String(error);
  console.error(`nursery: ${text}`);
  process.exit(exitCodeOf(error));
}
