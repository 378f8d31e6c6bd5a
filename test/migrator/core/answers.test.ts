/** What each answer changes, by what was asked; and what comes of one that nobody hoped for. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { onAnswer, onUnanswered, REFUSALS_MAX } from '../../../migrator/core/answers.ts';
import { type Effect, hasCall, type Party, type Purpose } from '../../../migrator/core/calls.ts';
import { headerFor } from '../../../migrator/core/commands.ts';
import { learnSeal } from '../../../migrator/core/facts.ts';
import { createPipe, sendPage, takeRows } from '../../../migrator/core/pipe.ts';
import { beginSeal, isSealed } from '../../../migrator/core/report.ts';
import { progressNow } from '../../../migrator/core/requests.ts';
import { SETTINGS } from '../../../migrator/core/settings.ts';
import { type Coordination, hasEnded } from '../../../migrator/core/state.ts';
import { present } from '../../../src/base/assert.ts';
import { NO_ROWS } from '../../../src/keyspace/digest.ts';
import {
  type AdminAnswer,
  type AdminCommand,
  NO_PROGRESS,
  type Row,
} from '../../../src/protocol/admin/admin.ts';
import {
  asking,
  EXPORTING,
  failureIn,
  fresh,
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
const row = (key: string): Row => ({ kind: 0, key, value: Buffer.from(key) });
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

/** Asks, and hears this; what comes of it. */
function hear(
  state: Coordination,
  purpose: Purpose,
  to: Party,
  answer: AdminAnswer,
  about: { readonly command?: AdminCommand; readonly mark?: number } = {},
): Effect[] {
  const out: Effect[] = [];
  onAnswer(state, out, asking(state, purpose, to, about).attempt, answer);
  return out;
}

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
  assert.equal(change({ kind: 'recordAbort', ...of, why: 'asked' }), ['aborted', 'asked', null]);
  assert.equal(change({ kind: 'finish', ...of }), ['done', '', null]);
});

// ── Source ─────────────────────────────────────────────────────────────────────────────────────────────────

test('a base is set at the source, and known once it is, also where foundings are named', () => {
  for (const foundings of [undefined, { keeper: 'fk', source: 'fa', target: 'fb' }]) {
    const state = working({}, foundings === undefined ? {} : { foundings });
    const out = hear(state, 'scanBase', 'source', { kind: 'base', slot: 5, base: SEALED.digest });
    const [effect] = out;
    assert.ok(effect?.kind === 'send' && effect.request.kind === 'command');
    const { command } = effect.request;
    const header = headerFor('source', state.facts, state.claim);
    assert.equal(command.kind === 'under' ? command.command : command, {
      kind: 'setBase',
      ...header,
      base: SEALED.digest,
    });
    assert.is(state.facts.source?.exporting?.base, null);
    onAnswer(state, [], effect.call, OK);
    assert.equal(state.facts.source?.exporting?.base, SEALED.digest);
  }
});

test('the source as it is: a seal that was found, and how old it is', () => {
  const sealed = { ...EXPORTING, sealed: SEALED };
  const state = working();
  hear(state, 'askSource', 'source', status({ exporting: EXPORTING }));
  assert.equal([state.facts.sourceFresh, isSealed(state.report)], [true, false]);
  hear(state, 'askSource', 'source', status({ exporting: sealed, sealAge: { ms: 400, isExact: true } }));
  assert.equal([state.report.sealedSinceMs, state.report.isPauseExact], [NOW_MS - 400, true]);
  const unknown = working();
  hear(unknown, 'askSource', 'source', status({ exporting: sealed }));
  assert.equal([unknown.report.sealedSinceMs, unknown.report.isPauseExact], [NOW_MS, false]);
  const released = working();
  hear(released, 'askSource', 'source', status({ exporting: sealed, closed: 'released' }));
  assert.is(released.report.sealedSinceMs, null);
  const fenced = working();
  assert.match(
    failureIn(hear(fenced, 'askSource', 'source', status({ token: 4 }))) ?? '',
    /^FENCED.*token 4/,
  );
});

test('an export that begins; one that is sealed already is asked for how long', () => {
  const state = working();
  assert.equal(hear(state, 'beginExport', 'source', EXPORTING), []);
  assert.not(isSealed(state.report));
  const out = hear(state, 'beginExport', 'source', { ...EXPORTING, sealed: SEALED });
  assert.equal([sentIn(out), isSealed(state.report)], [['rangeStatus'], true]);
  hear(state, 'askSealAge', 'source', status());
  assert.is(state.report.sealedSinceMs, NOW_MS, 'it does not know');
  hear(state, 'askSealAge', 'source', status({ sealAge: { ms: 90, isExact: false } }));
  assert.equal([state.report.sealedSinceMs, state.report.isPauseExact], [NOW_MS - 90, false]);
});

test('a seal ends the delay of writers; one that is refused begins no pause', () => {
  const sealed = working();
  sealed.delayMs = 8;
  hear(sealed, 'seal', 'source', { kind: 'sealed', ...SEALED });
  assert.equal([sealed.delayMs, sealed.facts.source?.exporting?.sealed], [0, SEALED]);
  for (const answer of [
    { kind: 'behind', dirtyRows: 33, dirtyBytes: 44 },
    { kind: 'refused', why: 'no' },
  ] as const) {
    const state = working();
    beginSeal(state.report, NOW_MS);
    hear(state, 'seal', 'source', answer);
    assert.not(isSealed(state.report));
    assert.is(state.facts.source?.exporting?.dirtyRows, answer.kind === 'behind' ? 33 : 8);
  }
});

test('rows go into the pass under way, or nowhere; what leads nowhere begins anew', () => {
  const rows = { kind: 'rows', rows: [row('m'), row('n')], to: 'o', asOf: 8 } as const;
  const none = working();
  hear(none, 'read', 'source', { ...rows, rows: [...rows.rows] });
  assert.equal([none.pipe, none.mode], [null, 'work']);
  for (const [kind, readAtMs] of [
    ['copy', NOW_MS + 2000],
    ['round', 0],
  ] as const) {
    const state = working({ settings: { bytesPerSecondMax: 2 } });
    state.pipe = createPipe(kind, 'm', 't', 4, 7);
    hear(state, 'read', 'source', { ...rows, rows: [...rows.rows] });
    assert.equal([state.pipe.ready.length, state.readAtMs], [1, readAtMs], kind);
  }
  const state = working();
  state.pipe = createPipe('copy', 'm', 't', 4, 9);
  hear(state, 'read', 'source', { ...rows, rows: [...rows.rows] });
  assert.equal([state.mode, state.readAtMs], ['claim', 0]);
});

// ── Target ─────────────────────────────────────────────────────────────────────────────────────────────────

/** A pass with pages 5 and 6 on their way. */
function sending(kind: 'copy' | 'round'): Coordination {
  const state = working();
  const pipe = createPipe(kind, 'm', 't', 4, 7);
  state.pipe = pipe;
  for (const [key, to] of [
    ['m', 'n'],
    ['n', 'o'],
  ] as const) {
    takeRows(pipe, [row(key)], to, 8);
    sendPage(pipe, 2);
  }
  return state;
}

test('an import as it begins: what the target holds is counted there', () => {
  const state = working();
  state.facts.target = null;
  hear(state, 'beginImport', 'target', IMPORTING);
  const { keysCopied, bytesCopied } = state.report.progress;
  assert.equal(
    [state.facts.target, keysCopied, bytesCopied],
    [{ importing: IMPORTING, closed: null }, 10, 100],
  );
});

test('a page that is there: all before it are, too; those of a copy are counted', () => {
  for (const kind of ['copy', 'round'] as const) {
    const state = sending(kind);
    state.restarts = 3;
    asking(state, 'page', 'target', { mark: 5 });
    asking(state, 'page', 'target', { mark: 7 });
    asking(state, 'trim', 'source');
    hear(state, 'page', 'target', kind === 'copy' ? OK : IMPORTING, { mark: 6 });
    assert.equal([state.facts.target?.importing?.seq, state.pipe?.sent, state.restarts], [6, [], 0]);
    assert.equal(
      state.calls.open.map(({ purpose, mark }) => [purpose, mark]),
      [
        ['page', 7],
        ['trim', 0],
      ],
    );
    assert.is(state.report.progress.keysCopied, kind === 'copy' ? 2 : 0);
    assert.is(state.report.progress.bytesCopied, kind === 'copy' ? 4 : 0);
  }
  const none = working();
  none.restarts = 3;
  hear(none, 'page', 'target', OK, { mark: 6 });
  assert.equal([none.mode, none.restarts], ['work', 3]);
});

test('a page that comes before an older one waits; the oldest one misses nothing', () => {
  const gap = { kind: 'gap', seq: 4, cursor: 'm', asOf: 0 } as const;
  const early = sending('copy');
  hear(early, 'page', 'target', gap, { mark: 6 });
  assert.equal([early.mode, early.calls.open[0]?.againAtMs], ['work', NOW_MS + SETTINGS.retryMinMs]);
  const oldest = sending('copy');
  hear(oldest, 'page', 'target', gap, { mark: 5 });
  assert.is(oldest.mode, 'claim');
  const none = working();
  hear(none, 'page', 'target', gap, { mark: 5 });
  assert.is(none.mode, 'claim');
});

test('the target is checked where its import is what it should be', () => {
  const state = working();
  hear(state, 'checkTarget', 'target', status({ importing: IMPORTING }));
  assert.ok(state.facts.targetChecked);
  const other = working();
  hear(other, 'checkTarget', 'target', status({ importing: { ...IMPORTING, seq: 3 } }));
  assert.equal([other.facts.targetChecked, other.mode], [false, 'claim']);
  const closed = working();
  hear(closed, 'checkTarget', 'target', status({ closed: 'activated' }));
  assert.equal([closed.facts.target?.closed, closed.facts.targetChecked], ['activated', false]);
  const fenced = hear(working(), 'checkTarget', 'target', status({ token: 4, importing: IMPORTING }));
  assert.match(failureIn(fenced) ?? '', /^FENCED.*token 4/);
});

test('what was trimmed is trimmed no more', () => {
  const state = sending('round');
  hear(state, 'page', 'target', OK, { mark: 6 });
  hear(state, 'trim', 'source', OK);
  assert.equal(state.pipe?.trims, [{ from: 'n', to: 'o', slot: 8 }]);
  const none = working();
  hear(none, 'trim', 'source', OK);
  assert.is(none.mode, 'work');
});

test.run();
