/** A node's store: stays the same object when a snapshot replaces what is beneath, and says what was committed. */
import type { DriverStore } from '../../../node/driver.ts';
import type { MemoryStore } from '../../../node/store/memory-store.ts';
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
