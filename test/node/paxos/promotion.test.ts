/** A promotion, and the disks below it: nothing is said or done before what it rests on is durable. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Replica, step } from '../../../node/paxos/step.ts';
import { waitsFor } from '../../../node/paxos/waiting.ts';
import { CLUSTER, hear, LEASE_MS, sentTo, sync, tick, wake } from './rig.ts';

const NOW_MS = 5 * LEASE_MS + 10_000;
const GONE = ['b', 'c'];

function order(replica: Replica, nowMs: number, gone: readonly string[] = GONE) {
  return step(replica, { kind: 'promote', gone, loseFrom: null, nowMs });
}

test('a survivor is promoted once its retirement is durable', () => {
  const replica = wake();
  order(replica, NOW_MS);
  const untilMs = NOW_MS + 2 * LEASE_MS;
  for (let nowMs = NOW_MS; nowMs < untilMs; nowMs += 100) {
    order(replica, nowMs);
    assert.not(tick(replica, nowMs).some(({ kind }) => kind === 'promoted'));
  }
  assert.match(waitsFor(replica, untilMs) ?? '', /waiting for the disk of this node/);
  assert.ok(sync(replica, untilMs).some(({ kind }) => kind === 'promoted'));
});

test('who retires answers once until it is durable, and then again and again', () => {
  const replica = wake();
  const ask = (nowMs: number) =>
    sentTo(hear(replica, 'b', { kind: 'retire', cluster: CLUSTER, from: 1 }, nowMs), 'b').length;
  assert.equal([ask(NOW_MS), ask(NOW_MS + 100), ask(NOW_MS + 200)], [1, 0, 0]);
  sync(replica, NOW_MS + 300);
  assert.equal([ask(NOW_MS + 400), ask(NOW_MS + 500)], [1, 1]);
});

test('the same order in other words does not begin anew', () => {
  const replica = wake();
  order(replica, NOW_MS);
  const { promotion } = replica;
  order(replica, NOW_MS + 100, [...GONE].reverse());
  assert.is(replica.promotion, promotion);
});

test.run();
