/** A store in memory alone, pure: what the simulation and tests run on. A crash loses what was not flushed. */

import { lookUp, Overlay, OverlaySnapshot, scanDownMerged, scanMerged } from './overlay.ts';
import { OverlayMap } from './overlay-map.ts';
import {
  type Changes,
  type DurableStore,
  OVERLAY_MAX_BYTES,
  type Snapshot,
  type StoreKey,
  type Visit,
} from './types.ts';

/** Simulated time closes no snapshot by itself: `expireSnapshots` does. */
const NO_CLOCK = (): void => undefined;

/** What the disk would hold: the exact image of one slot. */
export type Image = { readonly slot: number; readonly rows: readonly (readonly [StoreKey, Uint8Array])[] };

/** The store's interface over an ordered map. */
export class MemoryStore implements DurableStore {
  readonly #overlay: Overlay;
  #base: OverlayMap<Uint8Array>;
  #flushedSlot: number;
  readonly #snapshots = new Set<OverlaySnapshot>();

  /** @param image what a store before this one had flushed; without it, empty at slot 0 */
  constructor(image: Image = { slot: 0, rows: [] }) {
    this.#overlay = new Overlay(image.slot);
    this.#flushedSlot = image.slot;
    this.#base = new OverlayMap();
    for (const [key, value] of image.rows) this.#base.set(key, value);
  }

  get slot(): number {
    return this.#overlay.slot;
  }

  get flushedSlot(): number {
    return this.#flushedSlot;
  }

  get overlayBytesMax(): number {
    return OVERLAY_MAX_BYTES;
  }

  get overlayBytes(): number {
    return this.#overlay.bytes;
  }

  get(key: StoreKey): Uint8Array | undefined {
    const value = lookUp(this.#overlay.generations, key);
    return value === undefined ? this.#base.get(key) : (value ?? undefined);
  }

  scan(from: StoreKey, to: StoreKey | null, visit: Visit): StoreKey | null {
    return scanMerged(this.#overlay.generations, this.#base, from, to, visit);
  }

  scanDown(from: StoreKey, to: StoreKey | null, visit: Visit): StoreKey | null {
    return scanDownMerged(this.#overlay.generations, this.#base, from, to, visit);
  }

  commit(changes: Changes, slot: number): void {
    this.#overlay.commit(changes, slot);
  }

  snapshot(): Snapshot {
    const snapshot = new OverlaySnapshot(this.slot, this.#overlay.pin(), this.#base, NO_CLOCK, () => {
      this.#snapshots.delete(snapshot);
    });
    this.#snapshots.add(snapshot);
    return snapshot;
  }

  /** Closes every snapshot, as the store on disk does once they are too old. */
  expireSnapshots(): void {
    for (const snapshot of [...this.#snapshots]) snapshot.close();
  }

  flush(durableSlot: number): void {
    const held = this.#overlay.hold(durableSlot);
    if (held.length > 0 && this.#snapshots.size > 0) this.#base = this.#base.copy(); // the old one is theirs
    for (const { rows, slot } of held) {
      for (const [key, value] of rows.entries()) {
        if (value === null) this.#base.delete(key);
        else this.#base.set(key, value);
      }
      this.#flushedSlot = slot;
    }
    this.#overlay.drop();
  }

  /** What a crash at this moment leaves: give it to a new store. */
  image(): Image {
    return { slot: this.#flushedSlot, rows: [...this.#base.entries()] };
  }
}
