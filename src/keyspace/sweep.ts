/** Two lists of ranges, each ascending and disjoint, held against each other in one sweep: costs the sum of both. */
import type { Key } from '../base/bytes.ts';
import { intersect, type Range } from './range.ts';

/** A piece that both lists have, and whose of the other list it is. */
export type Part<B extends Range> = Range & { readonly of: B };

/** For each of `ranges`, what of it lies in which of `others`. */
export function* commonParts<A extends Range, B extends Range>(
  ranges: readonly A[],
  others: readonly B[],
): Generator<{ readonly range: A; readonly parts: readonly Part<B>[] }> {
  let first = 0;
  for (const range of ranges) {
    while (first < others.length && isBelow(others[first] as B, range)) first += 1;
    const parts: Part<B>[] = [];
    for (let at = first; at < others.length; at += 1) {
      const of = others[at] as B;
      const common = intersect(range, of);
      if (common === null) break;
      parts.push({ ...common, of });
    }
    yield { range, parts };
  }
}

/** What of `range` none of `parts` has, which lie in it. */
export function gapsIn(range: Range, parts: readonly Range[]): Range[] {
  const gaps: Range[] = [];
  let from: Key | null = range.lo;
  for (const { lo, hi } of parts) {
    if (from !== null && from < lo) gaps.push({ lo: from, hi: lo });
    from = hi;
  }
  if (from !== null && (range.hi === null || from < range.hi)) gaps.push({ lo: from, hi: range.hi });
  return gaps;
}

/** `ranges` with all that lies in one of `others` taken out. */
export function without<T extends Range>(ranges: readonly T[], others: readonly Range[]): T[] {
  const left: T[] = [];
  for (const { range, parts } of commonParts(ranges, others))
    for (const gap of gapsIn(range, parts)) left.push({ ...range, ...gap });
  return left;
}

/** What lies in any of them, which may overlap: ascending and disjoint. */
export function union(ranges: readonly Range[]): Range[] {
  const joined: Range[] = [];
  for (const { lo, hi } of ascending(ranges)) {
    const last = joined.at(-1);
    if (last === undefined || (last.hi !== null && last.hi < lo)) joined.push({ lo, hi });
    else if (last.hi !== null && (hi === null || hi > last.hi))
      joined[joined.length - 1] = { lo: last.lo, hi };
  }
  return joined;
}

/** In the order of their beginnings. */
export function ascending<T extends Range>(ranges: readonly T[]): T[] {
  return [...ranges].sort((a, b) => (a.lo < b.lo ? -1 : 1));
}

/** The highest of so many that they are too many for the arguments of one call; 0 of none. */
export function highest(numbers: Iterable<number>): number {
  let found = 0;
  for (const each of numbers) if (each > found) found = each;
  return found;
}

function isBelow({ hi }: Range, { lo }: Range): boolean {
  return hi !== null && hi <= lo;
}
