/** Replies of many entries, built while they are read; the bytes are those of src/protocol/arakoon/replies.ts. */
import type { Key } from '../../src/base/bytes.ts';
import { RETURN_CODES } from '../../src/base/errors.ts';
import { UPDATE_MAX } from '../../src/base/limits.ts';
import type { Answer } from '../../src/protocol/arakoon/values.ts';

/** Room that a reply begins with (bytes). It doubles, so that a long reply is copied about once. */
const FIRST_BYTES = 1024;
/** Room up to which it doubles, about that of the longest reply (bytes). */
const DOUBLING_MAX = UPDATE_MAX + 256 * 1024;
/** Return code and count. */
const HEADER_BYTES = 8;

/**
 * `okEntries`, or `okKeys`, of what is added. The wire has the last entry first, so each is written before the others: from
 * the end of the buffer towards its beginning. Nothing of a row is kept but its bytes here, which spares the collector
 * hundreds of thousands of small objects that live as long as the read.
 */
export class EntriesReply {
  readonly #withValues: boolean;
  #buffer = Buffer.allocUnsafe(FIRST_BYTES);
  /** Where what was written begins. */
  #begin = FIRST_BYTES;
  #count = 0;

  constructor(withValues: boolean) {
    this.#withValues = withValues;
  }

  /** How many were added. */
  get count(): number {
    return this.#count;
  }

  /** What was written so far (bytes). */
  get bytes(): number {
    return this.#buffer.length - this.#begin;
  }

  add(key: Key, value: Uint8Array): void {
    const valueBytes = this.#withValues ? 4 + value.length : 0;
    const at = this.#room(4 + key.length + valueBytes);
    this.#buffer.writeUInt32LE(key.length, at);
    this.#buffer.write(key, at + 4, 'latin1');
    this.#count += 1;
    if (!this.#withValues) return;
    this.#buffer.writeUInt32LE(value.length, at + 4 + key.length);
    this.#buffer.set(value, at + 8 + key.length);
  }

  /** The whole reply; nothing is added after it. */
  answer(): Answer {
    const at = this.#room(HEADER_BYTES);
    this.#buffer.writeUInt32LE(RETURN_CODES.OK, at);
    this.#buffer.writeUInt32LE(this.#count, at + 4);
    return { bytes: this.#buffer.subarray(at), hint: null };
  }

  /** Makes room for `bytes` before what was written, and says where they begin. */
  #room(bytes: number): number {
    if (bytes > this.#begin) {
      const written = this.bytes;
      const larger = Buffer.allocUnsafe(
        Math.max(Math.min(2 * this.#buffer.length, DOUBLING_MAX), written + bytes),
      );
      this.#buffer.copy(larger, larger.length - written, this.#begin);
      this.#buffer = larger;
      this.#begin = larger.length - written;
    }
    this.#begin -= bytes;
    return this.#begin;
  }
}
