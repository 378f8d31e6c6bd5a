import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { InvariantError } from '../../../src/base/assert.ts';
import { NurseryError } from '../../../src/base/errors.ts';
import {
  bool,
  bytes,
  type Codec,
  decode,
  encode,
  f64,
  i64,
  key,
  list,
  oneOf,
  option,
  Reader,
  struct,
  text,
  u8,
  u32,
  u128,
  union,
  Writer,
} from '../../../src/wire/codec.ts';

const shape = union({
  dot: [1, struct({})],
  line: [2, struct({ from: i64, to: option(i64), label: text })],
  many: [9, struct({ flags: list(bool), keys: list(key), data: bytes })],
});
const plain = { noNullPrototype: true };
const anyBytes = fc.uint8Array({ maxLength: 30 }).map((any) => Buffer.from(any));
const anyShape = fc.oneof(
  fc.constant({ kind: 'dot' as const }),
  fc.record(
    {
      kind: fc.constant('line' as const),
      from: fc.maxSafeInteger(),
      to: fc.option(fc.maxSafeInteger()),
      label: fc.string({ unit: 'grapheme' }),
    },
    plain,
  ),
  fc.record(
    {
      kind: fc.constant('many' as const),
      flags: fc.array(fc.boolean()),
      keys: fc.array(anyBytes.map((any) => any.toString('latin1'))),
      data: anyBytes,
    },
    plain,
  ),
);

test('what is encoded is decoded; a frame that is cut or too long is refused', () => {
  fc.assert(
    fc.property(anyShape, fc.nat(), (value, cut) => {
      const frame = encode(shape, value);
      assert.equal(decode(shape, frame), value);
      assert.throws(() => decode(shape, frame.subarray(0, cut % frame.length)), isMalformed);
      assert.throws(() => decode(shape, Buffer.concat([frame, Buffer.alloc(1)])), isMalformed);
    }),
  );
});

test('random bytes are decoded or malformed, and nothing else happens', () => {
  fc.assert(
    fc.property(fc.constantFrom(1, 2, 9, 3), fc.uint8Array({ maxLength: 60 }), (tag, rest) => {
      try {
        decode(shape, Buffer.from([tag, ...rest]));
      } catch (error) {
        assert.ok(isMalformed(error), String(error));
      }
    }),
  );
});

test('each primitive has its bytes', () => {
  const golden = <T>(codec: Codec<T>, value: T, hex: string): void => {
    assert.is(encode(codec, value).toString('hex'), hex);
    assert.equal(decode(codec, Buffer.from(hex, 'hex')), value);
  };
  golden(u8, 0xff, 'ff');
  golden(u32, 0xfffefdfc, 'fcfdfeff');
  golden(i64, 1, '0100000000000000');
  golden(i64, -1, 'ffffffffffffffff');
  golden(i64, -0x1_0000_0000, '00000000ffffffff');
  golden(i64, Number.MAX_SAFE_INTEGER, 'ffffffffffff1f00');
  golden(i64, Number.MIN_SAFE_INTEGER, '010000000000e0ff');
  golden(f64, 1.5, '000000000000f83f');
  golden(bool, true, '01');
  golden(bool, false, '00');
  golden(key, 'k\xff', '020000006bff');
  golden(bytes as Codec<Uint8Array>, Buffer.from([0, 255]), '0200000000ff');
  golden(text, 'é', '02000000c3a9');
  golden(u128, (1n << 128n) - 2n, 'feffffffffffffffffffffffffffffff');
  golden(option(u8), null, '00');
  golden(option(u8), 7, '0107');
  golden(list(u8), [1, 2], '020000000102');
  golden(union({ a: [5, struct({ x: u8 })] }), { kind: 'a', x: 3 }, '0503');
});

test('numbers that a double does not hold exactly are neither written nor read', () => {
  for (const value of [2 ** 53, -(2 ** 53), 0.5, Number.NaN]) {
    assert.throws(
      () => encode(i64, value),
      (error: unknown) => error instanceof InvariantError,
    );
  }
  for (const hex of ['0000000000002000', '000000000000e0ff', 'ffffffffffffff7f']) {
    assert.throws(() => decode(i64, Buffer.from(hex, 'hex')), isMalformed);
  }
});

test('a boolean is 0 or 1, a tag is known, and a list is no longer than its frame', () => {
  assert.throws(() => decode(bool, Buffer.from([2])), isMalformed);
  assert.throws(() => decode(option(u8), Buffer.from([2, 0])), isMalformed);
  assert.throws(() => decode(shape, Buffer.from([3])), isMalformed);
  assert.throws(() => decode(list(u8), Buffer.from('ffffffff00', 'hex')), isMalformed);
});

test('a tag stands for one variant', () => {
  assert.throws(
    () => union({ a: [1, struct({})], b: [1, struct({})] }),
    (error: unknown) => error instanceof InvariantError,
  );
});

test('a writer grows, is patched, taken and used again', () => {
  const writer = new Writer(1);
  writer.u32(0);
  for (let index = 0; index < 100; index += 1) writer.u8(index);
  writer.patchU32(0, writer.length - 4);
  const written = Buffer.from(writer.view());
  const first = writer.take();
  assert.equal(first, written);
  assert.is(writer.length, 0);
  assert.is(first.readUInt32LE(0), 100);
  assert.is(first[103], 99);
  writer.i32(-2);
  assert.is(writer.take().toString('hex'), 'feffffff');
  assert.is(first[103], 99);
});

test('a reader keeps within its part of a frame, and hands out views', () => {
  const frame = Buffer.from('ee0200000061ffee', 'hex');
  const reader = new Reader(new Uint8Array(frame.buffer, frame.byteOffset, frame.length), 1, 7);
  const view = reader.bytes();
  assert.is(view.buffer, frame.buffer);
  assert.equal(view, Buffer.from([0x61, 0xff]));
  assert.is(reader.left, 0);
  reader.finish();
  assert.throws(() => reader.u8(), isMalformed);
});

test('of a closed set of words each is written as text, and no other is read', () => {
  const codec = oneOf('run', 'pause');
  for (const word of ['run', 'pause'] as const) {
    assert.equal(encode(codec, word), encode(text, word));
    assert.is(decode(codec, encode(text, word)), word);
  }
  for (const word of ['', 'ru', 'runs', 'abort', '__proto__']) {
    assert.throws(() => decode(codec, encode(text, word)), isMalformed);
  }
});

function isMalformed(error: unknown): boolean {
  return error instanceof NurseryError && error.code === 'MALFORMED';
}

test.run();
