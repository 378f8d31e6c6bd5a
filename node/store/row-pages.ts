/**
 * Rows on their way to the thread that writes them, by hand since this is the hot part of a flush:
 *
 *     page := row*
 *     row  := keyLength:u16 valueLength:u32 key byte{valueLength}
 *
 * A value length of 0xffffffff stands for a row that is removed.
 */
import type { StoreKey } from './types.ts';

/** Pages are of this size (bytes), or of exactly one row that is larger: packing one takes about a millisecond. */
const PAGE_BYTES = 256 * 1024;
/** Rows in one page. */
const PAGE_ROWS_MAX = 2048;
const HEADER_BYTES = 6;
const REMOVED = 0xffff_ffff;

/** Fills one page after another. */
export class RowPacker {
  #page: Buffer | null = null;
  #length = 0;
  #rows = 0;

  /** Adds a row, or returns false where it has to wait until the page is taken. */
  add(key: StoreKey, value: Uint8Array | null): boolean {
    const bytes = HEADER_BYTES + key.length + (value === null ? 0 : value.length);
    this.#page ??= Buffer.allocUnsafeSlow(Math.max(bytes, PAGE_BYTES));
    const page = this.#page;
    if (this.#length + bytes > page.length || this.#rows === PAGE_ROWS_MAX) return false;
    const at = this.#length;
    page.writeUInt16LE(key.length, at);
    page.writeUInt32LE(value === null ? REMOVED : value.length, at + 2);
    page.write(key, at + HEADER_BYTES, 'latin1');
    if (value !== null) page.set(value, at + HEADER_BYTES + key.length);
    this.#length += bytes;
    this.#rows += 1;
    return true;
  }

  /** What was added since the last call, on memory of its own; empty where nothing was. */
  take(): Uint8Array {
    const page = this.#page?.subarray(0, this.#length) ?? Buffer.alloc(0);
    this.#page = null;
    this.#length = 0;
    this.#rows = 0;
    return page;
  }
}

/** The key of the last row of a page that came from elsewhere; null where the bytes are no page, or have no row. */
export function lastKeyOf(page: Buffer): StoreKey | null {
  let begin = 0;
  let end = 0;
  for (let at = 0; at < page.length; ) {
    if (at + HEADER_BYTES > page.length) return null;
    const valueLength = page.readUInt32LE(at + 2);
    begin = at + HEADER_BYTES;
    end = begin + page.readUInt16LE(at);
    at = valueLength === REMOVED ? end : end + valueLength;
    if (at > page.length) return null;
  }
  return end === 0 ? null : page.toString('latin1', begin, end);
}

/** Visits the rows of a page in order; values are views of it, null where removed. */
export function unpackRows(page: Uint8Array, visit: (key: StoreKey, value: Buffer | null) => void): void {
  const buffer = Buffer.from(page.buffer, page.byteOffset, page.byteLength);
  let at = 0;
  while (at < buffer.length) {
    const keyEnd = at + HEADER_BYTES + buffer.readUInt16LE(at);
    const valueLength = buffer.readUInt32LE(at + 2);
    const key = buffer.toString('latin1', at + HEADER_BYTES, keyEnd);
    at = valueLength === REMOVED ? keyEnd : keyEnd + valueLength;
    visit(key, valueLength === REMOVED ? null : buffer.subarray(keyEnd, at));
  }
}
