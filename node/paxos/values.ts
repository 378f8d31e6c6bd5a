/** The vocabulary of one Paxos member: names, ballots, values, lists of members, and what a log remembers. */
import { bytes, type Coded, i64, list, option, struct, text, union } from '../../src/wire/codec.ts';

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

/** A ballot for people: `7 of ams.1f2e…`. */
export function printBallot({ round, node }: Ballot): string {
  return `${round} of ${node === '' ? 'nobody' : node}`;
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

/**
 * A survivor named `by` is being promoted. `parted`: it is this one, and what it takes for chosen above slot `at` need not be what
 * was chosen in this founding; it rests on the word that those named in `gone` never start again.
 */
export const retirementCodec = struct({
  by: text,
  parted: option(struct({ at: i64, gone: list(text) })),
});
export type Retirement = Coded<typeof retirementCodec>;

/** Tags of the records that are about one slot: the log reads it without decoding them. */
export const ACCEPT_TAG = 4;
export const LEARN_TAG = 5;

/** What a node must not forget. The log keeps these in order; their codec is the log's payload. */
export const logRecordCodec = union({
  /** Drawn when the home was found empty. */
  incarnation: [1, struct({ incarnation: text })],
  /** This node joined a founded cluster: its identity from slot 0 on. `genesis` is the state machine's start, opaque here. */
  founded: [2, struct({ state: membersStateCodec, genesis: bytes })],
  promise: [3, struct({ ballot: ballotCodec })],
  /** Accepting is promising. `chosen`: every slot up to it is known chosen, with the value this log last holds. */
  accept: [ACCEPT_TAG, struct({ slot: i64, ballot: ballotCodec, value: valueCodec, chosen: i64 })],
  /** A value known to be chosen, learnt from a peer. */
  learn: [LEARN_TAG, struct({ slot: i64, value: valueCodec, chosen: i64 })],
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
  /** In this founding this life never promises, votes, grants or serves again. */
  retired: [10, retirementCodec],
});
export type LogRecord = Coded<typeof logRecordCodec>;
