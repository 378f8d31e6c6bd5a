import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Acquaintances, memoryOf, TWICE_AFTER_MS } from '../../../node/members/acquaintances.ts';
import type { Recovered } from '../../../node/paxos/contract.ts';
import type { Message } from '../../../node/paxos/messages.ts';
import { NO_BALLOT } from '../../../node/paxos/values.ts';
import type { Memory } from '../../../src/link/frames.ts';

const LIFE = 'life';
const ballot = (round: number) => ({ round, node: 'n.life' });
const memory = (process: string, round = 0, slot = 0): Memory => ({
  process,
  round,
  proposer: round === 0 ? '' : 'n.life',
  slot,
});
const accepted = (round: number, slot: number): Message => ({
  kind: 'accepted',
  cluster: 'c',
  ballot: ballot(round),
  slot,
});

function world() {
  const clock = { nowMs: 0 };
  const met = new Acquaintances(() => clock.nowMs);
  return { clock, met };
}

test('a process that starts again with all that it has told is the same life', () => {
  const { met } = world();
  assert.is(met.meet('n', LIFE, memory('p1')), null);
  met.heard('n', LIFE, 'p1', accepted(3, 7));
  assert.is(met.meet('n', LIFE, memory('p1')), null, 'its start is not its present');
  assert.is(met.meet('n', LIFE, memory('p2', 3, 7)), null);
  assert.is(met.meet('n', LIFE, memory('p3', 4, 9)), null);
});

test('a life that has forgotten a vote, a promise or a slot is refused for ever', () => {
  for (const forgetful of [memory('p2', 3, 6), memory('p2', 2, 7), memory('p2')]) {
    const { met } = world();
    met.meet('n', LIFE, memory('p1'));
    met.heard('n', LIFE, 'p1', accepted(3, 7));
    const doubt = met.meet('n', LIFE, forgetful);
    assert.is(doubt?.forEver, true);
    assert.match(doubt?.why ?? '', /forgotten a vote.*slot 7, ballot 3/);
    assert.is(met.meet('n', LIFE, memory('p1')), null, 'the one that remembers goes on');
    assert.is(met.meet('n', LIFE, memory('p3', 3, 7)), null, 'so does a later process of it');
    met.heard('n', LIFE, 'p3', accepted(4, 9));
    assert.is(met.meet('n', LIFE, memory('p1')), null, 'a late word of the first');
    assert.is(met.meet('n', LIFE, memory('p3', 3, 7)), null, 'which makes nobody forgetful');
    assert.is(met.meet('n', LIFE, memory('p4', 3, 8))?.forEver, true);
  }
  const { met } = world();
  met.meet('n', LIFE, memory('p1'));
  met.heard('n', LIFE, 'p1', { kind: 'prepare', cluster: 'c', ballot: ballot(5), from: 1 });
  assert.is(met.meet('n', LIFE, memory('p2', 4))?.forEver, true);
  assert.is(met.meet('n', 'another life', memory('p3')), null, 'an emptied home is another life');
});

test('of two processes of one life the second is refused, once the first goes on talking', () => {
  const { met, clock } = world();
  const line: { closedWhy: string | null; heardMs: number } = { closedWhy: null, heardMs: 0 };
  met.meet('n', LIFE, memory('p1'));
  met.talks('n', memory('p1'), line);
  clock.nowMs = 1000;
  assert.is(met.meet('n', LIFE, memory('p2'))?.forEver, false, 'the first may be dead');
  line.heardMs = 1000 + TWICE_AFTER_MS; // what was under way
  assert.is(met.meet('n', LIFE, memory('p2'))?.forEver, false);
  line.heardMs += 1;
  assert.match(met.meet('n', LIFE, memory('p2'))?.why ?? '', /runs twice/);
  assert.is(met.meet('n', LIFE, memory('p2'))?.forEver, true);
  line.closedWhy = 'closed';
  assert.is(met.meet('n', LIFE, memory('p2')), null, 'it is alone now, and remembers everything');
});

test('a process remembers the highest slot of log and store, and its promise', () => {
  const recovered: Recovered = {
    incarnation: LIFE,
    founded: null,
    promised: NO_BALLOT,
    accepted: [],
    chosen: 0,
    superseded: [],
    applied: 0,
    members: null,
    firstLogSlot: 1,
    floorMembers: null,
  };
  const value = { kind: 'noop' } as const;
  assert.is(memoryOf('p', recovered).slot, 0);
  assert.is(memoryOf('p', { ...recovered, accepted: [{ slot: 4, ballot: null, value }] }).slot, 4);
  assert.is(memoryOf('p', { ...recovered, firstLogSlot: 9 }).slot, 8, 'the store is lost');
  assert.is(memoryOf('p', { ...recovered, chosen: 5, applied: 6 }).slot, 6);
  assert.is(memoryOf('p', { ...recovered, promised: ballot(3) }).round, 3);
});

test.run();
