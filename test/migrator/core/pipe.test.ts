/** Pages on their way: numbers, order, and what may be trimmed when. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Pipe } from '../../../migrator/core/pipe.ts';
import type { Row } from '../../../src/protocol/admin/admin.ts';

const row = (key: string): Row => ({ kind: 0, key, value: Buffer.from(key) });

test('reads one page ahead of those under way', () => {
  const pipe = new Pipe('copy', 'a', 'z', 4, 10);
  assert.is(pipe.readFrom, 'a');
  assert.ok(pipe.read([row('a')], 'b', 11));
  assert.is(pipe.readFrom, null);
  assert.is(pipe.send(2)?.seq, 5);
  assert.is(pipe.readFrom, 'b');
  pipe.read([row('b')], 'c', 12);
  assert.is(pipe.send(2)?.seq, 6);
  pipe.read([row('c')], 'd', 12);
  assert.is(pipe.send(2), null);
  assert.is(pipe.minSlot, 12);
  assert.ok(pipe.isOldest(5));
  assert.equal(
    pipe.taken(6).map(({ seq }) => seq),
    [5, 6],
  );
  assert.is(pipe.send(2)?.seq, 7);
  assert.not(pipe.isOldest(6));
});

test('refuses what leads nowhere or back in time', () => {
  const pipe = new Pipe('copy', 'b', 'z', 0, 10);
  assert.not(pipe.read([], 'b', 10));
  assert.not(pipe.read([], 'a', 10));
  assert.not(pipe.read([], null, 10));
  assert.not(pipe.read([], 'c', 9));
  assert.ok(pipe.read([], 'z', 10));
});

test('a copy moves the cursor over empty stretches; a round leaves empty pages out', () => {
  const copy = new Pipe('copy', 'a', 'z', 0, 1);
  copy.read([], 'z', 1);
  assert.equal(copy.send(1), { seq: 1, from: 'a', to: 'z', asOf: 1, rows: [] });
  assert.not(copy.isDone);
  copy.taken(1);
  assert.ok(copy.isDone);
  const round = new Pipe('round', 'a', 'z', 0, 1);
  round.read([], 'z', 1);
  assert.is(round.send(1), null);
  assert.ok(round.isDone);
});

test('a round is trimmed page by page, each with its own slot, and only once the target has it', () => {
  const pipe = new Pipe('round', 'a', null, 0, 1);
  pipe.read([row('a')], 'b', 3);
  pipe.send(2);
  pipe.read([row('c')], null, 5);
  pipe.send(2);
  assert.is(pipe.trim, null);
  pipe.taken(1);
  assert.equal(pipe.trim, { from: 'a', to: 'b', slot: 3 });
  pipe.trimmed();
  assert.is(pipe.trim, null);
  pipe.taken(2);
  assert.not(pipe.isDone);
  assert.equal(pipe.trim, { from: 'b', to: null, slot: 5 });
  pipe.trimmed();
  assert.ok(pipe.isDone);
});

test('the rows after the seal are not trimmed', () => {
  const pipe = new Pipe('lastRows', 'a', null, 0, 1);
  pipe.read([row('a')], null, 3);
  pipe.send(2);
  assert.ok(pipe.isSending);
  pipe.taken(1);
  assert.is(pipe.trim, null);
  assert.ok(pipe.isDone);
});

test.run();
