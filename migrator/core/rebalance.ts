/**
 * From what a nursery holds to moves that even it out: the least data that brings every cluster within the threshold
 * (docs/architecture.md, "Rebalancing"). Pure: no clock, no chance, equal facts give equal plans.
 */
import type { Key } from '../../src/base/bytes.ts';
import type { Range } from '../../src/keyspace/range.ts';
import {
  type Amount,
  RESERVE,
  type RebalanceMove,
  type RebalancePlan,
  type Spread,
} from '../../src/protocol/admin/moves.ts';

/** A part of a range that is not split further: from `lo` on, up to the next one. */
export type BucketFact = Amount & { readonly lo: Key };

/** A range of the map, and what was counted of it. */
export type RangeFact = Range &
  Amount & {
    readonly owner: string;
    /** Where it may be cut; none: it moves as a whole. Asked for only where a cluster has too much (`overfull`). */
    readonly buckets: readonly BucketFact[];
    /** It stays where it is: somebody moved it lately, a move is about it, or one key has most of its load. */
    readonly stays: boolean;
  };

/** A cluster that may give and take. One whose counts nobody knows is none of them, and its ranges are none of the facts. */
export type ClusterFact = {
  readonly id: string;
  /** What its configuration calls it: clusters of one pool are evened out among themselves, and nothing moves to another pool. */
  readonly pool: string;
  /** Free space of the fullest of its nodes (bytes), less what open moves still bring; null where nobody says. */
  readonly freeBytes: number | null;
  /** An open move has it as source or target: it is counted, and left alone this time. */
  readonly isBusy: boolean;
};

export type By = 'size' | 'load';

/** What is allowed. */
export type Bounds = {
  readonly by: By;
  /** A cluster may have so much more than the mean of its pool, as a share of it. */
  readonly threshold: number;
  /** Below such a mean (bytes, or requests a second) nothing in a pool is worth a move. */
  readonly meanMin: number;
  /** Moves of one plan at most. */
  readonly movesMax: number;
  /** Bytes of keys and values that one move brings at most. */
  readonly bytesMax: number;
};

export const BOUNDS: Bounds = {
  by: 'size',
  threshold: 0.1,
  meanMin: 0,
  movesMax: 1000,
  bytesMax: Number.POSITIVE_INFINITY,
};

/** A cluster may give so much more than what it has too much, as a share of that, so that pieces need not be cut finely. */
const OVERSHOOT = 0.15;

/** What a cluster has while a plan is made. */
type Holding = {
  readonly id: string;
  readonly ranges: RangeFact[];
  amount: number;
  freeBytes: number;
  readonly isBusy: boolean;
  /** First wave in which it takes part in nothing yet. */
  wave: number;
};

/** Clusters that may give to each other, and what each of them should have: on average, and at most. */
type Pool = { readonly all: readonly Holding[]; readonly mean: number; readonly upper: number };

/** Something that may be moved: what of a range is left, from bucket `first` up to, not including, `end`. */
type Piece = {
  readonly range: RangeFact;
  readonly first: number;
  readonly end: number;
  readonly weight: number;
};

/** The moves, in the order of their waves. */
export function planRebalance(
  clusters: readonly ClusterFact[],
  ranges: readonly RangeFact[],
  bounds: Bounds = BOUNDS,
): RebalancePlan {
  const pools = poolsOf(clusters, ranges, bounds);
  const before = leastEven(pools, bounds);
  const moves: RebalanceMove[] = [];
  const stuck: string[] = [];
  for (const { all, mean, upper } of pools) {
    const targets = new Emptiest(all.filter((each) => !each.isBusy && each.amount < mean));
    const sources = all
      .filter(({ amount }) => amount > upper)
      .sort((a, b) => b.amount - a.amount || (a.id < b.id ? -1 : 1));
    for (const source of sources) {
      if (!source.isBusy)
        unload(source, { pieces: piecesOf(source.ranges, bounds.by), targets, upper, bounds, moves });
      if (source.amount > upper) stuck.push(source.id);
    }
  }
  moves.sort((a, b) => a.wave - b.wave);
  return { moves, before, after: leastEven(pools, bounds), stuck };
}

/** Clusters that have more than the threshold allows: where they may be cut must be known before a plan is made. */
export function overfull(
  clusters: readonly ClusterFact[],
  ranges: readonly RangeFact[],
  bounds: Bounds = BOUNDS,
): string[] {
  return poolsOf(clusters, ranges, bounds).flatMap(({ all, upper }) =>
    all.filter(({ amount }) => amount > upper).map(({ id }) => id),
  );
}

/** How even what clusters have is, in the pool where it is least even. */
export function spreadBy(
  clusters: readonly ClusterFact[],
  ranges: readonly RangeFact[],
  bounds: Bounds,
): Spread {
  return leastEven(poolsOf(clusters, ranges, bounds), bounds);
}

function weightOf(amount: Amount, by: By): number {
  return by === 'size' ? amount.bytes : (amount.load ?? 0);
}

function poolsOf(
  clusters: readonly ClusterFact[],
  ranges: readonly RangeFact[],
  { by, threshold, meanMin }: Bounds,
): Pool[] {
  const holdings = new Map<string, Holding>();
  const pools = new Map<string, Holding[]>();
  for (const { id, pool, freeBytes, isBusy } of clusters) {
    const free = freeBytes ?? Number.POSITIVE_INFINITY;
    const holding = { id, ranges: [], amount: 0, freeBytes: free, isBusy, wave: 0 };
    holdings.set(id, holding);
    const others = pools.get(pool);
    if (others === undefined) pools.set(pool, [holding]);
    else others.push(holding);
  }
  for (const range of ranges) {
    const holding = holdings.get(range.owner);
    if (holding === undefined) continue;
    holding.amount += weightOf(range, by);
    holding.ranges.push(range);
  }
  return [...pools.values()].map((all) => {
    const mean = meanOf(all);
    return { all, mean, upper: mean < meanMin ? Number.POSITIVE_INFINITY : mean * (1 + threshold) };
  });
}

function meanOf(all: readonly Holding[]): number {
  return all.reduce((sum, { amount }) => sum + amount, 0) / Math.max(1, all.length);
}

/**
 * By weight, the heaviest first; what weighs nothing is not worth a move. Weights are sorted as plain numbers with their places in the
 * lower bits: of 100,000 ranges that takes a tenth of the time that a function of two ranges would.
 */
function piecesOf(ranges: readonly RangeFact[], by: By): Piece[] {
  let heaviest = 0;
  for (const range of ranges) heaviest = Math.max(heaviest, weightOf(range, by));
  const span = 2 ** Math.ceil(Math.log2(ranges.length + 1));
  const scale = 2 ** 52 / span / heaviest;
  const packed = new Float64Array(ranges.length);
  for (let at = 0; at < packed.length; at += 1)
    packed[at] = Math.floor(weightOf(ranges[at] as RangeFact, by) * scale) * span + at;
  packed.sort();
  const pieces: Piece[] = [];
  for (let at = packed.length - 1; at >= 0; at -= 1) {
    const range = ranges[(packed[at] as number) % span] as RangeFact;
    const weight = weightOf(range, by);
    if (weight > 0 && !range.stays) pieces.push({ range, first: 0, end: range.buckets.length, weight });
  }
  return pieces;
}

type Unloading = {
  readonly pieces: Piece[];
  readonly targets: Emptiest;
  readonly upper: number;
  readonly bounds: Bounds;
  readonly moves: RebalanceMove[];
};

/** Gives away what one cluster has too much, to whoever has least at that moment. */
function unload(source: Holding, { pieces, targets, upper, bounds, moves }: Unloading): void {
  const { by, movesMax } = bounds;
  const spare = (source.amount - upper) * OVERSHOOT;
  const full: Holding[] = [];
  while (source.amount > upper && moves.length < movesMax) {
    const target = targets.take();
    if (target === null) break;
    const excess = source.amount - upper;
    const room = upper - target.amount;
    const bytesMax = Math.min(target.freeBytes / RESERVE, bounds.bytesMax);
    const wanted = { least: Math.min(excess, room), bytesMax, by };
    const given =
      choose(pieces, { ...wanted, most: Math.min(excess + spare, room) }) ??
      choose(pieces, { ...wanted, most: room }); // nothing so small is to be had
    if (given === null) {
      full.push(target);
      continue;
    }
    const { owner, range, amount } = given;
    const wave = Math.max(source.wave, target.wave);
    moves.push({ ...range, source: owner, target: target.id, ...amount, wave });
    const weight = weightOf(amount, by);
    source.amount -= weight;
    target.amount += weight;
    target.freeBytes -= amount.bytes * RESERVE;
    source.wave = wave + 1;
    target.wave = wave + 1;
    targets.put(target);
  }
  for (const each of full) targets.put(each);
}

type Wanted = {
  /** What is to go, and what may go at most. */
  readonly least: number;
  readonly most: number;
  readonly bytesMax: number;
  readonly by: By;
};
type Given = { readonly owner: string; readonly range: Range; readonly amount: Amount };

/** Takes out of `pieces` what comes closest to what is wanted: a whole one, or buckets off the heaviest one's end. */
function choose(pieces: Piece[], wanted: Wanted): Given | null {
  const { least, most, bytesMax, by } = wanted;
  // The lightest of those that are enough by themselves; else the heaviest that is not too much.
  const from = firstAtMost(pieces, most);
  let at = firstAtMost(pieces, least);
  if (at > from) at -= 1;
  const whole = pieces[at];
  const isWorthIt = whole !== undefined && whole.weight >= least / 2;
  if (whole !== undefined && isWorthIt && amountOf(whole, by).bytes <= bytesMax) {
    pieces.splice(at, 1);
    return given(whole, by);
  }
  for (let heavy = from - 1; heavy >= 0; heavy -= 1) {
    const cut = cutOff(pieces[heavy] as Piece, wanted);
    if (cut === null) continue;
    pieces.splice(heavy, 1);
    insert(pieces, cut.rest);
    return given(cut.off, by);
  }
  // Nothing can be cut: small ones, one after the other.
  const next = pieces.findIndex((each, index) => index >= at && amountOf(each, by).bytes <= bytesMax);
  const [small] = next === -1 ? [] : pieces.splice(next, 1);
  return small === undefined ? null : given(small, by);
}

/** Index of the first piece, heaviest first, that weighs at most so much. */
function firstAtMost(pieces: readonly Piece[], weight: number): number {
  let low = 0;
  let high = pieces.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((pieces[middle] as Piece).weight > weight) low = middle + 1;
    else high = middle;
  }
  return low;
}

function insert(pieces: Piece[], piece: Piece): void {
  const at = firstAtMost(pieces, piece.weight);
  pieces.splice(at, 0, piece);
}

/** Buckets from the upper end of a piece, until they are enough; null where no cut comes between nothing and too much. */
function cutOff(piece: Piece, { least, most, bytesMax, by }: Wanted): { off: Piece; rest: Piece } | null {
  const { range, first, end, weight } = piece;
  let taken = 0;
  let bytes = 0;
  let at = end;
  while (at - 1 > first && taken < least) {
    const bucket = range.buckets[at - 1] as BucketFact;
    const more = weightOf(bucket, by);
    if (taken + more > most || bytes + bucket.bytes > bytesMax) break;
    taken += more;
    bytes += bucket.bytes;
    at -= 1;
  }
  // What is far from enough is left for a target with more room.
  if (at === end || taken === 0 || taken < least / 4) return null;
  return {
    off: { range, first: at, end, weight: taken },
    rest: { range, first, end: at, weight: weight - taken },
  };
}

function given(piece: Piece, by: By): Given {
  const { range, first, end } = piece;
  const isFirst = first === 0;
  const lo = isFirst ? range.lo : (range.buckets[first] as BucketFact).lo;
  const hi = end === range.buckets.length ? range.hi : (range.buckets[end] as BucketFact).lo;
  return { owner: range.owner, range: { lo, hi }, amount: amountOf(piece, by) };
}

function amountOf({ range, first, end }: Piece, by: By): Amount {
  if (first === 0 && end === range.buckets.length) return only(range, by);
  const sum = { keys: 0, bytes: 0, load: 0 };
  for (let at = first; at < end; at += 1) {
    const { keys, bytes, load = 0 } = range.buckets[at] as BucketFact;
    sum.keys += keys;
    sum.bytes += bytes;
    sum.load += load;
  }
  return only(sum, by);
}

function only({ keys, bytes, load = 0 }: Amount, by: By): Amount {
  return by === 'size' ? { keys, bytes } : { keys, bytes, load };
}

/** Of the pools that are worth a move, as long as there are any. */
function leastEven(pools: readonly Pool[], { meanMin }: Bounds): Spread {
  const worthIt = pools.filter(({ mean }) => mean >= meanMin);
  let found: Spread = { mean: 0, least: 1, most: 1, fullest: '' };
  for (const { all, mean } of worthIt.length > 0 ? worthIt : pools) {
    const spread = spreadOf(all, mean);
    if (found.mean === 0 || spread.most > found.most) found = spread;
  }
  return found;
}

function spreadOf(all: readonly Holding[], mean: number): Spread {
  if (mean === 0) return { mean, least: 1, most: 1, fullest: '' };
  const ascending = [...all].sort((a, b) => a.amount - b.amount || (a.id < b.id ? -1 : 1));
  const [first, last] = [ascending[0] as Holding, ascending.at(-1) as Holding];
  return { mean, least: first.amount / mean, most: last.amount / mean, fullest: last.id };
}

/** Clusters by what they have, the emptiest first: a heap. One that was taken and not put back is not asked again. */
class Emptiest {
  readonly #heap: Holding[] = [];
  constructor(holdings: readonly Holding[]) {
    for (const each of holdings) this.put(each);
  }

  /** The one that has least; null where none is left. */
  take(): Holding | null {
    const heap = this.#heap;
    const [least] = heap;
    const last = heap.pop();
    if (least === undefined || last === undefined) return null;
    if (heap.length === 0) return least;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isEmptier(heap[child + 1] as Holding, heap[child] as Holding))
        child += 1;
      if (!isEmptier(heap[child] as Holding, last)) break;
      heap[at] = heap[child] as Holding;
      at = child;
    }
    heap[at] = last;
    return least;
  }

  put(holding: Holding): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(holding);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isEmptier(holding, heap[parent] as Holding)) break;
      heap[at] = heap[parent] as Holding;
      at = parent;
    }
    heap[at] = holding;
  }
}

function isEmptier(a: Holding, b: Holding): boolean {
  return a.amount < b.amount || (a.amount === b.amount && a.id < b.id);
}
