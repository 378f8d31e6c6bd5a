/** Finds and reads the records of single slots, in whatever segment they lie. */
import { invariant, present } from '../../src/base/assert.ts';
import { decode } from '../../src/wire/codec.ts';
import { logRecordCodec, type Slot, type Value } from '../paxos/values.ts';
import { logDamaged, logGap, type Repair } from './damage.ts';
import type { Disk } from './disk.ts';
import { isRecord, lengthAt, payloadAt, RECORD_HEADER_BYTES, recordBytes } from './record.ts';
import { LOADED_MAX } from './recovery.ts';
import { Window } from './scan.ts';
import { incompleteness, type Segment } from './segment.ts';

export type ReadOptions = {
  readonly from: Slot;
  readonly upTo: Slot;
  readonly bytesMax: number;
  /** End of what is durable in the last segment (bytes). */
  readonly durableEnd: number;
  /** Whether no record of the slot is being written. */
  readonly isStable: (slot: Slot) => boolean;
};

/** Shares the log's list of segments. Keeps files and indexes of at most `LOADED_MAX` of them. */
export class LogReader {
  readonly #disk: Disk;
  readonly #repair: Repair;
  readonly #segments: readonly Segment[];
  /** Least lately used first. */
  #loaded: Segment[];
  #busy: Promise<unknown> = Promise.resolve();

  constructor(disk: Disk, repair: Repair, segments: readonly Segment[]) {
    this.#disk = disk;
    this.#repair = repair;
    this.#segments = segments;
    this.#loaded = segments.filter((segment) => segment.file !== null);
  }

  /** Runs `work` when what was given before has ended: nobody closes a file that another reads. */
  exclusively<T>(work: () => Promise<T>): Promise<T> {
    const run = this.#busy.then(work);
    const ended = (): void => undefined;
    this.#busy = run.then(ended, ended);
    return run;
  }

  /** A new last segment has its file and index. */
  noteLoaded(segment: Segment): void {
    this.#loaded.push(segment);
  }

  /** Closes a segment that is being dropped. Only within `exclusively`. */
  async forget(segment: Segment): Promise<void> {
    this.#loaded = this.#loaded.filter((other) => other !== segment);
    await segment.unload();
  }

  /** Only within `exclusively`. */
  async read(options: ReadOptions): Promise<{ slot: Slot; value: Value }[]> {
    const { from, upTo, bytesMax, durableEnd, isStable } = options;
    const newest = present(this.#segments.at(-1), 'last segment');
    const values: { slot: Slot; value: Value }[] = [];
    let viewed: Segment | null = null;
    let view: Window | null = null;
    let bytes = 0;
    for (let slot = from; slot <= upTo && isStable(slot); slot += 1) {
      const place = await this.#locate(slot);
      if (place === null) break;
      const { segment, offset } = place;
      // What was appended since this read began may not be in the window.
      const isLater = segment.header.number > newest.header.number;
      if (isLater || (segment === newest && offset >= durableEnd)) break;
      if (view === null || viewed !== segment) {
        const end = segment === newest ? durableEnd : segment.header.fileBytes;
        view = new Window(present(segment.file, 'file of a loaded segment'), end);
        viewed = segment;
      }
      const payload = await this.#payload(segment, view, offset);
      bytes += payload.length;
      if (values.length > 0 && bytes > bytesMax) break;
      const record = decode(logRecordCodec, payload);
      invariant(
        record.kind === 'accept' || record.kind === 'learn',
        'the index leads to records of slots',
        () => ({
          slot,
          record: record.kind,
        }),
      );
      values.push({ slot, value: record.value });
    }
    return values;
  }

  /** Whether the log has a record of `slot`. */
  async holds(slot: Slot): Promise<boolean> {
    return (await this.#locate(slot)) !== null;
  }

  /** The newest record of `slot`; null where the log holds none. The segment is loaded. */
  async #locate(slot: Slot): Promise<{ segment: Segment; offset: number } | null> {
    for (let i = this.#segments.length - 1; i >= 0; i -= 1) {
      const segment = this.#segments[i] as Segment;
      if (!segment.mayHold(slot)) continue;
      if (segment.index === null) await this.#load(segment);
      const offset = segment.index?.get(slot) ?? 0;
      if (offset > 0) return { segment, offset };
    }
    return null;
  }

  async #load(segment: Segment): Promise<void> {
    const end = await segment.load(this.#disk);
    if (end.why !== 'complete') {
      const place = { file: segment.path, offset: end.offset, repair: this.#repair };
      const what = incompleteness(end, present(segment.next, 'next segment'));
      throw end.why === 'damage' ? logDamaged(place, what) : logGap(place, what);
    }
    this.#loaded.push(segment);
    while (this.#loaded.length > LOADED_MAX) {
      const victim = this.#loaded.find((other) => other.next !== null && other !== segment);
      if (victim === undefined) return;
      await this.forget(victim);
    }
  }

  async #payload(segment: Segment, view: Window, offset: number): Promise<Buffer> {
    if (!view.holds(offset, RECORD_HEADER_BYTES)) await view.move(offset, RECORD_HEADER_BYTES);
    let at = view.at(offset);
    if (view.bytes.length - at >= RECORD_HEADER_BYTES) {
      const whole = recordBytes(lengthAt(view.bytes, at));
      if (whole <= segment.header.fileBytes && !view.holds(offset, whole)) await view.move(offset, whole);
      at = view.at(offset);
    }
    if (!isRecord(view.bytes, at, offset, segment.header.salt)) {
      const place = { file: segment.path, offset, repair: this.#repair };
      throw logDamaged(place, 'the record is no longer what was written (bad checksum)');
    }
    return payloadAt(view.bytes, at);
  }
}
