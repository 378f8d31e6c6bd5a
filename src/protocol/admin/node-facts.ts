/** What a node says of itself: its state, and what is so at present that ought not to be, since when. */
import { ownedCodec } from '../../identity/founding.ts';
import { NO_PLACES } from '../../identity/places.ts';
import { bool, type Coded, f64, i64, key, list, oneOf, option, struct, text } from '../../wire/codec.ts';
import { adoptions } from './orders.ts';

/** The slot that a backup has, and when it was begun, by the clock of whoever took it (ms since 1970). */
export const backupCodec = struct({ slot: i64, takenMs: i64 });
export type NotedBackup = Coded<typeof backupCodec>;

export const nodeStatusCodec = struct({
  cluster: text,
  node: text,
  role: text,
  master: option(text),
  applied: i64,
  chosen: i64,
  /** First slot that the node's log still has. */
  firstLogSlot: i64,
  /** For people: what the node waits for, and for whom. */
  waitsFor: option(text),
  members: list(struct({ node: text, seen: bool, applied: i64 })),
  owned: list(ownedCodec),
  /** Of the ranges that the cluster serves; counted by the master alone, 0 elsewhere. */
  keys: i64,
  /** What people call the node's place; '' where they do not. */
  label: text,
  /** '' before the cluster is founded. */
  founding: text,
  /** Founding of the keeper that the cluster is bound to; '' where it is in no nursery (yet). */
  keeper: text,
  /** What an operator should know of: one sentence each. */
  notes: list(text),
  /** The last backup that was noted here; null where there is none. */
  backup: option(backupCodec),
  ...adoptions,
});
export type NodeStatus = Coded<typeof nodeStatusCodec>;

/** What can be so at a node that ought not to be, or not for long; what each is about stands in `subject`. */
export const CONDITIONS = [
  /** It knows no master with a lease. */
  'noMaster',
  /** It waits for something, or somebody, and does not do its part before. */
  'waits',
  /** It serves nothing before its keeper has spoken: of the whole cluster (`keeper`), or of a rescue (`succession`). */
  'refuses',
  /** Its disk has no room. */
  'full',
  /** Its store differs from another one, and nobody can say which is right; or it is damaged. */
  'store',
  /** As master: it has not heard of this member or learner for a lease. */
  'unseen',
  /** As master: this member or learner has not applied what was chosen a while ago. */
  'behind',
  /** As master: its file names this node, and it is no member (yet). */
  'absent',
  /** A range is sealed for this migration. */
  'sealed',
  /** As the keeper's master: nobody notes progress of this migration. */
  'still',
  /** A note of the node's own on this subject. */
  'note',
] as const;

/** `sinceMs`: when the node first saw it so, by its own clock (ms since 1970). */
export const conditionCodec = struct({
  kind: oneOf(...CONDITIONS),
  subject: text,
  detail: text,
  sinceMs: i64,
});
export type Condition = Coded<typeof conditionCodec>;

/** Whose link a node holds, and since when by its clock (ms since 1970). */
export const visitorCodec = struct({ role: text, node: text, remote: text, sinceMs: i64 });
export type Visitor = Coded<typeof visitorCodec>;

/** What a command that moves ranges is called; others that move look after all moves, and plan by themselves where that is wished. */
export const COMMAND_NODE = 'command';

/** Whether one of those who are connected to these nodes may plan and move by itself; null where a node that could say does not. */
export function attendedBy(nodes: readonly (Pick<NodeFacts, 'visitors'> | null)[]): boolean | null {
  const may = ({ role, node }: Visitor): boolean => role === 'router' || node !== COMMAND_NODE;
  const isThere = nodes.some((facts) => facts?.visitors.some(may) === true);
  return isThere || (nodes.length > 0 && !nodes.includes(null) ? isThere : null);
}

/** What the store counts of one range that its cluster owns. */
export const rangeCountCodec = struct({ lo: key, hi: option(key), keys: i64, bytes: i64 });
export type RangeCount = Coded<typeof rangeCountCodec>;

/** So much a second, over the last ten seconds, minute, and ten minutes; over less after a start. */
const ratesCodec = struct({ s10: f64, m1: f64, m10: f64 });
export type Rates = Coded<typeof ratesCodec>;

/** What was asked of a range at one node, and answered: requests by the first key that they name, with the bytes of both. */
const rangeLoadCodec = struct({
  lo: key,
  hi: option(key),
  epoch: i64,
  reads: ratesCodec,
  writes: ratesCodec,
  bytes: ratesCodec,
});
export type RangeLoad = Coded<typeof rangeLoadCodec>;

/** The busiest ranges of a node, and the keys that were asked for most, with how often a second at least. */
export const loadCodec = struct({
  ranges: list(rangeLoadCodec),
  hottest: list(struct({ key, perSecond: f64 })),
});
export type Load = Coded<typeof loadCodec>;
export const NO_LOAD: Load = { ranges: [], hottest: [] };

/**
 * Where a node is, by the names in its file, '' where it says nothing; which of them several members may share; and among which clusters
 * ranges are evened out.
 */
export const placesCodec = struct({
  disk: text,
  machine: text,
  rack: text,
  mayShare: list(text),
  pool: text,
});
export type SharedPlaces = Coded<typeof placesCodec>;
export const NOWHERE: SharedPlaces = { ...NO_PLACES, mayShare: [], pool: '' };
/** What the store counts from `lo` on, up to the next one: how the keys and bytes of a node lie, finely. */
export const bucketCodec = struct({ lo: key, keys: i64, bytes: i64 });
export type CountedBucket = Coded<typeof bucketCodec>;

/** All of it, at one moment of the node's clock, `atMs` (ms since 1970). */
export const nodeFactsCodec = struct({
  version: text,
  atMs: i64,
  status: nodeStatusCodec,
  conditions: list(conditionCodec),
  visitors: list(visitorCodec),
  /** As of `countedMs`; null where the store is being counted still. */
  counts: option(list(rangeCountCodec)),
  countedMs: i64,
  /** Rows that were flushed and not merged yet: of these `counts` only know how many of the last ones were new. */
  unmergedRows: i64,
  load: loadCodec,
  places: placesCodec,
  /** Of the file system that its home lies on, as of a second ago; null where nobody has looked. */
  freeBytes: option(i64),
});
export type NodeFacts = Coded<typeof nodeFactsCodec>;
