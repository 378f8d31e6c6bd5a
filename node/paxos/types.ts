/** The vocabulary of one Paxos member: what happens to it (events) and what it asks for (effects). */
import { bytes, type Coded, i64, list, struct, text, union } from '../../src/wire/codec.ts';
import type { Message } from './messages.ts';

/** Name of a member, as in the INI. */
export type NodeName = string;
/** Position in the log; the first is 1, and 0 stands for "before the first". */
export type Slot = number;
/** Random id that a node draws when its home is empty: 32 hexadecimal digits. */
export type Incarnation = string;
/** Number of a durable record of this node; 1, 2, 3 … within one life of the process. */
export type RecordNumber = number;

export const ballotCodec = struct({ round: i64, node: text });
/**
 * Totally ordered, by round and then by proposer; a proposer never uses one twice. `node` names the proposer's life
 * (`proposerOf`): a wiped node has forgotten which rounds it used, so its ballots must not be those of its former life.
 */
export type Ballot = Coded<typeof ballotCodec>;
/** Below every ballot that is used. */
export const NO_BALLOT: Ballot = { round: 0, node: '' };

/** Negative, zero or positive as `a` is below, equal to or above `b`. */
export function compareBallots(a: Ballot, b: Ballot): number {
  if (a.round !== b.round) return a.round - b.round;
  return a.node < b.node ? -1 : a.node > b.node ? 1 : 0;
}

export const memberCodec = struct({ node: text, incarnation: text });
export type Member = Coded<typeof memberCodec>;

/** What a slot can hold. */
export const valueCodec = union({
  noop: [1, struct({})],
  /** Client updates and administrative commands, encoded by src/protocol/arakoon/updates.ts; opaque to consensus. */
  batch: [2, struct({ bytes })],
  /** An empty home, or one that was wiped, becomes a voter: counts only if chosen at this very ballot. */
  admit: [3, struct({ node: text, incarnation: text, ballot: ballotCodec })],
  addMember: [4, struct({ node: text, incarnation: text })],
  removeMember: [5, struct({ node: text })],
});
export type Value = Coded<typeof valueCodec>;

/** The members in force, as replicated state: stored with the state machine at each applied slot. */
export const membersStateCodec = struct({
  /** Drawn once, when the cluster was founded. */
  cluster: text,
  members: list(memberCodec),
  /** Incarnations that were replaced or removed, in that order, and are never admitted again; '' where the node left the list. */
  superseded: list(memberCodec),
});
export type MembersState = Coded<typeof membersStateCodec>;

/** What a node must not forget. The log keeps these in order; their codec is the log's payload. */
export const logRecordCodec = union({
  /** Drawn when the home was found empty. */
  incarnation: [1, struct({ incarnation: text })],
  /** This node joined a founded cluster: its identity from slot 0 on. `genesis` is the state machine's start, opaque here. */
  founded: [2, struct({ state: membersStateCodec, genesis: bytes })],
  promise: [3, struct({ ballot: ballotCodec })],
  /** Accepting is promising. `chosen`: every slot up to it is known chosen, with the value this log last holds. */
  accept: [4, struct({ slot: i64, ballot: ballotCodec, value: valueCodec, chosen: i64 })],
  /** A value known to be chosen, learnt from a peer. */
  learn: [5, struct({ slot: i64, value: valueCodec, chosen: i64 })],
  chosen: [6, struct({ chosen: i64 })],
  /**
   * From now on every message, vote and ballot of an older incarnation of `node` is ignored. Of this node itself:
   * its admission was applied, and it may vote and campaign.
   */
  supersede: [7, struct({ node: text, incarnation: text })],
  /** The same as `snapshot`, of a build before the list of members was part of it. */
  snapshotOnly: [8, struct({ slot: i64 })],
  /**
   * Everything up to `slot` came with a snapshot, and is in the store, with the members in force there. What the log said
   * before of these slots is void: a value accepted there need not be the chosen one.
   */
  snapshot: [9, struct({ slot: i64, members: membersStateCodec })],
});
export type LogRecord = Coded<typeof logRecordCodec>;

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
  /** Of the store: the slot whose image it is, and the members in force there. */
  readonly applied: Slot;
  readonly members: MembersState | null;
  /**
   * First slot that the log can still serve to others. Every slot below it was chosen, and this log has forgotten what
   * it voted there (docs/architecture.md, "A lost store").
   */
  readonly firstLogSlot: Slot;
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
  /** The machine slept: a master's grants may have run out without its clock having moved. It asks for its lease anew at once. */
  | { readonly kind: 'slept' }
  /** Where a peer should be there is one of another founding: nothing was exchanged with it but the hello. */
  | { readonly kind: 'foreign'; readonly from: NodeName; readonly founding: Incarnation }
  /** Nobody has the cluster's id: it may be founded. */
  | { readonly kind: 'mayFound' }
  | {
      readonly kind: 'snapshotInstalled';
      readonly slot: Slot;
      readonly members: MembersState;
    }
  | { readonly kind: 'snapshotFailed'; readonly from: NodeName }
);

/** What the shell carries out, in order. Plain data: comparable, printable, replayable. */
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
  /** For people: mastership, admissions, refusals. */
  | {
      readonly kind: 'log';
      readonly level: 'info' | 'warn' | 'error';
      readonly what: string;
      readonly facts: Facts;
    }
  /** The node must not go on: wrong cluster, superseded home. */
  | { readonly kind: 'stop'; readonly exit: 'OTHER_CLUSTER' | 'SUPERSEDED'; readonly why: string };

export type Facts = { readonly [name: string]: string | number | boolean | null };
