/**
 * How fast a copy is for which nobody has asked a rate: it gives way to clients. Each answer to one of its pages says how long
 * requests waited at that node lately. Where they waited too long the copy is halved; else it is as fast as it can, or gets there
 * slowly. Nothing but speed is decided by it.
 */
import type { GivesWay } from '../../src/protocol/admin/migration.ts';
import type { Settings } from './settings.ts';

/**
 * Too long is more than so many times what they waited before the copy, within the bounds of the settings: what a cluster has to wait
 * for in any case is not the copy's doing.
 */
const TIMES_BEFORE = 2;
/** One burst halves once: nodes tell of the last second, and what is under way comes beside it (ms). */
const COOL_DOWN_MS = 1200;
/** By so much of itself a second it rises: it is back after 7 s. More rarely than that, a burst slows a copy for good by nothing. */
const RISE = 0.1;
/** What is not heard for longer is no reason to rise by more (ms). */
const RISE_MAX_MS = 1000;
/** Over so long it is measured how fast the copy is (ms); more than twice as long is a time in which it stood still. */
const MEASURED_MS = 1000;
/** A limit of so many times what is copied does nothing any more, nor does one of so many bytes a second. */
const TIMES_SPEED = 2;
const RATE_MAX = 1024 ** 3;
/** Where there are clients a copy begins at so many times the lowest rate: to learn by halving would take seconds of theirs. */
const TIMES_LOWEST = 4;

type Party = 'source' | 'target';
/** How long requests waited at the cluster that gave an answer. */
type Said = { readonly party: Party; readonly cluster: string; readonly waitedMs: number };

/** What is known of it; times are those of events (ms). */
export type Courtesy = {
  /** Bytes per second at most; null: no limit. */
  readonly rate: number | null;
  /** Why: what was heard when it was halved last. Null where there is no limit. */
  readonly because: Pick<GivesWay, 'waitedMs' | 'cluster'> | null;
  readonly halvedAtMs: number;
  /** Until when it has risen. */
  readonly risenAtMs: number;
  /** How long requests waited before the copy; of whom nothing was heard that is not known. */
  readonly before: { readonly [P in Party]?: number };
  /** Bytes that the target took since, and how many a second it took before that; null: not known yet. */
  readonly measured: {
    readonly sinceMs: number;
    readonly bytes: number;
    readonly bytesPerSecond: number | null;
  };
};

/** Nobody was heard. */
export const UNHURRIED: Courtesy = {
  rate: null,
  because: null,
  halvedAtMs: Number.NEGATIVE_INFINITY,
  risenAtMs: 0,
  before: {},
  measured: { sinceMs: 0, bytes: 0, bytesPerSecond: null },
};

/** Goes on as a predecessor did, as its record says. */
export function goOn(
  courtesy: Courtesy,
  said: GivesWay | undefined,
  nowMs: number,
  { courteousBytesMin }: Settings,
): Courtesy {
  if (said === undefined) return courtesy;
  const { rate, ...because } = said;
  return { ...courtesy, rate: Math.max(courteousBytesMin, rate), because, risenAtMs: nowMs };
}

/**
 * Nothing of the copy is under way there: what requests wait then, they would wait without it. The first word of each end counts.
 * Where clients wait for nothing there are none, and the copy begins as fast as it can.
 */
export function heardBefore(courtesy: Courtesy, said: Said, nowMs: number, settings: Settings): Courtesy {
  const { party, cluster, waitedMs } = said;
  const { before, rate } = courtesy;
  if (before[party] !== undefined) return courtesy;
  const measured =
    party === 'target' ? { sinceMs: nowMs, bytes: 0, bytesPerSecond: null } : courtesy.measured;
  const known = { ...courtesy, before: { ...before, [party]: waitedMs }, measured };
  if (waitedMs === 0 || rate !== null) return known;
  const begun = TIMES_LOWEST * settings.courteousBytesMin;
  return { ...known, rate: begun, because: { cluster, waitedMs }, risenAtMs: nowMs };
}

/** What requests may wait at that end without being in the way (ms). */
export function boundMs({ before }: Courtesy, party: Party, settings: Settings): number {
  const { waitedMinMs, waitedMaxMs } = settings;
  return Math.min(Math.max(waitedMinMs, TIMES_BEFORE * (before[party] ?? 0)), waitedMaxMs);
}

/** The target has taken a page of so many bytes. */
export function measure(courtesy: Courtesy, pageBytes: number, nowMs: number): Courtesy {
  const { measured } = courtesy;
  const { sinceMs } = measured;
  const bytes = measured.bytes + pageBytes;
  const ms = nowMs - sinceMs;
  if (ms < MEASURED_MS) return { ...courtesy, measured: { ...measured, bytes } };
  const bytesPerSecond = ms > 2 * MEASURED_MS ? measured.bytesPerSecond : (bytes * 1000) / ms;
  return { ...courtesy, measured: { sinceMs: nowMs, bytes: 0, bytesPerSecond } };
}

/** An answer to a page, or to a read of one, said how long requests waited. */
export function heard(courtesy: Courtesy, said: Said, nowMs: number, settings: Settings): Courtesy {
  const { party, cluster, waitedMs } = said;
  // Who reads before it was heard is a follower, or what it knows of is told in a moment.
  if (courtesy.before[party] === undefined) return courtesy;
  if (waitedMs <= boundMs(courtesy, party, settings))
    return party === 'target' ? risen(courtesy, nowMs) : courtesy;
  if (nowMs - courtesy.halvedAtMs < COOL_DOWN_MS) return { ...courtesy, risenAtMs: nowMs };
  const from = Math.min(courtesy.rate ?? RATE_MAX, speedOf(courtesy, nowMs));
  const rate = Math.max(settings.courteousBytesMin, Math.floor(from / 2));
  return { ...courtesy, rate, because: { cluster, waitedMs }, halvedAtMs: nowMs, risenAtMs: nowMs };
}

/** It rises with the answers of the target alone, which come while rows do. */
function risen(courtesy: Courtesy, nowMs: number): Courtesy {
  const { rate, risenAtMs } = courtesy;
  if (rate === null) return courtesy;
  const seconds = Math.min(nowMs - risenAtMs, RISE_MAX_MS) / 1000;
  const more = rate * (1 + RISE * seconds);
  const { bytesPerSecond } = courtesy.measured;
  if (more >= Math.min(RATE_MAX, TIMES_SPEED * (bytesPerSecond ?? RATE_MAX)))
    return { ...courtesy, rate: null, because: null, risenAtMs: nowMs };
  return { ...courtesy, rate: more, risenAtMs: nowMs };
}

/** Bytes per second that the target takes. */
function speedOf({ measured }: Courtesy, nowMs: number): number {
  const { sinceMs, bytes, bytesPerSecond } = measured;
  return bytesPerSecond ?? (bytes * 1000) / Math.max(1, nowMs - sinceMs);
}

/** As people should be told; undefined where it has no limit. */
export function givesWay({ rate, because }: Courtesy): GivesWay | undefined {
  return rate === null || because === null ? undefined : { rate: Math.round(rate), ...because };
}
