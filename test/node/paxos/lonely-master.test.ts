import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Effect } from '../../../node/paxos/contract.ts';
import type { Ballot } from '../../../node/paxos/values.ts';
import { ballotOf, CLUSTER, hear, LEASE_MS, sync, tick, wake } from './rig.ts';

/** Seen with real processes: followers that hear a master but whose answers are lost never elect another. */
test('a master that hears of no quorum for two leases stops keeping the others from an election', () => {
  const replica = wake({ promised: ballotOf(1, 'a') });
  const heartbeats = (effects: readonly Effect[]): boolean =>
    effects.some((effect) => effect.kind === 'send' && effect.message.kind === 'heartbeat');

  for (let nowMs = 0; nowMs < 300; nowMs += 10) tick(replica, nowMs);
  const promised = { round: 1, node: '' };
  hear(replica, 'b', { kind: 'favour', cluster: CLUSTER, granted: true, promised, chosen: 0 }, 300);
  sync(replica, 300);
  assert.is(replica.role.kind, 'preparing');
  const { ballot } = replica.role as { ballot: Ballot };
  hear(
    replica,
    'b',
    { kind: 'promise', cluster: CLUSTER, ballot, accepted: [], chosen: 0, floor: 0, upTo: null },
    310,
  );
  assert.is(replica.role.kind, 'master');

  for (let nowMs = 310; nowMs < 310 + 2 * LEASE_MS; nowMs += 10) tick(replica, nowMs);
  assert.is(replica.role.kind, 'master', 'what is in flight may still be chosen');
  for (let nowMs = 310 + 2 * LEASE_MS; nowMs <= 330 + 2 * LEASE_MS; nowMs += 10) tick(replica, nowMs);
  assert.is(replica.role.kind, 'following');
  assert.not(heartbeats(tick(replica, 340 + 2 * LEASE_MS)), 'and grants run out');
});

test.run();
