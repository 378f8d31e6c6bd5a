import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { healthyWithin } from '../../../src/cli/status-command.ts';
import type { Verdict } from '../../../src/health/findings.ts';

type State = Verdict['state'];

/** What is seen at one look after the other, the last one for ever. */
function looks(...states: State[]): () => Promise<{ verdict: { state: State; words: string }; at: number }> {
  let at = 0;
  return async () => {
    const seen = { verdict: { state: states[Math.min(at, states.length - 1)] as State, words: '' }, at };
    at += 1;
    return seen;
  };
}

test('--wait ends with the look that was healthy, whatever comes after it', async () => {
  const { verdict, at } = await healthyWithin(looks('atRisk', 'healthy', 'atRisk'), Number.POSITIVE_INFINITY);
  assert.equal([verdict.state, at], ['healthy', 1]);
});

test('and with the last one, where the time is over', async () => {
  const { verdict, at } = await healthyWithin(looks('notServing'), 0);
  assert.equal([verdict.state, at], ['notServing', 0]);
});

test.run();
