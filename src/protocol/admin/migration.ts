/** A migration as the keeper records it, on links, in rows and in logs; and those that the first build wrote. */
import { digestCodec } from '../../keyspace/digest.ts';
import {
  bool,
  type Codec,
  type Coded,
  i64,
  key,
  oneOf,
  option,
  type Reader,
  struct,
  text,
} from '../../wire/codec.ts';

const counted = {
  stage: text,
  waitingFor: text,
  keysCopied: i64,
  bytesCopied: i64,
  keysTotal: i64,
  rounds: i64,
  dirtyRows: i64,
  pauseMs: i64,
};
/**
 * What a coordinator last did and counted. For people; nothing is decided by it but how long its heartbeat may stand
 * still (migrator/core/beat.ts).
 */
const progressCodec = struct({
  ...counted,
  /** Whether nobody saw all of the pause, or it goes on. */
  pauseAtLeast: bool,
  startedAtMs: i64,
});
export type Progress = Coded<typeof progressCodec>;
export const NO_PROGRESS: Progress = {
  stage: 'planned',
  waitingFor: '',
  keysCopied: 0,
  bytesCopied: 0,
  keysTotal: 0,
  rounds: 0,
  dirtyRows: 0,
  pauseMs: 0,
  pauseAtLeast: false,
  startedAtMs: 0,
};

const proven = { sealSlot: i64, digest: digestCodec, pauseMs: i64 };
/** Proof of a finished move, kept by the keeper: the digest that source and target agreed on at the seal. */
const receiptCodec = struct({ ...proven, pauseAtLeast: bool });
export type Receipt = Coded<typeof receiptCodec>;

/** What an operator wishes of a move. */
export const WISHES = ['run', 'pause', 'abort'] as const;
const wish = oneOf(...WISHES);

const planned = {
  mid: i64,
  source: text,
  target: text,
  lo: key,
  hi: option(key),
  phase: oneOf('active', 'published', 'done', 'aborted', 'lost'),
  token: i64,
  heartbeat: i64,
  wish,
  why: text,
};
/** A migration as the keeper records it. `heartbeat` is a count, for a clock has no place in replicated state. */
const recordCodec = struct({ ...planned, progress: progressCodec, receipt: option(receiptCodec) });
/** Whose move it is, and between which foundings; missing in a record that was planned before the keeper knew them. */
export type Foundings = { readonly keeper: string; readonly source: string; readonly target: string };
/**
 * One end of a move is a founding that is dead by an order, and the move is settled without it (docs/architecture.md, "Rescue").
 * `epoch`: what the source takes the range back at, where the target is dead. `isThere`: a survivor of the target had activated, so
 * that the range is the target's. `isCopy`: what the map gives to the dead source is brought to the target by that order itself.
 */
const rescueCodec = struct({
  order: i64,
  dead: oneOf('source', 'target'),
  epoch: i64,
  isThere: bool,
  isCopy: bool,
});
export type Rescued = Coded<typeof rescueCodec>;

export type Migration = Coded<typeof recordCodec> & {
  readonly foundings?: Foundings;
  readonly rescue?: Rescued;
  /** It was aborted while its target did not answer: what that has staged is dropped once somebody tells it. */
  readonly isUntold?: true;
};
/** Whether a migration in this phase still goes on. */
export function isOpen({ phase }: Pick<Migration, 'phase'>): boolean {
  return phase === 'active' || phase === 'published';
}

/** Whether any migrator may go on with it: the rows that an order brings to another cluster its command alone has, until they are there. */
export function isAnybodys(migration: Migration): boolean {
  const { phase, rescue } = migration;
  return phase === 'published' || (phase === 'active' && rescue?.isCopy !== true);
}

/** Whether a migrator has something to do for it: to bring it to its end, or to tell its target that it was aborted. */
export function needsMigrator(migration: Migration): boolean {
  return isAnybodys(migration) || migration.isUntold === true;
}

const foundingsCodec = struct({ keeper: text, source: text, target: text });

/** On links. */
export const migrationCodec: Codec<Migration> = {
  write: (writer, record) => {
    recordCodec.write(writer, record);
    option(foundingsCodec).write(writer, record.foundings ?? null);
    bool.write(writer, record.isUntold === true);
    option(rescueCodec).write(writer, record.rescue ?? null);
  },
  read: (reader) => {
    const record = recordCodec.read(reader);
    const foundings = option(foundingsCodec).read(reader);
    const isUntold = bool.read(reader);
    const rescue = option(rescueCodec).read(reader);
    return {
      ...record,
      ...(foundings === null ? {} : { foundings }),
      ...(isUntold ? { isUntold } : {}),
      ...(rescue === null ? {} : { rescue }),
    };
  },
};

// ── What the first build wrote ─────────────────────────────────────────────────────────────────────────────
// It had no `pauseAtLeast`, here and there; where a frame ends behind it, the bytes that are left say so.

const countedCodec = struct(counted);
const provenCodec = struct(proven);
const FIRST_STARTED_BYTES = 8;

/** The progress at the end of a command. */
export const lastProgressCodec: Codec<Progress> = {
  write: progressCodec.write,
  read: (reader) => {
    const beginning = countedCodec.read(reader);
    const pauseAtLeast = reader.left > FIRST_STARTED_BYTES && bool.read(reader);
    return { ...beginning, pauseAtLeast, startedAtMs: i64.read(reader) };
  },
};

/** The receipt at the end of a command. */
export const lastReceiptCodec: Codec<Receipt> = {
  write: receiptCodec.write,
  read: (reader) => ({ ...provenCodec.read(reader), pauseAtLeast: reader.left > 0 && bool.read(reader) }),
};

/** Whether the target was told, at the end of a command: it always was, before a migration could be aborted without it. */
export const lastTold: Codec<boolean> = {
  write: bool.write,
  read: (reader) => reader.left === 0 || bool.read(reader),
};

const beginningCodec = struct({ ...planned, counted: countedCodec });
const firstEndCodec = struct({ startedAtMs: i64, receipt: option(provenCodec) });
const endCodec = struct({ pauseAtLeast: bool, startedAtMs: i64, receipt: option(receiptCodec) });
/** Bytes of `firstEndCodec`, without a receipt and with one. */
const FIRST_END_BYTES = 9;
const FIRST_END_WITH_RECEIPT_BYTES = 57;
/** What stands behind the foundings of a migration whose target is to be told; foundings are longer. */
const UNTOLD_BYTES = 1;

/**
 * As a row of the keeper. A record in which nothing is new has the bytes that it always had, so that a store that is rebuilt from
 * its log is equal to one that was not.
 */
export const storedMigrationCodec: Codec<Migration> = {
  write: (writer, record) => {
    const { progress, receipt, foundings } = record;
    beginningCodec.write(writer, { ...record, counted: progress });
    const isNew =
      foundings !== undefined ||
      record.isUntold === true ||
      record.rescue !== undefined ||
      progress.pauseAtLeast ||
      receipt?.pauseAtLeast === true;
    if (isNew) endCodec.write(writer, { ...progress, receipt });
    else firstEndCodec.write(writer, { ...progress, receipt });
    if (foundings !== undefined) foundingsCodec.write(writer, foundings);
    if (record.isUntold === true || record.rescue !== undefined) bool.write(writer, record.isUntold === true);
    if (record.rescue !== undefined) rescueCodec.write(writer, record.rescue);
  },
  read: (reader) => {
    const { counted: known, ...beginning } = beginningCodec.read(reader);
    if (endsAsFirst(reader)) {
      const { startedAtMs, receipt: proof } = firstEndCodec.read(reader);
      const progress = { ...known, pauseAtLeast: false, startedAtMs };
      const receipt = proof === null ? null : { ...proof, pauseAtLeast: false };
      return { ...beginning, progress, receipt };
    }
    const { receipt, ...more } = endCodec.read(reader);
    const record = { ...beginning, progress: { ...known, ...more }, receipt };
    const foundings = reader.left > UNTOLD_BYTES ? { foundings: foundingsCodec.read(reader) } : {};
    const untold = reader.left > 0 && bool.read(reader) ? { isUntold: true as const } : {};
    const rescue = reader.left > 0 ? { rescue: rescueCodec.read(reader) } : {};
    return { ...record, ...foundings, ...untold, ...rescue };
  },
};

/**
 * Whether what is left of a row has the first build's form. Another one of that length has foundings and no receipt, and has the
 * highest byte of a time there, where this one says that there is a receipt.
 */
function endsAsFirst({ left, buffer, offset }: Reader): boolean {
  if (left === FIRST_END_BYTES) return true;
  return left === FIRST_END_WITH_RECEIPT_BYTES && buffer[offset + FIRST_STARTED_BYTES] === 1;
}
