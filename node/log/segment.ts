/** One segment file, as the log knows it while the process lives. */
import type { Slot } from '../paxos/values.ts';
import type { Disk, LogFile } from './disk.ts';
import type { Header } from './header.ts';
import { slotOfPayload } from './record.ts';
import { type ScanEnd, type ScanRange, scanRecords } from './scan.ts';
import { SlotIndex } from './slot-index.ts';

/** Matches a segment's file name; the number has ten digits or more. */
const NAME = /^(\d{10,})\.tlog$/;

/** File name of segment `number`. */
export function segmentName(number: number): string {
  return `${String(number).padStart(10, '0')}.tlog`;
}

/** The number that a file name says, null where it is no segment's. */
export function segmentNumber(name: string): number | null {
  const digits = NAME.exec(name)?.[1];
  return digits === undefined ? null : Number(digits);
}

/** Index and open file are kept for the newest segments and for those read lately; of the others, only numbers. */
export class Segment {
  readonly path: string;
  readonly header: Header;
  /** Offset of the first record (bytes). */
  readonly recordsAt: number;
  /** Number of the first record of the next segment; null while this is the last. */
  next: number | null = null;
  /** Lowest and highest slot in it, 0 where it holds none. Of the last segment, its index knows. */
  lowest: Slot = 0;
  highest: Slot = 0;
  /** Both or none. */
  file: LogFile | null = null;
  index: SlotIndex | null = null;

  constructor(path: string, header: Header, recordsAt: number) {
    this.path = path;
    this.header = header;
    this.recordsAt = recordsAt;
  }

  get range(): ScanRange {
    const { salt, fileBytes, firstRecord } = this.header;
    return { salt, from: this.recordsAt, end: fileBytes, first: firstRecord, next: this.next };
  }

  /** Whether `slot` may have a record in it. */
  mayHold(slot: Slot): boolean {
    if (this.next === null) return (this.index?.get(slot) ?? 0) > 0;
    return slot >= this.lowest && slot <= this.highest;
  }

  /**
   * Opens the file and builds the index of a segment that is not the last; returns how the scan ended, `complete` where all
   * is well. Nothing is kept otherwise.
   */
  async load(disk: Disk): Promise<ScanEnd> {
    const index = new SlotIndex();
    const file = await disk.open(this.path, 'read');
    try {
      const end = await scanRecords(file, this.range, (offset, _kind, payload) => {
        const slot = slotOfPayload(payload);
        if (slot !== null) index.set(slot, offset);
      });
      if (end.why === 'complete') {
        this.file = file;
        this.index = index;
      }
      return end;
    } finally {
      if (this.file !== file) await file.close();
    }
  }

  /** Forgets file and index. */
  async unload(): Promise<void> {
    const file = this.file;
    this.file = null;
    this.index = null;
    if (file !== null) await file.close();
  }
}

/** Why a segment that has a successor is not whole, for people. */
export function incompleteness(end: ScanEnd, next: number): string {
  switch (end.why) {
    case 'zeros':
      return `record ${end.number} should stand here, up to record ${next - 1} of this segment`;
    case 'number':
      return `record ${end.number} stands here, out of order`;
    default:
      return `record ${end.number} is not what was written (bad checksum)`;
  }
}
