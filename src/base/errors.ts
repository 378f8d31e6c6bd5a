/**
 * The failures of the world, as opposed to our own bugs (assert.ts).
 *
 * In a replicated store the first question about a failure is whether the update may have taken effect, so
 * each code answers it. Branch on `code` only; wrap with `{ cause }`.
 */

/** The return code of Arakoon's protocol that begins every answer. */
export const RETURN_CODES = {
  OK: 0x00,
  NO_MAGIC: 0x01,
  NO_HELLO: 0x03,
  NOT_MASTER: 0x04,
  NOT_FOUND: 0x05,
  WRONG_CLUSTER: 0x06,
  ASSERTION_FAILED: 0x07,
  READ_ONLY: 0x08,
  OUT_OF_RANGE: 0x09,
  GOING_DOWN: 0x10,
  ASSERT_EXISTS_FAILED: 0x11,
  NOT_SUPPORTED: 0x20,
  MAYBE_APPLIED: 0x21,
  BAD_INPUT: 0x26,
  INCONSISTENT_READ: 0x80,
  USER_FUNCTION_FAILURE: 0x81,
  USER_HOOK_NOT_FOUND: 0x82,
  TOO_MANY_CONNECTIONS: 0xfe,
  UNKNOWN_FAILURE: 0xff,
} as const;

/** What went wrong, in one stable word. */
export type ErrorCode = Exclude<keyof typeof RETURN_CODES, 'OK'> | LocalCode;

/** Failures that never travel as a return code of their own: they arise where they are seen. */
type LocalCode =
  | 'RANGE_MOVING'
  | 'UNREACHABLE'
  | 'TIMEOUT'
  | 'MALFORMED'
  | 'CONFIG'
  | 'FENCED'
  | 'REFUSED'
  | 'DISK_FULL'
  | 'DAMAGED'
  | 'SNAPSHOT_CLOSED';

/** What a caller may do about a failure, and whether its update may have happened. */
export type Traits = {
  /** When the same request may be sent again without asking anyone. */
  readonly retry: 'elsewhere' | 'later' | 'if-idempotent' | 'never';
  /** Whether the update took effect: certainly not, or perhaps. */
  readonly applied: 'no' | 'maybe';
};

const DEFINITE: Traits = { retry: 'never', applied: 'no' };

/** One entry per code; a code without one does not compile. */
export const TRAITS: { readonly [C in ErrorCode]: Traits } = {
  NO_MAGIC: DEFINITE,
  NO_HELLO: DEFINITE,
  NOT_MASTER: { retry: 'elsewhere', applied: 'no' },
  NOT_FOUND: DEFINITE,
  WRONG_CLUSTER: DEFINITE,
  ASSERTION_FAILED: DEFINITE,
  READ_ONLY: DEFINITE,
  OUT_OF_RANGE: { retry: 'elsewhere', applied: 'no' },
  GOING_DOWN: { retry: 'elsewhere', applied: 'no' },
  ASSERT_EXISTS_FAILED: DEFINITE,
  NOT_SUPPORTED: DEFINITE,
  MAYBE_APPLIED: { retry: 'if-idempotent', applied: 'maybe' },
  BAD_INPUT: DEFINITE,
  INCONSISTENT_READ: { retry: 'elsewhere', applied: 'no' },
  USER_FUNCTION_FAILURE: DEFINITE,
  USER_HOOK_NOT_FOUND: DEFINITE,
  TOO_MANY_CONNECTIONS: { retry: 'later', applied: 'no' },
  UNKNOWN_FAILURE: { retry: 'if-idempotent', applied: 'maybe' },
  RANGE_MOVING: { retry: 'later', applied: 'no' },
  UNREACHABLE: { retry: 'elsewhere', applied: 'no' },
  TIMEOUT: { retry: 'if-idempotent', applied: 'maybe' },
  MALFORMED: DEFINITE,
  CONFIG: DEFINITE,
  FENCED: DEFINITE,
  REFUSED: DEFINITE,
  DISK_FULL: { retry: 'later', applied: 'no' },
  DAMAGED: DEFINITE,
  SNAPSHOT_CLOSED: { retry: 'later', applied: 'no' },
};

/** A failure with a code to branch on and a message that says what to do next. */
export class NurseryError extends Error {
  override readonly name = 'NurseryError';
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
  }

  /** Whether the update may have taken effect, and when it may be sent again. */
  get traits(): Traits {
    return TRAITS[this.code];
  }
}

/** The error for a return code and message read from the wire; unknown codes become `UNKNOWN_FAILURE`. */
export function errorFromReturnCode(returnCode: number, message: string): NurseryError {
  for (const [code, value] of Object.entries(RETURN_CODES)) {
    if (value === returnCode && code !== 'OK') return new NurseryError(code as ErrorCode, message);
  }
  return new NurseryError('UNKNOWN_FAILURE', `return code ${returnCode}: ${message}`);
}

/** Exit codes of every process of the nursery, documented in docs/codes.md. Each kind of refusal has its own. */
export const EXIT_CODES = {
  OK: 0,
  FAILED: 1,
  USAGE: 2,
  NOT_FOUND: 3,
  NO_MASTER: 4,
  REFUSED: 5,
  FENCED: 6,
  UNREACHABLE: 7,
  KEEPER_SILENT: 8,
  MAYBE_APPLIED: 9,
  OUTPUT_FAILED: 10,
  NOT_NOW: 11,
  AT_RISK: 12,
  NOT_SERVING: 13,
  STORE_AHEAD: 40,
  STORE_UNREBUILDABLE: 41,
  STORE_DAMAGED: 42,
  HOME_UNUSABLE: 44,
  HOME_IN_USE: 45,
  LOG_GAP: 48,
  LOG_DAMAGED: 49,
  LOG_FOREIGN: 50,
  OTHER_CLUSTER: 51,
  SUPERSEDED: 52,
  OTHER_ENGINE: 53,
  PORT_IN_USE: 60,
  CONFIG: 66,
  INVARIANT: 70,
  DISK_FAILED: 74,
  PIPE_CLOSED: 141,
} as const;

/** A failure that ends the process with an exit code of its own. */
export class FatalError extends Error {
  override readonly name = 'FatalError';
  readonly exitCode: number;

  constructor(exit: keyof typeof EXIT_CODES, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.exitCode = EXIT_CODES[exit];
  }
}

/** Whether the operating system says so, of a file or a socket. */
export function isOfSystem(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'syscall' in error && !(error instanceof FatalError);
}
