/** What Arakoon's tools read of a node's state. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { stateWord } from '../../../node/serve/state-words.ts';
import { ballotOf, elect, LEASE_MS, tick, wake } from '../paxos/rig.ts';

const NOW_MS = 5 * LEASE_MS;

test('each role has one of Arakoon’s words', () => {
  assert.is(stateWord(wake({ founded: null, members: null }), NOW_MS), 'Start_transition');
  assert.is(stateWord(wake({ chosen: 4, applied: 3 }), NOW_MS), 'Slave_discovered_other_master');
  const follower = wake({ promised: ballotOf(5, 'a') });
  assert.is(stateWord(follower, NOW_MS), 'Slave_waiting_for_prepare');
  follower.grant = { ballot: ballotOf(5, 'b'), untilMs: NOW_MS + 1 } as typeof follower.grant;
  assert.is(stateWord(follower, NOW_MS), 'Slave_steady_state');
  tick(follower, NOW_MS + 10 * LEASE_MS);
  assert.is(stateWord(follower, NOW_MS + 10 * LEASE_MS), 'Election_suggest');
  const master = wake({ promised: ballotOf(5, 'a') });
  elect(master, NOW_MS, []);
  assert.is(stateWord(master, NOW_MS), 'Master_dictate', 'it does not serve yet');
});

test.run();
