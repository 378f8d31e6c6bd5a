/** How a coordinator begins anew, and how it stops. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Effect } from '../../../migrator/core/calls.ts';
import {
  claimToken,
  fail,
  failFenced,
  finish,
  giveUpWhereSilent,
  lookAgain,
  RESTARTS_MAX,
  restart,
} from '../../../migrator/core/ends.ts';
import { createPipe } from '../../../migrator/core/pipe.ts';
import { beginSeal, beginSilence } from '../../../migrator/core/report.ts';
import { hasEnded } from '../../../migrator/core/state.ts';
import { NO_PROGRESS } from '../../../src/protocol/admin/admin.ts';
import { asking, failureIn, fresh, NOW_MS, sentIn, working } from './samples.ts';

test('who begins anew claims a token after the one it has, and forgets what clusters said', () => {
  const state = working();
  asking(state, 'page', 'target', { mark: 5 });
  state.pipe = createPipe('copy', 'k', 't', 4, 7);
  state.blocked = { move: 'beginImport', times: 0, isFree: true, askAtMs: 0 };
  const out: Effect[] = [];
  restart(state, out, 'why');
  assert.equal(
    state.calls.open.map(({ purpose }) => purpose),
    ['claim'],
  );
  assert.equal([state.mode, state.pipe, state.blocked, state.restarts], ['claim', null, null, 1]);
  assert.equal([state.facts.target, state.facts.source], [null, null]);
  const [sent] = out;
  assert.ok(sent?.kind === 'send' && sent.request.kind === 'command');
  assert.equal(sent.request.command, { kind: 'claim', mid: 2, tokenSeen: 3 });
});

test('it begins anew so often at most', () => {
  const state = working();
  state.restarts = RESTARTS_MAX - 1;
  const last: Effect[] = [];
  restart(state, last, 'no');
  assert.is(failureIn(last), null);
  const out: Effect[] = [];
  restart(state, out, 'the target says no');
  assert.is(failureIn(out), 'REFUSED: migration 2 does not get on: the target says no');
  assert.ok(hasEnded(state));
  assert.equal(sentIn(out), []);
});

test('one claim at a time; whoever looks again has seen nothing', () => {
  const state = fresh({ seen: { token: 1, heartbeat: 1, atMs: 0 } });
  const out: Effect[] = [];
  claimToken(state, out, 1);
  claimToken(state, out, 2);
  assert.equal([sentIn(out), state.mode], [['claim'], 'claim']);
  lookAgain(state);
  assert.equal([state.mode, state.seen, state.lookAtMs], ['look', null, NOW_MS]);
});

test('the end is told with the last progress: its own where it has worked, else that on record', () => {
  const progress = { ...NO_PROGRESS, keysCopied: 7, waitingFor: 'somebody', stage: 'releasing' };
  for (const token of [0, 3]) {
    const state = working({}, { phase: 'done', progress });
    state.claim = { token, floor: 0 };
    state.report.progress = { ...NO_PROGRESS, keysCopied: 9 };
    const out: Effect[] = [];
    finish(state, out);
    const [told, finished] = out;
    assert.ok(told?.kind === 'progress' && finished?.kind === 'finished' && out.length === 2);
    assert.equal(finished.result.progress, told.progress);
    const { keysCopied, waitingFor, stage } = told.progress;
    assert.equal([keysCopied, waitingFor, stage], [token === 0 ? 7 : 9, '', 'done']);
    assert.ok(hasEnded(state));
  }
});

test('a failure names the migration, and who has it', () => {
  const state = working();
  const out: Effect[] = [];
  failFenced(state, out, 'has taken over', 9);
  assert.is(failureIn(out), 'FENCED: another migrator has taken over migration 2 (token 9)');
  assert.ok(hasEnded(state));
  const damaged: Effect[] = [];
  fail(working(), damaged, 'DAMAGED', 'it is');
  assert.equal(damaged, [{ kind: 'failed', code: 'DAMAGED', message: 'it is' }]);
});

test('a cluster that is silent for so long is given up on, but never where the range is sealed', () => {
  const silence = { sinceMs: NOW_MS - 100, askedAtMs: NOW_MS - 2100 };
  for (const [giveUpMs, isSealed, expected] of [
    [101, false, null],
    [100, true, null],
    [
      100,
      false,
      'UNREACHABLE: migration 2 stopped: the target has not answered for 2 s (closed); resume it when it does',
    ],
  ] as const) {
    const state = working({ settings: { giveUpMs } });
    beginSilence(state.report, 'source', 'late', { sinceMs: NOW_MS, askedAtMs: NOW_MS });
    beginSilence(state.report, 'target', 'closed', silence);
    if (isSealed) beginSeal(state.report, NOW_MS);
    const out: Effect[] = [];
    giveUpWhereSilent(state, out);
    assert.is(failureIn(out), expected);
    giveUpWhereSilent(state, out);
    assert.is(out.length, expected === null ? 0 : 1, 'once');
  }
});

test.run();
