/** The updates of clients: what each does to the rows, and what it is answered. */

import { unreachable } from '../../src/base/assert.ts';
import { type Key, sameBytes } from '../../src/base/bytes.ts';
import { RETURN_CODES } from '../../src/base/errors.ts';
import { whyUnstorable } from '../../src/base/limits.ts';
import { prefixRange } from '../../src/keyspace/range.ts';
import { failure, OK, okInt, okOptionalBytes } from '../../src/protocol/arakoon/replies.ts';
import { SEQUENCE_DEPTH_MAX, type Update } from '../../src/protocol/arakoon/updates.ts';
import { type Answer, returnCodeOf } from '../../src/protocol/arakoon/values.ts';
import type { StoreKey, Work } from '../store/types.ts';
import { type Call, callFunction, refusalOfRoaming } from './call-function.ts';
import type { Draft } from './draft.ts';
import { rangeError } from './ownership.ts';
import { dataRange, userKey } from './store-keys.ts';

/** Updates of clients, as opposed to those of our own processes. */
export type DataUpdate = Exclude<Update, { kind: 'admin' }>;
type Sequence = Extract<Update, { kind: 'sequence' | 'syncedSequence' }>;
type Ranged = Extract<Update, { kind: 'deletePrefix' | 'assertRange' }>;
/** What one look-up and one write suffice for. */
type Simple = Exclude<DataUpdate, Sequence | Ranged | Call>;

/** Rows looked at in one slice of a range. */
const SLICE_ROWS = 500;

/**
 * Executes one update of a client, atomically: either all of it, or nothing and an error.
 *
 * Everything that it names is checked first, so that a cluster which owns only a part executes none of it.
 */
export function* execute(draft: Draft, update: DataUpdate): Work<Answer> {
  const refusal = refusalOfRoaming(draft, update) ?? (yield* check(draft, update, 0));
  return refusal ?? (yield* run(draft, update));
}

/** The refusal of a key or value that cannot be stored, or null. */
export function tooLong(key: Key, value: Uint8Array | null): Answer | null {
  const why = whyUnstorable(key, value);
  return why === null ? null : failure('BAD_INPUT', why);
}

/** Limits, and ownership of every key and range that is named; `depth` counts the sequences around the update. */
function* check(draft: Draft, update: Update, depth: number): Work<Answer | null> {
  switch (update.kind) {
    case 'sequence':
    case 'syncedSequence':
      if (depth === SEQUENCE_DEPTH_MAX)
        return failure('BAD_INPUT', `sequences nest more than ${SEQUENCE_DEPTH_MAX} deep`);
      for (const inner of update.updates) {
        const refusal = isSimple(inner) ? checkSimple(draft, inner) : yield* check(draft, inner, depth + 1);
        if (refusal !== null) return refusal;
        if (draft.pace.row()) yield;
      }
      return null;
    case 'deletePrefix':
    case 'assertRange':
      return tooLong(update.prefix, null) ?? outsideOf(draft, update.prefix);
    case 'admin':
      return failure('BAD_INPUT', 'an administrative command inside a sequence');
    case 'userFunction':
      return null;
    case 'userFunctionNear':
      return checkKey(draft, update.key, null);
    default:
      return checkSimple(draft, update);
  }
}

function checkSimple(draft: Draft, update: Simple): Answer | null {
  if (update.kind === 'nop') return null;
  const { key } = update;
  const value = 'value' in update ? update.value : 'wanted' in update ? update.wanted : null;
  return checkKey(draft, key, value);
}

function checkKey(draft: Draft, key: Key, value: Uint8Array | null): Answer | null {
  return tooLong(key, value) ?? (draft.ownership.serves(key) ? null : rangeError(draft.state, key));
}

function outsideOf(draft: Draft, prefix: Key): Answer | null {
  const outside = draft.ownership.firstOutside(prefixRange(prefix));
  return outside === null ? null : rangeError(draft.state, outside);
}

/** Executes what was checked. */
function* run(draft: Draft, update: DataUpdate): Work<Answer> {
  switch (update.kind) {
    case 'sequence':
    case 'syncedSequence':
      return yield* runSequence(draft, update);
    case 'deletePrefix':
      return okInt(yield* deletePrefix(draft, update.prefix));
    case 'assertRange':
      return yield* assertRange(draft, update.prefix, update.keys);
    case 'userFunction':
    case 'userFunctionNear':
      return yield* callFunction(draft, update);
    default:
      return runSimple(draft, update);
  }
}

/** All or nothing; the error of the first that fails is the answer. */
function* runSequence(draft: Draft, { updates }: Sequence): Work<Answer> {
  const mark = draft.tx.mark();
  let answer = OK;
  for (const inner of updates) {
    answer = isSimple(inner) ? runSimple(draft, inner) : yield* run(draft, inner as DataUpdate);
    if (isFailure(answer)) {
      draft.tx.rollBack(mark);
      break;
    }
    if (draft.pace.row()) yield;
  }
  draft.tx.release();
  return isFailure(answer) ? answer : OK;
}

function runSimple({ tx }: Draft, update: Simple): Answer {
  switch (update.kind) {
    case 'set':
      tx.putRow(update.key, update.value);
      return OK;
    case 'confirm':
      if (!holds(tx.getRow(update.key), update.value)) tx.putRow(update.key, update.value);
      return OK;
    case 'delete':
      if (tx.getRow(update.key) === undefined) return failure('NOT_FOUND', update.key);
      tx.putRow(update.key, null);
      return OK;
    case 'testAndSet': {
      const before = tx.getRow(update.key);
      if (holds(before, update.expected)) setOrRemove(tx, update.key, before, update.wanted);
      return okOptionalBytes(before ?? null);
    }
    case 'replace': {
      const before = tx.getRow(update.key);
      setOrRemove(tx, update.key, before, update.wanted);
      return okOptionalBytes(before ?? null);
    }
    case 'assert':
      return holds(tx.getRow(update.key), update.expected) ? OK : failure('ASSERTION_FAILED', update.key);
    case 'assertExists':
      return tx.getRow(update.key) === undefined ? failure('ASSERTION_FAILED', update.key) : OK;
    case 'nop':
      return OK;
    default:
      return unreachable(update);
  }
}

/** Removes every key that begins with `prefix`; returns how many there were. */
function* deletePrefix({ tx, pace }: Draft, prefix: Key): Work<number> {
  yield* tx.prepareScan(pace);
  const { from, to } = dataRange(prefixRange(prefix));
  let deleted = 0;
  let next: StoreKey | null = from;
  while (next !== null) {
    const keys: StoreKey[] = [];
    next = tx.scanSlice({ from: next, to }, { rowsMax: SLICE_ROWS }, (key) => keys.push(key));
    for (const key of keys) {
      tx.putRow(userKey(key), null);
      // Of a watched row the digest is taken, so that its size counts; it is not worth asking for here.
      if (pace.row()) yield;
    }
    deleted += keys.length;
    if (pace.rows(SLICE_ROWS - keys.length)) yield;
  }
  return deleted;
}

/** Whether the keys that begin with `prefix` are exactly `keys`, in whatever order those are listed. */
function* assertRange({ tx, pace }: Draft, prefix: Key, keys: readonly Key[]): Work<Answer> {
  yield* tx.prepareScan(pace);
  const wanted = new Set(keys);
  const { from, to } = dataRange(prefixRange(prefix));
  let found = 0;
  let next: StoreKey | null = from;
  while (next !== null) {
    let strangers = 0;
    next = tx.scanSlice({ from: next, to }, { rowsMax: SLICE_ROWS }, (key) => {
      if (wanted.has(userKey(key))) found += 1;
      else strangers += 1;
    });
    if (strangers > 0) return failure('ASSERTION_FAILED', prefix);
    if (pace.rows(SLICE_ROWS)) yield;
  }
  return found === wanted.size ? OK : failure('ASSERTION_FAILED', prefix);
}

function setOrRemove(
  tx: Draft['tx'],
  key: Key,
  before: Uint8Array | undefined,
  wanted: Uint8Array | null,
): void {
  if (wanted !== null || before !== undefined) tx.putRow(key, wanted);
}

/** Whether a row is as expected; null expects that there is none. */
export function holds(value: Uint8Array | undefined, expected: Uint8Array | null): boolean {
  if (value === undefined || expected === null) return value === undefined && expected === null;
  return sameBytes(value, expected);
}

function isFailure(answer: Answer): boolean {
  return returnCodeOf(answer.bytes) !== RETURN_CODES.OK;
}

function isSimple(update: Update): update is Simple {
  switch (update.kind) {
    case 'sequence':
    case 'syncedSequence':
    case 'deletePrefix':
    case 'assertRange':
    case 'admin':
    case 'userFunction':
    case 'userFunctionNear':
      return false;
    default:
      return true;
  }
}
