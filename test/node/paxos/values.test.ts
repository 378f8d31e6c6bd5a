/** The order of ballots, on which everything rests. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { compareBallots, NO_BALLOT } from '../../../node/paxos/values.ts';
import { ballotOf } from './rig.ts';

test('ballots are ordered by round, then by proposer; below all is the one that nobody uses', () => {
  const order = [NO_BALLOT, ballotOf(1, 'c'), ballotOf(2, 'a'), ballotOf(2, 'b'), ballotOf(3, 'a')];
  for (const [i, a] of order.entries()) {
    for (const [j, b] of order.entries()) assert.is(Math.sign(compareBallots(a, b)), Math.sign(i - j));
  }
});

test.run();
