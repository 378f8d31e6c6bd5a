/** A node's store: stays the same object when a snapshot replaces what is beneath, and says what was committed. */

import type { DriverStore } from '../../../node/driver/world.ts';
import { snapshotRow } from '../../../node/life/members-row.ts';
import { scanAll } from '../../../node/machine/store-keys.ts';
import type { Image, MemoryStore } from '../../../node/store/memory-store.ts';
import type { Changes, Snapshot, StoreKey, Visit } from '../../../node/store/types.ts';
import { successor } from '../../../src/base/bytes.ts';

/** Rows after which a scan ends early, at most: each replica's scans end elsewhere, as if each had flushed other rows. */
const VISITS_MAX = 12;

export class SimStore implements DriverStore {
  inner: MemoryStore;
  readonly #committed: (changes: Changes, slot: number) => void;
  #visitsMax: number;

  /** @param random in [0, 1): where scans end early */
  constructor(inner: MemoryStore, random: number, committed: (changes: Changes, slot: number) => void) {
    this.inner = inner;
    this.#visitsMax = Math.floor(random * VISITS_MAX);
    this.#committed = committed;
  }

  get slot(): number {
    return this.inner.slot;
  }

  get overlayBytesMax(): number {
    return this.inner.overlayBytesMax;
  }

  get overlayBytes(): number {
    return this.inner.overlayBytes;
  }

  get(key: StoreKey): Uint8Array | undefined {
    return this.inner.get(key);
  }

  scan(from: StoreKey, to: StoreKey | null, visit: Visit): StoreKey | null {
    const short = this.#short(visit);
    const passed = this.inner.scan(from, to, short.visit);
    const cut = short.cut();
    return cut === null ? passed : successor(cut);
  }

  scanDown(from: StoreKey, to: StoreKey | null, visit: Visit): StoreKey | null {
    const short = this.#short(visit);
    const passed = this.inner.scanDown(from, to, short.visit);
    return short.cut() ?? passed;
  }

  commit(changes: Changes, slot: number): void {
    this.inner.commit(changes, slot);
    this.#committed(changes, slot);
  }

  snapshot(): Snapshot {
    return this.inner.snapshot();
  }

  /** A visitor that ends the scan after some rows; `cut` is the last one where it did. */
  #short(visit: Visit): { readonly visit: Visit; cut(): StoreKey | null } {
    this.#visitsMax = (this.#visitsMax + 7) % VISITS_MAX;
    let left = this.#visitsMax + 1;
    let cut: StoreKey | null = null;
    return {
      visit: (key, value) => {
        if (!visit(key, value)) return false;
        left -= 1;
        if (left === 0) cut = key;
        return left > 0;
      },
      cut: () => cut,
    };
  }
}

/** All that a peer copies, as one image. */
export function imageOf(store: SimStore): Image {
  const rows: [StoreKey, Uint8Array][] = [];
  scanAll(store, '', null, (key, value) => {
    rows.push([key, value]);
  });
  const own = snapshotRow(store.slot);
  const others = rows.filter(([key]) => key !== own.key);
  others.push([own.key, own.value]);
  return { slot: store.slot, rows: others };
}
