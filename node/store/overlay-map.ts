/**
 * An ordered map from store keys, made for loads that mostly write.
 *
 * A `Map` answers point look-ups. Order is kept beside it in leaves of at most `LEAF_MAX` keys that are sorted
 * only when they are read or split, so that a new key costs one binary search and one push, an overwrite
 * nothing at all, and no single call ever sorts more than one leaf.
 */
import type { StoreKey } from './types.ts';

/** Keys in a leaf before it is split. Sorting one takes about 0.1 ms. */
const LEAF_MAX = 1024;

/** The keys from this leaf's `low` up to the next one's; `sorted` says whether they are in order yet. */
type Leaf = { keys: StoreKey[]; sorted: boolean };

/** Ordered map; `undefined` is not a value. */
export class OverlayMap<V> {
  readonly #values = new Map<StoreKey, V>();
  readonly #leaves: Leaf[] = [{ keys: [], sorted: true }];
  /** Least key that each leaf may hold; ascending, and the first is below every key. */
  readonly #lows: StoreKey[] = [''];
  /** The leaf that took the last new key: the next one often belongs there too. */
  #recent = 0;

  get size(): number {
    return this.#values.size;
  }

  get(key: StoreKey): V | undefined {
    return this.#values.get(key);
  }

  set(key: StoreKey, value: V): void {
    const before = this.#values.size;
    this.#values.set(key, value);
    if (this.#values.size !== before) this.#insert(key);
  }

  delete(key: StoreKey): void {
    if (!this.#values.delete(key)) return;
    const index = this.#leafFor(key);
    const { keys } = this.#sortedLeaf(index);
    keys.splice(lowerBound(keys, key), 1);
    if (keys.length > 0 || index === 0) return;
    this.#leaves.splice(index, 1);
    this.#lows.splice(index, 1);
    this.#recent = 0;
  }

  /** Entries in the order in which their keys first came. */
  entries(): IterableIterator<[StoreKey, V]> {
    return this.#values.entries();
  }

  /** Entries in ascending order. A leaf is sorted when its turn comes. */
  *ordered(): IterableIterator<[StoreKey, V]> {
    for (let index = 0; index < this.#leaves.length; index += 1) {
      for (const key of this.leafKeys(index)) yield [key, this.#values.get(key) as V];
    }
  }

  leafCount(): number {
    return this.#leaves.length;
  }

  /** The keys of one leaf, ascending; all of them lie below those of the next. */
  leafKeys(index: number): readonly StoreKey[] {
    return this.#sortedLeaf(index).keys;
  }

  /** Index of the leaf that would hold `key`. */
  leafOf(key: StoreKey): number {
    return this.#leafFor(key);
  }

  /** Visits entries in `[from, to)` in ascending order until `visit` returns false; `to` null is unbounded. */
  scan(from: StoreKey, to: StoreKey | null, visit: (key: StoreKey, value: V) => boolean): void {
    const cursor = new AscendingCursor<V>(this, from, to);
    while (cursor.key !== null) {
      if (!visit(cursor.key, cursor.value())) return;
      cursor.advance();
    }
  }

  /** The same, descending. */
  scanDown(from: StoreKey, to: StoreKey | null, visit: (key: StoreKey, value: V) => boolean): void {
    const cursor = new DescendingCursor<V>(this, from, to);
    while (cursor.key !== null) {
      if (!visit(cursor.key, cursor.value())) return;
      cursor.advance();
    }
  }

  copy(): OverlayMap<V> {
    const copy = new OverlayMap<V>();
    for (const [key, value] of this.#values) copy.set(key, value);
    return copy;
  }

  #insert(key: StoreKey): void {
    const index = this.#leafFor(key);
    const leaf = this.#leaves[index] as Leaf;
    const { keys } = leaf;
    const greatest = keys.length === 0 || (leaf.sorted && (keys[keys.length - 1] as StoreKey) < key);
    this.#recent = index;
    if (keys.length >= LEAF_MAX) {
      // Keys that come in ascending order fill their leaves; all others leave them half full.
      if (greatest && index === this.#leaves.length - 1) {
        this.#leaves.push({ keys: [key], sorted: true });
        this.#lows.push(key);
        return;
      }
      keys.push(key);
      leaf.sorted = greatest;
      this.#split(index);
      return;
    }
    keys.push(key);
    leaf.sorted = greatest;
  }

  #split(index: number): void {
    const { keys } = this.#sortedLeaf(index);
    const upper = keys.splice(keys.length >>> 1);
    this.#leaves.splice(index + 1, 0, { keys: upper, sorted: true });
    this.#lows.splice(index + 1, 0, upper[0] as StoreKey);
  }

  #leafFor(key: StoreKey): number {
    const lows = this.#lows;
    const recent = this.#recent;
    if (
      (lows[recent] as StoreKey) <= key &&
      (recent + 1 === lows.length || key < (lows[recent + 1] as StoreKey))
    ) {
      return recent;
    }
    let low = 0;
    let high = lows.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if ((lows[middle] as StoreKey) <= key) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  #sortedLeaf(index: number): Leaf {
    const leaf = this.#leaves[index] as Leaf;
    if (!leaf.sorted) {
      leaf.keys.sort();
      leaf.sorted = true;
    }
    return leaf;
  }
}

/** A position in one map, or in several merged ones. Valid until the map changes. */
export interface Cursor<V> {
  /** Null past the end. */
  readonly key: StoreKey | null;
  /** The value at `key`; only where that is not null. */
  value(): V;
  advance(): void;
  /** It is not needed any more; safe to repeat. */
  close(): void;
}

/** The entries of a map in `[from, to)`, ascending. */
export class AscendingCursor<V> implements Cursor<V> {
  key: StoreKey | null = null;
  readonly #map: OverlayMap<V>;
  readonly #to: StoreKey | null;
  #leaf: number;
  #keys: readonly StoreKey[];
  #index: number;

  constructor(map: OverlayMap<V>, from: StoreKey, to: StoreKey | null) {
    this.#map = map;
    this.#to = to;
    this.#leaf = map.leafOf(from);
    this.#keys = map.leafKeys(this.#leaf);
    this.#index = lowerBound(this.#keys, from) - 1;
    this.advance();
  }

  value(): V {
    return this.#map.get(this.key as StoreKey) as V;
  }

  advance(): void {
    this.#index += 1;
    while (this.#index >= this.#keys.length) {
      this.#leaf += 1;
      if (this.#leaf >= this.#map.leafCount()) {
        this.key = null;
        return;
      }
      this.#keys = this.#map.leafKeys(this.#leaf);
      this.#index = 0;
    }
    const key = this.#keys[this.#index] as StoreKey;
    this.key = this.#to !== null && key >= this.#to ? null : key;
  }

  /** It holds nothing. */
  close(): void {}
}

/** The entries of a map in `[from, to)`, descending. */
export class DescendingCursor<V> implements Cursor<V> {
  key: StoreKey | null = null;
  readonly #map: OverlayMap<V>;
  readonly #from: StoreKey;
  #leaf: number;
  #keys: readonly StoreKey[];
  #index: number;

  constructor(map: OverlayMap<V>, from: StoreKey, to: StoreKey | null) {
    this.#map = map;
    this.#from = from;
    this.#leaf = to === null ? map.leafCount() - 1 : map.leafOf(to);
    this.#keys = map.leafKeys(this.#leaf);
    this.#index = to === null ? this.#keys.length : lowerBound(this.#keys, to);
    this.advance();
  }

  value(): V {
    return this.#map.get(this.key as StoreKey) as V;
  }

  advance(): void {
    this.#index -= 1;
    while (this.#index < 0) {
      this.#leaf -= 1;
      if (this.#leaf < 0) {
        this.key = null;
        return;
      }
      this.#keys = this.#map.leafKeys(this.#leaf);
      this.#index = this.#keys.length - 1;
    }
    const key = this.#keys[this.#index] as StoreKey;
    this.key = key < this.#from ? null : key;
  }

  /** It holds nothing. */
  close(): void {}
}

/** Index of the first of the ascending `keys` that is not below `key`. */
function lowerBound(keys: readonly StoreKey[], key: StoreKey): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((keys[middle] as StoreKey) < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
