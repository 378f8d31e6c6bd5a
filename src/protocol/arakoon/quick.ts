/**
 * What is frequent, by hand: `set` and `get`, in requests and in the log. The tables say the same (request-table.ts,
 * updates.ts), and a test holds each against the other.
 *
 *     set    := int magic | 0x09, string key, string value
 *     get    := int magic | 0x08, consistency, string key
 *     update := int 1, string key, string value             set, in the log
 */
import { bytesToKey, type Key } from '../../base/bytes.ts';
import { NurseryError } from '../../base/errors.ts';
import { USER_KEY_MAX, VALUE_MAX, whyTooLong } from '../../base/limits.ts';
import { type Reader, Writer } from '../../wire/codec.ts';
import { MAGIC } from '../admin/admin.ts';
import { consistency } from './arguments.ts';
import type { Consistency } from './values.ts';

const SET = 0x09;
const GET = 0x08;
/** The first byte of a consistency. */
const NO_GUARANTEES = 1;
const AT_LEAST = 2;
/** Kind of `set` in the log. */
export const SET_UPDATE = 1;

type QuickSet = { readonly kind: 'set'; readonly key: Key; readonly value: Uint8Array };
type QuickGet = { readonly kind: 'get'; readonly consistency: Consistency; readonly key: Key };

/** The bytes of a `set`, magic included. */
export function encodeSet(key: Key, value: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(12 + key.length + value.length);
  frame.writeUInt32LE((MAGIC | SET) >>> 0, 0);
  frame.writeUInt32LE(key.length, 4);
  frame.write(key, 8, 'latin1');
  frame.writeUInt32LE(value.length, 8 + key.length);
  frame.set(value, 12 + key.length);
  return frame;
}

/** The bytes of a `get`, magic included. */
export function encodeGet(fresh: Consistency, key: Key): Buffer {
  const writer = new Writer(64);
  writer.u32(MAGIC | GET);
  consistency.write(writer, fresh);
  writer.key(key);
  return writer.take();
}

/**
 * The request with this code where it is frequent, the reader being at its arguments; null where it is another one, of which
 * nothing was read.
 *
 * @throws NurseryError MALFORMED, or BAD_INPUT where the key or the value is above its limit
 */
export function readQuickly(reader: Reader, code: number): QuickSet | QuickGet | null {
  if (code === GET) return { kind: 'get', consistency: consistency.read(reader), key: readKey(reader) };
  if (code !== SET) return null;
  const key = readKey(reader);
  const value = reader.bytes();
  refuseFor(whyTooLong('value', value.length, VALUE_MAX));
  return { kind: 'set', key, value };
}

/** The update to log for the `set` that came as `frame`: the same arguments behind another int. */
export function updateOfSet(frame: Uint8Array): Buffer {
  return withKind(SET_UPDATE, frame);
}

/** A copy of `bytes` that begins with the int `kind`. */
export function withKind(kind: number, bytes: Uint8Array): Buffer {
  const copy = Buffer.allocUnsafe(bytes.length);
  copy.set(bytes);
  copy.writeUInt32LE(kind, 0);
  return copy;
}

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

/**
 * The key of an update of one key, behind nothing but its code, where the body has it completely; else null. The rest is not
 * looked at.
 */
export function keyOfUpdate(body: Uint8Array): Key | null {
  return keyAt(body, 4);
}

/** As `keyOfUpdate`, of a read: a consistency stands before its key, here one without a stamp. */
export function keyOfRead(body: Uint8Array): Key | null {
  return (body[4] as number) < AT_LEAST ? keyAt(body, 5) : null;
}

/** Whether the read that `keyOfRead` has found a key in may be answered by any node. */
export function isStaleRead(body: Uint8Array): boolean {
  return body[4] === NO_GUARANTEES;
}

/** The key whose length stands at `offset`. */
function keyAt(body: Uint8Array, offset: number): Key | null {
  const length =
    ((body[offset] as number) |
      ((body[offset + 1] as number) << 8) |
      ((body[offset + 2] as number) << 16) |
      ((body[offset + 3] as number) << 24)) >>>
    0;
  const from = offset + 4;
  return from + length <= body.length ? bytesToKey(body.subarray(from, from + length)) : null;
}

function readKey(reader: Reader): Key {
  const key = reader.key();
  refuseFor(whyTooLong('key', key.length, USER_KEY_MAX));
  return key;
}

function refuseFor(why: string | null): void {
  if (why !== null) throw new NurseryError('BAD_INPUT', why);
}
