/**
 * The next segment's file, filled with zeros ahead of need: to overwrite synced zeros needs half the disk work of growing a
 * file, and a disk that is full is met here, while the present segment still has room.
 */
import { NurseryError } from '../../src/base/errors.ts';
import { isFileSizeLimit, noRoomWhy } from '../../src/process/no-room.ts';
import { type Disk, isNoSpace, type LogFile, writeDurably } from './disk.ts';

/** Written and synced at a time, so that the log's own syncs slip in between (bytes). */
export const FILL_BYTES = 1024 * 1024;
const ZEROS = Buffer.alloc(FILL_BYTES);

/** Name of the file until it is a segment. One left by a crash is made anew. */
export const SPARE_NAME = 'next.tlog.new';

/** At most one spare exists at a time. */
export class Spare {
  readonly #disk: Disk;
  readonly #dir: string;
  readonly #path: string;
  readonly #bytes: number;
  readonly #reserveBytes: number;
  #file: LogFile | null = null;
  #written = 0;
  #running: Promise<void> = Promise.resolve();
  #busy = false;
  #noSpace = false;
  #isLimited = false;

  /**
   * @param bytes size of a usual segment
   * @param reserveBytes room on the file system that a spare never takes
   */
  constructor(disk: Disk, options: { dir: string; path: string; bytes: number; reserveBytes: number }) {
    this.#disk = disk;
    this.#dir = options.dir;
    this.#path = options.path;
    this.#bytes = options.bytes;
    this.#reserveBytes = options.reserveBytes;
  }

  /** Whether the last attempt met a full disk. */
  get noSpace(): boolean {
    return this.#noSpace;
  }

  /** Whether it was not the disk, but how large this process may make a file. */
  get isLimited(): boolean {
    return this.#noSpace && this.#isLimited;
  }

  /**
   * Goes on filling in the background until `upTo` bytes, or all, are zeros; does nothing where that is under way. A
   * failure shows in `noSpace`; any other is met again by `take`, which begins anew.
   */
  advance(upTo: number): void {
    const target = Math.min(upTo, this.#bytes);
    if (this.#busy || target <= this.#written) return;
    if (target - this.#written < FILL_BYTES && target < this.#bytes) return;
    this.#busy = true;
    const finished = (): void => {
      this.#busy = false;
    };
    this.#running = this.#fill(target, this.#bytes).then(finished, finished);
  }

  /**
   * The file, all zeros, durable, at least `bytes` long and of the usual size otherwise. It is the caller's from then on, and
   * must be renamed before the next call of this object.
   *
   * @throws NurseryError DISK_FULL where the reserve would be touched; nothing of the log has changed then
   */
  async take(bytes: number): Promise<{ file: LogFile; bytes: number }> {
    await this.#running;
    const total = Math.max(bytes, this.#bytes);
    try {
      await this.#fill(total, total);
    } catch (error) {
      if (!isNoSpace(error) && !(error instanceof NurseryError)) throw error;
      const message = isFileSizeLimit(error)
        ? `the log in ${this.#dir} needs a file of ${total} bytes for its next segment: ${noRoomWhy(error)}, then writing resumes by itself`
        : `disk is full: the log in ${this.#dir} needs ${total} bytes for its next segment and leaves ` +
          `${this.#reserveBytes} bytes free; free some space, then writing resumes by itself`;
      throw new NurseryError('DISK_FULL', message, { cause: error });
    }
    const file = this.#file as LogFile;
    const taken = { file, bytes: this.#written };
    this.#file = null;
    this.#written = 0;
    return taken;
  }

  /** Gives the file up. */
  async close(): Promise<void> {
    await this.#running;
    await this.#discard();
  }

  /** Zeros up to `upTo`; begins only where there is room for `total`. */
  async #fill(upTo: number, total: number): Promise<void> {
    if (this.#written >= upTo) return;
    try {
      const free = await this.#disk.freeBytes(this.#dir);
      if (free - (total - this.#written) < this.#reserveBytes) {
        throw new NurseryError('DISK_FULL', `${free} bytes are free on the file system of ${this.#dir}`);
      }
      this.#file ??= await this.#disk.open(this.#path, 'create');
      while (this.#written < upTo) {
        const zeros = ZEROS.subarray(0, Math.min(FILL_BYTES, upTo - this.#written));
        await writeDurably(this.#file, zeros, this.#written);
        this.#written += zeros.length;
      }
      this.#noSpace = false;
    } catch (error) {
      this.#noSpace = isNoSpace(error) || error instanceof NurseryError;
      this.#isLimited = isFileSizeLimit(error);
      await this.#discard();
      throw error;
    }
  }

  async #discard(): Promise<void> {
    const file = this.#file;
    if (file === null) return;
    this.#file = null;
    this.#written = 0;
    await file.close();
    await this.#disk.unlink(this.#path);
  }
}
