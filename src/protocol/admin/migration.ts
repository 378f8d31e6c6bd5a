/** A migration as the keeper records it, on links, in rows and in logs; and those that the first build wrote. */
import { storedWithMore } from '../../identity/founding.ts';
import { digestCodec } from '../../keyspace/digest.ts';
import {
  bool,
  type Codec,
  type Coded,
  i64,
  key,
  list,
  oneOf,
  option,
  type Reader,
  struct,
  text,
  u8,
  type Writer,
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
export type Progress = Coded<typeof progressCodec> & { readonly givesWay?: GivesWay };
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

const givesWayCodec = struct({
  /** At most so many bytes of keys and values are copied per second. */
  rate: i64,
  /** How long requests waited when it was made less last (ms), and at which cluster. */
  waitedMs: i64,
  cluster: text,
});
/** How slow a copy is for which nobody has asked a rate, and why: requests of clients waited. Missing where it has no limit. */
export type GivesWay = Coded<typeof givesWayCodec>;

const proven = { sealSlot: i64, digest: digestCodec, pauseMs: i64 };
/** Proof of a finished move, kept by the keeper: the digest that source and target agreed on at the seal. */
const receiptCodec = struct({ ...proven, pauseAtLeast: bool });
export type Receipt = Coded<typeof receiptCodec> & {
  /** From when the first migrator began to when the last one published, by their wall clocks (ms). */
  readonly tookMs?: number;
};

/** As a rate (bytes per second): none is asked for any more, and the copy gives way to requests. */
export const GIVES_WAY = -1;

/** Why a move was asked for. */
export const REASONS = ['person', 'plan', 'auto'] as const;
const askedCodec = struct({
  /** Bytes of keys and values that are copied per second at most; 0: none for now; null: nobody has said. */
  rate: option(i64),
  /** User and host of whoever asked; for people. */
  who: text,
  reason: oneOf(...REASONS),
  /** The migration that it takes back. */
  undoes: option(i64),
});
/** How a move was asked for. It stands in the record, so that whoever takes over knows it too. */
export type Asked = Coded<typeof askedCodec>;
/** Nobody has said how. */
export const UNSAID: Asked = { rate: null, who: '', reason: 'person', undoes: null };
const moveCodec = struct({ source: text, target: text, lo: key, hi: option(key) });
/** A move that is asked for. What was planned before anybody said how ends where that would stand. */
export const planCodec: Codec<Coded<typeof moveCodec> & { readonly asked?: Asked }> = storedWithMore(
  moveCodec,
  askedCodec,
  ({ asked }) => asked ?? null,
  (move, asked) => ({ ...move, asked }),
);

const mergeCodec = struct({ cluster: text, lo: key, hi: option(key) });
/** A merge that is asked for, likewise. */
export const planMergeCodec: Codec<Coded<typeof mergeCodec> & { readonly asked?: Asked }> = storedWithMore(
  mergeCodec,
  askedCodec,
  ({ asked }) => asked ?? null,
  (merge, asked) => ({ ...merge, asked }),
);

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

const mergedCodec = struct({ lo: key, epoch: i64 });
/** Where an entry of the map began that a merge makes part of one, and its epoch; it ended where the next one began. */
export type Merged = Coded<typeof mergedCodec>;
/** Entries of the map that one merge takes: its record keeps where each began, and keepers keep thousands of records. */
export const MERGED_MAX = 16;

export type Migration = Omit<Coded<typeof recordCodec>, 'receipt' | 'progress'> & {
  readonly progress: Progress;
  readonly receipt: Receipt | null;
  /** Missing where it was planned before anybody said. */
  readonly asked?: Asked;
  readonly foundings?: Foundings;
  readonly rescue?: Rescued;
  /** It was aborted while its target did not answer: what that has staged is dropped once somebody tells it. */
  readonly isUntold?: true;
  /** Of an aborted one: from when its first migrator began to when that was recorded, by their wall clocks (ms). */
  readonly abortedAfterMs?: number;
  /** Of a merge, which is a migration without rows from a cluster to itself: what becomes one. */
  readonly merges?: readonly Merged[];
};

/** Whether it makes neighbouring ranges of one cluster into one, and moves nothing. */
export function isMerge({ merges }: Pick<Migration, 'merges'>): boolean {
  return merges !== undefined;
}

/** For people: from where to where, or at which cluster it merges. */
export function printWay(migration: Pick<Migration, 'source' | 'target' | 'merges'>): string {
  const { source, target } = migration;
  return isMerge(migration) ? `merge at ${source}` : `${source} → ${target}`;
}
/** Whether a migration in this phase still goes on. */
export function isOpen({ phase }: Pick<Migration, 'phase'>): boolean {
  return phase === 'active' || phase === 'published';
}

/**
 * When a finished migration was published, or aborted, by the wall clocks of its migrators (ms since 1970); when it began where nobody
 * has said, and 0 where nobody began it.
 */
export function endedAtMs({
  progress,
  receipt,
  abortedAfterMs = 0,
}: Pick<Migration, 'progress' | 'receipt' | 'abortedAfterMs'>): number {
  return progress.startedAtMs + (receipt?.tookMs ?? abortedAfterMs);
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

/** Numbers of migrations that others take back, or have taken back. */
export function undoneBy(migrations: Iterable<Migration>): Set<number> {
  const undone = new Set<number>();
  for (const { asked } of migrations) if (asked?.undoes != null) undone.add(asked.undoes);
  return undone;
}

const foundingsCodec = struct({ keeper: text, source: text, target: text });

/** What a record has that came later than the rest. `tookMs` is the receipt's, or without one the abort's. */
const moreCodec = struct({
  asked: option(askedCodec),
  tookMs: option(i64),
  merges: option(list(mergedCodec)),
});
type More = Coded<typeof moreCodec>;

function hasMore({ asked, receipt, merges, progress, abortedAfterMs }: Migration): boolean {
  const isSaid = asked !== undefined || progress.givesWay !== undefined;
  const isTimed = receipt?.tookMs !== undefined || abortedAfterMs !== undefined;
  return isSaid || isTimed || merges !== undefined;
}

function moreOf({ asked, receipt, merges, abortedAfterMs }: Migration): More {
  const tookMs = (receipt === null ? abortedAfterMs : receipt.tookMs) ?? null;
  return { asked: asked ?? null, tookMs, merges: merges === undefined ? null : [...merges] };
}

function withMore<R extends { readonly receipt: Receipt | null }>(
  record: R,
  { asked, tookMs, merges }: More,
): R {
  const { receipt } = record;
  const took = receipt === null ? { abortedAfterMs: tookMs } : { receipt: { ...receipt, tookMs } };
  const timed = tookMs === null ? {} : took;
  const more = { ...(asked === null ? {} : { asked }), ...(merges === null ? {} : { merges }) };
  return { ...record, ...timed, ...more };
}

function givingWay(progress: Progress, givesWay: GivesWay | null): Progress {
  return givesWay === null ? progress : { ...progress, givesWay };
}

/** On links. */
export const migrationCodec: Codec<Migration> = {
  write: (writer, record) => {
    recordCodec.write(writer, record);
    option(foundingsCodec).write(writer, record.foundings ?? null);
    bool.write(writer, record.isUntold === true);
    option(rescueCodec).write(writer, record.rescue ?? null);
    moreCodec.write(writer, moreOf(record));
    option(givesWayCodec).write(writer, record.progress.givesWay ?? null);
  },
  read: (reader) => {
    const record = recordCodec.read(reader);
    const foundings = option(foundingsCodec).read(reader);
    const isUntold = bool.read(reader);
    const rescue = option(rescueCodec).read(reader);
    const more = moreCodec.read(reader);
    const progress = givingWay(record.progress, option(givesWayCodec).read(reader));
    return {
      ...withMore({ ...record, progress }, more),
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
  write: (writer, progress) => {
    progressCodec.write(writer, progress);
    if (progress.givesWay !== undefined) givesWayCodec.write(writer, progress.givesWay);
  },
  read: (reader) => {
    const beginning = countedCodec.read(reader);
    const pauseAtLeast = reader.left > FIRST_STARTED_BYTES && bool.read(reader);
    const progress = { ...beginning, pauseAtLeast, startedAtMs: i64.read(reader) };
    return givingWay(progress, reader.left > 0 ? givesWayCodec.read(reader) : null);
  },
};

/** The receipt at the end of a command. */
export const lastReceiptCodec: Codec<Receipt> = {
  write: (writer, receipt) => {
    receiptCodec.write(writer, receipt);
    if (receipt.tookMs !== undefined) i64.write(writer, receipt.tookMs);
  },
  read: (reader) => {
    const receipt = { ...provenCodec.read(reader), pauseAtLeast: reader.left > 0 && bool.read(reader) };
    return reader.left > 0 ? { ...receipt, tookMs: i64.read(reader) } : receipt;
  },
};

/** Whether the target was told, at the end of a command: it always was, before a migration could be aborted without it. */
const lastTold: Codec<boolean> = {
  write: bool.write,
  read: (reader) => reader.left === 0 || bool.read(reader),
};

const spanCodec = struct({ startedAtMs: i64, tookMs: i64 });
/** When the first migrator began, by its wall clock (ms since 1970), and how long until its move was over (ms). */
export type Span = Coded<typeof spanCodec>;
const endedCodec = struct({ mid: i64, token: i64, why: text, told: lastTold });
/**
 * The end of a migration that went back. `told`: its target has abandoned; else it is to be told, and cannot activate. What was written
 * before anybody said when that was ends where the span would stand.
 */
export const abortCodec: Codec<Coded<typeof endedCodec> & { readonly span?: Span }> = storedWithMore(
  endedCodec,
  spanCodec,
  ({ span }) => span ?? null,
  (ended, span) => ({ ...ended, span }),
);

const beginningCodec = struct({ ...planned, counted: countedCodec });
const firstEndCodec = struct({ startedAtMs: i64, receipt: option(provenCodec) });
const endCodec = struct({ pauseAtLeast: bool, startedAtMs: i64, receipt: option(receiptCodec) });
/** Bytes of `firstEndCodec`, without a receipt and with one. */
const FIRST_END_BYTES = 9;
const FIRST_END_WITH_RECEIPT_BYTES = 57;
/** In the place of `pauseAtLeast` in a row with more; what it says itself is added. */
const WITH_MORE = 2;
const longEndCodec = struct({
  startedAtMs: i64,
  receipt: option(receiptCodec),
  foundings: option(foundingsCodec),
  isUntold: bool,
  rescue: option(rescueCodec),
  more: moreCodec,
});
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
    if (hasMore(record)) {
      writeLongEnd(writer, record);
      return;
    }
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
    if (reader.peek() >= WITH_MORE) return readLongEnd(reader, beginning, known);
    const { receipt, ...more } = endCodec.read(reader);
    const record = { ...beginning, progress: { ...known, ...more }, receipt };
    const foundings = reader.left > UNTOLD_BYTES ? { foundings: foundingsCodec.read(reader) } : {};
    const untold = reader.left > 0 && bool.read(reader) ? { isUntold: true as const } : {};
    const rescue = reader.left > 0 ? { rescue: rescueCodec.read(reader) } : {};
    return { ...record, ...foundings, ...untold, ...rescue };
  },
};

function writeLongEnd(writer: Writer, record: Migration): void {
  const { progress, receipt, foundings = null, rescue = null } = record;
  const { pauseAtLeast, startedAtMs } = progress;
  u8.write(writer, WITH_MORE + (pauseAtLeast ? 1 : 0));
  const isUntold = record.isUntold === true;
  longEndCodec.write(writer, { startedAtMs, receipt, foundings, isUntold, rescue, more: moreOf(record) });
  if (progress.givesWay !== undefined) givesWayCodec.write(writer, progress.givesWay);
}

function readLongEnd(
  reader: Reader,
  beginning: Omit<Coded<typeof beginningCodec>, 'counted'>,
  counted: Coded<typeof countedCodec>,
): Migration {
  const pauseAtLeast = u8.read(reader) > WITH_MORE;
  const { startedAtMs, receipt, foundings, isUntold, rescue, more } = longEndCodec.read(reader);
  const givesWay = reader.left > 0 ? givesWayCodec.read(reader) : null;
  const progress = givingWay({ ...counted, pauseAtLeast, startedAtMs }, givesWay);
  return {
    ...withMore({ ...beginning, progress, receipt }, more),
    ...(foundings === null ? {} : { foundings }),
    ...(isUntold ? { isUntold } : {}),
    ...(rescue === null ? {} : { rescue }),
  };
}

/**
 * Whether what is left of a row has the first build's form. Another one of that length has foundings and no receipt, and has the
 * highest byte of a time there, where this one says that there is a receipt.
 */
function endsAsFirst({ left, buffer, offset }: Reader): boolean {
  if (left === FIRST_END_BYTES) return true;
  return left === FIRST_END_WITH_RECEIPT_BYTES && buffer[offset + FIRST_STARTED_BYTES] === 1;
}
