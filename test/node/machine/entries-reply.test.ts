/** Replies that are built row by row have the bytes of those that are encoded at once. */
import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { EntriesReply } from '../../../node/machine/entries-reply.ts';
import { okEntries, okKeys } from '../../../src/protocol/arakoon/replies.ts';
import { type Answer, type Entry, piecesOf, wholeOf } from '../../../src/protocol/arakoon/values.ts';

function expectSame(entries: readonly Entry[]): void {
  const expected: [boolean, Answer][] = [
    [true, okEntries(entries)],
    [false, okKeys(entries.map(([key]) => key))],
  ];
  for (const [withValues, { bytes }] of expected) {
    const reply = new EntriesReply(withValues);
    for (const [key, value] of entries) reply.add(key, value);
    assert.is(reply.count, entries.length);
    assert.is(reply.bytes, bytes.length - 8);
    assert.is(Buffer.compare(wholeOf(reply.answer()), bytes), 0);
  }
}

test('of any entries', () => {
  const key = fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes).toString('latin1'));
  fc.assert(fc.property(fc.array(fc.tuple(key, fc.uint8Array({ maxLength: 300 }))), expectSame));
});

test('of none, of very many, and of long ones', () => {
  expectSame([]);
  expectSame(Array.from({ length: 50_000 }, (_, n): Entry => [`k\xff${n}`, Buffer.alloc(n % 100, n)]));
  expectSame([1, 5_000_000, 3].map((length, n): Entry => [`k${n}`, Buffer.alloc(length, n)]));
});

test('a short one is one piece; a long one is not, and its long values are not copied', () => {
  const replyOf = (value: Buffer): Answer => {
    const reply = new EntriesReply(true);
    for (const key of ['a', 'b', 'c']) reply.add(key, value);
    return reply.answer();
  };
  assert.is(replyOf(Buffer.alloc(50_000)).rest, undefined);
  const long = Buffer.alloc(500_000);
  assert.is(piecesOf(replyOf(long)).filter((piece) => piece === long).length, 3);
});

test.run();
