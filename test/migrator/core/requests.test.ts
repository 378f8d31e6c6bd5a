/** What is asked, of whom, how often. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Effect } from '../../../migrator/core/calls.ts';
import { headerFor } from '../../../migrator/core/commands.ts';
import { learnExport, learnSeal } from '../../../migrator/core/facts.ts';
import { askKeeper, askRange, begin, send, sendNote, sendQuery } from '../../../migrator/core/requests.ts';
import { SETTINGS } from '../../../migrator/core/settings.ts';
import type { Coordination } from '../../../migrator/core/state.ts';
import { NO_ROWS } from '../../../src/keyspace/digest.ts';
import type { AdminCommand } from '../../../src/protocol/admin/admin.ts';
import { asking, NOW_MS, RANGE, sentIn, working } from './samples.ts';

/** The only thing that is sent. */
function sent(what: (out: Effect[]) => void): Extract<Effect, { kind: 'send' }> {
  const out: Effect[] = [];
  what(out);
  const [effect] = out;
  assert.ok(out.length === 1 && effect?.kind === 'send');
  return effect;
}

const release = (state: Coordination) => ({
  kind: 'command' as const,
  command: { kind: 'release' as const, ...headerFor('source', state.facts, state.claim) },
});

test('each purpose is asked for once at a time; pages are not', () => {
  const state = working();
  const out: Effect[] = [];
  send(state, out, 'release', 'source', release(state));
  send(state, out, 'release', 'source', release(state));
  assert.equal(sentIn(out), ['release']);
  begin(state, out, 'release', 'source', release(state), 0);
  assert.is(out.length, 2);
});

test('whom it is for: the keeper has no name, a cluster that of the record', () => {
  const state = working();
  const to = (party: 'source' | 'target') =>
    sent((out) => askRange(working(), out, 'askSource', party)).cluster;
  assert.equal([to('source'), to('target')], ['A', 'B']);
  assert.is(sent((out) => askKeeper(state, out, 'askKeeper')).cluster, '');
});

test('a command of the move is meant for one founding, and a move with another one', () => {
  const foundings = { keeper: 'fk', source: 'fa', target: 'fb' };
  const state = working({}, { foundings });
  const request = release(state);
  const toSource = sent((out) => begin(state, out, 'release', 'source', request, 0)).request;
  const under = { kind: 'under', keeper: 'fk', command: request.command } as const;
  assert.equal(toSource, { kind: 'command', command: { ...under, founding: 'fa', peer: 'fb' } });
  const toTarget = sent((out) => begin(state, out, 'abandon', 'target', request, 0)).request;
  assert.equal(toTarget, { kind: 'command', command: { ...under, founding: 'fb', peer: 'fa' } });
  assert.equal(sent((out) => begin(state, out, 'finish', 'keeper', request, 0)).request, request);
  assert.equal(
    sent((out) => begin(state, out, 'abandon', 'target', toSource, 0)).request,
    toSource,
    'as it is',
  );
  const query = sent((out) => askRange(state, out, 'askSource', 'source')).request;
  assert.is(query.kind, 'query');
  const unnamed = working();
  assert.equal(sent((out) => begin(unnamed, out, 'release', 'source', request, 0)).request, request);
});

test('the target hears how far it must be with functions: as the keeper at first, as the source at the end', () => {
  const state = working({}, { foundings: { keeper: 'fk', source: 'fa', target: 'fb' } });
  state.claim = { ...state.claim, functions: 7 };
  const functionsOf = (kind: 'beginImport' | 'activate' | 'abandon'): number | undefined => {
    const header = headerFor('target', state.facts, state.claim);
    const sealed = { seq: 1, sealSlot: 1, digest: NO_ROWS };
    const command = { kind, ...header, ...(kind === 'activate' ? sealed : {}) } as AdminCommand;
    const { request } = sent((out) => begin(state, out, kind, 'target', { kind: 'command', command }, 0));
    return request.kind === 'command' && request.command.kind === 'under' ? request.command.functions : -1;
  };
  assert.equal(
    [functionsOf('beginImport'), functionsOf('activate'), functionsOf('abandon')],
    [7, undefined, undefined],
  );
  const status = { beginSlot: 3, base: null, sealed: null, dirtyRows: 0, dirtyBytes: 0, ...RANGE };
  learnSeal(state.facts, { kind: 'sealed', sealSlot: 1, digest: NO_ROWS, functions: 5 });
  assert.is(functionsOf('activate'), 5);
  learnExport(state.facts, { kind: 'exporting', ...status, functions: 6 });
  assert.is(functionsOf('activate'), 6, 'of who goes on where another one has sealed');
});

test('a note carries token and progress, and puts off the next one, and the question in between', () => {
  const state = working();
  state.facts.outcomes = 4;
  const { request } = sent((out) => sendNote(state, out, 'note'));
  assert.ok(request.kind === 'command' && request.command.kind === 'note');
  const { mid, token, progress } = request.command;
  assert.equal([mid, token, progress.dirtyRows], [2, 3, 8]);
  assert.equal([state.notedMs, state.nextAskMs], [NOW_MS, NOW_MS + SETTINGS.heartbeatMs]);
  assert.is(state.calls.open[0]?.mark, 4);
  state.notedMs = 0;
  const out: Effect[] = [];
  sendNote(state, out, 'note');
  assert.equal([out, state.notedMs], [[], 0], 'one is under way');
  sendNote(state, out, 'noteSeal');
  assert.equal(sentIn(out), ['note']);
});

test('a question says which migration and range, and who may answer', () => {
  const state = working();
  assert.equal(sent((out) => askRange(state, out, 'checkTarget', 'target')).request, {
    kind: 'query',
    query: { kind: 'rangeStatus', mid: 2, ...RANGE },
    node: 'master',
  });
  const query = { kind: 'scanBase', mid: 2, minSlot: 3 } as const;
  assert.equal(sent((out) => sendQuery(state, out, 'scanBase', 'source', query, 'any')).request, {
    kind: 'query',
    query,
    node: 'any',
  });
  const keeper = sent((out) => askKeeper(state, out, 'look')).request;
  assert.equal(keeper, { kind: 'query', query: { kind: 'getMigration', mid: 2 }, node: 'master' });
  const again: Effect[] = [];
  asking(state, 'askKeeper', 'keeper');
  askKeeper(state, again, 'askKeeper');
  assert.equal(again, []);
});

test.run();
