/** What is deleted by --yields, and what that leaves open, as far as it is known before anything is done. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  type Owner,
  printDeleted,
  printYield,
  settlementOf,
  wasSaid,
} from '../../../../src/cli/rescue/yields.ts';
import type { Range } from '../../../../src/keyspace/range.ts';

const WHOLE: Range = { lo: '', hi: null };

function owner(
  cluster: string,
  ranges: readonly (readonly [string, string | null, number])[],
  more = {},
): Owner {
  const owned = ranges.map(([lo, hi, epoch]) => ({ lo, hi, epoch, sealedBy: null }));
  return { cluster, owned, mayWait: false, hasCome: false, ...more };
}

const TWICE = [owner('ams', [['', 'p', 5]]), owner('bru', [['i', null, 2]])];

test('rows that are deleted are named with who keeps the range, cut as the word is', () => {
  const { deleted, open, idle } = settlementOf(TWICE, [{ cluster: 'bru', range: WHOLE }]);
  assert.equal(deleted.map(printDeleted), ['rows of bru in [i..p) are deleted: ams keeps it']);
  assert.equal([open, idle], [[], []]);
  const parts = settlementOf(TWICE, [
    { cluster: 'bru', range: { lo: '', hi: 'k' } },
    { cluster: 'ams', range: { lo: 'k', hi: null } },
  ]);
  assert.equal(parts.deleted.map(printDeleted), [
    'rows of bru in [i..k) are deleted: ams keeps it',
    'rows of ams in [k..p) are deleted: bru keeps it',
  ]);
  assert.equal(parts.open, []);
});

test('what is owned twice, and not yielded, is known before anything is done', () => {
  assert.match(
    settlementOf(TWICE, []).open.join(),
    /^\[i\.\.p\) is owned by ams at epoch 5 and bru at epoch 2: /,
  );
  const part = settlementOf(TWICE, [{ cluster: 'bru', range: { lo: 'i', hi: 'k' } }]);
  assert.match(part.open.join(), /^\[k\.\.p\) is owned by ams/);
  const both = settlementOf(TWICE, [
    { cluster: 'bru', range: WHOLE },
    { cluster: 'ams', range: WHOLE },
  ]);
  assert.match(both.open.join(), /and all of them yield/);
  assert.equal(both.deleted, []);
});

test('who may wait to be confirmed is not known to own anything', () => {
  const waits = [TWICE[0] as Owner, owner('bru', [['i', null, 2]], { mayWait: true })];
  assert.equal(settlementOf(waits, []).open, []);
  const { deleted, idle } = settlementOf(waits, [{ cluster: 'bru', range: WHOLE }]);
  assert.equal([deleted.length, idle.length], [1, 0]);
});

test('a part that touches no range that two own is named; one that may have been yielded before is not refused', () => {
  const stray = { cluster: 'bru', range: { lo: 'z', hi: null } };
  const word = [{ cluster: 'bru', range: { lo: 'i', hi: 'q' } }, stray];
  const { idle, perhapsBefore } = settlementOf(TWICE, word);
  assert.equal([idle.map(printYield), perhapsBefore], [['bru in [z..end)'], []]);
  const come = [owner('ams', [['', null, 5]]), owner('bru', [], { hasCome: true })];
  const again = settlementOf(come, [{ cluster: 'bru', range: WHOLE }]);
  assert.equal([again.idle, again.perhapsBefore.map(printYield)], [[], ['bru']]);
  const owns = settlementOf(
    TWICE.map((each) => ({ ...each, hasCome: true })),
    word,
  );
  assert.equal(owns.idle, [stray], 'what it owns alone it has not yielded');
});

test('whether rows were said to be deleted', () => {
  const { deleted } = settlementOf(TWICE, [{ cluster: 'bru', range: WHOLE }]);
  assert.is(wasSaid('bru', { lo: 'j', hi: 'p' }, deleted), true);
  assert.is(wasSaid('bru', { lo: 'j', hi: null }, deleted), false);
  assert.is(wasSaid('ams', { lo: 'j', hi: 'p' }, deleted), false);
});

test.run();
