/** A process that keeps a file system busy with synced writes, for as long as it lives: `disk-hog FOLDER`. */
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';

/** Files written side by side, bytes of one write, and bytes after which a file is begun again. */
const FILES = 4;
const WRITE_BYTES = 256 * 1024;
const FILE_BYTES = 64 * 1024 * 1024;

const folder = process.argv[2];
if (folder === undefined) {
  console.error('disk-hog FOLDER');
  process.exit(2);
}
const block = Buffer.alloc(WRITE_BYTES, 0x5a);
const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_DSYNC;
await Promise.all(
  Array.from({ length: FILES }, async (_, index) => {
    const file = await open(join(folder, `hog-${index}`), flags);
    for (let at = 0; ; at = (at + WRITE_BYTES) % FILE_BYTES) await file.write(block, 0, WRITE_BYTES, at);
  }),
);
