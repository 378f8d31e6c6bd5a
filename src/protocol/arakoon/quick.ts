/**
 * What is frequent, by hand: `set` in the log. The table says the same (updates.ts), and a test holds both against each other.
 */
import type { Key } from '../../base/bytes.ts';
import { USER_KEY_MAX, VALUE_MAX } from '../../base/limits.ts';
import type { Reader } from '../../wire/codec.ts';

/** Kind of `set` in the log. */
export const SET_UPDATE = 1;

type QuickSet = { readonly kind: 'set'; readonly key: Key; readonly value: Uint8Array };

/** The `set` in the log whose kind the reader has passed. @throws NurseryError MALFORMED */
export function readSetUpdate(reader: Reader): QuickSet {
  return { kind: 'set', key: reader.key(), value: reader.bytes() };
}

/**
 * Where the value of the update begins that lies from `begin` to `end`, if it is a `set` whose key and value may be stored;
 * else -1. Its key is `keyOfSet`.
 */
export function valueOfSet(bytes: Buffer, begin: number, end: number): number {
  if (end - begin < 12 || bytes.readUInt32LE(begin) !== SET_UPDATE) return -1;
  const keyLength = bytes.readUInt32LE(begin + 4);
  const valueAt = begin + 12 + keyLength;
  if (keyLength > USER_KEY_MAX || valueAt > end) return -1;
  const valueLength = bytes.readUInt32LE(valueAt - 4);
  return valueLength > VALUE_MAX || valueAt + valueLength !== end ? -1 : valueAt;
}

/** The key of the `set` that begins at `begin` and whose value begins at `valueAt`. */
export function keyOfSet(bytes: Buffer, begin: number, valueAt: number): Key {
  return bytes.toString('latin1', begin + 8, valueAt - 4);
}
