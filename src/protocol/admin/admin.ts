/**
 * What our own processes ask of a cluster over links, beside the client's commands: the migration protocol,
 * the keeper's records, ownership (docs/architecture.md, "Moving a range").
 *
 * Two requests, told apart by the code in their first four bytes as client requests are:
 *
 *     command := int 0xb1ff0080, adminCommand     an update: goes through the log, master only
 *     query   := int 0xb1ff0081, adminQuery       a read: answered from applied state
 *
 * The answer is int return code; 0 is followed by adminAnswer (a refusal by the protocol, such as `fenced`, is
 * an answer too), any other by a string. In the log the command is an update of kind 0x80.
 *
 * Intervals of keys are half-open, `[from, to)`, `to` null where unbounded; a cursor is the first key not yet
 * copied, and has come to the end when it equals the range's `hi`.
 */

import {
  bindingCodec,
  claimedAddressCodec,
  clusterConfigCodec,
  introductionCodec,
  keeperRefCodec,
  knownClusterCodec,
  ownedCodec,
  selfCodec,
  standingCodec,
} from '../../identity/founding.ts';
import { digestCodec } from '../../keyspace/digest.ts';
import { mapEntryCodec, rangeMapCodec } from '../../keyspace/rangemap.ts';
import {
  bool,
  bytes,
  type Codec,
  type Coded,
  encode,
  i64,
  key,
  list,
  oneOf,
  option,
  Reader,
  struct,
  text,
  u8,
  u32,
  union,
  Writer,
} from '../../wire/codec.ts';
import { autoAnswerCodec, autoSettingsCodec } from './auto.ts';
import {
  functionsPageCodec,
  functionsStatusCodec,
  type SaysFunctions,
  takeFunctionsCodec,
  withFunctions,
} from './functions.ts';
import {
  abortCodec,
  lastProgressCodec,
  lastReceiptCodec,
  migrationCodec,
  planCodec,
  planMergeCodec,
} from './migration.ts';
import { backupCodec, bucketCodec, nodeFactsCodec, nodeStatusCodec } from './node-facts.ts';
import {
  belongingsCodec,
  confirmationCodec,
  installationCodec,
  orderCodec,
  outcomeCodec,
  replacementCodec,
} from './orders.ts';
import { withWaited } from './waited.ts';

export {
  type ClusterConfig,
  clusterConfigCodec,
  type KnownCluster,
  type NodeAddress,
  type Owned,
  ownedCodec,
} from '../../identity/founding.ts';
export {
  type Foundings,
  type Merged,
  type Migration,
  NO_PROGRESS,
  type Progress,
  type Receipt,
  type Rescued,
} from './migration.ts';

export { backupCodec, type NodeStatus, type NotedBackup, nodeStatusCodec } from './node-facts.ts';
export {
  type Belongings,
  type Confirmation,
  KEEPERS_MAX,
  type Order,
  type Outcome,
  orderCodec,
  outcomeCodec,
  type Replacement,
} from './orders.ts';

/** Request code, and kind of update in the log, of an adminCommand. */
export const ADMIN_COMMAND = 0x80;
/** Request code of an adminQuery. */
export const ADMIN_QUERY = 0x81;
/** High half of the first int of every request. */
export const MAGIC = 0xb1ff0000;

/** What every migration command carries: migration id, coordinator's token, floor, range, and the cluster at the other end. */
const header = { mid: i64, token: i64, floor: i64, lo: key, hi: option(key), peer: text };
export const headerCodec = struct(header);
export type Header = Coded<typeof headerCodec>;

/** A row of a range: kind 0 data, 1 completion record; value null where the row is gone. */
export const rowCodec = struct({ kind: u8, key, value: option(bytes) });
export type Row = Coded<typeof rowCodec>;

/** Kinds of page. */
export const PAGE_COPY = 0;
export const PAGE_DIRTY = 1;

const seal = { sealSlot: i64, digest: digestCodec };

/** Commands that stand alone. Tags are never reused: logs hold them. */
const plainCommandCodec = union({
  // Ownership without migration: the first cluster of a nursery takes everything.
  assume: [1, struct({ epoch: i64 })],
  // At the target.
  beginImport: [10, struct(header)],
  page: [
    11,
    struct({ ...header, seq: i64, asOf: i64, page: u8, from: key, to: option(key), rows: list(rowCodec) }),
  ],
  activate: [12, struct({ ...header, seq: i64, ...seal })],
  abandon: [13, struct(header)],
  // At the source.
  beginExport: [20, struct(header)],
  setBase: [21, struct({ ...header, base: digestCodec })],
  trim: [22, struct({ ...header, from: key, to: option(key), slot: i64 })],
  seal: [23, struct({ ...header, rowsMax: i64, bytesMax: i64 })],
  unseal: [24, struct(header)],
  release: [25, struct(header)],
  /** As `unseal`, but only where the range is not sealed: else the target is asked first. */
  cancel: [26, struct(header)],
  /** By an order, since the target is dead: a sealed range is served again as of the seal, at another epoch. */
  takeBack: [27, struct({ ...header, epoch: i64 })],
  // At the owner.
  /** Neighbouring ranges that it owns become one, whose epoch is the mid. */
  merge: [28, struct(header)],
  // Proposed by a cluster's own master.
  cleanupStep: [30, struct({ mid: i64, rowsMax: u32 })],
  /** Changes nothing: each replica takes the digest of the next rows of its whole store, from store key `from` on. */
  scrub: [31, struct({ from: key, rowsMax: u32 })],
  /** This cluster belongs to that keeper, from now on and for ever. */
  bind: [32, bindingCodec],
  /** A backup holds what this cluster had at `slot`. For people; of two the one of the higher slot stays. */
  noteBackup: [34, backupCodec],
  /**
   * A founding that took the place of another one owns these of its ranges from now on, and nothing else that it had; as said by that
   * keeper, to that founding.
   */
  confirm: [35, struct({ keeper: text, founding: text, given: confirmationCodec })],
  /**
   * By an order: `keeper` takes the place of the keeper `from`, which is lost. Answered with all that the cluster has, as of that very
   * slot; commands of the keeper before do nothing from there on.
   */
  adopt: [36, struct({ order: i64, from: text, keeper: keeperRefCodec })],
  /**
   * By an order of a rescue whose keeper this cluster has come to: where another one owns the range too, this one does no more; `to`
   * is that one, and `mid` names the clean-up.
   */
  yieldRange: [37, struct({ order: i64, keeper: text, founding: text, mid: i64, to: mapEntryCodec })],
  /** A function of users comes, or another one in its place: at the keeper, or at a cluster without one. */
  putFunction: [70, struct({ name: text, source: bytes })],
  removeFunction: [71, struct({ name: text })],
  takeFunctions: [72, takeFunctionsCodec],
  /** By the master: every member has this engine, which runs functions from now on. */
  useEngine: [73, struct({ engine: text })],
  // At the keeper.
  initMap: [40, struct({ cluster: text })],
  plan: [41, planCodec],
  claim: [42, struct({ mid: i64, tokenSeen: i64 })],
  note: [43, struct({ mid: i64, token: i64, progress: lastProgressCodec })],
  wish: [44, struct({ mid: i64, wish: text, why: text })],
  publish: [45, struct({ mid: i64, token: i64, receipt: lastReceiptCodec })],
  recordAbort: [46, abortCodec],
  finish: [47, struct({ mid: i64, token: i64 })],
  forget: [48, struct({ mid: i64 })],
  setClusterConfig: [49, clusterConfigCodec],
  dropCluster: [50, struct({ cluster: text })],
  /** The master of a cluster tells who its members are; the first time that binds its founding. */
  introduce: [51, introductionCodec],
  /** A node tells where it is reached; whoever says so last. Of before there were claims: logs hold it. */
  tellAddress: [52, selfCodec],
  /** A process tells where its node is reached. Another address than the one in force is a claim at first. */
  claimAddress: [53, claimedAddressCodec],
  /** The target of a migration that was aborted without it knows by now. */
  noteTold: [54, struct({ mid: i64 })],
  /** By an order: a survivor, or a backup, begins `founding` in the place of `was`, which is dead from then on. */
  replace: [55, replacementCodec],
  /** By an order: `founding` is dead, and nothing takes its place. */
  lose: [56, struct({ cluster: text, founding: text, takenMs: i64 })],
  /** A migration with a dead end has gone back, or nowhere: by the order that it stands under. */
  settle: [57, struct({ mid: i64, token: i64 })],
  /** By an order: what a new keeper, which has no map yet, goes on with in the place of `from`. */
  install: [59, installationCodec],
  /** How many bytes of a migration are copied per second at most, from now on: 0 for none, `GIVES_WAY` for as many as requests let it. */
  setRate: [60, struct({ mid: i64, rate: i64 })],
  /** By an order: what the map gives to a dead founding comes to `target`, from a backup or empty. */
  planCopy: [58, struct({ order: i64, target: text, lo: key, hi: option(key) })],
  /** What the map gives to `cluster` there, in several entries, is to become one. */
  planMerge: [62, planMergeCodec],
  /** What people wish of rebalancing by itself, in the place of the wish of that number. */
  setAuto: [63, struct({ seen: i64, wish: autoSettingsCodec })],
  /**
   * A move that nobody has asked for, or a merge where `target` is `source`: taken only for that version of the map, under the wish of
   * that number, and within its bounds.
   */
  planAuto: [
    64,
    struct({ wish: i64, mapVersion: i64, source: text, target: text, lo: key, hi: option(key) }),
  ],
});
type PlainCommand = Coded<typeof plainCommandCodec>;

/** Whose a command is: the keeper's founding, the addressee's, and that of the cluster at the other end ('': there is none). */
const addressCodec = struct({ keeper: text, founding: text, peer: text });
export type Address = Coded<typeof addressCodec>;

const UNDER = 33;
const UNDER_WITH_FUNCTIONS = 74;
/**
 * `under`: a command of a move, or `assume`, with the foundings that it is meant for. Anyone else does nothing at all.
 * `functions`: where the target of a move has not come as far with the functions of users, it does nothing yet.
 * Commands of a move that stand alone are from before there were foundings, and do nothing at a cluster that is bound.
 */
export type AdminCommand =
  | PlainCommand
  | ({ readonly kind: 'under'; readonly command: PlainCommand } & Address & SaysFunctions);

export const adminCommandCodec: Codec<AdminCommand> = {
  write: (writer, command) => {
    if (command.kind === 'under') {
      const { functions = 0 } = command;
      writer.u8(functions > 0 ? UNDER_WITH_FUNCTIONS : UNDER);
      if (functions > 0) writer.i64(functions);
      addressCodec.write(writer, command);
      plainCommandCodec.write(writer, command.command);
    } else plainCommandCodec.write(writer, command);
  },
  read: (reader) => {
    const tag = reader.peek();
    if (tag !== UNDER && tag !== UNDER_WITH_FUNCTIONS) return plainCommandCodec.read(reader);
    reader.u8();
    const said = tag === UNDER ? {} : { functions: reader.i64() };
    return { kind: 'under', ...said, ...addressCodec.read(reader), command: plainCommandCodec.read(reader) };
  },
};

export const adminQueryCodec = union({
  // At any cluster.
  rangeStatus: [1, struct({ mid: i64, lo: key, hi: option(key) })],
  readPage: [2, struct({ mid: i64, lo: key, hi: option(key), from: key, bytesMax: u32, minSlot: i64 })],
  readDirty: [3, struct({ mid: i64, from: key, rowsMax: u32, bytesMax: u32, minSlot: i64 })],
  scanBase: [4, struct({ mid: i64, minSlot: i64 })],
  nodeStatus: [5, struct({})],
  /**
   * Pins an image of this node's, of slot `minSlot` at least, for a backup; `busy` while a range of it is sealed, unless what is
   * there is better than nothing (`withSealed`). It is let go 30 s after its last page.
   */
  openImage: [8, struct({ minSlot: i64, withSealed: bool })],
  /** Rows of a pinned image, of the range that it owns and `from` lies in, as `readPage` answers. */
  imagePage: [9, struct({ image: i64, from: key, bytesMax: u32 })],
  closeImage: [10, struct({ image: i64 })],
  /**
   * Slows writers of an export's range at the master: each waits `delayMs`. Forgotten after 1 s unless repeated.
   * Answered with how long requests wait there; 0 asks for that alone.
   */
  slowDown: [6, struct({ mid: i64, delayMs: u32 })],
  /**
   * An operator's order to a survivor of `founding`, to be repeated until it is carried out: those that are `gone` never start
   * again; where a chosen slot is lost, all from `loseFrom` on is given up (docs/architecture.md, "Rescue"). `isTrial`: says only
   * whether it would be.
   */
  promote: [11, struct({ founding: text, gone: list(text), loseFrom: option(i64), isTrial: bool })],
  /** Whether beginExport (`source`), beginImport (`target`) or merge (`owner`) would be answered `busy` now; `ok`: not so. */
  mayBegin: [
    7,
    withFunctions(struct({ mid: i64, lo: key, hi: option(key), as: oneOf('source', 'target', 'owner') })),
  ],
  /** The functions of this cluster, for people. */
  listFunctions: [40, struct({})],
  /** One of them with its source. */
  getFunction: [41, struct({ name: text })],
  /** Those that came after `version`. */
  functionsAbove: [42, struct({ version: i64 })],
  // At the keeper.
  getMap: [20, struct({})],
  /**
   * Answers with the map, or with ok where its version is not above `sinceVersion`; each later change is pushed on the
   * link, as `mapPushCodec` has it.
   */
  watchMap: [21, struct({ sinceVersion: i64 })],
  listMigrations: [22, struct({})],
  getMigration: [23, struct({ mid: i64 })],
  /** Answers with the map, or with ok where its version is not above `version`. */
  getMapSince: [24, struct({ version: i64 })],
  /**
   * What the keeper's master says of a founding ('': of an empty home, which would found). `keeper` as in `introduce`.
   */
  standing: [25, struct({ cluster: text, founding: text, keeper: text })],
  listOrders: [26, struct({})],
  /** The migrations that need a migrator: to bring them to their end, or to tell their target that they were aborted. */
  openMigrations: [27, struct({})],
  /** What people wish of rebalancing by itself, and of moves the open ones and so many of the newest finished ones. */
  getAuto: [28, struct({ recent: u32 })],
  /** What a node says of itself, and has counted: for people and for tools. */
  nodeFacts: [60, struct({})],
  /** How what this node holds lies, for a plan that cuts ranges: in up to some thousand buckets. */
  listBuckets: [61, struct({})],
});
export type AdminQuery = Coded<typeof adminQueryCodec>;

export const importStatusCodec = struct({
  seq: i64,
  cursor: option(key),
  asOf: i64,
  running: digestCodec,
  lo: key,
  hi: option(key),
});
export const exportStatusCodec = struct({
  beginSlot: i64,
  base: option(digestCodec),
  sealed: option(struct(seal)),
  dirtyRows: i64,
  dirtyBytes: i64,
  lo: key,
  hi: option(key),
});

/** How long ago a seal was applied, by the clock of the node that is asked (ms); it is older where that is not exact. */
export const sealAgeCodec = struct({ ms: i64, isExact: bool });
export type SealAge = Coded<typeof sealAgeCodec>;

/** What a cluster knows of one migration and its range, at one applied slot; `sealAge` is what one node knows, for people. */
export const rangeStatusCodec = struct({
  slot: i64,
  owned: list(ownedCodec),
  importing: option(importStatusCodec),
  exporting: option(exportStatusCodec),
  sealAge: option(sealAgeCodec),
  cleaning: bool,
  closed: option(outcomeCodec),
  token: i64,
  floor: i64,
});
export type RangeStatus = Coded<typeof rangeStatusCodec> & SaysFunctions;

/** Whose a map is: the keeper's founding, and those of keepers that it has replaced. Missing before the keeper knows itself. */
export type Nursery = { readonly founding: string; readonly replaced: readonly string[] };
const wholeMapCodec = struct({ map: rangeMapCodec, clusters: list(knownClusterCodec) });
const nurseryCodec = option(struct({ founding: text, replaced: list(text) }));
export type KeeperMap = Coded<typeof wholeMapCodec> & { readonly nursery?: Nursery };
export const keeperMapCodec: Codec<KeeperMap> = {
  write: (writer, known) => {
    wholeMapCodec.write(writer, known);
    const { nursery } = known;
    nurseryCodec.write(
      writer,
      nursery === undefined ? null : { ...nursery, replaced: [...nursery.replaced] },
    );
  },
  read: (reader) => {
    const known = wholeMapCodec.read(reader);
    const nursery = nurseryCodec.read(reader);
    return nursery === null ? known : { ...known, nursery };
  },
};

/**
 * From version `from` of the map to `version`: `entries`, which follow one another without a gap, in place of all that lies in
 * their span; configurations that are new or other, and clusters that are gone.
 */
export const mapChangeCodec = struct({
  from: i64,
  version: i64,
  /** Founding of the keeper, '' before it knows itself. */
  keeper: text,
  entries: list(mapEntryCodec),
  clusters: list(knownClusterCodec),
  dropped: list(text),
});
export type MapChange = Coded<typeof mapChangeCodec>;

/** What watchers of the map are pushed. */
export const mapPushCodec = union({ whole: [1, keeperMapCodec], change: [2, mapChangeCodec] });
export type MapPush = Coded<typeof mapPushCodec>;

export const adminAnswerCodec = union({
  /** To a page, too, which is taken. */
  ok: [1, withWaited(struct({}))],
  /** Not now; asking again later may do. */
  busy: [2, struct({ why: text })],
  /** Not at all. */
  refused: [3, struct({ why: text })],
  /** A newer coordinator has spoken. */
  fenced: [4, struct({ token: i64 })],
  /** This migration is decided here (`outcome`), or older than the floor (null). */
  closed: [5, struct({ outcome: option(outcomeCodec) })],
  /** No import, export or seal of this migration is here. */
  none: [6, struct({})],
  importing: [7, withWaited(importStatusCodec)],
  exporting: [8, withFunctions(exportStatusCodec)],
  gap: [9, struct({ seq: i64, cursor: option(key), asOf: i64 })],
  stale: [10, struct({ seq: i64, cursor: option(key), asOf: i64 })],
  mismatch: [11, struct({ mine: digestCodec })],
  behind: [12, struct({ dirtyRows: i64, dirtyBytes: i64 })],
  sealed: [13, withFunctions(struct(seal))],
  planned: [14, struct({ mid: i64 })],
  claimed: [15, withFunctions(struct({ token: i64, floor: i64, record: migrationCodec }))],
  rangeStatus: [16, withFunctions(rangeStatusCodec)],
  /** Rows of one image at `asOf`; the next page begins at `to`. */
  rows: [17, withWaited(struct({ asOf: i64, rows: list(rowCodec), to: option(key) }))],
  base: [18, struct({ slot: i64, base: digestCodec })],
  nodeStatus: [19, nodeStatusCodec],
  keeperMap: [20, keeperMapCodec],
  migrations: [21, struct({ migrations: list(migrationCodec) })],
  standing: [22, standingCodec],
  /** A pinned image: its number, slot, and the ranges whose rows it gives out, in ascending order. */
  image: [23, struct({ image: i64, slot: i64, owned: list(ownedCodec) })],
  /** What a founding that took the place of another one is given. */
  given: [24, confirmationCodec],
  orders: [25, struct({ orders: list(orderCodec) })],
  belongings: [26, belongingsCodec],
  auto: [27, autoAnswerCodec],
  /** The version of all functions with this change. */
  changed: [40, struct({ version: i64 })],
  functionsStatus: [41, functionsStatusCodec],
  functionsPage: [42, functionsPageCodec],
  nodeFacts: [60, nodeFactsCodec],
  /** Ascending; null while the store is being counted, or where nothing counts. */
  buckets: [61, struct({ buckets: option(list(bucketCodec)) })],
});
export type AdminAnswer = Coded<typeof adminAnswerCodec>;

/**
 * Where a key may be instead, beside a range error. A confirmed hint may be stored where its epoch is higher;
 * a tentative one is tried and never stored: after an abort it would point to the wrong cluster for ever.
 */
export const hintCodec = struct({ entry: mapEntryCodec, confirmed: bool });
export type Hint = Coded<typeof hintCodec>;

/** The request that carries `command`. */
export function encodeCommand(command: AdminCommand): Buffer {
  const writer = new Writer();
  writer.u32(MAGIC | ADMIN_COMMAND);
  adminCommandCodec.write(writer, command);
  return writer.take();
}

/** The request that carries `query`. */
export function encodeQuery(query: AdminQuery): Buffer {
  const writer = new Writer();
  writer.u32(MAGIC | ADMIN_QUERY);
  adminQueryCodec.write(writer, query);
  return writer.take();
}

/** The successful reply that carries `answer`. */
export function encodeAnswer(answer: AdminAnswer): Buffer {
  const writer = new Writer();
  writer.u32(0);
  adminAnswerCodec.write(writer, answer);
  return writer.take();
}

/** Tags of the answers that say how long requests waited: `ok`, `importing`, `rows`. */
const SAYING_WAITED: ReadonlySet<number> = new Set([1, 7, 17]);

/** What stands behind such a reply to say so; null where it is another one. A page is not decoded for that. */
export function waitedBehind(reply: Uint8Array, waitedMs: number): Uint8Array | null {
  const isAnswer = reply.subarray(0, 4).every((byte) => byte === 0);
  return isAnswer && SAYING_WAITED.has(reply[4] ?? 0) ? encode(i64, waitedMs) : null;
}

/** The answer in what follows return code 0 of a reply. */
export function decodeAnswer(reply: Uint8Array): AdminAnswer {
  const reader = new Reader(reply, 4);
  const answer = adminAnswerCodec.read(reader);
  reader.finish();
  return answer;
}
