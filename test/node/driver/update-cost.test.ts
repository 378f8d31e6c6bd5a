import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { UpdateCost } from '../../../node/driver/update-cost.ts';

test('the average covers one to two windows, and forgets what was before', () => {
  const cost = new UpdateCost();
  assert.equal(cost.since({ updates: 0, messages: 9, syncs: 9 }), { messages: 0, syncs: 0 });
  let messages = 100; // an election
  for (let updates = 0; updates <= 5000; updates += 100) {
    const now = { updates, messages, syncs: updates / 2 };
    if (cost.isDue(updates)) cost.note(now);
    messages += 200;
  }
  const end = { updates: 5100, messages: messages, syncs: 2550 };
  assert.equal(cost.since(end), { messages: 2, syncs: 0.5 });
});

test('before a window is full all updates count', () => {
  const cost = new UpdateCost();
  assert.is(cost.isDue(999), false);
  assert.is(cost.isDue(1000), true);
  assert.equal(cost.since({ updates: 10, messages: 60, syncs: 30 }), { messages: 6, syncs: 3 });
});

test.run();
