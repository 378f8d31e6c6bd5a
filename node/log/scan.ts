/** Reading segments from end to end, in pieces small enough that the event loop goes on. */
import type { LogFile } from './disk.ts';
import {
  isRecord,
  kindAt,
  lengthAt,
  numberAt,
  payloadAt,
  provenAt,
  RECORD_ALIGN_BYTES,
  RECORD_HEADER_BYTES,
  RECORD_KINDS,
  recordBytes,
} from './record.ts';

/** Read at a time; a larger record is read whole (bytes). */
export const WINDOW_BYTES = 256 * 1024;
const ZEROS = Buffer.alloc(WINDOW_BYTES);
const HEADER_ZEROS = ZEROS.subarray(0, RECORD_HEADER_BYTES);

/** What a scan is told about a segment. */
export type ScanRange = {
  readonly salt: number;
  /** Offset of the first record, and end of the file (bytes). */
  readonly from: number;
  readonly end: number;
  /** Number of the first record. */
  readonly first: number;
  /** Number of the record that begins the next segment: the scan ends before it. Null in the last segment. */
  readonly next: number | null;
};

/** Where and why a scan ended. */
export type ScanEnd = {
  /** `complete`: at `next`. `zeros`: where nothing was written yet, or the file ends. `number`: a sound record, out of order. */
  readonly why: 'complete' | 'zeros' | 'damage' | 'number';
  readonly offset: number;
  /** Number of the record that should have come. */
  readonly number: number;
  /** Highest proven offset that a sound record named. */
  readonly proven: number;
};

/** Called for each sound record, in order. `payload` is a view into a window that is not used again. */
export type Visit = (offset: number, kind: number, payload: Buffer) => void;

/** A sliding view of a file. */
export class Window {
  readonly #file: LogFile;
  readonly #end: number;
  #base = 0;
  #bytes: Buffer = Buffer.alloc(0);

  /** @param end nothing at or beyond this offset is read */
  constructor(file: LogFile, end: number) {
    this.#file = file;
    this.#end = end;
  }

  get bytes(): Buffer {
    return this.#bytes;
  }

  /** Index in `bytes` of the byte at `offset` of the file; negative or too large where it is outside. */
  at(offset: number): number {
    return offset - this.#base;
  }

  /** Whether `length` bytes from `offset` are in view, or as many as the file has. */
  holds(offset: number, length: number): boolean {
    const at = offset - this.#base;
    return at >= 0 && at + Math.min(length, this.#end - offset) <= this.#bytes.length;
  }

  /** Moves on to `offset`, with at least `length` bytes in view where the file has them. */
  async move(offset: number, length: number): Promise<void> {
    const bytes = Buffer.allocUnsafe(
      Math.max(0, Math.min(Math.max(length, WINDOW_BYTES), this.#end - offset)),
    );
    const read = await this.#file.read(bytes, offset);
    this.#base = offset;
    this.#bytes = bytes.subarray(0, read);
  }
}

/** Visits the records of a segment in order, up to the first that is not there or not sound. */
export async function scanRecords(file: LogFile, range: ScanRange, visit: Visit): Promise<ScanEnd> {
  const window = new Window(file, range.end);
  let offset = range.from;
  let number = range.first;
  let proven = range.from;
  for (;;) {
    if (number === range.next) return { why: 'complete', offset, number, proven };
    if (range.end - offset < RECORD_HEADER_BYTES) return { why: 'zeros', offset, number, proven };
    if (!window.holds(offset, RECORD_HEADER_BYTES)) await window.move(offset, RECORD_HEADER_BYTES);
    let at = window.at(offset);
    if (window.bytes.length - at < RECORD_HEADER_BYTES) return { why: 'zeros', offset, number, proven };
    const length = lengthAt(window.bytes, at);
    if (length > range.end - offset - RECORD_HEADER_BYTES) return { why: 'damage', offset, number, proven };
    if (!window.holds(offset, recordBytes(length))) {
      await window.move(offset, recordBytes(length));
      at = window.at(offset);
    }
    const bytes = window.bytes;
    if (!isRecord(bytes, at, offset, range.salt)) {
      const why = isZero(bytes.subarray(at, at + RECORD_HEADER_BYTES)) ? 'zeros' : 'damage';
      return { why, offset, number, proven };
    }
    if (numberAt(bytes, at) !== number) return { why: 'number', offset, number: numberAt(bytes, at), proven };
    proven = Math.max(proven, provenAt(bytes, at));
    visit(offset, kindAt(bytes, at), payloadAt(bytes, at));
    offset += recordBytes(length);
    number += 1;
  }
}

function isZero(bytes: Buffer): boolean {
  return bytes.equals(HEADER_ZEROS.subarray(0, bytes.length));
}

/** What lies behind the last sound record. */
export type Tail = {
  /** End of the last piece that is not all zeros; 0 where there is none (bytes). */
  readonly dirtyEnd: number;
  /** A sound record behind it, and the offset that it proves; null where there is none. */
  readonly witness: { readonly offset: number; readonly number: number; readonly proven: number } | null;
};

/**
 * Looks at everything from `offset` to the end of the last segment: zeros, the torn rest of the last group, or records that
 * prove that what stands at `offset` was whole once. Of those, the one that proves most.
 *
 * @param number of the record that should have stood at `offset`
 */
export async function inspectTail(
  file: LogFile,
  range: ScanRange,
  offset: number,
  number: number,
): Promise<Tail> {
  const dirtyEnd = await findDirtyEnd(file, offset, range.end);
  if (dirtyEnd === 0) return { dirtyEnd, witness: null };
  const bytes = Buffer.alloc(range.end - offset);
  await file.read(bytes, offset);
  let witness: Tail['witness'] = null;
  const numberMax = number + Math.ceil(bytes.length / RECORD_HEADER_BYTES);
  for (let at = 0; offset + at < dirtyEnd; at += RECORD_ALIGN_BYTES) {
    if (bytes.length - at < RECORD_HEADER_BYTES) break;
    const kind = kindAt(bytes, at);
    if (kind !== RECORD_KINDS.ENTRY && kind !== RECORD_KINDS.PROOF) continue;
    const found = numberAt(bytes, at);
    if (found < number || found > numberMax) continue;
    if (!isRecord(bytes, at, offset + at, range.salt)) continue;
    const proven = provenAt(bytes, at);
    if (witness === null || proven > witness.proven) witness = { offset: offset + at, number: found, proven };
  }
  return { dirtyEnd, witness };
}

async function findDirtyEnd(file: LogFile, from: number, end: number): Promise<number> {
  const window = new Window(file, end);
  let dirtyEnd = 0;
  for (let offset = from; offset < end; offset += WINDOW_BYTES) {
    await window.move(offset, WINDOW_BYTES);
    const { bytes } = window;
    if (!bytes.equals(ZEROS.subarray(0, bytes.length))) dirtyEnd = offset + bytes.length;
  }
  return dirtyEnd;
}
