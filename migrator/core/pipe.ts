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
export class Pipe {
  readonly kind: PipeKind;
  readonly #hi: Key | null;
  #readFrom: Key | null;
  #asOf: number;
  #lastSeq: number;
  #ready: Page[] = [];
  #sent: Page[] = [];
  #trims: Trim[] = [];

  /**
   * @param from the first key to read
   * @param hi end of the range
   * @param lastSeq number of the last page that the target has
   * @param asOf slot below which nothing may be read
   */
  constructor(kind: PipeKind, from: Key, hi: Key | null, lastSeq: number, asOf: number) {
    this.kind = kind;
    this.#hi = hi;
    this.#readFrom = from;
    this.#lastSeq = lastSeq;
    this.#asOf = asOf;
  }

  /** The kind of its pages on the wire. */
  get isCopy(): boolean {
    return this.kind === 'copy';
  }

  /** The key to read on from, or null where all is read, or enough is waiting. */
  get readFrom(): Key | null {
    return this.#ready.length === 0 ? this.#readFrom : null;
  }

  /** No older image may be read: the highest slot read so far. */
  get minSlot(): number {
    return this.#asOf;
  }

  /**
   * Takes what was read from `readFrom`. False where it does not lead on towards the end of the range.
   *
   * A round's page without rows is not worth an entry in the target's log; a copy's moves the cursor.
   */
  read(rows: Row[], to: Key | null, asOf: number): boolean {
    const from = this.#readFrom;
    invariant(from !== null, 'a page was asked for', () => ({ rows: rows.length, to, asOf }));
    const ends = to === this.#hi;
    if (asOf < this.#asOf || (!ends && (to === null || to <= from))) return false;
    this.#asOf = asOf;
    this.#readFrom = ends ? null : to;
    if (!this.isCopy && rows.length === 0) return true;
    this.#lastSeq += 1;
    this.#ready.push({ seq: this.#lastSeq, from, to, asOf, rows });
    return true;
  }

  /** The next page to send, or null where none is ready, or `inFlightMax` are under way. */
  send(inFlightMax: number): Page | null {
    if (this.#sent.length >= inFlightMax) return null;
    const page = this.#ready.shift() ?? null;
    if (page !== null) this.#sent.push(page);
    return page;
  }

  /** Whether `seq` is the oldest page under way: no other can be what the target misses. */
  isOldest(seq: number): boolean {
    return this.#sent[0]?.seq === seq;
  }

  /** The target has this page, hence all before it. Returns those that were not known to be there. */
  taken(seq: number): Page[] {
    const taken = this.#sent.filter((page) => page.seq <= seq);
    this.#sent = this.#sent.filter((page) => page.seq > seq);
    if (this.kind === 'round') {
      this.#trims.push(...taken.map(({ from, to, asOf }) => ({ from, to, slot: asOf })));
    }
    return taken;
  }

  /** The oldest interval that may be trimmed now. */
  get trim(): Trim | null {
    return this.#trims[0] ?? null;
  }

  trimmed(): void {
    this.#trims.shift();
  }

  /** Whether pages are under way to the target. */
  get isSending(): boolean {
    return this.#sent.length > 0;
  }

  /** Whether all is read, at the target, and trimmed. */
  get isDone(): boolean {
    return this.#readFrom === null && this.#ready.length + this.#sent.length + this.#trims.length === 0;
  }
}

/** Keys, and bytes of keys and values, that a page of the copy brings. */
export function sizeOf(rows: readonly Row[]): { keys: number; bytes: number } {
  let bytes = 0;
  for (const row of rows) bytes += row.key.length + (row.value?.length ?? 0);
  return { keys: rows.length, bytes };
}
