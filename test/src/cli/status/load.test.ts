/** The load of a cluster in words. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { describeLoad, printRate } from '../../../../src/cli/status/load.ts';
import { IDLE } from '../../../../src/health/load.ts';
import type { Rates } from '../../../../src/protocol/admin/node-facts.ts';

function rates(s10: number): Rates {
  return { s10, m1: 2 * s10, m10: 3 * s10 };
}

test('rates are printed in three digits or so, and nothing is said of what is idle', () => {
  assert.equal([0, 0.04, 1.25, 12.4, 123_456].map(printRate), ['0', '0.0', '1.3', '12', '123 k']);
  assert.is(describeLoad(IDLE), null);
  assert.is(
    describeLoad({ reads: rates(1200), writes: rates(3), bytes: rates(1000) }),
    '1200 reads, 3.0 writes, 1000 bytes a second',
  );
});

test.run();
