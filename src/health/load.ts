/** How busy clusters and their ranges are, over all of their nodes, and which keys are asked for most. */
import type { Key } from '../base/bytes.ts';
import { contains, type Range } from '../keyspace/range.ts';
import type { Load, RangeLoad, Rates } from '../protocol/admin/node-facts.ts';
import { answeringOf, type ClusterSeen } from './facts.ts';

/** Where one key has a larger share of what its range is asked for, no cut and no move of the range evens anything out. */
const ONE_KEY = 0.5;

export type HotKey = Load['hottest'][number];
/** What is done a second. */
export type Busy = { readonly reads: Rates; readonly writes: Rates; readonly bytes: Rates };

export const IDLE: Busy = { reads: noRates(), writes: noRates(), bytes: noRates() };

/** Of each range of a cluster that somebody has asked for, what all nodes answered; in the order of keys. */
export function rangeLoads(cluster: ClusterSeen): RangeLoad[] {
  const sums = new Map<string, RangeLoad>();
  for (const { facts } of answeringOf(cluster)) {
    for (const range of facts.load.ranges) {
      const name = `${range.epoch} ${range.lo}`;
      sums.set(name, { ...range, ...added(range, sums.get(name) ?? IDLE) });
    }
  }
  return [...sums.values()].sort((a, b) => (a.lo < b.lo ? -1 : 1));
}

/** The sum of them. */
export function loadOf(ranges: readonly Busy[]): Busy {
  return ranges.reduce<Busy>(added, IDLE);
}

/** The keys of a cluster that are asked for most, the hottest first. */
export function hottestOf(cluster: ClusterSeen): HotKey[] {
  const sums = new Map<string, number>();
  for (const { facts } of answeringOf(cluster)) {
    for (const { key, perSecond } of facts.load.hottest) sums.set(key, (sums.get(key) ?? 0) + perSecond);
  }
  return [...sums].map(([key, perSecond]) => ({ key, perSecond })).sort((a, b) => b.perSecond - a.perSecond);
}

/** A key, and which part of what its range is asked for it has, from 0 to 1. */
export type KeyShare = { readonly key: Key; readonly share: number };

/**
 * The shares of those of the hottest keys that lie in a range; the largest first.
 *
 * @param perSecond what the range was asked for over the last ten seconds, of which the hottest keys are told
 */
export function sharesOf(range: Range, perSecond: number, hottest: readonly HotKey[]): KeyShare[] {
  if (perSecond === 0) return [];
  return hottest
    .filter(({ key }) => contains(range, key))
    .map((hot) => ({ key: hot.key, share: Math.min(1, hot.perSecond / perSecond) }))
    .sort((a, b) => b.share - a.share);
}

/** The key that has most of it, where one has. */
export function hotOf([first]: readonly KeyShare[]): KeyShare | null {
  return first !== undefined && first.share > ONE_KEY ? first : null;
}

function added(a: Busy, b: Busy): { reads: Rates; writes: Rates; bytes: Rates } {
  return {
    reads: sumOf(a.reads, b.reads),
    writes: sumOf(a.writes, b.writes),
    bytes: sumOf(a.bytes, b.bytes),
  };
}

function sumOf(a: Rates, b: Rates): Rates {
  return { s10: a.s10 + b.s10, m1: a.m1 + b.m1, m10: a.m10 + b.m10 };
}

function noRates(): Rates {
  return { s10: 0, m1: 0, m10: 0 };
}
