/** A new segment: the spare gets a header, then a name. */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { invariant } from '../../src/base/assert.ts';
import { type Disk, writeDurably } from './disk.ts';
import { encodeHeader, type Header } from './header.ts';
import { Segment, segmentName } from './segment.ts';
import { SlotIndex } from './slot-index.ts';
import { SPARE_NAME, type Spare } from './spare.ts';

/** A segment is never made larger, whatever the group (bytes): offsets have 32 bits. */
const SEGMENT_BYTES_MAX = 0xffff_fff8;

/** Gives the spare its header, then, durably, its name. */
export async function createSegment(
  disk: Disk,
  spare: Spare,
  dir: string,
  groupBytes: number,
  begun: Omit<Header, 'salt' | 'fileBytes'>,
): Promise<Segment> {
  const salt = randomBytes(4).readUInt32LE(0);
  const recordsAt = encodeHeader({ ...begun, salt, fileBytes: 0 }).length;
  invariant(recordsAt + groupBytes <= SEGMENT_BYTES_MAX, 'an append group fits a segment', () => ({
    recordsAt,
    groupBytes,
    max: SEGMENT_BYTES_MAX,
  }));
  const { file, bytes } = await spare.take(recordsAt + groupBytes);
  const header = { ...begun, salt, fileBytes: bytes };
  await writeDurably(file, encodeHeader(header), 0);
  const path = join(dir, segmentName(begun.number));
  await disk.rename(join(dir, SPARE_NAME), path);
  await disk.syncDir(dir);
  const segment = new Segment(path, header, recordsAt);
  segment.file = file;
  segment.index = new SlotIndex();
  return segment;
}
