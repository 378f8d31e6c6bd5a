/** What requests and updates are made of: each layout written once, for reading, writing, scanning, checking and naming. */
import type { Key } from '../../base/bytes.ts';
import { NurseryError } from '../../base/errors.ts';
import { USER_KEY_MAX, VALUE_MAX, whyTooLong } from '../../base/limits.ts';
import { type NodeAddress, nodeAddressCodec } from '../../identity/founding.ts';
import * as codec from '../../wire/codec.ts';
import { type Codec, malformed, type Reader, type Writer } from '../../wire/codec.ts';
import * as shape from '../../wire/shape.ts';
import type { Consistency, Interval } from './values.ts';

/** The keys and prefixes that something names, in the order written; a key may stand there twice. */
export type Named = { readonly keys: Key[]; readonly prefixes: Key[] };

/** One argument, or all of them. */
export type Argument<T> = {
  /** How far it reaches. */
  readonly shape: shape.Shape;
  // Methods, as in a Codec: their parameters may vary both ways.
  write(writer: Writer, value: T): void;
  read(reader: Reader): T;
  /** Why it cannot be stored; null where it can, or is not to be. */
  whyNot(value: T): string | null;
  /** Adds the keys and prefixes that it names. */
  name(value: T, named: Named): void;
};

/** The type that an argument carries. */
export type ValueOf<A> = A extends Argument<infer T> ? T : never;

/** Arguments by name, in the order in which they stand on the wire. */
export type Arguments = { readonly [name: string]: Argument<unknown> };

/** What arguments carry, by name. */
export type ValuesOf<A extends Arguments> = { readonly [N in keyof A]: ValueOf<A[N]> };

/** What follows the code of a request, or the kind of an update. */
export type Layout<V> = {
  readonly shape: shape.Shape;
  write(writer: Writer, values: V): void;
  /** The values and `kind`, in one object. */
  read<K extends string>(reader: Reader, kind: K): { readonly kind: K } & V;
  /**
   * As `read`, for what a client sent.
   *
   * @throws NurseryError BAD_INPUT where what is to be stored is too long
   */
  receive<K extends string>(reader: Reader, kind: K): { readonly kind: K } & V;
  whyNot(values: V): string | null;
  name(values: V, named: Named): void;
};

/** The layout of `args`, one after the other. */
export function layout<A extends Arguments>(args: A): Layout<ValuesOf<A>> {
  type V = ValuesOf<A>;
  const entries = Object.entries(args) as unknown as readonly [keyof V, Argument<unknown>][];
  return {
    shape: entries.flatMap(([, argument]) => argument.shape),
    write: (writer, values) => {
      for (const [name, argument] of entries) argument.write(writer, values[name]);
    },
    read: <K extends string>(reader: Reader, kind: K) => {
      const values = { kind } as Record<keyof V | 'kind', unknown>;
      for (const [name, argument] of entries) values[name] = argument.read(reader);
      return values as { readonly kind: K } & V;
    },
    receive: <K extends string>(reader: Reader, kind: K) => {
      const values = { kind } as Record<keyof V | 'kind', unknown>;
      for (const [name, argument] of entries) values[name] = received(argument, reader);
      return values as { readonly kind: K } & V;
    },
    whyNot: (values) => {
      for (const [name, argument] of entries) {
        const why = argument.whyNot(values[name]);
        if (why !== null) return why;
      }
      return null;
    },
    name: (values, named) => {
      for (const [name, argument] of entries) argument.name(values[name], named);
    },
  };
}

/** @throws NurseryError BAD_INPUT */
function received<T>(argument: Argument<T>, reader: Reader): T {
  const value = argument.read(reader);
  const why = argument.whyNot(value);
  if (why !== null) throw new NurseryError('BAD_INPUT', why);
  return value;
}

/** An argument that is not stored and names nothing. */
export function plain<T>(parts: shape.Shape, { write, read }: Codec<T>): Argument<T> {
  return { shape: parts, write, read, whyNot: () => null, name: () => undefined };
}

export const int = plain([shape.INT], codec.u32);
/** Of a number of elements: below 0 means all. */
export const count = plain<number>([shape.INT], { write: (w, v) => w.i32(v), read: (r) => r.i32() });
export const flag = plain([shape.BOOL], codec.bool);
export const text = plain([shape.STRING], codec.text);
/** A byte string that is stored nowhere. */
export const name = plain([shape.STRING], codec.key);
export const bytes = plain([shape.STRING], codec.bytes);
export const optionalBytes = plain([shape.OPTION], codec.option(codec.bytes));
/** A bound of a range; null where open. */
export const bound = plain([shape.OPTION], codec.option(codec.key));

export const storedKey: Argument<Key> = {
  ...name,
  whyNot: (key) => whyTooLong('key', key.length, USER_KEY_MAX),
  name: (key, { keys }) => {
    keys.push(key);
  },
};

export const storedPrefix: Argument<Key> = {
  ...storedKey,
  name: (prefix, { prefixes }) => {
    prefixes.push(prefix);
  },
};

export const storedKeys: Argument<readonly Key[]> = {
  shape: [shape.elements(shape.STRING)],
  write: (writer, keys) => {
    writer.u32(keys.length);
    for (const key of keys) writer.key(key);
  },
  read: (reader) => {
    const length = reader.u32();
    if (length > reader.left / 4) throw malformed(`list of ${length} keys in ${reader.left} bytes`);
    const keys: Key[] = [];
    for (let index = 0; index < length; index += 1) keys.push(reader.key());
    return keys;
  },
  whyNot: (keys) => {
    for (const key of keys) {
      const why = storedKey.whyNot(key);
      if (why !== null) return why;
    }
    return null;
  },
  name: (all, { keys }) => {
    for (const key of all) keys.push(key);
  },
};

export const storedValue: Argument<Uint8Array> = {
  ...bytes,
  whyNot: (value) => whyTooLong('value', value.length, VALUE_MAX),
};

/** A value, or null for none. */
export const storedOption: Argument<Uint8Array | null> = {
  ...optionalBytes,
  whyNot: (value) => (value === null ? null : storedValue.whyNot(value)),
};

const CONSISTENT: Consistency = { kind: 'consistent' };
const NO_GUARANTEES: Consistency = { kind: 'noGuarantees' };

export const consistency = plain<Consistency>([shape.CONSISTENCY], {
  write: (writer, value) => {
    if (value.kind !== 'atLeast') {
      writer.u8(value.kind === 'consistent' ? 0 : 1);
      return;
    }
    const { slot } = value;
    const isGreatest = slot >= 2 ** 63; // what the greatest int64 is rounded to
    writer.u8(2);
    writer.u32(isGreatest ? 0xffff_ffff : slot);
    writer.i32(isGreatest ? 0x7fff_ffff : Math.floor(slot / 0x1_0000_0000));
  },
  read: (reader) => {
    const kind = reader.u8();
    if (kind === 0) return CONSISTENT;
    if (kind === 1) return NO_GUARANTEES;
    if (kind !== 2) throw malformed(`no consistency is ${kind}`);
    const low = reader.u32();
    return { kind: 'atLeast', slot: reader.i32() * 0x1_0000_0000 + low };
  },
});

const intervalCodec: Codec<Interval> = codec.struct({
  publicBegin: codec.option(codec.key),
  publicEnd: codec.option(codec.key),
  privateBegin: codec.option(codec.key),
  privateEnd: codec.option(codec.key),
});
export const interval = plain([shape.OPTION, shape.OPTION, shape.OPTION, shape.OPTION], intervalCodec);

export const nodeAddresses = plain<readonly NodeAddress[]>(
  [shape.elements(shape.STRING, shape.elements(shape.STRING), shape.INT)],
  codec.list(nodeAddressCodec) as Codec<readonly NodeAddress[]>,
);
