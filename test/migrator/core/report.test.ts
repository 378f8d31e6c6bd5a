/** What people are told of a move: its stage, its counters, its pause, and whom it waits for. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Party } from '../../../migrator/core/calls.ts';
import { Facts } from '../../../migrator/core/facts.ts';
import { Report, UNANSWERED_MS } from '../../../migrator/core/report.ts';
import { resultOf } from '../../../migrator/core/result.ts';
import { NO_ROWS } from '../../../src/keyspace/digest.ts';
import { type Migration, NO_PROGRESS, type Receipt } from '../../../src/protocol/admin/admin.ts';

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
  const facts = new Facts();
  facts.recordRead({ ...RECORD, ...record }, 0);
  return { facts, report: new Report(facts, 1_000_000) };
}

const waits = (report: Report, nowMs: number, delayMs = 0): string =>
  report.present(nowMs, delayMs).waitingFor;

test('it waits for nobody until a request has not been answered for a second', () => {
  const { report } = started();
  report.asked(new Map<Party, number>([['target', 5000]]));
  assert.is(waits(report, 5000 + UNANSWERED_MS - 1), '');
  assert.is(waits(report, 5000 + UNANSWERED_MS), 'target B, which has not answered for 1 s');
  assert.is(waits(report, 8400), 'target B, which has not answered for 3 s');
  report.asked(new Map());
  assert.is(waits(report, 9000), '');
});

test('a request that failed is told of at once, with why, counted from the first; an answer ends it', () => {
  const { report } = started();
  report.silent('source', 'refused', { sinceMs: 5000, askedAtMs: 4000 });
  report.silent('source', 'timed out', { sinceMs: 9000, askedAtMs: 8000 });
  assert.is(waits(report, 9000), 'source A, which has not answered for 5 s (timed out)');
  assert.equal(report.silences.get('source'), { why: 'timed out', sinceMs: 5000, askedAtMs: 4000 });
  report.silent('keeper', '', { sinceMs: 9000, askedAtMs: 7000 });
  assert.is(
    waits(report, 9000),
    'the keeper, which has not answered for 2 s; source A, which has not answered for 5 s (timed out)',
  );
  report.heard('source');
  report.heard('keeper');
  assert.is(waits(report, 9000), '');
});

test('before its record is known there is only the keeper to wait for', () => {
  const report = new Report(new Facts(), 0);
  report.silent('source', '', { sinceMs: 0, askedAtMs: 0 });
  assert.is(waits(report, 1000), 'the keeper, which has not answered for 1 s');
});

test('who is busy is told with what, and since when the same', () => {
  const { report } = started();
  report.busy('target B, which cleans up', 1000);
  report.busy('target B, which cleans up', 3000);
  assert.is(waits(report, 5000), 'target B, which cleans up, for 4 s');
  report.busy('target B, which imports', 5000);
  assert.is(waits(report, 6000), 'target B, which imports, for 1 s');
  report.notBusy();
  assert.is(waits(report, 6000), '');
});

test('a pause, a clean-up and a count say how long they last', () => {
  const { report } = started();
  report.enter({ kind: 'copy' }, 500);
  report.enter({ kind: 'base' }, 1000);
  report.enter({ kind: 'base' }, 2000);
  assert.is(waits(report, 3000), 'source A, which counts its rows of the range, for 2 s');
  report.enter({ kind: 'pause' }, 4000);
  report.enter({ kind: 'pause' }, 5000);
  assert.is(waits(report, 6000), 'an operator, who paused it, for 2 s');
  report.enter({ kind: 'awaitCleanup' }, 7000);
  report.enter({ kind: 'askSource' }, 8000);
  assert.is(waits(report, 9000), 'source A, which deletes its rows of the range, for 2 s');
  assert.is(report.stage, 'cleaning up', 'a question is no stage');
  report.enter({ kind: 'copy' }, 9000);
  assert.is(waits(report, 9000), '');
});

test('writers that are held back, and an abort that comes too late, are told of', () => {
  const { facts, report } = started({ wish: 'abort' });
  assert.match(waits(report, 0, 7), /^writers, .* held back 7 ms$/);
  facts.closed('target', 'activated');
  assert.is(waits(report, 0), 'its end: too late to abort, the target has taken over');
});

test('the pause is counted from when the seal was asked for until somebody serves', () => {
  const { report } = started();
  assert.not(report.isSealed);
  report.sealBegins(1000);
  report.sealBegins(1500);
  assert.ok(report.isSealed);
  assert.is(report.present(1800, 0).pauseMs, 800);
  report.sealFailed();
  assert.not(report.isSealed);
  assert.is(report.present(1900, 0).pauseMs, 0);
  report.sealBegins(2000);
  report.sealEnds('activated', 2300.4);
  assert.not(report.isSealed);
  assert.is(report.present(9000, 0).pauseMs, 300);
});

test('whoever takes over goes on counting; a pause that was left behind went on', () => {
  const before = { ...NO_PROGRESS, startedAtMs: 77, stage: 'sealed', pauseMs: 40, keysCopied: 5, rounds: 2 };
  const { report } = started();
  report.takeOver(before, 1000);
  report.sealBegins(10_000);
  const { pauseMs, startedAtMs, keysCopied, rounds } = report.present(10_010, 0);
  assert.equal([pauseMs, startedAtMs, keysCopied, rounds], [40 + 1000 + 10, 77, 5, 2]);
  const other = started().report;
  other.takeOver({ ...before, stage: 'copying', startedAtMs: 0 }, 1000);
  other.sealBegins(10_000);
  assert.equal([other.present(10_010, 0).pauseMs, other.present(10_010, 0).startedAtMs], [50, 1_000_000]);
});

test('a seal that was found is as old as the source says, whoever asked for it', () => {
  const { report } = started();
  report.takeOver({ ...NO_PROGRESS, stage: 'sealing' }, 1000);
  report.sealFound(10_000);
  const found = report.present(10_004, 0);
  assert.equal([found.pauseMs, found.pauseAtLeast], [4, true]);
  report.sealAged({ ms: 8000, isExact: true }, 10_005);
  assert.equal(report.present(10_010, 0).pauseMs, 8005);
  assert.ok(report.present(10_010, 0).pauseAtLeast, 'it goes on');
  report.sealEnds('activated', 10_020);
  const { pauseMs, pauseAtLeast } = report.present(20_000, 0);
  assert.equal([pauseMs, pauseAtLeast], [8015, false]);
});

test('where the source has not seen the seal applied, or answers after the end, the pause is at least so long', () => {
  const late = started().report;
  late.sealFound(1000);
  late.sealEnds('activated', 1004);
  assert.equal([late.present(1005, 0).pauseMs, late.present(1005, 0).pauseAtLeast], [4, true]);
  late.sealAged({ ms: 500, isExact: false }, 1006);
  assert.equal([late.present(1007, 0).pauseMs, late.present(1007, 0).pauseAtLeast], [498, true]);
});

test('a target that is found to serve has a pause that nobody saw, unless a predecessor told of it', () => {
  const unseen = started().report;
  unseen.takeOver({ ...NO_PROGRESS, stage: 'sealing' }, 1000);
  unseen.sealEnds('activated', 5000);
  assert.equal([unseen.present(6000, 0).pauseMs, unseen.present(6000, 0).pauseAtLeast], [0, true]);
  const told = started().report;
  told.takeOver({ ...NO_PROGRESS, stage: 'publishing', pauseMs: 30 }, 1000);
  told.sealEnds('activated', 5000);
  assert.equal([told.present(6000, 0).pauseMs, told.present(6000, 0).pauseAtLeast], [30, false]);
  const half = started().report;
  half.takeOver({ ...NO_PROGRESS, stage: 'sealed', pauseMs: 30, pauseAtLeast: true }, 1000);
  half.sealEnds('activated', 5000);
  assert.ok(half.present(6000, 0).pauseAtLeast);
  const back = started().report;
  back.sealEnds('unsealed', 5000);
  assert.equal([back.present(6000, 0).pauseMs, back.present(6000, 0).pauseAtLeast], [0, false]);
});

test('counters: what the target holds, what was copied, rounds, and the exact total once it is known', () => {
  const { facts, report } = started();
  report.staged(10, 100);
  report.copied(3, 30);
  report.roundBegins();
  report.roundBegins();
  const shown = (): unknown => {
    const { keysCopied, bytesCopied, rounds, keysTotal, dirtyRows } = report.present(0, 0);
    return [keysCopied, bytesCopied, rounds, keysTotal, dirtyRows];
  };
  assert.equal(shown(), [13, 130, 2, NO_PROGRESS.keysTotal, 0]);
  facts.exporting({ kind: 'exporting', ...EXPORT, base: digest(50), dirtyRows: 4 });
  assert.equal(shown(), [13, 130, 2, 50, 4]);
  facts.sealed({ kind: 'sealed', sealSlot: 9, digest: digest(51) });
  assert.equal(shown(), [13, 130, 2, 51, 4]);
});

test('a report is due when its stage or what it waits for changes, else ten times a second', () => {
  const { report } = started();
  report.enter({ kind: 'copy' }, 0);
  assert.is(report.due(0, 0)?.stage, 'copying');
  assert.is(report.due(99, 0), null);
  assert.ok(report.due(100, 0));
  report.enter({ kind: 'round' }, 110);
  assert.is(report.due(110, 0)?.stage, 'catching up');
  assert.is(report.due(111, 0), null);
  report.silent('target', 'x', { sinceMs: 100, askedAtMs: 100 });
  assert.match(report.due(112, 0)?.waitingFor ?? '', /target B/);
  assert.is(report.due(113, 0), null);
});

test('how it ended, and why', () => {
  const receipt: Receipt = { sealSlot: 7, digest: NO_ROWS, pauseMs: 4, pauseAtLeast: false };
  const done = { ...RECORD, phase: 'done', receipt } as const;
  const of = { mid: 2, progress: NO_PROGRESS };
  assert.equal(resultOf(done, NO_PROGRESS), { ...of, outcome: 'done', why: '', receipt });
  const late = resultOf({ ...done, wish: 'abort', why: 'asked' }, NO_PROGRESS);
  assert.equal([late.outcome, late.why], ['done', 'too late to abort: the target had taken over']);
  const aborted = resultOf(
    { ...RECORD, phase: 'aborted', wish: 'abort', why: 'asked', receipt },
    NO_PROGRESS,
  );
  assert.equal(aborted, { ...of, outcome: 'aborted', why: 'asked', receipt: null });
});

test.run();
