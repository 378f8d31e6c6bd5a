/** How a command that failed says so: one line, or one JSON object, on standard error, and an exit code of its own. */
import { InvariantError } from '../base/assert.ts';
import { type ErrorCode, EXIT_CODES, FatalError, NurseryError } from '../base/errors.ts';
import { descriptorLimit, isOutOfDescriptors, tooFewDescriptors } from '../process/descriptors.ts';
import { complain } from './output.ts';

const EXIT_OF: Partial<Record<ErrorCode, number>> = {
  NOT_FOUND: EXIT_CODES.NOT_FOUND,
  NOT_MASTER: EXIT_CODES.NO_MASTER,
  REFUSED: EXIT_CODES.REFUSED,
  READ_ONLY: EXIT_CODES.REFUSED,
  OUT_OF_RANGE: EXIT_CODES.REFUSED,
  NOT_SUPPORTED: EXIT_CODES.REFUSED,
  WRONG_CLUSTER: EXIT_CODES.OTHER_CLUSTER,
  MAYBE_APPLIED: EXIT_CODES.MAYBE_APPLIED,
  GOING_DOWN: EXIT_CODES.NOT_NOW,
  RANGE_MOVING: EXIT_CODES.NOT_NOW,
  INCONSISTENT_READ: EXIT_CODES.NOT_NOW,
  TOO_MANY_CONNECTIONS: EXIT_CODES.NOT_NOW,
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

let asJson = false;

/** Whether failures are reported as JSON, as `--json` asks for. */
export function reportAsJson(is: boolean): void {
  asJson = is;
}

/** What is worth knowing and no failure, on standard error: a line, or with `--json` an object `{"notice":text}`. */
export function notice(text: string): void {
  complain(asJson ? JSON.stringify({ notice: text }) : `nursery: ${text}`);
}

/** Before it is said for whom a command waits (ms): most answers come sooner. */
const PATIENCE_MS = 2000;

/**
 * Says for whom a command waits, once that has taken a while; until the function that it returns is called.
 *
 * @param whom in words; a function is asked when it is said, and may know more by then
 */
export function sayWhoIsAwaited(whom: string | (() => string)): () => void {
  const timer = setTimeout(
    () => notice(`waits for ${typeof whom === 'string' ? whom : whom()}`),
    PATIENCE_MS,
  );
  return () => clearTimeout(timer);
}

/**
 * Says what went wrong on standard error, and ends the process: one line, or with `--json` one object
 * `{"error":{code,message,exitCode}}`. Our own bugs come with their stack. Whoever closed the pipe hears nothing.
 */
export function report(failure: unknown): never {
  const error = inWords(failure);
  const exitCode = exitCodeOf(error);
  if (exitCode !== EXIT_CODES.PIPE_CLOSED) {
    const known = error instanceof FatalError || error instanceof NurseryError;
    const message = error instanceof Error ? error.message : String(error);
    if (asJson) complain(JSON.stringify({ error: { code: codeOf(error), message, exitCode } }));
    else
      complain(
        `nursery: ${printable(known || !(error instanceof Error) ? textOf(error, message) : (error.stack ?? message))}`,
      );
  }
  process.exit(exitCode);
}

/** Text of others, such as what a function throws, may try to move the cursor. */
function printable(text: string): string {
  return text.replace(/[^\P{Cc}\n]/gu, '?');
}

/** Anything may be what finds no descriptor, the loading of our own code too. */
function inWords(error: unknown): unknown {
  const isKnown = error instanceof FatalError || error instanceof NurseryError;
  if (isKnown || !isOutOfDescriptors(error)) return error;
  return tooFewDescriptors(descriptorLimit(), error);
}

/** What a cluster or a router said begins with its code, which docs/codes.md explains; what is wrong with a command does not. */
function textOf(error: unknown, message: string): string {
  const isOwn = !(error instanceof NurseryError) || error.code === 'BAD_INPUT';
  return isOwn ? message : `${error.code}: ${message}`;
}

/** The code of the nursery's errors, else the name of the exit code. */
function codeOf(error: unknown): string {
  if (error instanceof NurseryError) return error.code;
  const exitCode = exitCodeOf(error);
  return Object.entries(EXIT_CODES).find(([, code]) => code === exitCode)?.[0] ?? 'FAILED';
}
