import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Effect } from '../../../node/paxos/contract.ts';
import { ballotOf, LEASE_MS, tick, wake } from './rig.ts';

function campaigns(effects: readonly Effect[]): boolean {
  return effects.some((effect) => effect.kind === 'send' && effect.message.kind === 'canvass');
}

/**
 * Node a granted b a lease, died and came back; c is cut off from b. If a voted for itself now, a and c would have a
 * new master while b, whose lease a still backs, serves reads.
 */
test('a restarted member does not vote for itself while a lease that it forgot may last', () => {
  const replica = wake({ promised: ballotOf(3, 'b') });
  for (let nowMs = 0; nowMs < LEASE_MS; nowMs += 10)
    assert.not(campaigns(tick(replica, nowMs)), `at ${nowMs} ms`);
  let campaigned = false;
  for (let nowMs = LEASE_MS; nowMs < 2 * LEASE_MS; nowMs += 10)
    campaigned ||= campaigns(tick(replica, nowMs));
  assert.ok(campaigned, 'but soon after');
});

test('one whose last promise was its own granted nobody anything, and campaigns at once', () => {
  const replica = wake({ promised: ballotOf(3, 'a') });
  let campaigned = false;
  for (let nowMs = 0; nowMs < LEASE_MS / 2; nowMs += 10) campaigned ||= campaigns(tick(replica, nowMs));
  assert.ok(campaigned);
});

test.run();
