import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { USER_KEY_MAX, VALUE_MAX, whyTooLong, whyUnstorable } from '../../../src/base/limits.ts';

test('what is as long as it may be is taken, one byte more is refused with limit and size', () => {
  assert.is(whyTooLong('update', 7, 7), null);
  assert.is(whyTooLong('update', 8, 7), 'update of 8 bytes: the limit is 7 bytes');
  const [key, value] = ['k'.repeat(USER_KEY_MAX), Buffer.alloc(VALUE_MAX)];
  assert.is(whyUnstorable(key, value), null);
  assert.is(whyUnstorable(`${key}k`, null), 'key of 4026 bytes: the limit is 4025 bytes');
  assert.is(
    whyUnstorable('', Buffer.alloc(VALUE_MAX + 1)),
    'value of 8388608 bytes: the limit is 8388607 bytes',
  );
});

test.run();
