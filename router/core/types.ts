/** What goes into the router's core, what comes out, and what it remembers. Times are monotonic milliseconds. */

import type { Key } from '../../src/base/bytes.ts';
import { PATIENCE_MS } from '../../src/base/limits.ts';
import type { Range } from '../../src/keyspace/range.ts';
import type { MapEntry, RangeMap } from '../../src/keyspace/rangemap.ts';
import type { Hint, KeeperMap } from '../../src/protocol/admin/admin.ts';
import type { Field, RouterFigures } from '../../src/protocol/arakoon/statistics.ts';
import type { Answer, Version } from '../../src/protocol/arakoon/values.ts';

/** Something that happened. Each carries the time at which it is handled. */
export type Event =
  /**
   * A client asks. `request` names it until it is answered. Updates of one `origin` take effect in their order;
   * those of origin 0 are independent. `body` stays as it is until the answer. `leftMs`: how long the client still
   * waits; null where it does not say.
   */
  | {
      readonly kind: 'request';
      readonly nowMs: number;
      readonly request: number;
      readonly origin: number;
      readonly leftMs: number | null;
      readonly body: Uint8Array;
    }
  /** A node answered a `send`. */
  | {
      readonly kind: 'reply';
      readonly nowMs: number;
      readonly call: number;
      readonly bytes: Uint8Array;
      readonly hint: Hint | null;
    }
  /** A `send` had no answer. Where it was not `sent` it certainly was not executed. */
  | {
      readonly kind: 'lost';
      readonly nowMs: number;
      readonly call: number;
      readonly why: 'closed' | 'timeout' | 'overloaded';
      readonly sent: boolean;
    }
  /** The keeper's map and client configurations. `changed`: what differs from the map given before; null: perhaps all. */
  | {
      readonly kind: 'map';
      readonly nowMs: number;
      readonly map: KeeperMap;
      readonly changed: readonly MapEntry[] | null;
    }
  /** The keeper cannot be watched, and why; null: it can again. */
  | { readonly kind: 'keeper'; readonly nowMs: number; readonly why: string | null }
  /** The link to a node is up, or is not. */
  | { readonly kind: 'up'; readonly nowMs: number; readonly peer: number }
  | { readonly kind: 'down'; readonly nowMs: number; readonly peer: number }
  /** A `send` has no answer and is not wanted any more: its client is gone, or there was no room for the reply in time. */
  | { readonly kind: 'abandoned'; readonly nowMs: number; readonly call: number; readonly why: string }
  /** The time of the last `wake` has come. */
  | { readonly kind: 'timer'; readonly nowMs: number };

/** Something to be done, in order. Plain data. */
export type Effect =
  | { readonly kind: 'answer'; readonly request: number; readonly answer: Answer }
  /** Ask a node; ends with `reply` or `lost` for `call`, at the latest after `deadlineMs`. */
  | {
      readonly kind: 'send';
      /** The client's request that is read for; null where something may change, or no client waits. */
      readonly request: number | null;
      readonly call: number;
      readonly peer: number;
      readonly body: Uint8Array;
      readonly deadlineMs: number;
    }
  /** Keep a link to this node open. `peer` names it from now on, and is never reused. */
  | {
      readonly kind: 'connect';
      readonly peer: number;
      readonly cluster: string;
      /** The founding that the node must be of; '' fits any. */
      readonly founding: string;
      readonly node: string;
      readonly ips: readonly string[];
      readonly port: number;
    }
  | { readonly kind: 'disconnect'; readonly peer: number }
  /** Give a `timer` event at this time. Replaces the one before. */
  | { readonly kind: 'wake'; readonly atMs: number };

/** Bounds of the router. All but `redirectsMax` may be lowered by tests. */
export type Limits = {
  /** Requests held, and the bytes of their bodies. */
  readonly heldMax: number;
  readonly heldBytes: number;
  /** Bytes of updates that wait behind others of their connection; their number is bounded by the port. */
  readonly queuedBytes: number;
  /** How long a client is taken to wait that does not say. */
  readonly patienceMs: number;
  /** No client is taken to wait longer, whatever it says. */
  readonly patienceMaxMs: number;
  /** How long the router waits for its first map after it has begun; later it says at once that it has none. */
  readonly firstMapMs: number;
  /** How long a node may take for a read before it is asked again. */
  readonly readMs: number;
  /** Redirects of one request in a row. */
  readonly redirectsMax: number;
  /** Bytes of an answer put together from several. */
  readonly gatheredBytes: number;
};

export const LIMITS: Limits = {
  heldMax: 10_000,
  heldBytes: 64 * 1024 * 1024,
  queuedBytes: 256 * 1024 * 1024,
  patienceMs: PATIENCE_MS,
  patienceMaxMs: 60_000,
  firstMapMs: 1000,
  readMs: 10_000,
  redirectsMax: 4,
  gatheredBytes: 32 * 1024 * 1024,
};

/** A node, and whether the link to it is up. */
export type Peer = {
  readonly id: number;
  readonly cluster: Cluster;
  readonly name: string;
  readonly ips: readonly string[];
  readonly port: number;
  isUp: boolean;
  /** Sends without an answer yet. */
  outstanding: number;
  /** No longer in the configuration: to be disconnected once nothing is outstanding. */
  isRetired: boolean;
  /** Whether it is being asked who is master. */
  isAsked: boolean;
};

/** What the router knows of a cluster. */
export type Cluster = {
  readonly id: string;
  /** The founding in force; '' where the keeper does not know. */
  founding: string;
  readonly peers: Map<string, Peer>;
  /** The believed master. Requests go there while its link is up. */
  master: Peer | null;
  /** Requests that wait for a master whose link is up. */
  readonly waiting: Task[];
  /** When its nodes were last asked who is master. */
  askedMs: number;
  /** Until when its master's link takes no more. */
  pausedUntilMs: number;
};

/**
 * One piece of work for one cluster at a time: a client's request, or a part of one that spans clusters.
 * Either waits in exactly one queue, or is in flight, or is done.
 */
export type Task = {
  readonly request: number;
  readonly origin: number;
  readonly isUpdate: boolean;
  /** A read that any node may answer. */
  readonly isStale: boolean;
  readonly arrivedMs: number;
  /** Until when it may wait to be sent; an update that is sent later could not be answered in time. */
  readonly holdUntilMs: number;
  /** When its client hears what is known by then. */
  readonly answerByMs: number;
  /** What is sent; for a part, as last planned. */
  body: Uint8Array;
  /** What it names. */
  keys: readonly Key[];
  ranges: readonly Range[];
  /** The cluster that it must go to, where that does not follow from what it names. */
  readonly to: string | null;
  /** The request that it is a part of. */
  readonly gather: Gather | null;
  /** For a part of a multi-get: which of the request's keys. */
  indices: readonly number[];
  redirects: number;
  /** It had to wait before; it always finds its place again. */
  wasHeld: boolean;
  /** Bytes counted as held; -1 while it is not held. */
  heldBytes: number;
};

/**
 * The updates of one connection, in their order. `active` of them are under way, one or a run, and those in `waiting`
 * come after them.
 */
export type Lane = { active: number; readonly waiting: Task[] };

/** What is in flight under the number of a call. */
export type InFlight =
  | { readonly kind: 'task'; readonly peer: Peer; readonly task: Task }
  /** Several updates of one connection: at least two (src/protocol/arakoon/run.ts). */
  | { readonly kind: 'run'; readonly peer: Peer; readonly tasks: readonly Task[] }
  /** Is this range served there? */
  | { readonly kind: 'probe'; readonly peer: Peer; readonly moving: Moving }
  /** Who is master? */
  | { readonly kind: 'ask'; readonly peer: Peer };

/** A range that some cluster said is moving, or that nobody was found to serve. */
export type Moving = {
  readonly range: Range;
  /** The migration; 0 where unknown. */
  readonly mid: number;
  /** Asked in turn: the target, then the source; all clusters where nobody said who has it. */
  candidates: readonly string[];
  /** Index of the candidate to be asked next. */
  next: number;
  probeAtMs: number;
  pauseMs: number;
  isProbing: boolean;
  /**
   * Who was last seen to serve it, while the map says otherwise. Forgotten with the next range error from there,
   * so that a tentative hint never outlives what was seen.
   */
  owner: string | null;
  /** Replaced by newer knowledge; a probe's answer no longer counts. */
  isOver: boolean;
  readonly held: Task[];
};

/** A request that may span clusters, while its parts come in. */
export type Gather = RangeGather | KeysGather | CountGather;

type GatherBase = {
  /** The client's own bytes: forwarded and answered as they are where one cluster owns everything. */
  readonly body: Uint8Array;
  isDone: boolean;
};

export type RangeGather = GatherBase & {
  readonly kind: 'range';
  readonly form: 'range' | 'rangeEntries' | 'revRangeEntries';
  readonly isStale: boolean;
  /** From the high end downwards. */
  readonly isDescending: boolean;
  /** What is still to be asked. */
  lo: Key;
  hi: Key | null;
  /** Elements still wanted; below 0: all. */
  left: number;
  /** The part under way: the whole request in the client's own bytes, or the piece that is asked. */
  isWhole: boolean;
  piece: Range | null;
  /** Elements of each part's list, encoded, in the order asked. */
  readonly chunks: Uint8Array[];
  count: number;
  bytes: number;
};

export type KeysGather = GatherBase & {
  readonly kind: 'keys';
  readonly isOptional: boolean;
  readonly isStale: boolean;
  readonly keys: readonly Key[];
  /** Null: missing. Filled in as parts arrive. */
  readonly values: (Uint8Array | null)[];
  pending: number;
  bytes: number;
};

export type CountGather = GatherBase & { readonly kind: 'count'; pending: number; sum: number };

/** Counters since the start; for people. */
export type Counters = {
  requests: number;
  updates: number;
  answers: number;
  /** Answers by a node that it is not master, or does not serve the range. */
  redirects: number;
  /** Requests that had to wait, and those refused because too many did or the wait was too long. */
  holds: number;
  holdsRefused: number;
  holdsExpired: number;
  /** Updates whose fate nobody knows. */
  maybeApplied: number;
  probes: number;
  /** Requests answered from several clusters. */
  gathered: number;
  /** Runs sent, and the updates in them. */
  runs: number;
  runUpdates: number;
};

/** All that the router remembers. Only `step` changes it, in place. */
export type Router = {
  readonly name: string;
  /** What clients' prologues and pings must say. */
  readonly clusterId: string;
  readonly version: Version;
  readonly limits: Limits;
  /** What became of connections, as the driver counts it. */
  readonly seats: RouterFigures | null;
  /** Arakoon's statistics of what it was asked, as they are when they are asked for; null: nobody counts. */
  readonly recorded: (() => readonly Field[]) | null;
  /** As the keeper gave it; null before the first. */
  keeper: KeeperMap | null;
  /** Why the keeper cannot be watched, as last heard; null where it can, or nothing was heard yet. */
  keeperWhy: string | null;
  /** The keeper's map with confirmed hints of higher epochs. */
  view: RangeMap;
  /** The view, with who was seen to serve what moves. What requests are routed by. */
  effective: RangeMap;
  readonly clusters: Map<string, Cluster>;
  readonly peers: Map<number, Peer>;
  readonly inFlight: Map<number, InFlight>;
  lastCall: number;
  lastPeer: number;
  /** Every range with trouble; those without `owner` hold requests. */
  readonly moving: Moving[];
  /** How many of them hold. */
  holding: number;
  /** Some entry names a founding of a cluster that is not in force: its keys wait for another map. */
  hasDead: boolean;
  /** Requests for such keys. */
  readonly strayed: Task[];
  /** Requests that wait for the first map, and until when they may. */
  readonly unmapped: Task[];
  readonly firstMapByMs: number;
  /** Per origin with an update under way. */
  readonly lanes: Map<number, Lane>;
  held: number;
  heldBytes: number;
  queuedBytes: number;
  /** Tasks to be routed in this step, in order. */
  readonly todo: Task[];
  /** Effects of this step. */
  effects: Effect[];
  /** When the timer is set for. */
  wakeAtMs: number;
  readonly counters: Counters;
};
