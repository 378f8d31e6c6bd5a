/** What the log's directory holds when the process starts: which of it is true, which is cut, and when to refuse. */
import { join } from 'node:path';
import { NurseryError } from '../../src/base/errors.ts';
import { decode } from '../../src/wire/codec.ts';
import { type Ballot, logRecordCodec, type MembersState, type Slot, type Value } from '../paxos/values.ts';
import { logDamaged, logForeign, logGap, type Place, type Repair, storeAhead } from './damage.ts';
import { type Disk, datasync, type LogFile, writeDurably } from './disk.ts';
import { type Header, readHeader } from './header.ts';
import { RECORD_KINDS } from './record.ts';
import { inspectTail, type ScanEnd, scanRecords } from './scan.ts';
import { incompleteness, Segment, segmentName, segmentNumber } from './segment.ts';
import { SlotIndex } from './slot-index.ts';
import { SPARE_NAME } from './spare.ts';
import { fold, type Summary, settleMembers } from './summary.ts';

/** Segments whose index and open file are kept, the last included. */
export const LOADED_MAX = 8;
/** Written at a time when a torn tail is wiped (bytes). */
const WIPE_BYTES = 1024 * 1024;

export type RecoveryOptions = {
  readonly disk: Disk;
  readonly repair: Repair;
  readonly cluster: string;
  readonly node: string;
  readonly appliedSlot: Slot;
  readonly snapshotSlot: Slot;
  /** Members in force at the store's slot; null where it belongs to no cluster. */
  readonly members: MembersState | null;
  readonly onWarning: (message: string) => void;
};

/** Where a log is, and whose it should be. */
export type Files = Pick<RecoveryOptions, 'disk' | 'repair' | 'cluster' | 'node'>;

/** The last record of a slot above the store's. */
export type AcceptedEntry = { readonly slot: Slot; readonly ballot: Ballot | null; readonly value: Value };

export type Recovery = {
  /** Oldest first, at least one. */
  readonly segments: Segment[];
  /** Fold of all records. */
  readonly summary: Summary;
  readonly accepted: Map<Slot, AcceptedEntry>;
  /** Number of the next record, and where in the last segment it goes (bytes). */
  readonly nextRecord: number;
  readonly end: number;
  /** Not read yet: nothing in them is needed above the store's slot. */
  readonly unverified: readonly Segment[];
};

/**
 * Reads what is needed above the store's slot, makes it durable, and cuts a torn tail; null where there is no log.
 *
 * What it returns is durable: a record that a killed process wrote and never synced counts from now on, so it must survive
 * a power cut too.
 *
 * @throws FatalError LOG_DAMAGED, LOG_GAP, LOG_FOREIGN, STORE_AHEAD
 */
export async function recover(options: RecoveryOptions): Promise<Recovery | null> {
  const { disk, repair, appliedSlot } = options;
  await disk.makeDir(repair.dir);
  const names = await disk.list(repair.dir);
  if (names.includes(SPARE_NAME)) await disk.unlink(join(repair.dir, SPARE_NAME));
  await disk.syncDir(repair.dir);
  const segments = await readSegments(options, names);
  if (segments.length === 0) {
    if (appliedSlot > 0) throw storeAhead(repair, appliedSlot, 0);
    return null;
  }
  const recovery = await readNeeded(options, segments);
  const highest = Math.max(recovery.summary.highest, recovery.summary.snapshot, options.snapshotSlot);
  if (appliedSlot > highest) throw storeAhead(repair, appliedSlot, highest);
  return recovery;
}

/**
 * Reads and checks all headers, and links the segments.
 *
 * @throws FatalError LOG_DAMAGED, LOG_GAP, LOG_FOREIGN
 */
export async function readSegments(options: Files, names: readonly string[]): Promise<Segment[]> {
  const { disk, repair } = options;
  const numbers = names.map(segmentNumber).filter((number) => number !== null);
  numbers.sort((a, b) => a - b);
  const segments: Segment[] = [];
  for (const number of numbers) {
    const path = join(repair.dir, segmentName(number));
    const previous = segments.at(-1);
    if (previous !== undefined && previous.header.number + 1 !== number) {
      const missing = join(repair.dir, segmentName(previous.header.number + 1));
      throw logGap({ file: missing, offset: 0, repair }, `the segment is missing, though ${path} follows it`);
    }
    const place = { file: path, offset: 0, repair };
    const { header, recordsAt } = await headerOf(disk, place);
    checkOwner(options, place, header, previous?.header.life ?? header.life);
    if (header.number !== number) {
      throw logGap(place, `the file was renamed: its header says that it is ${segmentName(header.number)}`);
    }
    if (previous !== undefined) {
      previous.next = header.firstRecord;
      previous.lowest = header.previousLowest;
      previous.highest = header.previousHighest;
    }
    segments.push(new Segment(path, header, recordsAt));
  }
  return segments;
}

async function headerOf(disk: Disk, place: Place): Promise<{ header: Header; recordsAt: number }> {
  const file = await disk.open(place.file, 'read');
  try {
    const found = await readHeader(file);
    if (typeof found === 'string') throw logDamaged(place, found);
    return found;
  } catch (error) {
    if (!(error instanceof NurseryError)) throw error;
    throw logDamaged(place, 'its header was written by another version', error);
  } finally {
    await file.close();
  }
}

function checkOwner(options: Files, place: Place, header: Header, life: string): void {
  const { cluster, node } = options;
  if (header.cluster !== cluster || header.node !== node) {
    const theirs = `node ${header.node} of cluster ${header.cluster}`;
    throw logForeign(place, `the segment belongs to ${theirs}, this is node ${node} of cluster ${cluster}`);
  }
  if (header.life !== life) {
    throw logForeign(
      place,
      'the segment belongs to another log of this node, from before its home was emptied',
    );
  }
}

/** Reads the segments that hold slots above the store's, and the last one. */
async function readNeeded(options: RecoveryOptions, segments: Segment[]): Promise<Recovery> {
  const { disk, appliedSlot } = options;
  const last = segments.length - 1;
  let from = segments.findIndex((segment) => segment.highest > appliedSlot);
  if (from === -1) from = last;
  const summary = structuredClone((segments[from] as Segment).header.summary);
  // A store that is older than its log, perhaps begun anew at slot 0, knows of a list that may be long outdated.
  const isCurrent = appliedSlot >= Math.max(summary.chosen, summary.snapshot);
  if (options.members !== null && isCurrent) settleMembers(summary, appliedSlot, options.members);
  const accepted = new Map<Slot, AcceptedEntry>();
  for (let i = from; i < last; i += 1) {
    const segment = segments[i] as Segment;
    segment.file = await disk.open(segment.path, 'read');
    const end = await readEntries(options, segment, summary, accepted);
    if (end.why !== 'complete') throw incomplete(options.repair, segment, end);
    if (i < last - LOADED_MAX + 1) await segment.unload();
  }
  const segment = segments[last] as Segment;
  segment.file = await disk.open(segment.path, 'write');
  const end = await readEntries(options, segment, summary, accepted);
  await settleTail(options, segment, segment.file, end);
  return {
    segments,
    summary,
    accepted,
    nextRecord: end.number,
    end: end.offset,
    unverified: segments.slice(0, from),
  };
}

/** Why a segment that has a successor is not whole. */
export function incomplete(repair: Repair, segment: Segment, end: ScanEnd): Error {
  const place = { file: segment.path, offset: end.offset, repair };
  const what = incompleteness(end, segment.next ?? end.number);
  return end.why === 'damage' ? logDamaged(place, what) : logGap(place, what);
}

/** Folds the records of an open segment, and builds its index. */
async function readEntries(
  options: RecoveryOptions,
  segment: Segment,
  summary: Summary,
  accepted: Map<Slot, AcceptedEntry>,
): Promise<ScanEnd> {
  const index = new SlotIndex();
  segment.index = index;
  return await scanRecords(segment.file as LogFile, segment.range, (offset, kind, payload) => {
    if (kind !== RECORD_KINDS.ENTRY) return;
    const record = decodeEntry(options, segment, offset, payload);
    fold(summary, record);
    if (record.kind === 'snapshot' || record.kind === 'snapshotOnly') voidUpTo(accepted, record.slot);
    if (record.kind !== 'accept' && record.kind !== 'learn') return;
    const { slot } = record;
    index.set(slot, offset);
    if (slot <= options.appliedSlot) return;
    const ballot = record.kind === 'accept' ? record.ballot : null;
    accepted.set(slot, { slot, ballot, value: copyOf(record.value) });
  });
}

/** A snapshot voids what the log said before of its slots: a value that was merely accepted there need not be the chosen one. */
function voidUpTo(accepted: Map<Slot, AcceptedEntry>, upTo: Slot): void {
  for (const slot of [...accepted.keys()]) if (slot <= upTo) accepted.delete(slot);
}

function decodeEntry(options: RecoveryOptions, segment: Segment, offset: number, payload: Buffer) {
  try {
    return decode(logRecordCodec, payload);
  } catch (error) {
    const place = { file: segment.path, offset, repair: options.repair };
    throw logDamaged(place, 'the record was written by another version', error);
  }
}

/** The value without the window that it was read in. */
function copyOf(value: Value): Value {
  return value.kind === 'batch' ? { kind: 'batch', bytes: Uint8Array.from(value.bytes) } : value;
}

/**
 * What stands behind the last sound record: where the torn rest of a group ends, which was never acknowledged; 0 where there is none.
 *
 * @throws FatalError LOG_DAMAGED, LOG_GAP where it is something else
 */
export async function checkTail(
  repair: Repair,
  segment: Segment,
  file: LogFile,
  end: ScanEnd,
): Promise<number> {
  const place = { file: segment.path, offset: end.offset, repair };
  if (end.why === 'number') throw logGap(place, `record ${end.number} stands here, out of order`);
  const { dirtyEnd, witness } = await inspectTail(file, segment.range, end.offset, end.number);
  if (witness !== null && witness.proven > end.offset) {
    const proof = `record ${witness.number} at offset ${witness.offset} proves that it was synced once`;
    throw logDamaged(place, `record ${end.number} is not what was written; ${proof}`);
  }
  return dirtyEnd;
}

/**
 * Decides about what stands behind the last sound record, and makes the decision durable: zeros are written over a torn
 * rest, so that no byte of it ever meets a later record.
 */
async function settleTail(
  options: RecoveryOptions,
  segment: Segment,
  file: LogFile,
  end: ScanEnd,
): Promise<void> {
  const { fileBytes } = segment.header;
  const dirtyEnd = await checkTail(options.repair, segment, file, end);
  if (dirtyEnd > 0) {
    options.onWarning(
      `log cut: ${segment.path}, offset ${end.offset}: the last group was not completely written ` +
        `(a crash before its sync); records from ${end.number} on were never acknowledged and are dropped`,
    );
    const zeros = Buffer.alloc(Math.min(WIPE_BYTES, dirtyEnd - end.offset));
    for (let at = end.offset; at < dirtyEnd; at += zeros.length) {
      const bytes = zeros.subarray(0, Math.min(zeros.length, dirtyEnd - at, fileBytes - at));
      await writeDurably(file, bytes, at);
    }
  }
  await datasync(file);
}
