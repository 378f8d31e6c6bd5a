/**
 * The counts of a store beside its rows, for the thread that writes it: kept in the transactions of the rows, so that after any
 * crash they are exactly those of the image. A store without them, or one that an older build has written since, is counted once,
 * a slice at a time between the transactions.
 */
import { NurseryError } from '../../src/base/errors.ts';
import { decode, encode, i64, struct } from '../../src/wire/codec.ts';
import {
  type Bucket,
  Buckets,
  END,
  FIRST,
  type KeptBucket,
  NO_SHARES,
  type RowCount,
  type RowReader,
  rowBytes,
  type Shares,
} from './buckets.ts';
import { decodeSlot, type Environment, encodeSlot, META } from './environment.ts';
import type { StoreKey } from './types.ts';

/** Rows and bytes of one slice (about 10 ms). */
const SLICE_ROWS = 5000;
const SLICE_BYTES = 8 * 1024 * 1024;

const bucketCodec = struct({
  keys: i64,
  bytes: i64,
  above: struct({ rows: i64, removed: i64, bytes: i64 }),
});
const sharesCodec = struct({ put: i64, came: i64, removed: i64, gone: i64 });

/** Those of one store. */
export class Counting {
  readonly #environment: Environment;
  #buckets = new Buckets();
  #fixed: readonly StoreKey[] = [];
  /** What lies below is counted; null: all is. */
  #cursor: StoreKey | null = FIRST;
  /** Of the last merge, and of the one that goes on. */
  #shares: Shares = NO_SHARES;
  #merging = { put: 0, came: 0, removed: 0, gone: 0 };
  /** Why it could not go on; the next transaction says so. */
  #failure: Error | null = null;

  constructor(environment: Environment) {
    this.#environment = environment;
    this.#load();
  }

  /** Whether all rows are counted. */
  get isComplete(): boolean {
    return this.#cursor === null;
  }

  /** Whether there is nothing to go on with: all is counted, or it cannot be before a transaction has said why. */
  get rests(): boolean {
    return this.#cursor === null || this.#failure !== null;
  }

  /** From now on these keys part buckets, as far as there is room. */
  fix(borders: readonly StoreKey[]): void {
    this.#fixed = borders;
    this.#buckets.fix(borders);
  }

  /** Within a transaction, before a row is put, or removed (null). Returns whether it was there; null where that does not count. */
  writing(key: StoreKey, valueBytes: number | null): boolean | null {
    if (key < FIRST || key >= END || (this.#cursor !== null && key >= this.#cursor)) return null;
    const before = this.#environment.getBinaryFast(key)?.length;
    const bytes = (length: number | null | undefined): number =>
      length === undefined || length === null ? 0 : rowBytes(key, length);
    const came = (valueBytes === null ? 0 : 1) - (before === undefined ? 0 : 1);
    if (came !== 0 || valueBytes !== before)
      this.#buckets.change(key, came, bytes(valueBytes) - bytes(before));
    return before !== undefined;
  }

  /** A row is put into a run, or a removal (null). */
  stacking(key: StoreKey, valueBytes: number | null): void {
    this.#stack(key, valueBytes, 1);
  }

  /** A row of a run has been merged, or is hidden by one that was. */
  unstacking(key: StoreKey, valueBytes: number | null): void {
    this.#stack(key, valueBytes, -1);
  }

  /** Within a transaction: a row is merged, `writing` in all else. */
  merging(key: StoreKey, valueBytes: number | null): void {
    const wasThere = this.writing(key, valueBytes);
    if (wasThere === null) return;
    if (valueBytes === null) {
      this.#merging.removed += 1;
      if (wasThere) this.#merging.gone += 1;
    } else {
      this.#merging.put += 1;
      if (!wasThere) this.#merging.came += 1;
    }
  }

  /** Within a transaction: a merge has ended, and the next runs are taken to be like these. `isLast`: there are none yet. */
  merged(isLast: boolean): void {
    if (isLast) this.#buckets.settle();
    const { put, came, removed, gone } = this.#merging;
    if (put > 0) this.#shares = { ...this.#shares, put, came };
    if (removed > 0) this.#shares = { ...this.#shares, removed, gone };
    this.#merging = { put: 0, came: 0, removed: 0, gone: 0 };
    void this.#environment.put(META.SHARES, Buffer.from(encode(sharesCodec, this.#shares)));
  }

  /** At the end of a transaction, which makes the image of `slot`; null: of none yet, or of the same as before. */
  written(slot: number | null): void {
    if (this.#failure !== null) throw this.#failure;
    this.#buckets.maintain(this.#reader);
    if (this.#cursor !== null) return;
    const { changed, gone } = this.#buckets.take();
    for (const lo of gone) void this.#environment.remove(META.BUCKET + lo);
    for (const { lo, ...bucket } of changed)
      void this.#environment.put(META.BUCKET + lo, Buffer.from(encode(bucketCodec, bucket)));
    if (slot !== null) void this.#environment.put(META.COUNTED, Buffer.from(encodeSlot(slot)));
  }

  /** The transaction was not carried out. What cannot be read then is said by the next one. */
  undone(): void {
    try {
      this.#load();
    } catch (error) {
      this.#failure = error as Error;
    }
  }

  /** Counts a slice, in a transaction of its own where it is the last one. A failure is said by the next transaction. */
  slice(): void {
    if (this.#cursor === null || this.#failure !== null) return;
    try {
      this.#environment.resetReadTxn();
      this.#countOn(this.#cursor);
      this.#buckets.maintain(this.#reader);
      if (this.#cursor === END) this.#complete();
    } catch (error) {
      this.#failure = error as Error;
    }
  }

  /** What lies in each range; null before all is counted. */
  count(ranges: readonly { readonly from: StoreKey; readonly to: StoreKey }[]): RowCount[] | null {
    if (this.#cursor !== null) return null;
    return ranges.map(({ from, to }) => this.#buckets.count(from, to, this.#shares));
  }

  /** All buckets, ascending; null before all is counted. */
  list(): Bucket[] | null {
    return this.#cursor === null ? this.#buckets.estimated(this.#shares) : null;
  }

  #stack(key: StoreKey, valueBytes: number | null, sign: 1 | -1): void {
    if (key < FIRST || key >= END) return;
    if (valueBytes === null) this.#buckets.stack(key, { rows: 0, removed: sign, bytes: 0 });
    else this.#buckets.stack(key, { rows: sign, removed: 0, bytes: sign * rowBytes(key, valueBytes) });
  }

  #countOn(from: StoreKey): void {
    let rows = 0;
    let bytes = 0;
    this.#cursor = END;
    for (const { key, value } of this.#environment.getRange({ start: from, end: END })) {
      if (rows >= SLICE_ROWS || bytes >= SLICE_BYTES) {
        this.#cursor = key;
        return;
      }
      rows += 1;
      bytes += value.length;
      this.#buckets.change(key, 1, rowBytes(key, value.length));
    }
  }

  /** Puts all of them beside the rows, in the place of what may be there from before. */
  #complete(): void {
    this.#environment.transactionSync(() => {
      for (const key of [...this.#environment.getKeys({ start: META.BUCKET, end: META.BUCKET_END })])
        void this.#environment.remove(key);
      this.#cursor = null;
      this.written(this.#slot);
    });
  }

  /** Those that are stored, if they are of the image that is there; else counting begins. */
  #load(): void {
    this.#failure = null;
    const counted = this.#environment.getBinary(META.COUNTED);
    const isCounted = counted !== undefined && decodeSlot(counted) === this.#slot;
    const stored = isCounted ? this.#stored() : null;
    this.#buckets = new Buckets(stored ?? []);
    this.#buckets.fix(this.#fixed);
    this.#cursor = stored === null ? FIRST : null;
    const shares = this.#environment.getBinary(META.SHARES);
    this.#shares = shares === undefined ? NO_SHARES : decode(sharesCodec, shares);
  }

  /** The buckets that are stored; null where one of them cannot be understood: they follow from the rows, which are counted again. */
  #stored(): KeptBucket[] | null {
    const rows = [...this.#environment.getRange({ start: META.BUCKET, end: META.BUCKET_END })];
    try {
      return rows.map(({ key, value }) => ({
        lo: key.slice(META.BUCKET.length),
        ...decode(bucketCodec, value),
      }));
    } catch (error) {
      if (error instanceof NurseryError && error.code === 'MALFORMED') return null;
      throw error;
    }
  }

  get #slot(): number {
    const bytes = this.#environment.getBinary(META.SLOT);
    return bytes === undefined ? 0 : decodeSlot(bytes);
  }

  /** Reads what is counted. */
  readonly #reader: RowReader = (from, to, visit) => {
    const end = this.#cursor !== null && this.#cursor < to ? this.#cursor : to;
    if (from >= end) return;
    for (const { key, value } of this.#environment.getRange({ start: from, end })) {
      if (!visit(key, rowBytes(key, value.length))) return;
    }
  };
}
