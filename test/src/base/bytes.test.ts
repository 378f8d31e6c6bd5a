import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  bytesToKey,
  compareKeys,
  keyToBytes,
  parseKey,
  prefixEnd,
  printKey,
  sameBytes,
  successor,
} from '../../../src/base/bytes.ts';

/** Short keys over few bytes, the extreme ones among them, so that neighbours and prefixes turn up. */
const key = fc
  .array(fc.constantFrom(0x00, 0x01, 0x61, 0x7f, 0x80, 0xfe, 0xff), { maxLength: 4 })
  .map((bytes) => String.fromCharCode(...bytes));

test('keys are ordered as their bytes are, unsigned', () => {
  fc.assert(
    fc.property(key, key, (a, b) => {
      assert.is(compareKeys(a, b), Buffer.compare(keyToBytes(a), keyToBytes(b)));
      assert.is(a < b, compareKeys(a, b) < 0);
    }),
  );
});

test('a key is its bytes, all 256 of them', () => {
  const all = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
  assert.is(bytesToKey(all).length, 256);
  assert.equal(keyToBytes(bytesToKey(all)), all);
  assert.is(bytesToKey(new Uint8Array(all.buffer, all.byteOffset + 0x61, 2)), 'ab');
});

test('nothing lies between a key and its successor', () => {
  fc.assert(
    fc.property(key, key, (a, b) => {
      assert.ok(a < successor(a));
      assert.not.ok(a < b && b < successor(a));
    }),
  );
});

test('the keys from a prefix up to its end are those that begin with it', () => {
  fc.assert(
    fc.property(key, key, (prefix, any) => {
      const end = prefixEnd(prefix);
      assert.is(any >= prefix && (end === null || any < end), any.startsWith(prefix));
    }),
  );
  assert.is(prefixEnd(''), null);
  assert.is(prefixEnd('\xff\xff'), null);
  assert.is(prefixEnd('a\xff'), 'b');
  assert.is(prefixEnd('a\xfe'), 'a\xff');
});

test('bytes are the same where all of them are', () => {
  assert.ok(sameBytes(Buffer.from('ab'), new Uint8Array([0x61, 0x62])));
  assert.not.ok(sameBytes(Buffer.from('ab'), Buffer.from('ac')));
  assert.not.ok(sameBytes(Buffer.from('ab'), Buffer.from('abc')));
});

test('what is printed of a key can be read back', () => {
  fc.assert(
    fc.property(
      key.filter((any) => any !== ''),
      (any) => assert.is(parseKey(printKey(any)), any),
    ),
  );
  assert.is(printKey(''), '""');
  assert.is(printKey('user/1'), 'user/1');
  assert.is(printKey('a b'), '0x612062');
  assert.is(printKey('0x61'), '0x30783631');
});

test('keys that people write are text as UTF-8, or hexadecimal', () => {
  assert.is(parseKey('grün'), 'gr\xc3\xbcn');
  assert.is(parseKey('0x00ff'), '\x00\xff');
  assert.is(parseKey('0x'), '');
  assert.throws(() => parseKey('0x0'), /even number/);
  assert.throws(() => parseKey('0xzz'), /even number/);
});

test.run();
