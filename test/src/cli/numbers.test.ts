import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { EXIT_CODES, FatalError } from '../../../src/base/errors.ts';
import { wholeNumber, wholeNumberOr, wholeNumberOrWord } from '../../../src/cli/numbers.ts';

function refused(read: () => unknown): FatalError {
  try {
    read();
  } catch (error) {
    if (error instanceof FatalError) return error;
    throw error;
  }
  throw new Error('was not refused');
}

test('a whole number is read, and none given is none', () => {
  const { coerce } = wholeNumber('seed', 0, 'first seed');
  assert.is(coerce('12'), 12);
  assert.is(coerce('0'), 0);
  assert.is(coerce(undefined), undefined);
  assert.is(wholeNumberOr('max', 1000, -1, 'at most').coerce('-1'), -1);
});

test('what is no whole number, or too small, is refused with its text', () => {
  const { coerce } = wholeNumberOr('seeds', 1, 1, 'so many');
  for (const text of ['abc', '', '1.5', '1e3', '0', '-1', '9007199254740993', '1,2', '0x10', ' 1']) {
    const error = refused(() => coerce(text));
    assert.is(error.exitCode, EXIT_CODES.USAGE);
    assert.is(error.message, `--seeds is "${text}"; it is a whole number from 1 to 9007199254740991`);
  }
});

test('a word may stand in the place of a number', () => {
  const { coerce } = wholeNumberOrWord('rate', 0, 'auto', 'so many bytes');
  assert.equal(['auto', '0', undefined].map(coerce), ['auto', 0, undefined]);
  for (const text of ['Auto', 'automatic', '', '-1'])
    assert.match(refused(() => coerce(text)).message, / to 9007199254740991 or auto$/);
});

test('what is beyond a bound is refused with it', () => {
  const { coerce } = wholeNumber('workers', 1, 'processes', 1024);
  assert.is(coerce('1024'), 1024);
  assert.is(
    refused(() => coerce('1025')).message,
    '--workers is "1025"; it is a whole number from 1 to 1024',
  );
});

test.run();
