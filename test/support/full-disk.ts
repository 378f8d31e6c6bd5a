/**
 * Loaded into a node with `--import` where a test may not mount a small disk: makes the file system look as full as the
 * file named by `FULL_DISK` says (free bytes; no file: as it is). Without any room, writes that would make a file grow
 * fail with ENOSPC, as on a disk that is full; those over what is allocated already succeed. What LMDB writes goes past it.
 */
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

/** Free bytes; null: nothing is pretended. */
function freeBytes(): number | null {
  const file = process.env['FULL_DISK'];
  if (file === undefined || !fs.existsSync(file)) return null;
  return Number(fs.readFileSync(file, 'utf8'));
}

const { write, writeSync } = fs;
const { statfs } = fs.promises;
type Written = (error: NodeJS.ErrnoException | null, written: number, buffer: Uint8Array) => void;

Object.assign(fs, {
  write: (fd: number, bytes: Uint8Array, offset: number, length: number, at: number, done: Written) => {
    if (growing(fd, at + length)) {
      setImmediate(() => done(noRoom(), 0, bytes));
      return;
    }
    write(fd, bytes, offset, length, at, done);
  },
});
const noRoom = (): Error =>
  Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
const growing = (fd: number, end: number): boolean => {
  const stats = fs.fstatSync(fd);
  return freeBytes() === 0 && stats.isFile() && end > stats.size;
};
/** What is written in one go, at the end of a file or over its beginning. */
const writeAtOnce = (fd: number, data: string | Uint8Array, ...rest: never[]): number => {
  const at = typeof rest[2] === 'number' ? rest[2] : 0;
  if (growing(fd, at + Buffer.byteLength(data))) throw noRoom();
  return writeSync(fd, data as string, ...rest);
};
Object.assign(fs, { writeSync: writeAtOnce });
Object.assign(fs.promises, {
  statfs: async (path: string) => {
    const real = await statfs(path);
    const free = freeBytes();
    if (free !== null) real.bavail = Math.floor(free / real.bsize);
    return real;
  },
});
syncBuiltinESMExports();
