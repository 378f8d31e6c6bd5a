/** A plan as people read it. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { planLines } from '../../../src/cli/rebalance-command.ts';
import type { NurseryPlan } from '../../../src/protocol/admin/moves.ts';

const EVEN = { mean: 1024, least: 1, most: 1.05, fullest: 'ams' };
const PLAN: NurseryPlan = {
  by: 'size',
  moves: [],
  before: EVEN,
  after: EVEN,
  stuck: [],
  mapVersion: 7,
  unknown: [],
  busy: [],
  hot: [],
};

test('how even it is, and that there is nothing to do', () => {
  assert.equal(planLines(PLAN), [
    'plan by size, for version 7 of the map',
    '  now: from 1.00 times to 1.05 times the mean of 1.0 KiB; ams has most',
    '  nothing to move',
  ]);
  const nothing = { mean: 0, least: 1, most: 1, fullest: '' };
  assert.is(planLines({ ...PLAN, before: nothing })[1], '  now: nobody has anything');
});

test('moves with their waves, and whoever is left out, and why', () => {
  const move = { lo: 'k', hi: 't', source: 'ams', target: 'bru', keys: 1200, bytes: 2048, wave: 0 };
  const lines = planLines({
    ...PLAN,
    before: { mean: 1024, least: 0, most: 3, fullest: 'ams' },
    moves: [move, { ...move, lo: 't', hi: null, wave: 1 }],
    busy: ['c'],
    unknown: ['d', 'e'],
    stuck: ['ams'],
  });
  assert.equal(lines.slice(2), [
    '  then: from 1.00 times to 1.05 times the mean of 1.0 KiB; ams has most, with 2 moves of 4.0 KiB',
    '  1.  ams → bru  [k..t)    1200 keys, 2.0 KiB',
    '  2.  ams → bru  [t..end)  1200 keys, 2.0 KiB',
    '  with a move under way, and left alone: c',
    '  nobody says what they have: d, e',
    '  keep too much, since nothing else can be moved now: ams',
  ]);
});

test('by load it is requests a second, and a range whose requests are for one key is named', () => {
  const range = { lo: 'k', hi: 't' };
  const lines = planLines({
    ...PLAN,
    by: 'load',
    before: { mean: 1500, least: 0.5, most: 1.5, fullest: 'ams' },
    after: { ...EVEN, mean: 1500 },
    moves: [{ ...range, source: 'ams', target: 'bru', keys: 1200, bytes: 2048, load: 750, wave: 0 }],
    busy: ['c'],
    hot: [{ ...range, lo: 't', hi: null, owner: 'ams', load: 900, key: 'the\n1', share: 0.875 }],
  });
  assert.equal(lines, [
    'plan by load, for version 7 of the map',
    '  now: from 0.50 times to 1.50 times the mean of 1500 requests a second; ams has most',
    '  then: from 1.00 times to 1.05 times the mean of 1500 requests a second; ams has most, with 1 move of 2.0 KiB',
    '  1.  ams → bru  [k..t)  1200 keys, 2.0 KiB, 750 requests a second',
    '  with a move under way, or a minute ago, and left alone: c',
    '  stays, since one key has 88 % of its 900 requests a second: [t..end) at ams, key 0x7468650a31',
  ]);
  const nothing = { mean: 0, least: 1, most: 1, fullest: '' };
  assert.is(planLines({ ...PLAN, by: 'load', before: nothing })[1], '  now: nobody is asked for anything');
});

test.run();
