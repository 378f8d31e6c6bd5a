/** A node's store: stays the same object when a snapshot replaces what is beneath, and says what was committed. */
import type { DriverStore } from '../../../node/driver.ts';
import { snapshotRow } from '../../../node/members-row.ts';
import type { Image, MemoryStore } from '../../../node/store/memory-store.ts';
import type { Changes, Snapshot, StoreKey } from '../../../node/store/types.ts';

type Visit = (key: StoreKey, value: Uint8Array) => boolean;

export class SimStore implements DriverStore {
  inner: MemoryStore;
  readonly #committed: (changes: Changes, slot: number) => void;

  constructor(inner: MemoryStore, committed: (changes: Changes, slot: number) => void) {
    this.inner = inner;
    this.#committed = committed;
  }

  get slot(): number {
    return this.inner.slot;
  }

  get overlayBytes(): number {
    return this.inner.overlayBytes;
  }

  get(key: StoreKey): Uint8Array | undefined {
    return this.inner.get(key);
  }

  scan(from: StoreKey, to: StoreKey | null, visit: Visit): void {
    this.inner.scan(from, to, visit);
  }

  scanDown(from: StoreKey, to: StoreKey | null, visit: Visit): void {
    this.inner.scanDown(from, to, visit);
  }

  commit(changes: Changes, slot: number): void {
    this.inner.commit(changes, slot);
    this.#committed(changes, slot);
  }

  snapshot(): Snapshot {
    return this.inner.snapshot();
  }
}

/** All that a peer copies, as one image. */
export function imageOf(store: SimStore): Image {
  const rows: [StoreKey, Uint8Array][] = [];
  store.scan('', null, (key, value) => {
    rows.push([key, value]);
    return true;
  });
  const own = snapshotRow(store.slot);
  const others = rows.filter(([key]) => key !== own.key);
  others.push([own.key, own.value]);
  return { slot: store.slot, rows: others };
}
