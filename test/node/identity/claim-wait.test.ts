import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ClaimWait } from '../../../node/identity/claim-wait.ts';

/** Whether the claim may insist at the last of these times (ms), at which the keeper said that it stands. */
function insistsAfter(times: readonly number[], wait = new ClaimWait(1000)): boolean {
  return times.map((nowMs) => wait.stands(nowMs)).at(-1) === true;
}

const every = (stepMs: number, fromMs: number, toMs: number): number[] =>
  Array.from({ length: (toMs - fromMs) / stepMs + 1 }, (_, index) => fromMs + index * stepMs);

test('a claim waits until a living process would have asked at least three times', () => {
  const { ms } = new ClaimWait(1000);
  assert.ok(ms >= 3000);
  assert.is(insistsAfter(every(250, 0, ms - 250)), false);
  assert.is(insistsAfter(every(250, 0, ms)), true);
});

test('time in which the keeper says nothing does not count', () => {
  const { ms } = new ClaimWait(1000);
  assert.is(insistsAfter([0, ms]), false);
  assert.is(insistsAfter([...every(250, 0, 2000), ...every(250, 3250, 2000 + ms)]), false);
  assert.is(insistsAfter([...every(250, 0, 2000), ...every(250, 3250, 3250 + ms)]), true);
});

test('another claim waits anew', () => {
  const wait = new ClaimWait(1000);
  assert.is(insistsAfter(every(250, 0, wait.ms), wait), true);
  wait.restart();
  assert.is(wait.stands(wait.ms + 1), false);
});

test.run();
