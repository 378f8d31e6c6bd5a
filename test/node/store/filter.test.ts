import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Filter, hashKey } from '../../../node/store/filter.ts';

test('lets every key pass that it was made of, also when it was stored', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ maxLength: 20 }), { maxLength: 300 }), (keys) => {
      const filter = new Filter(Filter.of(keys.map(hashKey)).bytes);
      for (const key of keys) assert.ok(filter.mayHave(hashKey(key)), `key ${JSON.stringify(key)}`);
    }),
    { numRuns: 200 },
  );
});

test('holds back nearly all others, with little memory', () => {
  const keys = Array.from({ length: 20_000 }, (_, n) => `\x01${String(n).padStart(8, '0')}`);
  const filter = Filter.of(keys.map(hashKey));
  assert.ok(filter.bytes.length <= keys.length * 1.5, `${filter.bytes.length} bytes`);
  const passed = keys.filter((key) => filter.mayHave(hashKey(`${key}x`))).length;
  assert.ok(passed < keys.length / 50, `${passed} of ${keys.length} passed`);
  assert.not.ok(Filter.of([]).mayHave(hashKey('a')), 'nothing is in an empty one');
});

test('says the same in every build: filters are stored', () => {
  assert.equal(
    ['', '\x01a', '\x01ab\xff'].map((key) => hashKey(key) >>> 0),
    HASHES,
  );
  assert.is(Buffer.from(Filter.of([1, 2, 3, 4].map((n) => n * 0x1234567)).bytes).toString('hex'), STORED);
});

const HASHES = [2872998923, 194382013, 430211326];
const STORED = '0a33994454c202';

test.run();
