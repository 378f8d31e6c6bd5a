import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  addDigests,
  type Digest,
  DigestSum,
  digestCodec,
  digestOfRow,
  NO_ROWS,
  type RowKind,
  sameDigest,
  subtractDigests,
} from '../../../src/keyspace/digest.ts';
import { decode, encode } from '../../../src/wire/codec.ts';

const row = fc.tuple(
  fc.constantFrom<RowKind>(0, 1),
  fc.uint8Array({ maxLength: 8 }).map((bytes) => Buffer.from(bytes).toString('latin1')),
  fc.uint8Array({ maxLength: 8 }),
);
const sum = (rows: readonly [RowKind, string, Uint8Array][]): Digest =>
  rows.reduce((digest, any) => addDigests(digest, digestOfRow(...any)), NO_ROWS);

test('the digest of rows does not depend on their order', () => {
  fc.assert(fc.property(fc.array(row), (rows) => assert.ok(sameDigest(sum(rows), sum([...rows].reverse())))));
});

test('rows added and taken away one by one are the sum of their digests', () => {
  const data = fc.tuple(fc.string({ unit: 'grapheme-ascii', maxLength: 8 }), fc.uint8Array({ maxLength: 8 }));
  fc.assert(
    fc.property(fc.array(data), fc.array(data), fc.boolean(), (added, gone, isHalf) => {
      const running = new DigestSum(NO_ROWS);
      for (const [key, value] of added) running.add(key, value);
      if (isHalf) running.total();
      for (const [key, value] of gone) running.subtract(key, value);
      const rows = (all: readonly [string, Uint8Array][]): Digest =>
        sum(all.map(([key, value]) => [0, key, value]));
      assert.equal(running.total(), subtractDigests(rows(added), rows(gone)));
      assert.equal(running.total(), subtractDigests(rows(added), rows(gone)), 'asked again');
    }),
  );
  const long = new Uint8Array(100_000).fill(7);
  const one = new DigestSum(NO_ROWS);
  one.add('k', long);
  assert.equal(one.total(), digestOfRow(0, 'k', long));
});

test('taking rows away undoes adding them, in whatever order', () => {
  fc.assert(
    fc.property(fc.array(row), fc.array(row), (kept, gone) => {
      const all = sum([...gone, ...kept]);
      assert.ok(sameDigest(subtractDigests(all, sum(gone)), sum(kept)));
      const difference = subtractDigests(sum(kept), sum(gone)); // perhaps negative in between
      assert.ok(sameDigest(addDigests(difference, sum(gone)), sum(kept)));
      assert.equal(decode(digestCodec, encode(digestCodec, difference)), difference);
    }),
  );
});

test('rows that differ in kind, in key, in value, or in where the key ends have different digests', () => {
  const rows: [RowKind, string, Uint8Array][] = [
    [0, 'ab', Buffer.from('c')],
    [1, 'ab', Buffer.from('c')],
    [0, 'a', Buffer.from('bc')],
    [0, 'abc', Buffer.from('')],
    [0, 'ab', Buffer.from('d')],
    [0, 'ac', Buffer.from('c')],
  ];
  const sums = new Set(rows.map((any) => digestOfRow(...any).sum));
  assert.is(sums.size, rows.length);
});

test('a row is hashed as kind, length of key, key, value', () => {
  const frame = Buffer.from('0102000000' + '6bff' + '76', 'hex');
  const hash = createHash('sha256').update(frame).digest().subarray(0, 16);
  const digest = digestOfRow(1, 'k\xff', Buffer.from('v'));
  assert.is(digest.sum, BigInt(`0x${hash.toString('hex')}`));
  assert.equal([digest.count, digest.bytes], [1, 3]);
});

test('digests differ where sum, count or bytes do', () => {
  const digest = digestOfRow(0, 'k', Buffer.from('v'));
  assert.ok(sameDigest(digest, { ...digest }));
  assert.not.ok(sameDigest(digest, { ...digest, sum: digest.sum + 1n }));
  assert.not.ok(sameDigest(digest, { ...digest, count: 2 }));
  assert.not.ok(sameDigest(digest, { ...digest, bytes: 3 }));
});

test.run();
