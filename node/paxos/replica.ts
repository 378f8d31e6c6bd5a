/** The state of one member, and the questions that every rule asks of it. Only the rules beside it write to it. */

import { includesLife } from '../../src/identity/founding.ts';
import type { Effect, Recovered, ReplicaConfig } from './contract.ts';
import type { AcceptedEntry, Message } from './messages.ts';
import {
  type Ballot,
  type Incarnation,
  type LogRecord,
  type Member,
  type MembersState,
  NO_BALLOT,
  type NodeName,
  type RecordNumber,
  type Retirement,
  type Slot,
  type Value,
} from './values.ts';

/** A proposal that is not yet known chosen, at the master that made it. */
export type Flight = {
  readonly value: Value;
  /** Id of the caller's `propose`; null for no-ops, adopted values and changes of members. */
  readonly proposal: number | null;
  /** Lives (`proposerOf`) that accepted it durably. */
  readonly votes: Set<string>;
  /** Own log record; this node's vote counts once it is durable. */
  readonly record: RecordNumber;
  sentMs: number;
};

/** What one acceptor promised to this candidate. */
export type Promised = {
  readonly incarnation: Incarnation;
  readonly accepted: readonly AcceptedEntry[];
  /** The admissions among them: looked at again and again. */
  readonly admissions: readonly Value[];
  /** Up to here it holds what is chosen. */
  readonly chosen: Slot;
  /** Up to here every slot was chosen, and it has forgotten its votes. */
  readonly floor: Slot;
  /** The report is complete up to this slot; null where it is so altogether. */
  readonly upTo: Slot | null;
};

/** Asks others whether they would promise, before it takes a ballot. */
export type Canvassing = { readonly kind: 'canvassing'; readonly favours: Map<NodeName, Incarnation> };
/** In phase 1. */
export type Preparing = {
  readonly kind: 'preparing';
  readonly ballot: Ballot;
  readonly promises: Map<NodeName, Promised>;
};
/** Phase 1 is done; `promises` stay, since a new list of members needs that list's quorum of them. */
export type Mastering = {
  readonly kind: 'master';
  readonly ballot: Ballot;
  readonly promises: Map<NodeName, Promised>;
  /** The promises in hand are no quorum of the list in force: what those that come still report is adopted first. */
  lacksPromises: boolean;
  /** When they last were one (ms). */
  promisedMs: number;
  /** Values that phase 1 reported, still to be proposed in slot order. */
  adopt: { readonly slot: Slot; readonly value: Value }[];
  /** The next slot that nobody, as far as phase 1 saw, has proposed in. */
  nextSlot: Slot;
  readonly flights: Map<Slot, Flight>;
  /** Slot of an undecided change of members: nothing is proposed above it. */
  changeSlot: Slot | null;
  /** Slot of the last change that was proposed, decided or not; who has not seen it cannot say what it still lacks. */
  lastChangeSlot: Slot;
  /** First slot of this mastership's own; reads wait until it is applied. 0 until it is proposed. */
  ownSlot: Slot;
  /** When the newest acknowledged heartbeat of each voter was sent (this node's clock, ms), by life. */
  readonly grants: Map<string, number>;
  lastHeartbeatMs: number;
  /** When a quorum last backed the lease, or phase 1 was won (ms). */
  quorumMs: number;
  announced: Slot;
  /** Giving up: finishes what is in flight, then releases the lease to this successor ('' = anyone). */
  draining: { readonly successor: NodeName; readonly untilMs: number } | null;
};
/** Neither campaigns nor is master. */
export type Following = { readonly kind: 'following' };
export type Role = Following | Canvassing | Preparing | Mastering;

/** What a peer last told of itself. */
export type Peer = {
  readonly incarnation: Incarnation;
  readonly heardMs: number;
  readonly chosen: Slot;
  readonly applied: Slot;
  readonly votes: boolean;
  /** It would be master (`isEligible`). */
  readonly eligible: boolean;
};

/** What a survivor that is being promoted has gathered. */
export type Promotion = {
  /** Those that never start again, by the operator's word. */
  readonly gone: readonly NodeName[];
  /** All from that slot on may be given up, where a slot is lost; null: nothing. */
  loseFrom: Slot | null;
  /** What each of the others voted, once it has retired. */
  readonly reports: Map<NodeName, Promised>;
  /** Why one has not. */
  readonly refusals: Map<NodeName, string>;
  untilMs: number;
  askedMs: number;
  /** When all had reported (ms); null before. */
  reportedMs: number | null;
  isDone: boolean;
};

export type Replica = {
  readonly config: ReplicaConfig;
  readonly recovered: Recovered;
  incarnation: Incarnation;
  /** Record that makes this life durable (0: an earlier process's); nobody hears of a life that may be forgotten. */
  bornRecord: RecordNumber;
  nextRecord: RecordNumber;
  syncedRecord: RecordNumber;
  /** Last random number that a tick brought; jitter of elections. */
  random: number;
  startedMs: number;

  /** How the cluster began, and the record that makes this node's joining durable (0: an earlier life's). */
  founded: {
    readonly state: MembersState;
    readonly genesis: Uint8Array;
    readonly record: RecordNumber;
  } | null;
  /** All founding members have durably joined. */
  active: boolean;
  readonly joined: Set<NodeName>;
  /** Empty homes that answered this founder, with their lives. */
  readonly emptyHomes: Map<NodeName, Incarnation>;
  /** Empty homes that found with `--bootstrap`. */
  readonly bootstrapping: Set<NodeName>;
  /** Whether a cluster may be founded at all. */
  mayFound: boolean;
  /** The life of each peer to which this empty home said that it is empty, and when it last did. */
  readonly saidEmptyTo: Map<NodeName, { readonly incarnation: Incarnation; readonly atMs: number }>;
  lastAskMs: number;
  readonly foreign: Set<NodeName>;
  /** Peers at whose place there is a founding that this one took the place of. */
  readonly formers: Set<NodeName>;

  promised: Ballot;
  promisedRecord: RecordNumber;
  /** Accepted, not known chosen: slots above `chosen` only. */
  readonly accepted: Map<Slot, { readonly ballot: Ballot; readonly value: Value }>;
  /** What this node holds: every slot up to it is known chosen, with its value, and given to the state machine. */
  chosen: Slot;
  /** Highest slot that is known chosen by anyone, whether or not its value is here; forgotten votes tell of some, too. */
  watermark: Slot;
  applied: Slot;
  /** Members in force above `chosen`. */
  members: MembersState;
  /** Lives that this node has cut off and that the replicated state need not know of: they were never admitted. */
  readonly cutOff: Set<string>;
  /** Newest life of a node that this one durably recorded; of itself: it may vote. */
  readonly supersededBy: Map<NodeName, { readonly incarnation: Incarnation; readonly record: RecordNumber }>;

  role: Role;
  /** To whom this acceptor granted a lease, and until when it refuses other proposers (ms). */
  grant: { readonly ballot: Ballot; readonly untilMs: number } | null;
  /** A restarted node has forgotten what it granted: until then it promises to the proposer of its last promise alone. */
  waitUntilMs: number;
  electionAtMs: number;
  /** After giving up mastership: does not campaign before (ms). */
  abstainUntilMs: number;
  highestRound: number;
  readonly peers: Map<NodeName, Peer>;
  /** When each member was last heard, in the life that is in force (ms). */
  readonly heardMs: Map<NodeName, number>;
  /** Of other nodes the lives that say that they have retired: they elect nobody, ever. */
  readonly retirees: Map<NodeName, Incarnation>;
  fetching: { readonly request: number; readonly from: NodeName; readonly untilMs: number } | null;
  nextRequest: number;
  /** The last question of each peer that is behind, until the records that it is about are durable. */
  readonly serves: Map<
    NodeName,
    { readonly from: Slot; readonly upTo: Slot; readonly request: number; readonly after: RecordNumber }
  >;
  /** Whose snapshot is being copied; nothing else is fetched meanwhile. */
  installing: NodeName | null;
  /** What each peer last said that it holds, and when (ms). */
  readonly holders: Map<NodeName, { readonly chosen: Slot; readonly heardMs: number }>;
  /** What this node holds, and since when (ms): whether it is getting on. */
  lookedAt: { chosen: Slot; sinceMs: number };
  /** What it last told people that it waits for, and when (ms). */
  waiting: { said: string; saidMs: number };
  /** The number that a life of each peer must repeat before it is believed to be the present one. */
  readonly challenges: Map<NodeName, { readonly incarnation: Incarnation; readonly number: number }>;
  /** Repeated by this life in what it asks each peer. */
  readonly echoes: Map<NodeName, number>;
  nextChallenge: number;
  /** Mastership was dropped on request: others come first until the process ends. */
  isDropped: boolean;
  /** In this founding this life never promises, votes, grants or serves again: by the order that promotes a survivor. */
  retired: (Retirement & { readonly record: RecordNumber }) | null;
  /** The order that promotes this node, while it is repeated. */
  promotion: Promotion | null;
};

const NOBODY: MembersState = { cluster: '', members: [], superseded: [] };

/** A member as it wakes up with what its disk held. The first event must be `start`. */
export function createReplica(config: ReplicaConfig, recovered: Recovered): Replica {
  const { founded, promised, applied } = recovered;
  return {
    config,
    recovered,
    incarnation: recovered.incarnation ?? '',
    bornRecord: 0,
    nextRecord: 1,
    syncedRecord: 0,
    random: 0,
    startedMs: 0,
    founded: founded === null ? null : { ...founded, record: 0 },
    active: founded !== null && (promised.round > 0 || recovered.chosen > 0 || applied > 0),
    joined: new Set(),
    emptyHomes: new Map(),
    bootstrapping: new Set(),
    mayFound: config.asksFirst !== true,
    saidEmptyTo: new Map(),
    lastAskMs: Number.NEGATIVE_INFINITY,
    foreign: new Set(),
    formers: new Set(),
    promised,
    promisedRecord: 0,
    accepted: new Map(),
    chosen: applied,
    watermark: Math.max(recovered.chosen, applied, recovered.firstLogSlot - 1),
    applied,
    members: recovered.members ?? founded?.state ?? NOBODY,
    cutOff: cutOffIn(recovered.superseded),
    supersededBy: new Map(
      recovered.superseded.map(({ node, incarnation }) => [node, { incarnation, record: 0 }]),
    ),
    role: { kind: 'following' },
    grant: null,
    waitUntilMs: 0,
    electionAtMs: 0,
    abstainUntilMs: 0,
    highestRound: promised.round,
    peers: new Map(),
    heardMs: new Map(),
    retirees: new Map(),
    fetching: null,
    nextRequest: 1,
    serves: new Map(),
    installing: null,
    holders: new Map(),
    lookedAt: { chosen: applied, sinceMs: 0 },
    waiting: { said: '', saidMs: Number.NEGATIVE_INFINITY },
    challenges: new Map(),
    echoes: new Map(),
    nextChallenge: 1,
    isDropped: false,
    retired: recovered.retired === undefined ? null : { ...recovered.retired, record: 0 },
    promotion: null,
  };
}

/** Of the lives that one node was recorded to have, all but the last are over. */
function cutOffIn(recorded: readonly Member[]): Set<string> {
  const newest = new Map(recorded.map((member) => [member.node, member.incarnation]));
  const over = recorded.filter(({ node, incarnation }) => newest.get(node) !== incarnation);
  return new Set(over.map(lifeOf));
}

/** Asks for a durable record, and returns its number. */
export function persist(replica: Replica, out: Effect[], entry: LogRecord): RecordNumber {
  const record = replica.nextRecord;
  replica.nextRecord += 1;
  out.push({ kind: 'persist', record, entry });
  return record;
}

/** Sends, once record `after` is durable (0: at once). */
export function send(out: Effect[], to: NodeName, message: Message, after: RecordNumber = 0): void {
  out.push({ kind: 'send', to, message, after });
}

/** One life of a node, as ballots and votes name it. */
export function lifeOf(member: Member): string {
  return `${member.node}.${member.incarnation.slice(0, 12)}`;
}

/** This node's own life. */
export function ownLife(replica: Replica): string {
  return lifeOf({ node: replica.config.node, incarnation: replica.incarnation });
}

/** Name of the node that a ballot belongs to; empty for no ballot. */
export function proposerOf(ballot: Ballot): NodeName {
  return ballot === NO_BALLOT || ballot.node === '' ? '' : ballot.node.slice(0, ballot.node.lastIndexOf('.'));
}

/** Up to here every slot was chosen, and this log has forgotten what it voted there. */
export function floorOf(replica: Replica): Slot {
  return replica.recovered.firstLogSlot - 1;
}

/**
 * Whether this node's store is gone, or older than its log: what is missing was chosen, and neither log nor store has it
 * (docs/architecture.md, "A lost store").
 */
export function isShort(replica: Replica): boolean {
  return replica.chosen < Math.max(floorOf(replica), replica.recovered.chosen);
}

/** This node votes above it alone: below, its word might be taken for what was chosen there. */
export function votesAbove(replica: Replica): Slot {
  return Math.max(replica.chosen, floorOf(replica), replica.recovered.chosen);
}

/**
 * The list by which this node knows whom to ask and to favour, and whether it may vote. That of what it holds; while it is short
 * the list just below its log, since the other one may be long outdated. Votes are never counted by it. Null: not known.
 */
export function knownMembers(replica: Replica): MembersState | null {
  return replica.chosen < floorOf(replica) ? replica.recovered.floorMembers : replica.members;
}

/**
 * The members whose votes count above `chosen`. In a list of two, a wiped member stands in for its former life as
 * soon as the other has durably recorded it: no quorum goes without that other one, which has forgotten nothing.
 */
export function votersOf(replica: Replica, list: MembersState = replica.members): readonly Member[] {
  const { members } = list;
  if (members.length !== 2) return members;
  return members.map((member) => {
    const newer = newestOf(replica, member.node, list);
    return newer === null || newer.record > replica.syncedRecord
      ? member
      : { node: member.node, incarnation: newer.incarnation };
  });
}

/** The life that this node recorded as the newest of `node`, unless the members' state knows that it ended. */
export function newestOf(
  replica: Replica,
  node: NodeName,
  list: MembersState = replica.members,
): { readonly incarnation: Incarnation; readonly record: RecordNumber } | null {
  const newest = replica.supersededBy.get(node);
  if (newest === undefined) return null;
  const { incarnation } = newest;
  const ended = includesLife(list.superseded, { node, incarnation });
  return ended ? null : newest;
}

/** Votes that choose a value: a majority of the members in force. */
export function quorumOf(replica: Replica): number {
  return Math.floor(replica.members.members.length / 2) + 1;
}

/** Whether `node`, in this life, is among those whose votes count. */
export function isVoter(
  replica: Replica,
  node: NodeName,
  incarnation: Incarnation,
  list: MembersState = replica.members,
): boolean {
  return includesLife(votersOf(replica, list), { node, incarnation });
}

/**
 * Whether this node may vote and campaign: a member in this very life, and either a founding member or one whose
 * admission it applied, durably recorded (docs/architecture.md, "Members").
 */
export function mayVote(replica: Replica): boolean {
  const { config, incarnation, founded, supersededBy, active } = replica;
  const list = knownMembers(replica);
  if (founded === null || !active || list === null || replica.retired !== null) return false;
  if (!isVoter(replica, config.node, incarnation, list)) return false;
  const entitled = supersededBy.get(config.node);
  if (entitled?.incarnation === incarnation) return true;
  return includesLife(founded.state.members, { node: config.node, incarnation });
}

/** Whether this node would be master, if there were need of one. */
export function isEligible(replica: Replica): boolean {
  const { isDropped, config } = replica;
  const isBarred = isDropped && config.forcedMaster !== config.node;
  return mayVote(replica) && !isShort(replica) && !isBarred;
}

/** Everyone this node talks to: members in force and those that the INI wishes, without itself. */
export function othersOf(replica: Replica): NodeName[] {
  const names = new Set(replica.config.wished);
  for (const { node } of replica.members.members) names.add(node);
  if (isShort(replica)) for (const { node } of replica.recovered.floorMembers?.members ?? []) names.add(node);
  names.delete(replica.config.node);
  return [...names];
}

/** Until when the master's lease lasts (ms): from when the heartbeats acknowledged by a quorum were sent, less the drift. */
export function leaseUntilMs(replica: Replica, master: Mastering): number {
  const needed = quorumOf(replica) - 1; // this node never promises to another while it believes in its lease
  if (needed === 0) return Number.POSITIVE_INFINITY;
  const sentMs = votersOf(replica)
    .filter((member) => member.node !== replica.config.node)
    .map((member) => master.grants.get(lifeOf(member)) ?? Number.NEGATIVE_INFINITY)
    .sort((a, b) => b - a);
  const { leaseMs, driftMs } = replica.config;
  return (sentMs[needed - 1] ?? Number.NEGATIVE_INFINITY) + leaseMs - driftMs;
}
