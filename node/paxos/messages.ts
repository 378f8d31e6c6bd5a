/** What members say to each other. Each message that could change a state names the cluster's incarnation. */
import { bool, bytes, type Coded, i64, list, option, struct, text, union } from '../../src/wire/codec.ts';
import { ballotCodec, membersStateCodec, type Slot, type Value, valueCodec } from './values.ts';

/** An accepted value as an acceptor reports it: the highest ballot it accepted in that slot, and the value. */
export const acceptedEntryCodec = struct({ slot: i64, ballot: ballotCodec, value: valueCodec });
export type AcceptedEntry = Coded<typeof acceptedEntryCodec>;

export const messageCodec = union({
  // Founding and joining.
  /**
   * From an empty home (no cluster), or from one that has no vote or lacks what was chosen: does anyone belong to a cluster, or
   * hold more? `echo` repeats the `challenge` of the receiver's last report to this life, 0 where there was none.
   * `isRetired`: it asks for what was chosen alone, and is never admitted again.
   */
  ask: [1, struct({ cluster: text, chosen: i64, votes: bool, eligible: bool, isRetired: bool, echo: i64 })],
  /** To an `ask` of the life `asker`: the cluster's founding, or null from an empty home. `active`: all members had joined. */
  report: [
    2,
    struct({
      asker: text,
      founded: option(struct({ state: membersStateCodec, genesis: bytes })),
      active: bool,
      /** What the sender holds: a newcomer catches up although there may be no master. */
      chosen: i64,
      /** An empty home that founds with `--bootstrap`: of several, the first by name does. */
      bootstrap: bool,
      /** To be repeated in the next `ask`: only the present life of a home hears it. */
      challenge: i64,
    }),
  ],
  /** The sender has durably joined; `active`: it knows that all founding members have. */
  joined: [3, struct({ cluster: text, active: bool })],
  // Phase 1.
  /** Would you promise? Changes nothing, so that a lonely node does not drive ballots up. */
  canvass: [10, struct({ cluster: text, chosen: i64 })],
  favour: [11, struct({ cluster: text, granted: bool, promised: ballotCodec, chosen: i64 })],
  prepare: [12, struct({ cluster: text, ballot: ballotCodec, from: i64 })],
  /**
   * Every accepted value from the slot asked for on, and above `chosen`, up to which the sender holds what is chosen. It counts
   * for a candidate that itself holds everything up to `floor`: up to there the sender has forgotten its votes, and all
   * was chosen. `upTo`: the report ends there, being too long; it does not count, but tells what it tells.
   */
  promise: [
    13,
    struct({
      cluster: text,
      ballot: ballotCodec,
      accepted: list(acceptedEntryCodec),
      chosen: i64,
      floor: i64,
      upTo: option(i64),
    }),
  ],
  /** The acceptor has promised `promised`, which is higher than what it was sent. */
  nack: [14, struct({ cluster: text, promised: ballotCodec })],
  // Phase 2.
  accept: [20, struct({ cluster: text, ballot: ballotCodec, slot: i64, value: valueCodec, chosen: i64 })],
  accepted: [21, struct({ cluster: text, ballot: ballotCodec, slot: i64 })],
  // Lease and watermark.
  /** `sentAtMs` is the master's clock, echoed: the master counts its lease from it. */
  heartbeat: [30, struct({ cluster: text, ballot: ballotCodec, chosen: i64, sentAtMs: i64 })],
  /** `votes`: the sender may vote; one that may not, though it is a member by name, asks for admission by this. */
  granted: [
    31,
    struct({
      cluster: text,
      ballot: ballotCodec,
      sentAtMs: i64,
      chosen: i64,
      applied: i64,
      votes: bool,
      /** The sender would be master: it has a vote, holds what its log has dropped, and was not dropped on request. */
      eligible: bool,
    }),
  ],
  /** The master gives up its lease; `successor` may campaign first (empty: anyone). */
  release: [32, struct({ cluster: text, ballot: ballotCodec, successor: text })],
  /**
   * In a cluster of two: the sender has durably cut off the receiver's former life, and this is all it promised,
   * accepted and knows to be chosen.
   */
  adopted: [
    33,
    struct({
      cluster: text,
      incarnation: text,
      promised: ballotCodec,
      accepted: list(acceptedEntryCodec),
      chosen: i64,
    }),
  ],
  /** To a life that was replaced or removed, and need not know: it has nothing more to say here. */
  over: [34, struct({ cluster: text, incarnation: text })],
  // Rescue.
  /** By an operator's order: never vote again in this founding, and say what you accepted from slot `from` on. */
  retire: [50, struct({ cluster: text, from: i64 })],
  /**
   * As `promise` reports it, from slot `from` on. `known`: up to there all was chosen, as the sender heard, whether it holds it or
   * not. `why`: the sender has not retired.
   */
  retired: [
    51,
    struct({
      cluster: text,
      from: i64,
      accepted: list(acceptedEntryCodec),
      chosen: i64,
      known: i64,
      floor: i64,
      upTo: option(i64),
      why: option(text),
    }),
  ],
  // Catching up.
  fetch: [40, struct({ cluster: text, from: i64, request: i64 })],
  /** Chosen values from the first slot asked for on; `firstLogSlot` is the first that the sender's log still has. */
  entries: [
    41,
    struct({
      request: i64,
      entries: list(struct({ slot: i64, value: valueCodec })),
      firstLogSlot: i64,
      chosen: i64,
    }),
  ],
});
export type Message = Coded<typeof messageCodec>;

/** The message of that kind. */
export type Of<K extends Message['kind']> = Extract<Message, { kind: K }>;

/** The answer to a peer that is behind, from what the log holds; empty where the log no longer reaches back. */
export function entriesMessage(
  serve: { readonly request: number; readonly upTo: Slot },
  entries: readonly { readonly slot: Slot; readonly value: Value }[],
  firstLogSlot: Slot,
): Message {
  return { kind: 'entries', request: serve.request, entries: [...entries], firstLogSlot, chosen: serve.upTo };
}
