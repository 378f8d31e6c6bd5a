/**
 * The counts of a store beside its rows, for the thread that writes it: kept in the transactions of the rows, so that after any
 * crash they are exactly those of the image. A store without them, or one that an older build has written since, is counted once,
 * a slice at a time between the transactions.
 */
import { NurseryError } from '../../src/base/errors.ts';
import { decode, encode, i64, struct } from '../../src/wire/codec.ts';
import {
  type Above,
  type Bucket,
  Buckets,
  END,
  FIRST,
  isSampled,
  type KeptBucket,
  type RowCount,
  type RowReader,
  rowBytes,
} from './buckets.ts';
import { decodeSlot, type Environment, encodeSlot, META } from './environment.ts';
import { hashKey } from './filter.ts';
import type { StoreKey } from './types.ts';

/** Rows and bytes of one slice (about 10 ms). */
const SLICE_ROWS = 5000;
const SLICE_BYTES = 8 * 1024 * 1024;

const bucketCodec = struct({
  keys: i64,
  bytes: i64,
  above: struct({ keys: i64, bytes: i64 }),
});

/** What a row of a run changes, where its key is sampled. */
export type Stacked = { readonly key: StoreKey; readonly change: Above };

/** Those of one store. */
export class Counting {
  readonly #environment: Environment;
  #buckets = new Buckets();
  #fixed: readonly StoreKey[] = [];
  /** What lies below is counted; null: all is. */
  #cursor: StoreKey | null = FIRST;
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

  /** Within a transaction, before a row is put, or removed (null). */
  writing(key: StoreKey, valueBytes: number | null): void {
    if (key < FIRST || key >= END || (this.#cursor !== null && key >= this.#cursor)) return;
    const before = this.#bytesOf(key);
    const { keys, bytes } = changeOf(key, before, valueBytes);
    if (keys !== 0 || valueBytes !== before) this.#buckets.change(key, keys, bytes);
  }

  /**
   * What it changes that a row is put into a run, or a removal (null); null where that is not sampled. To be given to `stack` when the
   * run is one. @param hash of the key; `before`: what readers see of it until then (bytes of its value), asked for where it is sampled
   */
  stacking(
    key: StoreKey,
    hash: number,
    valueBytes: number | null,
    before: () => number | null,
  ): Stacked | null {
    if (key < FIRST || key >= END || !isSampled(hash)) return null;
    return { key, change: changeOf(key, before(), valueBytes) };
  }

  /** Within the transaction that names a run: what its rows change. A run that is given up has changed nothing. */
  stack(stacked: readonly Stacked[]): void {
    for (const { key, change } of stacked) this.#buckets.stack(key, change);
  }

  /**
   * Within a transaction: a row is merged, `writing` in all else. What its runs changed, one after the other, adds up to what is changed
   * here, and is no longer above.
   */
  merging(key: StoreKey, valueBytes: number | null): void {
    if (key >= FIRST && key < END && isSampled(hashKey(key))) {
      const { keys, bytes } = changeOf(key, this.#bytesOf(key), valueBytes);
      this.#buckets.stack(key, { keys: -keys, bytes: -bytes });
    }
    this.writing(key, valueBytes);
  }

  /** Within a transaction: no run is left. */
  merged(): void {
    this.#buckets.settle();
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
    return ranges.map(({ from, to }) => this.#buckets.count(from, to));
  }

  /** All buckets, ascending; null before all is counted. */
  list(): Bucket[] | null {
    return this.#cursor === null ? this.#buckets.estimated() : null;
  }

  /** Of the value below all runs; null: there is none. */
  #bytesOf(key: StoreKey): number | null {
    return this.#environment.getBinaryFast(key)?.length ?? null;
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

/** What it changes that a value of so many bytes comes in the place of another one; null: of none, or none. */
function changeOf(key: StoreKey, before: number | null, after: number | null): Above {
  const had = before === null ? 0 : rowBytes(key, before);
  const has = after === null ? 0 : rowBytes(key, after);
  return { keys: (after === null ? 0 : 1) - (before === null ? 0 : 1), bytes: has - had };
}
