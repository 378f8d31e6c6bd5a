import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Message } from '../../../node/paxos/messages.ts';
import { createReplica, step } from '../../../node/paxos/step.ts';
import type { Effect, MembersState } from '../../../node/paxos/types.ts';

const LEASE_MS = 1000;
const LIVES = ['a', 'b', 'c'].map((node) => ({ node, incarnation: node.repeat(32) }));
const STATE: MembersState = { cluster: 'x'.repeat(32), members: LIVES, superseded: [] };

/** Seen with real processes: followers that hear a master but whose answers are lost never elect another. */
test('a master that hears of no quorum for two leases stops keeping the others from an election', () => {
  const replica = createReplica(
    {
      node: 'a',
      wished: ['a', 'b', 'c'],
      leaseMs: LEASE_MS,
      driftMs: 20,
      windowMax: 16,
      bootstrap: false,
      genesis: new Uint8Array(0),
      forcedMaster: null,
      preferredMasters: [],
      learners: [],
    },
    {
      incarnation: 'a'.repeat(32),
      founded: { state: STATE, genesis: new Uint8Array(0) },
      promised: { round: 1, node: `a.${'a'.repeat(12)}` },
      accepted: [],
      chosen: 0,
      superseded: [],
      applied: 0,
      members: STATE,
      firstLogSlot: 1,
    },
  );
  const { cluster } = STATE;
  const say = (nowMs: number, message: Message): Effect[] =>
    step(replica, { kind: 'message', nowMs, from: 'b', incarnation: 'b'.repeat(32), message });
  const tick = (nowMs: number): Effect[] => step(replica, { kind: 'tick', nowMs, random: 0 });
  const sync = (nowMs: number): Effect[] =>
    step(replica, { kind: 'synced', nowMs, record: replica.nextRecord - 1 });
  const heartbeats = (effects: readonly Effect[]): boolean =>
    effects.some((effect) => effect.kind === 'send' && effect.message.kind === 'heartbeat');

  step(replica, { kind: 'start', nowMs: 0, random: 0, freshIncarnation: '' });
  for (let nowMs = 0; nowMs < 300; nowMs += 10) tick(nowMs);
  say(300, { kind: 'favour', cluster, granted: true, promised: { round: 1, node: '' }, chosen: 0 });
  sync(300);
  assert.is(replica.role.kind, 'preparing');
  const { ballot } = replica.role as { ballot: { round: number; node: string } };
  say(310, { kind: 'promise', cluster, ballot, accepted: [], chosen: 0 });
  assert.is(replica.role.kind, 'master');

  for (let nowMs = 310; nowMs < 310 + 2 * LEASE_MS; nowMs += 10) tick(nowMs);
  assert.is(replica.role.kind, 'master', 'what is in flight may still be chosen');
  for (let nowMs = 310 + 2 * LEASE_MS; nowMs <= 330 + 2 * LEASE_MS; nowMs += 10) tick(nowMs);
  assert.is(replica.role.kind, 'following');
  assert.not(heartbeats(tick(340 + 2 * LEASE_MS)), 'and grants run out');
});

test.run();
