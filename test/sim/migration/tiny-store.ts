/** A store for a few dozen rows that keeps its last images: what a lagging replica would still answer from. */
import type { Changes, StoreKey, View, Visit } from '../../../node/store/types.ts';

type Rows = readonly (readonly [StoreKey, Uint8Array])[];

/** Images kept: a replica lags by at most so many slots. */
const IMAGES_MAX = 12;

/** One image, which never changes. */
export class TinyImage implements View {
  readonly slot: number;
  readonly rows: Rows;

  constructor(slot: number, rows: Rows) {
    this.slot = slot;
    this.rows = rows;
  }

  get(key: StoreKey): Uint8Array | undefined {
    const row = this.rows[this.#at(key)];
    return row?.[0] === key ? row[1] : undefined;
  }

  scan(from: StoreKey, to: StoreKey | null, visit: Visit): StoreKey | null {
    for (let at = this.#at(from); at < this.rows.length; at += 1) {
      const [key, value] = this.rows[at] as Rows[number];
      if ((to !== null && key >= to) || !visit(key, value)) break;
    }
    return null;
  }

  scanDown(from: StoreKey, to: StoreKey | null, visit: Visit): StoreKey | null {
    for (let at = (to === null ? this.rows.length : this.#at(to)) - 1; at >= 0; at -= 1) {
      const [key, value] = this.rows[at] as Rows[number];
      if (key < from || !visit(key, value)) break;
    }
    return null;
  }

  /** The image with `changes` made. */
  with(changes: Changes, slot: number): TinyImage {
    if (changes.size === 0) return new TinyImage(slot, this.rows);
    const changed = [...changes].sort(([a], [b]) => (a < b ? -1 : 1));
    const rows: (readonly [StoreKey, Uint8Array])[] = [];
    let next = 0;
    for (const [key, value] of changed) {
      const end = this.#at(key);
      for (; next < end; next += 1) rows.push(this.rows[next] as Rows[number]);
      if (this.rows[next]?.[0] === key) next += 1;
      if (value !== null) rows.push([key, Uint8Array.from(value)]);
    }
    for (; next < this.rows.length; next += 1) rows.push(this.rows[next] as Rows[number]);
    return new TinyImage(slot, rows);
  }

  /** Index of the first row at or above `key`. */
  #at(key: StoreKey): number {
    let low = 0;
    let high = this.rows.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.rows[middle] as Rows[number])[0] < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** The present image, as a view that moves on. */
export class TinyStore implements View {
  #images: TinyImage[];

  constructor(changes: Changes) {
    this.#images = [new TinyImage(0, []).with(changes, 0)];
  }

  get image(): TinyImage {
    return this.#images.at(-1) as TinyImage;
  }

  /** The newest image first. */
  lagging(by: number): TinyImage {
    return this.#images[Math.max(this.#images.length - 1 - by, 0)] as TinyImage;
  }

  commit(changes: Changes): void {
    this.#images.push(this.image.with(changes, this.image.slot + 1));
    if (this.#images.length > IMAGES_MAX) this.#images.shift();
  }

  get(key: StoreKey): Uint8Array | undefined {
    return this.image.get(key);
  }

  scan(from: StoreKey, to: StoreKey | null, visit: Visit): StoreKey | null {
    return this.image.scan(from, to, visit);
  }

  scanDown(from: StoreKey, to: StoreKey | null, visit: Visit): StoreKey | null {
    return this.image.scanDown(from, to, visit);
  }
}
