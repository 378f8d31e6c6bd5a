/** The state of a member as it wakes up, and the questions that every rule asks of it. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Message } from '../../../node/paxos/messages.ts';
import {
  isEligible,
  knownMembers,
  lifeOf as namedLife,
  othersOf,
  persist,
  proposerOf,
  quorumOf,
  send,
  votersOf,
  votesAbove,
} from '../../../node/paxos/replica.ts';
import { step } from '../../../node/paxos/step.ts';
import type { MembersState } from '../../../node/paxos/values.ts';
import { ballotOf, CLUSTER, hear, LEASE_MS, lifeOf, STATE, wake } from './rig.ts';
import { outOf, testWhole } from './whole.ts';

const NOW_MS = 5 * LEASE_MS;
const NO_BALLOT = { round: 0, node: '' };
const NEW_LIFE = 'n'.repeat(32);

test('a ballot names the life of its proposer, and a life its node', () => {
  assert.is(proposerOf(ballotOf(1, 'b')), 'b');
  assert.is(proposerOf({ round: 1, node: 'n.with.dots.abc' }), 'n.with.dots');
  assert.is(proposerOf(NO_BALLOT), '');
  assert.is(namedLife({ node: 'b', incarnation: '0123456789abcdef' }), 'b.0123456789ab');
});

test('of two, a later life stands in for the listed one once that is durably recorded, unless it has ended', () => {
  const two: MembersState = { ...STATE, members: STATE.members.slice(0, 2) };
  const livesOf = (members: MembersState, synced: boolean): string[] => {
    const replica = wake({ members });
    replica.supersededBy.set('b', { incarnation: NEW_LIFE, record: 1 });
    replica.syncedRecord = synced ? 1 : 0;
    return votersOf(replica).map(({ incarnation }) => incarnation);
  };
  assert.equal(livesOf(two, true), [lifeOf('a'), NEW_LIFE]);
  assert.equal(livesOf(two, false), [lifeOf('a'), lifeOf('b')]);
  assert.equal(livesOf({ ...two, superseded: [{ node: 'b', incarnation: NEW_LIFE }] }, true), [
    lifeOf('a'),
    lifeOf('b'),
  ]);
  assert.equal(
    livesOf(STATE, true),
    ['a', 'b', 'c'].map((node) => node.repeat(32)),
  );
});

test('it wakes up with what its disk held, and with a life of its own where the home was empty', () => {
  const accepted = [1, 2, 3].map((slot) => ({
    slot,
    ballot: slot === 3 ? null : ballotOf(4, 'b'),
    value: { kind: 'noop' } as const,
  }));
  const replica = wake({ accepted, chosen: 1, applied: 0 });
  assert.equal([replica.chosen, replica.watermark, [...replica.accepted.keys()]], [1, 1, [2, 3]]);
  assert.equal(
    replica.accepted.get(3)?.ballot,
    ballotOf(5, 'b'),
    'learnt above a hole: as of the last promise',
  );
  assert.is(replica.waitUntilMs, LEASE_MS);
  const alone = { ...STATE, members: STATE.members.slice(0, 1) };
  assert.is(wake({ members: alone }, { wished: ['a'] }).waitUntilMs, 0, 'alone, it granted nobody anything');
  const fresh = wake({ incarnation: null, founded: null, members: null });
  const first = fresh.nextRecord;
  assert.equal([first, fresh.bornRecord], [2, 1]);
  const missing = wake({ members: null });
  assert.equal(missing.members, STATE);
  const begun = step(wake({ members: null }), { kind: 'start', nowMs: 0, random: 0.5, freshIncarnation: '' });
  assert.ok(
    begun.some(({ kind }) => kind === 'found'),
    'a store that is gone begins anew',
  );
});

test('who would be master: has a vote, holds what its log has dropped, and was not dropped on request', () => {
  assert.ok(isEligible(wake()));
  assert.not(isEligible(wake({ incarnation: NEW_LIFE })));
  assert.not(isEligible(wake({ chosen: 4, applied: 3 })));
  const dropped = (forcedMaster: string | null): boolean => {
    const replica = wake({}, { forcedMaster });
    replica.isDropped = true;
    return isEligible(replica);
  };
  assert.equal([dropped(null), dropped('b'), dropped('a')], [false, false, true]);
});

test('a process goes on above every round that it promised or heard of', () => {
  const replica = wake();
  assert.is(replica.highestRound, 5);
  const hears = (round: number): number => {
    const ballot = ballotOf(round, 'c');
    hear(
      replica,
      'c',
      { kind: 'accept', cluster: CLUSTER, ballot, slot: 1, value: { kind: 'noop' }, chosen: 0 },
      NOW_MS,
    );
    return replica.highestRound;
  };
  assert.equal([hears(8), hears(7), hears(9)], [8, 8, 9]);
});

test('a majority is more than half of the list in force', () => {
  const ofSize = (count: number): number => {
    const members = Array.from({ length: count }, (_, index) => ({ node: `n${index}`, incarnation: 'i' }));
    return quorumOf(wake({ members: { ...STATE, members } }));
  };
  assert.equal([1, 2, 3, 4, 5].map(ofSize), [1, 2, 2, 3, 3]);
});

test('it votes above what it holds, what its log has dropped, and what that knew to be chosen', () => {
  assert.is(votesAbove(wake({ chosen: 2, applied: 2 })), 2);
  assert.is(votesAbove(wake({ applied: 2, firstLogSlot: 6 })), 5);
  assert.is(votesAbove(wake({ applied: 2, chosen: 4 })), 4);
});

test('it talks to the members in force and to those that are wished; while it is short, to those below its log too', () => {
  const below = { ...STATE, members: [...STATE.members, { node: 'd', incarnation: NEW_LIFE }] };
  assert.equal(othersOf(wake({}, { wished: ['a', 'e'] })), ['e', 'b', 'c']);
  const short = wake({ applied: 2, firstLogSlot: 6, floorMembers: below });
  assert.equal(othersOf(short), ['b', 'c', 'd']);
  assert.equal([knownMembers(short), knownMembers(wake())], [below, STATE]);
});

testWhole([
  [
    'records are numbered one after the other, whatever they say',
    () =>
      outOf((out) => {
        const replica = wake();
        persist(replica, out, { kind: 'promise', ballot: ballotOf(6, 'c') });
        persist(replica, out, { kind: 'chosen', chosen: 3 });
      }),
    'write #1 promise 6@c',
    'write #2 chosen 3',
  ],
  [
    'what is sent waits for its record, or for none',
    () =>
      outOf((out) => {
        const said: Message = { kind: 'nack', cluster: CLUSTER, promised: ballotOf(6, 'c') };
        send(out, 'b', said, 4);
        send(out, 'c', said);
      }),
    'send b: nack promised=6@c, once #4 is written',
    'send c: nack promised=6@c',
  ],
]);

test.run();
