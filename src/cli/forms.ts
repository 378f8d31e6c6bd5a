/**
 * How keys and values are written: on the command line, and in JSON. Text stands for its UTF-8 bytes, `0x…` for bytes in
 * hexadecimal, and nothing for nothing.
 */
import { isUtf8 } from 'node:buffer';
import { type Key, keyToBytes, parseKey } from '../base/bytes.ts';
import { NurseryError } from '../base/errors.ts';
import type { Range } from '../keyspace/range.ts';

/**
 * The key that a person wrote.
 *
 * @throws NurseryError BAD_INPUT naming what is wrong with it
 */
export function keyOf(text: string): Key {
  try {
    return parseKey(text);
  } catch (error) {
    throw new NurseryError('BAD_INPUT', (error as Error).message, { cause: error });
  }
}

/** The bytes that a person wrote. @throws NurseryError BAD_INPUT naming what is wrong with them */
export function bytesOf(text: string): Buffer {
  return keyToBytes(keyOf(text));
}

/**
 * The range that a person wrote as FROM..TO, either of which may be empty, which is open.
 *
 * @throws NurseryError BAD_INPUT
 */
export function rangeOf(text: string): Range {
  const [from, until, ...rest] = text.split('..');
  // Three dots are two ways to part them.
  const isClear = rest.length === 0 && !text.includes('...');
  if (from === undefined || until === undefined || !isClear) {
    const what = 'FROM..TO is wanted; write keys with two dots, or one at an end, as 0x…';
    throw new NurseryError('BAD_INPUT', `--range ${text}: ${what}`);
  }
  const range = rangeBetween(from, until);
  if (range === null) throw new NurseryError('BAD_INPUT', `--range ${text}: FROM must lie below TO`);
  return range;
}

/** The range that a person wrote as two keys, either of which may be empty, which is open; null where it is none. @throws NurseryError BAD_INPUT */
export function rangeBetween(from: string, until: string): Range | null {
  const hi = until === '' ? null : keyOf(until);
  const lo = keyOf(from);
  return hi !== null && hi <= lo ? null : { lo, hi };
}

/**
 * The one form of bytes in JSON, which `bytesOf` reads back: the text where they are UTF-8 without control characters that
 * does not begin with `0x`, else `0x…`. Empty bytes are the empty string.
 */
export function jsonForm(bytes: Uint8Array): string {
  const text = isUtf8(bytes)
    ? Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8')
    : '0x';
  return text.startsWith('0x') || /\p{Cc}/u.test(text) ? `0x${Buffer.from(bytes).toString('hex')}` : text;
}

/** The same of a key. */
export function jsonKey(key: Key): string {
  return jsonForm(keyToBytes(key));
}

/** The bounds of a range in JSON; `hi` null where it is open. */
export function jsonRange({ lo, hi }: Range): { readonly lo: string; readonly hi: string | null } {
  return { lo: jsonKey(lo), hi: hi === null ? null : jsonKey(hi) };
}
