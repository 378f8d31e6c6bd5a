/**
 * Where the lines of a log file go: into a file that may be full, moved away, or replaced by something else.
 *
 * Nothing that happens to the file ends the process or holds it up: lines wait, up to a bound; further ones are dropped and
 * counted. What is wrong is said once on standard error, and once more when it is over.
 */
import { closeSync, constants, fstatSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { FatalError } from '../base/errors.ts';
import { makeDirectories } from './directories.ts';
import { unusable } from './permissions.ts';

/** Lines that wait while the file cannot be written, as on a full disk; further ones are dropped (bytes). */
const WAITING_MAX_BYTES = 1024 * 1024;
/** How long after a failure it is tried again (ms), also where no further line comes. */
const RETRY_MS = 1000;

const { O_APPEND, O_CREAT, O_NONBLOCK, O_WRONLY } = constants;
/** Without O_NONBLOCK a pipe in the file's place, which nobody reads, would hold up the process. */
const FLAGS = O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK;

/** What pino writes to. */
export class LogOutput {
  readonly path: string;
  #file: number;
  /** Lines that are not written yet; of the first one `#written` bytes are. */
  readonly #waiting: Buffer[] = [];
  #written = 0;
  #waitingBytes = 0;
  #dropped = 0;
  readonly #lost: (lines: number) => void;
  /** Why the last attempt to write, or to open anew, failed; null where it did not. */
  #writeFailure: string | null = null;
  #openFailure: string | null = null;
  #retry: NodeJS.Timeout | null = null;

  /**
   * Opens `<folder>/<name>.log` for appending, and makes the folder where it is missing.
   *
   * @param lost told how many lines were dropped, once there is room for one that says so
   * @throws FatalError HOME_UNUSABLE naming the path, its owner, and what is wanted
   */
  constructor(folder: string, name: string, lost: (lines: number) => void) {
    this.#lost = lost;
    this.path = join(folder, `${name}.log`);
    try {
      this.#file = open(this.path);
    } catch (error) {
      throw unusable('log file', this.path, error);
    }
  }

  /** Takes one line, and writes what waits. */
  write(line: string): void {
    const bytes = Buffer.from(line);
    if (this.#waitingBytes + bytes.length > WAITING_MAX_BYTES) this.#dropped += 1;
    else {
      this.#waiting.push(bytes);
      this.#waitingBytes += bytes.length;
    }
    this.#drain();
  }

  /**
   * Opens the file of this name anew, as after a rotation. Where that fails the old one is kept, and it is tried again by
   * itself. Returns why it failed, or null.
   */
  reopen(): string | null {
    try {
      const fresh = open(this.path);
      this.#close();
      this.#file = fresh;
      this.#written = 0; // no line is in halves
    } catch (error) {
      const { message } = unusable('log file', this.path, error);
      if (this.#openFailure === null) say(`${message}; the old file is kept, and it is tried again`);
      this.#openFailure = message;
      this.#retryLater();
      return message;
    }
    if (this.#openFailure !== null) say(`log file ${this.path} is open anew`);
    this.#openFailure = null;
    this.#drain();
    return null;
  }

  /** Writes as much as can be. */
  #drain(): void {
    try {
      while (this.#waiting.length > 0) {
        const line = this.#waiting[0] as Buffer;
        this.#written += writeSync(this.#file, line, this.#written);
        if (this.#written < line.length) continue;
        this.#written = 0;
        this.#waitingBytes -= line.length;
        this.#waiting.shift();
      }
    } catch (error) {
      const { message } = error as Error;
      this.#takeBackHalf();
      if (this.#writeFailure === null) say(`log file ${this.path} cannot be written: ${message}; lines wait`);
      this.#writeFailure = message;
      this.#retryLater();
      return;
    }
    if (this.#writeFailure === null) return;
    this.#writeFailure = null;
    const dropped = this.#dropped;
    this.#dropped = 0;
    say(`log file ${this.path} can be written again; ${dropped} lines were dropped`);
    if (dropped > 0) this.#lost(dropped);
  }

  /** Half a line, which a full disk leaves, would be glued to the next one if the process died now. */
  #takeBackHalf(): void {
    if (this.#written === 0) return;
    const stats = fstatSync(this.#file);
    if (!stats.isFile()) return;
    ftruncateSync(this.#file, Math.max(0, stats.size - this.#written));
    this.#written = 0;
  }

  #retryLater(): void {
    if (this.#retry !== null) return;
    this.#retry = setTimeout(() => {
      this.#retry = null;
      if (this.#openFailure !== null) this.reopen();
      if (this.#writeFailure !== null) this.#drain();
    }, RETRY_MS);
    this.#retry.unref();
  }

  #close(): void {
    try {
      closeSync(this.#file);
    } catch (error) {
      // What was written and not taken is lost whether we know or not; the descriptor is free either way.
      say(`log file ${this.path}: ${(error as Error).message}`);
    }
  }
}

/** @throws FatalError, or the system's error */
function open(path: string): number {
  makeDirectories(dirname(path));
  const file = openSync(path, FLAGS, 0o644);
  const stats = fstatSync(file);
  if (stats.isFile() || stats.isCharacterDevice() || stats.isFIFO()) return file;
  closeSync(file);
  throw new FatalError('HOME_UNUSABLE', 'it is neither a file nor a device');
}

function say(text: string): void {
  console.error(`nursery: ${text}`);
}
