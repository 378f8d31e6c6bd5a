/** What a client can ask, as Arakoon's protocol has it. */
import { unreachable } from '../assert.ts';
import type { Key } from '../bytes.ts';
import { NurseryError } from '../errors.ts';
import { FRAME_MAX, UPDATE_MAX, USER_KEY_MAX } from '../limits.ts';
import type { AdminCommand, AdminQuery, NodeAddress } from './admin.ts';
import {
  ADMIN_COMMAND,
  ADMIN_QUERY,
  adminCommandCodec,
  adminQueryCodec,
  clusterConfigCodec,
  MAGIC,
} from './admin.ts';
import { malformed, Reader, Writer } from './codec.ts';
import * as shape from './shape.ts';
import { checkKey, checkSequence, checkValue, encodeUpdate, UPDATE_KINDS } from './updates.ts';

/** How fresh a read must be. `slot` counts in the cluster that is asked; above 2^53 it is rounded, as no slot is there. */
export type Consistency =
  | { readonly kind: 'consistent' }
  | { readonly kind: 'noGuarantees' }
  | { readonly kind: 'atLeast'; readonly slot: number };

/**
 * Bounds of a range request; null where open. `max` below 0 means all, 0 none. A decoded bound has at most
 * `USER_KEY_MAX` bytes: a longer one is replaced by one that parts the keys in the same way.
 */
export type RangeQuery = {
  readonly consistency: Consistency;
  readonly first: Key | null;
  readonly firstIncluded: boolean;
  readonly last: Key | null;
  readonly lastIncluded: boolean;
  readonly max: number;
};

/** What Arakoon's own migrator moves: the keys a cluster serves, and those it holds. Null where open. */
export type Interval = {
  readonly publicBegin: Key | null;
  readonly publicEnd: Key | null;
  readonly privateBegin: Key | null;
  readonly privateEnd: Key | null;
};

type KeyRead = { readonly consistency: Consistency; readonly key: Key };
type KeysRead = { readonly consistency: Consistency; readonly keys: readonly Key[] };
type Bytes = Uint8Array;

/** A decoded request. Byte arrays are views into the frame. */
export type Request =
  | { readonly kind: 'ping'; readonly client: string; readonly cluster: string }
  | { readonly kind: 'whoMaster' }
  | ({ readonly kind: 'exists' } & KeyRead)
  | ({ readonly kind: 'get' } & KeyRead)
  | { readonly kind: 'set'; readonly key: Key; readonly value: Bytes }
  | { readonly kind: 'delete'; readonly key: Key }
  | ({ readonly kind: 'range' } & RangeQuery)
  | {
      readonly kind: 'prefixKeys';
      readonly consistency: Consistency;
      readonly prefix: Key;
      readonly max: number;
    }
  | {
      readonly kind: 'testAndSet';
      readonly key: Key;
      readonly expected: Bytes | null;
      readonly wanted: Bytes | null;
    }
  | ({ readonly kind: 'rangeEntries' } & RangeQuery)
  /** `update` holds an encoded Sequence update (updates.ts); decoded by whoever needs its keys. */
  | { readonly kind: 'sequence'; readonly update: Bytes }
  | { readonly kind: 'syncedSequence'; readonly update: Bytes }
  | ({ readonly kind: 'multiGet' } & KeysRead)
  | ({ readonly kind: 'multiGetOption' } & KeysRead)
  | { readonly kind: 'expectProgressPossible' }
  | { readonly kind: 'statistics' }
  | { readonly kind: 'collapse'; readonly keep: number }
  | { readonly kind: 'userFunction'; readonly name: Key; readonly argument: Bytes | null }
  | {
      readonly kind: 'assert';
      readonly consistency: Consistency;
      readonly key: Key;
      readonly expected: Bytes | null;
    }
  | ({ readonly kind: 'assertExists' } & KeyRead)
  | { readonly kind: 'getKeyCount' }
  | { readonly kind: 'getDb' }
  | { readonly kind: 'confirm'; readonly key: Key; readonly value: Bytes }
  | { readonly kind: 'getFringe'; readonly boundary: Key | null; readonly direction: number }
  | { readonly kind: 'getInterval' }
  | { readonly kind: 'setInterval'; readonly interval: Interval }
  | { readonly kind: 'getRouting' }
  /** `routing` holds an encoded routing tree (routing.ts). */
  | { readonly kind: 'setRouting'; readonly routing: Bytes }
  | {
      readonly kind: 'setRoutingDelta';
      readonly left: Key;
      readonly separator: Key;
      readonly right: Key;
    }
  | { readonly kind: 'migrateRange'; readonly interval: Interval; readonly update: Bytes }
  | { readonly kind: 'setNurseryConfig'; readonly cluster: string; readonly nodes: readonly NodeAddress[] }
  | { readonly kind: 'getNurseryConfig' }
  /** `first` is the high end, `last` the low one. */
  | ({ readonly kind: 'revRangeEntries' } & RangeQuery)
  | { readonly kind: 'optimizeDb' }
  | { readonly kind: 'defragDb' }
  | { readonly kind: 'deletePrefix'; readonly prefix: Key }
  | { readonly kind: 'version' }
  | { readonly kind: 'dropMaster' }
  | { readonly kind: 'currentState' }
  | { readonly kind: 'replace'; readonly key: Key; readonly wanted: Bytes | null }
  | { readonly kind: 'nop' }
  | { readonly kind: 'flushStore' }
  | { readonly kind: 'getTxid' }
  | { readonly kind: 'copyDbToHead'; readonly keep: number }
  | { readonly kind: 'userHook'; readonly consistency: Consistency; readonly name: Key }
  /** Over links only. */
  | { readonly kind: 'adminCommand'; readonly command: AdminCommand }
  | { readonly kind: 'adminQuery'; readonly query: AdminQuery };

/** The low half of each request's first int. A kind without a code does not compile. */
export const REQUEST_CODES = {
  ping: 0x01,
  whoMaster: 0x02,
  exists: 0x07,
  get: 0x08,
  set: 0x09,
  delete: 0x0a,
  range: 0x0b,
  prefixKeys: 0x0c,
  testAndSet: 0x0d,
  rangeEntries: 0x0f,
  sequence: 0x10,
  multiGet: 0x11,
  expectProgressPossible: 0x12,
  statistics: 0x13,
  collapse: 0x14,
  userFunction: 0x15,
  assert: 0x16,
  setInterval: 0x17,
  getRouting: 0x18,
  setRouting: 0x19,
  getKeyCount: 0x1a,
  getDb: 0x1b,
  confirm: 0x1c,
  getFringe: 0x1d,
  getInterval: 0x1e,
  setNurseryConfig: 0x1f,
  getNurseryConfig: 0x20,
  setRoutingDelta: 0x21,
  migrateRange: 0x22,
  revRangeEntries: 0x23,
  syncedSequence: 0x24,
  optimizeDb: 0x25,
  defragDb: 0x26,
  deletePrefix: 0x27,
  version: 0x28,
  assertExists: 0x29,
  dropMaster: 0x30,
  multiGetOption: 0x31,
  currentState: 0x32,
  replace: 0x33,
  nop: 0x41,
  flushStore: 0x42,
  getTxid: 0x43,
  copyDbToHead: 0x44,
  userHook: 0x45,
  adminCommand: ADMIN_COMMAND,
  adminQuery: ADMIN_QUERY,
} as const satisfies { readonly [K in Request['kind']]: number };

/** First int of a connection; int version and string cluster id follow. */
export const PROLOGUE_MAGIC = MAGIC;
/** The only version of the protocol there is. */
export const PROLOGUE_VERSION = 1;

const { BOOL, INT, STRING, OPTION, CONSISTENCY } = shape;
const BOUNDS = [CONSISTENCY, OPTION, BOOL, OPTION, BOOL, INT] as const;
const INTERVAL = [OPTION, OPTION, OPTION, OPTION] as const;

/** What follows the first int. Admin requests have no shape: links delimit them, and TCP does not offer them. */
const SHAPES: { readonly [K in Exclude<Request['kind'], 'adminCommand' | 'adminQuery'>]: shape.Shape } = {
  ping: [STRING, STRING],
  whoMaster: [],
  exists: [CONSISTENCY, STRING],
  get: [CONSISTENCY, STRING],
  set: [STRING, STRING],
  delete: [STRING],
  range: BOUNDS,
  prefixKeys: [CONSISTENCY, STRING, INT],
  testAndSet: [STRING, OPTION, OPTION],
  rangeEntries: BOUNDS,
  sequence: [STRING],
  multiGet: [CONSISTENCY, shape.elements(STRING)],
  expectProgressPossible: [],
  statistics: [],
  collapse: [INT],
  userFunction: [STRING, OPTION],
  assert: [CONSISTENCY, STRING, OPTION],
  setInterval: INTERVAL,
  getRouting: [],
  setRouting: [STRING],
  getKeyCount: [],
  getDb: [],
  confirm: [STRING, STRING],
  getFringe: [OPTION, INT],
  getInterval: [],
  setNurseryConfig: [STRING, shape.elements(STRING, shape.elements(STRING), INT)],
  getNurseryConfig: [],
  setRoutingDelta: [STRING, STRING, STRING],
  migrateRange: [...INTERVAL, STRING],
  revRangeEntries: BOUNDS,
  syncedSequence: [STRING],
  optimizeDb: [],
  defragDb: [],
  deletePrefix: [STRING],
  version: [],
  assertExists: [CONSISTENCY, STRING],
  dropMaster: [],
  multiGetOption: [CONSISTENCY, shape.elements(STRING)],
  currentState: [],
  replace: [STRING, OPTION],
  nop: [],
  flushStore: [],
  getTxid: [],
  copyDbToHead: [INT],
  userHook: [CONSISTENCY, STRING],
};

/** By code, for speed: shape and name. */
const SHAPE_OF: (shape.Shape | undefined)[] = [];
const KIND_OF: (Request['kind'] | undefined)[] = [];
for (const [kind, code] of Object.entries(REQUEST_CODES)) {
  KIND_OF[code] = kind as Request['kind'];
  SHAPE_OF[code] = SHAPES[kind as keyof typeof SHAPES];
}

const CONSISTENT: Consistency = { kind: 'consistent' };
const NO_GUARANTEES: Consistency = { kind: 'noGuarantees' };

/** Where a request ends, or how much of it is wanted. */
export type ScannedRequest =
  | { readonly kind: 'complete'; readonly end: number; readonly code: number }
  | shape.Wanting;

/**
 * How far the request that begins at `offset` reaches, from its lengths alone. `need` counts from `offset`, and
 * asks for all that is known to come, so that a big value is not scanned again with each packet.
 *
 * Keys and values above their own limits pass, as long as the whole request is within `FRAME_MAX`: it is read
 * completely, `decodeRequest` refuses it, and the connection is in step. What is thrown here leaves it out of step,
 * except an `OversizedError` that knows `messageBytes`.
 *
 * @throws NurseryError NO_MAGIC; NOT_SUPPORTED for an unknown code, or one for links only
 * @throws OversizedError BAD_INPUT as soon as the lengths announce more than `FRAME_MAX`
 */
export function scanRequest(buffer: Buffer, offset: number, end: number): ScannedRequest {
  if (end - offset < 4) return { kind: 'need', bytes: 4 };
  const code = codeAt(buffer, offset);
  const parts = SHAPE_OF[code];
  if (parts === undefined) throw unknownCode(code);
  const extent = { begin: offset, bytesMax: FRAME_MAX, refusal: 'BAD_INPUT' } as const;
  const reached = shape.scanShape(buffer, offset + 4, end, parts, extent);
  if (reached < 0) return { kind: 'need', bytes: -reached - offset };
  return { kind: 'complete', end: reached, code };
}

/**
 * The request that `frame` holds: exactly one, magic included.
 *
 * @throws NurseryError NO_MAGIC; NOT_SUPPORTED for an unknown code; BAD_INPUT where the bytes are not what they should
 *   be, or a key, a value or an update is above its limit (the message says limit and size)
 */
export function decodeRequest(frame: Uint8Array): Request {
  if (frame.length < 4) throw new NurseryError('BAD_INPUT', `a request of ${frame.length} bytes`);
  try {
    const reader = new Reader(frame, 4);
    const code = codeAt(reader.buffer, 0);
    const request = readRequest(reader, code);
    reader.finish();
    if (frame.length > UPDATE_MAX && isUpdate(request)) {
      const message = `update of ${frame.length} bytes: the limit is ${UPDATE_MAX} bytes`;
      throw new NurseryError('BAD_INPUT', message);
    }
    return request;
  } catch (error) {
    if (!(error instanceof NurseryError) || error.code !== 'MALFORMED') throw error;
    throw new NurseryError('BAD_INPUT', error.message, { cause: error });
  }
}

/** What a client calls the request with this code: Arakoon's names, for messages and statistics. */
export function requestName(code: number): string {
  const kind = KIND_OF[code];
  if (kind === undefined) return `0x${code.toString(16).padStart(2, '0')}`;
  return kind.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** The code of a frame's request, or of no request where the magic is missing. */
export function requestCode(frame: Uint8Array): number {
  return (frame[0] as number) | ((frame[1] as number) << 8);
}

/** Whether the request goes through the log. */
export function isUpdate(request: Request): boolean {
  switch (request.kind) {
    case 'set':
    case 'delete':
    case 'testAndSet':
    case 'sequence':
    case 'syncedSequence':
    case 'userFunction':
    case 'confirm':
    case 'deletePrefix':
    case 'replace':
    case 'nop':
    case 'setNurseryConfig':
    case 'adminCommand':
      return true;
    default:
      return false;
  }
}

/**
 * The update to log for `request`, encoded, which came as `frame`; null for what does not go through the log.
 * Always a copy: frames are reused.
 *
 * @throws NurseryError BAD_INPUT where a sequence does not hold what it should
 */
export function updateOf(request: Request, frame: Uint8Array): Uint8Array | null {
  switch (request.kind) {
    // The arguments of these requests are those of the update.
    case 'set':
    case 'delete':
    case 'testAndSet':
    case 'userFunction':
    case 'confirm':
    case 'deletePrefix':
    case 'replace':
    case 'nop':
      return withKind(UPDATE_KINDS[request.kind], frame);
    case 'adminCommand':
      return withKind(UPDATE_KINDS.admin, frame);
    case 'sequence':
    case 'syncedSequence':
      checkSequence(request.update);
      return withKind(UPDATE_KINDS[request.kind], request.update);
    case 'setNurseryConfig':
      return encodeUpdate({
        kind: 'admin',
        command: { kind: 'setClusterConfig', cluster: request.cluster, nodes: [...request.nodes] },
      });
    default:
      return null;
  }
}

/** The bytes of `request`, magic included. */
export function encodeRequest(request: Request): Buffer {
  if (request.kind === 'set') return encodeSet(request.key, request.value);
  const writer = new Writer();
  writer.u32(MAGIC | REQUEST_CODES[request.kind]);
  writeArguments(writer, request);
  return writer.take();
}

/** What a client sends first on a connection. */
export function encodePrologue(cluster: string): Buffer {
  const writer = new Writer();
  writer.u32(PROLOGUE_MAGIC);
  writer.u32(PROLOGUE_VERSION);
  writer.bytes(Buffer.from(cluster, 'utf8'));
  return writer.take();
}

/** The code in the first int. */
function codeAt(buffer: Buffer, offset: number): number {
  if (buffer[offset + 3] !== 0xb1 || buffer[offset + 2] !== 0xff) {
    throw new NurseryError('NO_MAGIC', 'a request begins with 0xb1ff0000 | code');
  }
  return (buffer[offset] as number) | ((buffer[offset + 1] as number) << 8);
}

function unknownCode(code: number): NurseryError {
  return new NurseryError('NOT_SUPPORTED', `request ${requestName(code)} is not served here`);
}

function readRequest(reader: Reader, code: number): Request {
  switch (code) {
    case REQUEST_CODES.get:
      return { kind: 'get', consistency: readConsistency(reader), key: readKey(reader) };
    case REQUEST_CODES.set:
      return { kind: 'set', key: readKey(reader), value: readValue(reader) };
    case REQUEST_CODES.exists:
      return { kind: 'exists', consistency: readConsistency(reader), key: readKey(reader) };
    case REQUEST_CODES.delete:
      return { kind: 'delete', key: readKey(reader) };
    case REQUEST_CODES.testAndSet:
      return {
        kind: 'testAndSet',
        key: readKey(reader),
        expected: readOption(reader),
        wanted: readOptionalValue(reader),
      };
    case REQUEST_CODES.replace:
      return { kind: 'replace', key: readKey(reader), wanted: readOptionalValue(reader) };
    case REQUEST_CODES.confirm:
      return { kind: 'confirm', key: readKey(reader), value: readValue(reader) };
    case REQUEST_CODES.sequence:
      return { kind: 'sequence', update: reader.bytes() };
    case REQUEST_CODES.syncedSequence:
      return { kind: 'syncedSequence', update: reader.bytes() };
    case REQUEST_CODES.multiGet:
      return { kind: 'multiGet', consistency: readConsistency(reader), keys: readKeys(reader) };
    case REQUEST_CODES.multiGetOption:
      return { kind: 'multiGetOption', consistency: readConsistency(reader), keys: readKeys(reader) };
    case REQUEST_CODES.range:
      return { kind: 'range', ...readBounds(reader, false) };
    case REQUEST_CODES.rangeEntries:
      return { kind: 'rangeEntries', ...readBounds(reader, false) };
    case REQUEST_CODES.revRangeEntries:
      return { kind: 'revRangeEntries', ...readBounds(reader, true) };
    case REQUEST_CODES.prefixKeys:
      return {
        kind: 'prefixKeys',
        consistency: readConsistency(reader),
        prefix: readKey(reader),
        max: reader.i32(),
      };
    case REQUEST_CODES.deletePrefix:
      return { kind: 'deletePrefix', prefix: readKey(reader) };
    case REQUEST_CODES.assert:
      return {
        kind: 'assert',
        consistency: readConsistency(reader),
        key: readKey(reader),
        expected: readOption(reader),
      };
    case REQUEST_CODES.assertExists:
      return { kind: 'assertExists', consistency: readConsistency(reader), key: readKey(reader) };
    case REQUEST_CODES.userFunction:
      return { kind: 'userFunction', name: reader.key(), argument: readOption(reader) };
    case REQUEST_CODES.userHook:
      return { kind: 'userHook', consistency: readConsistency(reader), name: reader.key() };
    default:
      return readRare(reader, code);
  }
}

/** Requests of administration, and those without arguments. */
function readRare(reader: Reader, code: number): Request {
  switch (code) {
    case REQUEST_CODES.ping:
      return { kind: 'ping', client: readText(reader), cluster: readText(reader) };
    case REQUEST_CODES.collapse:
      return { kind: 'collapse', keep: reader.u32() };
    case REQUEST_CODES.copyDbToHead:
      return { kind: 'copyDbToHead', keep: reader.u32() };
    case REQUEST_CODES.getFringe:
      return { kind: 'getFringe', boundary: readBound(reader), direction: reader.u32() };
    case REQUEST_CODES.setInterval:
      return { kind: 'setInterval', interval: readInterval(reader) };
    case REQUEST_CODES.setRouting:
      return { kind: 'setRouting', routing: reader.bytes() };
    case REQUEST_CODES.setRoutingDelta:
      return {
        kind: 'setRoutingDelta',
        left: reader.key(),
        separator: reader.key(),
        right: reader.key(),
      };
    case REQUEST_CODES.migrateRange:
      return { kind: 'migrateRange', interval: readInterval(reader), update: reader.bytes() };
    case REQUEST_CODES.setNurseryConfig:
      return { kind: 'setNurseryConfig', ...clusterConfigCodec.read(reader) };
    case REQUEST_CODES.adminCommand:
      return { kind: 'adminCommand', command: adminCommandCodec.read(reader) };
    case REQUEST_CODES.adminQuery:
      return { kind: 'adminQuery', query: adminQueryCodec.read(reader) };
    case REQUEST_CODES.whoMaster:
    case REQUEST_CODES.expectProgressPossible:
    case REQUEST_CODES.statistics:
    case REQUEST_CODES.getRouting:
    case REQUEST_CODES.getKeyCount:
    case REQUEST_CODES.getDb:
    case REQUEST_CODES.getInterval:
    case REQUEST_CODES.getNurseryConfig:
    case REQUEST_CODES.optimizeDb:
    case REQUEST_CODES.defragDb:
    case REQUEST_CODES.version:
    case REQUEST_CODES.dropMaster:
    case REQUEST_CODES.currentState:
    case REQUEST_CODES.nop:
    case REQUEST_CODES.flushStore:
    case REQUEST_CODES.getTxid:
      return { kind: KIND_OF[code] } as Request;
    default:
      throw unknownCode(code);
  }
}

function readKey(reader: Reader): Key {
  const key = reader.key();
  checkKey(key);
  return key;
}

function readValue(reader: Reader): Buffer {
  const value = reader.bytes();
  checkValue(value);
  return value;
}

function readOptionalValue(reader: Reader): Buffer | null {
  const value = readOption(reader);
  checkValue(value);
  return value;
}

function readOption(reader: Reader): Buffer | null {
  return reader.bool() ? reader.bytes() : null;
}

function readBound(reader: Reader): Key | null {
  return reader.bool() ? reader.key() : null;
}

function readText(reader: Reader): string {
  return reader.bytes().toString('utf8');
}

function readKeys(reader: Reader): Key[] {
  const count = reader.u32();
  if (count > reader.left / 4) throw malformed(`list of ${count} keys in ${reader.left} bytes`);
  const keys: Key[] = [];
  for (let index = 0; index < count; index += 1) keys.push(readKey(reader));
  return keys;
}

function readConsistency(reader: Reader): Consistency {
  const kind = reader.u8();
  if (kind === 0) return CONSISTENT;
  if (kind === 1) return NO_GUARANTEES;
  if (kind !== 2) throw malformed(`no consistency is ${kind}`);
  const low = reader.u32();
  return { kind: 'atLeast', slot: reader.i32() * 0x1_0000_0000 + low };
}

/** `first` is the low end, or the high one where `descending`. */
function readBounds(reader: Reader, descending: boolean): RangeQuery {
  const consistency = readConsistency(reader);
  const first = readBound(reader);
  const firstIncluded = reader.bool();
  const last = readBound(reader);
  const lastIncluded = reader.bool();
  const max = reader.i32();
  return {
    consistency,
    first: shorten(first),
    firstIncluded: isLong(first) ? descending : firstIncluded,
    last: shorten(last),
    lastIncluded: isLong(last) ? !descending : lastIncluded,
    max,
  };
}

/**
 * No key is as long as a long bound, so none equals it; a key lies below it exactly where it is at most the bound's
 * beginning. Such bounds are honest: the successor of a key of greatest length is one.
 */
function isLong(bound: Key | null): boolean {
  return bound !== null && bound.length > USER_KEY_MAX;
}

function shorten(bound: Key | null): Key | null {
  return bound !== null && isLong(bound) ? bound.slice(0, USER_KEY_MAX) : bound;
}

function readInterval(reader: Reader): Interval {
  return {
    publicBegin: readBound(reader),
    publicEnd: readBound(reader),
    privateBegin: readBound(reader),
    privateEnd: readBound(reader),
  };
}

/** A copy of `bytes` that begins with the int `kind`. */
function withKind(kind: number, bytes: Uint8Array): Buffer {
  const copy = Buffer.allocUnsafe(bytes.length);
  copy.set(bytes);
  copy.writeUInt32LE(kind, 0);
  return copy;
}

function encodeSet(key: Key, value: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(12 + key.length + value.length);
  frame.writeUInt32LE((MAGIC | REQUEST_CODES.set) >>> 0, 0);
  frame.writeUInt32LE(key.length, 4);
  frame.write(key, 8, 'latin1');
  frame.writeUInt32LE(value.length, 8 + key.length);
  frame.set(value, 12 + key.length);
  return frame;
}

function writeArguments(writer: Writer, request: Request): void {
  switch (request.kind) {
    case 'ping':
      writeText(writer, request.client);
      writeText(writer, request.cluster);
      return;
    case 'exists':
    case 'get':
    case 'assertExists':
      writeConsistency(writer, request.consistency);
      writer.key(request.key);
      return;
    case 'set':
    case 'confirm':
      writer.key(request.key);
      writer.bytes(request.value);
      return;
    case 'delete':
      writer.key(request.key);
      return;
    case 'range':
    case 'rangeEntries':
    case 'revRangeEntries':
      writeBounds(writer, request);
      return;
    case 'prefixKeys':
      writeConsistency(writer, request.consistency);
      writer.key(request.prefix);
      writer.i32(request.max);
      return;
    case 'testAndSet':
      writer.key(request.key);
      writeOption(writer, request.expected);
      writeOption(writer, request.wanted);
      return;
    case 'sequence':
    case 'syncedSequence':
      writer.bytes(request.update);
      return;
    case 'multiGet':
    case 'multiGetOption':
      writeConsistency(writer, request.consistency);
      writer.u32(request.keys.length);
      for (const key of request.keys) writer.key(key);
      return;
    case 'collapse':
    case 'copyDbToHead':
      writer.u32(request.keep);
      return;
    case 'userFunction':
      writer.key(request.name);
      writeOption(writer, request.argument);
      return;
    case 'assert':
      writeConsistency(writer, request.consistency);
      writer.key(request.key);
      writeOption(writer, request.expected);
      return;
    case 'deletePrefix':
      writer.key(request.prefix);
      return;
    case 'replace':
      writer.key(request.key);
      writeOption(writer, request.wanted);
      return;
    case 'userHook':
      writeConsistency(writer, request.consistency);
      writer.key(request.name);
      return;
    default:
      writeRare(writer, request);
  }
}

type RareRequest = Exclude<
  Request,
  {
    kind:
      | 'ping'
      | 'exists'
      | 'get'
      | 'assertExists'
      | 'set'
      | 'confirm'
      | 'delete'
      | 'range'
      | 'rangeEntries'
      | 'revRangeEntries'
      | 'prefixKeys'
      | 'testAndSet'
      | 'sequence'
      | 'syncedSequence'
      | 'multiGet'
      | 'multiGetOption'
      | 'collapse'
      | 'copyDbToHead'
      | 'userFunction'
      | 'assert'
      | 'deletePrefix'
      | 'replace'
      | 'userHook';
  }
>;

function writeRare(writer: Writer, request: RareRequest): void {
  switch (request.kind) {
    case 'getFringe':
      writeBound(writer, request.boundary);
      writer.u32(request.direction);
      return;
    case 'setInterval':
      writeInterval(writer, request.interval);
      return;
    case 'setRouting':
      writer.bytes(request.routing);
      return;
    case 'setRoutingDelta':
      writer.key(request.left);
      writer.key(request.separator);
      writer.key(request.right);
      return;
    case 'migrateRange':
      writeInterval(writer, request.interval);
      writer.bytes(request.update);
      return;
    case 'setNurseryConfig':
      clusterConfigCodec.write(writer, { cluster: request.cluster, nodes: [...request.nodes] });
      return;
    case 'adminCommand':
      adminCommandCodec.write(writer, request.command);
      return;
    case 'adminQuery':
      adminQueryCodec.write(writer, request.query);
      return;
    case 'whoMaster':
    case 'expectProgressPossible':
    case 'statistics':
    case 'getRouting':
    case 'getKeyCount':
    case 'getDb':
    case 'getInterval':
    case 'getNurseryConfig':
    case 'optimizeDb':
    case 'defragDb':
    case 'version':
    case 'dropMaster':
    case 'currentState':
    case 'nop':
    case 'flushStore':
    case 'getTxid':
      return;
    default:
      unreachable(request);
  }
}

function writeText(writer: Writer, text: string): void {
  writer.bytes(Buffer.from(text, 'utf8'));
}

function writeOption(writer: Writer, value: Uint8Array | null): void {
  writer.u8(value === null ? 0 : 1);
  if (value !== null) writer.bytes(value);
}

function writeBound(writer: Writer, bound: Key | null): void {
  writer.u8(bound === null ? 0 : 1);
  if (bound !== null) writer.key(bound);
}

function writeConsistency(writer: Writer, consistency: Consistency): void {
  if (consistency.kind === 'consistent') writer.u8(0);
  else if (consistency.kind === 'noGuarantees') writer.u8(1);
  else {
    const { slot } = consistency;
    const isGreatest = slot >= 2 ** 63; // what the greatest int64 is rounded to
    writer.u8(2);
    writer.u32(isGreatest ? 0xffff_ffff : slot);
    writer.i32(isGreatest ? 0x7fff_ffff : Math.floor(slot / 0x1_0000_0000));
  }
}

function writeBounds(writer: Writer, query: RangeQuery): void {
  writeConsistency(writer, query.consistency);
  writeBound(writer, query.first);
  writer.u8(query.firstIncluded ? 1 : 0);
  writeBound(writer, query.last);
  writer.u8(query.lastIncluded ? 1 : 0);
  writer.i32(query.max);
}

function writeInterval(writer: Writer, interval: Interval): void {
  writeBound(writer, interval.publicBegin);
  writeBound(writer, interval.publicEnd);
  writeBound(writer, interval.privateBegin);
  writeBound(writer, interval.privateEnd);
}
