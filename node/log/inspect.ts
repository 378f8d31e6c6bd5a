/** Reads a log from end to end and changes nothing: for people who look into it, beside a node that runs too. */
import { decode } from '../../src/wire/codec.ts';
import { type LogRecord, logRecordCodec } from '../paxos/values.ts';
import { logDamaged } from './damage.ts';
import { RECORD_KINDS } from './record.ts';
import { checkTail, type Files, incomplete, readSegments } from './recovery.ts';
import { scanRecords } from './scan.ts';

/** What one segment of a log holds. */
export type SegmentReport = {
  readonly file: string;
  /** Numbers of its records; 0 where there are none. */
  readonly firstRecord: number;
  readonly records: number;
  /** 0 where it holds none. */
  readonly lowestSlot: number;
  readonly highestSlot: number;
  /** Where its records end (bytes). */
  readonly end: number;
  /** Bytes behind that of a group that was not completely written: cut at the next start, and never acknowledged. */
  readonly tornBytes: number;
};

/** One record, where it stands. */
export type InspectedRecord = {
  readonly file: string;
  readonly offset: number;
  readonly number: number;
  /** Null: it only proves what stands before it. */
  readonly record: LogRecord | null;
};

/**
 * Reads all records of the log in `files.repair.dir`, the oldest first; `visit` gets each, as a view that is not kept.
 *
 * @throws FatalError LOG_DAMAGED, LOG_GAP, LOG_FOREIGN, as the node itself would at its start, or at the latest when it needs them
 */
export async function inspectLog(
  files: Files,
  visit: (inspected: InspectedRecord) => void,
): Promise<SegmentReport[]> {
  const { disk, repair } = files;
  const segments = await readSegments(files, await disk.list(repair.dir));
  const reports: SegmentReport[] = [];
  for (const segment of segments) {
    const file = await disk.open(segment.path, 'read');
    try {
      let number = segment.header.firstRecord;
      let [lowestSlot, highestSlot] = [0, 0];
      const end = await scanRecords(file, segment.range, (offset, kind, payload) => {
        const record =
          kind === RECORD_KINDS.ENTRY ? read(payload, { file: segment.path, offset, repair }) : null;
        visit({ file: segment.path, offset, number, record });
        number += 1;
        if (record?.kind !== 'accept' && record?.kind !== 'learn') return;
        lowestSlot = lowestSlot === 0 ? record.slot : Math.min(lowestSlot, record.slot);
        highestSlot = Math.max(highestSlot, record.slot);
      });
      const isLast = segment.next === null;
      if (!isLast && end.why !== 'complete') throw incomplete(repair, segment, end);
      const dirtyEnd = isLast ? await checkTail(repair, segment, file, end) : 0;
      reports.push({
        file: segment.path,
        firstRecord: segment.header.firstRecord,
        records: number - segment.header.firstRecord,
        lowestSlot,
        highestSlot,
        end: end.offset,
        tornBytes: Math.max(0, dirtyEnd - end.offset),
      });
    } finally {
      await file.close();
    }
  }
  return reports;
}

function read(payload: Buffer, place: Parameters<typeof logDamaged>[0]): LogRecord {
  try {
    return decode(logRecordCodec, payload);
  } catch (error) {
    throw logDamaged(place, 'the record was written by another version', error);
  }
}
