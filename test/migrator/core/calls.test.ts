/** Requests of a coordinator until they are answered. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  askedSince,
  beginCall,
  type Call,
  callOfAttempt,
  dropCalls,
  type Effect,
  endCall,
  hasCall,
  nextRepeatMs,
  noCalls,
  type Party,
  type Purpose,
  repeatAt,
  repeatDue,
} from '../../../migrator/core/calls.ts';

type Send = Extract<Effect, { kind: 'send' }>;

class Rig {
  readonly calls = noCalls();
  readonly sent: Send[] = [];

  begin(purpose: Purpose, to: Party, nowMs: number): Call {
    const effects: Effect[] = [];
    const query = { kind: 'scanBase', mid: 1, minSlot: 0 } as const;
    const request = { kind: 'query', query, node: 'any' } as const;
    beginCall(this.calls, effects, { purpose, to, cluster: 'A', request, mark: 0 }, nowMs);
    this.sent.push(...(effects as Send[]));
    return callOfAttempt(this.calls, this.sent.at(-1)?.call ?? 0) as Call;
  }

  repeat(nowMs: number): number {
    const effects: Effect[] = [];
    repeatDue(this.calls, effects, nowMs);
    this.sent.push(...(effects as Send[]));
    return effects.length;
  }
}

test('each attempt has a number of its own; only the present one is known', () => {
  const rig = new Rig();
  const call = rig.begin('read', 'source', 0);
  const first = rig.sent[0]?.call as number;
  assert.is(callOfAttempt(rig.calls, first), call);
  repeatAt(rig.calls, call, 50);
  assert.is(callOfAttempt(rig.calls, first), null);
  assert.is(rig.repeat(49), 0);
  assert.is(rig.repeat(50), 1);
  assert.is(rig.repeat(51), 0, 'it is under way');
  assert.is(callOfAttempt(rig.calls, rig.sent[1]?.call as number), call);
  assert.is.not(rig.sent[1]?.call, first);
});

test('a query for any node goes to the master every second time', () => {
  const rig = new Rig();
  const call = rig.begin('read', 'source', 0);
  for (let round = 0; round < 3; round += 1) {
    repeatAt(rig.calls, call, 0);
    rig.repeat(0);
  }
  assert.equal(
    rig.sent.map(({ request }) => request.kind === 'query' && request.node),
    ['any', 'master', 'any', 'master'],
  );
});

test('of each party it is known since when the oldest question is open that should be answered soon', () => {
  const rig = new Rig();
  rig.begin('scanBase', 'source', 100);
  rig.begin('read', 'source', 300);
  rig.begin('trim', 'source', 200);
  rig.begin('setBase', 'source', 400);
  repeatAt(rig.calls, rig.begin('page', 'target', 100), 500);
  rig.begin('note', 'keeper', 600);
  assert.equal(
    [...askedSince(rig.calls)],
    [
      ['source', 200],
      ['keeper', 600],
    ],
  );
});

test('what has ended is repeated where it must be, and what is dropped is not', () => {
  const rig = new Rig();
  const call = rig.begin('page', 'target', 0);
  endCall(rig.calls, call);
  assert.not(hasCall(rig.calls, 'page'));
  repeatAt(rig.calls, call, 10);
  assert.ok(hasCall(rig.calls, 'page'));
  assert.is(rig.repeat(10), 1);
  rig.begin('trim', 'source', 10);
  dropCalls(rig.calls, ({ purpose }) => purpose === 'page');
  assert.equal([hasCall(rig.calls, 'page'), hasCall(rig.calls, 'trim')], [false, true]);
});

test('the next repetition is due when the first of them is', () => {
  const rig = new Rig();
  assert.is(nextRepeatMs(rig.calls), Number.POSITIVE_INFINITY);
  const [a, b] = [rig.begin('page', 'target', 0), rig.begin('trim', 'source', 0)];
  assert.is(nextRepeatMs(rig.calls), Number.POSITIVE_INFINITY, 'both are under way');
  repeatAt(rig.calls, a, 70);
  repeatAt(rig.calls, b, 30);
  assert.is(nextRepeatMs(rig.calls), 30);
});

test('the oldest request of each party that is under way counts, but for a count of the whole range', () => {
  const rig = new Rig();
  rig.begin('scanBase', 'source', 1);
  assert.equal([...askedSince(rig.calls)], []);
  rig.begin('read', 'source', 5);
  rig.begin('trim', 'source', 3);
  const page = rig.begin('page', 'target', 4);
  assert.equal([...askedSince(rig.calls)].sort(), [
    ['source', 3],
    ['target', 4],
  ]);
  repeatAt(rig.calls, page, 100);
  assert.equal([...askedSince(rig.calls)], [['source', 3]]);
  rig.repeat(100);
  assert.is(askedSince(rig.calls).get('target'), 100, 'asked anew');
});

test.run();
