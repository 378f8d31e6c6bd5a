/**
 * How many rows lie where, kept as they are written: the client's rows in *buckets* with the number of their keys and bytes, an
 * equi-depth sketch of the key space. Buckets that have grown are split by reading them, and small ones are joined.
 *
 * It belongs to the thread that writes a store (write-thread.ts), which keeps the buckets beside the rows, in the same
 * transactions. Nothing replicated knows of it (docs/architecture.md, "The store").
 */
import { type StoreKey, TABLES } from './types.ts';

/** Buckets at most. */
export const BUCKETS_MAX = 4096;
/** Their borders at most, all together, and each (bytes). */
export const BORDERS_MAX_BYTES = 2 * 1024 * 1024;
const BORDER_MAX_BYTES = 1024;
/** Borders of ranges that are kept, at most; ranges beyond them are counted roughly. */
export const FIXED_MAX = 2048;
/** So many buckets there are of a large store, roughly: splitting and joining leave from half to twice as many. */
const BUCKETS_WANTED = 1024;
/** Fewer rows than this are never worth a bucket of their own. */
const SHARE_MIN = 64;
/** What is read in one commit to split buckets, in rows; so many bytes are as much as one (together some 30 ms). */
const READ_MAX = 32_768;
const ROW_BYTES = 2048;

/** The rows of clients from `lo` up to the next bucket. Bytes are of keys and values, without the table's byte. */
export type Bucket = { readonly lo: StoreKey; keys: number; bytes: number };
/** By what runs above the rows of a bucket change it, as far as sampled keys say: one of `SAMPLE` each. */
export type Above = { keys: number; bytes: number };
/** A bucket as it is kept. */
export type KeptBucket = Bucket & { readonly above: Above };
/**
 * Of so many keys one is sampled, by its hash: looking each one up before it goes into a run would cost what runs save. Of n keys that
 * come, sampling is off by about the square root of n times this.
 */
const SAMPLE = 16;
/** Keys and bytes of a range; exact where its ends are borders of buckets. */
export type RowCount = { readonly keys: number; readonly bytes: number };
/** Visits keys and the bytes of their rows in `[from, to)`, ascending, until it returns false. */
export type RowReader = (
  from: StoreKey,
  to: StoreKey,
  visit: (key: StoreKey, bytes: number) => boolean,
) => void;

/** The least key of the table, and the least above all of it. */
export const FIRST: StoreKey = TABLES.DATA;
export const END: StoreKey = TABLES.COMPLETIONS;

/** Whether the key with this hash is one of those. */
export function isSampled(hash: number): boolean {
  return hash % SAMPLE === 0;
}

/** Bytes of one row as they are counted. */
export function rowBytes(key: StoreKey, valueBytes: number): number {
  return key.length - 1 + valueBytes;
}

/** All buckets of one store: ascending, without gaps; the first begins at `FIRST`. */
export class Buckets {
  #all: KeptBucket[];
  #fixed: ReadonlySet<StoreKey> = new Set();
  #keys: number;
  #borderBytes: number;
  /** Where the last row fell: rows come in order. */
  #at = 0;
  /** Those that were changed or begun, and the borders of those that are gone, since they were last taken. */
  #changed = new Set<KeptBucket>();
  #gone = new Set<StoreKey>();

  /** @param all as they were stored; none: of an empty store */
  constructor(all: readonly KeptBucket[] = []) {
    this.#all = all.length === 0 ? [emptyBucket(FIRST)] : [...all];
    this.#keys = this.#all.reduce((sum, { keys }) => sum + keys, 0);
    this.#borderBytes = this.#all.reduce((sum, { lo }) => sum + lo.length, 0);
    if (all.length === 0) this.#changed.add(this.#all[0] as KeptBucket);
  }

  /** All of them, ascending. */
  get all(): readonly Readonly<KeptBucket>[] {
    return this.#all;
  }

  /** All of them with what runs above them change, as far as sampled keys tell. */
  estimated(): Bucket[] {
    return this.#all.map(estimateOf);
  }

  /** Rows in all of them. */
  get keys(): number {
    return this.#keys;
  }

  /** A row came, went, or has another value. */
  change(key: StoreKey, keys: number, bytes: number): void {
    const bucket = this.#bucketOf(key);
    bucket.keys += keys;
    bucket.bytes += bytes;
    this.#keys += keys;
    this.#changed.add(bucket);
  }

  /** A run changes the row of a sampled key, or what did so was merged, with the numbers reversed. */
  stack(key: StoreKey, change: Readonly<Above>): void {
    const bucket = this.#bucketOf(key);
    addTo(bucket.above, change);
    this.#changed.add(bucket);
  }

  /** There are no runs any more. */
  settle(): void {
    for (const bucket of this.#all) {
      if (bucket.above.keys === 0 && bucket.above.bytes === 0) continue;
      Object.assign(bucket.above, NOTHING);
      this.#changed.add(bucket);
    }
  }

  /** From now on buckets begin at these keys, as far as there is room; those that differ are cut by the next `maintain`. */
  fix(borders: readonly StoreKey[]): void {
    const inTable = borders.filter(
      (border) => border > FIRST && border < END && border.length <= BORDER_MAX_BYTES,
    );
    this.#fixed = new Set(inTable.slice(0, FIXED_MAX));
  }

  /**
   * Cuts buckets where ranges meet, splits those that are too large, and joins small ones. To be called when rows were written;
   * what would take too long is left for the next time.
   */
  maintain(read: RowReader): void {
    let left = READ_MAX;
    for (const border of [...this.#fixed].sort()) {
      const bucket = this.#bucketOf(border);
      if (bucket.lo === border) continue;
      if (costOf(bucket) > left && left < READ_MAX) return;
      left -= costOf(bucket);
      this.#cut(this.#at, border, read);
    }
    const most = 2 * this.#share;
    for (let at = 0; at < this.#all.length; at += 1) {
      const bucket = this.#all[at] as KeptBucket;
      if (bucket.keys <= most || (costOf(bucket) > left && left < READ_MAX)) continue;
      left -= costOf(bucket);
      at += this.#split(at, read);
    }
    this.#join();
  }

  /** What was changed or begun since the last call, and the borders of buckets that are gone. */
  take(): { readonly changed: readonly Readonly<KeptBucket>[]; readonly gone: readonly StoreKey[] } {
    const taken = { changed: [...this.#changed], gone: [...this.#gone] };
    this.#changed = new Set();
    this.#gone = new Set();
    return taken;
  }

  /** What lies in `[from, to)`, as `estimated`; of a bucket that is cut by an end, half. */
  count(from: StoreKey, to: StoreKey): RowCount {
    let keys = 0;
    let bytes = 0;
    for (let at = this.#indexOf(from); at < this.#all.length; at += 1) {
      const bucket = estimateOf(this.#all[at] as KeptBucket);
      if (bucket.lo >= to) break;
      const isWhole = bucket.lo >= from && (this.#all[at + 1]?.lo ?? END) <= to;
      keys += isWhole ? bucket.keys : Math.round(bucket.keys / 2);
      bytes += isWhole ? bucket.bytes : Math.round(bucket.bytes / 2);
    }
    return { keys, bytes };
  }

  /** Rows that a bucket should have. */
  get #share(): number {
    return Math.max(SHARE_MIN, Math.ceil(this.#keys / BUCKETS_WANTED));
  }

  #bucketOf(key: StoreKey): KeptBucket {
    const here = this.#all[this.#at];
    const next = this.#all[this.#at + 1];
    if (here !== undefined && here.lo <= key && (next === undefined || key < next.lo)) return here;
    this.#at = this.#indexOf(key);
    return this.#all[this.#at] as KeptBucket;
  }

  /** The last one that begins at or below `key`. */
  #indexOf(key: StoreKey): number {
    let low = 0;
    let high = this.#all.length;
    while (low + 1 < high) {
      const middle = (low + high) >> 1;
      if ((this.#all[middle] as Bucket).lo <= key) low = middle;
      else high = middle;
    }
    return low;
  }

  #endOf(at: number): StoreKey {
    return this.#all[at + 1]?.lo ?? END;
  }

  /** Parts one bucket at `border`. */
  #cut(at: number, border: StoreKey, read: RowReader): void {
    const { lo } = this.#all[at] as KeptBucket;
    const below = emptyBucket(lo);
    const above = emptyBucket(border);
    read(lo, this.#endOf(at), (key, bytes) => {
      const half = key < border ? below : above;
      half.keys += 1;
      half.bytes += bytes;
      return true;
    });
    this.#replace(at, 1, [below, above]);
  }

  /** Parts one bucket into pieces of a share each, as far as short borders tell them apart; returns how many more there are. */
  #split(at: number, read: RowReader): number {
    const { lo, keys } = this.#all[at] as KeptBucket;
    const share = Math.ceil(keys / Math.ceil(keys / this.#share));
    const pieces: KeptBucket[] = [emptyBucket(lo)];
    let before = lo;
    read(lo, this.#endOf(at), (key, bytes) => {
      let piece = pieces.at(-1) as KeptBucket;
      const border = piece.keys >= share ? borderBetween(before, key) : null;
      if (border !== null) {
        piece = emptyBucket(border);
        pieces.push(piece);
      }
      piece.keys += 1;
      piece.bytes += bytes;
      before = key;
      return true;
    });
    this.#replace(at, 1, pieces);
    return pieces.length - 1;
  }

  /** Joins neighbours that are small together; where there are too many, larger and larger ones. */
  #join(): void {
    for (let most = this.#share / 2; ; most *= 2) {
      const joined: KeptBucket[] = [];
      for (const bucket of this.#all) {
        const last = joined.at(-1);
        if (last === undefined || last.keys + bucket.keys > most || this.#fixed.has(bucket.lo)) {
          joined.push(bucket);
          continue;
        }
        last.keys += bucket.keys;
        last.bytes += bucket.bytes;
        addTo(last.above, bucket.above);
        this.#changed.add(last);
        this.#changed.delete(bucket);
        this.#gone.add(bucket.lo);
        this.#borderBytes -= bucket.lo.length;
      }
      this.#all = joined;
      this.#at = 0;
      if (this.#all.length <= BUCKETS_MAX && this.#borderBytes <= BORDERS_MAX_BYTES) return;
      if (most > this.#keys) return; // the borders of ranges alone are left
    }
  }

  #replace(at: number, count: number, pieces: readonly KeptBucket[]): void {
    shareOut(this.#all.slice(at, at + count), pieces);
    for (const bucket of this.#all.splice(at, count, ...pieces)) {
      this.#changed.delete(bucket);
      this.#borderBytes -= bucket.lo.length;
      this.#keys -= bucket.keys;
    }
    for (const piece of pieces) {
      this.#changed.add(piece);
      this.#gone.delete(piece.lo);
      this.#borderBytes += piece.lo.length;
      this.#keys += piece.keys;
    }
    this.#at = 0;
  }
}

const NOTHING: Readonly<Above> = { keys: 0, bytes: 0 };

function emptyBucket(lo: StoreKey): KeptBucket {
  return { lo, keys: 0, bytes: 0, above: { ...NOTHING } };
}

function addTo(above: Above, more: Readonly<Above>): void {
  above.keys += more.keys;
  above.bytes += more.bytes;
}

/** What lies above buckets goes to the pieces that take their place, as their keys do: nobody knows better. */
function shareOut(buckets: readonly KeptBucket[], pieces: readonly KeptBucket[]): void {
  const left: Above = { ...NOTHING };
  for (const { above } of buckets) addTo(left, above);
  let keys = pieces.reduce((sum, piece) => sum + piece.keys, 0);
  for (const [at, piece] of pieces.entries()) {
    const part = keys > 0 ? piece.keys / keys : 1 / (pieces.length - at);
    for (const of of ['keys', 'bytes'] as const) {
      piece.above[of] = Math.round(left[of] * part);
      left[of] -= piece.above[of];
    }
    keys -= piece.keys;
  }
}

/** A bucket as it will be when the runs above it are merged, by what sampled keys say. */
function estimateOf({ lo, keys, bytes, above }: Readonly<KeptBucket>): Bucket {
  return {
    lo,
    keys: Math.max(0, keys + SAMPLE * above.keys),
    bytes: Math.max(0, bytes + SAMPLE * above.bytes),
  };
}

function costOf({ keys, bytes }: Bucket): number {
  return keys + Math.ceil(bytes / ROW_BYTES);
}

/** The shortest key above `before`, and at or below `key`; null where it would be too long. */
function borderBetween(before: StoreKey, key: StoreKey): StoreKey | null {
  let same = 0;
  while (same < before.length && before.charCodeAt(same) === key.charCodeAt(same)) same += 1;
  return same + 1 > BORDER_MAX_BYTES ? null : key.slice(0, same + 1);
}
