/** The bucket that a copy is paid from. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { UNHURRIED } from '../../../migrator/core/courtesy.ts';
import { SETTINGS } from '../../../migrator/core/settings.ts';
import { EMPTY, emptied, filled, pageBytesAt, rateOf, readAtMs } from '../../../migrator/core/throttle.ts';

test('what is owed is paid by time, at the rate that was in force', () => {
  const owing = emptied({ bytes: 0, atMs: 1000 }, 500);
  assert.is(readAtMs(owing, 250), 3000);
  const later = filled(owing, 250, 2000);
  assert.is(later.bytes, -250);
  assert.is(readAtMs(later, 250), 3000);
  assert.is(readAtMs(later, 1000), 2250, 'another rate');
  assert.is(readAtMs(filled(later, 250, 3000), 250), 3000);
});

test('what is not used is kept for a tenth of a second, and is not taken away by a lower rate', () => {
  const rested = filled(EMPTY, 1000, 60_000);
  assert.is(rested.bytes, 100);
  assert.is(filled(rested, 1000, 61_000).bytes, 100);
  assert.is(filled(rested, 10, 61_000).bytes, 100);
});

test('nothing is read at a rate of nothing, and without a rate nothing is owed', () => {
  assert.is(readAtMs(EMPTY, 0), Number.POSITIVE_INFINITY);
  const owing = emptied(EMPTY, 500);
  assert.is(readAtMs(owing, null), 0);
  assert.equal(filled(owing, null, 7), { bytes: 0, atMs: 7 });
  assert.equal(filled(owing, 0, 7), { bytes: -500, atMs: 7 });
});

test('the record says how fast, and else the settings do; where neither does, requests of clients', () => {
  const asked = { rate: null, who: '', reason: 'person', undoes: null } as const;
  const settings = { ...SETTINGS, bytesPerSecondMax: 5 };
  const slow = { ...UNHURRIED, rate: 3 };
  assert.equal([rateOf({}, settings, slow), rateOf({ asked }, settings, slow)], [5, 5]);
  assert.is(rateOf({ asked: { ...asked, rate: 0 } }, settings, slow), 0);
  assert.is(rateOf({ asked: { ...asked, rate: 7 } }, SETTINGS, slow), 7, 'exactly what was asked for');
  assert.equal([rateOf({ asked }, SETTINGS, slow), rateOf({}, SETTINGS, UNHURRIED)], [3, null]);
});

test('a page takes a fifth of a second at most, and is never tiny', () => {
  assert.is(pageBytesAt(null, SETTINGS), SETTINGS.pageBytes);
  assert.is(pageBytesAt(100_000_000, SETTINGS), SETTINGS.pageBytes);
  assert.is(pageBytesAt(100_000, SETTINGS), 20_000);
  assert.equal([pageBytesAt(10, SETTINGS), pageBytesAt(0, SETTINGS)], [1024, 1024]);
});

test.run();
