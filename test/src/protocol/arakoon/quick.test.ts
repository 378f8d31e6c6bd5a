/** What is read and written by hand is what the tables say. */
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { USER_KEY_MAX, VALUE_MAX } from '../../../../src/base/limits.ts';
import { keyOfSet, readSetUpdate, SET_UPDATE, valueOfSet } from '../../../../src/protocol/arakoon/quick.ts';
import { encodeUpdate, UPDATES, type Update } from '../../../../src/protocol/arakoon/updates.ts';
import { Reader, Writer } from '../../../../src/wire/codec.ts';

const bytes = fc.uint8Array({ maxLength: 40 }).map((value) => Buffer.from(value));
const key = bytes.map((value) => value.toString('latin1'));

function tableUpdate(update: Extract<Update, { kind: 'set' }>): Buffer {
  const writer = new Writer();
  writer.u32(UPDATES.set.code);
  UPDATES.set.args.write(writer, update);
  return writer.take();
}

test('a set in the log is read by hand as by the table, wherever it lies', () => {
  fc.assert(
    fc.property(key, bytes, fc.nat(9), (key, value, before) => {
      const update = tableUpdate({ kind: 'set', key, value });
      assert.is(update.readUInt32LE(0), SET_UPDATE);
      const byTable = UPDATES.set.args.read(new Reader(update, 4), 'set');
      const reader = new Reader(update, 4);
      assert.equal(readSetUpdate(reader), byTable);
      reader.finish();
      const around = Buffer.concat([Buffer.alloc(before, 0xee), update, Buffer.alloc(3, 0xee)]);
      const end = before + update.length;
      const valueAt = valueOfSet(around, before, end);
      assert.equal(around.subarray(valueAt, end), value);
      assert.is(keyOfSet(around, before, valueAt), key);
      for (let cut = before; cut < end; cut += 1) assert.is(valueOfSet(around, before, cut), -1);
      assert.is(valueOfSet(around, before, end + 1), -1);
    }),
  );
});

test('by hand nothing is taken for a set that the table would refuse, or that is another update', () => {
  const long: Update[] = [
    { kind: 'set', key: 'k'.repeat(USER_KEY_MAX + 1), value: Buffer.alloc(1) },
    { kind: 'set', key: 'k', value: Buffer.alloc(VALUE_MAX + 1) },
    { kind: 'confirm', key: 'k', value: Buffer.alloc(1) },
    { kind: 'delete', key: 'key and value' },
    { kind: 'nop' },
  ];
  for (const update of long) {
    const encoded = encodeUpdate(update);
    assert.is(valueOfSet(encoded, 0, encoded.length), -1, update.kind);
  }
  const fits = encodeUpdate({ kind: 'set', key: 'k'.repeat(USER_KEY_MAX), value: Buffer.alloc(VALUE_MAX) });
  assert.is(valueOfSet(fits, 0, fits.length), 12 + USER_KEY_MAX);
});

test.run();
