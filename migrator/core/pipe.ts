/**
 * Pages on their way from source to target: while some are written at the target, the next is read at the
 * source. Pure bookkeeping; the coordinator sends and receives.
 *
 * Under one token a page's number stands for one content for ever: the target takes a number that it has had
 * for a duplicate, so another page under the same number would be lost in silence. A coordinator that must
 * begin again therefore claims a new token first, and the target refuses what is left of the old one.
 */
import { invariant } from '../../src/base/assert.ts';
import type { Key } from '../../src/base/bytes.ts';
import type { Row } from '../../src/protocol/admin/admin.ts';
import type { Taken } from './calls.ts';

/** Rows of one image of the source: all of `[from, to)` in a copy, the dirty ones in a round. */
export type Page = {
  readonly seq: number;
  readonly from: Key;
  readonly to: Key | null;
  readonly asOf: number;
  readonly rows: Row[];
};

/** An interval whose dirty rows, as of `slot`, the target has. */
export type Trim = { readonly from: Key; readonly to: Key | null; readonly slot: number };

/** `copy` and `round` as in the coordinator's loop; `lastRows` is the round after the seal, which is not trimmed. */
export type PipeKind = 'copy' | 'round' | 'lastRows';

/** One pass over a range. */
export type Pipe = {
  readonly kind: PipeKind;
  /** End of the range. */
  readonly hi: Key | null;
  /** The first key that is not read yet; null where all is read. */
  unread: Key | null;
  /** No older image may be read: the slot that the pass began with, or the highest one read so far. */
  minSlot: number;
  /** Number of the last page that was read, or that the target had before. */
  lastSeq: number;
  /** Read, and not sent: at most one. */
  ready: Page[];
  /** On their way to the target, in order. */
  sent: Page[];
  /** Intervals of a round that the target has, and that the source may forget. */
  trims: Trim[];
};

/**
 * A pass that begins.
 *
 * @param from the first key to read
 * @param hi end of the range
 * @param lastSeq number of the last page that the target has
 * @param minSlot slot below which nothing may be read
 */
export function createPipe(
  kind: PipeKind,
  from: Key,
  hi: Key | null,
  lastSeq: number,
  minSlot: number,
): Pipe {
  return { kind, hi, unread: from, minSlot, lastSeq, ready: [], sent: [], trims: [] };
}

/** The kind of its pages on the wire. */
export function isCopy({ kind }: Pipe): boolean {
  return kind === 'copy';
}

/** The key to read on from, or null where all is read, or enough is waiting. */
export function readFrom({ ready, unread }: Pipe): Key | null {
  return ready.length === 0 ? unread : null;
}

/**
 * Takes what was read from `readFrom`. Unexpected where it does not lead on towards the end of the range.
 *
 * A round's page without rows is not worth an entry in the target's log; a copy's moves the cursor.
 */
export function takeRows(pipe: Pipe, rows: Row[], to: Key | null, asOf: number): Taken {
  const from = pipe.unread;
  invariant(from !== null, 'a page was asked for', () => ({
    kind: pipe.kind,
    page: pipe.lastSeq + 1,
    to,
    asOf,
  }));
  const ends = to === pipe.hi;
  if (asOf < pipe.minSlot || (!ends && (to === null || to <= from))) return 'unexpected';
  pipe.minSlot = asOf;
  pipe.unread = ends ? null : to;
  if (!isCopy(pipe) && rows.length === 0) return 'taken';
  pipe.lastSeq += 1;
  pipe.ready.push({ seq: pipe.lastSeq, from, to, asOf, rows });
  return 'taken';
}

/** The next page to send, or null where none is ready, or `inFlightMax` are under way. */
export function sendPage(pipe: Pipe, inFlightMax: number): Page | null {
  if (pipe.sent.length >= inFlightMax) return null;
  const page = pipe.ready.shift() ?? null;
  if (page !== null) pipe.sent.push(page);
  return page;
}

/** Whether `seq` is the oldest page under way: no other can be what the target misses. */
export function isOldest({ sent }: Pipe, seq: number): boolean {
  return sent[0]?.seq === seq;
}

/** The target has this page, hence all before it. Returns those that were not known to be there. */
export function arrive(pipe: Pipe, seq: number): Page[] {
  const arrived = pipe.sent.filter((page) => page.seq <= seq);
  pipe.sent = pipe.sent.filter((page) => page.seq > seq);
  if (pipe.kind === 'round') {
    pipe.trims.push(...arrived.map(({ from, to, asOf }) => ({ from, to, slot: asOf })));
  }
  return arrived;
}

/** The oldest interval that may be trimmed now. */
export function nextTrim({ trims }: Pipe): Trim | null {
  return trims[0] ?? null;
}

/** The source has trimmed the oldest interval. */
export function endTrim(pipe: Pipe): void {
  pipe.trims.shift();
}

/** Whether pages are under way to the target. */
export function isSending({ sent }: Pipe): boolean {
  return sent.length > 0;
}

/** Whether all is read, at the target, and trimmed. */
export function isDone({ unread, ready, sent, trims }: Pipe): boolean {
  return unread === null && ready.length + sent.length + trims.length === 0;
}

/** Keys, and bytes of keys and values, that a page of the copy brings. */
export function sizeOf(rows: readonly Row[]): { keys: number; bytes: number } {
  let bytes = 0;
  for (const row of rows) bytes += row.key.length + (row.value?.length ?? 0);
  return { keys: rows.length, bytes };
}
