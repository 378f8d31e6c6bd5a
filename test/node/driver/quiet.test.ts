/** When a node may rest for longer than a moment. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { quietUntilMs, type Restless } from '../../../node/driver/quiet.ts';
import { ballotOf, CLUSTER, hear, LEASE_MS, wake } from '../paxos/rig.ts';

test('what is not flushed, a clean-up, and a node that waits for its keeper are looked after soon', () => {
  const replica = wake();
  hear(
    replica,
    'b',
    { kind: 'heartbeat', cluster: CLUSTER, ballot: ballotOf(5, 'b'), chosen: 0, sentAtMs: 0 },
    10,
  );
  const quiet: Restless = {
    driver: { replica, machine: { cleanups: [] } },
    introduction: { waits: null },
    store: { overlayBytes: 0 },
    nowMs: () => 20,
  };
  assert.ok(quietUntilMs(quiet) >= 10 + LEASE_MS, 'until it would campaign');
  assert.is(quietUntilMs({ ...quiet, store: { overlayBytes: 1 } }), 0);
  assert.is(quietUntilMs({ ...quiet, introduction: { waits: 'its keeper' } }), 0);
  assert.is(quietUntilMs({ ...quiet, driver: { replica, machine: { cleanups: [7] } } }), 0);
});

test.run();
