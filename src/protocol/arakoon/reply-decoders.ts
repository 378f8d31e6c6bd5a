/**
 * What clients read in replies. All take a whole reply, and throw what it says where it is not a success. Lists
 * come in the order that the caller of a client expects (replies.ts).
 */
import type { Key } from '../../base/bytes.ts';
import { errorFromReturnCode, RETURN_CODES } from '../../base/errors.ts';
import { malformed, Reader } from '../../wire/codec.ts';
import { type ClusterConfig, clusterConfigCodec } from '../admin/admin.ts';
import { type RoutingPart, readRouting } from './routing.ts';
import { type Field, readField, STATISTICS_NAME } from './statistics.ts';
import {
  type Consistency,
  type Entry,
  type Interval,
  messageOf,
  RETURN_CODE_BYTES,
  returnCodeOf,
  type Version,
} from './values.ts';

/** @throws NurseryError what the reply says, where it is not a success */
export function decodeVoid(reply: Uint8Array): void {
  beginReply(reply).finish();
}

export function decodeBool(reply: Uint8Array): boolean {
  const reader = beginReply(reply);
  const value = reader.u8() !== 0; // as lenient as Arakoon's client
  reader.finish();
  return value;
}

export function decodeInt(reply: Uint8Array): number {
  return readAll(reply, (reader) => reader.u32());
}

export function decodeInt64(reply: Uint8Array): number {
  return readAll(reply, (reader) => reader.i64());
}

/** A view into the reply. */
export function decodeBytes(reply: Uint8Array): Uint8Array {
  const reader = beginReply(reply);
  const value = reader.bytes();
  reader.finish();
  return value;
}

/** A view into the reply, or null. */
export function decodeOptionalBytes(reply: Uint8Array): Uint8Array | null {
  const reader = beginReply(reply);
  const value = readOption(reader);
  reader.finish();
  return value;
}

export function decodeText(reply: Uint8Array): string {
  return Buffer.from(decodeBytes(reply)).toString('utf8');
}

export function decodeOptionalText(reply: Uint8Array): string | null {
  const value = decodeOptionalBytes(reply);
  return value === null ? null : Buffer.from(value).toString('utf8');
}

/** Keys, ascending. */
export function decodeKeys(reply: Uint8Array): Key[] {
  return readAll(reply, (reader) => readList(reader, 4, () => reader.key()).reverse());
}

/** Entries, ascending; values are views into the reply. */
export function decodeEntries(reply: Uint8Array): Entry[] {
  return readAll(reply, (reader) =>
    readList(reader, 8, (): Entry => [reader.key(), reader.bytes()]).reverse(),
  );
}

/** Entries, descending; values are views into the reply. */
export function decodeRevEntries(reply: Uint8Array): Entry[] {
  return decodeEntries(reply);
}

/** Values in the order of the request; views into the reply. */
export function decodeMultiGet(reply: Uint8Array): Uint8Array[] {
  return readAll(reply, (reader) => readList(reader, 4, () => reader.bytes()).reverse());
}

/** Values in the order of the request, null where there is none; views into the reply. */
export function decodeMultiGetOptions(reply: Uint8Array): (Uint8Array | null)[] {
  return readAll(reply, (reader) => readList(reader, 1, () => readOption(reader)));
}

export function decodeVersion(reply: Uint8Array): Version {
  return readAll(reply, (reader) => ({
    major: reader.u32(),
    minor: reader.u32(),
    patch: reader.u32(),
    text: reader.bytes().toString('utf8'),
  }));
}

/** A stamp that a later read at another node of the same cluster can ask for. */
export function decodeTxid(reply: Uint8Array): Consistency {
  return readAll(reply, (reader) => {
    const kind = reader.u8();
    if (kind === 0) return { kind: 'consistent' };
    if (kind === 1) return { kind: 'noGuarantees' };
    if (kind === 2) return { kind: 'atLeast', slot: reader.i64() };
    throw malformed(`no consistency is ${kind}`);
  });
}

export function decodeStatistics(reply: Uint8Array): readonly Field[] {
  return readInner(reply, (reader) => {
    const root = readField(reader);
    if (root.kind !== 'list' || root.name !== STATISTICS_NAME) {
      throw malformed(`statistics are a list named ${STATISTICS_NAME}, not ${root.kind} ${root.name}`);
    }
    return root.value;
  });
}

export function decodeRouting(reply: Uint8Array): RoutingPart[] {
  return readInner(reply, readRouting);
}

export function decodeNurseryConfig(reply: Uint8Array): {
  readonly parts: RoutingPart[];
  readonly clusters: ClusterConfig[];
} {
  return readInner(reply, (reader) => ({
    parts: readRouting(reader),
    clusters: readList(reader, 8, () => clusterConfigCodec.read(reader)),
  }));
}

export function decodeInterval(reply: Uint8Array): Interval {
  const bound = (reader: Reader): Key | null => (reader.bool() ? reader.key() : null);
  return readAll(reply, (reader) => ({
    publicBegin: bound(reader),
    publicEnd: bound(reader),
    privateBegin: bound(reader),
    privateEnd: bound(reader),
  }));
}

/** How long each step of a collapse took (microseconds). */
export function decodeCollapse(reply: Uint8Array): number[] {
  return readAll(reply, (reader) =>
    readList(reader, 12, () => {
      reader.u32();
      return reader.i64();
    }),
  );
}

/** A reader behind return code 0. */
function beginReply(reply: Uint8Array): Reader {
  const returnCode = returnCodeOf(reply);
  if (returnCode === RETURN_CODES.OK) return new Reader(reply, RETURN_CODE_BYTES);
  const isBare = returnCode === RETURN_CODES.NO_MAGIC && reply.length === RETURN_CODE_BYTES;
  throw errorFromReturnCode(returnCode, isBare ? '' : messageOf(reply).toString('utf8'));
}

function readAll<T>(reply: Uint8Array, read: (reader: Reader) => T): T {
  const reader = beginReply(reply);
  const value = read(reader);
  reader.finish();
  return value;
}

/** What is packed into a string of its own. */
function readInner<T>(reply: Uint8Array, read: (reader: Reader) => T): T {
  const reader = new Reader(decodeBytes(reply));
  const value = read(reader);
  reader.finish();
  return value;
}

function readList<T>(reader: Reader, leastBytes: number, read: () => T): T[] {
  const count = reader.u32();
  if (count * leastBytes > reader.left) throw malformed(`list of ${count} elements in ${reader.left} bytes`);
  const list: T[] = [];
  for (let index = 0; index < count; index += 1) list.push(read());
  return list;
}

function readOption(reader: Reader): Buffer | null {
  return reader.u8() !== 0 ? reader.bytes() : null;
}
