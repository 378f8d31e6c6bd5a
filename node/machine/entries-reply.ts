/** Replies of many entries, built while they are read; the bytes are those of src/protocol/arakoon/replies.ts. */
import type { Key } from '../../src/base/bytes.ts';
import { RETURN_CODES } from '../../src/base/errors.ts';
import type { Answer } from '../../src/protocol/arakoon/values.ts';

/** Room that a reply begins with (bytes). What follows it doubles, up to the other. */
const FIRST_BYTES = 1024;
const CHUNK_MAX = 256 * 1024;
/** From this length on a value is not copied (bytes). */
const LONG_VALUE_BYTES = 16 * 1024;
/** Return code and count. */
const HEADER_BYTES = 8;
const NOTHING = Buffer.alloc(0);

/**
 * `okEntries`, or `okKeys`, of what is added. The wire has the last entry first, so each is written before the others: from
 * the end of a buffer towards its beginning. Nothing of a short row is kept but its bytes here, which spares the collector
 * hundreds of thousands of small objects that live as long as the read. A long reply stays in pieces.
 */
export class EntriesReply {
  readonly #withValues: boolean;
  /** What is complete: each belongs before those that came earlier. */
  readonly #pieces: Uint8Array[] = [];
  #pieceBytes = 0;
  #chunk = Buffer.allocUnsafe(FIRST_BYTES);
  /** Where what was written of the chunk, and is no piece yet, begins and ends. */
  #begin = FIRST_BYTES;
  #end = FIRST_BYTES;
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
    return this.#pieceBytes + this.#end - this.#begin;
  }

  /** A long value must not change any more: it is not copied. */
  add(key: Key, value: Uint8Array): void {
    this.#count += 1;
    const keyBytes = 4 + key.length;
    if (!this.#withValues) {
      this.#putKey(key, this.#room(keyBytes));
    } else if (value.length < LONG_VALUE_BYTES) {
      const at = this.#room(keyBytes + 4 + value.length);
      this.#putKey(key, at);
      this.#chunk.writeUInt32LE(value.length, at + keyBytes);
      this.#chunk.set(value, at + keyBytes + 4);
    } else {
      this.#endPiece();
      this.#put(value);
      const at = this.#room(keyBytes + 4);
      this.#putKey(key, at);
      this.#chunk.writeUInt32LE(value.length, at + keyBytes);
    }
  }

  /** The reply; nothing is added after it. */
  answer(): Answer {
    const at = this.#room(HEADER_BYTES);
    this.#chunk.writeUInt32LE(RETURN_CODES.OK, at);
    this.#chunk.writeUInt32LE(this.#count, at + 4);
    this.#endPiece();
    const [bytes = NOTHING, ...rest] = this.#pieces.reverse();
    if (rest.length === 0) return { bytes, hint: null };
    const isLong = this.#pieceBytes > CHUNK_MAX;
    return isLong ? { bytes, rest, hint: null } : { bytes: Buffer.concat([bytes, ...rest]), hint: null };
  }

  #putKey(key: Key, at: number): void {
    this.#chunk.writeUInt32LE(key.length, at);
    this.#chunk.write(key, at + 4, 'latin1');
  }

  #put(piece: Uint8Array): void {
    this.#pieces.push(piece);
    this.#pieceBytes += piece.length;
  }

  /** What was written of the chunk becomes a piece. */
  #endPiece(): void {
    if (this.#begin < this.#end) this.#put(this.#chunk.subarray(this.#begin, this.#end));
    this.#end = this.#begin;
  }

  /** Makes room for `bytes` before what was written, and says where they begin. */
  #room(bytes: number): number {
    if (bytes > this.#begin) {
      this.#endPiece();
      const length = Math.max(Math.min(2 * this.#chunk.length, CHUNK_MAX), bytes);
      this.#chunk = Buffer.allocUnsafe(length);
      this.#begin = length;
      this.#end = length;
    }
    this.#begin -= bytes;
    return this.#begin;
  }
}
