/** What each move asks for, and what it makes of passes, delays and calls under way. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { onRoom } from '../../../migrator/core/answers.ts';
import { type Effect, hasCall, type Purpose } from '../../../migrator/core/calls.ts';
import { learnBase, learnOutcome, learnSeal, learnSource } from '../../../migrator/core/facts.ts';
import { moveOn } from '../../../migrator/core/moves.ts';
import { createPipe, sendPage, takeRows } from '../../../migrator/core/pipe.ts';
import { beginSilence, countCopied, isSealed } from '../../../migrator/core/report.ts';
import { SETTINGS } from '../../../migrator/core/settings.ts';
import { type Blocked, type Coordination, hasEnded, stageOf } from '../../../migrator/core/state.ts';
import { present } from '../../../src/base/assert.ts';
import { NO_ROWS } from '../../../src/keyspace/digest.ts';
import type { Migration, Row } from '../../../src/protocol/admin/admin.ts';
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

const row = (key: string): Row => ({ kind: 0, key, value: Buffer.from(key) });

function move(state: Coordination): Effect[] {
  const out: Effect[] = [];
  moveOn(state, out);
  return out;
}

/** All is copied, and the source was asked since. */
function copied(dirtyRows = 8, record: Partial<Migration> = {}): Coordination {
  const state = working({}, record);
  state.facts.target = { importing: { ...IMPORTING, cursor: 't' }, closed: null };
  learnBase(state.facts, NO_ROWS);
  learnSource(state.facts, status({ exporting: { ...EXPORTING, base: NO_ROWS, dirtyRows } }));
  return state;
}

function sealed(): Coordination {
  const state = copied();
  learnSeal(state.facts, { kind: 'sealed', ...SEALED });
  return state;
}

/** What is sent for one purpose. */
function requestIn(out: readonly Effect[]): Record<string, unknown> {
  const [effect] = out.filter(({ kind }) => kind === 'send');
  assert.ok(effect?.kind === 'send');
  const { request } = effect;
  const asked = request.kind === 'command' ? request.command : request.query;
  return { ...asked, ...(request.kind === 'query' ? { node: request.node } : {}) };
}

test('a copy reads from the cursor, no older image than the target has, and scans the base beside it', () => {
  const state = working();
  assert.equal(sentIn(move(state)), ['scanBase', 'readPage']);
  const { kind, hi, unread, minSlot, lastSeq } = present(state.pipe, 'pass');
  assert.equal([kind, hi, unread, minSlot, lastSeq], ['copy', 't', 'm', 7, 4]);
  assert.is(stageOf(state), 'copying');
  assert.equal(sentIn(move(state)), [], 'both are under way');
  const fresh = working();
  fresh.facts.target = { importing: { ...IMPORTING, cursor: null, asOf: 0 }, closed: null };
  move(fresh);
  assert.equal([fresh.pipe?.unread, fresh.pipe?.minSlot], ['k', 3]);
});

test('the base is scanned once: not while it is set, and not where it is known', () => {
  const state = working();
  state.facts.target = { importing: { ...IMPORTING, cursor: 't' }, closed: null };
  const out = move(state);
  assert.equal(requestIn(out), { kind: 'scanBase', mid: 2, minSlot: 3, node: 'any' });
  const setting = working();
  asking(setting, 'setBase', 'source');
  assert.equal(sentIn(move(setting)), ['readPage']);
  const known = working();
  learnBase(known.facts, NO_ROWS);
  assert.equal(sentIn(move(known)), ['readPage']);
});

test('pages go out as they are read, so many at a time, each read at or above the slot of the one before', () => {
  const state = working();
  move(state);
  const pipe = present(state.pipe, 'pass');
  state.calls.open = [];
  takeRows(pipe, [row('m')], 'n', 8);
  const out = move(state);
  assert.equal(sentIn(out), ['scanBase', 'page', 'readPage']);
  const read = out.find(
    (each) => each.kind === 'send' && each.request.kind === 'query' && each.request.query.kind === 'readPage',
  );
  assert.equal(requestIn([present(read, 'read')]), {
    kind: 'readPage',
    mid: 2,
    lo: 'k',
    hi: 't',
    from: 'n',
    bytesMax: SETTINGS.pageBytes,
    minSlot: 8,
    node: 'any',
  });
  assert.equal(
    state.calls.open.filter(({ purpose }) => purpose === 'page').map(({ mark }) => mark),
    [5],
  );
});

test('nothing is read before its time', () => {
  const state = working({ settings: { bytesPerSecondMax: 1000 } });
  state.bucket = { bytes: -1, atMs: NOW_MS };
  assert.equal(sentIn(move(state)), ['scanBase']);
  state.bucket = { bytes: 0, atMs: NOW_MS };
  assert.equal(sentIn(move(state)), ['readPage']);
});

test('a pass waits for the pages of another one; what is read and trimmed for it is dropped', () => {
  const state = copied(SETTINGS.sealRowsMax + 1);
  const copy = createPipe('copy', 'm', 't', 4, 7);
  takeRows(copy, [row('m')], 't', 8);
  sendPage(copy, 2);
  state.pipe = copy;
  asking(state, 'read', 'source');
  assert.equal([sentIn(move(state)), state.pipe], [[], copy]);
  copy.sent = [];
  assert.equal(sentIn(move(state)), ['readDirty']);
  assert.equal(
    state.calls.open.map(({ purpose }) => purpose),
    ['read'],
  );
});

test('a round is trimmed; once all is done the source is asked what is dirty now', () => {
  const state = copied();
  const round = createPipe('round', 'k', 't', 4, 7);
  round.unread = null;
  round.trims.push({ from: 'k', to: 't', slot: 8 });
  state.pipe = round;
  state.facts.targetChecked = true;
  assert.equal(sentIn(move(state)), ['trim']);
  round.trims = [];
  state.calls.open = [];
  assert.equal(sentIn(move(state)), ['rangeStatus']);
  assert.equal([state.pipe, state.facts.targetChecked], [null, false]);
});

test('the last rows are read at the master, at or above the slot of the seal; then it activates', () => {
  const state = sealed();
  const out = move(state);
  const { kind, minSlot, node } = requestIn(out) as { kind: string; minSlot: number; node: string };
  assert.equal([kind, minSlot, node], ['readDirty', SEALED.sealSlot, 'master']);
  const pipe = present(state.pipe, 'pass');
  pipe.unread = null;
  assert.equal(sentIn(move(state)), ['activate']);
  assert.equal([state.pipe, state.facts.lastRowsSent], [null, true]);
});

test('rounds that do not shrink slow the writers down, twice as long each time, up to a bound', () => {
  const { stuckRounds, slowDownMinMs, slowDownMaxMs } = SETTINGS;
  const state = copied(SETTINGS.sealRowsMax + 1);
  const delays: number[] = [];
  for (let round = 0; round < 10 * stuckRounds; round += 1) {
    state.pipe = null;
    move(state);
    delays.push(state.delayMs);
    assert.is(state.report.progress.rounds, round + 1);
  }
  assert.equal(delays.slice(0, stuckRounds + 1), [0, 0, 0, slowDownMinMs], 'the first has none before it');
  assert.is(delays[2 * stuckRounds], 2 * slowDownMinMs);
  assert.is(delays.at(-1), slowDownMaxMs);
  assert.is(state.nextSlowMs, NOW_MS);
  const smaller = copied(SETTINGS.sealRowsMax + 1);
  smaller.facts.roundRows = SETTINGS.sealRowsMax + 2;
  smaller.stuckRounds = stuckRounds - 1;
  move(smaller);
  assert.equal([smaller.stuckRounds, smaller.delayMs], [0, 0]);
});

test('before the seal target and keeper are asked, each where it has not answered', () => {
  const asks = (targetChecked: boolean, sealNoted: boolean): string[] => {
    const state = copied();
    Object.assign(state.facts, { targetChecked, sealNoted });
    return sentIn(move(state));
  };
  assert.equal(asks(false, false), ['rangeStatus', 'note']);
  assert.equal(asks(true, false), ['note']);
  assert.equal(asks(false, true), ['rangeStatus']);
  assert.equal(asks(true, true), ['seal']);
});

test('a seal begins the pause; an activation, an abort or a publication wants no page any more', () => {
  const state = copied();
  Object.assign(state.facts, { targetChecked: true, sealNoted: true });
  assert.not(isSealed(state.report));
  move(state);
  assert.ok(isSealed(state.report));

  const ofPages: readonly Purpose[] = ['read', 'page', 'trim', 'scanBase', 'setBase', 'seal', 'activate'];
  const ending = (prepare: (state: Coordination) => void): string[] => {
    const busy = sealed();
    busy.pipe = createPipe('copy', 'm', 't', 4, 7);
    busy.delayMs = 8;
    for (const purpose of ofPages) asking(busy, purpose, 'source');
    asking(busy, 'slowDown', 'source');
    prepare(busy);
    const out = move(busy);
    for (const purpose of ofPages) assert.not(hasCall(busy.calls, purpose), purpose);
    assert.equal([busy.pipe, busy.delayMs, hasCall(busy.calls, 'slowDown')], [null, 0, true]);
    return sentIn(out);
  };
  assert.equal(
    ending(({ facts }) => learnOutcome(facts, 'target', 'activated')),
    ['publish'],
  );
  assert.equal(
    ending(({ facts }) => {
      facts.abortWhy = 'asked';
    }),
    ['abandon'],
  );
  assert.equal(
    ending(({ facts }) => learnOutcome(facts, 'target', 'abandoned')),
    ['unseal'],
  );
});

test('an abort keeps the reason that it began with', () => {
  const state = working({}, { wish: 'abort', why: 'asked for' });
  assert.equal(sentIn(move(state)), ['cancel'], 'nothing is sealed');
  state.facts.record = { ...present(state.facts.record, 'record'), wish: 'run', why: '' };
  assert.is(state.facts.abortWhy, 'asked for');
});

test('a command that was answered "busy" waits for a question that says that it may begin', () => {
  const state = working();
  state.facts.source = null;
  state.blocked = { move: 'beginExport', times: 0, isFree: false, askAtMs: NOW_MS + 1 };
  assert.equal(sentIn(move(state)), []);
  state.blocked = { ...state.blocked, askAtMs: NOW_MS };
  const asked = requestIn(move(state));
  assert.equal(asked, { kind: 'mayBegin', mid: 2, lo: 'k', hi: 't', as: 'source', node: 'master' });
  state.blocked = { ...state.blocked, isFree: true };
  assert.equal(sentIn(move(state)), ['beginExport']);
  const target = working();
  target.facts.target = null;
  target.blocked = { move: 'beginImport', times: 0, isFree: false, askAtMs: 0 };
  assert.is(requestIn(move(target))['as'], 'target');
  const other = working();
  other.facts.target = null;
  other.blocked = { move: 'beginExport', times: 0, isFree: false, askAtMs: NOW_MS + 1 };
  other.room = 'there';
  assert.equal([sentIn(move(other)), other.blocked], [['beginImport'], null]);
});

test('room is looked for once before an import begins, and again after the target was busy; not for what is there', () => {
  const state = working();
  state.facts.target = null;
  const [looks] = move(state);
  assert.ok(looks?.kind === 'findRoom' && looks.migration.mid === 2);
  assert.equal(move(state), [], 'it waits');
  onRoom(state, null);
  assert.equal(sentIn(move(state)), ['beginImport']);
  onRoom(state, 'late');
  assert.is(state.facts.abortWhy, null, 'nobody has asked');
  state.calls.open = [];
  hear(state, 'beginImport', 'target', { kind: 'busy', why: 'it cleans up' });
  state.blocked = { ...(state.blocked as Blocked), isFree: true };
  assert.equal(
    move(state).map(({ kind }) => kind),
    ['findRoom'],
  );
  onRoom(state, 'B has no room');
  assert.is(state.facts.abortWhy, 'B has no room');
  assert.equal(sentIn(move(state)), ['cancel']);

  const begun = working();
  begun.facts.target = null;
  countCopied(begun.report, 1, 10);
  assert.equal(sentIn(move(begun)), ['beginImport']);
  const known = working();
  known.room = 'asked';
  onRoom(known, 'B has no room');
  assert.is(known.facts.abortWhy, null, 'what has begun goes on');
});

test('what takes its time is asked for now and then', () => {
  const state = working({}, { wish: 'pause' });
  assert.equal(sentIn(move(state)), ['rangeStatus']);
  assert.is(state.nextPollMs, NOW_MS + SETTINGS.pollMs);
  state.calls.open = [];
  assert.equal(sentIn(move(state)), []);
  state.nowMs += SETTINGS.pollMs;
  assert.equal(sentIn(move(state)), ['rangeStatus']);
  state.nowMs += SETTINGS.pollMs;
  assert.equal(sentIn(move(state)), [], 'one is under way');
  assert.is(state.nextPollMs, state.nowMs, 'and the next one is not put off');
});

test('a source that has been silent for a second does not hold up the publishing', () => {
  const asks = (silentMs: number | null): string[] => {
    const state = working();
    state.facts.source = null;
    learnOutcome(state.facts, 'target', 'activated');
    const sinceMs = NOW_MS - (silentMs ?? 0);
    if (silentMs !== null) beginSilence(state.report, 'source', 'closed', { sinceMs, askedAtMs: sinceMs });
    return sentIn(move(state));
  };
  assert.equal([asks(null), asks(999), asks(1000)], [['rangeStatus'], ['rangeStatus'], ['publish']]);
});

test('what is old is asked for; an end is told; facts that exclude each other stop it', () => {
  const old = working();
  learnOutcome(old.facts, 'target', 'forgotten');
  assert.equal(sentIn(move(old)), ['getMigration']);
  const done = working({}, { phase: 'done' });
  assert.ok(move(done).some(({ kind }) => kind === 'finished') && hasEnded(done));
  const torn = working({}, { phase: 'aborted' });
  learnOutcome(torn.facts, 'target', 'activated');
  assert.match(
    failureIn(move(torn)) ?? '',
    /^DAMAGED: migration 2 stops and repairs nothing: activated, and/,
  );
});

test.run();
