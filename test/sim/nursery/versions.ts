/** What every key of a cluster was worth after each of its slots. */

import type { Slot } from '../../../node/paxos/values.ts';
import type { Key } from '../../../src/base/bytes.ts';
import type { Owned } from '../../../src/protocol/admin/admin.ts';
import type { RowChange } from './cluster-history.ts';

type Version = { readonly slot: Slot; readonly value: Uint8Array | null };

export class Versions {
  /** By key, ascending by slot; only where something changed. */
  readonly #byKey = new Map<Key, Version[]>();
  /** What the cluster owned, from each slot on. */
  readonly #owned: { readonly slot: Slot; readonly owned: readonly Owned[] }[] = [];

  /** Slots come in order. */
  changed(slot: Slot, changes: readonly RowChange[]): void {
    for (const { key, after } of changes) {
      const versions = this.#byKey.get(key);
      if (versions === undefined) this.#byKey.set(key, [{ slot, value: after }]);
      else versions.push({ slot, value: after });
    }
  }

  /** What is owned from `slot` on, where that is known by then. */
  owns(slot: Slot, owned: readonly Owned[]): void {
    if (this.#owned.at(-1)?.owned !== owned) this.#owned.push({ slot, owned });
  }

  /** The value after `slot`; null where there was none. */
  at(key: Key, slot: Slot): Uint8Array | null {
    return lastUpTo(this.#byKey.get(key) ?? [], slot)?.value ?? null;
  }

  /** All rows after `slot`, ascending. */
  rowsAt(slot: Slot): [Key, Uint8Array][] {
    const rows: [Key, Uint8Array][] = [];
    for (const key of this.#byKey.keys()) {
      const value = this.at(key, slot);
      if (value !== null) rows.push([key, value]);
    }
    return rows.sort(([a], [b]) => (a < b ? -1 : 1));
  }

  ownedAt(slot: Slot): readonly Owned[] {
    return lastUpTo(this.#owned, slot)?.owned ?? [];
  }
}

function lastUpTo<T extends { readonly slot: Slot }>(list: readonly T[], slot: Slot): T | undefined {
  let [from, to] = [0, list.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    if ((list[middle] as T).slot <= slot) from = middle + 1;
    else to = middle;
  }
  return list[from - 1];
}
