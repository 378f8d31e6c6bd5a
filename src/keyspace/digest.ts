/**
 * Digests of sets of rows: the sum modulo 2^128 of a cryptographic hash of each row, with count and bytes
 * beside it. A sum, so that one changed row changes it by a subtraction and an addition, whatever the size of
 * the set (docs/architecture.md, "Digest").
 */
import { createHash, hash } from 'node:crypto'; // deterministic, so the pure parts may use it
import type { Key } from '../base/bytes.ts';
import { type Coded, i64, struct, u128 } from '../wire/codec.ts';

/** Layout of a digest on wire and disk. */
export const digestCodec = struct({ sum: u128, count: i64, bytes: i64 });

/** Sum of row hashes, number of rows, and bytes of their keys and values. A difference may be negative in the last two. */
export type Digest = Coded<typeof digestCodec>;

/** Of no rows. */
export const NO_ROWS: Digest = { sum: 0n, count: 0, bytes: 0 };

/** Kind of a row: a client's data, or the record of a completed request. */
export type RowKind = 0 | 1;

const MODULUS = 1n << 128n;

/** The digest of one row: H over kind, length of key, key, value. */
export function digestOfRow(kind: RowKind, key: Key, value: Uint8Array): Digest {
  const sum = BigInt(`0x${hash('sha256', frameOf(kind, key, value), 'hex').slice(0, 32)}`);
  return { sum, count: 1, bytes: key.length + value.length };
}

/** `a` with the rows of `b` added. */
export function addDigests(a: Digest, b: Digest): Digest {
  return { sum: (a.sum + b.sum) % MODULUS, count: a.count + b.count, bytes: a.bytes + b.bytes };
}

/** `a` with the rows of `b` taken away. */
export function subtractDigests(a: Digest, b: Digest): Digest {
  return { sum: (a.sum - b.sum + MODULUS) % MODULUS, count: a.count - b.count, bytes: a.bytes - b.bytes };
}

/** Whether both stand for the same set of rows. */
export function sameDigest(a: Digest, b: Digest): boolean {
  return a.sum === b.sum && a.count === b.count && a.bytes === b.bytes;
}

/** Rows whose frame is put together in one place, since the hash is done with it at once (bytes). */
const SCRATCH = Buffer.alloc(16 * 1024);
/** Terms that four numbers of 32 bits take in before their sum might not be exact any more. */
const TERMS_MAX = 2 ** 20;

/**
 * The sum of the digests of many rows, added and taken away one by one. Kept as four numbers of 32 bits: a sum of big
 * integers would cost as much as the hash.
 */
export class DigestSum {
  #before: Digest;
  #parts: [number, number, number, number] = [0, 0, 0, 0];
  #terms = 0;
  #count = 0;
  #bytes = 0;

  /** @param before what is added to */
  constructor(before: Digest) {
    this.#before = before;
  }

  add(key: Key, value: Uint8Array): void {
    this.#term(key, value, 1);
  }

  subtract(key: Key, value: Uint8Array): void {
    this.#term(key, value, -1);
  }

  /** The sum so far; more may be added. */
  total(): Digest {
    const [a, b, c, d] = this.#parts;
    const sum = (BigInt(a) << 96n) + (BigInt(b) << 64n) + (BigInt(c) << 32n) + BigInt(d);
    this.#before = addDigests(this.#before, {
      sum: ((sum % MODULUS) + MODULUS) % MODULUS,
      count: this.#count,
      bytes: this.#bytes,
    });
    this.#parts = [0, 0, 0, 0];
    this.#terms = 0;
    this.#count = 0;
    this.#bytes = 0;
    return this.#before;
  }

  #term(key: Key, value: Uint8Array, sign: 1 | -1): void {
    // One character per byte of the hash: reading it costs less than a buffer of its own.
    const hashed = hash('sha256', frameOf(0, key, value), 'binary');
    const parts = this.#parts;
    for (let part = 0; part < 4; part += 1) {
      const at = part * 4;
      const word =
        (hashed.charCodeAt(at) << 24) |
        (hashed.charCodeAt(at + 1) << 16) |
        (hashed.charCodeAt(at + 2) << 8) |
        hashed.charCodeAt(at + 3);
      parts[part] = (parts[part] as number) + sign * (word >>> 0);
    }
    this.#count += sign;
    this.#bytes += sign * (key.length + value.length);
    this.#terms += 1;
    if (this.#terms >= TERMS_MAX) this.total();
  }
}

/** What a row's hash is of; to be used before the next call. */
function frameOf(kind: RowKind, key: Key, value: Uint8Array): Uint8Array {
  const length = 5 + key.length + value.length;
  const frame = length <= SCRATCH.length ? SCRATCH.subarray(0, length) : Buffer.allocUnsafe(length);
  frame[0] = kind;
  frame.writeUInt32LE(key.length, 1);
  frame.write(key, 5, 'latin1');
  frame.set(value, 5 + key.length);
  return frame;
}

/** Hash of rows in their order, for replicas that must hold the very same ones: cheaper than a sum of hashes. */
export class RowsHash {
  readonly #hash = createHash('sha256');

  /** Adds the next row; lengths go before key and value, so that no two lists of rows read alike. */
  add(key: Key, value: Uint8Array): void {
    const frame = Buffer.allocUnsafe(8 + key.length);
    frame.writeUInt32LE(key.length, 0);
    frame.writeUInt32LE(value.length, 4);
    frame.write(key, 8, 'latin1');
    this.#hash.update(frame).update(value);
  }

  /** 64 hexadecimal digits; nothing may be added any more. */
  finish(): string {
    return this.#hash.digest('hex');
  }
}

/** The SHA-256 of bytes, in hexadecimal. */
export function sha256Of(bytes: Uint8Array): string {
  return hash('sha256', bytes, 'hex');
}
