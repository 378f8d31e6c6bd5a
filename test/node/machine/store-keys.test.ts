import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { dataKey, dataRange, nextKey, tableRange } from '../../../node/machine/store-keys.ts';
import { STORE_KEY_MAX, TABLES } from '../../../node/store/types.ts';
import { successor } from '../../../src/base/bytes.ts';
import { USER_KEY_MAX } from '../../../src/base/limits.ts';
import { prefixRange, WHOLE } from '../../../src/keyspace/range.ts';

const longest = 'k'.repeat(USER_KEY_MAX);

test('all keys of a table lie in its range, and none of its neighbours', () => {
  const { from, to } = dataRange(WHOLE);
  for (const key of ['', '\0', '\xff'.repeat(USER_KEY_MAX)]) {
    assert.ok(dataKey(key) >= from && dataKey(key) < to);
  }
  assert.ok(TABLES.COMPLETIONS >= to);
  assert.equal(tableRange(TABLES.DATA), { from, to });
});

test('a bound that cannot be stored is replaced by one that parts the same keys', () => {
  const bound = successor(longest);
  for (const store of [dataRange({ lo: bound, hi: null }).from, dataRange({ lo: '', hi: bound }).to]) {
    assert.ok(store.length <= STORE_KEY_MAX, `${store.length} bytes`);
    assert.ok(dataKey(longest) < store, 'the longest key is below');
    assert.ok(dataKey(`${longest.slice(0, -1)}l`) >= store, 'the next one that can be stored is not');
  }
});

test('the next key of the longest one can be stored', () => {
  const next = nextKey(dataKey(longest));
  assert.ok(next.length <= STORE_KEY_MAX && next > dataKey(longest));
  assert.is(nextKey(dataKey('a')), dataKey('a\0'));
});

test('the range of a prefix ends behind its last key, and is open where only 0xff follow', () => {
  assert.equal(prefixRange('ab'), { lo: 'ab', hi: 'ac' });
  assert.equal(prefixRange('a\xff'), { lo: 'a\xff', hi: 'b' });
  assert.equal(prefixRange('\xff'), { lo: '\xff', hi: null });
  assert.equal(prefixRange(''), WHOLE);
});

test.run();
