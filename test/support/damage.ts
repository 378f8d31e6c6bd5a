/** Damage to the files of a node that is not running, where the test wants it. */
import { closeSync, openSync, readdirSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { REAL_DISK } from '../../node/log/disk.ts';
import { readHeader } from '../../node/log/header.ts';
import { RECORD_HEADER_BYTES, recordBytes } from '../../node/log/record.ts';

/** Paths of the segments of a home's log, oldest first. */
export function segmentsOf(home: string): string[] {
  const dir = join(home, 'tlog');
  return readdirSync(dir)
    .filter((name) => name.endsWith('.tlog'))
    .sort()
    .map((name) => join(dir, name));
}

/** Offsets of the records of a segment, in order (bytes). */
export async function recordsOf(segment: string): Promise<number[]> {
  const file = await REAL_DISK.open(segment, 'read');
  try {
    const header = await readHeader(file);
    if (typeof header === 'string') throw new Error(`${segment}: ${header}`);
    const bytes = readFileSync(segment);
    const offsets: number[] = [];
    let at = header.recordsAt;
    while (at + RECORD_HEADER_BYTES <= bytes.length && bytes.readUInt32LE(at) !== 0) {
      offsets.push(at);
      at += recordBytes(bytes.readUInt32LE(at + 4));
    }
    return offsets;
  } finally {
    await file.close();
  }
}

/** Flips the lowest bit of one byte of a file. */
export function flipBit(path: string, offset: number): void {
  const byte = readFileSync(path)[offset] as number;
  const handle = openSync(path, 'r+');
  writeSync(handle, Buffer.from([byte ^ 1]), 0, 1, offset);
  closeSync(handle);
}
