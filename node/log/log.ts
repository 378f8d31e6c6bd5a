/** The transaction log: a node's memory of what it promised, accepted and learnt. */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { invariant, present } from '../../src/base/assert.ts';
import { FatalError, NurseryError } from '../../src/base/errors.ts';
import type { Recovered } from '../paxos/contract.ts';
import type { LogRecord, MembersState, Slot, Value } from '../paxos/values.ts';
import { diskFailed, type Repair } from './damage.ts';
import { type Disk, REAL_DISK, writeDurably } from './disk.ts';
import { createSegment } from './new-segment.ts';
import { LogReader } from './reader.ts';
import { GroupWriter } from './record.ts';
import { type Recovery, recover } from './recovery.ts';
import type { Segment } from './segment.ts';
import { SPARE_NAME, Spare } from './spare.ts';
import { emptySummary, fold, membersAt, type Summary } from './summary.ts';
import { verifySegments } from './verify.ts';

/** Size of a segment, unless the options say otherwise (bytes). */
export const SEGMENT_BYTES = 64 * 1024 * 1024;
/** Room on the file system that the log leaves alone, for the store's flushes and for what must go on (bytes). */
export const RESERVE_BYTES = 128 * 1024 * 1024;
/** How often free space is looked at (ms); and where nothing was written since, and there was enough. */
const SPACE_POLL_MS = 1000;
const SPACE_IDLE_MS = 5000;
/** End of the last segment that is kept for promises and the like while the next one finds no room (share of the file, bytes at most). */
const TAIL_SHARE = 1 / 16;
const TAIL_BYTES_MAX = 64 * 1024;

export type LogOptions = {
  /** The log's directory; made where it is missing. */
  readonly dir: string;
  readonly cluster: string;
  readonly node: string;
  /** Slot of the store's durable image; 0 where there is none. */
  readonly appliedSlot: Slot;
  /**
   * Slot of the snapshot that the store began as, 0 where it did not. A crash may come between the swap of the store and
   * the log's `snapshot` record: `open` then appends that record.
   */
  readonly snapshotSlot?: Slot;
  /** Members in force at the store's slot; null, or left out, where it belongs to no cluster. */
  readonly members?: MembersState | null;
  /** Path of the store, for messages that name the repair. */
  readonly store?: string;
  readonly segmentBytes?: number;
  readonly reserveBytes?: number;
  readonly disk?: Disk;
  /** A torn tail that was cut; damage found later in old segments. */
  readonly onWarning: (message: string) => void;
};

/** Segments with a checksum per record, synced once per append. One process per directory; the caller holds the lock. */
export class TransactionLog {
  readonly #disk: Disk;
  readonly #repair: Repair;
  readonly #reserveBytes: number;
  /** Oldest first; the last one is appended to. */
  readonly #segments: Segment[];
  /** Fold of all durable records. */
  readonly #summary: Summary;
  readonly #spare: Spare;
  readonly #reader: LogReader;
  #nextRecord: number;
  /** Where the next group goes in the last segment; everything before is durable (bytes). */
  #end: number;

  readonly #group = new GroupWriter();
  /** The call in flight. */
  #entries: readonly LogRecord[] | null = null;
  #done: ((error: Error | null) => void) | null = null;
  #onceIdle: (() => void)[] = [];
  #failure: FatalError | null = null;
  #closed = false;

  #freeBytes = Number.POSITIVE_INFINITY;
  #spacePoll: NodeJS.Timeout | null = null;
  /** Bytes written when it was looked at last. */
  #polledBytes = -1;
  /** Whether the last group has no later record that proves it. */
  #unproven = false;
  #syncs = 0;
  #bytes = 0;
  #records = 0;

  /** Ends when old segments have been verified in the background. */
  readonly verified: Promise<void>;

  /**
   * Opens the log of a node, or begins one.
   *
   * Verifies the segments that hold slots above `appliedSlot`, and the last one; the others follow in the background.
   *
   * @throws FatalError LOG_DAMAGED, LOG_GAP, LOG_FOREIGN, STORE_AHEAD, DISK_FAILED
   * @throws NurseryError DISK_FULL where a log cannot be begun for want of space
   */
  static async open(
    options: LogOptions,
  ): Promise<{ log: TransactionLog; recovered: Omit<Recovered, 'applied' | 'members'> }> {
    const { dir, cluster, node, appliedSlot, onWarning } = options;
    const disk = options.disk ?? REAL_DISK;
    const repair: Repair = { dir, store: options.store ?? `store of node ${node}` };
    const snapshotSlot = options.snapshotSlot ?? 0;
    const spare = new Spare(disk, {
      dir,
      path: join(dir, SPARE_NAME),
      bytes: options.segmentBytes ?? SEGMENT_BYTES,
      reserveBytes: options.reserveBytes ?? RESERVE_BYTES,
    });
    try {
      const members = options.members ?? null;
      const found = await recover({
        disk,
        repair,
        cluster,
        node,
        appliedSlot,
        snapshotSlot,
        members,
        onWarning,
      });
      const recovery = found ?? (await begin(disk, spare, options));
      const log = new TransactionLog(options, disk, repair, spare, recovery);
      const began = found !== null && snapshotSlot > recovery.summary.snapshot;
      const missing = found === null || began ? null : await log.#missingUpTo(appliedSlot);
      if (missing !== null) {
        onWarning(
          `slot ${missing} is in ${repair.store}, and no longer in the log in ${dir}, whose damaged end was cut: the log begins behind slot ${appliedSlot} now`,
        );
      }
      if (began || missing !== null) {
        const state = present(members, 'members of a store that is ahead of its log');
        await log.#appendDurably([{ kind: 'snapshot', slot: appliedSlot, members: state }]);
      }
      await log.checkSpace();
      const { incarnation, founded, promised, chosen, superseded, retired } = recovery.summary;
      const accepted = [...recovery.accepted.values()].sort((a, b) => a.slot - b.slot);
      const firstLogSlot = log.firstSlot;
      return {
        log,
        recovered: {
          incarnation,
          founded,
          promised,
          accepted,
          chosen,
          superseded: [...superseded],
          ...(retired === undefined ? {} : { retired }),
          firstLogSlot,
          floorMembers: membersAt(recovery.summary, firstLogSlot - 1),
        },
      };
    } catch (error) {
      if (error instanceof FatalError || error instanceof NurseryError) throw error;
      throw diskFailed(`opening the log in ${dir}`, error);
    }
  }

  private constructor(options: LogOptions, disk: Disk, repair: Repair, spare: Spare, recovery: Recovery) {
    this.#disk = disk;
    this.#repair = repair;
    this.#reserveBytes = options.reserveBytes ?? RESERVE_BYTES;
    this.#segments = recovery.segments;
    this.#summary = recovery.summary;
    this.#spare = spare;
    this.#reader = new LogReader(disk, repair, this.#segments);
    this.#nextRecord = recovery.nextRecord;
    this.#end = recovery.end;
    this.verified = verifySegments({
      disk,
      segments: recovery.unverified,
      isWanted: (segment) => !this.#closed && this.#segments.includes(segment),
      onWarning: options.onWarning,
    });
    this.#pollSpaceLater();
  }

  /** First slot that the log can serve: every chosen slot from here on is in it. */
  get firstSlot(): Slot {
    const dropped = present(this.#segments[0], 'oldest segment').header.summary.highest;
    return Math.max(dropped, this.#summary.snapshot) + 1;
  }

  /**
   * The first slot of the store that the log lacks although it has later ones; null where there is none. Slots are accepted out of
   * order, so that what was cut off with a damaged last group may lie below what is left. A record tells up to where all
   * was chosen when it was written, and the values up to there lie before it: only what comes after is looked for.
   */
  async #missingUpTo(appliedSlot: Slot): Promise<Slot | null> {
    const from = Math.max(this.#summary.chosen + 1, this.firstSlot);
    for (let slot = from; slot <= appliedSlot; slot += 1) if (!(await this.#reader.holds(slot))) return slot;
    return null;
  }

  /** Whether new updates should be refused: the reserve is all that is left. What is under way still finds room. Ends by itself. */
  get isFull(): boolean {
    const { fileBytes } = this.#active.header;
    const usable = this.#usableBytes;
    const isLast = this.#spare.noSpace || usable < fileBytes;
    return this.#freeBytes < this.#reserveBytes || (isLast && usable - this.#end < fileBytes / 4);
  }

  /** Of the file system that the log lies on, as of a second ago. */
  get freeBytes(): number {
    return this.#freeBytes;
  }

  /** What there is no room for, as people should read it, while `isFull`. */
  get fullWhy(): string {
    const isLimited = this.#spare.isLimited || this.#usableBytes < this.#active.header.fileBytes;
    return isLimited ? 'this process may not make its files larger (see ulimit -f)' : 'disk is full';
  }

  /** Since open: syncs on behalf of appends, bytes and records appended; segments at present. */
  get statistics(): { syncs: number; bytes: number; records: number; segments: number } {
    return {
      syncs: this.#syncs,
      bytes: this.#bytes,
      records: this.#records,
      segments: this.#segments.length,
    };
  }

  /** How far this process may write into the last segment (bytes). */
  get #usableBytes(): number {
    return Math.min(this.#active.header.fileBytes, this.#disk.fileBytesMax?.() ?? Number.POSITIVE_INFINITY);
  }

  get #active(): Segment {
    return present(this.#segments.at(-1), 'last segment');
  }

  /**
   * Appends `entries` and makes them durable: one write, one sync. One call in flight at a time; the entries must not
   * change until `done`, which is never called before this returns.
   *
   * `done` gets null; or a NurseryError DISK_FULL, where nothing was written and the same call may be made again later; or a
   * FatalError DISK_FAILED, after which the process must end. A full disk refuses entries about slots first: promises and
   * the like may use the rest of the segment.
   */
  append(entries: readonly LogRecord[], done: (error: Error | null) => void): void {
    invariant(!this.#closed, 'a closed log is not appended to', () => ({ entries: entries.length }));
    invariant(this.#entries === null, 'one append is in flight', () => ({
      inFlight: this.#entries?.length ?? 0,
      more: entries.length,
    }));
    this.#entries = entries;
    this.#done = done;
    this.#group.reset();
    for (let i = 0; i < entries.length; i += 1) {
      this.#group.add(this.#nextRecord + i, entries[i] as LogRecord);
    }
    this.#begin(entries);
  }

  /**
   * The values of slots from `from` on, at most up to `upTo`, as the last record of each has it: for slots that are known to be
   * chosen, and whose records `append` has been given. Ends early after `bytesMax` bytes (but not before one slot), before a
   * slot that is being written at this moment, and before one that the log does not hold; empty below `firstSlot`.
   *
   * @throws FatalError LOG_DAMAGED where a record is no longer what was written
   */
  async readSlots(from: Slot, upTo: Slot, bytesMax: number): Promise<{ slot: Slot; value: Value }[]> {
    if (this.#inFlight(from, upTo)) await new Promise<void>((resolve) => this.#onceIdle.push(resolve));
    return await this.#reader.exclusively(async () => {
      if (from < this.firstSlot) return [];
      const isStable = (slot: Slot) => !this.#inFlight(slot, slot);
      return await this.#reader.read({ from, upTo, bytesMax, durableEnd: this.#end, isStable });
    });
  }

  /**
   * Drops the oldest segments, those whose slots are all at or below `upTo`, and keeps at least `keepSegments` (the last
   * one always). The store's durable image must cover `upTo`. `gone` hears of each; returns how many went.
   */
  async collapse(upTo: Slot, keepSegments: number, gone: () => void = () => undefined): Promise<number> {
    return await this.#reader.exclusively(async () => {
      let dropped = 0;
      while (this.#segments.length > Math.max(1, keepSegments)) {
        const oldest = present(this.#segments[0], 'oldest segment');
        if (oldest.highest > upTo) break;
        this.#segments.shift();
        await this.#reader.forget(oldest);
        await this.#disk.unlink(oldest.path);
        // One at a time: after a crash the segments left must still be a run without a gap.
        await this.#disk.syncDir(this.#repair.dir);
        dropped += 1;
        gone();
      }
      return dropped;
    });
  }

  /** Waits for the append in flight, proves the last group, and closes all files. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#spacePoll !== null) clearTimeout(this.#spacePoll);
    if (this.#entries !== null) await new Promise<void>((resolve) => this.#onceIdle.push(resolve));
    await this.verified;
    await this.#reader.exclusively(async () => {
      if (this.#failure === null && this.#unproven) await this.#prove();
      for (const segment of this.#segments) await segment.unload();
      await this.#spare.close();
    });
  }

  /** Whether the append in flight has a record of a slot in `[from, upTo]`. */
  #inFlight(from: Slot, upTo: Slot): boolean {
    if (this.#entries === null) return false;
    for (const entry of this.#entries) {
      const about = entry.kind === 'accept' || entry.kind === 'learn';
      if (about && entry.slot >= from && entry.slot <= upTo) return true;
    }
    return false;
  }

  #begin(entries: readonly LogRecord[]): void {
    const bytes = this.#group.bytes;
    const room = this.#active.header.fileBytes - this.#end;
    if (this.#failure !== null || bytes === 0) {
      const failure = this.#failure;
      queueMicrotask(() => this.#finish(failure));
    } else if (this.#mustRefuse(entries, room - bytes)) {
      this.#spare.advance(Number.POSITIVE_INFINITY);
      queueMicrotask(() => this.#finish(this.#diskFull()));
    } else if (bytes <= room) {
      this.#write();
    } else {
      this.#roll(bytes).then(
        () => this.#write(),
        (error: unknown) => {
          if (error instanceof NurseryError) this.#finish(error);
          else this.#fail('beginning a segment', error);
        },
      );
    }
  }

  /** Whether `entries` would use what is kept for promises and the like, `roomAfter` bytes being left of the segment. */
  #mustRefuse(entries: readonly LogRecord[], roomAfter: number): boolean {
    if (!this.#spare.noSpace && this.#freeBytes >= this.#reserveBytes / 2) return false;
    if (!entries.some((entry) => entry.kind === 'accept' || entry.kind === 'learn')) return false;
    if (this.#freeBytes < this.#reserveBytes / 2) return true;
    return roomAfter < Math.min(TAIL_BYTES_MAX, this.#active.header.fileBytes * TAIL_SHARE);
  }

  #diskFull(): NurseryError {
    const { dir } = this.#repair;
    const message =
      this.#freeBytes < this.#reserveBytes
        ? `disk is full: the log in ${dir} leaves ${this.#reserveBytes} bytes of the file system free; free some space`
        : `${this.fullWhy}: no room for the log in ${dir}; make some`;
    return new NurseryError('DISK_FULL', `${message}, then writing resumes by itself`);
  }

  readonly #write = (): void => {
    const active = this.#active;
    const bytes = this.#group.seal(this.#end, active.header.salt);
    present(active.file, 'file of the last segment').write(bytes, this.#end, this.#synced);
  };

  readonly #synced = (error: Error | null): void => {
    if (error !== null) {
      // What this process may not write has not been begun.
      if ((error as NodeJS.ErrnoException).code === 'EFBIG') this.#finish(this.#diskFull());
      else this.#fail('write', error);
      return;
    }
    const entries = present(this.#entries, 'append in flight');
    const index = present(this.#active.index, 'index of the last segment');
    for (let i = 0; i < entries.length; i += 1) {
      const entry = entries[i] as LogRecord;
      fold(this.#summary, entry);
      if (entry.kind !== 'accept' && entry.kind !== 'learn') continue;
      index.set(entry.slot, this.#end + this.#group.startOf(i));
    }
    this.#end += this.#group.bytes;
    this.#nextRecord += entries.length;
    this.#unproven = true;
    this.#syncs += 1;
    this.#bytes += this.#group.bytes;
    this.#records += entries.length;
    // Four times as fast as the segment fills: ready in time, and no burst of zeros next to the log's own syncs.
    if (!this.#closed) this.#spare.advance(this.#end * 4);
    this.#finish(null);
  };

  #fail(what: string, cause: unknown): void {
    this.#failure = diskFailed(`${what} of ${this.#active.path}`, cause);
    this.#finish(this.#failure);
  }

  #finish(error: Error | null): void {
    const done = present(this.#done, 'append in flight');
    const onceIdle = this.#onceIdle;
    this.#entries = null;
    this.#done = null;
    this.#onceIdle = [];
    for (const run of onceIdle) run();
    done(error);
  }

  #appendDurably(entries: readonly LogRecord[]): Promise<void> {
    return new Promise((resolve, reject) => {
      this.append(entries, (error) => (error === null ? resolve() : reject(error)));
    });
  }

  /** Makes a segment with room for a group of `bytes` the last one. */
  async #roll(bytes: number): Promise<void> {
    const full = this.#active;
    const index = present(full.index, 'index of the last segment');
    const segment = await createSegment(this.#disk, this.#spare, this.#repair.dir, bytes, {
      cluster: full.header.cluster,
      node: full.header.node,
      life: full.header.life,
      number: full.header.number + 1,
      firstRecord: this.#nextRecord,
      previousLowest: index.lowest,
      previousHighest: index.highest,
      summary: structuredClone(this.#summary),
    });
    full.next = this.#nextRecord;
    full.lowest = index.lowest;
    full.highest = index.highest;
    this.#segments.push(segment);
    this.#end = segment.recordsAt;
    this.#reader.noteLoaded(segment);
  }

  /** One record without content behind the last group, so that damage to that group is told from a torn write. */
  async #prove(): Promise<void> {
    const { header, file } = this.#active;
    this.#group.reset();
    this.#group.add(this.#nextRecord, null);
    if (this.#end + this.#group.bytes > header.fileBytes) return;
    try {
      await writeDurably(
        present(file, 'file of the last segment'),
        this.#group.seal(this.#end, header.salt),
        this.#end,
      );
    } catch (error) {
      throw diskFailed(`write of ${this.#active.path}`, error);
    }
  }

  #pollSpaceLater(): void {
    const isIdle = this.#bytes === this.#polledBytes && !this.#spare.noSpace && !this.isFull;
    this.#polledBytes = this.#bytes;
    this.#spacePoll = setTimeout(
      () => {
        this.checkSpace().then(
          () => {
            if (!this.#closed) this.#pollSpaceLater();
          },
          (error: unknown) => {
            this.#failure ??= diskFailed(`asking for free space in ${this.#repair.dir}`, error);
          },
        );
      },
      isIdle ? SPACE_IDLE_MS : SPACE_POLL_MS,
    );
    this.#spacePoll.unref();
  }

  /** Looks at free space, and takes up again what the lack of it had stopped. Happens by itself, again and again. */
  async checkSpace(): Promise<void> {
    this.#freeBytes = await this.#disk.freeBytes(this.#repair.dir);
    if (this.#spare.noSpace && !this.#closed) this.#spare.advance(Number.POSITIVE_INFINITY);
  }
}

/** The first segment of a new log. */
async function begin(disk: Disk, spare: Spare, options: LogOptions): Promise<Recovery> {
  const summary = emptySummary();
  const segment = await createSegment(disk, spare, options.dir, 0, {
    cluster: options.cluster,
    node: options.node,
    life: randomBytes(16).toString('hex'),
    number: 1,
    firstRecord: 1,
    previousLowest: 0,
    previousHighest: 0,
    summary: structuredClone(summary),
  });
  return {
    segments: [segment],
    summary,
    accepted: new Map(),
    nextRecord: 1,
    end: segment.recordsAt,
    unverified: [],
  };
}
