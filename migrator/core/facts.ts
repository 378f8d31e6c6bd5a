/** What a coordinator knows: the last answers of keeper, source and target, given under its token. */
import { present } from '../../src/base/assert.ts';
import type { Digest } from '../../src/keyspace/digest.ts';
import type { AdminAnswer, Migration, RangeStatus } from '../../src/protocol/admin/admin.ts';
import type { Closed, ExportStatus, Observed, SealLimits, SourceView, TargetView } from './next-move.ts';
import type { Page } from './pipe.ts';

type Answer<K extends AdminAnswer['kind']> = Extract<AdminAnswer, { kind: K }>;

/** A cache and nothing more: whoever loses it asks again. */
export type Facts = {
  /** The keeper's; there from the first look on. */
  record: Migration | null;
  /** Whether the keeper was asked for it after the last outcome was heard of. */
  recordFresh: boolean;
  /** How many outcomes were heard of: a question to the keeper that was sent before the last one answers too early. */
  outcomes: number;
  /** Null until it has answered a command that carries this token. */
  target: TargetView | null;
  /** Null until it has answered. */
  source: SourceView | null;
  /** Whether `source` was asked after the copy, or the last round, ended. */
  sourceFresh: boolean;
  /** Rows that were dirty when the last round began; infinity before the first. */
  roundRows: number;
  /** Whether less than half as many are dirty now. */
  isShrinking: boolean;
  /** Whether, since the last pass, the target answered a consistent status, and its import is what it should be. */
  targetChecked: boolean;
  /** Whether, since the last pass, the keeper noted that the seal is next. */
  sealNoted: boolean;
  /** Why this coordinator aborts, whatever operators wish later: its pages may be lost on the way. */
  abortWhy: string | null;
  /** Whether the range is sealed, whatever else is known of the export. */
  isSealed: boolean;
  /** How far the functions of users are at the source, as it last said: clients may have called any of them. */
  sourceFunctions: number;
  /** Whether the target has every dirty row, read at or above the slot of the seal. */
  lastRowsSent: boolean;
};

/** Nothing is known yet. */
export function noFacts(): Facts {
  return {
    record: null,
    recordFresh: false,
    outcomes: 0,
    target: null,
    source: null,
    sourceFresh: false,
    roundRows: Number.POSITIVE_INFINITY,
    isShrinking: true,
    targetChecked: false,
    sealNoted: false,
    abortWhy: null,
    isSealed: false,
    sourceFunctions: 0,
    lastRowsSent: false,
  };
}

/** The keeper's record, where somebody has looked. */
export function recordOf({ record }: Facts): Migration {
  return present(record, "the keeper's record");
}

/** Everything as nextMove wants it. */
export function observed(
  facts: Facts,
  limits: SealLimits,
  now: Pick<Observed, 'isMidRound' | 'sourceSilent' | 'targetSilent'>,
): Observed {
  const { recordFresh, target, source, sourceFresh, isShrinking, lastRowsSent, abortWhy } = facts;
  const checked = facts.targetChecked && facts.sealNoted;
  const record = recordOf(facts);
  return {
    record,
    recordFresh,
    target,
    source,
    sourceFresh,
    isShrinking,
    checked,
    isSealed: facts.isSealed || (source?.exporting?.sealed ?? null) !== null,
    lastRowsSent,
    abortWhy,
    limits,
    ...now,
  };
}

/** Whether it is too late for the abort that an operator wants. */
export function isTooLate({ record, source, target }: Facts): boolean {
  if (record?.wish !== 'abort') return false;
  return (
    target?.closed === 'activated' ||
    source?.closed === 'merged' ||
    record.phase === 'published' ||
    record.phase === 'done'
  );
}

/** Why it is given up, for the keeper's record. */
export function whyAborted(facts: Facts): string {
  if (facts.abortWhy !== null) return facts.abortWhy;
  const { wish, why, rescue } = recordOf(facts);
  if (rescue !== undefined) return `order ${rescue.order}: its ${rescue.dead} is dead`;
  return wish === 'abort' ? why : 'an earlier migrator began to abort';
}

/** From here on this coordinator aborts; the first reason stands. */
export function decideAbort(facts: Facts, why: string): void {
  facts.abortWhy ??= why;
}

// ── Keeper ─────────────────────────────────────────────────────────────────────────────────────────────────

/** The record as read by a question that was sent when `outcomesThen` outcomes were known. */
export function learnRecord(facts: Facts, record: Migration, outcomesThen: number): void {
  facts.record = record;
  facts.recordFresh = outcomesThen === facts.outcomes;
}

/** The keeper has taken a command that changes the record so. */
export function changeRecord(
  facts: Facts,
  change: Partial<Pick<Migration, 'phase' | 'receipt' | 'why'>>,
): void {
  facts.record = { ...recordOf(facts), ...change };
}

// ── Source and target ──────────────────────────────────────────────────────────────────────────────────────

/** The migration is decided at `party`. The seal is kept: its digest goes into the receipt. */
export function learnOutcome(facts: Facts, party: 'source' | 'target', closed: Closed): void {
  facts.outcomes += 1;
  facts.recordFresh = false;
  if (party === 'target') facts.target = { importing: null, closed };
  else facts.source = { exporting: facts.source?.exporting ?? null, closed, cleaning: null };
}

export function learnImport(facts: Facts, answer: Answer<'importing'>): void {
  facts.target = { importing: answer, closed: null };
}

/** The export as it begins: old by the time that the copy ends. */
export function learnExport(facts: Facts, answer: Answer<'exporting'>): void {
  facts.sourceFunctions = answer.functions ?? 0;
  facts.source = { exporting: answer, closed: null, cleaning: null };
  facts.sourceFresh = false;
}

/** What the source says of itself, seal and outcome included. */
export function learnSource(facts: Facts, status: RangeStatus): void {
  const { exporting, closed, cleaning, functions = 0 } = status;
  facts.sourceFunctions = functions;
  if (closed === null) facts.source = { exporting, closed, cleaning: null };
  else {
    learnOutcome(facts, 'source', closed);
    const known = exporting ?? facts.source?.exporting ?? null;
    facts.source = { exporting: known, closed, cleaning: closed === 'released' ? cleaning : null };
  }
  facts.sourceFresh = true;
  facts.isShrinking = (exporting?.dirtyRows ?? 0) < facts.roundRows / 2;
}

export function learnBase(facts: Facts, base: Digest): void {
  changeExport(facts, { base });
}

export function learnSeal(facts: Facts, { sealSlot, digest, functions = 0 }: Answer<'sealed'>): void {
  facts.sourceFunctions = functions;
  facts.isSealed = true;
  changeExport(facts, { sealed: { sealSlot, digest } });
}

/** Too much was dirty to be sealed: that is how much. */
export function learnBehind(facts: Facts, { dirtyRows, dirtyBytes }: Answer<'behind'>): void {
  changeExport(facts, { dirtyRows, dirtyBytes });
  endPass(facts);
  facts.sourceFresh = true;
}

/** The target has these pages; those of a copy move its cursor. */
export function movePages(facts: Facts, pages: readonly Page[], isOfCopy: boolean): void {
  let importing = facts.target?.importing;
  if (!importing) return;
  for (const { seq, asOf, to } of pages) {
    importing = { ...importing, seq, asOf, cursor: isOfCopy ? to : importing.cursor };
  }
  facts.target = { importing, closed: null };
}

/** A pass has ended: what is dirty now, and whether target and keeper answer, is to be asked again. */
export function endPass(facts: Facts): void {
  facts.sourceFresh = false;
  facts.targetChecked = false;
  facts.sealNoted = false;
}

/** A new token was claimed: whatever was said before may have changed. */
export function forgetClusters(facts: Facts): void {
  facts.target = null;
  facts.source = null;
  facts.isSealed = false;
  facts.lastRowsSent = false;
  endPass(facts);
}

function changeExport(facts: Facts, change: Partial<ExportStatus>): void {
  const { source } = facts;
  if (source?.exporting) facts.source = { ...source, exporting: { ...source.exporting, ...change } };
}
