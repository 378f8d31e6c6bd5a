/**
 * What clients are answered, as Arakoon's protocol has it: int return code; 0 is followed by the result, any other
 * by a message. Encoders are here, for servers; decoders, for clients, in
 * reply-decoders.ts.
 *
 * Lists are taken and returned in the order in which the caller of a client sees them. On the wire those of
 * range, prefixKeys, rangeEntries, revRangeEntries and multiGet stand the other way round, because Arakoon's clients
 * put each element they read in front of the ones before.
 */
import { type Key, keyToBytes } from '../../base/bytes.ts';
import { type ErrorCode, type NurseryError, RETURN_CODES } from '../../base/errors.ts';
import { Writer } from '../../wire/codec.ts';
import { type ClusterConfig, clusterConfigCodec, type Hint } from '../admin/admin.ts';
import { type RoutingPart, writeRouting } from './routing.ts';
import { type Field, STATISTICS_NAME, writeField } from './statistics.ts';
import type { Answer, Entry, Interval, Version } from './values.ts';

export * from './reply-decoders.ts';
export * from './values.ts';

/** Success without a result. */
export const OK: Answer = { bytes: Buffer.alloc(4), hint: null };

/** What a request without the magic is answered before the connection closes: no message follows this code. */
export const NO_MAGIC_REPLY: Uint8Array = Buffer.from([RETURN_CODES.NO_MAGIC, 0, 0, 0]);

/**
 * In place of a reply that is longer than its asker has room for now. Over a link it says just that; no client sees it,
 * since only who can wait for room asks so.
 */
export const TOO_LONG: Answer = {
  bytes: Buffer.from([RETURN_CODES.GOING_DOWN, 0, 0, 0, 0, 0, 0, 0]),
  hint: null,
};

const FALSE: Answer = { bytes: Buffer.alloc(5), hint: null };
const TRUE: Answer = { bytes: Buffer.from([0, 0, 0, 0, 1]), hint: null };
const NO_BYTES: Answer = FALSE; // an option that is not there looks like false

/** Success with a boolean. */
export function okBool(value: boolean): Answer {
  return value ? TRUE : FALSE;
}

/** Success with 32 bits. */
export function okInt(value: number): Answer {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32LE(value >>> 0, 4);
  return { bytes, hint: null };
}

/** Success with 64 bits. */
export function okInt64(value: number): Answer {
  const writer = beginOk(12);
  writer.i64(value);
  return endOk(writer);
}

/** Success with a string of bytes. */
export function okBytes(value: Uint8Array): Answer {
  const bytes = Buffer.allocUnsafe(8 + value.length);
  bytes.writeUInt32LE(0, 0);
  bytes.writeUInt32LE(value.length, 4);
  bytes.set(value, 8);
  return { bytes, hint: null };
}

/** Success with a string of bytes, or none. */
export function okOptionalBytes(value: Uint8Array | null): Answer {
  if (value === null) return NO_BYTES;
  const bytes = Buffer.allocUnsafe(9 + value.length);
  bytes.writeUInt32LE(0, 0);
  bytes[4] = 1;
  bytes.writeUInt32LE(value.length, 5);
  bytes.set(value, 9);
  return { bytes, hint: null };
}

/** Success with text: ping, current_state. */
export function okText(value: string): Answer {
  return okBytes(Buffer.from(value, 'utf8'));
}

/** Success with text, or none: who_master. */
export function okOptionalText(value: string | null): Answer {
  return okOptionalBytes(value === null ? null : Buffer.from(value, 'utf8'));
}

/** Success with keys: range and prefix_keys. `keys` ascend. */
export function okKeys(keys: readonly Key[]): Answer {
  const writer = beginOk(8 + keys.length * 24);
  writer.u32(keys.length);
  for (let index = keys.length - 1; index >= 0; index -= 1) writer.key(keys[index] as Key);
  return endOk(writer);
}

/** Success with entries that ascend: range_entries. */
export function okEntries(entries: readonly Entry[]): Answer {
  const writer = beginOk(8 + entries.length * 64);
  writer.u32(entries.length);
  for (let index = entries.length - 1; index >= 0; index -= 1) {
    const [key, value] = entries[index] as Entry;
    writer.key(key);
    writer.bytes(value);
  }
  return endOk(writer);
}

/** Success with entries that descend, as their client wants them: rev_range_entries. */
export function okRevEntries(entries: readonly Entry[]): Answer {
  return okEntries(entries); // the wire turns any order round
}

/** Success with values in the order of the request: multi_get. */
export function okMultiGet(values: readonly Uint8Array[]): Answer {
  const writer = beginOk(8 + values.length * 64);
  writer.u32(values.length);
  for (let index = values.length - 1; index >= 0; index -= 1) writer.bytes(values[index] as Uint8Array);
  return endOk(writer);
}

/** Success with a value or null for each key, in the order of the request, and so on the wire: multi_get_option. */
export function okMultiGetOptions(values: readonly (Uint8Array | null)[]): Answer {
  const writer = beginOk(8 + values.length * 64);
  writer.u32(values.length);
  for (const value of values) {
    writer.u8(value === null ? 0 : 1);
    if (value !== null) writer.bytes(value);
  }
  return endOk(writer);
}

/** Success with a version. `major` must be 1 for Arakoon's clients to go on. */
export function okVersion(version: Version): Answer {
  const writer = beginOk(64);
  writer.u32(version.major);
  writer.u32(version.minor);
  writer.u32(version.patch);
  writer.bytes(Buffer.from(version.text, 'utf8'));
  return endOk(writer);
}

/** Success with the stamp of an applied slot: get_txid. */
export function okTxid(slot: number): Answer {
  const writer = beginOk(13);
  writer.u8(2);
  writer.i64(slot);
  return endOk(writer);
}

/** Success with figures: statistics. */
export function okStatistics(fields: readonly Field[]): Answer {
  const inner = new Writer();
  writeField(inner, { kind: 'list', name: STATISTICS_NAME, value: fields });
  return okBytes(inner.take());
}

/** Success with a routing tree: get_routing. `parts`, at least one, are the entries of a map. */
export function okRouting(parts: readonly RoutingPart[]): Answer {
  const inner = new Writer();
  writeRouting(inner, parts);
  return okBytes(inner.take());
}

/** Success with a routing tree and the client configuration of each cluster: get_nursery_cfg. */
export function okNurseryConfig(parts: readonly RoutingPart[], clusters: readonly ClusterConfig[]): Answer {
  const inner = new Writer();
  writeRouting(inner, parts);
  inner.u32(clusters.length);
  for (const cluster of clusters) clusterConfigCodec.write(inner, cluster);
  return okBytes(inner.take());
}

/** Success with an interval: get_interval. */
export function okInterval(interval: Interval): Answer {
  const writer = beginOk(64);
  for (const bound of [
    interval.publicBegin,
    interval.publicEnd,
    interval.privateBegin,
    interval.privateEnd,
  ]) {
    writer.u8(bound === null ? 0 : 1);
    if (bound !== null) writer.key(bound);
  }
  return endOk(writer);
}

/** Success of collapse_tlogs: how long each step took (microseconds). */
export function okCollapse(stepsMicros: readonly number[]): Answer {
  const writer = beginOk(8 + stepsMicros.length * 12);
  writer.u32(stepsMicros.length);
  for (const micros of stepsMicros) {
    writer.u32(0);
    writer.i64(micros);
  }
  return endOk(writer);
}

/** A failure. `message` is what Arakoon would say: the master's name for NOT_MASTER, the key for NOT_FOUND. Sent as latin1 where it is a key. */
export function failure(code: keyof typeof RETURN_CODES, message: string, hint: Hint | null = null): Answer {
  // A key is latin1 and must come back as its bytes; other text that needs more is UTF-8.
  const text = isLatin1(message) ? keyToBytes(message) : Buffer.from(message, 'utf8');
  const bytes = Buffer.allocUnsafe(8 + text.length);
  bytes.writeUInt32LE(RETURN_CODES[code], 0);
  bytes.writeUInt32LE(text.length, 4);
  bytes.set(text, 8);
  return { bytes, hint };
}

type LocalCode = Exclude<ErrorCode, keyof typeof RETURN_CODES>;

/** The return code by which each failure of our own reaches a client. None promises more than the failure does. */
const WIRE_CODES: { readonly [C in LocalCode]: keyof typeof RETURN_CODES } = {
  RANGE_MOVING: 'OUT_OF_RANGE',
  UNREACHABLE: 'NOT_MASTER',
  TIMEOUT: 'MAYBE_APPLIED',
  MALFORMED: 'BAD_INPUT',
  CONFIG: 'NOT_SUPPORTED',
  FENCED: 'NOT_SUPPORTED',
  REFUSED: 'NOT_SUPPORTED',
  DISK_FULL: 'READ_ONLY',
  DAMAGED: 'UNKNOWN_FAILURE',
  SNAPSHOT_CLOSED: 'INCONSISTENT_READ', // a read that took too long; its image is gone
};

/** The reply that tells a client of `error`. */
export function failureOf(error: NurseryError, hint: Hint | null = null): Answer {
  const code = isReturnCode(error.code) ? error.code : WIRE_CODES[error.code];
  // Clients read the message of "not master" as the master's name.
  return failure(code, error.code === 'UNREACHABLE' ? 'None' : error.message, hint);
}

function beginOk(bytes: number): Writer {
  const writer = new Writer(bytes);
  writer.u32(RETURN_CODES.OK);
  return writer;
}

function endOk(writer: Writer): Answer {
  return { bytes: writer.take(), hint: null };
}

function isReturnCode(code: ErrorCode): code is Exclude<ErrorCode, LocalCode> {
  return code in RETURN_CODES;
}

function isLatin1(message: string): boolean {
  for (let index = 0; index < message.length; index += 1) {
    if (message.charCodeAt(index) > 0xff) return false;
  }
  return true;
}
