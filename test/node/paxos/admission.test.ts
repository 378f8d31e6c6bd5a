/** Whom a master admits in the place of a member's former life. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Replica } from '../../../node/paxos/step.ts';
import type { Value } from '../../../node/paxos/values.ts';
import { askAs, CLUSTER, elect, hear, LEASE_MS, proposedIn, tick, wake } from './rig.ts';

/** An empty home of c, as it was seen while the real one was not mounted. */
const EMPTY_HOME = 'e'.repeat(32);

function admitted(proposed: readonly Value[]): string[] {
  return proposed.flatMap((value) => (value.kind === 'admit' ? [`${value.node}.${value.incarnation}`] : []));
}

/** Node a, awake for so long that it waits for nobody's lease, and an empty home of c that asks it. */
function asked(atMs: number): Replica {
  const replica = wake({ promised: { round: 5, node: `a.${'a'.repeat(12)}` } });
  askAs(replica, 'c', EMPTY_HOME, atMs);
  return replica;
}

test('an empty home that asks is admitted', () => {
  assert.equal(admitted(elect(asked(0), 10, [])), [`c.${EMPTY_HOME}`]);
});

/** Nursery, seeds 384 and 428: homes were mounted again, and the empty ones were admitted in their place. */
test('an empty home is not admitted while the member that it stood in for speaks', () => {
  const replica = asked(0);
  hear(replica, 'c', { kind: 'canvass', cluster: CLUSTER, chosen: 0 }, 10);
  assert.equal(admitted(elect(replica, 20, [])), []);
  const laterMs = 10 + LEASE_MS;
  askAs(replica, 'c', EMPTY_HOME, laterMs);
  assert.equal(admitted(proposedIn(tick(replica, laterMs))), [`c.${EMPTY_HOME}`], 'but once it is silent');
});

test.run();
