/** The store as the pure parts see it: an ordered map from byte strings to bytes, always the image of one slot. */
import type { Key } from '../../src/base/bytes.ts';

/** A table's prefix of one byte, then the key within the table. At most `STORE_KEY_MAX` bytes. */
export type StoreKey = Key;

/** LMDB's limit with a page size of 8 KiB. */
export const STORE_KEY_MAX = 4026;
/** Prefix of each table. Never reused. */
export const TABLES = {
  /** User key → value. Staged rows of an import and rows under clean-up lie here too: ownership tells them apart. */
  DATA: '\x01',
  /** Kept free for completion records: anchor key and session → result. Nothing writes here yet. */
  COMPLETIONS: '\x02',
  /** Migration id and row → slot of its last change. */
  DIRTY: '\x03',
  /** Small documents of the state machine: owned ranges, exports, imports, members … */
  SYSTEM: '\x04',
  /** The keeper's: map entries by `lo`, migrations by id, client configurations by cluster. */
  KEEPER: '\x05',
} as const;

/** What a reader sees: one image. */
export interface View {
  /** The value, or undefined. The caller must not change it. */
  get(key: StoreKey): Uint8Array | undefined;

  /**
   * Visits entries in `[from, to)` in ascending order until `visit` returns false; `to` null is unbounded.
   * The visitor must not change the store.
   *
   * Ends early once it has passed over `PASSED_MAX` removed rows, and returns the `from` to go on with; null where it
   * did not. **Where that is depends on what was flushed, so no update may depend on it**, nor on how many calls it took.
   */
  scan(from: StoreKey, to: StoreKey | null, visit: Visit): StoreKey | null;

  /** The same, descending: returns the `to` to go on with. */
  scanDown(from: StoreKey, to: StoreKey | null, visit: Visit): StoreKey | null;
}

/** A visitor of a scan: goes on while it returns true. */
export type Visit = (key: StoreKey, value: Uint8Array) => boolean;

/** Removed rows that one scan passes over, which nobody sees and so nobody could count: about 1 ms. */
export const PASSED_MAX = 500;

/** Keys with their new values, null where removed. */
export type Changes = ReadonlyMap<StoreKey, Uint8Array | null>;

/**
 * One image that stays as it is while later slots are applied. Must be closed; the store closes it where it was not
 * renewed for 30 s.
 */
export interface Snapshot extends View {
  readonly slot: number;
  /** Its reader makes progress: the time until it is closed begins anew. */
  renew(): void;
  close(): void;
}

/** What the driver writes to: the present image, with a way to change it. */
export interface Store extends View {
  /** The slot whose image this is. */
  readonly slot: number;

  /** Makes `changes` visible at once, as the image of `slot`. Durable only after a later flush. */
  commit(changes: Changes, slot: number): void;

  /** The present image, kept. */
  snapshot(): Snapshot;
}

/** Longest life of a snapshot that nobody renews (ms): it pins generations and pages of the store that could be used again. */
export const SNAPSHOT_MAX_MS = 30_000;
/** Open snapshots of one store. */
export const SNAPSHOTS_MAX = 1024;
/** Overlay size at which the store should be flushed at once (bytes). */
export const OVERLAY_FLUSH_BYTES = 32 * 1024 * 1024;
/** Overlay size at which nothing more should be applied until a flush has ended (bytes). */
export const OVERLAY_MAX_BYTES = 64 * 1024 * 1024;

/**
 * A store whose base survives the process: what a node runs on, and the simulation's stand-in for it. Each has a
 * `flush(durableSlot)` that writes what was gathered up to that slot at most into the base, at once or in time.
 */
export interface DurableStore extends Store {
  /** Memory that changes not yet in the base take (bytes), roughly: compared with the limits above by the caller. */
  readonly overlayBytes: number;
  /** The slot whose exact image the base holds, durably. */
  readonly flushedSlot: number;
}

/** Work that may be long: each `yield` is a point at which the caller may let others run. Returns its result. */
export type Work<T> = Generator<undefined, T, undefined>;
