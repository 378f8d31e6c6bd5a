/** Which keys this cluster serves, and where it sends those who ask for others. */
import type { Key } from '../../src/base/bytes.ts';
import type { Founded } from '../../src/identity/founding.ts';
import { boundAtMost, contains, intersect, type Range, subtract } from '../../src/keyspace/range.ts';
import type { Hint, Owned } from '../../src/protocol/admin/admin.ts';
import { failure } from '../../src/protocol/arakoon/replies.ts';
import type { Answer } from '../../src/protocol/arakoon/values.ts';
import type { SystemState } from './system-state.ts';

/** The ranges of a cluster that serve, neighbours merged: what a request is checked against. */
export class Ownership {
  readonly #serving: readonly Range[];
  /** Index of the range that held the last key: the next one is often there too. */
  #recent = 0;

  constructor(owned: readonly Owned[]) {
    const serving: Range[] = [];
    for (const { lo, hi, sealedBy } of owned) {
      if (sealedBy !== null) continue;
      const last = serving.at(-1);
      if (last?.hi === lo) serving[serving.length - 1] = { lo: last.lo, hi };
      else serving.push({ lo, hi });
    }
    this.#serving = serving;
  }

  /** Whether `key` is served here. */
  serves(key: Key): boolean {
    const recent = this.#serving[this.#recent];
    return (recent !== undefined && contains(recent, key)) || this.#find(key) !== null;
  }

  /** The first key of `range` that is not served here, or null where all of it is. */
  firstOutside(range: Range): Key | null {
    const found = this.#find(range.lo);
    if (found === null) return range.lo;
    // Ranges that touch are one here, so that what lies behind the end of this one is not served.
    return boundAtMost(range.hi, found.hi) ? null : found.hi;
  }

  #find(key: Key): Range | null {
    let low = 0;
    let high = this.#serving.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if ((this.#serving[middle] as Range).lo <= key) low = middle;
      else high = middle - 1;
    }
    const range = this.#serving[low];
    if (range === undefined || !contains(range, key)) return null;
    this.#recent = low;
    return range;
  }
}

/** The range error for `key`, with what this cluster knows of where the key is instead. */
export function rangeError(state: SystemState, key: Key): Answer {
  return failure('OUT_OF_RANGE', key, hintFor(state, key));
}

/**
 * Where a key that is not served here may be. While a range is sealed or staged the other cluster may or may not be the
 * owner in the end: tentative. A released range is at its target: confirmed.
 */
export function hintFor(state: SystemState, key: Key): Hint | null {
  for (const [mid, record] of state.exports) {
    if (record.seal !== null && contains(record, key)) return tentative(mid, record, record.target);
  }
  for (const [mid, record] of state.imports) {
    if (contains(record, key)) return tentative(mid, record, record.source);
  }
  const entry = state.forward.find((forward) => contains(forward, key));
  return entry === undefined ? null : { entry, confirmed: true };
}

function tentative(mid: number, { lo, hi, founding }: Range & Founded, owner: string): Hint {
  const entry = { lo, hi, owner, epoch: mid, ...(founding === undefined ? {} : { founding }) };
  return { entry, confirmed: false };
}

/** `owned` with `added`, which overlaps nothing in it. */
export function addOwned(owned: readonly Owned[], added: Owned): readonly Owned[] {
  return merged([...owned, added].sort((a, b) => (a.lo < b.lo ? -1 : 1)));
}

/** Entries with what lies in `range` taken out. */
export function removeRange<T extends Range>(entries: readonly T[], range: Range): readonly T[] {
  return entries.flatMap((entry) => subtract(entry, range).map((piece) => ({ ...entry, ...piece })));
}

/** `owned` with what lies in `range` sealed by migration `sealedBy`, or serving again where that is null. */
export function setSealed(owned: readonly Owned[], range: Range, sealedBy: number | null): readonly Owned[] {
  const inside = owned.flatMap((entry) => {
    const common = intersect(entry, range);
    return common === null ? [] : [{ ...entry, ...common, sealedBy }];
  });
  const all = [...removeRange(owned, range), ...inside];
  return merged(all.sort((a, b) => (a.lo < b.lo ? -1 : 1)));
}

/** Pieces that a seal had cut apart become one again. */
function merged(owned: readonly Owned[]): readonly Owned[] {
  const result: Owned[] = [];
  for (const entry of owned) {
    const last = result.at(-1);
    const joins = last?.hi === entry.lo && last.epoch === entry.epoch && last.sealedBy === entry.sealedBy;
    if (joins && last !== undefined) result[result.length - 1] = { ...last, hi: entry.hi };
    else result.push(entry);
  }
  return result;
}
