import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { NurseryError } from '../../../../src/base/errors.ts';
import { USER_KEY_MAX, VALUE_MAX } from '../../../../src/base/limits.ts';
import { asFollower, BatchReader, decodeBatch, encodeBatch } from '../../../../src/protocol/arakoon/batch.ts';
import {
  checkSequence,
  decodeUpdate,
  encodeUpdate,
  keysOfUpdate,
  SEQUENCE_DEPTH_MAX,
  UPDATE_KINDS,
  type Update,
} from '../../../../src/protocol/arakoon/updates.ts';

const bytes = fc.uint8Array({ maxLength: 20 }).map((value) => Buffer.from(value));
const key = bytes.map((value) => value.toString('latin1'));
const plain = { noNullPrototype: true };
const leaf: fc.Arbitrary<Update> = fc.oneof(
  fc.record({ kind: fc.constant('set' as const), key, value: bytes }, plain),
  fc.record({ kind: fc.constant('delete' as const), key }, plain),
  fc.record(
    { kind: fc.constant('testAndSet' as const), key, expected: fc.option(bytes), wanted: fc.option(bytes) },
    plain,
  ),
  fc.constant({ kind: 'nop' } as const),
  fc.record({ kind: fc.constant('userFunction' as const), name: key, argument: fc.option(bytes) }, plain),
  fc.record(
    { kind: fc.constant('userFunctionNear' as const), key, name: key, argument: fc.option(bytes) },
    plain,
  ),
  fc.record({ kind: fc.constant('assert' as const), key, expected: fc.option(bytes) }, plain),
  fc.record({ kind: fc.constant('assertExists' as const), key }, plain),
  fc.record({ kind: fc.constant('deletePrefix' as const), prefix: key }, plain),
  fc.record({ kind: fc.constant('replace' as const), key, wanted: fc.option(bytes) }, plain),
  fc.record({ kind: fc.constant('assertRange' as const), prefix: key, keys: fc.array(key) }, plain),
);
const sequence: fc.Arbitrary<Update> = fc.letrec<{ update: Update; sequence: Update }>((tie) => ({
  update: fc.oneof({ depthSize: 'small' }, leaf, tie('sequence')),
  sequence: fc.record(
    {
      kind: fc.constantFrom('sequence', 'syncedSequence'),
      updates: fc.array(tie('update'), { maxLength: 4 }),
    },
    plain,
  ) as fc.Arbitrary<Update>,
})).sequence;

test('any update survives encoding and decoding, and a cut one is refused', () => {
  fc.assert(
    fc.property(fc.oneof(leaf, sequence), fc.nat(), (update, cut) => {
      const encoded = encodeUpdate(update);
      assert.equal(decodeUpdate(encoded), update);
      const length = cut % encoded.length;
      assert.throws(() => decodeUpdate(encoded.subarray(0, length)), code('MALFORMED'));
      assert.throws(() => decodeUpdate(Buffer.concat([encoded, Buffer.alloc(1)])), code('MALFORMED'));
    }),
  );
});

test('random bytes are an update or malformed, and nothing else happens', () => {
  const begun = fc
    .tuple(fc.constantFrom(...Object.values(UPDATE_KINDS)), fc.uint8Array({ maxLength: 60 }))
    .map(([kind, rest]) => Buffer.concat([Buffer.from([kind, 0, 0, 0]), rest]));
  fc.assert(
    fc.property(begun, (frame) => {
      try {
        decodeUpdate(frame);
      } catch (error) {
        assert.ok(code('MALFORMED')(error), String(error));
      }
    }),
  );
});

test('kinds of update in the log never change', () => {
  const golden: [Update, string][] = [
    [{ kind: 'set', key: 'k', value: Buffer.from('v') }, '01000000010000006b0100000076'],
    [{ kind: 'delete', key: 'k' }, '02000000010000006b'],
    [
      { kind: 'testAndSet', key: 'k', expected: null, wanted: Buffer.from('v') },
      '03000000010000006b00010100000076',
    ],
    [{ kind: 'sequence', updates: [{ kind: 'nop' }] }, '050000000100000006000000'],
    [{ kind: 'nop' }, '06000000'],
    [{ kind: 'userFunction', name: 'f', argument: null }, '07000000010000006600'],
    [{ kind: 'assert', key: 'k', expected: null }, '08000000010000006b00'],
    [{ kind: 'syncedSequence', updates: [] }, '0d00000000000000'],
    [{ kind: 'deletePrefix', prefix: 'p' }, '0e0000000100000070'],
    [{ kind: 'assertExists', key: 'k' }, '0f000000010000006b'],
    [{ kind: 'replace', key: 'k', wanted: null }, '10000000010000006b00'],
    [{ kind: 'assertRange', prefix: 'p', keys: ['pq'] }, '1100000001000000700100000001000000020000007071'],
    [{ kind: 'confirm', key: 'k', value: Buffer.from('v') }, '40000000010000006b0100000076'],
    [{ kind: 'userFunctionNear', key: 'k', name: 'f', argument: null }, '42000000010000006b010000006600'],
    [{ kind: 'admin', command: { kind: 'assume', epoch: 2 } }, '80000000010200000000000000'],
  ];
  assert.equal(golden.map(([{ kind }]) => kind).sort(), Object.keys(UPDATE_KINDS).sort());
  for (const [update, hex] of golden) {
    assert.is(encodeUpdate(update).toString('hex'), hex, update.kind);
    assert.equal(decodeUpdate(Buffer.from(hex, 'hex')), update);
  }
});

test('sequences nest up to a limit, so that no client can exhaust the stack', () => {
  const nested = (depth: number): Buffer =>
    Buffer.concat([
      ...Array.from({ length: depth - 1 }, () => Buffer.from([5, 0, 0, 0, 1, 0, 0, 0])),
      Buffer.from([5, 0, 0, 0, 0, 0, 0, 0]),
    ]);
  checkSequence(nested(SEQUENCE_DEPTH_MAX));
  for (const depth of [SEQUENCE_DEPTH_MAX + 1, 1_000_000]) {
    assert.throws(() => checkSequence(nested(depth)), code('BAD_INPUT'));
    assert.throws(() => decodeUpdate(nested(depth)), code('MALFORMED'));
  }
});

test('limits hold inside sequences as well', () => {
  const longKey = 'k'.repeat(USER_KEY_MAX + 1);
  const long = Buffer.alloc(VALUE_MAX + 1);
  const tooLong: Update[] = [
    { kind: 'set', key: longKey, value: Buffer.alloc(0) },
    { kind: 'set', key: 'k', value: long },
    { kind: 'delete', key: longKey },
    { kind: 'testAndSet', key: 'k', expected: null, wanted: long },
    { kind: 'replace', key: longKey, wanted: null },
    { kind: 'assert', key: longKey, expected: null },
    { kind: 'assertExists', key: longKey },
    { kind: 'deletePrefix', prefix: longKey },
    { kind: 'assertRange', prefix: longKey, keys: [] },
    { kind: 'assertRange', prefix: 'p', keys: [longKey] },
  ];
  for (const update of tooLong) {
    for (const updates of [[update], [{ kind: 'sequence', updates: [update] } as const]]) {
      const frame = encodeUpdate({ kind: 'sequence', updates });
      assert.throws(() => checkSequence(frame), code('BAD_INPUT'), update.kind);
    }
  }
});

test('a sequence holds neither what only we write nor an unknown kind', () => {
  const inside: Update[] = [
    { kind: 'confirm', key: 'k', value: Buffer.alloc(0) },
    { kind: 'admin', command: { kind: 'assume', epoch: 1 } },
  ];
  for (const update of inside) {
    assert.throws(
      () => decodeUpdate(encodeUpdate({ kind: 'sequence', updates: [update] })),
      code('MALFORMED'),
    );
  }
  for (const kind of [0, 4, 9, 10, 11, 12, 18, 0xff]) {
    assert.throws(() => decodeUpdate(Buffer.from([kind, 0, 0, 0])), code('MALFORMED'));
  }
});

test('keysOfUpdate names every key and prefix, however deep', () => {
  fc.assert(
    fc.property(sequence, (update) => {
      const { keys, prefixes } = keysOfUpdate(update);
      const wanted = namesIn(update);
      assert.equal([...keys].sort(), wanted.keys.sort());
      assert.equal([...prefixes].sort(), wanted.prefixes.sort());
    }),
  );
});

test('a batch keeps its updates and their order, as views', () => {
  fc.assert(
    fc.property(fc.array(bytes), (updates) => {
      const batch = encodeBatch(updates);
      const decoded = decodeBatch(batch);
      assert.equal(decoded.map(Buffer.from), updates);
      for (const view of decoded) assert.is(view.buffer, batch.buffer);
    }),
  );
  assert.throws(() => decodeBatch(Buffer.from([255, 255, 255, 255])), code('MALFORMED'));
  assert.throws(() => decodeBatch(Buffer.alloc(3)), code('MALFORMED'));
  assert.throws(() => decodeBatch(Buffer.alloc(5)), code('MALFORMED'));
});

test('a batch is read from update to update, and tells what is none', () => {
  const updates = [Buffer.from('first'), Buffer.alloc(0), asFollower(Buffer.from('second'))];
  const batch = encodeBatch(updates);
  const read = (bytes: Uint8Array): { texts: string[]; isWhole: boolean } => {
    const reader = new BatchReader(bytes);
    const texts: string[] = [];
    while (reader.next()) {
      const text = reader.bytes.toString('latin1', reader.begin, reader.end);
      texts.push(reader.isFollower ? `behind: ${text}` : text);
    }
    return { texts, isWhole: reader.isWhole };
  };
  assert.equal(read(batch), { texts: ['first', '', 'behind: second'], isWhole: true });
  assert.equal(read(encodeBatch([])), { texts: [], isWhole: true });
  for (let length = 0; length < batch.length; length += 1) {
    assert.not(read(batch.subarray(0, length)).isWhole, `cut at ${length}`);
  }
  assert.not(read(Buffer.concat([batch, Buffer.alloc(1)])).isWhole);
});

/** By another way than the code: whatever fields the update has. */
function namesIn(update: Update): { keys: string[]; prefixes: string[] } {
  const found = { keys: [] as string[], prefixes: [] as string[] };
  if ('key' in update) found.keys.push(update.key);
  if ('keys' in update) found.keys.push(...update.keys);
  if ('prefix' in update) found.prefixes.push(update.prefix);
  for (const inner of 'updates' in update ? update.updates : []) {
    const names = namesIn(inner);
    found.keys.push(...names.keys);
    found.prefixes.push(...names.prefixes);
  }
  return found;
}

function code(wanted: string) {
  return (error: unknown): boolean => error instanceof NurseryError && error.code === wanted;
}

test.run();
