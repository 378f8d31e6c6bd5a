/** Half-open intervals of keys. */
import { type Key, prefixEnd, printKey } from '../base/bytes.ts';

/** `[lo, hi)`: from `lo`, included, to `hi`, excluded; `hi` null is unbounded. Not empty: `lo < hi`. */
export type Range = { readonly lo: Key; readonly hi: Key | null };

/** Every key there can be. */
export const WHOLE: Range = { lo: '', hi: null };

/** The keys that begin with `prefix`. */
export function prefixRange(prefix: Key): Range {
  return { lo: prefix, hi: prefixEnd(prefix) };
}

/** Whether `a` as an upper bound lies at or below `b`; null is above every key. */
export function boundAtMost(a: Key | null, b: Key | null): boolean {
  return b === null || (a !== null && a <= b);
}

/** The lower of two upper bounds. */
export function lowerBound(a: Key | null, b: Key | null): Key | null {
  return boundAtMost(a, b) ? a : b;
}

/** Whether `key` lies in `range`. */
export function contains(range: Range, key: Key): boolean {
  return key >= range.lo && (range.hi === null || key < range.hi);
}

/** Whether all of `inner` lies in `outer`. */
export function covers(outer: Range, inner: Range): boolean {
  return outer.lo <= inner.lo && boundAtMost(inner.hi, outer.hi);
}

/** The keys in both, or null where there are none. */
export function intersect(a: Range, b: Range): Range | null {
  const lo = a.lo > b.lo ? a.lo : b.lo;
  const hi = lowerBound(a.hi, b.hi);
  return hi === null || lo < hi ? { lo, hi } : null;
}

/** Whether the two share a key. */
export function overlaps(a: Range, b: Range): boolean {
  return intersect(a, b) !== null;
}

/** What of `range` lies outside `hole`: nothing, one piece or two, in order. */
export function subtract(range: Range, hole: Range): Range[] {
  const common = intersect(range, hole);
  if (common === null) return [range];
  const pieces: Range[] = [];
  if (range.lo < common.lo) pieces.push({ lo: range.lo, hi: common.lo });
  if (common.hi !== null && (range.hi === null || common.hi < range.hi)) {
    pieces.push({ lo: common.hi, hi: range.hi });
  }
  return pieces;
}

/** Whether the two are the same interval. */
export function sameRange(a: Range, b: Range): boolean {
  return a.lo === b.lo && a.hi === b.hi;
}

/** For people: `[k..t)`, with `end` where unbounded. */
export function printRange(range: Range): string {
  return `[${printKey(range.lo)}..${range.hi === null ? 'end' : printKey(range.hi)})`;
}
