/** What people are told of a move: its stage, its counters, its pause, and whom it waits for. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Party } from '../../../migrator/core/calls.ts';
import { UNHURRIED } from '../../../migrator/core/courtesy.ts';
import {
  type Facts,
  learnExport,
  learnOutcome,
  learnRecord,
  learnSeal,
  noFacts,
} from '../../../migrator/core/facts.ts';
import type { Move } from '../../../migrator/core/next-move.ts';
import {
  ageSeal,
  beginBusy,
  beginSeal,
  beginSilence,
  countCopied,
  countRound,
  countStaged,
  createReport,
  endBusy,
  endSeal,
  endSilence,
  enter,
  findSeal,
  forgetSeal,
  isDue,
  isSealed,
  noteTold,
  progressAt,
  type Report,
  takeOver,
  UNANSWERED_MS,
} from '../../../migrator/core/report.ts';
import { NO_ROWS } from '../../../src/keyspace/digest.ts';
import { type Migration, NO_PROGRESS, type Progress } from '../../../src/protocol/admin/admin.ts';
import { type Asked, UNSAID } from '../../../src/protocol/admin/migration.ts';

const RECORD: Migration = {
  mid: 2,
  source: 'A',
  target: 'B',
  lo: 'k',
  hi: 't',
  phase: 'active',
  wish: 'run',
  token: 1,
  heartbeat: 0,
  why: '',
  receipt: null,
  progress: NO_PROGRESS,
};
const EXPORT = {
  beginSlot: 3,
  base: null,
  sealed: null,
  dirtyRows: 0,
  dirtyBytes: 0,
  lo: 'k',
  hi: 't',
} as const;
const digest = (count: number) => ({ ...NO_ROWS, count });

function started(record: Partial<Migration> = {}): { facts: Facts; report: Report } {
  const facts = noFacts();
  learnRecord(facts, { ...RECORD, ...record }, 0);
  return { facts, report: createReport(1_000_000) };
}

const present = (report: Report, nowMs: number, facts = started().facts, delayMs = 0): Progress =>
  progressAt(report, facts, nowMs, { delayMs, courtesy: UNHURRIED });
const waits = (report: Report, nowMs: number, facts = started().facts, delayMs = 0): string =>
  present(report, nowMs, facts, delayMs).waitingFor;
/** What is told at this time, if anything. */
function due(report: Report, nowMs: number): Progress | null {
  const progress = present(report, nowMs);
  if (!isDue(report, progress, nowMs)) return null;
  noteTold(report, progress, nowMs);
  return progress;
}

test('it waits for nobody until a request has not been answered for a second', () => {
  const { report } = started();
  report.askedAtMs = new Map<Party, number>([['target', 5000]]);
  assert.is(waits(report, 5000 + UNANSWERED_MS - 1), '');
  assert.is(waits(report, 5000 + UNANSWERED_MS), 'target B, which has not answered for 1 s');
  assert.is(waits(report, 8400), 'target B, which has not answered for 3 s');
  report.askedAtMs = new Map();
  assert.is(waits(report, 9000), '');
});

test('a request that failed is told of at once, with why, counted from the first; an answer ends it', () => {
  const { report } = started();
  beginSilence(report, 'source', 'refused', { sinceMs: 5000, askedAtMs: 4000 });
  beginSilence(report, 'source', 'timed out', { sinceMs: 9000, askedAtMs: 8000 });
  assert.is(waits(report, 9000), 'source A, which has not answered for 5 s (timed out)');
  assert.equal(report.silences.get('source'), { why: 'timed out', sinceMs: 5000, askedAtMs: 4000 });
  beginSilence(report, 'keeper', '', { sinceMs: 9000, askedAtMs: 7000 });
  assert.is(
    waits(report, 9000),
    'the keeper, which has not answered for 2 s; source A, which has not answered for 5 s (timed out)',
  );
  endSilence(report, 'source');
  endSilence(report, 'keeper');
  assert.is(waits(report, 9000), '');
});

test('before its record is known there is only the keeper to wait for', () => {
  const report = createReport(0);
  beginSilence(report, 'source', '', { sinceMs: 0, askedAtMs: 0 });
  assert.is(waits(report, 1000, noFacts()), 'the keeper, which has not answered for 1 s');
});

test('who is busy is told with what, and since when the same', () => {
  const { report } = started();
  beginBusy(report, 'target B, which cleans up', 1000);
  beginBusy(report, 'target B, which cleans up', 3000);
  assert.is(waits(report, 5000), 'target B, which cleans up, for 4 s');
  beginBusy(report, 'target B, which imports', 5000);
  assert.is(waits(report, 6000), 'target B, which imports, for 1 s');
  endBusy(report);
  assert.is(waits(report, 6000), '');
});

test('a pause, a clean-up and a count say how long they last', () => {
  const { report } = started();
  enter(report, { kind: 'copy' }, 500);
  enter(report, { kind: 'base' }, 1000);
  enter(report, { kind: 'base' }, 2000);
  assert.is(waits(report, 3000), 'source A, which counts its rows of the range, for 2 s');
  enter(report, { kind: 'pause' }, 4000);
  enter(report, { kind: 'pause' }, 5000);
  assert.is(waits(report, 6000), 'an operator, who paused it, for 2 s');
  enter(report, { kind: 'awaitCleanup' }, 7000);
  enter(report, { kind: 'askSource' }, 8000);
  assert.is(waits(report, 9000), 'source A, which deletes its rows of the range, for 2 s');
  assert.is(report.progress.stage, 'cleaning up', 'a question is no stage');
  enter(report, { kind: 'copy' }, 9000);
  assert.is(waits(report, 9000), '');
});

test('writers that are held back, and an abort that comes too late, are told of', () => {
  const { facts, report } = started({ wish: 'abort' });
  assert.match(waits(report, 0, facts, 7), /^writers, .* held back 7 ms$/);
  learnOutcome(facts, 'target', 'activated');
  assert.is(waits(report, 0, facts), 'its end: too late to abort, the target has taken over');
});

test('the pause is counted from when the seal was asked for until somebody serves', () => {
  const { report } = started();
  assert.not(isSealed(report));
  beginSeal(report, 1000);
  beginSeal(report, 1500);
  assert.ok(isSealed(report));
  assert.is(present(report, 1800).pauseMs, 800);
  forgetSeal(report);
  assert.not(isSealed(report));
  assert.is(present(report, 1900).pauseMs, 0);
  beginSeal(report, 2000);
  endSeal(report, 'activated', 2300.4);
  assert.not(isSealed(report));
  assert.is(present(report, 9000).pauseMs, 300);
});

test('whoever takes over goes on counting; a pause that was left behind went on', () => {
  const before = { ...NO_PROGRESS, startedAtMs: 77, stage: 'sealed', pauseMs: 40, keysCopied: 5, rounds: 2 };
  const { report } = started();
  takeOver(report, before, 1000);
  beginSeal(report, 10_000);
  const { pauseMs, startedAtMs, keysCopied, rounds } = present(report, 10_010);
  assert.equal([pauseMs, startedAtMs, keysCopied, rounds], [40 + 1000 + 10, 77, 5, 2]);
  const other = started().report;
  takeOver(other, { ...before, stage: 'copying', startedAtMs: 0 }, 1000);
  beginSeal(other, 10_000);
  assert.equal([present(other, 10_010).pauseMs, present(other, 10_010).startedAtMs], [50, 1_000_000]);
});

test('a seal that was found is as old as the source says, whoever asked for it', () => {
  const { report } = started();
  takeOver(report, { ...NO_PROGRESS, stage: 'sealing' }, 1000);
  findSeal(report, 10_000);
  const found = present(report, 10_004);
  assert.equal([found.pauseMs, found.pauseAtLeast], [4, true]);
  ageSeal(report, { ms: 8000, isExact: true }, 10_005);
  assert.equal(present(report, 10_010).pauseMs, 8005);
  assert.ok(present(report, 10_010).pauseAtLeast, 'it goes on');
  endSeal(report, 'activated', 10_020);
  const { pauseMs, pauseAtLeast } = present(report, 20_000);
  assert.equal([pauseMs, pauseAtLeast], [8015, false]);
});

test('a seal that was asked for here is not found: its pause is exact', () => {
  const { report } = started();
  beginSeal(report, 1000);
  findSeal(report, 1500);
  endSeal(report, 'activated', 1600);
  assert.equal([present(report, 2000).pauseMs, present(report, 2000).pauseAtLeast], [600, false]);
});

test('a seal of which nobody knew is as old as the source says', () => {
  const { report } = started();
  ageSeal(report, { ms: 100, isExact: true }, 1000);
  assert.equal([report.sealedSinceMs, isSealed(report)], [900, true]);
  ageSeal(report, { ms: 50, isExact: false }, 1000);
  assert.equal([report.sealedSinceMs, report.isPauseExact], [900, true], 'it was not younger, and is exact');
});

test('where the source has not seen the seal applied, or answers after the end, the pause is at least so long', () => {
  const late = started().report;
  findSeal(late, 1000);
  endSeal(late, 'activated', 1004);
  assert.equal([present(late, 1005).pauseMs, present(late, 1005).pauseAtLeast], [4, true]);
  ageSeal(late, { ms: 500, isExact: false }, 1006);
  assert.equal([present(late, 1007).pauseMs, present(late, 1007).pauseAtLeast], [498, true]);
});

test('a target that is found to serve has a pause that nobody saw, unless a predecessor told of it', () => {
  const unseen = started().report;
  takeOver(unseen, { ...NO_PROGRESS, stage: 'sealing' }, 1000);
  endSeal(unseen, 'activated', 5000);
  assert.equal([present(unseen, 6000).pauseMs, present(unseen, 6000).pauseAtLeast], [0, true]);
  const told = started().report;
  takeOver(told, { ...NO_PROGRESS, stage: 'publishing', pauseMs: 30 }, 1000);
  endSeal(told, 'activated', 5000);
  assert.equal([present(told, 6000).pauseMs, present(told, 6000).pauseAtLeast], [30, false]);
  const half = started().report;
  takeOver(half, { ...NO_PROGRESS, stage: 'sealed', pauseMs: 30, pauseAtLeast: true }, 1000);
  endSeal(half, 'activated', 5000);
  assert.ok(present(half, 6000).pauseAtLeast);
  const back = started().report;
  endSeal(back, 'unsealed', 5000);
  assert.equal([present(back, 6000).pauseMs, present(back, 6000).pauseAtLeast], [0, false]);
});

test('a seal that is found after the target was seen to serve is no younger than that', () => {
  for (const [before, age] of [
    [0, null],
    [3, null],
    [0, { ms: 2, isExact: false }],
  ] as const) {
    const { facts, report } = started({ progress: { ...NO_PROGRESS, pauseMs: before } });
    takeOver(report, { ...NO_PROGRESS, pauseMs: before }, 0);
    endSeal(report, 'activated', 100);
    findSeal(report, 150);
    if (age !== null) ageSeal(report, age, 150);
    const { pauseMs, pauseAtLeast } = present(report, 160, facts);
    assert.is(pauseMs, before);
    assert.ok(pauseAtLeast);
  }
});

test('that a copy gives way is told while it copies, and nobody has asked a rate', () => {
  const because = { cluster: 'B', waitedMs: 12 };
  const courtesy = { ...UNHURRIED, rate: 500.4, because };
  const told = (stage: Move['kind'], asked?: Asked): unknown => {
    const { facts, report } = started(asked === undefined ? {} : { asked });
    takeOver(report, { ...NO_PROGRESS, givesWay: { rate: 9, ...because } }, 0);
    enter(report, { kind: stage } as Move, 0);
    return progressAt(report, facts, 0, { delayMs: 0, courtesy }).givesWay;
  };
  assert.equal(told('copy'), { rate: 500, ...because });
  assert.equal(told('copy', UNSAID), { rate: 500, ...because });
  assert.is(told('copy', { ...UNSAID, rate: 7 }), undefined);
  assert.is(told('round'), undefined, 'nor what a predecessor told');
});

test('counters: what the target holds, what was copied, rounds, and the exact total once it is known', () => {
  const { facts, report } = started();
  countStaged(report, 10, 100);
  countCopied(report, 3, 30);
  countRound(report);
  countRound(report);
  const shown = (): unknown => {
    const { keysCopied, bytesCopied, rounds, keysTotal, dirtyRows } = present(report, 0, facts);
    return [keysCopied, bytesCopied, rounds, keysTotal, dirtyRows];
  };
  assert.equal(shown(), [13, 130, 2, NO_PROGRESS.keysTotal, 0]);
  learnExport(facts, { kind: 'exporting', ...EXPORT, base: digest(50), dirtyRows: 4 });
  assert.equal(shown(), [13, 130, 2, 50, 4]);
  learnSeal(facts, { kind: 'sealed', sealSlot: 9, digest: digest(51) });
  assert.equal(shown(), [13, 130, 2, 51, 4]);
});

test('a report is due when its stage or what it waits for changes, else ten times a second', () => {
  const { report } = started();
  enter(report, { kind: 'copy' }, 0);
  assert.is(due(report, 0)?.stage, 'copying');
  assert.is(due(report, 99), null);
  assert.ok(due(report, 100));
  enter(report, { kind: 'round' }, 110);
  assert.is(due(report, 110)?.stage, 'catching up');
  assert.is(due(report, 111), null);
  beginSilence(report, 'target', 'x', { sinceMs: 100, askedAtMs: 100 });
  assert.match(due(report, 112)?.waitingFor ?? '', /target B/);
  assert.is(due(report, 113), null);
});

test.run();
