/** A view of the store that costs nothing while a read is short, and stays one image where it turns out long. */
import type { Snapshot, Store, StoreKey, View, Visit } from '../store/types.ts';

/**
 * Reads the store itself until `pin`; from then on a snapshot. Pinned in the turn in which the read began, before
 * anything else was applied, it is the same image.
 */
export class PausableView implements View {
  readonly #store: Store;
  readonly slot: number;
  #snapshot: Snapshot | null = null;

  constructor(store: Store) {
    this.#store = store;
    this.slot = store.slot;
  }

  /** Keeps the image; to be called at each pause, the first time in the turn in which the read began. */
  pin(): void {
    if (this.#snapshot === null) this.#snapshot = this.#store.snapshot();
    else this.#snapshot.renew();
  }

  close(): void {
    this.#snapshot?.close();
    this.#snapshot = null;
  }

  get(key: StoreKey): Uint8Array | undefined {
    return (this.#snapshot ?? this.#store).get(key);
  }

  scan(from: StoreKey, to: StoreKey | null, visit: Visit): StoreKey | null {
    return (this.#snapshot ?? this.#store).scan(from, to, visit);
  }

  scanDown(from: StoreKey, to: StoreKey | null, visit: Visit): StoreKey | null {
    return (this.#snapshot ?? this.#store).scanDown(from, to, visit);
  }
}
