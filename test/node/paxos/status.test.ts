/** What a node says of itself, and on what terms: roles, the lease as others see it, and whom it waits for. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Effect } from '../../../node/paxos/contract.ts';
import type { Message } from '../../../node/paxos/messages.ts';
import { leaseUntilMs, type Mastering } from '../../../node/paxos/replica.ts';
import {
  expectProgressPossible,
  masterOf,
  mayRead,
  type Replica,
  shortage,
  statusOf,
} from '../../../node/paxos/step.ts';
import { ballotOf, CLUSTER, elect, hear, LEASE_MS, lifeOf, STATE, tick, wake } from './rig.ts';

const NOW_MS = 5 * LEASE_MS;
const NO_BALLOT = { round: 0, node: '' };
const NEW_LIFE = 'n'.repeat(32);

const roleOf = (replica: Replica): string => statusOf(replica, NOW_MS).role;

test('the role says how far a node is', () => {
  assert.is(roleOf(wake({ founded: null, members: null })), 'joining');
  assert.is(roleOf(wake({ promised: NO_BALLOT })), 'joining');
  assert.is(roleOf(wake({ chosen: 4, applied: 3 })), 'short');
  assert.is(roleOf(wake({ incarnation: NEW_LIFE })), 'learner');
  const follower = wake({ promised: ballotOf(5, 'a') });
  assert.is(roleOf(follower), 'follower');
  tick(follower, NOW_MS);
  assert.is(roleOf(follower), 'candidate');
  const master = wake({ promised: ballotOf(5, 'a') });
  elect(master, NOW_MS, []);
  assert.is(roleOf(master), 'master');
});

test('members are seen that were heard of within a lease', () => {
  const replica = wake({ chosen: 4, applied: 4 });
  const peer = { incarnation: lifeOf('b'), chosen: 3, applied: 2, votes: true, eligible: true };
  replica.peers.set('b', { ...peer, heardMs: NOW_MS - LEASE_MS });
  replica.peers.set('c', { ...peer, heardMs: NOW_MS - LEASE_MS - 1 });
  assert.equal(statusOf(replica, NOW_MS).members, [
    { node: 'a', seen: true, applied: 4 },
    { node: 'b', seen: true, applied: 2 },
    { node: 'c', seen: false, applied: 2 },
  ]);
  assert.equal(
    statusOf(wake({ incarnation: NEW_LIFE }), NOW_MS).members.map(({ seen }) => seen),
    [false, false, false],
  );
});

test('a follower believes in the master that it granted a lease to, as long as that lasts', () => {
  const replica = wake();
  assert.is(masterOf(replica, NOW_MS), null);
  assert.not(expectProgressPossible(replica, NOW_MS));
  const heartbeat: Message = {
    kind: 'heartbeat',
    cluster: CLUSTER,
    ballot: ballotOf(6, 'c'),
    chosen: 0,
    sentAtMs: 0,
  };
  hear(replica, 'c', heartbeat, NOW_MS);
  assert.is(masterOf(replica, NOW_MS + LEASE_MS - 1), 'c');
  assert.ok(expectProgressPossible(replica, NOW_MS));
  assert.is(masterOf(replica, NOW_MS + LEASE_MS), null);
  assert.not(mayRead(replica, NOW_MS), 'only the master reads');
});

test('a member alone needs nobody’s lease', () => {
  const alone = { ...STATE, members: STATE.members.slice(0, 1) };
  const replica = wake({ members: alone });
  assert.is(leaseUntilMs(replica, { grants: new Map() } as unknown as Mastering), Number.POSITIVE_INFINITY);
});

test('nothing is read from a store that is behind its own log’s beginning; it says why', () => {
  assert.is(shortage(wake({ chosen: 4, applied: 4, firstLogSlot: 5 }), NOW_MS), null);
  const lost = wake({ chosen: 4, applied: 0, firstLogSlot: 5, floorMembers: STATE });
  assert.match(
    shortage(lost, NOW_MS) ?? '',
    /slot 0, log begins at 5: .*1 to 4 .*b \(not seen\), c \(not seen\)/,
  );
  lost.holders.set('b', { chosen: 2, heardMs: NOW_MS - 2999 });
  lost.holders.set('c', { chosen: 3, heardMs: NOW_MS - 2999 });
  assert.match(shortage(lost, NOW_MS) ?? '', /b \(holds 2\), c \(holds 3\)/);
  assert.match(shortage(lost, NOW_MS + 1) ?? '', /b \(not seen\)/);
  lost.fetching = { request: 1, from: 'b', untilMs: NOW_MS + 1 };
  assert.match(shortage(lost, NOW_MS) ?? '', /fetching 1 to 4 from b/);
  assert.not.match(shortage(lost, NOW_MS + 1) ?? '', /fetching/);
  lost.installing = 'c';
  assert.match(shortage(lost, NOW_MS) ?? '', /from c/);
});

test('who is short only of what its log holds may be read stale', () => {
  assert.is(shortage(wake({ chosen: 4, applied: 3 }), NOW_MS), null);
});

test('an empty home says whom it misses', () => {
  const waits = (replica: Replica): string => statusOf(replica, NOW_MS).waitsFor ?? '';
  const empty = wake({ founded: null, members: null, promised: NO_BALLOT }, { learners: ['c'] });
  assert.match(waits(empty), /home is empty: waiting for b \(not seen\)/);
  empty.emptyHomes.set('b', lifeOf('b'));
  assert.match(waits(empty), /all homes are empty: waiting for a to found/);
  const joining = wake({ promised: NO_BALLOT });
  joining.joined.add('b');
  joining.foreign.add('c');
  assert.match(waits(joining), /waiting for c \(of another cluster\) to join/);
  assert.is(statusOf(wake({ chosen: 1, applied: 1 }), NOW_MS).waitsFor, null);
});

function said(effects: readonly Effect[]): string[] {
  return effects.flatMap((effect) => (effect.kind === 'log' && effect.level === 'warn' ? [effect.what] : []));
}

test('what it waits for is said when it changes, and every ten seconds', () => {
  const lost = wake({ chosen: 4, applied: 0, firstLogSlot: 5, floorMembers: STATE });
  assert.is(said(tick(lost, 5000)).length, 1);
  assert.is(said(tick(lost, 14_999)).length, 0);
  assert.is(said(tick(lost, 15_000)).length, 1);
  lost.holders.set('b', { chosen: 2, heardMs: 15_500 });
  assert.is(said(tick(lost, 15_999)).length, 0, 'not twice within a lease');
  assert.is(said(tick(lost, 16_000)).length, 1);
});

test('who is not short waits a lease before it says anything', () => {
  const replica = wake();
  replica.watermark = 3;
  replica.holders.set('b', { chosen: 3, heardMs: 5000 });
  replica.lookedAt = { chosen: 0, sinceMs: 5000 };
  assert.equal(said(tick(replica, 5000 + LEASE_MS)), []);
  assert.is(said(tick(replica, 5001 + LEASE_MS)).length, 1);
  replica.chosen = 3;
  tick(replica, 20_000);
  assert.is(replica.waiting.said, '');
});

test.run();
