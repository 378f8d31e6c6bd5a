/** All that the driver of a node touches: its log, its store, clock, peers, and the process. */
import type { Logger } from '../../src/process/log.ts';
import type { Timers } from '../../src/process/timers.ts';
import type { Event } from '../paxos/contract.ts';
import type { Message } from '../paxos/messages.ts';
import type { LogRecord, NodeName, Slot, Value } from '../paxos/values.ts';
import type { Store } from '../store/types.ts';

/**
 * What the store is worth: `doubtful` where it differs from another member's and nobody can say which is right,
 * `damaged` where a majority says that it is this one, or where it cannot be read.
 */
export type Standing = 'sound' | 'doubtful' | 'damaged';

/** What the driver needs of the transaction log. */
export interface DriverLog {
  append(entries: readonly LogRecord[], done: (error: Error | null) => void): void;
  readSlots(from: Slot, upTo: Slot, bytesMax: number): Promise<readonly { slot: Slot; value: Value }[]>;
  readonly firstSlot: Slot;
  /** The disk is nearly full: nothing more should be proposed. */
  readonly isFull: boolean;
  /** What there is no room for, while `isFull`. Default: 'disk is full'. */
  readonly fullWhy?: string;
}

/** What the driver needs of the store. */
export interface DriverStore extends Store {
  readonly overlayBytes: number;
  /** What it may have before applying waits (bytes). */
  readonly overlayBytesMax: number;
}

/** Everything outside: clock, disk, network, and the process itself. */
export type World = Timers & {
  /** Wall clock (ms): looked at only to notice that the machine slept. Default: it never does. */
  wallMs?(): number;
  readonly log: DriverLog;
  readonly store: DriverStore;
  readonly logger: Logger;
  /** A round of events was handled: something may be due at another time than before. Default: nobody cares. */
  turned?(): void;
  send(to: NodeName, message: Message): void;
  /** Replaces the store by a snapshot of that peer's; ends in `snapshotInstalled` or `snapshotFailed`. */
  installSnapshot(from: NodeName): void;
  /** After each slot that was applied, and after a snapshot, which stands for all slots up to its own. */
  applied(slot: Slot): void;
  /** All that is left of the founding is here, up to `slot`, and durable: the home may begin a new one. */
  promoted(slot: Slot): void;
  /** Ends the process; never returns to the driver's work. */
  stop(
    exit: 'OTHER_CLUSTER' | 'SUPERSEDED' | 'INVARIANT' | 'DISK_FAILED' | 'STORE_DAMAGED',
    cause: Error,
  ): void;
};

/** An event as its source knows it; the time is read when it is handled. */
export type Happening = WithoutTime<Event>;

export type WithoutTime<E> = E extends unknown ? Omit<E, 'nowMs'> : never;
