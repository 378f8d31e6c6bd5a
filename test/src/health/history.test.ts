/** Whom a key has belonged to, from records that may have gaps. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { forgettable, historyLines } from '../../../src/cli/migrations-command.ts';
import { historyOf } from '../../../src/health/history.ts';
import type { MapEntry } from '../../../src/keyspace/rangemap.ts';
import { type Migration, NO_PROGRESS, type Order } from '../../../src/protocol/admin/admin.ts';
import { NO_AUTO } from '../../../src/protocol/admin/auto.ts';

function move(mid: number, source: string, target: string, more: Partial<Migration> = {}): Migration {
  const record = { mid, source, target, lo: 'k', hi: 't', phase: 'done', token: 1, heartbeat: 1 } as const;
  return { ...record, wish: 'run', why: '', progress: NO_PROGRESS, receipt: null, ...more };
}

function entry(owner: string, epoch: number): MapEntry {
  return { lo: 'k', hi: 't', owner, epoch };
}

const owners = (history: ReturnType<typeof historyOf>) =>
  history.tenures.map(({ owner, epoch, by }) => [owner, epoch, by]);

test('there, and back, and what never came to its end, or is of other keys, does not count', () => {
  const history = historyOf('m', {
    entries: [entry('a', 5)],
    migrations: [
      move(5, 'b', 'a'),
      move(2, 'a', 'b'),
      move(3, 'b', 'c', { phase: 'aborted' }),
      move(4, 'a', 'c', { lo: 't', hi: null }),
      move(6, 'a', 'b', { phase: 'active' }),
    ],
    orders: [],
  });
  assert.equal(owners(history), [
    ['b', 2, 'migration'],
    ['a', 5, 'migration'],
  ]);
  assert.is(history.hasGaps, false);
  assert.equal(historyLines(history), [
    '  a  before that    ',
    '  b  since epoch 2  by migration 2, with [k..t)',
    '  a  since epoch 5  by migration 5, with [k..t)',
  ]);
});

test('what an order gave counts; what is not on record any more is said', () => {
  const order: Order = {
    order: 1,
    kind: 'promote',
    cluster: 'b',
    was: 'x',
    founding: 'y',
    takenMs: 0,
    given: { order: 1, ranges: [{ lo: 'k', hi: 't', epoch: 9, sealedBy: null }], floorMid: 0, spareMid: 0 },
    before: [2],
  };
  const promoted = historyOf('k', {
    entries: [entry('b', 9)],
    migrations: [move(2, 'a', 'b')],
    orders: [order],
  });
  assert.equal([owners(promoted).at(-1), promoted.hasGaps], [['b', 9, 'order'], false]);
  const forgotten = historyOf('k', { entries: [entry('c', 7)], migrations: [move(2, 'a', 'b')], orders: [] });
  assert.equal([owners(forgotten).at(-1), forgotten.hasGaps], [['c', 7, 'unknown'], true]);
  const between = historyOf('k', {
    entries: [entry('c', 7)],
    migrations: [move(2, 'a', 'b'), move(7, 'x', 'c')],
    orders: [],
  });
  assert.is(between.hasGaps, true);
  const never = historyOf('k', { entries: [entry('c', 1)], migrations: [], orders: [] });
  assert.equal([owners(never), never.hasGaps], [[['c', 1, 'beginning']], false]);
});

test('what was forgotten leaves a gap, at the beginning, in between and at the end', () => {
  const only = (migrations: readonly Migration[], epoch = 26) =>
    historyOf('m', { entries: [entry('b', epoch)], migrations, orders: [] });
  const none = only([]);
  assert.equal([owners(none), none.hasGaps], [[['b', 26, 'unknown']], true]);
  assert.is(none.tenures[0]?.from, null);
  assert.equal(historyLines(none), [
    '  b  since epoch 26  as the map says, by what is not on record any more, with [k..t)',
    'records are missing: moves between epochs 1 and 26 are forgotten, and who had it meanwhile is not known in full',
  ]);
  // Who had it before is told, and not whether others had it before that.
  const last = only([move(26, 'a', 'b')]);
  assert.equal([last.hasGaps, last.gaps], [true, [{ from: 1, to: 26 }]]);
  const between = only([move(2, 'a', 'b'), move(3, 'x', 'y', { lo: 'x', hi: null }), move(6, 'b', 'b')], 6);
  assert.equal(between.gaps, [{ from: 2, to: 6 }]);
  const later = only([move(2, 'a', 'c')], 7);
  assert.equal([owners(later).at(-1), later.gaps], [['b', 7, 'unknown'], [{ from: 2, to: 7 }]]);
  assert.is(later.tenures.at(-1)?.from, null);
});

test('a record that says which epoch it found leaves no doubt', () => {
  const asked = { rate: null, who: '', reason: 'person', undoes: 2 } as const;
  const undone = [move(2, 'a', 'b'), move(9, 'b', 'a', { asked })];
  assert.is(historyOf('m', { entries: [entry('a', 9)], migrations: undone, orders: [] }).hasGaps, false);
  const parts = [
    { lo: 'k', epoch: 1 },
    { lo: 'n', epoch: 5 },
  ];
  const merged = [move(9, 'a', 'a', { merges: parts })];
  const known = { entries: [entry('a', 9)], migrations: merged, orders: [] };
  assert.equal([historyOf('m', known).hasGaps, historyOf('o', known).hasGaps], [false, true]);
});

test('what rescue lost brought is told with its order, the lost cluster, and where its rows came from', () => {
  const rescue = { order: 4, dead: 'source', epoch: 0, isThere: false, isCopy: true } as const;
  const told = (stage: string) => {
    const record = move(9, 'a', 'b', { rescue, progress: { ...NO_PROGRESS, stage } });
    return historyOf('m', { entries: [entry('b', 9)], migrations: [record], orders: [] });
  };
  assert.equal(owners(told('restored empty')), [['b', 9, 'order']]);
  const [tenure] = told('restored empty').tenures;
  assert.equal([tenure?.number, tenure?.lost], [4, { cluster: 'a', restored: 'empty' }]);
  assert.is(
    historyLines(told('restored from the image of a as of slot 12'))[1],
    '  b  since epoch 9  by order 4, since a was lost: restored from the image of a as of slot 12, with [k..t)',
  );
  assert.is(
    historyLines(told('restoring'))[1],
    '  b  since epoch 9  by order 4, since a was lost, with [k..t)',
  );
});

test('what came back from a target that is dead counts, and numbers that orders gave are none that were forgotten', () => {
  const rescue = { order: 1, dead: 'target', epoch: 3, isThere: false, isCopy: false } as const;
  const back = move(2, 'a', 'b', { phase: 'lost', rescue });
  const given = { order: 1, ranges: [], floorMid: 9, spareMid: 4 };
  const order: Order = {
    order: 1,
    kind: 'promote',
    cluster: 'b',
    was: 'x',
    founding: 'y',
    takenMs: 0,
    given,
    before: [],
  };
  const history = historyOf('m', {
    entries: [entry('c', 9)],
    migrations: [back, move(9, 'a', 'c')],
    orders: [order],
  });
  assert.equal(owners(history), [
    ['a', 3, 'order'],
    ['c', 9, 'migration'],
  ]);
  assert.equal(history.gaps, []);
});

test('a move that another one takes back is not forgotten before that one', () => {
  const asked = { rate: null, who: '', reason: 'person', undoes: 1 } as const;
  const all = [move(1, 'a', 'b'), move(2, 'b', 'a', { asked }), move(3, 'a', 'b')];
  assert.equal(forgettable(all, 0, NO_AUTO).mids, [2, 3]);
});

test('the oldest that have ended may be forgotten, and never one that somebody is still to be told of', () => {
  const all = [
    move(4, 'a', 'b', { phase: 'active' }),
    move(3, 'a', 'b', { phase: 'aborted', isUntold: true }),
    move(2, 'a', 'b', { phase: 'lost' }),
    move(1, 'a', 'b'),
    move(5, 'a', 'b'),
  ];
  assert.equal(forgettable(all, 0, NO_AUTO).mids, [1, 2, 5]);
  assert.equal(forgettable(all, 1, NO_AUTO).mids, [1, 2]);
  assert.equal(forgettable(all, 9, NO_AUTO).mids, []);
});

test('a merge gives a key another epoch, and no other owner', () => {
  const history = historyOf('m', {
    entries: [entry('b', 3)],
    migrations: [move(2, 'a', 'b'), move(3, 'b', 'b', { merges: [{ lo: 'k', epoch: 2 }] })],
    orders: [],
  });
  assert.equal(owners(history), [
    ['b', 2, 'migration'],
    ['b', 3, 'merge'],
  ]);
  assert.is(history.hasGaps, false);
});

test('what rebalancing by itself still counts stays, and is said', () => {
  const ended = (mid: number, endedMs: number) =>
    move(mid, 'a', 'b', { progress: { ...NO_PROGRESS, startedAtMs: endedMs } });
  const all = [ended(1, 1e12), ended(2, 1e12 + 1000), ended(3, 1e12 + 60_000), ended(4, 1e12 + 60_500)];
  const on = { ...NO_AUTO, isOn: true, coolDownSeconds: 60 };
  assert.equal(forgettable(all, 0, on), { mids: [1], counted: 3 });
  assert.equal(forgettable(all, 2, on), { mids: [1], counted: 1 });
  assert.equal(forgettable(all, 0, { ...on, isOn: false }), { mids: [1, 2, 3, 4], counted: 0 });
});

test.run();
