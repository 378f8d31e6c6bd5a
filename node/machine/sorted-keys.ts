/** A growing set of store keys in order: which keys a slot has changed, for scans that must see them. */
import type { StoreKey } from '../store/types.ts';

/** Keys in a leaf before it is halved. */
const LEAF_MAX = 512;

/** Leaves of ascending keys, each below the next; O(log n) to find, and a short move to insert. */
export class SortedKeys {
  readonly #leaves: StoreKey[][] = [[]];

  /** Adds `key`, which may be there already. */
  add(key: StoreKey): void {
    const index = this.#leafOf(key);
    const leaf = this.#leaves[index] as StoreKey[];
    const at = lowerBound(leaf, key);
    if (leaf[at] === key) return;
    if (at === leaf.length) leaf.push(key);
    else leaf.splice(at, 0, key);
    if (leaf.length > LEAF_MAX) this.#leaves.splice(index + 1, 0, leaf.splice(LEAF_MAX >>> 1));
  }

  /** A position at the first key that is not below `from`. Valid until a key is added. */
  cursor(from: StoreKey): SortedCursor {
    const index = this.#leafOf(from);
    return new SortedCursor(this.#leaves, index, lowerBound(this.#leaves[index] as StoreKey[], from));
  }

  /** Index of the last leaf that begins at or below `key`; 0 where none does. */
  #leafOf(key: StoreKey): number {
    let low = 0;
    let high = this.#leaves.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (((this.#leaves[middle] as StoreKey[])[0] as StoreKey) <= key) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}

/** A position in sorted keys. */
export class SortedCursor {
  readonly #leaves: readonly (readonly StoreKey[])[];
  #leaf: number;
  #index: number;

  constructor(leaves: readonly (readonly StoreKey[])[], leaf: number, index: number) {
    this.#leaves = leaves;
    this.#leaf = leaf;
    this.#index = index;
    this.#skipEnd();
  }

  /** Null past the end. */
  get key(): StoreKey | null {
    return this.#leaves[this.#leaf]?.[this.#index] ?? null;
  }

  advance(): void {
    this.#index += 1;
    this.#skipEnd();
  }

  #skipEnd(): void {
    const leaf = this.#leaves[this.#leaf];
    if (leaf === undefined || this.#index < leaf.length) return;
    this.#leaf += 1;
    this.#index = 0;
  }
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
