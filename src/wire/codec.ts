/**
 * Codecs by combination: a value's layout is written once, and both directions and its type follow from it.
 *
 * All integers are little-endian. A decoder never reads past the end of its frame, and `decode` refuses a frame
 * with bytes left over, so that a frame is either exactly understood or refused.
 */

import { invariant } from '../base/assert.ts';
import type { Key } from '../base/bytes.ts';
import { NurseryError } from '../base/errors.ts';

const NOTHING = Buffer.alloc(0);

/** Appends primitives to a buffer that at least doubles when it grows. Reusable: after `take`, or `reset`. */
export class Writer {
  #buffer: Buffer;
  #length = 0;

  constructor(initialBytes = 256) {
    this.#buffer = Buffer.allocUnsafe(initialBytes);
  }

  get length(): number {
    return this.#length;
  }

  u8(value: number): void {
    const at = this.#grow(1);
    this.#buffer[at] = value;
  }

  u32(value: number): void {
    const at = this.#grow(4);
    this.#buffer.writeUInt32LE(value >>> 0, at);
  }

  i32(value: number): void {
    const at = this.#grow(4);
    this.#buffer.writeInt32LE(value, at);
  }

  /** 64 bits, signed, for numbers that a double holds exactly. */
  i64(value: number): void {
    invariant(Number.isSafeInteger(value), 'a 64-bit number on the wire is a safe integer', () => ({
      value,
    }));
    const at = this.#grow(8);
    this.#buffer.writeUInt32LE(value >>> 0, at);
    this.#buffer.writeInt32LE(Math.floor(value / 0x1_0000_0000), at + 4);
  }

  f64(value: number): void {
    const at = this.#grow(8);
    this.#buffer.writeDoubleLE(value, at);
  }

  raw(bytes: Uint8Array): void {
    const at = this.#grow(bytes.length);
    this.#buffer.set(bytes, at);
  }

  /** u32 length, then the bytes. */
  bytes(bytes: Uint8Array): void {
    this.u32(bytes.length);
    this.raw(bytes);
  }

  /** u32 length, then one byte per character. */
  key(key: Key): void {
    const at = this.#grow(4 + key.length);
    this.#buffer.writeUInt32LE(key.length, at);
    this.#buffer.write(key, at + 4, 'latin1');
  }

  /** Overwrites four bytes already written, for lengths known only afterwards. */
  patchU32(at: number, value: number): void {
    this.#buffer.writeUInt32LE(value >>> 0, at);
  }

  /** What was written, uncopied: valid until the next write or reset. */
  view(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  /** What was written, on memory that the writer gives up, of at most twice the size; the writer is empty then. */
  take(): Buffer {
    const written = this.view();
    const taken = 2 * written.length < this.#buffer.length ? Buffer.from(written) : written;
    this.#buffer = NOTHING;
    this.#length = 0;
    return taken;
  }

  reset(): void {
    this.#length = 0;
  }

  #grow(by: number): number {
    const at = this.#length;
    const wanted = at + by;
    if (wanted > this.#buffer.length) {
      // Behind something long there mostly comes something short.
      const larger = Buffer.allocUnsafe(Math.max(wanted + (wanted >>> 3), this.#buffer.length * 2));
      this.#buffer.copy(larger, 0, 0, at);
      this.#buffer = larger;
    }
    this.#length = wanted;
    return at;
  }
}

/** Reads primitives and never passes the end. What it returns of bytes are views, not copies. */
export class Reader {
  readonly buffer: Buffer;
  offset: number;
  readonly end: number;

  constructor(bytes: Uint8Array, offset = 0, end = bytes.length) {
    this.buffer = Buffer.isBuffer(bytes)
      ? bytes
      : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.offset = offset;
    this.end = end;
  }

  get left(): number {
    return this.end - this.offset;
  }

  u8(): number {
    const at = this.#advance(1);
    return this.buffer[at] as number;
  }

  u32(): number {
    return this.buffer.readUInt32LE(this.#advance(4));
  }

  i32(): number {
    return this.buffer.readInt32LE(this.#advance(4));
  }

  i64(): number {
    const at = this.#advance(8);
    const value = this.buffer.readUInt32LE(at) + this.buffer.readInt32LE(at + 4) * 0x1_0000_0000;
    if (!Number.isSafeInteger(value)) throw malformed(`64-bit number at byte ${at} is out of bounds`);
    return value;
  }

  f64(): number {
    return this.buffer.readDoubleLE(this.#advance(8));
  }

  bool(): boolean {
    const value = this.u8();
    if (value > 1) throw malformed(`boolean at byte ${this.offset - 1} is ${value}`);
    return value === 1;
  }

  raw(length: number): Buffer {
    const at = this.#advance(length);
    return this.buffer.subarray(at, at + length);
  }

  bytes(): Buffer {
    return this.raw(this.u32());
  }

  key(): Key {
    const length = this.u32();
    const at = this.#advance(length);
    return this.buffer.toString('latin1', at, at + length);
  }

  /** The next byte, which stays. */
  peek(): number {
    const byte = this.u8();
    this.offset -= 1;
    return byte;
  }

  /** Refuses what is left over. */
  finish(): void {
    if (this.offset !== this.end) throw malformed(`${this.end - this.offset} bytes left over`);
  }

  #advance(by: number): number {
    const at = this.offset;
    if (by > this.end - at) throw malformed(`${by} bytes wanted at byte ${at}, ${this.end - at} left`);
    this.offset = at + by;
    return at;
  }
}

/** The error for a frame that is not what it should be. */
export function malformed(why: string): NurseryError {
  return new NurseryError('MALFORMED', `malformed frame: ${why}`);
}

/** Both directions of one layout. */
export type Codec<T> = {
  // Methods, not properties: their parameters may vary both ways, so that a Codec<number> is a Codec<unknown>.
  write(writer: Writer, value: T): void;
  read(reader: Reader): T;
};

/** The type that a codec carries. */
export type Coded<C> = C extends Codec<infer T> ? T : never;

export const u8: Codec<number> = { write: (w, v) => w.u8(v), read: (r) => r.u8() };
export const u32: Codec<number> = { write: (w, v) => w.u32(v), read: (r) => r.u32() };
export const i64: Codec<number> = { write: (w, v) => w.i64(v), read: (r) => r.i64() };
export const f64: Codec<number> = { write: (w, v) => w.f64(v), read: (r) => r.f64() };
export const bool: Codec<boolean> = { write: (w, v) => w.u8(v ? 1 : 0), read: (r) => r.bool() };
/** A byte string as `Key`. */
export const key: Codec<Key> = { write: (w, v) => w.key(v), read: (r) => r.key() };
/** A byte string as a view into the frame. */
export const bytes: Codec<Uint8Array> = { write: (w, v) => w.bytes(v), read: (r) => r.bytes() };
/** Text, as UTF-8. */
export const text: Codec<string> = {
  write: (w, v) => w.bytes(Buffer.from(v, 'utf8')),
  read: (r) => r.bytes().toString('utf8'),
};
/** One of a closed set of words, as `text` writes it; reading any other is MALFORMED. */
export function oneOf<W extends string>(...words: readonly W[]): Codec<W> {
  return {
    write: text.write,
    read: (r) => {
      const word = text.read(r);
      const known = words.find((each) => each === word);
      if (known === undefined) throw malformed(`"${word}" is none of ${words.join(', ')}`);
      return known;
    },
  };
}
/** An unsigned 128-bit number. */
export const u128: Codec<bigint> = {
  write: (w, v) => {
    for (let shift = 0n; shift < 128n; shift += 32n) w.u32(Number((v >> shift) & 0xffff_ffffn));
  },
  read: (r) => {
    let value = 0n;
    for (let shift = 0n; shift < 128n; shift += 32n) value |= BigInt(r.u32()) << shift;
    return value;
  },
};

/** bool, then the value if true. */
export function option<T>(inner: Codec<T>): Codec<T | null> {
  return {
    write: (w, v) => {
      w.u8(v === null ? 0 : 1);
      if (v !== null) inner.write(w, v);
    },
    read: (r) => (r.bool() ? inner.read(r) : null),
  };
}

/** u32 count, then the elements. */
export function list<T>(inner: Codec<T>): Codec<T[]> {
  return {
    write: (w, v) => {
      w.u32(v.length);
      for (const element of v) inner.write(w, element);
    },
    read: (r) => {
      const count = r.u32();
      if (count > r.left + 1) throw malformed(`list of ${count} elements in ${r.left} bytes`);
      const elements: T[] = [];
      for (let i = 0; i < count; i += 1) elements.push(inner.read(r));
      return elements;
    },
  };
}

/** The fields in the order written here. */
export function struct<F extends Record<string, Codec<unknown>>>(
  fields: F,
): Codec<{ -readonly [K in keyof F]: Coded<F[K]> }> {
  type T = { -readonly [K in keyof F]: Coded<F[K]> };
  const entries = Object.entries(fields) as unknown as [keyof T, Codec<unknown>][];
  return {
    write: (w, v) => {
      for (const [name, codec] of entries) codec.write(w, v[name]);
    },
    read: (r) => {
      const value = {} as T;
      for (const [name, codec] of entries) value[name] = codec.read(r) as T[keyof T];
      return value;
    },
  };
}

/** A u8 tag, then the fields of that variant; the value carries its variant's name in `kind`. Tags are never reused. */
export function union<V extends Record<string, readonly [tag: number, codec: Codec<unknown>]>>(
  variants: V,
): Codec<{ [K in keyof V & string]: { kind: K } & Coded<V[K][1]> }[keyof V & string]> {
  type T = { [K in keyof V & string]: { kind: K } & Coded<V[K][1]> }[keyof V & string];
  const byTag = new Map<number, [string, Codec<unknown>]>();
  for (const [kind, [tag, codec]] of Object.entries(variants)) {
    invariant(!byTag.has(tag), 'a tag is used once', () => ({ tag, kind }));
    byTag.set(tag, [kind, codec as unknown as Codec<unknown>]);
  }
  return {
    write: (w, v) => {
      const [tag, codec] = variants[v.kind] as unknown as [number, Codec<unknown>];
      w.u8(tag);
      codec.write(w, v);
    },
    read: (r) => {
      const tag = r.u8();
      const variant = byTag.get(tag);
      if (variant === undefined) throw malformed(`unknown tag ${tag}`);
      const value = variant[1].read(r) as Record<string, unknown>;
      value['kind'] = variant[0];
      return value as unknown as T;
    },
  };
}

/** The bytes of `value`. */
export function encode<T>(codec: Codec<T>, value: T): Buffer {
  const writer = new Writer();
  codec.write(writer, value);
  return writer.take();
}

/**
 * The value that `frame` holds, all of it.
 *
 * @throws NurseryError MALFORMED where the frame is short, too long, or has an unknown tag
 */
export function decode<T>(codec: Codec<T>, frame: Uint8Array): T {
  const reader = new Reader(frame);
  const value = codec.read(reader);
  reader.finish();
  return value;
}
