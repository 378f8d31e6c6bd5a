/** More rules of the acceptor: favours, the wait of a restarted node, reports, votes and the lease, each at its very edge. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { report } from '../../../node/paxos/acceptor.ts';
import type { Message } from '../../../node/paxos/messages.ts';
import { type Replica, step } from '../../../node/paxos/step.ts';
import type { Ballot, Value } from '../../../node/paxos/values.ts';
import { ballotOf, batch, CLUSTER, hear, LEASE_MS, STATE, sentTo, tick, wake } from './rig.ts';

/** After the wait of a restarted node. */
const LATER_MS = 2 * LEASE_MS;

function prepare(ballot: Ballot): Message {
  return { kind: 'prepare', cluster: CLUSTER, ballot, from: 1 };
}

function accept(ballot: Ballot, slot: number): Message {
  return { kind: 'accept', cluster: CLUSTER, ballot, slot, value: batch('new'), chosen: 0 };
}

function heartbeat(ballot: Ballot): Message {
  return { kind: 'heartbeat', cluster: CLUSTER, ballot, chosen: 0, sentAtMs: 0 };
}

/** The one thing said to `from`; null for silence. */
function answer(replica: Replica, from: 'b' | 'c', message: Message, nowMs = LATER_MS): Message | null {
  return sentTo(hear(replica, from, message, nowMs), from)[0] ?? null;
}

// ── Favours ──────────────────────────────────────────────────────────────────────────────────────────────────

const CANVASS: Message = { kind: 'canvass', cluster: CLUSTER, chosen: 0 };

function favours(replica: Replica, from: 'b' | 'c' = 'c', nowMs = LATER_MS): boolean {
  const said = answer(replica, from, CANVASS, nowMs);
  assert.ok(said?.kind === 'favour');
  return said.granted;
}

test('it favours whom it would promise to, and changes nothing', () => {
  const replica = wake();
  const before = structuredClone({ ...replica, role: null });
  assert.ok(favours(replica));
  const { heardMs: _, holders: _holders, ...rest } = structuredClone({ ...replica, role: null });
  const { heardMs: _before, holders: _beforeHolders, ...restBefore } = before;
  assert.equal(rest, restBefore);
});

test('it favours nobody while it has no vote, or while a lease is granted to another', () => {
  assert.not(favours(wake({ incarnation: 'z'.repeat(32) })), 'no vote');
  const granted = wake();
  granted.grant = { ballot: ballotOf(5, 'b'), untilMs: LATER_MS + 1 };
  assert.not(favours(granted));
  assert.ok(favours(granted, 'b'), 'the lease is its own');
  assert.ok(favours(granted, 'c', LATER_MS + 1), 'the lease is over');
});

test('it favours no life that is not a member', () => {
  const replica = wake();
  const from = { kind: 'message', from: 'c', message: CANVASS, nowMs: LATER_MS } as const;
  const said = sentTo(step(replica, { ...from, incarnation: 'z'.repeat(32) }), 'c');
  assert.ok(said.every((message) => message.kind !== 'favour' || !message.granted));
});

// ── After a restart, grants are forgotten ────────────────────────────────────────────────────────────────────

test('(!) after a restart it promises, for a lease, to the proposer of its last promise alone', () => {
  const early = LEASE_MS - 1;
  assert.is(answer(wake(), 'c', prepare(ballotOf(6, 'c')), early), null);
  assert.is(answer(wake(), 'b', prepare(ballotOf(6, 'b')), early)?.kind, 'promise');
  assert.is(answer(wake(), 'c', prepare(ballotOf(6, 'c')), LEASE_MS)?.kind, 'promise');
  assert.not(favours(wake(), 'c', early));
  assert.ok(favours(wake(), 'c', LEASE_MS));
});

test('who never promised need not wait', () => {
  const fresh = wake({ promised: { round: 0, node: '' } });
  assert.is(answer(fresh, 'c', prepare(ballotOf(6, 'c')), 0)?.kind, 'promise');
});

// ── Promises ─────────────────────────────────────────────────────────────────────────────────────────────────

test('a promise reports from the slot asked for on, in the order of slots', () => {
  const accepted = [7, 4, 6].map((slot) => ({ slot, ballot: ballotOf(2, 'c'), value: batch(String(slot)) }));
  const replica = wake({ accepted });
  const said = answer(replica, 'c', { kind: 'prepare', cluster: CLUSTER, ballot: ballotOf(6, 'c'), from: 5 });
  assert.ok(said?.kind === 'promise');
  assert.equal(
    said.accepted.map(({ slot }) => slot),
    [6, 7],
  );
});

test('a report that grows too large ends early, and says where; it has at least one value', () => {
  const mebibytes = (count: number): Value => ({ kind: 'batch', bytes: new Uint8Array(count * 1024 * 1024) });
  const reported = (...sizes: number[]): unknown => {
    const replica = wake();
    for (const [index, size] of sizes.entries()) {
      const value: Value = size === 0 ? { kind: 'noop' } : mebibytes(size);
      replica.accepted.set(index + 1, { ballot: ballotOf(2, 'c'), value });
    }
    const { accepted, upTo } = report(replica, 1);
    return [accepted.length, upTo];
  };
  assert.equal(reported(20, 20), [2, null]);
  assert.equal(reported(20, 0, 20, 0), [4, null], 'what is no batch takes nothing');
  assert.equal(reported(20, 20, 1), [2, 2]);
  assert.equal(reported(50, 1), [1, 1]);
});

test('whoever promises puts off its own election by half a lease', () => {
  const replica = wake();
  answer(replica, 'c', prepare(ballotOf(6, 'c')));
  assert.ok(replica.electionAtMs >= LATER_MS + LEASE_MS / 2 && replica.electionAtMs < LATER_MS + LEASE_MS);
});

test('a promise is recorded once', () => {
  const replica = wake();
  const again = hear(replica, 'b', prepare(ballotOf(5, 'b')), LATER_MS);
  assert.is(again.filter(({ kind }) => kind === 'persist').length, 0);
  const higher = hear(replica, 'c', prepare(ballotOf(8, 'c')), LATER_MS);
  assert.equal(
    higher.flatMap((effect) => (effect.kind === 'persist' ? [effect.entry] : [])),
    [{ kind: 'promise', ballot: ballotOf(8, 'c') }],
  );
  assert.is(replica.highestRound, 8);
});

// ── Votes ────────────────────────────────────────────────────────────────────────────────────────────────────

test('a vote is a record with its ballot and what is known chosen', () => {
  const replica = wake({ chosen: 2, applied: 2 });
  const effects = hear(replica, 'c', accept(ballotOf(6, 'c'), 3), LATER_MS);
  assert.equal(
    effects.flatMap((effect) => (effect.kind === 'persist' ? [effect.entry] : [])),
    [{ kind: 'accept', slot: 3, ballot: ballotOf(6, 'c'), value: batch('new'), chosen: 2 }],
  );
  assert.is(replica.promisedRecord, replica.nextRecord - 1, 'accepting is promising, durably');
});

test('(!) nothing is voted for at or below what the log has dropped, or knew to be chosen', () => {
  const dropped = wake({ firstLogSlot: 6, floorMembers: STATE, applied: 3, chosen: 5 });
  assert.is(answer(dropped, 'c', accept(ballotOf(6, 'c'), 5))?.kind, undefined);
  assert.is(answer(dropped, 'c', accept(ballotOf(6, 'c'), 6))?.kind, 'accepted');
  const recorded = wake({ applied: 3, chosen: 5 });
  assert.is(answer(recorded, 'c', accept(ballotOf(6, 'c'), 5))?.kind, undefined);
  assert.is(answer(recorded, 'c', accept(ballotOf(6, 'c'), 6))?.kind, 'accepted');
});

test('how far ahead a vote may lie', () => {
  const at = (slot: number): string | undefined => answer(wake(), 'c', accept(ballotOf(6, 'c'), slot))?.kind;
  assert.equal([at(4096), at(4097)], ['accepted', undefined]);
});

// ── The lease ────────────────────────────────────────────────────────────────────────────────────────────────

const RELEASES: { readonly [name: string]: { readonly ballot: Ballot; readonly isDropped: boolean } } = {
  'of the very ballot': { ballot: ballotOf(6, 'c'), isDropped: true },
  'of a lower ballot of the same proposer': { ballot: ballotOf(5, 'c'), isDropped: false },
  'of a higher one': { ballot: ballotOf(7, 'c'), isDropped: false },
  'of another proposer in that round': { ballot: ballotOf(6, 'b'), isDropped: false },
};

for (const [name, { ballot, isDropped }] of Object.entries(RELEASES)) {
  test(`(!) a release ${name} ${isDropped ? 'ends the lease' : 'comes late, and ends nothing'}`, () => {
    const replica = wake();
    answer(replica, 'c', heartbeat(ballotOf(6, 'c')));
    const { electionAtMs } = replica;
    hear(replica, 'c', { kind: 'release', cluster: CLUSTER, ballot, successor: '' }, LATER_MS);
    assert.is(replica.grant === null, isDropped);
    assert.is(replica.electionAtMs < electionAtMs, isDropped);
  });
}

test('after a release the successor comes first, or anybody where none is named', () => {
  const campaignsWithin = (successor: string): number => {
    const replica = wake();
    answer(replica, 'c', heartbeat(ballotOf(6, 'c')));
    hear(replica, 'c', { kind: 'release', cluster: CLUSTER, ballot: ballotOf(6, 'c'), successor }, LATER_MS);
    return replica.electionAtMs - LATER_MS;
  };
  assert.is(campaignsWithin('a'), campaignsWithin(''));
  assert.ok(campaignsWithin('a') < LEASE_MS / 16);
  assert.is(campaignsWithin('b'), LEASE_MS / 2);
});

test('a release where nothing is granted is nothing', () => {
  const replica = wake();
  const { electionAtMs } = replica;
  hear(
    replica,
    'c',
    { kind: 'release', cluster: CLUSTER, ballot: ballotOf(5, 'b'), successor: '' },
    LATER_MS,
  );
  assert.is(replica.electionAtMs, electionAtMs);
});

test('a heartbeat is answered with what this node is, and puts off its election by more than a lease', () => {
  const replica = wake({ chosen: 2, applied: 2 });
  const said = answer(replica, 'c', {
    kind: 'heartbeat',
    cluster: CLUSTER,
    ballot: ballotOf(6, 'c'),
    chosen: 2,
    sentAtMs: 77,
  });
  const ballot = ballotOf(6, 'c');
  const rest = { chosen: 2, applied: 2, votes: true, eligible: true };
  assert.equal(said, { kind: 'granted', cluster: CLUSTER, ballot, sentAtMs: 77, ...rest });
  assert.ok(replica.electionAtMs > LATER_MS + LEASE_MS);
  assert.equal(replica.promised, ballot, 'granting is promising');
  assert.equal(replica.holders.get('c'), { chosen: 2, heardMs: LATER_MS });
});

// ── What a proposer does when another's ballot is in force ───────────────────────────────────────────────────

function candidate(): Replica {
  const replica = wake({ promised: ballotOf(5, 'a') });
  tick(replica, LATER_MS);
  const message: Message = {
    kind: 'favour',
    cluster: CLUSTER,
    granted: true,
    promised: ballotOf(5, 'a'),
    chosen: 0,
  };
  hear(replica, 'b', message, LATER_MS);
  assert.is(replica.role.kind, 'preparing');
  return replica;
}

test('a candidate follows a higher ballot, and not its own', () => {
  const outdone = candidate();
  hear(outdone, 'c', heartbeat(ballotOf(7, 'c')), LATER_MS);
  assert.is(outdone.role.kind, 'following');
  assert.is(outdone.highestRound, 7);
  const own = candidate();
  hear(own, 'b', { kind: 'nack', cluster: CLUSTER, promised: own.promised }, LATER_MS);
  assert.is(own.role.kind, 'preparing');
  const canvassing = wake({ promised: ballotOf(5, 'a') });
  tick(canvassing, LATER_MS);
  hear(canvassing, 'c', heartbeat(ballotOf(6, 'c')), LATER_MS);
  assert.is(canvassing.role.kind, 'following');
});

test.run();
