/** What outlives a simulated process: the durable records of its log, and the last flushed image of its store. */

import { emptySummary, fold, membersAt, type Summary, settleMembers } from '../../../node/log/summary.ts';
import type { Recovered } from '../../../node/paxos/contract.ts';
import { promotedMembers } from '../../../node/paxos/members-state.ts';
import {
  type Ballot,
  compareBallots,
  type LogRecord,
  type Member,
  type MembersState,
  type Slot,
  type Value,
} from '../../../node/paxos/values.ts';
import { invariant } from '../base/invariant.ts';

/** A flushed store. `snapshot`: the slot it came with where it began as a peer's copy, else 0. */
export type Image = { readonly slot: Slot; readonly members: MembersState; readonly snapshot: Slot };

/** The directory of one node. Wiping it means taking a new one. */
export class Disk {
  /** Durable, in the order of the log; the front is dropped by `collapse`. */
  #records: LogRecord[] = [];
  /** Fold of all durable records, dropped ones included. */
  readonly summary: Summary = emptySummary();
  /** Fold of the dropped ones. */
  readonly #front: Summary = emptySummary();
  /** Highest slot that a dropped record is about. */
  #dropped: Slot = 0;
  /** Newest first; an older one stands for a store that was put back, or whose flush was lost. */
  image: Image | null = null;
  /** Copies of earlier images, as an operator keeps them. */
  readonly older: Image[] = [];
  readonly #last = new Map<Slot, { readonly ballot: Ballot | null; readonly value: Value }>();

  /** Records of the last group that was written: nothing behind them proves that they were whole. */
  #unproven = 0;

  /** Number of durable records. */
  get length(): number {
    return this.#records.length;
  }

  /** Makes records durable, in order. */
  append(records: readonly LogRecord[]): void {
    if (records.length > 0) this.#unproven = records.length;
    for (const record of records) {
      this.#records.push(record);
      fold(this.summary, record);
      if (record.kind === 'snapshot')
        for (const slot of [...this.#last.keys()]) if (slot <= record.slot) this.#last.delete(slot);
      if (record.kind === 'accept') this.#last.set(record.slot, record);
      else if (record.kind === 'learn') this.#last.set(record.slot, { ballot: null, value: record.value });
    }
  }

  /** What a damaged record among the last ones, `count` before the end, takes with it: see `cut`. */
  tail(count: number): readonly LogRecord[] {
    return this.#records.slice(this.#records.length - count);
  }

  /** How many records at the end no later write has proven. */
  get unproven(): number {
    return Math.min(this.#unproven, this.#records.length);
  }

  /** The log without its last `count` records, as a start finds it where those are taken for a torn group. */
  cut(count: number): Disk {
    const disk = new Disk();
    for (const summary of [disk.#front, disk.summary]) Object.assign(summary, structuredClone(this.#front));
    disk.append(this.#records.slice(0, this.#records.length - count));
    disk.#dropped = this.#dropped;
    disk.image = this.image;
    return disk;
  }

  /** First slot that can be served: every chosen slot from here on is in the log. */
  get firstSlot(): Slot {
    return Math.max(this.#dropped, this.summary.snapshot) + 1;
  }

  /** The value of the slot's last durable record; undefined where there is none. */
  valueAt(slot: Slot): Value | undefined {
    return slot > this.#dropped ? this.#last.get(slot)?.value : undefined;
  }

  /** The last durable record of each slot that the log still has. */
  get entries(): ReadonlyMap<Slot, { readonly ballot: Ballot | null; readonly value: Value }> {
    return this.#last;
  }

  /** Whether a slot up to `applied`, which no record says was known chosen, has none. */
  lacksUpTo(applied: Slot): boolean {
    const from = Math.max(this.summary.chosen + 1, this.firstSlot);
    for (let slot = from; slot <= applied; slot += 1) if (!this.#last.has(slot)) return true;
    return false;
  }

  /** Whether what was accepted in `slot` at `ballot`, or at a higher one, or what was chosen there, is durable here. */
  holds(slot: Slot, ballot: Ballot): boolean {
    if (slot <= this.#dropped || slot <= (this.image?.slot ?? 0)) return true;
    const last = this.#last.get(slot);
    return last !== undefined && (last.ballot === null || compareBallots(last.ballot, ballot) >= 0);
  }

  /** Drops the oldest records as long as their slots are at or below `upTo`, which the image covers. */
  collapse(upTo: Slot): void {
    invariant(upTo <= (this.image?.slot ?? 0), 'only what the image covers is dropped');
    let count = 0;
    for (const record of this.#records) {
      if (record.kind === 'accept' || record.kind === 'learn') {
        if (record.slot > upTo) break;
        this.#dropped = Math.max(this.#dropped, record.slot);
      }
      fold(this.#front, record);
      count += 1;
    }
    this.#records = this.#records.slice(count);
  }

  /** What a process that starts now finds, exactly as the transaction log and the store say it. */
  recovered(): Recovered {
    const applied = this.image?.slot ?? 0;
    const snapshot = this.image?.snapshot ?? 0;
    const members = applied === 0 ? null : (this.image?.members ?? null);
    const isCurrent = applied >= Math.max(this.summary.chosen, this.summary.snapshot);
    if (members !== null && isCurrent) settleMembers(this.summary, applied, members);
    if (snapshot > this.summary.snapshot && members !== null)
      this.append([{ kind: 'snapshot', slot: applied, members }]);
    const { incarnation, founded, promised, chosen, superseded, highest, retired } = this.summary;
    invariant(applied <= Math.max(highest, this.summary.snapshot), 'the store is not ahead of its log');
    const accepted: { slot: Slot; ballot: Ballot | null; value: Value }[] = [];
    for (const [slot, { ballot, value }] of this.#remaining())
      if (slot > applied) accepted.push({ slot, ballot, value });
    accepted.sort((a, b) => a.slot - b.slot);
    return {
      incarnation,
      founded,
      promised,
      accepted,
      chosen,
      superseded: [...superseded],
      ...(retired === undefined ? {} : { retired }),
      applied,
      members,
      firstLogSlot: this.firstSlot,
      floorMembers: membersAt(this.summary, this.firstSlot - 1),
    };
  }

  /** The last record of each slot, of those that were not dropped; a snapshot voids those before it. */
  #remaining(): Map<Slot, { readonly ballot: Ballot | null; readonly value: Value }> {
    const last = new Map<Slot, { readonly ballot: Ballot | null; readonly value: Value }>();
    for (const record of this.#records) {
      if (record.kind === 'accept') last.set(record.slot, record);
      else if (record.kind === 'learn') last.set(record.slot, { ballot: null, value: record.value });
      else if (record.kind === 'snapshot')
        for (const slot of [...last.keys()]) if (slot <= record.slot) last.delete(slot);
    }
    return last;
  }
}

/** The home of a survivor that begins a new founding with what it held, `leap` slots above: as node/life/promote.ts leaves it. */
export function refoundDisk(
  held: { readonly slot: Slot; readonly members: MembersState },
  survivor: Member,
  leap: number,
): Disk {
  const slot = held.slot + leap;
  const members = promotedMembers(held.members, survivor);
  const disk = new Disk();
  disk.append([
    { kind: 'incarnation', incarnation: survivor.incarnation },
    { kind: 'founded', state: members, genesis: new Uint8Array(0) },
    { kind: 'snapshot', slot, members },
  ]);
  disk.image = { slot, members, snapshot: slot };
  return disk;
}
