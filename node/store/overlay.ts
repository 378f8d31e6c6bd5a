/**
 * What slots changed and the store's base does not have yet: a stack of immutable generations above one that
 * grows, each with the last value per key. Pure; both stores are an overlay above a base.
 */
import { invariant } from '../../src/base/assert.ts';
import { printKey, successor } from '../../src/base/bytes.ts';
import { NurseryError } from '../../src/base/errors.ts';
import { AscendingCursor, type Cursor, DescendingCursor, OverlayMap } from './overlay-map.ts';
import {
  type Changes,
  PASSED_MAX,
  type Snapshot,
  STORE_KEY_MAX,
  type StoreKey,
  TABLES,
  type Visit,
} from './types.ts';

/** Memory that an entry costs beside its key and value (bytes), as far as it counts against the limits. */
const ENTRY_BYTES = 96;
/** Generations of together at most this many keys are merged when one more is frozen (about 1 ms). */
const MERGE_KEYS_MAX = 4096;

/** What lies above the base and hides it: the last values of some keys, null where removed. */
export interface Layer {
  /** Undefined where the layer does not name the key. */
  get(key: StoreKey): Uint8Array | null | undefined;
  /** What it has in `[from, to)`, ascending, for as long as the layer does not change; null where it is empty. */
  ascending(from: StoreKey, to: StoreKey | null): LayerCursor | null;
  /** The same, descending. */
  descending(from: StoreKey, to: StoreKey | null): LayerCursor | null;
}

export type LayerCursor = Cursor<Uint8Array | null>;

/** The last value per key of consecutive slots, null where removed. */
export class Generation implements Layer {
  readonly rows = new OverlayMap<Uint8Array | null>();
  /** The last slot whose changes are in here. */
  slot: number;
  /** Memory that it takes (bytes), roughly. */
  bytes = 0;

  constructor(slot: number) {
    this.slot = slot;
  }

  set(key: StoreKey, value: Uint8Array | null): void {
    const old = this.rows.get(key);
    this.bytes += value === null ? 0 : value.length;
    if (old === undefined) this.bytes += key.length + ENTRY_BYTES;
    else if (old !== null) this.bytes -= old.length;
    this.rows.set(key, value);
  }

  /** Keys and values alone (bytes). */
  get rowBytes(): number {
    return this.bytes - this.rows.size * ENTRY_BYTES;
  }

  get(key: StoreKey): Uint8Array | null | undefined {
    return this.rows.get(key);
  }

  ascending(from: StoreKey, to: StoreKey | null): LayerCursor | null {
    return this.rows.size === 0 ? null : new AscendingCursor(this.rows, from, to);
  }

  descending(from: StoreKey, to: StoreKey | null): LayerCursor | null {
    return this.rows.size === 0 ? null : new DescendingCursor(this.rows, from, to);
  }
}

/** Generations, newest first. */
export type Generations = readonly Generation[];
/** Newest first: what a reader looks through before it asks the base. */
export type Layers = readonly Layer[];

/** The stack. `Store.commit` writes to it; a flush takes from its lower end. */
export class Overlay {
  /** Newest first; the first one grows, the others are immutable. */
  #stack: Generation[];
  /** The slot of the base's image. */
  #baseSlot: number;
  /** How many at the lower end are being written, so that they must stay as they are. */
  #held = 0;

  /** @param slot the slot of the base's image */
  constructor(slot: number) {
    this.#baseSlot = slot;
    this.#stack = [new Generation(slot)];
  }

  get slot(): number {
    return this.#growing.slot;
  }

  /** Rows of all generations. */
  get rows(): number {
    return this.#stack.reduce((sum, { rows }) => sum + rows.size, 0);
  }

  /** Memory that all generations take (bytes), roughly. */
  get bytes(): number {
    let bytes = 0;
    for (const generation of this.#stack) bytes += generation.bytes;
    return bytes;
  }

  /** For reading at this moment only; `pin` for longer. */
  get generations(): Generations {
    return this.#stack;
  }

  /**
   * Adds the changes of one slot. Values are kept, not copied.
   *
   * `slot` is above the present one; only slot 0, where a store begins, may be added to.
   */
  commit(changes: Changes, slot: number): void {
    const growing = this.#growing;
    invariant(
      slot > growing.slot || (slot === 0 && growing.slot === 0),
      'slots are committed in order',
      () => ({
        slot,
        last: growing.slot,
      }),
    );
    for (const [key, value] of changes) {
      invariant(
        key >= TABLES.DATA && key.length <= STORE_KEY_MAX,
        'a key begins with its table and is not too long',
        () => ({ slot, key: printKey(key), bytes: key.length }),
      );
      growing.set(key, value);
    }
    growing.slot = slot;
  }

  /** Freezes what grows, and returns the immutable generations that are the present image above the base. */
  pin(): Generations {
    this.#freeze();
    return this.#stack.slice(1);
  }

  /**
   * The generations to write, oldest first: all whose slots are at most `durableSlot`. They stay where they are,
   * readable, until `release` or `drop`.
   *
   * What grows is frozen, unless one frozen before is still not durable: so the stack does not grow while a log
   * stalls.
   */
  hold(durableSlot: number): Generations {
    invariant(this.#held === 0, 'one flush at a time', () => ({ held: this.#held, durableSlot }));
    const newestFrozen = this.#stack[1];
    if (newestFrozen === undefined || newestFrozen.slot <= durableSlot) this.#freeze();
    const held = this.#stack.slice(1).filter((generation) => generation.slot <= durableSlot);
    this.#held = held.length;
    return held.reverse();
  }

  /** What was held could not be written: it stays. */
  release(): void {
    this.#held = 0;
  }

  /** What was held is part of the base now. */
  drop(): void {
    const newestHeld = this.#stack[this.#stack.length - this.#held];
    if (this.#held > 0 && newestHeld !== undefined) this.#baseSlot = newestHeld.slot;
    this.#stack.length -= this.#held;
    this.#held = 0;
  }

  #freeze(): void {
    const growing = this.#growing;
    const below = this.#stack[1]?.slot ?? this.#baseSlot;
    if (growing.rows.size === 0 && growing.slot === below) return;
    this.#stack.unshift(new Generation(growing.slot));
    this.#mergeSmall();
  }

  /**
   * Keeps the stack low where readers freeze it often: small neighbours become one, so that sizes at least double
   * downwards and an entry is copied a few times at most. Pinned generations live on as they are.
   */
  #mergeSmall(): void {
    for (;;) {
      const newer = this.#stack[1];
      const older = this.#stack[2];
      if (newer === undefined || older === undefined || this.#held > this.#stack.length - 3) return;
      if (older.rows.size > 2 * newer.rows.size || older.rows.size + newer.rows.size > MERGE_KEYS_MAX) return;
      const merged = new Generation(newer.slot);
      for (const [key, value] of older.rows.entries()) merged.set(key, value);
      for (const [key, value] of newer.rows.entries()) merged.set(key, value);
      this.#stack.splice(1, 2, merged);
    }
  }

  get #growing(): Generation {
    return this.#stack[0] as Generation;
  }
}

/** The value in the newest layer that names the key: null where removed, undefined where none does. */
export function lookUp(layers: Layers, key: StoreKey): Uint8Array | null | undefined {
  for (const layer of layers) {
    const value = layer.get(key);
    if (value !== undefined) return value;
  }
  return undefined;
}

/** What lies below all layers: rows, none of them removed. */
export type Base = {
  get(key: StoreKey): Uint8Array | undefined;
  scan(from: StoreKey, to: StoreKey | null, visit: Visit): void;
  scanDown(from: StoreKey, to: StoreKey | null, visit: Visit): void;
};

/** `View.scan` over layers above a base. */
export function scanMerged(
  layers: Layers,
  base: Base,
  from: StoreKey,
  to: StoreKey | null,
  visit: Visit,
): StoreKey | null {
  if (to !== null && from >= to) return null;
  const passed = mergeWithBase(mergeAscending(layers, from, to), isBelow, visit, (baseVisit) =>
    base.scan(from, to, baseVisit),
  );
  return passed === null ? null : successor(passed);
}

/** `View.scanDown` over layers above a base. */
export function scanDownMerged(
  layers: Layers,
  base: Base,
  from: StoreKey,
  to: StoreKey | null,
  visit: Visit,
): StoreKey | null {
  if (to !== null && from >= to) return null;
  return mergeWithBase(mergeDescending(layers, from, to), isAbove, visit, (baseVisit) =>
    base.scanDown(from, to, baseVisit),
  );
}

/** What several layers have together in `[from, to)`, ascending; the newest hides the others. */
export function mergeAscending(layers: Layers, from: StoreKey, to: StoreKey | null): LayerCursor {
  return mergeCursors(present(layers.map((layer) => layer.ascending(from, to))), isBelow);
}

/** The same, descending. */
export function mergeDescending(layers: Layers, from: StoreKey, to: StoreKey | null): LayerCursor {
  return mergeCursors(present(layers.map((layer) => layer.descending(from, to))), isAbove);
}

/** The image of one slot: pinned layers above an image of the base. */
export class OverlaySnapshot implements Snapshot {
  readonly slot: number;
  readonly #layers: Layers;
  readonly #base: Base;
  readonly #renewed: () => void;
  readonly #closed: () => void;
  #open = true;

  /** @param renewed called whenever its reader says that it goes on; @param closed called once, when it is closed */
  constructor(slot: number, layers: Layers, base: Base, renewed: () => void, closed: () => void) {
    this.slot = slot;
    this.#layers = layers;
    this.#base = base;
    this.#renewed = renewed;
    this.#closed = closed;
  }

  renew(): void {
    this.#checkOpen();
    this.#renewed();
  }

  get(key: StoreKey): Uint8Array | undefined {
    this.#checkOpen();
    const value = lookUp(this.#layers, key);
    return value === undefined ? this.#base.get(key) : (value ?? undefined);
  }

  scan(from: StoreKey, to: StoreKey | null, visit: Visit): StoreKey | null {
    this.#checkOpen();
    return scanMerged(this.#layers, this.#base, from, to, visit);
  }

  scanDown(from: StoreKey, to: StoreKey | null, visit: Visit): StoreKey | null {
    this.#checkOpen();
    return scanDownMerged(this.#layers, this.#base, from, to, visit);
  }

  /** Lets go of what it pins; safe to repeat. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#closed();
  }

  /** @throws NurseryError SNAPSHOT_CLOSED */
  #checkOpen(): void {
    if (this.#open) return;
    throw new NurseryError(
      'SNAPSHOT_CLOSED',
      `the snapshot of slot ${this.slot} is closed: start again with a new one`,
    );
  }
}

/** Whether one key comes before another in the direction of a scan. */
type Before = (key: StoreKey, other: StoreKey) => boolean;
const isBelow: Before = (key, other) => key < other;
const isAbove: Before = (key, other) => key > other;

function present(cursors: readonly (LayerCursor | null)[]): LayerCursor[] {
  return cursors.filter((cursor) => cursor !== null);
}

/** Returns the last key that was passed over, where `PASSED_MAX` of them ended the scan. */
function mergeWithBase(
  above: LayerCursor,
  before: Before,
  visit: Visit,
  scanBase: (visit: Visit) => void,
): StoreKey | null {
  let stopped = false;
  let passed = 0;
  let passedLast: StoreKey | null = null;
  const visitAbove = (key: StoreKey): void => {
    const value = above.value();
    above.advance();
    if (value !== null) {
      stopped = !visit(key, value);
      return;
    }
    passed += 1;
    if (passed < PASSED_MAX) return;
    passedLast = key;
    stopped = true;
  };
  try {
    scanBase((key, value) => {
      while (above.key !== null && before(above.key, key)) {
        visitAbove(above.key);
        if (stopped) return false;
      }
      if (above.key === key) visitAbove(key);
      else stopped = !visit(key, value);
      return !stopped;
    });
    while (!stopped && above.key !== null) visitAbove(above.key);
  } finally {
    above.close();
  }
  return passedLast;
}

/** One alone needs no merging, which would cost as much as reading. */
function mergeCursors(cursors: readonly LayerCursor[], before: Before): LayerCursor {
  const [first] = cursors;
  return first !== undefined && cursors.length === 1 ? first : new Merged(cursors, before);
}

/** Several cursors as one; where they meet, the earliest of the list hides the others. */
class Merged implements LayerCursor {
  key: StoreKey | null = null;
  readonly #cursors: readonly LayerCursor[];
  readonly #before: Before;
  #current: LayerCursor | null = null;

  constructor(cursors: readonly LayerCursor[], before: Before) {
    this.#cursors = cursors;
    this.#before = before;
    this.#choose();
  }

  value(): Uint8Array | null {
    invariant(this.#current !== null, 'a cursor is read before its end', () => ({
      cursors: this.#cursors.length,
    }));
    return this.#current.value();
  }

  advance(): void {
    const passed = this.key;
    for (const cursor of this.#cursors) {
      if (cursor.key === passed) cursor.advance();
    }
    this.#choose();
  }

  close(): void {
    for (const cursor of this.#cursors) cursor.close();
  }

  #choose(): void {
    let key: StoreKey | null = null;
    let current: LayerCursor | null = null;
    for (const cursor of this.#cursors) {
      if (cursor.key === null || (key !== null && !this.#before(cursor.key, key))) continue;
      key = cursor.key;
      current = cursor;
    }
    this.key = key;
    this.#current = current;
  }
}
