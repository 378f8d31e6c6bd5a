import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { printKey } from '../../../src/base/bytes.ts';
import { NurseryError } from '../../../src/base/errors.ts';
import {
  bytesOf,
  jsonForm,
  jsonRange,
  keyOf,
  rangeBetween,
  rangeOf,
  shortKey,
  shortRange,
  storableKeyOf,
} from '../../../src/cli/forms.ts';

test('the form of bytes in JSON is text, or 0x', () => {
  const forms: [Buffer | string, string][] = [
    ['', ''],
    ['""', '""'],
    ['a key', 'a key'],
    ['é', 'é'],
    ['0x61', '0x30783631'],
    ['0x', '0x3078'],
    ['a\n', '0x610a'],
    ['\x7f', '0x7f'],
    [Buffer.from([0xff]), '0xff'],
    [Buffer.from([0xc3]), '0xc3'],
    [Buffer.from([0xc2, 0x85]), '0xc285'],
  ];
  for (const [bytes, form] of forms) assert.is(jsonForm(Buffer.from(bytes)), form);
  assert.equal(jsonRange({ lo: '', hi: null }), { lo: '', hi: null });
  assert.equal(jsonRange({ lo: '\xc3\xa9', hi: '\xff' }), { lo: 'é', hi: '0xff' });
});

test('it is read back as what it stands for, and no two have the same', () => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 6 }),
    fc.string().map((text) => Buffer.from(text)),
  );
  fc.assert(
    fc.property(bytes, (given) => {
      const form = JSON.parse(JSON.stringify(jsonForm(given))) as string;
      assert.ok(bytesOf(form).equals(given), form);
    }),
    { numRuns: 2000 },
  );
});

test('lines tell the empty key from the one that looks like it', () => {
  assert.is(printKey(''), '""');
  assert.is(printKey('""'), '0x2222');
  assert.is(printKey('"'), '"');
});

test('hexadecimal that is none is refused with what was written', () => {
  for (const text of ['0x1', '0xzz', '0x 00']) {
    assert.throws(
      () => keyOf(text),
      (error: unknown) =>
        error instanceof NurseryError && error.code === 'BAD_INPUT' && error.message.includes(text),
    );
  }
});

test('what is wrong with a range names the option that it stands behind', () => {
  assert.throws(() => rangeOf('b..a'), /^--range b\.\.a: FROM must lie below TO$/);
  for (const text of ['', 'z..a'])
    assert.throws(
      () => rangeOf(text, '--yields bru='),
      (error: unknown) =>
        error instanceof NurseryError && error.message.startsWith(`--yields bru=${text}: FROM`),
    );
});

test('no bound is longer than a key can be, and no error repeats what is long', () => {
  const [longest, longer] = ['k'.repeat(4025), 'k'.repeat(4026)];
  assert.is(storableKeyOf(longest, 'it').length, 4025);
  assert.is(rangeBetween(longest, '')?.lo.length, 4025);
  const calls: (() => unknown)[] = [
    () => storableKeyOf(longer, 'the separator'),
    () => storableKeyOf(`0x${'61'.repeat(4026)}`, 'the separator'),
    () => rangeBetween(longer, 'o'),
    () => rangeOf(`..${longer}`),
    () => rangeOf(longer),
    () => rangeOf(`${longest}..a`),
    () => keyOf(`0x${longest}`),
  ];
  for (const [at, call] of calls.entries()) {
    assert.throws(
      call,
      (error: unknown) =>
        error instanceof NurseryError &&
        error.code === 'BAD_INPUT' &&
        error.message.length < 200 &&
        (at > 3 || error.message.includes('key of 4026 bytes: the limit is 4025 bytes')),
    );
  }
});

test('in tables a long key is cut, by a sign that no key is printed with', () => {
  const long = 'k'.repeat(4025);
  assert.is(shortKey('k'.repeat(40)), 'k'.repeat(40));
  assert.is(shortKey(long), `${'k'.repeat(39)}…`);
  assert.is(shortKey(keyOf('…')), '0xe280a6');
  assert.is(shortRange({ lo: long, hi: null }), `[${'k'.repeat(39)}…..end)`);
  assert.is(shortRange({ lo: '', hi: 't' }), '[""..t)');
});

test.run();
