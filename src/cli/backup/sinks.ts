/** Where the text of an image goes. */
import type { FileHandle } from 'node:fs/promises';
import { NurseryError } from '../../base/errors.ts';
import { cannotUse } from '../export/files.ts';
import { print } from '../output.ts';
import type { TextSink } from './take-image.ts';

/** Writes from the beginning of a file. */
export function fileSink(file: FileHandle, path: string): TextSink {
  let at = 0;
  return {
    begin: async () => {
      at = 0;
      await file.truncate(0).catch(cannotUse('file', path));
    },
    write: async (text) => {
      const bytes = Buffer.from(text);
      await writeAll(file, bytes, at).catch(cannotUse('file', path));
      at += bytes.length;
    },
  };
}

async function writeAll(file: FileHandle, bytes: Buffer, from: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, from + done);
    done += bytesWritten;
  }
}

/** What was written there cannot be taken back. */
export function standardOutput(): TextSink {
  let isBegun = false;
  return {
    begin: async (why) => {
      if (isBegun) {
        throw new NurseryError('UNREACHABLE', `the image was broken off half-way, and is not whole: ${why}`);
      }
      isBegun = true;
    },
    write: async (text) => print(text),
  };
}
