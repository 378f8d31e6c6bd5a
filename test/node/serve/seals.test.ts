import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Seals } from '../../../node/serve/seals.ts';

test('the age of a seal is exact where the master applied it, and goes with the seal', () => {
  const seals = new Seals();
  const sealed = [{ mid: 5, sealSlot: 7 }];
  seals.applied([], 6, () => true, 500);
  assert.is(seals.ageOf(5, 600), null);
  seals.applied(sealed, 7, () => true, 1000);
  seals.applied(sealed, 8, () => false, 1500);
  assert.equal(seals.ageOf(5, 3000.4), { ms: 2000, isExact: true });
  seals.applied([], 9, () => true, 4000);
  assert.is(seals.ageOf(5, 5000), null);
});

test('who was not master then, or applied the seal late, knows only that it is at least so old', () => {
  const seals = new Seals();
  const sealed = [
    { mid: 5, sealSlot: 7 },
    { mid: 6, sealSlot: 3 },
  ];
  seals.applied(sealed, 7, () => false, 1000);
  assert.equal(seals.ageOf(5, 1200), { ms: 200, isExact: false });
  const later = new Seals();
  later.applied(sealed, 7, () => true, 1000);
  assert.equal(later.ageOf(6, 1100), { ms: 100, isExact: false });
});

test.run();
