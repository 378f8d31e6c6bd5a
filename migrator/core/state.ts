/** The state of one migration's coordinator. Only the functions beside it write to it. */
import { type Calls, noCalls } from './calls.ts';
import type { Claim } from './commands.ts';
import { type Courtesy, UNHURRIED } from './courtesy.ts';
import { type Facts, noFacts } from './facts.ts';
import type { SealLimits } from './next-move.ts';
import type { Pipe } from './pipe.ts';
import { createReport, type Report } from './report.ts';
import { SETTINGS, type Settings } from './settings.ts';
import { type Bucket, EMPTY } from './throttle.ts';

/** A token and heartbeat that stood at the keeper at `atMs`. */
export type Seen = { readonly token: number; readonly heartbeat: number; readonly atMs: number };

export type CoordinatorOptions = {
  readonly mid: number;
  readonly settings?: Partial<Settings>;
  /** Wall clock, for people: when the migration began, unless the keeper's record knows. */
  readonly startedAtMs: number;
  /** Claims a migration that nobody has claimed yet without watching it first: right for whoever planned it. */
  readonly claimAtOnce: boolean;
  /** What the caller saw of it earlier: saves the time to watch the heartbeat. */
  readonly seen?: Seen | null;
};

/** A command that was answered "busy" so many times in a row, and when to ask whether it would be again; `isFree`: it would not. */
export type Blocked = {
  readonly move: 'beginImport' | 'beginExport' | 'merge';
  readonly times: number;
  readonly isFree: boolean;
  readonly askAtMs: number;
};

/** All that a coordinator is. Times are those of its events (ms). */
export type Coordination = {
  readonly mid: number;
  readonly settings: Settings;
  readonly claimAtOnce: boolean;
  /** Time of the last event. */
  nowMs: number;
  /** Wall clock when it began, for people; and the time of its first event. */
  readonly beganWallMs: number;
  beganMs: number | null;

  /** Looks whether somebody is at work; claims a token; works under it. */
  mode: 'look' | 'claim' | 'work' | 'ended';
  seen: Seen | null;
  /** When to look next. */
  lookAtMs: number;
  /** Token 0: none yet. */
  claim: Claim;
  /** It is to leave: from then on even where the range is sealed. Null: it stays. */
  leaveAtMs: number | null;
  /** How often it has begun anew since a page got through. */
  restarts: number;
  /** How often the keeper has refused what its record does not allow. */
  refusals: number;

  readonly calls: Calls;
  readonly facts: Facts;
  readonly report: Report;

  /** The pass under way. */
  pipe: Pipe | null;
  /** What may be copied now. */
  bucket: Bucket;
  /** How fast it is where nobody has asked a rate. */
  courtesy: Courtesy;
  /** When the source's master is asked next how long requests wait there: pages come from its followers. */
  nextListenMs: number;
  notedMs: number;
  /** When the keeper is asked, where notes are rare. */
  nextAskMs: number;
  blocked: Blocked | null;
  /** Whether the target has room, as far as was asked for the `beginImport` that comes next. */
  room: 'unasked' | 'asked' | 'there';
  /** When the target was first asked to abandon what the source has cancelled. */
  tellingSinceMs: number | null;
  /** When what takes its time is asked for next. */
  nextPollMs: number;
  /** When the source is told next to slow its writers. */
  nextSlowMs: number;
  /** By how much the source holds back each answer to a writer of the range; 0 for not at all. */
  delayMs: number;
  /** Rounds in a row that did not shrink. */
  stuckRounds: number;
};

/** A coordinator before its first event. */
export function createCoordination(options: CoordinatorOptions): Coordination {
  return {
    mid: options.mid,
    settings: { ...SETTINGS, ...options.settings },
    claimAtOnce: options.claimAtOnce,
    nowMs: 0,
    beganWallMs: options.startedAtMs,
    beganMs: null,
    mode: 'look',
    seen: options.seen ?? null,
    lookAtMs: Number.NEGATIVE_INFINITY,
    claim: { token: 0, floor: 0 },
    leaveAtMs: null,
    restarts: 0,
    refusals: 0,
    calls: noCalls(),
    facts: noFacts(),
    report: createReport(options.startedAtMs),
    pipe: null,
    bucket: EMPTY,
    courtesy: UNHURRIED,
    nextListenMs: 0,
    notedMs: Number.NEGATIVE_INFINITY,
    nextAskMs: 0,
    blocked: null,
    room: 'unasked',
    tellingSinceMs: null,
    nextPollMs: 0,
    nextSlowMs: 0,
    delayMs: 0,
    stuckRounds: 0,
  };
}

export function hasEnded({ mode }: Coordination): boolean {
  return mode === 'ended';
}

/** What it is doing, for people and tests. */
export function stageOf({ report }: Coordination): string {
  return report.progress.stage;
}

/** What a seal may leave to be sent while nobody serves the range. */
export function limitsOf({ settings }: Coordination): SealLimits {
  const { sealRowsMax: rowsMax, sealBytesMax: bytesMax, sealRowsWanted: rowsWanted } = settings;
  return { rowsMax, bytesMax, rowsWanted };
}
