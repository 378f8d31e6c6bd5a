/** What outlives a node's process: its disk, with the log and the store's last flushed image, and its clock. */

import {
  appliedMembers,
  readMembers,
  readSnapshotSlot,
  snapshotRow,
} from '../../../node/life/members-row.ts';
import type { Recovered } from '../../../node/paxos/contract.ts';
import type { LogRecord, Slot, Value } from '../../../node/paxos/values.ts';
import { type Image, MemoryStore } from '../../../node/store/memory-store.ts';
import type { StoreKey } from '../../../node/store/types.ts';
import type { EXIT_CODES } from '../../../src/base/errors.ts';
import type { Memory } from '../../../src/link/frames.ts';
import { invariant } from '../base/invariant.ts';
import { Disk } from '../paxos/disk.ts';

/**
 * A row that a flipped bit leaves in a store: of a table that nobody reads, since what was flipped may be read before it
 * is found, and then no answer is right.
 */
export const FLIPPED_ROW: StoreKey = '\x7fflipped';

/** What a snapshot row says is a replica's own, and no part of the state. */
export const OWN_ROW = snapshotRow(0).key;

const COPIES_MAX = 3;

/** One machine. Wiping it means a new one. */
export class Hardware {
  disk = new Disk();
  image: Image = { slot: 0, rows: [] };
  /** Copies of earlier images of this home, as an operator keeps them. */
  readonly copies: Image[] = [];
  /** Speed of its clock. */
  clockRate: number;
  syncMaxMs: number;
  /** `low`: the reserve is in use, nothing new should be proposed; `full`: nothing can be written. */
  space: 'enough' | 'low' | 'full' = 'enough';
  /** The next write fails. */
  isBroken = false;
  /** What was cut off with a damaged end of its log: votes that it had told others may be among that. */
  readonly #forgotten: LogRecord[] = [];
  /** A process that starts refuses to go on, with this exit code. */
  refusal: keyof typeof EXIT_CODES | null = null;

  constructor(clockRate: number, syncMaxMs: number) {
    this.clockRate = clockRate;
    this.syncMaxMs = syncMaxMs;
  }

  /** The store as its last flush left it. */
  openStore(): MemoryStore {
    return new MemoryStore(this.image);
  }

  /** What log and store together say to a process that starts. */
  recovered(store: MemoryStore): Recovered {
    const members = appliedMembers(store);
    this.noteImage(store);
    const { highest, snapshot } = this.disk.summary;
    const known = Math.max(highest, snapshot, readSnapshotSlot(store));
    invariant(store.slot <= known, 'the store is not ahead of its log');
    // As the log does it: what was cut off below the store's slot is nowhere in it, and the log begins behind that slot.
    if (members !== null && this.disk.lacksUpTo(store.slot)) {
      this.append([{ kind: 'snapshot', slot: store.slot, members }]);
    }
    return { ...this.disk.recovered(), applied: store.slot, members };
  }

  /** Tells the log how far the store's base has come: it is collapsed no further. */
  noteImage(base: MemoryStore): void {
    const members = readMembers(base);
    this.disk.image =
      members === null ? null : { slot: base.flushedSlot, members, snapshot: readSnapshotSlot(base) };
  }

  append(records: readonly LogRecord[]): void {
    this.disk.append(records);
  }

  /** Durable values of chosen slots, as the log reads them back. */
  readSlots(from: Slot, upTo: Slot, bytesMax: number): { slot: Slot; value: Value }[] {
    const entries: { slot: Slot; value: Value }[] = [];
    let bytes = 0;
    for (let slot = Math.max(from, this.disk.firstSlot); slot <= upTo && bytes < bytesMax; slot += 1) {
      const value = this.disk.valueAt(slot);
      if (value === undefined) break;
      entries.push({ slot, value });
      bytes += value.kind === 'batch' ? value.bytes.length : 16;
    }
    if (from < this.disk.firstSlot) return [];
    return entries;
  }

  /** A damaged end of the log is taken for a torn group: `left` is what a start finds, without `lost`. */
  forget(left: Disk, lost: readonly LogRecord[]): void {
    this.disk = left;
    this.#forgotten.push(...lost);
  }

  get hasForgotten(): boolean {
    return this.#forgotten.length > 0;
  }

  /** Whether a process that remembered `memory` when it began may yet be refused by a peer which remembers more of this life. */
  mayBeRefused({ slot, round }: Pick<Memory, 'slot' | 'round'>): boolean {
    return this.#forgotten.some((record) => {
      if (record.kind === 'accept') return record.slot > slot || record.ballot.round > round;
      return record.kind === 'promise' && record.ballot.round > round;
    });
  }

  /** Whether it knows again what it voted: of all slots, or of that one. */
  remembersVotes(slot: Slot | null = null): boolean {
    return this.#forgotten.every((record) => {
      if (record.kind !== 'accept' || (slot !== null && record.slot !== slot)) return true;
      return this.disk.holds(record.slot, record.ballot);
    });
  }

  /** Whether the store holds everything that the log has given away. */
  get isWhole(): boolean {
    return this.image.slot + 1 >= this.disk.firstSlot;
  }

  /** A bit of the store's file is not what was written. */
  flipStore(): void {
    this.image = { ...this.image, rows: [...this.image.rows, [FLIPPED_ROW, new Uint8Array([1])]] };
  }

  get isFlipped(): boolean {
    return this.image.rows.some(([key]) => key === FLIPPED_ROW);
  }

  /** Keeps a copy of the store as it is, in the place of the oldest. */
  copyStore(): void {
    this.copies.push(this.image);
    if (this.copies.length > COPIES_MAX) this.copies.shift();
  }

  /** An empty store, to be filled from log and peers; or a copy in the place of the store. */
  removeStore(copy: Image | null = null): void {
    this.image = copy ?? { slot: 0, rows: [] };
    this.disk.image = null;
  }
}
