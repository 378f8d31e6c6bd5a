/**
 * Loaded into a node with `--import`: renames to the name that stands in the file named by `FAILING_RENAME` find no room,
 * as the last steps of replacing a file may on a disk that is full. No file: all is as it is.
 */
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { basename } from 'node:path';

const { rename } = fs.promises;
const file = process.env['FAILING_RENAME'] ?? '';

Object.assign(fs.promises, {
  rename: async (from: string, to: string) => {
    if (fs.existsSync(file) && fs.readFileSync(file, 'utf8') === basename(to)) {
      const message = `ENOSPC: no space left on device, rename '${from}' -> '${to}'`;
      throw Object.assign(new Error(message), { code: 'ENOSPC', syscall: 'rename' });
    }
    return await rename(from, to);
  },
});
syncBuiltinESMExports();
