/** What people are told: counters, the pause, and what a migration waits for. Nothing is decided by it. */
import { NO_PROGRESS, type Progress, type SealAge } from '../../src/protocol/admin/admin.ts';
import { isMerge } from '../../src/protocol/admin/migration.ts';
import type { Party } from './calls.ts';
import { type Courtesy, givesWay } from './courtesy.ts';
import { type Facts, isTooLate, recordOf } from './facts.ts';
import type { Move } from './next-move.ts';

/** Why a cluster does not answer: known since `sinceMs`, of what it was asked at `askedAtMs`. */
export type Silence = { readonly why: string; readonly sinceMs: number; readonly askedAtMs: number };

/** A request that has not been answered for so long is told of (ms). */
export const UNANSWERED_MS = 1000;

const PARTIES = ['keeper', 'source', 'target'] as const;

/** Between two reports while nothing but counters changes (ms). */
const REPORT_MS = 100;

/** Stage during each move; null where it stays what it was. */
const STAGES: { readonly [K in Move['kind']]: string | null } = {
  beginImport: 'preparing',
  beginExport: 'preparing',
  copy: 'copying',
  base: 'copying',
  round: 'catching up',
  check: 'sealing',
  seal: 'sealing',
  lastRows: 'sealed',
  activate: 'sealed',
  publish: 'publishing',
  release: 'releasing',
  awaitCleanup: 'cleaning up',
  finish: 'finishing',
  abandon: 'aborting',
  unseal: 'aborting',
  merge: 'merging',
  takeBack: 'taking back',
  settle: 'settling',
  cancel: 'aborting',
  recordAbort: 'aborting',
  pause: 'paused',
  askKeeper: null,
  askSource: null,
  end: null,
  alarm: null,
};

/** What is told of one migration. */
export type Report = {
  /** As it was told last, with counters and stage as of now. Its pause is the one before this coordinator saw any. */
  progress: Progress;
  /** When it was told last. */
  toldAtMs: number;
  toldStage: string;
  /** When the pause began and ended, as far as is known. */
  sealedSinceMs: number | null;
  servedSinceMs: number | null;
  /** Whether somebody saw the seal begin, rather than finding it. */
  isPauseExact: boolean;
  /** What predecessors had of the pause (ms). */
  pauseBeforeMs: number;
  /** Who is busy, with what, since when. */
  busy: { readonly what: string; readonly sinceMs: number } | null;
  stageSinceMs: number;
  /** Whether the source counts its rows. */
  counts: boolean;
  /** By party, when the oldest request that is under way was sent. */
  askedAtMs: ReadonlyMap<Party, number>;
  /** Clusters that have not answered since some request of theirs failed. */
  readonly silences: Map<Party, Silence>;
};

/** @param startedAtMs wall clock, for people */
export function createReport(startedAtMs: number): Report {
  return {
    progress: { ...NO_PROGRESS, startedAtMs },
    toldAtMs: Number.NEGATIVE_INFINITY,
    toldStage: '',
    sealedSinceMs: null,
    servedSinceMs: null,
    isPauseExact: true,
    pauseBeforeMs: 0,
    busy: null,
    stageSinceMs: 0,
    counts: false,
    askedAtMs: new Map(),
    silences: new Map(),
  };
}

/** This move is made from now on. */
export function enter(report: Report, move: Move, nowMs: number): void {
  const stage = STAGES[move.kind];
  if (stage === null) return;
  const counts = move.kind === 'base';
  if (stage !== report.progress.stage || counts !== report.counts) report.stageSinceMs = nowMs;
  report.counts = counts;
  count(report, { stage });
}

/** Goes on counting where a predecessor stopped; a pause that it left behind went on for `unseenMs` at least. */
export function takeOver(report: Report, { givesWay: _, ...progress }: Progress, unseenMs: number): void {
  const startedAtMs = progress.startedAtMs || report.progress.startedAtMs;
  report.progress = { ...progress, startedAtMs };
  report.pauseBeforeMs = progress.pauseMs + (progress.stage === STAGES.lastRows ? unseenMs : 0);
  if (progress.pauseAtLeast) report.isPauseExact = false;
}

// ── The pause ──────────────────────────────────────────────────────────────────────────────────────────────

/** Whether nobody serves the range, as far as is known. */
export function isSealed({ sealedSinceMs, servedSinceMs }: Report): boolean {
  return sealedSinceMs !== null && servedSinceMs === null;
}

/** Nobody serves from here on, perhaps: counts from when the seal was asked for. */
export function beginSeal(report: Report, nowMs: number): void {
  // Whoever is seen to serve it by now got it sealed.
  report.sealedSinceMs ??= Math.min(nowMs, report.servedSinceMs ?? nowMs) - report.pauseBeforeMs;
}

/** The range was found sealed, by a predecessor: the pause is longer than can be seen from here. */
export function findSeal(report: Report, nowMs: number): void {
  if (report.sealedSinceMs !== null) return;
  beginSeal(report, nowMs);
  report.isPauseExact = false;
}

/** The source says how old the seal is, whoever asked for it. */
export function ageSeal(report: Report, age: SealAge, nowMs: number): void {
  report.sealedSinceMs = Math.min(report.sealedSinceMs ?? nowMs, nowMs - age.ms);
  if (age.isExact) report.isPauseExact = true;
}

/** The seal was refused: no pause. */
export function forgetSeal(report: Report): void {
  report.sealedSinceMs = null;
}

/** Somebody serves again: the target, or after an abort the source. */
export function endSeal(report: Report, closed: 'activated' | 'unsealed' | 'takenBack', nowMs: number): void {
  report.servedSinceMs ??= nowMs;
  // A target that is found to serve has done so for some time; its predecessor may have told how long the pause was.
  const isFound = report.sealedSinceMs === null && closed === 'activated';
  if (isFound && report.progress.pauseMs === 0) report.isPauseExact = false;
}

function pauseMs({ sealedSinceMs, servedSinceMs, progress }: Report, nowMs: number): number {
  return sealedSinceMs === null ? progress.pauseMs : Math.round((servedSinceMs ?? nowMs) - sealedSinceMs);
}

// ── Counters ───────────────────────────────────────────────────────────────────────────────────────────────

/** What the target holds, counted there. */
export function countStaged(report: Report, keysCopied: number, bytesCopied: number): void {
  count(report, { keysCopied, bytesCopied });
}

/** So much more was copied. */
export function countCopied(report: Report, keys: number, bytes: number): void {
  const { keysCopied, bytesCopied } = report.progress;
  countStaged(report, keysCopied + keys, bytesCopied + bytes);
}

/** Another round begins. */
export function countRound(report: Report): void {
  count(report, { rounds: report.progress.rounds + 1 });
}

function count(report: Report, change: Partial<Progress>): void {
  report.progress = { ...report.progress, ...change };
}

// ── Waiting ────────────────────────────────────────────────────────────────────────────────────────────────

/** A request was not answered. Silence begins with the first such request. */
export function beginSilence(
  { silences }: Report,
  party: Party,
  why: string,
  { sinceMs, askedAtMs }: Omit<Silence, 'why'>,
): void {
  const before = silences.get(party);
  silences.set(party, { ...(before ?? { sinceMs, askedAtMs }), why });
}

/** It has answered. */
export function endSilence({ silences }: Report, party: Party): void {
  silences.delete(party);
}

/** Who is busy, and with what. */
export function beginBusy(report: Report, what: string, nowMs: number): void {
  report.busy = { what, sinceMs: report.busy?.what === what ? report.busy.sinceMs : nowMs };
}

/** Nobody is busy any more. */
export function endBusy(report: Report): void {
  report.busy = null;
}

/** Progress as of now. `delayMs`: by how much the source holds back each answer to a writer. */
export function progressAt(
  report: Report,
  facts: Facts,
  nowMs: number,
  { delayMs, courtesy }: { readonly delayMs: number; readonly courtesy: Courtesy },
): Progress {
  const { progress, isPauseExact } = report;
  const isAsked = facts.record?.asked?.rate != null;
  const way = isAsked || progress.stage !== STAGES.copy ? undefined : givesWay(courtesy);
  const exporting = facts.source?.exporting;
  // Exact as of the beginning once the base is known, and as of the seal from then on.
  const total = exporting?.sealed?.digest ?? exporting?.base;
  return {
    ...progress,
    waitingFor: waits(report, facts, nowMs, delayMs),
    keysTotal: total?.count ?? progress.keysTotal,
    dirtyRows: exporting?.dirtyRows ?? 0,
    pauseMs: pauseMs(report, nowMs),
    pauseAtLeast: isSealed(report) || !isPauseExact,
    ...(way === undefined ? {} : { givesWay: way }),
  };
}

/** Whether this is worth telling: something else than counters has changed, or some time has passed. */
export function isDue(report: Report, { stage, waitingFor }: Progress, nowMs: number): boolean {
  if (nowMs - report.toldAtMs >= REPORT_MS) return true;
  return stage !== report.toldStage || waitingFor !== report.progress.waitingFor;
}

/** This is told now. What it waits for, and the total, stay what they were told to be until they are told anew. */
export function noteTold(report: Report, { stage, waitingFor, keysTotal }: Progress, nowMs: number): void {
  report.toldAtMs = nowMs;
  report.toldStage = stage;
  count(report, { waitingFor, keysTotal });
}

/** Whom it waits for, and since when: what follows "waiting for". */
function waits(report: Report, facts: Facts, nowMs: number, delayMs: number): string {
  const parts = [...unheard(report, facts, nowMs)];
  const since = (ms: number): string => `for ${Math.round((nowMs - ms) / 1000)} s`;
  if (report.busy !== null) parts.push(`${report.busy.what}, ${since(report.busy.sinceMs)}`);
  const forStage = since(report.stageSinceMs);
  const { stage } = report.progress;
  if (stage === STAGES.copy && facts.record?.asked?.rate === 0) {
    parts.push('an operator, who has set its rate to 0');
  }
  if (stage === 'paused') parts.push(`an operator, who paused it, ${forStage}`);
  if (stage === 'cleaning up') {
    parts.push(`${nameOf(facts, 'source')}, which deletes its rows of the range, ${forStage}`);
  }
  if (report.counts)
    parts.push(`${nameOf(facts, 'source')}, which counts its rows of the range, ${forStage}`);
  if (delayMs > 0) parts.push(`writers, who outrun the copy: each answer to them is held back ${delayMs} ms`);
  if (isTooLate(facts)) {
    const why = isMerge(recordOf(facts)) ? 'the ranges are one' : 'the target has taken over';
    parts.push(`its end: too late to abort, ${why}`);
  }
  return parts.join('; ');
}

function* unheard(report: Report, facts: Facts, nowMs: number): Iterable<string> {
  for (const party of PARTIES) {
    const silence = report.silences.get(party);
    const askedAtMs = silence?.askedAtMs ?? report.askedAtMs.get(party) ?? nowMs;
    if (silence === undefined && nowMs - askedAtMs < UNANSWERED_MS) continue;
    const seconds = Math.round((nowMs - askedAtMs) / 1000);
    const why = silence === undefined || silence.why === '' ? '' : ` (${silence.why})`;
    yield `${nameOf(facts, party)}, which has not answered for ${seconds} s${why}`;
  }
}

function nameOf(facts: Facts, party: Party): string {
  return party === 'keeper' || facts.record === null ? 'the keeper' : `${party} ${recordOf(facts)[party]}`;
}
