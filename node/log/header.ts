/**
 * How a segment begins:
 *
 *     header := "NurTlog2" length:u32 crc:u32 body:byte{length} zeros to a multiple of 512
 *
 * Little-endian; `crc` (CRC-32) covers the body. The header is durable before the file gets its name.
 */
import { crc32 } from 'node:zlib';
import { type Coded, decode, encode, i64, struct, text, u32 } from '../../src/wire/codec.ts';
import type { LogFile } from './disk.ts';
import { firstSummaryCodec, summaryCodec } from './summary.ts';

const MAGIC = Buffer.from('NurTlog2', 'latin1');
/** Of a build whose summary held no list of members: read, and never written. */
const FIRST_MAGIC = Buffer.from('NurTlog1', 'latin1');
const PREFIX_BYTES = MAGIC.length + 8;
const HEADER_ALIGN_BYTES = 512;
/** Read at once; most headers fit. */
const FIRST_READ_BYTES = 8192;

const place = {
  cluster: text,
  node: text,
  /** Drawn when the log was begun: tells its segments from those of an earlier life of the same node. */
  life: text,
  /** Position of the segment in the log, from 1. */
  number: i64,
  /** Number of the first record in it. */
  firstRecord: i64,
  /** Drawn per segment; enters each record's checksum. */
  salt: u32,
  /** Length of the file, preallocated (bytes). */
  fileBytes: i64,
  /** Lowest and highest slot in the segment before this one; 0 where it holds none. */
  previousLowest: i64,
  previousHighest: i64,
};
/** `summary` is the fold of all records before this segment. */
export const headerCodec = struct({ ...place, summary: summaryCodec });
const firstHeaderCodec = struct({ ...place, summary: firstSummaryCodec });
export type Header = Coded<typeof headerCodec>;

/** The header's bytes, padding included. */
export function encodeHeader(header: Header): Buffer {
  const body = encode(headerCodec, header);
  const length = Math.ceil((PREFIX_BYTES + body.length) / HEADER_ALIGN_BYTES) * HEADER_ALIGN_BYTES;
  const bytes = Buffer.alloc(length);
  MAGIC.copy(bytes);
  bytes.writeUInt32LE(body.length, MAGIC.length);
  bytes.writeUInt32LE(crc32(body), MAGIC.length + 4);
  body.copy(bytes, PREFIX_BYTES);
  return bytes;
}

/** The header of `file` and where its records begin; or, as text, why there is none. */
export async function readHeader(file: LogFile): Promise<{ header: Header; recordsAt: number } | string> {
  const size = await file.size();
  const prefix = Buffer.alloc(Math.min(FIRST_READ_BYTES, size));
  await file.read(prefix, 0);
  const magic = prefix.subarray(0, MAGIC.length);
  const isFirst = magic.equals(FIRST_MAGIC);
  if (prefix.length < PREFIX_BYTES || !(isFirst || magic.equals(MAGIC))) {
    return 'it does not begin as a log segment of this version does';
  }
  const length = prefix.readUInt32LE(MAGIC.length);
  if (length > size - PREFIX_BYTES) return `its header claims ${length} bytes, the file has ${size}`;
  let body = prefix.subarray(PREFIX_BYTES, PREFIX_BYTES + length);
  if (body.length < length) {
    body = Buffer.alloc(length);
    await file.read(body, PREFIX_BYTES);
  }
  if (crc32(body) !== prefix.readUInt32LE(MAGIC.length + 4)) return 'its header has a bad checksum';
  const header = isFirst ? fromFirst(decode(firstHeaderCodec, body)) : decode(headerCodec, body);
  if (size < header.fileBytes) return `it is cut short: ${size} bytes of ${header.fileBytes}`;
  return {
    header,
    recordsAt: Math.ceil((PREFIX_BYTES + length) / HEADER_ALIGN_BYTES) * HEADER_ALIGN_BYTES,
  };
}

function fromFirst(header: Coded<typeof firstHeaderCodec>): Header {
  return { ...header, summary: { ...header.summary, members: null, changes: [] } };
}
