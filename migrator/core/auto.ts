/**
 * Whether anything is to be moved that nobody has asked for, and what (docs/architecture.md, "Rebalancing by itself"). Pure: equal facts
 * and an equal state give equal plans. Any number of migrators may plan at a time; the keeper sees to it that they never add up.
 */
import { counted } from '../../src/base/plural.ts';
import type { Range } from '../../src/keyspace/range.ts';
import type { MapEntry, RangeMap } from '../../src/keyspace/rangemap.ts';
import { union } from '../../src/keyspace/sweep.ts';
import type { Migration } from '../../src/protocol/admin/admin.ts';
import { type AutoAnswer, type AutoWish, DAY_MS, isQuiet } from '../../src/protocol/admin/auto.ts';
import { endedAtMs, isMerge, isOpen } from '../../src/protocol/admin/migration.ts';
import type { AutoVerdict, PlannedMove, RebalanceMove } from '../../src/protocol/admin/moves.ts';
import type { CountedBucket } from '../../src/protocol/admin/node-facts.ts';
import { dayOf, isAuto } from './auto-day.ts';
import {
  averagedBuckets,
  known,
  type LastKnown,
  LOOKS_MIN,
  ownerUnheard,
  type Share,
  scaled,
  silent,
  silentOf,
} from './auto-known.ts';
import { LOAD_MIN } from './loads.ts';
import { planMerges } from './plan.ts';
import {
  type Bounds,
  type ClusterFact,
  overfull,
  planRebalance,
  type RangeFact,
  spreadBy,
} from './rebalance.ts';
import { boundsOf, isBusy, isFresh, rangesOf, type Told, type Weighed, withBuckets } from './weigh.ts';

/** Two ranges are small enough to become one where that has at most such a share of what a cluster has on average, or so many bytes. */
const MERGED_SHARE = 0.05;
const MERGED_BYTES = 1024 * 1024;
const HOUR_MS = 3_600_000;
/** A planner without a past takes evening out as begun where one of its moves was open within so long (ms). */
const BEGUN_MS = 2 * 60_000;

/** What is kept between two looks. Plain data, to be printed. A planner that has none begins with `AUTO_BEGINNING`. */
export type AutoState = {
  /** Evening out has begun, and goes on below where it began. */
  readonly isEvening: boolean;
  /** Looks in a row with a cluster above where it begins. */
  readonly looks: number;
  /** One whose master says nothing counts with this, so that the mean is not that of the others. */
  readonly lastKnown: readonly LastKnown[];
};
export const AUTO_BEGINNING: AutoState = { isEvening: false, looks: 0, lastKnown: [] };

/** What one look has found. */
export type AutoSeen = AutoAnswer & {
  /** Wall clock of whoever looks (ms since 1970). */
  readonly wallMs: number;
  readonly map: RangeMap;
  /** What the masters of all clusters say that may hold keys; null where nobody does. */
  readonly toldOf: ReadonlyMap<string, Told | null>;
};

/** A look so far: over, where it has a verdict; else what lies in buckets at `split`, and is free at `targets`, must be asked for. */
export type AutoJudged = {
  readonly state: AutoState;
  readonly verdict: AutoVerdict | null;
  readonly split: readonly string[];
  readonly targets: readonly string[];
  /** What the rest of the look goes on with; null where it is over. */
  readonly rest: Rest | null;
};

type Rest = {
  readonly seen: AutoSeen;
  readonly bounds: Bounds;
  readonly clusters: readonly ClusterFact[];
  /** Of those who have told, and what they have on average. */
  readonly ranges: readonly Weighed[];
  readonly told: ReadonlySet<string>;
  /** What a cluster has on average, as a share of what its master says. */
  readonly shareOf: (cluster: string) => Share;
  /** Moves that may still be opened. */
  readonly slots: number;
};

/** How a look has ended: with moves, or merges, to be asked of the keeper; of one without any the verdict says why. */
export type AutoPlan = {
  readonly state: AutoState;
  readonly verdict: AutoVerdict;
  readonly moves: readonly PlannedMove[];
};

/**
 * Why nothing begins, as far as wish, clock and records say; null where clusters must be asked. Where it is off nobody need look again
 * before somebody wishes otherwise.
 */
export function autoIdle({
  wish,
  migrations,
  isCut,
  wallMs,
}: Omit<AutoSeen, 'map' | 'toldOf'>): AutoVerdict | null {
  if (!wish.isOn) return { kind: 'off', why: 'it is off' };
  if (isQuiet(wish, Math.floor(wallMs / HOUR_MS) % 24))
    return { kind: 'quiet', why: `in quiet hours nothing begins: until ${wish.quiet?.to}:00 UTC` };
  const { movesMax, bytesPerDay, coolDownSeconds } = wish;
  const open = migrations.filter((each) => isOpen(each) && isAuto(each)).length;
  if (open >= movesMax)
    return {
      kind: 'open',
      why: `${open} of its moves ${open === 1 ? 'is' : 'are'} open, of ${movesMax} that may be`,
    };
  const oldest = migrations.find((each) => !isOpen(each) && !isMerge(each));
  const isWithin = (ms: number): boolean => oldest !== undefined && endedAtMs(oldest) > wallMs - ms;
  if (isCut && isWithin(coolDownSeconds * 1000))
    return {
      kind: 'crowded',
      why: 'so much has moved lately that nobody can say what: it waits for the cool-down',
    };
  if (bytesPerDay === null) return null;
  const { bytes, unknown } = dayOf(migrations, wallMs);
  if (unknown !== null) {
    const why = `nobody knows yet how much migration ${unknown} brings, which counts for its bytes in 24 hours`;
    return { kind: 'open', why };
  }
  if (bytes < bytesPerDay && !(isCut && isWithin(DAY_MS))) return null;
  return {
    kind: 'spent',
    why: `its moves bring ${counted(bytes, 'byte')} in 24 hours, of ${bytesPerDay} that they may`,
  };
}

/** First half of a look: whether anything is to be evened out, or merged. */
export function judgeAuto(before: AutoState, seen: AutoSeen): AutoJudged {
  const { wish, map, migrations, wallMs } = seen;
  const idle = autoIdle(seen);
  if (idle !== null) return over(whileIdle(before, idle), idle);
  const open = migrations.filter(isOpen);
  const stays = union(migrations.filter((each) => isOpen(each) || isCooling(each, wish, wallMs)));
  const ranges = rangesOf(map, { toldOf: seen.toldOf, open: stays, by: 'load' });
  const { told, lastKnown, shareOf } = known(seen, ranges, before.lastKnown);
  const isEvened = before.isEvening || (before.lastKnown.length === 0 && hasBegun(migrations, wallMs));
  const unheard = ownerUnheard(map, told, lastKnown);
  if (unheard !== null) {
    const why = `nobody has said yet what ${unheard} has`;
    return over({ isEvening: isEvened, looks: before.looks, lastKnown }, { kind: 'waits', why });
  }
  const averaged: Weighed[] = [];
  for (const range of ranges) if (told.has(range.owner)) averaged.push(scaled(range, shareOf(range.owner)));
  const isNew = new Set(lastKnown.flatMap(({ cluster, looks }) => (looks < LOOKS_MIN ? [cluster] : [])));
  const unsettled = wish.by === 'load' ? migrations.filter((each) => isFresh(each, wallMs)) : open;
  const clusters: ClusterFact[] = [
    ...[...told].map((id) => ({
      ...{ id, pool: seen.toldOf.get(id)?.pool ?? '', freeBytes: null },
      isBusy: isNew.has(id) || isBusy(unsettled, id),
    })),
    ...lastKnown.filter(({ cluster }) => !told.has(cluster)).map(silent),
  ];
  const facts: RangeFact[] = [...averaged, ...silentOf(told, lastKnown)];
  const stop = boundsOf({ by: wish.by, threshold: wish.stopPercent / 100 });
  const { mean, most, fullest } = spreadBy(clusters, facts, stop);
  if (mean < stop.meanMin) {
    const why = `clusters are asked for ${mean.toFixed(1)} requests a second on average: below ${stop.meanMin} nothing is worth a move`;
    return over({ ...AUTO_BEGINNING, lastKnown }, { kind: 'even', why });
  }
  const isAbove = most > 1 + wish.beginPercent / 100;
  const looks = isAbove ? before.looks + 1 : 0;
  const full = overfull(clusters, facts, stop);
  const isEvening = full.length > 0 && (isEvened || looks >= LOOKS_MIN);
  const state: AutoState = { isEvening, looks, lastKnown };
  const slots = wish.movesMax - open.filter(isAuto).length;
  const rest: Rest = { seen, bounds: stop, clusters, ranges: averaged, told, shareOf, slots };
  const has = `${fullest} has ${most.toFixed(2)} times the mean`;
  if (isEvening) {
    const idle = new Set(clusters.flatMap(({ id, isBusy: is }) => (is ? [] : [id])));
    const split = full.filter((id) => idle.has(id));
    const targets = [...idle].filter((id) => !full.includes(id));
    return { state, verdict: null, split, targets, rest };
  }
  if (isAbove) {
    const why = `${has}: that was seen ${looks} of the ${LOOKS_MIN} times in a row after which it begins`;
    return over(state, { kind: 'waits', why });
  }
  const why = `${has || 'nobody has anything'}: it begins above ${(1 + wish.beginPercent / 100).toFixed(2)}`;
  return { ...over(state, { kind: 'even', why: fullest === '' ? 'nobody has anything' : why }), rest };
}

/**
 * Second half: what is to be asked of the keeper. @param asked what was asked for besides: how the clusters of `split` lie, and how much
 * is free at those of `targets` (bytes); null, or missing, is what nobody says
 */
export function planAuto(
  judged: AutoJudged,
  asked: {
    readonly buckets: ReadonlyMap<string, readonly CountedBucket[] | null>;
    readonly freeOf: ReadonlyMap<string, number | null>;
  },
): AutoPlan {
  const { state, rest, verdict } = judged;
  if (rest === null) return { state, verdict: verdict ?? NOTHING, moves: [] };
  if (verdict !== null) return mergesOf(state, rest, verdict);
  const { bounds, slots } = rest;
  const clusters = rest.clusters.map((each) => ({
    ...each,
    freeBytes: asked.freeOf.get(each.id) ?? each.freeBytes,
  }));
  const bucketsOf = new Map<string, readonly CountedBucket[]>();
  for (const [id, buckets] of asked.buckets)
    bucketsOf.set(id, averagedBuckets(buckets ?? [], rest.shareOf(id)));
  const ranges = rest.ranges.map((range) => {
    const buckets = bucketsOf.get(range.owner);
    if (buckets === undefined) return range;
    const { load = 0 } = range;
    return withBuckets({ ...range, asked: range.asked && { ...range.asked, load } }, buckets);
  });
  const facts = [...ranges, ...silentOf(rest.told, state.lastKnown)];
  const left = leftOfDay(rest.seen);
  const { moves, stuck, before } = planRebalance(clusters, facts, { ...bounds, bytesMax: left });
  const now = within(left, moves.filter(({ wave }) => wave === 0).slice(0, slots));
  const has = `${before.fullest} has ${before.most.toFixed(2)} times the mean`;
  if (now.length > 0) {
    const planned = now.map(({ source, target, lo, hi }) => ({ source, target, lo, hi }));
    return { state, verdict: { kind: 'moves', why: `${has}: ${begin(now.length, 'move')}` }, moves: planned };
  }
  const [next] = Number.isFinite(left) ? planRebalance(clusters, facts, bounds).moves : [];
  if (next !== undefined) {
    const why = `${has}: the next move brings about ${counted(Math.round(next.bytes), 'byte')}, of ${left} that are left of its 24 hours`;
    return { state, verdict: { kind: 'spent', why }, moves: [] };
  }
  const busy = stuck.filter((id) => rest.clusters.some((each) => each.id === id && each.isBusy));
  if (busy.length > 0)
    return {
      state,
      verdict: {
        kind: 'busy',
        why: `${has}: it waits for ${busy.join(', ')}, with a move under way or just over, or silent`,
      },
      moves: [],
    };
  const why = `${has}, and nothing that could be moved: ${whyStuck(rest.ranges, stuck)}`;
  // It would go on for ever, and what is just above where it stops would be moved as soon as it can be.
  return { state: { ...state, isEvening: false, looks: 0 }, verdict: { kind: 'stuck', why }, moves: [] };
}

const NOTHING: AutoVerdict = { kind: 'even', why: 'nothing is to be done' };

/** What was seen before a pause of the wish, or of the day, is no reason for anything after it. */
export function whileIdle(state: AutoState, { kind }: AutoVerdict): AutoState {
  return kind === 'off' || kind === 'quiet' ? { ...AUTO_BEGINNING, lastKnown: state.lastKnown } : state;
}

function over(state: AutoState, verdict: AutoVerdict): AutoJudged {
  return { state, verdict, split: [], targets: [], rest: null };
}

/** Whether it has moved something, or tried to, so lately that this stays where it is. */
function isCooling(record: Migration, { coolDownSeconds }: AutoWish, wallMs: number): boolean {
  return !isMerge(record) && wallMs < endedAtMs(record) + coolDownSeconds * 1000;
}

/** Bytes that its moves may still bring; without a bound, infinity. */
function leftOfDay({ wish, migrations, wallMs }: AutoSeen): number {
  const { bytesPerDay } = wish;
  return bytesPerDay === null ? Number.POSITIVE_INFINITY : bytesPerDay - dayOf(migrations, wallMs).bytes;
}

/** The first of them that bring no more than that. */
function within(bytesMax: number, moves: readonly RebalanceMove[]): readonly RebalanceMove[] {
  let bytes = 0;
  const beyond = moves.findIndex((move) => {
    bytes += move.bytes;
    return bytes > bytesMax;
  });
  return beyond === -1 ? moves : moves.slice(0, beyond);
}

/** Whether evening out goes on, as far as records say. */
function hasBegun(migrations: readonly Migration[], wallMs: number): boolean {
  return migrations.some(
    (each) => isAuto(each) && !isMerge(each) && (isOpen(each) || endedAtMs(each) > wallMs - BEGUN_MS),
  );
}

/** While nothing is to be evened out: neighbours of one owner that are small, asked for little, and have not moved lately. */
function mergesOf(state: AutoState, rest: Rest, verdict: AutoVerdict): AutoPlan {
  const { seen, ranges, clusters, slots } = rest;
  const { wish, map, migrations, wallMs } = seen;
  const weighed = new Map(ranges.map((range) => [range.lo, range]));
  const mean = ranges.reduce((sum, { bytes }) => sum + bytes, 0) / Math.max(1, clusters.length);
  const bytesMax = Math.max(MERGED_BYTES, mean * MERGED_SHARE);
  const isSmall = (row: readonly MapEntry[], entry: MapEntry): boolean => {
    const all = [...row, entry].map(({ lo }) => weighed.get(lo));
    const sum = (of: 'bytes' | 'load'): number => all.reduce((total, each) => total + (each?.[of] ?? 0), 0);
    return all.every((each) => each !== undefined) && sum('bytes') <= bytesMax && sum('load') < LOAD_MIN;
  };
  const stays = union(migrations.filter((each) => isOpen(each) || isCooling(each, wish, wallMs)));
  const plan = planMerges(map, stays, null, isSmall);
  const merges: (Range & { readonly cluster: string })[] = [];
  for (const merge of plan.kind === 'merges' ? plan.merges : []) {
    const isTaken = merges.some(({ cluster }) => cluster === merge.cluster);
    if (merges.length < slots && !isTaken && !isBusy(migrations.filter(isOpen), merge.cluster))
      merges.push(merge);
  }
  if (merges.length === 0) return { state, verdict, moves: [] };
  return {
    state,
    verdict: { kind: 'merges', why: `${verdict.why}; ${begin(merges.length, 'merge')}, of small neighbours` },
    moves: merges.map(({ cluster, lo, hi }) => ({ source: cluster, target: cluster, lo, hi })),
  };
}

function begin(count: number, what: string): string {
  return `${counted(count, what)} ${count === 1 ? 'begins' : 'begin'}`;
}

/** What keeps the ranges of those that have too much where they are, for people. */
function whyStuck(ranges: readonly Weighed[], stuck: readonly string[]): string {
  const theirs = ranges.filter(({ owner }) => stuck.includes(owner));
  const hot = theirs.filter(({ asked }) => (asked?.hot ?? null) !== null).length;
  const cooling = theirs.filter(({ stays }) => stays).length - hot;
  const reasons = [
    ...(cooling > 0 ? [`${counted(cooling, 'range')} moved within the cool-down`] : []),
    ...(hot > 0 ? [`${hot} ${hot === 1 ? 'is' : 'are'} asked for one key most of the time`] : []),
  ];
  return reasons.length > 0 ? reasons.join(', ') : 'nobody has room for it, or it cannot be cut';
}
