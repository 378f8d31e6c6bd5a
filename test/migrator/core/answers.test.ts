/** What each answer changes, by what was asked; and what comes of one that nobody hoped for. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { onAnswer, onUnanswered, REFUSALS_MAX } from '../../../migrator/core/answers.ts';
import { type Effect, hasCall, type Purpose } from '../../../migrator/core/calls.ts';
import { learnSeal } from '../../../migrator/core/facts.ts';
import { beginSeal, isSealed } from '../../../migrator/core/report.ts';
import { progressNow } from '../../../migrator/core/requests.ts';
import { SETTINGS } from '../../../migrator/core/settings.ts';
import { type Coordination, hasEnded } from '../../../migrator/core/state.ts';
import { present } from '../../../src/base/assert.ts';
import { NO_ROWS } from '../../../src/keyspace/digest.ts';
import { type AdminAnswer, type AdminCommand, NO_PROGRESS } from '../../../src/protocol/admin/admin.ts';
import {
  asking,
  failureIn,
  fresh,
  hear,
  IMPORTING,
  NOW_MS,
  RECORD,
  SEALED,
  STRANGE,
  sentIn,
  status,
  working,
} from './samples.ts';

const OK: AdminAnswer = { kind: 'ok' };
const records = (change: Partial<typeof RECORD> = {}): AdminAnswer => ({
  kind: 'migrations',
  migrations: [{ ...RECORD, ...change }],
});
const claimed = (token: number, change: Partial<typeof RECORD> = {}): AdminAnswer => ({
  kind: 'claimed',
  token,
  floor: 2,
  record: { ...RECORD, token, ...change },
});

const OF_KEEPER: readonly Purpose[] = ['note', 'noteSeal', 'askKeeper', 'recordAbort', 'publish', 'finish'];
const OF_SOURCE: readonly Purpose[] = [
  'askSource',
  'askSealAge',
  'mayBegin',
  'beginExport',
  'read',
  'trim',
  'scanBase',
  'setBase',
  'seal',
  'unseal',
  'release',
];
const OF_TARGET: readonly Purpose[] = ['beginImport', 'checkTarget', 'page', 'activate', 'abandon'];

test('what a cluster should not say makes it begin anew, whatever was asked', () => {
  for (const [purposes, to] of [
    [OF_SOURCE, 'source'],
    [OF_TARGET, 'target'],
  ] as const) {
    for (const purpose of purposes) {
      const state = working();
      const out = hear(state, purpose, to, STRANGE);
      assert.equal([state.mode, state.restarts, sentIn(out)], ['claim', 1, ['claim']], purpose);
    }
  }
  const state = working();
  assert.equal(hear(state, 'slowDown', 'source', STRANGE), []);
  assert.equal([state.mode, state.calls.open], ['work', []], 'nobody minds what is said to a slow-down');
});

test('what the keeper refuses is asked for again beside its record, so often at most', () => {
  for (const purpose of OF_KEEPER) {
    const state = working();
    const out = hear(state, purpose, 'keeper', { kind: 'refused', why: 'no' });
    const isQuestion = ['note', 'noteSeal', 'askKeeper'].includes(purpose);
    assert.equal([state.refusals, hasEnded(state), sentIn(out)], [1, false, ['getMigration']], purpose);
    const again = state.calls.open.find(({ attempt }) => attempt === null);
    assert.equal(
      [again?.purpose, again?.againAtMs],
      isQuestion ? [undefined, undefined] : [purpose, NOW_MS + SETTINGS.pollMs],
    );
    state.refusals = REFUSALS_MAX - 1;
    assert.is(failureIn(hear(state, purpose, 'keeper', STRANGE)), null);
    assert.is(failureIn(hear(state, purpose, 'keeper', STRANGE)), `REFUSED: ${purpose} at keeper: none`);
  }
});

test('a claim that is refused, or comes too late, looks again; a look that is refused ends it', () => {
  for (const answer of [STRANGE, { kind: 'fenced', token: 9 }] as const) {
    const state = working();
    state.seen = { token: 1, heartbeat: 1, atMs: 0 };
    assert.equal(hear(state, 'claim', 'keeper', answer), []);
    assert.equal([state.mode, state.seen, state.lookAtMs], ['look', null, NOW_MS]);
  }
  const out = hear(fresh(), 'look', 'keeper', { kind: 'refused', why: 'no' });
  assert.is(failureIn(out), 'REFUSED: look at keeper: refused: no');
});

test('any other command that is fenced ends it', () => {
  const out = hear(working(), 'beginExport', 'source', { kind: 'fenced', token: 9 });
  assert.is(failureIn(out), 'FENCED: another migrator has taken over migration 2 (token 9)');
});

test('a cluster that refuses, or a digest that differs, is why it aborts', () => {
  const refused = working();
  assert.equal(hear(refused, 'beginExport', 'source', { kind: 'refused', why: 'no room' }), []);
  assert.is(refused.facts.abortWhy, 'beginExport at source A: refused: no room');
  const differs = working();
  hear(differs, 'activate', 'target', { kind: 'mismatch', mine: NO_ROWS });
  assert.match(differs.facts.abortWhy ?? '', /^ALARM/);
  assert.is(differs.restarts, 0);
});

test('an answer to what was asked before, or is not asked any more, changes nothing', () => {
  const state = working();
  const { attempt } = asking(state, 'mayBegin', 'target');
  const before = structuredClone(state);
  onAnswer(state, [], attempt + 1, STRANGE);
  onUnanswered(state, attempt + 1, 'closed');
  assert.equal(state, before);
});

// ── What any question may be answered ──────────────────────────────────────────────────────────────────────

test('no answer: the same again, later each time, but for notes and slow-downs, of which another is due', () => {
  const state = working();
  const call = asking(state, 'seal', 'source');
  for (const waitMs of [20, 40, 80]) {
    call.attempt = 77;
    onUnanswered(state, 77, 'closed');
    assert.equal([call.attempt, call.againAtMs], [null, NOW_MS + waitMs]);
  }
  call.attempt = 77;
  call.failures = 60;
  onUnanswered(state, 77, 'closed');
  assert.is(call.againAtMs, NOW_MS + SETTINGS.retryMaxMs);
  assert.equal(state.report.silences.get('source'), { why: 'closed', sinceMs: NOW_MS, askedAtMs: NOW_MS });
  for (const purpose of ['note', 'slowDown'] as const) {
    onUnanswered(state, asking(state, purpose, 'source').attempt, 'closed');
    assert.not(hasCall(state.calls, purpose));
  }
});

test('busy: what costs a slot is not sent again before it may be; the rest is, after a while', () => {
  const state = working();
  const busy = { kind: 'busy', why: 'cleaning up' } as const;
  hear(state, 'seal', 'source', busy);
  assert.equal(
    state.calls.open.map(({ purpose, againAtMs }) => [purpose, againAtMs]),
    [['seal', NOW_MS + SETTINGS.pollMs]],
  );
  assert.is(state.report.busy?.what, 'source A, which is busy: cleaning up');
  const asked: unknown[] = [];
  for (const times of [0, 1, 2]) {
    hear(state, 'beginImport', 'target', busy);
    asked.push(state.blocked);
    assert.equal(state.blocked, {
      move: 'beginImport',
      times,
      isFree: false,
      askAtMs: NOW_MS + SETTINGS.pollMs * 2 ** times,
    });
  }
  hear(state, 'mayBegin', 'target', busy);
  assert.equal(state.blocked, {
    move: 'beginImport',
    times: 2,
    isFree: false,
    askAtMs: NOW_MS + SETTINGS.pollMs,
  });
  assert.equal(
    state.calls.open.map(({ purpose }) => purpose),
    ['seal'],
  );
  hear(state, 'beginExport', 'source', busy);
  assert.equal([state.blocked?.move, state.blocked?.times], ['beginExport', 0]);
  state.blocked = { move: 'beginExport', times: 40, isFree: true, askAtMs: 0 };
  hear(state, 'beginExport', 'source', busy);
  assert.is(state.blocked?.askAtMs, NOW_MS + SETTINGS.retryMaxMs);
  state.blocked = null;
  hear(state, 'mayBegin', 'target', busy);
  assert.is(state.blocked, null);
});

test('whoever is not busy any more says so by its next answer to the same', () => {
  const state = working();
  const busy = (): void => {
    state.report.busy = { what: 'target B', sinceMs: 0 };
  };
  busy();
  hear(state, 'askSource', 'source', status());
  assert.ok(state.report.busy, 'another question');
  state.blocked = { move: 'beginImport', times: 0, isFree: true, askAtMs: 0 };
  hear(state, 'beginImport', 'target', IMPORTING);
  assert.is(state.report.busy, null);
  busy();
  const call = asking(state, 'askSource', 'source');
  call.failures = 1;
  onAnswer(state, [], call.attempt, status());
  assert.is(state.report.busy, null);
});

test('that it may begin is noted, where something waits for that', () => {
  const state = working();
  hear(state, 'mayBegin', 'target', OK);
  assert.is(state.blocked, null);
  state.blocked = { move: 'beginImport', times: 2, isFree: false, askAtMs: 7 };
  hear(state, 'mayBegin', 'target', OK);
  assert.equal(state.blocked, { move: 'beginImport', times: 2, isFree: true, askAtMs: 7 });
});

test('a floor that rises lets a command be sent again that was answered "busy"', () => {
  const state = working();
  const blocked = { move: 'beginImport' as const, times: 2, isFree: false, askAtMs: 7 };
  state.blocked = blocked;
  const answer = claimed(3);
  assert.ok(answer.kind === 'claimed');
  hear(state, 'note', 'keeper', { ...answer, floor: state.claim.floor });
  assert.is(state.blocked, blocked);
  hear(state, 'note', 'keeper', { ...answer, floor: state.claim.floor + 1 });
  assert.is(state.blocked, null);
});

test('what ends a move and is refused is asked for again, and not at once', () => {
  for (const [purpose, party] of [
    ['cancel', 'source'],
    ['abandon', 'target'],
    ['unseal', 'source'],
    ['release', 'source'],
  ] as const) {
    const state = working();
    const out = hear(state, purpose, party, { kind: 'refused', why: 'no' });
    assert.equal(sentIn(out), [], purpose);
    assert.ok(hasCall(state.calls, purpose), purpose);
    assert.match(state.facts.abortWhy ?? '', /refused: no/);
  }
});

test('a cancel: too late, it says that the range is sealed; in time, a seal that was asked for made no pause', () => {
  const late = working();
  const out = hear(late, 'cancel', 'source', { kind: 'sealed', ...SEALED });
  assert.equal([late.facts.isSealed, isSealed(late.report)], [true, true]);
  assert.equal(sentIn(out), ['rangeStatus'], 'since when?');
  const early = working();
  beginSeal(early.report, NOW_MS - 30);
  hear(early, 'cancel', 'source', { kind: 'closed', outcome: 'unsealed' });
  assert.equal([isSealed(early.report), progressNow(early).pauseMs], [false, 0]);
});

test('an outcome: the target that has activated holds what the source had at the seal', () => {
  const state = working();
  learnSeal(state.facts, { kind: 'sealed', ...SEALED });
  beginSeal(state.report, NOW_MS - 30);
  hear(state, 'activate', 'target', { kind: 'closed', outcome: 'activated' });
  const { keysCopied, bytesCopied } = state.report.progress;
  assert.equal([keysCopied, bytesCopied, isSealed(state.report)], [12, 120, false]);
  assert.is(state.facts.target?.closed, 'activated');
  assert.is(progressNow(state).pauseMs, 30);

  const unsealed = working();
  learnSeal(unsealed.facts, { kind: 'sealed', ...SEALED });
  hear(unsealed, 'unseal', 'source', { kind: 'closed', outcome: 'unsealed' });
  assert.equal([unsealed.report.progress.keysCopied, unsealed.report.servedSinceMs], [0, NOW_MS]);

  const abandoned = working();
  hear(abandoned, 'abandon', 'target', { kind: 'closed', outcome: 'abandoned' });
  assert.equal([abandoned.report.servedSinceMs, abandoned.facts.target?.closed], [null, 'abandoned']);

  const unknown = working();
  hear(unknown, 'activate', 'target', { kind: 'closed', outcome: 'activated' });
  assert.is(unknown.report.progress.keysCopied, 0, 'nothing is known of a seal');
  const forgotten = working();
  hear(forgotten, 'release', 'source', { kind: 'closed', outcome: null });
  assert.is(forgotten.facts.source?.closed, 'forgotten');
});

// ── Keeper ─────────────────────────────────────────────────────────────────────────────────────────────────

test('a look at what has ended tells how, with the progress on record', () => {
  const progress = { ...NO_PROGRESS, keysCopied: 7 };
  for (const phase of ['done', 'aborted'] as const) {
    const state = fresh({ claimAtOnce: true });
    const out = hear(state, 'look', 'keeper', records({ phase, progress }));
    const finished = present(
      out.find(({ kind }) => kind === 'finished'),
      'end',
    );
    assert.ok(finished.kind === 'finished' && finished.result.outcome === phase);
    assert.equal(finished.kind === 'finished' && finished.result.progress, { ...progress, stage: phase });
    assert.ok(hasEnded(state));
  }
  assert.is(
    failureIn(hear(fresh(), 'look', 'keeper', { kind: 'migrations', migrations: [] })),
    'REFUSED: the keeper knows no migration 2',
  );
});

test('what nobody has claimed is claimed at once by whoever planned it, and watched by others', () => {
  const planner = fresh({ claimAtOnce: true });
  assert.equal(sentIn(hear(planner, 'look', 'keeper', records({ token: 0 }))), ['claim']);
  assert.is(planner.mode, 'claim');
  for (const [claimAtOnce, token] of [
    [true, 1],
    [false, 0],
  ] as const) {
    const other = fresh({ claimAtOnce });
    assert.equal(sentIn(hear(other, 'look', 'keeper', records({ token }))), []);
    assert.equal(other.seen, { token, heartbeat: 0, atMs: NOW_MS });
    assert.is(other.lookAtMs, NOW_MS + SETTINGS.claimAfterMs);
  }
});

test('what was seen counts from then on, and another token or heartbeat means that somebody works', () => {
  const looks = (heartbeat: number, token: number, agoMs: number): [Coordination, Effect[]] => {
    const state = fresh({ seen: { token: 1, heartbeat: 5, atMs: NOW_MS - agoMs } });
    return [state, hear(state, 'look', 'keeper', records({ token, heartbeat }))];
  };
  const [early, none] = looks(5, 1, SETTINGS.claimAfterMs - 1);
  assert.equal([none, early.lookAtMs], [[], NOW_MS + 1]);
  assert.equal(sentIn(looks(5, 1, SETTINGS.claimAfterMs)[1]), ['claim']);
  for (const [heartbeat, token] of [
    [6, 1],
    [5, 2],
  ] as const) {
    assert.match(failureIn(looks(heartbeat, token, 9999)[1]) ?? '', /^FENCED.* is working on migration 2/);
  }
});

test('a claim: the first one goes on counting where a predecessor stopped', () => {
  const state = fresh();
  const progress = { ...NO_PROGRESS, keysCopied: 7, pauseMs: 40, stage: 'sealed' };
  hear(state, 'claim', 'keeper', claimed(4, { progress }));
  assert.equal([state.mode, state.claim], ['work', { token: 4, floor: 2 }]);
  assert.equal(
    [state.report.progress.keysCopied, state.report.pauseBeforeMs],
    [7, 40 + SETTINGS.claimAfterMs],
  );
  hear(state, 'claim', 'keeper', claimed(5));
  assert.equal([state.claim.token, state.report.progress.keysCopied], [5, 7]);
  const said = claimed(6);
  hear(state, 'claim', 'keeper', { ...said, functions: 3 } as AdminAnswer);
  assert.equal(
    state.claim,
    { token: 6, floor: 2, functions: 3 },
    'how far the functions are goes with each command',
  );
  hear(state, 'note', 'keeper', { ...said, functions: 4 } as AdminAnswer);
  assert.equal(state.claim, { token: 6, floor: 2, functions: 4 });
  const first = fresh();
  hear(first, 'claim', 'keeper', claimed(1, { progress }));
  assert.is(first.report.pauseBeforeMs, 40, 'it has no predecessor');
});

test('a note brings record and floor; one before the seal says that it is noted', () => {
  const state = working();
  state.facts.outcomes = 3;
  hear(state, 'note', 'keeper', claimed(9, { wish: 'pause' }), { mark: 3 });
  assert.equal([state.claim, state.facts.record?.wish], [{ token: 3, floor: 2 }, 'pause']);
  assert.equal([state.facts.recordFresh, state.facts.sealNoted], [true, false]);
  hear(state, 'noteSeal', 'keeper', claimed(3), { mark: 2 });
  assert.equal([state.facts.recordFresh, state.facts.sealNoted], [false, true]);
});

test('the record: forgotten, taken over, or as it is', () => {
  const forgotten = failureIn(hear(working(), 'askKeeper', 'keeper', { kind: 'migrations', migrations: [] }));
  assert.is(forgotten, 'REFUSED: the keeper has forgotten migration 2');
  assert.match(
    failureIn(hear(working(), 'askKeeper', 'keeper', records({ token: 4 }))) ?? '',
    /^FENCED.*token 4/,
  );
  const state = working();
  assert.equal(hear(state, 'askKeeper', 'keeper', records({ token: 3, wish: 'abort' })), []);
  assert.equal([state.facts.record?.wish, state.facts.recordFresh], ['abort', true]);
});

test('what the keeper has done stands in its record; questions sent before are not listened to', () => {
  const of = { mid: 2, token: 3 };
  const receipt = { ...SEALED, pauseMs: 4, pauseAtLeast: false };
  const change = (command: AdminCommand): unknown[] => {
    const state = working();
    asking(state, 'note', 'keeper');
    asking(state, 'noteSeal', 'keeper');
    asking(state, 'askKeeper', 'keeper');
    asking(state, 'askSource', 'source');
    hear(state, command.kind as Purpose, 'keeper', OK, { command });
    assert.equal(
      state.calls.open.map(({ purpose }) => purpose),
      ['askSource'],
    );
    const { phase, why, receipt: kept } = present(state.facts.record, 'record');
    return [phase, why, kept];
  };
  assert.equal(change({ kind: 'publish', ...of, receipt }), ['published', '', receipt]);
  assert.equal(change({ kind: 'recordAbort', ...of, why: 'asked', told: true }), ['aborted', 'asked', null]);
  assert.equal(change({ kind: 'finish', ...of }), ['done', '', null]);
});

test.run();
