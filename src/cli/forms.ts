/**
 * How keys and values are written: on the command line, and in JSON. Text stands for its UTF-8 bytes, `0x…` for bytes in
 * hexadecimal, and nothing for nothing.
 */
import { isUtf8 } from 'node:buffer';
import { type Key, keyToBytes, parseKey, printKey } from '../base/bytes.ts';
import { NurseryError } from '../base/errors.ts';
import { USER_KEY_MAX, whyTooLong } from '../base/limits.ts';
import type { Range } from '../keyspace/range.ts';

/** Characters of a key that a table has room for, and of a word that an error repeats. */
const SHOWN_MAX = 40;

/**
 * The bytes that a person wrote, as a key: of whatever length, for a value is written alike.
 *
 * @throws NurseryError BAD_INPUT naming what is wrong with them
 */
export function keyOf(text: string): Key {
  try {
    return parseKey(text);
  } catch (error) {
    throw new NurseryError('BAD_INPUT', `key ${cut(text)}: ${(error as Error).message}`, { cause: error });
  }
}

/**
 * A key that there can be: what parts ranges, or is asked for.
 *
 * @param what it is, for the error
 * @throws NurseryError BAD_INPUT naming what is wrong with it, such as its length
 */
export function storableKeyOf(text: string, what: string): Key {
  const key = keyOf(text);
  const why = whyTooLong('key', key.length, USER_KEY_MAX);
  if (why !== null) throw new NurseryError('BAD_INPUT', `${what}: ${why}`);
  return key;
}

/** The bytes that a person wrote. @throws NurseryError BAD_INPUT naming what is wrong with them */
export function bytesOf(text: string): Buffer {
  return keyToBytes(keyOf(text));
}

/**
 * The range that a person wrote as FROM..TO, either of which may be empty, which is open.
 *
 * @param before what stood before it on the command line, for the error
 * @throws NurseryError BAD_INPUT
 */
export function rangeOf(text: string, before = '--range '): Range {
  const [from, until, ...rest] = text.split('..');
  // Three dots are two ways to part them.
  const isClear = rest.length === 0 && !text.includes('...');
  if (from === undefined || until === undefined || !isClear) {
    const what = 'FROM..TO is wanted; write keys with two dots, or one at an end, as 0x…';
    throw new NurseryError('BAD_INPUT', `${before}${cut(text)}: ${what}`);
  }
  const range = rangeBetween(from, until);
  if (range === null) throw new NurseryError('BAD_INPUT', `${before}${cut(text)}: FROM must lie below TO`);
  return range;
}

/** The range that a person wrote as two keys, either of which may be empty, which is open; null where it is none. @throws NurseryError BAD_INPUT */
export function rangeBetween(from: string, until: string): Range | null {
  const hi = until === '' ? null : storableKeyOf(until, 'the end of the range');
  const lo = storableKeyOf(from, 'the beginning of the range');
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

/** A key in a table for people: as `printKey` has it, and cut where it is long, with a sign that it never prints itself. */
export function shortKey(key: Key): string {
  return cut(printKey(key));
}

/** A range in a table for people: as `printRange` has it, each of its keys cut where it is long. */
export function shortRange({ lo, hi }: Range): string {
  return `[${shortKey(lo)}..${hi === null ? 'end' : shortKey(hi)})`;
}

function cut(text: string): string {
  return text.length > SHOWN_MAX ? `${text.slice(0, SHOWN_MAX - 1)}…` : text;
}
