/**
 * Standard output and standard error. Every write is checked: what a command prints is complete, or its exit code says that
 * it is not (docs/architecture.md, "Edges"). `process.stdout` would write once and not look at how much was taken.
 */
import { closeSync, constants, fstatSync, openSync, writeSync } from 'node:fs';
import { isatty } from 'node:tty';
import { EXIT_CODES, FatalError } from '../base/errors.ts';

const STDOUT = 1;
const STDERR = 2;
/** Between two attempts at a pipe that is full and does not wait (ms). */
const FULL_MS = 5;
/** How long a reader of what only helps may take (ms). */
const TELLING_MS = 200;
/** Lines of a display that wait for a reader (bytes); beyond them progress is left out, as always, and so are others. */
const WAITING_MAX_BYTES = 1024 * 1024;

/** Whether a person looks at standard output. */
export const IS_TERMINAL: boolean = isatty(STDOUT);
/** Whether a person looks at standard error. */
export const IS_ERROR_TERMINAL: boolean = isatty(STDERR);

/** Puts the cursor to the top of a terminal, and empties it; '' where standard output is none. */
export const CLEAR = IS_TERMINAL ? '\x1b[H\x1b[2J\x1b[3J' : '';

/** How much a person sees at once; without bounds where standard output is no terminal. */
export function screenSize(): { readonly columns: number; readonly rows: number } {
  const all = { columns: Number.POSITIVE_INFINITY, rows: Number.POSITIVE_INFINITY };
  // Asked for nothing but a terminal: of a pipe it would be made one that does not wait.
  if (!IS_TERMINAL) return all;
  const { columns, rows } = process.stdout;
  return columns > 0 && rows > 0 ? { columns, rows } : all;
}

/** Whether headings may stand out: on a terminal, and where nobody forbids it by NO_COLOR (no-color.org). */
export function isBold(): boolean {
  return IS_TERMINAL && (process.env['NO_COLOR'] ?? '') === '' && process.env['TERM'] !== 'dumb';
}

/** Standard output did not take all. Whoever closed the pipe wants no more, and hears nothing about it. */
export class OutputError extends FatalError {
  constructor(cause: NodeJS.ErrnoException) {
    super(
      cause.code === 'EPIPE' || cause.code === 'ECONNRESET' ? 'PIPE_CLOSED' : 'OUTPUT_FAILED',
      `standard output is incomplete: ${cause.message}`,
      { cause },
    );
  }

  get isClosedPipe(): boolean {
    return this.exitCode === EXIT_CODES.PIPE_CLOSED;
  }
}

/** Writes all of it to standard output, waiting where a reader is slow. @throws OutputError */
export function print(what: string | Uint8Array): void {
  try {
    writeAll(STDOUT, typeof what === 'string' ? Buffer.from(what) : what);
  } catch (error) {
    throw new OutputError(error as NodeJS.ErrnoException);
  }
}

/** @throws OutputError */
export function printLine(line: string): void {
  print(`${line}\n`);
}

/** One line of JSON. @throws OutputError */
export function printJson(value: unknown): void {
  printLine(JSON.stringify(value));
}

/** A line on standard output for whoever looks at it; a server goes on without. */
export function tell(line: string): void {
  tryToTell(STDOUT, `${line}\n`);
}

/** A line on standard error. Where that is closed or full there is nobody to tell, and nothing changes. */
export function complain(line: string): void {
  tryToTell(STDERR, `${line}\n`);
}

/** The same of text that need not be a line. */
export function hint(text: string): void {
  tryToTell(STDERR, text);
}

function tryToTell(fd: number, text: string): void {
  try {
    writeAll(fd, Buffer.from(text), TELLING_MS);
  } catch {
    // the exit code has to do, or the log file
  }
}

/** Has the end of the process check the last thing that can fail: some file systems say only then that nothing fitted. */
export function checkOutputAtExit(): void {
  process.once('exit', () => {
    try {
      closeSync(STDOUT);
    } catch (error) {
      complain(`nursery: standard output is incomplete: ${(error as Error).message}`);
      process.exitCode ||= EXIT_CODES.OUTPUT_FAILED;
    }
  });
}

/** Waits for a reader, at most so long; without end where what is written is what the command is for. */
function writeAll(fd: number, bytes: Uint8Array, patienceMs = Number.POSITIVE_INFINITY): void {
  const untilMs = performance.now() + patienceMs;
  for (let at = 0; at < bytes.length; ) {
    const taken = tryWrite(fd, bytes.subarray(at));
    if (taken === 0 && performance.now() >= untilMs) return;
    if (taken === 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, FULL_MS);
    at += taken;
  }
}

/** How many bytes were taken; 0 where a pipe is full and does not wait. */
function tryWrite(fd: number, bytes: Uint8Array): number {
  try {
    return writeSync(fd, bytes);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return 0;
    throw error;
  }
}

/**
 * Lines about work that goes on whether anybody reads them or not: a pipe that is closed ends the display, one that is full
 * costs lines of progress, and neither holds up the work.
 */
export class Display {
  readonly #fd = openWithoutWaiting();
  #waiting = Buffer.alloc(0);
  #failed: OutputError | null = null;

  /** A line of progress, left out where the reader is behind. */
  progress(line: string): void {
    if (this.#waiting.length === 0) this.line(line);
  }

  /** A line that waits for the reader. */
  line(line: string): void {
    if (this.#failed !== null || this.#waiting.length > WAITING_MAX_BYTES) return;
    this.#waiting = Buffer.concat([this.#waiting, Buffer.from(`${line}\n`)]);
    this.#attempt(() => {
      this.#waiting = this.#waiting.subarray(tryWrite(this.#fd, this.#waiting));
    });
  }

  /**
   * Writes what waits, and now waits itself.
   *
   * @throws OutputError where lines were lost; not where nobody wanted them
   */
  end(): void {
    this.#attempt(() => {
      writeAll(STDOUT, this.#waiting);
      this.#waiting = Buffer.alloc(0);
    });
    if (this.#failed !== null && !this.#failed.isClosedPipe) throw this.#failed;
  }

  #attempt(write: () => void): void {
    if (this.#failed !== null) return;
    try {
      write();
    } catch (error) {
      this.#failed = new OutputError(error as NodeJS.ErrnoException);
    }
  }
}

/** Standard output opened once more where that may be slow, so that others who have it open go on waiting as before. */
function openWithoutWaiting(): number {
  if (!IS_TERMINAL && !fstatSync(STDOUT).isFIFO()) return STDOUT;
  try {
    return openSync(`/proc/self/fd/${STDOUT}`, constants.O_WRONLY | constants.O_NONBLOCK);
  } catch {
    return STDOUT; // not ours to open: a reader that stops then holds us up
  }
}
