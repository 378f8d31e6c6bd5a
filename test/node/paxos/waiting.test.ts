/** Whether a node is getting on, when it asks everyone, and what it tells people. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Effect } from '../../../node/paxos/contract.ts';
import type { Message } from '../../../node/paxos/messages.ts';
import { othersOf, type Promised } from '../../../node/paxos/replica.ts';
import { type Replica, step } from '../../../node/paxos/step.ts';
import { isStuck, tickWaiting, waitsFor } from '../../../node/paxos/waiting.ts';
import { ballotOf, batch, CLUSTER, elect, hear, LEASE_MS, STATE, sentTo, sync, tick, wake } from './rig.ts';
import { last, outOf, testWhole } from './whole.ts';

const NOW_MS = 5 * LEASE_MS;
const STUCK_MS = 100;

/** Node a knows that slots up to 3 are chosen, and has held none of them since time `sinceMs`. */
function lacking(sinceMs = NOW_MS - STUCK_MS): Replica {
  const replica = wake();
  replica.watermark = 3;
  replica.lookedAt = { chosen: 0, sinceMs };
  return replica;
}

test('who lacks what is chosen, and has not come on for a while, is stuck', () => {
  assert.ok(isStuck(lacking(), NOW_MS));
  assert.not(isStuck(lacking(NOW_MS - STUCK_MS + 1), NOW_MS));
});

const NOT_STUCK: { readonly [why: string]: (replica: Replica) => void } = {
  'it lacks nothing': (replica) => {
    replica.watermark = 0;
  },
  'a store is being copied': (replica) => {
    replica.installing = 'b';
  },
  'a question is under way': (replica) => {
    replica.fetching = { request: 1, from: 'b', untilMs: NOW_MS + 1 };
  },
  'too much waits to be applied': (replica) => {
    replica.chosen = 257;
    replica.watermark = 300;
  },
};
for (const [why, change] of Object.entries(NOT_STUCK)) {
  test(`it is not stuck where ${why}`, () => {
    const replica = lacking();
    change(replica);
    assert.not(isStuck(replica, NOW_MS));
  });
}

test('a question that was not answered in time, or an applier that is just fast enough, is no excuse', () => {
  const asked = lacking();
  asked.fetching = { request: 1, from: 'b', untilMs: NOW_MS };
  assert.ok(isStuck(asked, NOW_MS));
  const applying = lacking();
  applying.chosen = 256;
  applying.watermark = 300;
  assert.ok(isStuck(applying, NOW_MS));
});

test('who is short is stuck at once, and asks everyone, learners too', () => {
  const short = wake({ chosen: 3, applied: 0 });
  short.lookedAt = { chosen: 0, sinceMs: NOW_MS };
  assert.ok(isStuck(short, NOW_MS));
  const effects = tick(short, NOW_MS);
  for (const to of ['b', 'c'] as const) {
    assert.equal(
      sentTo(effects, to).filter(({ kind }) => kind === 'ask'),
      [{ kind: 'ask', cluster: CLUSTER, chosen: 0, votes: true, eligible: false, isRetired: false, echo: 0 }],
    );
  }
});

test('since when it does not get on counts from the last slot that came, or from when it lacked nothing', () => {
  const replica = lacking(0);
  tick(replica, 1000);
  assert.is(replica.lookedAt.sinceMs, 0);
  replica.chosen = 1;
  tick(replica, 2000);
  assert.equal(replica.lookedAt, { chosen: 1, sinceMs: 2000 });
  replica.watermark = 1;
  tick(replica, 3000);
  assert.is(replica.lookedAt.sinceMs, 3000);
});

// ── What people are told ─────────────────────────────────────────────────────────────────────────────────────

test('who lacks slots of the log’s end says so, without a word about its store', () => {
  const what = waitsFor(lacking(), NOW_MS) ?? '';
  assert.is(
    what,
    'slots 1 to 3 are chosen, nobody reachable holds them: waiting for b (not seen), c (not seen)',
  );
  const one = lacking();
  one.watermark = 1;
  one.holders.set('b', { chosen: 0, heardMs: NOW_MS });
  assert.is(
    waitsFor(one, NOW_MS),
    'slots 1 are chosen, nobody reachable holds them: waiting for c (not seen)',
  );
  one.holders.set('b', { chosen: 1, heardMs: NOW_MS });
  assert.is(waitsFor(one, NOW_MS), 'slots 1 are chosen, and to be fetched from b');
});

test('who is short says what repairs it', () => {
  const lost = wake({ chosen: 4, applied: 1, firstLogSlot: 5, floorMembers: STATE });
  assert.match(
    waitsFor(lost, NOW_MS) ?? '',
    /^store at slot 1, log begins at 5: slots 2 to 4 .*; start them, or put a copy/,
  );
});

test('a candidate says whose promises do not count yet', () => {
  const replica = lacking();
  const promise = (floor: number): Promised => ({
    incarnation: '',
    accepted: [],
    admissions: [],
    chosen: 0,
    floor,
    upTo: null,
  });
  const promises = new Map([
    ['b', promise(2)],
    ['c', promise(0)],
  ]);
  replica.role = { kind: 'preparing', ballot: ballotOf(9, 'a'), promises };
  const what = waitsFor(replica, NOW_MS) ?? '';
  assert.match(what, /hold.*; b forgot its votes up to slot 2, this node holds 0: waiting/);
  assert.not.match(what, /c forgot/);
});

test('members that only the list below the log names are waited for too', () => {
  const floorMembers = { ...STATE, members: [...STATE.members, { node: 'd', incarnation: 'd'.repeat(32) }] };
  const lost = wake({ chosen: 4, applied: 0, firstLogSlot: 5, floorMembers });
  assert.match(waitsFor(lost, NOW_MS) ?? '', /d \(not seen\)/);
  assert.ok(tick(lost, NOW_MS).some((effect) => effect.kind === 'send' && effect.to === 'd'));
});

// ── What else a master must not do ───────────────────────────────────────────────────────────────────────────

test('a member alone stays master although it is dropped', () => {
  const alone = { ...STATE, members: STATE.members.slice(0, 1) };
  const replica = wake(
    { promised: ballotOf(5, 'a'), members: alone, founded: { state: alone, genesis: new Uint8Array(0) } },
    { wished: ['a'] },
  );
  tick(replica, NOW_MS);
  sync(replica, NOW_MS);
  step(replica, { kind: 'dropMaster', nowMs: NOW_MS });
  tick(replica, NOW_MS + 2 * LEASE_MS);
  assert.is(replica.role.kind, 'master');
  step(replica, { kind: 'propose', id: 1, bytes: new Uint8Array(1), nowMs: NOW_MS });
});

test('a grant without a vote waits for nothing, one with a vote for its promise', () => {
  const heartbeat: Message = {
    kind: 'heartbeat',
    cluster: CLUSTER,
    ballot: ballotOf(6, 'c'),
    chosen: 0,
    sentAtMs: 0,
  };
  const afterOf = (replica: Replica): number[] =>
    hear(replica, 'c', heartbeat, NOW_MS).flatMap((effect) =>
      effect.kind === 'send' && effect.message.kind === 'granted' ? [effect.after] : [],
    );
  assert.equal(afterOf(wake({ incarnation: 'z'.repeat(32) })), [0]);
  assert.equal(afterOf(wake()), [1]);
});

test('who is master adopts nothing twice, and its window is as wide after an election as before', () => {
  const replica = wake({ promised: ballotOf(5, 'a') }, { windowMax: 1 });
  const reported = Array.from({ length: 40 }, (_, n) => ({
    slot: n + 1,
    ballot: ballotOf(4, 'b'),
    value: batch(String(n)),
  }));
  const values = elect(replica, NOW_MS, reported);
  assert.is(values.length, 41);
  assert.is(replica.chosen, 41);
});

test('who holds what its log has dropped goes by its own list alone', () => {
  const floorMembers = { ...STATE, members: [...STATE.members, { node: 'd', incarnation: 'd'.repeat(32) }] };
  const whole = wake({ chosen: 4, applied: 4, firstLogSlot: 5, floorMembers });
  assert.equal(othersOf(whole), ['b', 'c']);
});

// ── All that is asked for ────────────────────────────────────────────────────────────────────────────────────

/** One that holds 3 of the 4 slots that its log knows to be chosen. */
const behind = (): Replica => wake({ chosen: 4, applied: 3 });
/** One that has heard that slots up to this one are chosen. */
function knowingOf(watermark: number): Replica {
  const replica = wake();
  replica.watermark = watermark;
  return replica;
}
/** Time has come to that for it, and nothing else is looked at. */
const waits = (replica: Replica, nowMs: number): Effect[] => outOf((out) => tickWaiting(replica, out, nowMs));

testWhole([
  ['nothing is lacking', () => waits(wake(), 5000)],
  [
    'a slot is lacking whose store is gone: said at once',
    () => waits(behind(), 10),
    'say (warn) slots 4 are chosen, nobody reachable holds them: waiting for b (not seen), c (not seen)',
  ],
  [
    'the same a moment later: said once',
    () =>
      last(
        behind(),
        (replica) => waits(replica, 10),
        (replica) => waits(replica, 5000),
      ),
  ],
  [
    'the same ten seconds later: said again',
    () =>
      last(
        behind(),
        (replica) => waits(replica, 10),
        (replica) => waits(replica, 10_010),
      ),
    'say (warn) slots 4 are chosen, nobody reachable holds them: waiting for b (not seen), c (not seen)',
  ],
  [
    'somebody else knows more: said after a lease',
    () =>
      last(
        knowingOf(2),
        (replica) => waits(replica, 10),
        (replica) => waits(replica, LEASE_MS + 11),
      ),
    'say (warn) slots 1 to 2 are chosen, nobody reachable holds them: waiting for b (not seen), c (not seen)',
  ],
  [
    'the store lies behind the log',
    () => waits(wake({ applied: 3, firstLogSlot: 6, floorMembers: STATE }), 10),
    'say (warn) store at slot 3, log begins at 6: slots 4 to 5 are chosen, nobody reachable holds them: waiting for b (not seen), c (not seen); start them, or put a copy of the store of slot 5 or later back; never empty another home',
  ],
]);

test.run();
