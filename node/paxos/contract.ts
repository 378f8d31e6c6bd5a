/** What goes in and out of one Paxos member: its configuration, what the disk held, events and effects. */
import type { Message } from './messages.ts';
import type {
  Ballot,
  Incarnation,
  LogRecord,
  Member,
  MembersState,
  NodeName,
  RecordNumber,
  Retirement,
  Slot,
  Value,
} from './values.ts';

/** Fixed while the process lives. */
export type ReplicaConfig = {
  readonly node: NodeName;
  /** Members that the INI wishes, in its order. */
  readonly wished: readonly NodeName[];
  /** Duration of a master lease (ms). */
  readonly leaseMs: number;
  /** How far two clocks may drift apart within one lease (ms). */
  readonly driftMs: number;
  /** Slots that may be in flight at a time. */
  readonly windowMax: number;
  /** Founds a cluster although not all members of the INI report empty homes. */
  readonly bootstrap: boolean;
  /** An empty home founds nothing before a `mayFound` event. */
  readonly asksFirst?: boolean;
  /** The state machine's state at slot 0, where this node founds. */
  readonly genesis: Uint8Array;
  /** Only this one may be master, where set. */
  readonly forcedMaster: NodeName | null;
  /** Take over mastership when they can, where set. */
  readonly preferredMasters: readonly NodeName[];
  /** Follow without a vote. */
  readonly learners: readonly NodeName[];
};

/** What the disk held when the process started. */
export type Recovered = {
  /** Null where the home was empty. */
  readonly incarnation: Incarnation | null;
  readonly founded: { readonly state: MembersState; readonly genesis: Uint8Array } | null;
  readonly promised: Ballot;
  /** Accepted values above `applied`, the last record per slot; `ballot` null where it was learnt as chosen. */
  readonly accepted: readonly {
    readonly slot: Slot;
    readonly ballot: Ballot | null;
    readonly value: Value;
  }[];
  readonly chosen: Slot;
  readonly superseded: readonly Member[];
  /** Of the store: the slot whose image it is, and the members in force there; null where nothing was applied yet. */
  readonly applied: Slot;
  readonly members: MembersState | null;
  /**
   * First slot that the log can still serve to others. Every slot below it was chosen, and this log has forgotten what
   * it voted there (docs/architecture.md, "A lost store").
   */
  readonly firstLogSlot: Slot;
  /** Missing where this life has not retired. */
  readonly retired?: Retirement;
  /** Members in force just below `firstLogSlot`, as the log's summary has them; null in a log of an earlier build. */
  readonly floorMembers: MembersState | null;
};

/** Something that happened. `nowMs` is the monotonic time at which it is handled, never an earlier one. */
export type Event = { readonly nowMs: number } & (
  | { readonly kind: 'start'; readonly random: number; readonly freshIncarnation: Incarnation }
  | {
      readonly kind: 'message';
      readonly from: NodeName;
      readonly incarnation: Incarnation;
      readonly message: Message;
    }
  /** A batch of client updates; only where `mayPropose` says yes. `id` is the caller's. */
  | { readonly kind: 'propose'; readonly id: number; readonly bytes: Uint8Array }
  /** Every record up to this number is durable. */
  | { readonly kind: 'synced'; readonly record: RecordNumber }
  /** The state machine has applied everything up to this slot. */
  | { readonly kind: 'applied'; readonly slot: Slot }
  /** Every few milliseconds; `random` in [0, 1). */
  | { readonly kind: 'tick'; readonly random: number }
  | { readonly kind: 'dropMaster' }
  /**
   * An operator promotes this node: those that are `gone` never start again; where a chosen slot is lost, all from `loseFrom` on is
   * given up (null: nothing is). To be repeated until it is done.
   */
  | { readonly kind: 'promote'; readonly gone: readonly NodeName[]; readonly loseFrom: Slot | null }
  /** The machine slept: a master's grants may have run out without its clock having moved. It asks for its lease anew at once. */
  | { readonly kind: 'slept' }
  /** Where a peer should be there is one of another founding: nothing was exchanged with it but the hello. */
  | {
      readonly kind: 'foreign';
      readonly from: NodeName;
      readonly founding: Incarnation;
      /** Foundings that it says it took the place of. */
      readonly replaces?: readonly Incarnation[];
    }
  /** Nobody has the cluster's id: it may be founded. */
  | { readonly kind: 'mayFound' }
  | {
      readonly kind: 'snapshotInstalled';
      readonly slot: Slot;
      readonly members: MembersState;
    }
  | { readonly kind: 'snapshotFailed'; readonly from: NodeName }
);

/** Which life of whom a message is of, and when it is handled. */
export type Heard = { readonly from: NodeName; readonly incarnation: Incarnation; readonly nowMs: number };

/** What the driver carries out, in order. Plain data: comparable, printable, replayable. */
export type Effect =
  /** Append to the log; a later `synced` names the record. */
  | { readonly kind: 'persist'; readonly record: RecordNumber; readonly entry: LogRecord }
  /** Send, once record `after` is durable (0: at once). A lost message is no failure. */
  | {
      readonly kind: 'send';
      readonly to: NodeName;
      readonly message: Message;
      readonly after: RecordNumber;
    }
  /** Apply, in slot order; `proposal` is the id that `propose` carried, where it was this node's. `members` after it. */
  | {
      readonly kind: 'apply';
      readonly slot: Slot;
      readonly value: Value;
      readonly proposal: number | null;
      readonly members: MembersState;
    }
  /** These proposals may or may not be applied: their mastership ended. */
  | { readonly kind: 'lost'; readonly proposals: readonly number[] }
  /** These proposals were never sent to anyone, nor written: certainly not applied. */
  | { readonly kind: 'refused'; readonly proposals: readonly number[] }
  /** The state machine begins: its state at slot 0. */
  | { readonly kind: 'found'; readonly state: MembersState; readonly genesis: Uint8Array }
  /** Answer a peer that is behind: read chosen values from the log and send them as `entries`. */
  | {
      readonly kind: 'serveLog';
      readonly to: NodeName;
      readonly from: Slot;
      readonly upTo: Slot;
      /** Echoed in the answer, so that the peer knows which question it answers. */
      readonly request: number;
    }
  /** Replace the store by a snapshot of that peer's; ends in `snapshotInstalled` or `snapshotFailed`. */
  | { readonly kind: 'installSnapshot'; readonly from: NodeName }
  /**
   * All that is left of the founding is here, applied and durable, and nobody else serves: this node may go on as the first
   * member of a new one. `members` are in force at `slot`.
   */
  | { readonly kind: 'promoted'; readonly slot: Slot; readonly members: MembersState }
  /** For people: mastership, admissions, refusals. */
  | {
      readonly kind: 'log';
      readonly level: 'info' | 'warn' | 'error';
      readonly what: string;
      readonly facts: Facts;
    }
  /**
   * The node must not go on: wrong cluster, superseded home. `inForce`: it may where its keeper says that its founding is in force;
   * what an operator should know then.
   */
  | {
      readonly kind: 'stop';
      readonly exit: 'OTHER_CLUSTER' | 'SUPERSEDED';
      readonly why: string;
      readonly inForce?: string;
    };

export type Facts = { readonly [name: string]: string | number | boolean | null };
