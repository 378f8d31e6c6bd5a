/** Reads the arguments of requests. */
import type { Key } from '../../base/bytes.ts';
import { NurseryError } from '../../base/errors.ts';
import { USER_KEY_MAX, VALUE_MAX, whyTooLong } from '../../base/limits.ts';
import { malformed, type Reader } from '../../wire/codec.ts';
import { adminCommandCodec, adminQueryCodec, clusterConfigCodec } from '../admin/admin.ts';
import { kindOfCode, REQUEST_CODES, type Request, unknownCode } from './request-kinds.ts';
import { readRun } from './run.ts';
import type { Consistency, Interval, RangeQuery } from './values.ts';

const CONSISTENT: Consistency = { kind: 'consistent' };
const NO_GUARANTEES: Consistency = { kind: 'noGuarantees' };

/**
 * Reads the arguments of the request with this code.
 *
 * @throws NurseryError MALFORMED, NOT_SUPPORTED, or BAD_INPUT where a key or value is above its limit
 */
export function readRequest(reader: Reader, code: number): Request {
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

/** Requests of administration. */
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
    case REQUEST_CODES.run:
      return { kind: 'run', requests: readRun(reader) };
    default:
      return readBare(code);
  }
}

/** A request without arguments. */
function readBare(code: number): Request {
  const kind = kindOfCode(code);
  if (kind === undefined) throw unknownCode(code);
  return { kind } as Request; // whose arguments are none: each other kind has its case above
}

function checkKey(key: Key): void {
  refuseFor(whyTooLong('key', key.length, USER_KEY_MAX));
}

function checkValue(value: Uint8Array | null): void {
  if (value !== null) refuseFor(whyTooLong('value', value.length, VALUE_MAX));
}

function refuseFor(why: string | null): void {
  if (why !== null) throw new NurseryError('BAD_INPUT', why);
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
