/**
 * A record as it lies in a segment. All integers little-endian, each record at a multiple of 8 bytes:
 *
 *     record := crc:u32 length:u32 number:i64 proven:u32 kind:u32 payload:byte{length} zeros to a multiple of 8
 *
 * `number` counts without gaps through all segments. `proven` is the offset in this segment up to which everything was
 * known to be synced when the record was written: where the append group begins. `crc` (CRC-32) covers
 * the rest of header and payload, and starts from the segment's salt and the record's own offset, so that neither a
 * copy of a record inside a client's value nor a record of another segment ever passes for one.
 */
import { crc32 } from 'node:zlib';
import { Writer } from '../../src/wire/codec.ts';
import { ACCEPT_TAG, LEARN_TAG, type LogRecord, logRecordCodec, type Slot } from '../paxos/values.ts';

export const RECORD_HEADER_BYTES = 24;
export const RECORD_ALIGN_BYTES = 8;

/** What a record is for. */
export const RECORD_KINDS = {
  /** Payload: one `LogRecord`. */
  ENTRY: 1,
  /** No payload: proves what stands before it, at an orderly end. */
  PROOF: 2,
} as const;

/** A writer's buffer that grew beyond this for one large group is given back (bytes). */
const BUFFER_KEPT_MAX = 4 * 1024 * 1024;
const BUFFER_BYTES = 64 * 1024;
const ZEROS = Buffer.alloc(RECORD_ALIGN_BYTES);

/** Bytes that a record takes, padding included. */
export function recordBytes(payloadBytes: number): number {
  return Math.ceil((RECORD_HEADER_BYTES + payloadBytes) / RECORD_ALIGN_BYTES) * RECORD_ALIGN_BYTES;
}

/** One append group, encoded into a buffer that is used again and again. */
export class GroupWriter {
  #writer = new Writer(BUFFER_BYTES);
  #starts: number[] = [];

  /** Bytes of the group so far. */
  get bytes(): number {
    return this.#writer.length;
  }

  reset(): void {
    if (this.#writer.length > BUFFER_KEPT_MAX) this.#writer = new Writer(BUFFER_BYTES);
    this.#writer.reset();
    this.#starts.length = 0;
  }

  /** Adds record `number`; null is a proof. */
  add(number: number, entry: LogRecord | null): void {
    const writer = this.#writer;
    const start = writer.length;
    this.#starts.push(start);
    writer.u32(0);
    writer.u32(0);
    writer.i64(number);
    writer.u32(0);
    writer.u32(entry === null ? RECORD_KINDS.PROOF : RECORD_KINDS.ENTRY);
    if (entry !== null) logRecordCodec.write(writer, entry);
    const length = writer.length - start - RECORD_HEADER_BYTES;
    writer.patchU32(start + 4, length);
    const padding = recordBytes(length) - RECORD_HEADER_BYTES - length;
    if (padding > 0) writer.raw(ZEROS.subarray(0, padding));
  }

  /** Where in the group its record `i` begins (bytes). */
  startOf(i: number): number {
    return this.#starts[i] as number;
  }

  /** The group's bytes, to be written at `offset`, where all before is synced. Valid until the next `reset`. */
  seal(offset: number, salt: number): Buffer {
    const bytes = this.#writer.view();
    for (const start of this.#starts) {
      bytes.writeUInt32LE(offset, start + 16);
      bytes.writeUInt32LE(checksum(bytes, start, bytes.readUInt32LE(start + 4), offset + start, salt), start);
    }
    return bytes;
  }
}

/** The checksum that the record at `at`, which lies at `offset` in its segment, should carry. */
function checksum(bytes: Buffer, at: number, length: number, offset: number, salt: number): number {
  return crc32(bytes.subarray(at + 4, at + RECORD_HEADER_BYTES + length), (salt ^ offset) >>> 0);
}

/** Whether a whole and sound record stands at `at`, which is `offset` in its segment. */
export function isRecord(bytes: Buffer, at: number, offset: number, salt: number): boolean {
  if (bytes.length - at < RECORD_HEADER_BYTES) return false;
  const length = lengthAt(bytes, at);
  if (length > bytes.length - at - RECORD_HEADER_BYTES) return false;
  return bytes.readUInt32LE(at) === checksum(bytes, at, length, offset, salt);
}

export function lengthAt(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at + 4);
}

export function numberAt(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at + 8) + bytes.readUInt32LE(at + 12) * 0x1_0000_0000;
}

export function provenAt(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at + 16);
}

export function kindAt(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at + 20);
}

export function payloadAt(bytes: Buffer, at: number): Buffer {
  return bytes.subarray(at + RECORD_HEADER_BYTES, at + RECORD_HEADER_BYTES + lengthAt(bytes, at));
}

/** The slot that an entry is about, null where it is about none. Does not decode: both kinds begin with tag and slot. */
export function slotOfPayload(payload: Buffer): Slot | null {
  const tag = payload[0];
  if (tag !== ACCEPT_TAG && tag !== LEARN_TAG) return null;
  return payload.readUInt32LE(1) + payload.readInt32LE(5) * 0x1_0000_0000;
}
