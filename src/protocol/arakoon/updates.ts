/**
 * What the log holds for a client: the updates of Arakoon's sequences, and those of our own.
 *
 *     update   := int kind, arguments              kinds and arguments are those of the table
 *     sequence := int 5 or 13, list of update
 *
 * Around an update of a batch there may be the mark of a follower (batch.ts).
 */
import type { Key } from '../../base/bytes.ts';
import { NurseryError } from '../../base/errors.ts';
import { whyUnstorable } from '../../base/limits.ts';
import { malformed, Reader, Writer } from '../../wire/codec.ts';
import { ADMIN_COMMAND, adminCommandCodec } from '../admin/admin.ts';
import {
  type Argument,
  type Arguments,
  int,
  type Layout,
  layout,
  type Named,
  name,
  optionalBytes,
  plain,
  storedKey,
  storedKeys,
  storedOption,
  storedPrefix,
  storedValue,
} from './arguments.ts';
import { readSetUpdate, SET_UPDATE } from './quick.ts';

/** How deep sequences may nest; the outermost is at depth 1. */
export const SEQUENCE_DEPTH_MAX = 64;

/** The only claim of an assertRange that Arakoon has: the range contains exactly these keys. */
const CONTAINS_EXACTLY = 1;

/** Keys behind that claim. */
const exactKeys: Argument<readonly Key[]> = {
  ...storedKeys,
  shape: [...int.shape, ...storedKeys.shape],
  write: (writer, keys) => {
    writer.u32(CONTAINS_EXACTLY);
    storedKeys.write(writer, keys);
  },
  read: (reader) => {
    const claim = reader.u32();
    if (claim !== CONTAINS_EXACTLY) throw malformed(`assertRange knows claim 1 only, not ${claim}`);
    return storedKeys.read(reader);
  },
};

/** What has this code in the log, and these arguments. */
function row<A extends Arguments>(code: number, args: A) {
  return { code, args: layout(args), isOwn: false };
}

/** The same for what only we write, and no client may smuggle in within a sequence. */
function own<A extends Arguments>(code: number, args: A) {
  return { ...row(code, args), isOwn: true };
}

/** All but sequences, which are made of them. Codes are never reused: logs hold them. */
export const UPDATES = {
  set: row(SET_UPDATE, { key: storedKey, value: storedValue }),
  delete: row(2, { key: storedKey }),
  testAndSet: row(3, { key: storedKey, expected: optionalBytes, wanted: storedOption }),
  nop: row(6, {}),
  userFunction: row(7, { name, argument: optionalBytes }),
  assert: row(8, { key: storedKey, expected: optionalBytes }),
  deletePrefix: row(14, { prefix: storedPrefix }),
  assertExists: row(15, { key: storedKey }),
  replace: row(16, { key: storedKey, wanted: storedOption }),
  /** Holds where the keys that begin with `prefix` are exactly `keys`, in whatever order they are listed. */
  assertRange: row(17, { prefix: storedPrefix, keys: exactKeys }),
  /** Sets where the value differs; not a part of Arakoon's sequences. */
  confirm: own(0x40, { key: storedKey, value: storedValue }),
  /** A user's function that is called where `key` is served; not a part of Arakoon's sequences, but of ours. */
  userFunctionNear: row(0x42, { key: storedKey, name, argument: optionalBytes }),
  admin: own(ADMIN_COMMAND, { command: plain([], adminCommandCodec) }),
};
const SEQUENCES = { sequence: 5, syncedSequence: 13 } as const;

type Rows = typeof UPDATES;
type Carried<R> = R extends { readonly args: Layout<infer V> } ? V : never;
type Single = { [K in keyof Rows]: { readonly kind: K } & Carried<Rows[K]> }[keyof Rows];
type Sequence = { readonly kind: keyof typeof SEQUENCES; readonly updates: readonly Update[] };

/** One update. Evaluated when its slot is applied; atomic by itself. Byte arrays are views into what was decoded. */
export type Update = Single | Sequence;

/** The int that begins each update. */
export const UPDATE_KINDS = {
  ...(Object.fromEntries(Object.entries(UPDATES).map(([kind, { code }]) => [kind, code])) as {
    readonly [K in keyof Rows]: number;
  }),
  ...SEQUENCES,
};

/** By code, for speed. */
const KIND_OF: (keyof Rows | undefined)[] = [];
for (const kind of Object.keys(UPDATES) as (keyof Rows)[]) KIND_OF[UPDATES[kind].code] = kind;

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
 * The sequence of updates that `bytes` hold, which a client sent, within its limits or not.
 *
 * @throws NurseryError BAD_INPUT where they are no update
 */
export function decodeSequence(bytes: Uint8Array): Update {
  try {
    return decodeUpdate(bytes);
  } catch (error) {
    if (!(error instanceof NurseryError)) throw error;
    throw new NurseryError('BAD_INPUT', `not a sequence of updates: ${error.message}`, { cause: error });
  }
}

/**
 * Makes sure that `bytes`, which a client sent, are one sequence that may enter the log.
 *
 * @throws NurseryError BAD_INPUT where they are not, or a key, a value or the nesting is above its limit
 */
export function checkSequence(bytes: Uint8Array): void {
  const update = decodeSequence(bytes);
  if (!isSequence(update)) {
    throw new NurseryError('BAD_INPUT', `not a sequence of updates: it holds a ${update.kind} alone`);
  }
  const why = whyNot(update);
  if (why !== null) throw new NurseryError('BAD_INPUT', why);
}

/** What `update` names, nested updates included: for routing and ownership. A user function names nothing by itself. */
export function keysOfUpdate(update: Update): Named {
  const named: Named = { keys: [], prefixes: [] };
  gatherNames(update, named);
  return named;
}

/** The first key or prefix that these bytes of a sequence name, in its first update; null where that names none, or is none. */
export function firstKeyOf(bytes: Uint8Array): Key | null {
  const reader = new Reader(bytes);
  try {
    let depth = 0;
    for (let head = readSequenceHead(reader, 0); head !== null; head = readSequenceHead(reader, depth)) {
      if (head.count === 0) return null;
      depth += 1;
    }
    const { keys, prefixes } = keysOfUpdate(readSingle(reader, depth));
    return keys[0] ?? prefixes[0] ?? null;
  } catch (error) {
    if (!(error instanceof NurseryError)) throw error;
    return null; // it is refused, by whoever decodes all of it
  }
}

/** Whether `update` is made of others. */
export function isSequence(update: Update): update is Sequence {
  return update.kind === 'sequence' || update.kind === 'syncedSequence';
}

/** What begins a sequence: `count` updates follow. */
export type SequenceHead = { readonly kind: Sequence['kind']; readonly count: number };

/**
 * Reads what begins a sequence, for readers that pause between updates; null where another update begins, or none, and
 * nothing was read. `depth` counts the sequences around it.
 *
 * @throws NurseryError MALFORMED
 */
export function readSequenceHead(reader: Reader, depth: number): SequenceHead | null {
  if (reader.left < 4) return null;
  const code = reader.buffer.readUInt32LE(reader.offset);
  if (code !== SEQUENCES.sequence && code !== SEQUENCES.syncedSequence) return null;
  reader.u32();
  if (depth >= SEQUENCE_DEPTH_MAX) throw malformed(`sequences nest more than ${SEQUENCE_DEPTH_MAX} deep`);
  const count = reader.u32();
  if (count > reader.left / 4) throw malformed(`sequence of ${count} updates in ${reader.left} bytes`);
  return { kind: code === SEQUENCES.sequence ? 'sequence' : 'syncedSequence', count };
}

/**
 * The update where the reader is; `depth` counts the sequences around it.
 *
 * @throws NurseryError MALFORMED
 */
export function readUpdate(reader: Reader, depth: number): Update {
  const head = readSequenceHead(reader, depth);
  if (head === null) return readSingle(reader, depth);
  const updates: Update[] = [];
  for (let index = 0; index < head.count; index += 1) updates.push(readUpdate(reader, depth + 1));
  return { kind: head.kind, updates };
}

function readSingle(reader: Reader, depth: number): Update {
  const code = reader.u32();
  if (code === SET_UPDATE) return readSetUpdate(reader);
  const kind = KIND_OF[code];
  if (kind === undefined || (UPDATES[kind].isOwn && depth > 0)) {
    throw malformed(`no update has the kind ${code}${depth > 0 ? ' inside a sequence' : ''}`);
  }
  return UPDATES[kind].args.read(reader, kind) as Single;
}

function writeUpdate(writer: Writer, update: Update): void {
  writer.u32(UPDATE_KINDS[update.kind]);
  if (isSequence(update)) {
    writer.u32(update.updates.length);
    for (const inner of update.updates) writeUpdate(writer, inner);
  } else argsOf(update).write(writer, update);
}

function whyNot(update: Update): string | null {
  if (update.kind === 'set') return whyUnstorable(update.key, update.value);
  if (!isSequence(update)) return argsOf(update).whyNot(update);
  for (const inner of update.updates) {
    const why = whyNot(inner);
    if (why !== null) return why;
  }
  return null;
}

function gatherNames(update: Update, named: Named): void {
  if (!isSequence(update)) argsOf(update).name(update, named);
  else for (const inner of update.updates) gatherNames(inner, named);
}

/** The layout of an update's own arguments. */
function argsOf(update: Single): Layout<Single> {
  return UPDATES[update.kind].args as Layout<Single>;
}
