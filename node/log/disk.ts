/** The handful of file operations that the log uses, as an interface: tests put a disk behind it that loses, tears and fails. */
import { constants, fdatasync, write } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, rename, statfs, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileSizeLimit, withDescriptor } from '../../src/process/descriptors.ts';
import { noRoomWhy } from '../../src/process/no-room.ts';

/** One open file. Positions and lengths in bytes. */
export interface LogFile {
  /**
   * Writes all of `bytes` at `position`; durable at its end, the file's length included. A short write is an error. The
   * caller leaves `bytes` alone until then. After a failure nobody knows what of it is there.
   */
  write(bytes: Uint8Array, position: number, done: (error: Error | null) => void): void;

  /** Makes durable what an earlier process may have left to the system. */
  datasync(done: (error: Error | null) => void): void;

  /** Fills `into` from `position`; returns how many bytes the file had there. */
  read(into: Uint8Array, position: number): Promise<number>;

  size(): Promise<number>;

  close(): Promise<void>;
}

/**
 * The file system around them. Rejects with Node's system errors (`code`: ENOENT, ENOSPC …), except that the real one waits
 * where no file descriptor is left.
 */
export interface Disk {
  /** Creates the directory and those above it, durably, where it does not exist. */
  makeDir(dir: string): Promise<void>;
  /** Names in the directory. */
  list(dir: string): Promise<string[]>;
  /** `create` empties a file that exists. */
  open(path: string, how: 'read' | 'write' | 'create'): Promise<LogFile>;
  rename(from: string, to: string): Promise<void>;
  unlink(path: string): Promise<void>;
  /** Makes creations, renames and removals in the directory durable. */
  syncDir(dir: string): Promise<void>;
  /** Room for unprivileged processes on the directory's file system (bytes). */
  freeBytes(dir: string): Promise<number>;
  /** How large this process may make a file (bytes), as of the last second or so. Default: as large as it likes. */
  fileBytesMax?(): number;
}

/** Whether a file operation failed for want of space, or since this process may not make so large a file. */
export function isNoSpace(error: unknown): boolean {
  return noRoomWhy(error) !== null;
}

/** `LogFile.write` as a promise: for everything but the hot path. */
export function writeDurably(file: LogFile, bytes: Uint8Array, position: number): Promise<void> {
  return new Promise((resolve, reject) => {
    file.write(bytes, position, (error) => (error === null ? resolve() : reject(error)));
  });
}

/** `LogFile.datasync` as a promise. */
export function datasync(file: LogFile): Promise<void> {
  return new Promise((resolve, reject) => {
    file.datasync((error) => (error === null ? resolve() : reject(error)));
  });
}

const { O_CREAT, O_DSYNC, O_RDONLY, O_RDWR, O_TRUNC } = constants;
/** With O_DSYNC a write is its own sync: one call, and one change of threads, where two would cost the same disk work. */
const FLAGS = {
  read: O_RDONLY,
  write: O_RDWR | O_DSYNC,
  create: O_RDWR | O_CREAT | O_TRUNC | O_DSYNC,
} as const;

/** The real one. */
export const REAL_DISK: Disk = {
  async makeDir(dir) {
    const first = await mkdir(dir, { recursive: true });
    if (first === undefined) return;
    for (let made = dir; made.length >= first.length; made = dirname(made)) await syncDir(dirname(made));
  },
  list: (dir) => withDescriptor(() => readdir(dir)),
  // Nothing has happened to a file that could not be opened.
  open: async (path, how) => new RealFile(await withDescriptor(() => open(path, FLAGS[how]))),
  rename,
  unlink,
  syncDir,
  async freeBytes(dir) {
    const { bavail, bsize } = await statfs(dir);
    return bavail * bsize;
  },
  fileBytesMax,
};

/** How often the limit of the process is read (ms): it can be changed from outside. */
const LIMIT_EVERY_MS = 1000;
let limitBytes = Number.MAX_SAFE_INTEGER;
let limitReadMs = Number.NEGATIVE_INFINITY;

function fileBytesMax(): number {
  const nowMs = performance.now();
  if (nowMs - limitReadMs >= LIMIT_EVERY_MS) {
    limitReadMs = nowMs;
    limitBytes = fileSizeLimit();
  }
  return limitBytes;
}

async function syncDir(dir: string): Promise<void> {
  const handle = await withDescriptor(() => open(dir, 'r'));
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

class RealFile implements LogFile {
  readonly #handle: FileHandle;

  constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  write(bytes: Uint8Array, position: number, done: (error: Error | null) => void): void {
    if (position + bytes.length > fileBytesMax()) {
      // Before a part of it is written: so much is known then.
      setImmediate(() => done(Object.assign(new Error('EFBIG: file too large, write'), { code: 'EFBIG' })));
      return;
    }
    write(this.#handle.fd, bytes, 0, bytes.length, position, (error, written) => {
      if (error !== null) done(error);
      else if (written === bytes.length) done(null);
      else this.#tellWhyShort(bytes.subarray(written), position + written, done);
    });
  }

  /** Where a write stopped the disk ends, or what this process may write: to go on tells which. */
  #tellWhyShort(rest: Uint8Array, position: number, done: (error: Error) => void): void {
    write(this.#handle.fd, rest, 0, rest.length, position, (cause) => {
      done(new Error(`short write: ${rest.length} bytes are missing at ${position}`, { cause }));
    });
  }

  datasync(done: (error: Error | null) => void): void {
    fdatasync(this.#handle.fd, done);
  }

  async read(into: Uint8Array, position: number): Promise<number> {
    let filled = 0;
    while (filled < into.length) {
      const { bytesRead } = await this.#handle.read(into, filled, into.length - filled, position + filled);
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    return filled;
  }

  async size(): Promise<number> {
    return (await this.#handle.stat()).size;
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}
