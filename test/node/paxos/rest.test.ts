/** How long a member may leave its clock alone. That no tick before does anything is held by the simulation, tick by tick. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { ReplicaConfig } from '../../../node/paxos/contract.ts';
import { restsUntilMs } from '../../../node/paxos/rest.ts';
import type { Replica } from '../../../node/paxos/step.ts';
import { ballotOf, batch, CLUSTER, elect, hear, LEASE_MS, lifeOf, tick, wake } from './rig.ts';

const ballot = ballotOf(5, 'b');

function follower(): Replica {
  const replica = wake();
  hear(replica, 'b', { kind: 'heartbeat', cluster: CLUSTER, ballot, chosen: 0, sentAtMs: 0 }, 100);
  return replica;
}

/** Node a as a master with a lease that c has granted at `nowMs`, and nothing in flight. */
function master(nowMs: number, config: Partial<ReplicaConfig> = {}): Replica {
  const replica = wake();
  elect(replica, nowMs - LEASE_MS, []);
  tick(replica, nowMs);
  Object.assign(replica.config, config);
  const { role } = replica;
  assert.is(role.kind, 'master');
  if (role.kind !== 'master') return replica;
  const own = { ballot: role.ballot, cluster: CLUSTER };
  replica.applied = replica.chosen;
  hear(
    replica,
    'c',
    { kind: 'granted', ...own, sentAtMs: nowMs, chosen: 0, applied: 0, votes: true, eligible: true },
    nowMs,
  );
  return replica;
}

test('a follower rests until it would campaign', () => {
  const replica = follower();
  const untilMs = restsUntilMs(replica, 150);
  assert.is(untilMs, replica.electionAtMs);
  assert.ok(untilMs >= 100 + LEASE_MS);
  assert.is(restsUntilMs(replica, untilMs + 1), untilMs + 1, 'then it does not');
});

test('a master rests until its next heartbeat', () => {
  const replica = master(5000);
  assert.is(restsUntilMs(replica, 5010), 5000 + LEASE_MS / 8);
  assert.equal(tick(replica, 5000 + LEASE_MS / 8 - 1), []);
  assert.ok(tick(replica, 5000 + LEASE_MS / 8).length > 0);
});

test('whoever has something to do does not rest', () => {
  const rests = (replica: Replica, nowMs = 150): boolean => restsUntilMs(replica, nowMs) > nowMs;
  const changed = (change: Partial<Replica>): Replica => Object.assign(follower(), change);
  assert.ok(rests(changed({})));
  assert.not.ok(rests(changed({ watermark: 1 })), 'it lacks slots');
  assert.not.ok(rests(changed({ chosen: 1 })), 'slots are to be applied');
  assert.not.ok(rests(changed({ fetching: { request: 1, from: 'b', untilMs: 900 } })));
  assert.not.ok(rests(changed({ installing: 'b' })));
  assert.not.ok(rests(changed({ founded: null })));
  assert.not.ok(rests(changed({ active: false })));
  assert.not.ok(rests(changed({ waiting: { said: 'waits', saidMs: 0 } })));
  assert.not.ok(rests(changed({ role: { kind: 'canvassing', favours: new Map() } })));
  assert.not.ok(rests(wake({ incarnation: null }), 0), 'a life that may not vote asks to be admitted');

  const still = (change: (replica: Replica) => void, config: Partial<ReplicaConfig> = {}): boolean => {
    const replica = master(5000, config);
    change(replica);
    return rests(replica, 5010);
  };
  const role = (change: object) => (replica: Replica) => void Object.assign(replica.role, change);
  assert.ok(still(role({})));
  assert.not.ok(still(role({ ownSlot: 0 })));
  assert.not.ok(still(role({ announced: -1 })));
  assert.not.ok(still(role({ changeSlot: 3 })));
  assert.not.ok(still(role({ lacksPromises: true })));
  assert.not.ok(still(role({ promises: new Map() })));
  assert.not.ok(still(role({ adopt: [{ slot: 9, value: batch('x') }] })));
  assert.not.ok(still(role({ draining: { successor: '', untilMs: 9000 } })));
  assert.not.ok(still(role({ grants: new Map() })), 'its lease is over');
  assert.not.ok(still(role({}), { preferredMasters: ['b'] }), 'another one is to be master');
  assert.not.ok(still(role({}), { forcedMaster: 'b' }));
  const peer = { incarnation: lifeOf('b'), heardMs: 5000, chosen: 0, applied: 0, eligible: false };
  assert.not.ok(
    still(({ peers }) => void peers.set('b', { ...peer, votes: false })),
    'it may be admitted',
  );
  assert.not.ok(still(role({}), { wished: ['a', 'c'] }), 'b is to be removed');
});

test.run();
