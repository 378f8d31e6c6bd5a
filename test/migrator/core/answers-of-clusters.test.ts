/** What the answers of source and target change, by what was asked. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { onAnswer } from '../../../migrator/core/answers.ts';
import { headerFor } from '../../../migrator/core/commands.ts';
import { createPipe, sendPage, takeRows } from '../../../migrator/core/pipe.ts';
import { beginSeal, isSealed } from '../../../migrator/core/report.ts';
import { SETTINGS } from '../../../migrator/core/settings.ts';
import type { Coordination } from '../../../migrator/core/state.ts';
import type { AdminAnswer, Row } from '../../../src/protocol/admin/admin.ts';
import {
  asking,
  EXPORTING,
  failureIn,
  hear,
  IMPORTING,
  NOW_MS,
  SEALED,
  sentIn,
  status,
  working,
} from './samples.ts';

const OK: AdminAnswer = { kind: 'ok' };
const row = (key: string): Row => ({ kind: 0, key, value: Buffer.from(key) });

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
  for (const [kind, left] of [
    ['copy', -4],
    ['round', 0],
  ] as const) {
    const state = working();
    state.pipe = createPipe(kind, 'm', 't', 4, 7);
    hear(state, 'read', 'source', { ...rows, rows: [...rows.rows] });
    assert.equal([state.pipe.ready.length, state.bucket.bytes], [1, left], kind);
  }
  const state = working();
  state.pipe = createPipe('copy', 'm', 't', 4, 9);
  hear(state, 'read', 'source', { ...rows, rows: [...rows.rows] });
  assert.is(state.mode, 'claim');
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
