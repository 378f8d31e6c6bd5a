/** What is known of each cluster over several looks, and what one has that says nothing at the moment. Pure. */
import type { RangeMap } from '../../src/keyspace/rangemap.ts';
import type { Migration } from '../../src/protocol/admin/admin.ts';
import type { CountedBucket } from '../../src/protocol/admin/node-facts.ts';
import type { ClusterFact, RangeFact } from './rebalance.ts';
import type { Told, Weighed } from './weigh.ts';

/**
 * Counters lie now and then, and load has gusts: so many looks in a row must show a cluster above where evening out begins, and a cluster
 * whose ranges have changed takes part in nothing before it has been looked at so often.
 */
export const LOOKS_MIN = 3;
/** What the newest look counts for in what a cluster has, beside those before it. */
const NEWEST_SHARE = 0.3;

/** What a cluster had in the last looks in which its master said so, on average. */
export type LastKnown = {
  readonly cluster: string;
  readonly pool: string;
  readonly bytes: number;
  readonly load: number;
  /** Such looks since its last move, and the number of that; 0 where none is on record. */
  readonly looks: number;
  readonly lastMove: number;
};

/** By size and by load. */
export type Share = { readonly bytes: number; readonly load: number };
const WHOLE_SHARE: Share = { bytes: 1, load: 1 };

type Heard = {
  readonly map: RangeMap;
  readonly migrations: readonly Migration[];
  readonly toldOf: ReadonlyMap<string, Told | null>;
};

export type Known = {
  /** Who has counted every range that the map gives it. */
  readonly told: ReadonlySet<string>;
  /** What each cluster has, as far as anybody has ever said. */
  readonly lastKnown: readonly LastKnown[];
  readonly shareOf: (cluster: string) => Share;
};

/** What is known by now of everybody whom somebody has asked, or could not. */
export function known(
  { map, migrations, toldOf }: Heard,
  ranges: readonly Weighed[],
  before: readonly LastKnown[],
): Known {
  const has = new Map([...toldOf.keys()].map((id) => [id, { bytes: 0, load: 0, uncounted: 0, lastMove: 0 }]));
  for (const { owner } of map.entries) {
    const its = has.get(owner);
    if (its !== undefined) its.uncounted += 1;
  }
  for (const { mid, phase, source, target } of migrations) {
    if (phase !== 'done' || source === target) continue;
    for (const its of [has.get(source), has.get(target)])
      if (its !== undefined) its.lastMove = Math.max(its.lastMove, mid);
  }
  for (const { owner, bytes, load = 0 } of ranges) {
    const its = has.get(owner);
    if (its === undefined) continue;
    its.uncounted -= 1;
    its.bytes += bytes;
    its.load += load;
  }
  const told = new Set(
    [...has].flatMap(([id, { uncounted }]) => (toldOf.get(id) && uncounted === 0 ? [id] : [])),
  );
  const earlier = new Map(before.map((each) => [each.cluster, each]));
  const shares = new Map<string, Share>();
  const lastKnown = [...has].flatMap(([cluster, its]): LastKnown[] => {
    const last = earlier.get(cluster);
    if (!told.has(cluster)) return last === undefined ? [] : [last];
    const { bytes, load, lastMove } = its;
    const isSame = last?.lastMove === lastMove;
    const looks = isSame ? Math.min(LOOKS_MIN, last.looks + 1) : 1;
    const share = isSame ? Math.max(NEWEST_SHARE, 1 / looks) : 1;
    const average = (now: number, then: number): number => now * share + then * (1 - share);
    const now = { bytes: average(bytes, last?.bytes ?? 0), load: average(load, last?.load ?? 0) };
    shares.set(cluster, { bytes: bytes > 0 ? now.bytes / bytes : 1, load: load > 0 ? now.load / load : 1 });
    const pool = toldOf.get(cluster)?.pool ?? '';
    return [{ cluster, pool, ...now, looks, lastMove }];
  });
  return { told, lastKnown, shareOf: (cluster) => shares.get(cluster) ?? WHOLE_SHARE };
}

export function scaled(range: Weighed, share: Share): Weighed {
  const { lo, hi, owner, keys, buckets, stays, asked } = range;
  const bytes = range.bytes * share.bytes;
  const load = (range.load ?? 0) * share.load;
  return { lo, hi, owner, keys, bytes, load, buckets, stays, asked };
}

export function averagedBuckets(buckets: readonly CountedBucket[], { bytes: share }: Share): CountedBucket[] {
  return buckets.map(({ lo, keys, bytes }) => ({ lo, keys, bytes: bytes * share }));
}

/** Those who have not told, with what they had. */
export function silentOf(told: ReadonlySet<string>, lastKnown: readonly LastKnown[]): RangeFact[] {
  return lastKnown.filter(({ cluster }) => !told.has(cluster)).map(asRange);
}

/** It counts, and neither gives nor takes. */
export function silent({ cluster, pool }: LastKnown): ClusterFact {
  return { id: cluster, pool, freeBytes: 0, isBusy: true };
}

function asRange({ cluster, bytes, load }: LastKnown): RangeFact {
  return { lo: '', hi: null, owner: cluster, keys: 0, bytes, load, buckets: [], stays: true };
}

/** Somebody who owns something, and of whom nobody has ever said what it has: the mean would be that of the others. */
export function ownerUnheard(
  { entries }: RangeMap,
  told: ReadonlySet<string>,
  lastKnown: readonly LastKnown[],
): string | null {
  const known = new Set([...told, ...lastKnown.map(({ cluster }) => cluster)]);
  return entries.find(({ owner }) => !known.has(owner))?.owner ?? null;
}
