/** Where each range lies in a picture of the key space, and what lies under a point of it. Pure. */
import type { ShownRange } from '../document.ts';

export type Weight = 'keys' | 'bytes' | 'ranges';

/** No range is narrower, as far as there is room (pixels). */
const NARROWEST = 3;
/** At most this share of the picture goes to the narrowest widths: the rest tells them apart. */
const EVEN_SHARE = 0.4;

/** Left edges (pixels), and the right edge of the last: one more than there are ranges. */
export function edgesOf(ranges: readonly ShownRange[], width: number, by: Weight): number[] {
  const weights = ranges.map((range) => (by === 'ranges' ? range.ranges : (range[by] ?? 0)));
  const total = weights.reduce((one, other) => one + other, 0);
  const least =
    total === 0 ? width / ranges.length : Math.min(NARROWEST, (EVEN_SHARE * width) / ranges.length);
  const rest = width - least * ranges.length;
  const edges = [0];
  let left = 0;
  for (const weight of weights) {
    left += least + (total === 0 ? 0 : (rest * weight) / total);
    edges.push(left);
  }
  return edges;
}

/** The index of the range at `x`; -1 where there is none. */
export function rangeAt(edges: readonly number[], x: number): number {
  let [low, high] = [0, edges.length - 2];
  if (high < 0) return -1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((edges[middle] as number) <= x) low = middle;
    else high = middle - 1;
  }
  return low;
}
