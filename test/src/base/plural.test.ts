import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { counted } from '../../../src/base/plural.ts';

test('one of them is one, and none are many', () => {
  assert.equal(
    [0, 1, 2].map((count) => counted(count, 'move')),
    ['0 moves', '1 move', '2 moves'],
  );
  assert.is(counted(2, 'copy', 'copies'), '2 copies');
  assert.is(counted(1, 'copy', 'copies'), '1 copy');
});

test.run();
