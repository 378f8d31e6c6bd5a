/**
 * Byte strings as the pure parts hold them.
 *
 * A key is a JavaScript string in which each character is one byte (0x00 to 0xff, "latin1"). Such strings
 * compare by `<` in unsigned byte order, serve as `Map` keys, and print; buffers do none of that. Values
 * stay `Uint8Array`s, since nobody orders them.
 */

/** One byte per character; compared by `<`, which is unsigned byte order. */
export type Key = string;

/** The least key above `key`: `key` followed by 0x00. Nothing lies between the two. */
export function successor(key: Key): Key {
  return `${key}\0`;
}

/** The least key above every key that begins with `prefix`; `null` where there is none (empty, or all 0xff). */
export function prefixEnd(prefix: Key): Key | null {
  let length = prefix.length;
  while (length > 0 && prefix.charCodeAt(length - 1) === 0xff) length -= 1;
  if (length === 0) return null;
  return prefix.slice(0, length - 1) + String.fromCharCode(prefix.charCodeAt(length - 1) + 1);
}

/** -1, 0 or 1 in unsigned byte order. */
export function compareKeys(a: Key, b: Key): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** The bytes of a key. */
export function keyToBytes(key: Key): Buffer {
  return Buffer.from(key, 'latin1');
}

/** The key with these bytes. */
export function bytesToKey(bytes: Uint8Array): Key {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}

/** Whether two byte arrays hold the same bytes. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && Buffer.compare(a, b) === 0;
}

/** For people: the key as text where all of it is printable ASCII, else `0x…`. Empty prints as `""`, which nothing else does. */
export function printKey(key: Key): string {
  if (key.length === 0) return '""';
  const isText = /^[\x21-\x7e]*$/.test(key) && !key.startsWith('0x') && key !== '""';
  return isText ? key : `0x${keyToBytes(key).toString('hex')}`;
}

/**
 * The key that a person wrote: text (as UTF-8), or `0x…` for bytes.
 *
 * @throws RangeError where `0x` is followed by something that is not an even number of hexadecimal digits
 */
export function parseKey(text: string): Key {
  if (!text.startsWith('0x')) return Buffer.from(text, 'utf8').toString('latin1');
  const hex = text.slice(2);
  if (!/^(?:[0-9a-fA-F]{2})*$/.test(hex)) {
    throw new RangeError(`after 0x comes an even number of hexadecimal digits`);
  }
  return Buffer.from(hex, 'hex').toString('latin1');
}
