import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { SortedKeys } from '../../../node/machine/sorted-keys.ts';

const keyArbitrary = fc.uint8Array({ maxLength: 2 }).map((bytes) => Buffer.from(bytes).toString('latin1'));

function from(keys: SortedKeys, first: string): string[] {
  const found: string[] = [];
  const cursor = keys.cursor(first);
  for (let key = cursor.key; key !== null; key = cursor.key) {
    found.push(key);
    cursor.advance();
  }
  return found;
}

test('a cursor gives each key once, in byte order, from where it begins', () => {
  fc.assert(
    fc.property(fc.array(keyArbitrary, { maxLength: 2000 }), keyArbitrary, (added, first) => {
      const keys = new SortedKeys();
      for (const key of added) keys.add(key);
      const expected = [...new Set(added)].sort().filter((key) => key >= first);
      assert.equal(from(keys, first), expected);
    }),
    { numRuns: 50 },
  );
});

test('leaves split, and order holds across them', () => {
  const keys = new SortedKeys();
  const count = 5000;
  for (let n = 0; n < count; n += 1) keys.add(String((n * 7919) % count).padStart(5, '0'));
  const all = from(keys, '');
  assert.is(all.length, count);
  assert.equal(all, [...all].sort());
  assert.is(from(keys, '02500').length, 2500);
});

test.run();
