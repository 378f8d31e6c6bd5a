import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createReplica, type Replica, step } from '../../../node/paxos/step.ts';
import type { Effect, Recovered, ReplicaConfig } from '../../../node/paxos/types.ts';

const LEASE_MS = 1000;
const LIVES = { a: 'a'.repeat(32), b: 'b'.repeat(32), c: 'c'.repeat(32) };
const STATE = {
  cluster: 'x'.repeat(32),
  members: Object.entries(LIVES).map(([node, incarnation]) => ({ node, incarnation })),
  superseded: [],
};
const CONFIG: ReplicaConfig = {
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
};

/** Node a after a restart at time 0, having promised `promisedTo` last. */
function restarted(promisedTo: 'a' | 'b'): Replica {
  const recovered: Recovered = {
    incarnation: LIVES.a,
    founded: { state: STATE, genesis: new Uint8Array(0) },
    promised: { round: 3, node: `${promisedTo}.${LIVES[promisedTo].slice(0, 12)}` },
    accepted: [],
    chosen: 0,
    superseded: [],
    applied: 0,
    members: STATE,
    firstLogSlot: 1,
  };
  const replica = createReplica(CONFIG, recovered);
  step(replica, { kind: 'start', nowMs: 0, random: 0, freshIncarnation: '' });
  return replica;
}

function tick(replica: Replica, nowMs: number): Effect[] {
  return step(replica, { kind: 'tick', nowMs, random: 0 });
}

function campaigns(effects: readonly Effect[]): boolean {
  return effects.some((effect) => effect.kind === 'send' && effect.message.kind === 'canvass');
}

/**
 * Node a granted b a lease, died and came back; c is cut off from b. If a voted for itself now, a and c would have a
 * new master while b, whose lease a still backs, serves reads.
 */
test('a restarted member does not vote for itself while a lease that it forgot may last', () => {
  const replica = restarted('b');
  for (let nowMs = 0; nowMs < LEASE_MS; nowMs += 10)
    assert.not(campaigns(tick(replica, nowMs)), `at ${nowMs} ms`);
  let campaigned = false;
  for (let nowMs = LEASE_MS; nowMs < 2 * LEASE_MS; nowMs += 10)
    campaigned ||= campaigns(tick(replica, nowMs));
  assert.ok(campaigned, 'but soon after');
});

test('one whose last promise was its own granted nobody anything, and campaigns at once', () => {
  const replica = restarted('a');
  let campaigned = false;
  for (let nowMs = 0; nowMs < LEASE_MS / 2; nowMs += 10) campaigned ||= campaigns(tick(replica, nowMs));
  assert.ok(campaigned);
});

test.run();
