/** The answer to a peer that is behind. What its bytes are is in formats.test.ts. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { entriesMessage } from '../../../node/paxos/messages.ts';
import { batch } from './rig.ts';

test('what the log holds goes out with the question that it answers, and with how far everything is chosen', () => {
  const entries = [{ slot: 3, value: batch('three') }];
  assert.equal(entriesMessage({ request: 7, upTo: 5 }, entries, 2), {
    kind: 'entries',
    request: 7,
    entries,
    firstLogSlot: 2,
    chosen: 5,
  });
});

test.run();
