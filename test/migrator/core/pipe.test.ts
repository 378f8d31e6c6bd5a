/** Pages on their way: numbers, order, and what may be trimmed when. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  arrive,
  createPipe,
  endTrim,
  isDone,
  isOldest,
  isSending,
  nextTrim,
  readFrom,
  sendPage,
  sizeOf,
  takeRows,
} from '../../../migrator/core/pipe.ts';
import type { Row } from '../../../src/protocol/admin/admin.ts';

const row = (key: string): Row => ({ kind: 0, key, value: Buffer.from(key) });

test('reads one page ahead of those under way', () => {
  const pipe = createPipe('copy', 'a', 'z', 4, 10);
  assert.is(readFrom(pipe), 'a');
  assert.is(takeRows(pipe, [row('a')], 'b', 11), 'taken');
  assert.is(readFrom(pipe), null);
  assert.is(sendPage(pipe, 2)?.seq, 5);
  assert.is(readFrom(pipe), 'b');
  takeRows(pipe, [row('b')], 'c', 12);
  assert.is(sendPage(pipe, 2)?.seq, 6);
  takeRows(pipe, [row('c')], 'd', 12);
  assert.is(sendPage(pipe, 2), null);
  assert.is(pipe.minSlot, 12);
  assert.ok(isOldest(pipe, 5));
  assert.equal(
    arrive(pipe, 6).map(({ seq }) => seq),
    [5, 6],
  );
  assert.is(sendPage(pipe, 2)?.seq, 7);
  assert.not(isOldest(pipe, 6));
});

test('refuses what leads nowhere or back in time', () => {
  const pipe = createPipe('copy', 'b', 'z', 0, 10);
  assert.is(takeRows(pipe, [], 'b', 10), 'unexpected');
  assert.is(takeRows(pipe, [], 'a', 10), 'unexpected');
  assert.is(takeRows(pipe, [], null, 10), 'unexpected');
  assert.is(takeRows(pipe, [], 'c', 9), 'unexpected');
  assert.is(takeRows(pipe, [], 'z', 10), 'taken');
});

test('a copy moves the cursor over empty stretches; a round leaves empty pages out', () => {
  const copy = createPipe('copy', 'a', 'z', 0, 1);
  takeRows(copy, [], 'z', 1);
  assert.equal(sendPage(copy, 1), { seq: 1, from: 'a', to: 'z', asOf: 1, rows: [] });
  assert.not(isDone(copy));
  arrive(copy, 1);
  assert.ok(isDone(copy));
  const round = createPipe('round', 'a', 'z', 0, 1);
  takeRows(round, [], 'z', 1);
  assert.is(sendPage(round, 1), null);
  assert.ok(isDone(round));
});

test('a round is trimmed page by page, each with its own slot, and only once the target has it', () => {
  const pipe = createPipe('round', 'a', null, 0, 1);
  takeRows(pipe, [row('a')], 'b', 3);
  sendPage(pipe, 2);
  takeRows(pipe, [row('c')], null, 5);
  sendPage(pipe, 2);
  assert.is(nextTrim(pipe), null);
  arrive(pipe, 1);
  assert.equal(nextTrim(pipe), { from: 'a', to: 'b', slot: 3 });
  endTrim(pipe);
  assert.is(nextTrim(pipe), null);
  arrive(pipe, 2);
  assert.not(isDone(pipe));
  assert.equal(nextTrim(pipe), { from: 'b', to: null, slot: 5 });
  endTrim(pipe);
  assert.ok(isDone(pipe));
});

test('the rows after the seal are not trimmed', () => {
  const pipe = createPipe('lastRows', 'a', null, 0, 1);
  takeRows(pipe, [row('a')], null, 3);
  sendPage(pipe, 2);
  assert.ok(isSending(pipe));
  arrive(pipe, 1);
  assert.is(nextTrim(pipe), null);
  assert.ok(isDone(pipe));
});

test('what a page brings: keys, and bytes of keys and values; one that is gone has none', () => {
  const gone: Row = { kind: 0, key: 'abc', value: null };
  assert.equal(sizeOf([row('ab'), gone]), { keys: 2, bytes: 2 + 2 + 3 });
  assert.equal(sizeOf([]), { keys: 0, bytes: 0 });
});

test.run();
