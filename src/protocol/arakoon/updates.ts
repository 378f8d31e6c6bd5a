/**
 * What the log holds for a client: the updates of Arakoon's sequences, and those of our own.
 *
 *     update        := int kind, arguments
 *     1 set         := string key, string value
 *     2 delete      := string key
 *     3 testAndSet  := string key, option expected, option wanted
 *     5 sequence    := list of update               13 syncedSequence: the same
 *     6 nop         :=
 *     7 userFunction:= string name, option argument
 *     8 assert      := string key, option expected
 *     14 deletePrefix := string prefix
 *     15 assertExists := string key
 *     16 replace    := string key, option wanted
 *     17 assertRange:= string prefix, int 1, list of string key
 *     0x40 confirm  := string key, string value     not inside a sequence
 *     0x80 admin    := adminCommand                 not inside a sequence
 *     0x41 follower := update                       not inside a sequence; in a batch (batch.ts), never its first
 */
import { unreachable } from '../../base/assert.ts';
import type { Key } from '../../base/bytes.ts';
import { NurseryError } from '../../base/errors.ts';
import { USER_KEY_MAX, VALUE_MAX, whyTooLong } from '../../base/limits.ts';
import { malformed, Reader, Writer } from '../../wire/codec.ts';
import { ADMIN_COMMAND, type AdminCommand, adminCommandCodec } from '../admin/admin.ts';

type Bytes = Uint8Array;

/** One update. Evaluated when its slot is applied; atomic by itself. Byte arrays are views into what was decoded. */
export type Update =
  | { readonly kind: 'set'; readonly key: Key; readonly value: Bytes }
  | { readonly kind: 'delete'; readonly key: Key }
  | {
      readonly kind: 'testAndSet';
      readonly key: Key;
      readonly expected: Bytes | null;
      readonly wanted: Bytes | null;
    }
  | { readonly kind: 'sequence'; readonly updates: readonly Update[] }
  | { readonly kind: 'syncedSequence'; readonly updates: readonly Update[] }
  | { readonly kind: 'nop' }
  | { readonly kind: 'userFunction'; readonly name: Key; readonly argument: Bytes | null }
  | { readonly kind: 'assert'; readonly key: Key; readonly expected: Bytes | null }
  | { readonly kind: 'assertExists'; readonly key: Key }
  | { readonly kind: 'deletePrefix'; readonly prefix: Key }
  | { readonly kind: 'replace'; readonly key: Key; readonly wanted: Bytes | null }
  /** Holds where the keys that begin with `prefix` are exactly `keys`, in whatever order they are listed. */
  | { readonly kind: 'assertRange'; readonly prefix: Key; readonly keys: readonly Key[] }
  /** Sets where the value differs. Kind 0x40 in the log; not a part of Arakoon's sequences. */
  | { readonly kind: 'confirm'; readonly key: Key; readonly value: Bytes }
  /** Kind 0x80 in the log. */
  | { readonly kind: 'admin'; readonly command: AdminCommand };

/** The int that begins each update. Never reused: logs hold them. */
export const UPDATE_KINDS = {
  set: 1,
  delete: 2,
  testAndSet: 3,
  sequence: 5,
  nop: 6,
  userFunction: 7,
  assert: 8,
  syncedSequence: 13,
  deletePrefix: 14,
  assertExists: 15,
  replace: 16,
  assertRange: 17,
  confirm: 0x40,
  admin: ADMIN_COMMAND,
} as const satisfies { readonly [K in Update['kind']]: number };

/** How deep sequences may nest; the outermost is at depth 1. */
export const SEQUENCE_DEPTH_MAX = 64;

/** The only claim of an assertRange that Arakoon has: the range contains exactly these keys. */
const CONTAINS_EXACTLY = 1;

/** The bytes of `update`. */
export function encodeUpdate(update: Update): Buffer {
  const writer = new Writer();
  writeUpdate(writer, update);
  return writer.take();
}

/**
 * The update that `bytes` hold, all of them. Limits on keys and values are not looked at: what is in the log has
 * passed `checkSequence` or `decodeRequest`.
 *
 * @throws NurseryError MALFORMED
 */
export function decodeUpdate(bytes: Uint8Array): Update {
  const reader = new Reader(bytes);
  const update = readUpdate(reader, 0);
  reader.finish();
  return update;
}

/**
 * Makes sure that `bytes`, which a client sent, are one sequence that may enter the log.
 *
 * @throws NurseryError BAD_INPUT where they are not, or a key, a value or the nesting is above its limit
 */
export function checkSequence(bytes: Uint8Array): void {
  let update: Update;
  try {
    update = decodeUpdate(bytes);
  } catch (error) {
    if (!(error instanceof NurseryError)) throw error;
    throw new NurseryError('BAD_INPUT', `not a sequence of updates: ${error.message}`, { cause: error });
  }
  if (update.kind !== 'sequence' && update.kind !== 'syncedSequence') {
    throw new NurseryError('BAD_INPUT', `not a sequence of updates: it holds a ${update.kind} alone`);
  }
  checkUpdate(update);
}

/** @throws NurseryError BAD_INPUT naming limit and size, where `key` is too long to be stored */
export function checkKey(key: Key): void {
  refuseFor(whyTooLong('key', key.length, USER_KEY_MAX));
}

/** @throws NurseryError BAD_INPUT naming limit and size, where `value` is too long to be stored */
export function checkValue(value: Uint8Array | null): void {
  if (value !== null) refuseFor(whyTooLong('value', value.length, VALUE_MAX));
}

/** @throws NurseryError BAD_INPUT where there is a reason why */
function refuseFor(why: string | null): void {
  if (why !== null) throw new NurseryError('BAD_INPUT', why);
}

/** The keys and prefixes that something names, in the order written; a key may stand there twice. */
export type Named = { readonly keys: readonly Key[]; readonly prefixes: readonly Key[] };

/** What `update` names, nested updates included: for routing and ownership. A user function names nothing by itself. */
export function keysOfUpdate(update: Update): Named {
  const keys: Key[] = [];
  const prefixes: Key[] = [];
  gatherKeys(update, keys, prefixes);
  return { keys, prefixes };
}

function gatherKeys(update: Update, keys: Key[], prefixes: Key[]): void {
  switch (update.kind) {
    case 'sequence':
    case 'syncedSequence':
      for (const inner of update.updates) gatherKeys(inner, keys, prefixes);
      return;
    case 'deletePrefix':
      prefixes.push(update.prefix);
      return;
    case 'assertRange':
      prefixes.push(update.prefix);
      for (const key of update.keys) keys.push(key);
      return;
    case 'nop':
    case 'userFunction':
    case 'admin':
      return;
    default:
      keys.push(update.key);
  }
}

function checkUpdate(update: Update): void {
  switch (update.kind) {
    case 'sequence':
    case 'syncedSequence':
      for (const inner of update.updates) checkUpdate(inner);
      return;
    case 'deletePrefix':
      checkKey(update.prefix);
      return;
    case 'assertRange':
      checkKey(update.prefix);
      for (const key of update.keys) checkKey(key);
      return;
    case 'nop':
    case 'userFunction':
    case 'admin':
      return;
    case 'set':
    case 'confirm':
      checkKey(update.key);
      checkValue(update.value);
      return;
    case 'testAndSet':
    case 'replace':
      checkKey(update.key);
      checkValue(update.wanted);
      return;
    default:
      checkKey(update.key);
  }
}

function writeUpdate(writer: Writer, update: Update): void {
  writer.u32(UPDATE_KINDS[update.kind]);
  switch (update.kind) {
    case 'set':
    case 'confirm':
      writer.key(update.key);
      writer.bytes(update.value);
      return;
    case 'delete':
    case 'assertExists':
      writer.key(update.key);
      return;
    case 'testAndSet':
      writer.key(update.key);
      writeOption(writer, update.expected);
      writeOption(writer, update.wanted);
      return;
    case 'sequence':
    case 'syncedSequence':
      writer.u32(update.updates.length);
      for (const inner of update.updates) writeUpdate(writer, inner);
      return;
    case 'nop':
      return;
    case 'userFunction':
      writer.key(update.name);
      writeOption(writer, update.argument);
      return;
    case 'assert':
      writer.key(update.key);
      writeOption(writer, update.expected);
      return;
    case 'deletePrefix':
      writer.key(update.prefix);
      return;
    case 'replace':
      writer.key(update.key);
      writeOption(writer, update.wanted);
      return;
    case 'assertRange':
      writer.key(update.prefix);
      writer.u32(CONTAINS_EXACTLY);
      writer.u32(update.keys.length);
      for (const key of update.keys) writer.key(key);
      return;
    case 'admin':
      adminCommandCodec.write(writer, update.command);
      return;
    default:
      unreachable(update);
  }
}

/** The update where the reader is, for readers that pause between updates; `depth` counts the sequences around it. */
export function readUpdate(reader: Reader, depth: number): Update {
  const kind = reader.u32();
  switch (kind) {
    case UPDATE_KINDS.set:
      return { kind: 'set', key: reader.key(), value: reader.bytes() };
    case UPDATE_KINDS.delete:
      return { kind: 'delete', key: reader.key() };
    case UPDATE_KINDS.testAndSet:
      return {
        kind: 'testAndSet',
        key: reader.key(),
        expected: readOption(reader),
        wanted: readOption(reader),
      };
    case UPDATE_KINDS.sequence:
      return { kind: 'sequence', updates: readUpdates(reader, depth + 1) };
    case UPDATE_KINDS.syncedSequence:
      return { kind: 'syncedSequence', updates: readUpdates(reader, depth + 1) };
    case UPDATE_KINDS.nop:
      return { kind: 'nop' };
    case UPDATE_KINDS.userFunction:
      return { kind: 'userFunction', name: reader.key(), argument: readOption(reader) };
    case UPDATE_KINDS.assert:
      return { kind: 'assert', key: reader.key(), expected: readOption(reader) };
    case UPDATE_KINDS.deletePrefix:
      return { kind: 'deletePrefix', prefix: reader.key() };
    case UPDATE_KINDS.assertExists:
      return { kind: 'assertExists', key: reader.key() };
    case UPDATE_KINDS.replace:
      return { kind: 'replace', key: reader.key(), wanted: readOption(reader) };
    case UPDATE_KINDS.assertRange:
      return readAssertRange(reader);
    default:
      return readOwnUpdate(reader, kind, depth);
  }
}

/** What only we write, and no client may smuggle in within a sequence. */
function readOwnUpdate(reader: Reader, kind: number, depth: number): Update {
  if (depth === 0 && kind === UPDATE_KINDS.confirm) {
    return { kind: 'confirm', key: reader.key(), value: reader.bytes() };
  }
  if (depth === 0 && kind === UPDATE_KINDS.admin) {
    return { kind: 'admin', command: adminCommandCodec.read(reader) };
  }
  throw malformed(`no update has the kind ${kind}${depth > 0 ? ' inside a sequence' : ''}`);
}

function readUpdates(reader: Reader, depth: number): Update[] {
  if (depth > SEQUENCE_DEPTH_MAX) {
    throw malformed(`sequences nest more than ${SEQUENCE_DEPTH_MAX} deep`);
  }
  const count = reader.u32();
  if (count > reader.left / 4) throw malformed(`sequence of ${count} updates in ${reader.left} bytes`);
  const updates: Update[] = [];
  for (let index = 0; index < count; index += 1) updates.push(readUpdate(reader, depth));
  return updates;
}

function readAssertRange(reader: Reader): Update {
  const prefix = reader.key();
  const claim = reader.u32();
  if (claim !== CONTAINS_EXACTLY) throw malformed(`assertRange knows claim 1 only, not ${claim}`);
  const count = reader.u32();
  if (count > reader.left / 4) throw malformed(`list of ${count} keys in ${reader.left} bytes`);
  const keys: Key[] = [];
  for (let index = 0; index < count; index += 1) keys.push(reader.key());
  return { kind: 'assertRange', prefix, keys };
}

function writeOption(writer: Writer, value: Uint8Array | null): void {
  writer.u8(value === null ? 0 : 1);
  if (value !== null) writer.bytes(value);
}

function readOption(reader: Reader): Buffer | null {
  return reader.bool() ? reader.bytes() : null;
}
