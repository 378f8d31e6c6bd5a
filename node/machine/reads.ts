/** What clients read: ownership is checked first, then the answer comes from one image. */
import type { Key } from '../../src/base/bytes.ts';
import { UPDATE_MAX } from '../../src/base/limits.ts';
import { intersect, prefixRange, type Range } from '../../src/keyspace/range.ts';
import { rangeOfQuery } from '../../src/protocol/arakoon/bounds.ts';
import {
  failure,
  OK,
  okBool,
  okBytes,
  okInt64,
  okInterval,
  okMultiGet,
  okMultiGetOptions,
  okNurseryConfig,
  okRouting,
  TOO_LONG,
} from '../../src/protocol/arakoon/replies.ts';
import {
  dispatch,
  type Handlers,
  isBy,
  type KindsWith,
  type Request,
  type RequestOf,
} from '../../src/protocol/arakoon/request-table.ts';
import type { Answer } from '../../src/protocol/arakoon/values.ts';
import type { StoreKey, View, Work } from '../store/types.ts';
import { callHook, otherEngine, refusalOfHook } from './call-function.ts';
import { EntriesReply } from './entries-reply.ts';
import type { FunctionRunner } from './function-call.ts';
import { type Ownership, rangeError } from './ownership.ts';
import { Pace } from './pace.ts';
import {
  dataKey,
  dataRange,
  type EntryVisit,
  nextKey,
  SLICE_BYTES,
  type StoreRange,
  scanSlice,
  userKey,
} from './store-keys.ts';
import type { SystemState } from './system-state.ts';
import { SlotTransaction } from './transaction.ts';
import { holds, tooLong } from './updates.ts';

/** Keys and values of one reply (bytes). A frame has room for them and what is around them. */
export const REPLY_MAX = UPDATE_MAX;
/** Rows looked at in one slice. */
const SLICE_ROWS = 250;
/** Where a fringe ends that is longer, as Arakoon's does (bytes). */
const FRINGE_BYTES = 1024 * 1024;
/** Entries of a map whose reply may be long. */
const LONG_MAP = 1000;

/**
 * What a read is answered from: the machine's state and the image that belongs to it. What is longer than `bytesMax`
 * is TOO_LONG, what is longer than REPLY_MAX an error.
 */
export type Source = {
  readonly runner: FunctionRunner;
  readonly state: SystemState;
  readonly ownership: Ownership;
  readonly view: View;
  readonly bytesMax: number;
};

/** The reads of clients that the state machine answers. */
export type DataRead = RequestOf<DataKind>;
type DataKind = KindsWith<{ readonly by: 'image' }>;

/** Whether the state machine answers this request. */
export function isDataRead(request: Request): request is DataRead {
  return isBy(request, 'image');
}

/** Answers a read; how fresh the image must be is the caller's business. Long ones are work. */
export function answerRead(source: Source, request: DataRead): Answer | Work<Answer> {
  return dispatch(ANSWERS, request, source);
}

const ANSWERS: Handlers<DataKind, [Source], Answer | Work<Answer>> = {
  get: keyed,
  exists: keyed,
  assert: keyed,
  assertExists: keyed,
  multiGet: listed,
  multiGetOption: listed,
  range: bounded,
  rangeEntries: bounded,
  revRangeEntries: bounded,
  prefixKeys: ({ prefix, max, kind }, source) => ranged(source, prefixRange(prefix), max, kind),
  getKeyCount: (_, source) => countKeys(source),
  getInterval: (_, source) => interval(source.state),
  getFringe: fringe,
  getRouting: ({ kind }, source) => routing(source, kind),
  getNurseryConfig: ({ kind }, source) => routing(source, kind),
  userHook: hook,
};

/** A function that only reads; nothing is told as an empty string. */
function* hook({ name }: RequestOf<'userHook'>, source: Source): Work<Answer> {
  const { state, ownership, view, runner, bytesMax } = source;
  const refusal = refusalOfHook(source, name);
  if (refusal !== null) return refusal;
  const engine = otherEngine(state, runner);
  if (engine !== null) return engine;
  const outcome = yield* callHook({ state, ownership, tx: new SlotTransaction(view) }, runner, name);
  if (outcome === null) return failure('USER_HOOK_NOT_FOUND', `unknown hook ${name}`);
  if (outcome.kind === 'failed') return failure('USER_FUNCTION_FAILURE', outcome.why);
  const result = outcome.result ?? NOTHING;
  return result.length > bytesMax ? TOO_LONG : okBytes(result);
}

const NOTHING = new Uint8Array(0);

function keyed(request: RequestOf<'get' | 'exists' | 'assert' | 'assertExists'>, source: Source): Answer {
  return refusalOf(source, [request.key]) ?? readKey(source, request);
}

function listed(
  { keys, kind }: RequestOf<'multiGet' | 'multiGetOption'>,
  source: Source,
): Answer | Work<Answer> {
  return refusalOf(source, keys) ?? multiGet(source, keys, kind);
}

function bounded(
  request: RequestOf<'range' | 'rangeEntries' | 'revRangeEntries'>,
  source: Source,
): Answer | Work<Answer> {
  return ranged(source, rangeOfQuery(request), request.max, request.kind);
}

function refusalOf({ state, ownership }: Source, keys: readonly Key[]): Answer | null {
  for (const key of keys) {
    const refusal = tooLong(key, null) ?? (ownership.serves(key) ? null : rangeError(state, key));
    if (refusal !== null) return refusal;
  }
  return null;
}

function readKey(
  { view, bytesMax }: Source,
  request: RequestOf<'exists' | 'get' | 'assert' | 'assertExists'>,
): Answer {
  const value = view.get(dataKey(request.key));
  switch (request.kind) {
    case 'get':
      if (value !== undefined && value.length > bytesMax) return TOO_LONG;
      return value === undefined ? failure('NOT_FOUND', 'Not_found') : okBytes(value);
    case 'exists':
      return okBool(value !== undefined);
    case 'assertExists':
      return value === undefined ? failure('ASSERTION_FAILED', request.key) : OK;
    default: {
      const { expected } = request;
      return holds(value, expected) ? OK : failure('ASSERTION_FAILED', request.key);
    }
  }
}

function ranged(
  source: Source,
  range: Range | null,
  max: number,
  kind: 'range' | 'prefixKeys' | 'rangeEntries' | 'revRangeEntries',
): Answer | Work<Answer> {
  const outside = range === null ? null : source.ownership.firstOutside(range);
  if (outside !== null) return rangeError(source.state, outside);
  return entriesAnswer(source, max === 0 ? null : range, max, kind);
}

/** The first `max` entries of a range, from its high end where reversed; `range` null: there is nothing to look for. */
function* entriesAnswer(
  { view, bytesMax }: Source,
  range: Range | null,
  max: number,
  kind: DataRead['kind'],
): Work<Answer> {
  const isReversed = kind === 'revRangeEntries';
  const withValues = isReversed || kind === 'rangeEntries';
  const wanted = max < 0 ? Number.POSITIVE_INFINITY : max;
  // The wire turns any order round, so that what descends is encoded as what ascends.
  const reply = new EntriesReply(withValues);
  const visit = (key: StoreKey, value: Uint8Array): void => reply.add(userKey(key), value);
  let left = range === null ? null : dataRange(range);
  while (left !== null) {
    left = readSlice(view, left, Math.min(SLICE_ROWS, wanted - reply.count), isReversed, visit);
    if (reply.bytes > bytesMax) {
      if (bytesMax < REPLY_MAX) return TOO_LONG;
      return failure('BAD_INPUT', `a reply of more than ${REPLY_MAX} bytes: ask for fewer entries at a time`);
    }
    if (left === null || reply.count === wanted) break;
    yield;
  }
  return reply.answer();
}

/**
 * Visits `rowsMax` rows of `range` at most, from its high end where reversed, and returns what is left of it, null where that is
 * nothing. Unlike `scanSlice` it never looks at the row behind its last: that may be a long one, and would be copied twice.
 */
function readSlice(
  view: View,
  range: StoreRange,
  rowsMax: number,
  isReversed: boolean,
  visit: EntryVisit,
): StoreRange | null {
  let rows = 0;
  let bytes = 0;
  let cut: StoreRange | null = null;
  const take = (key: StoreKey, value: Uint8Array): boolean => {
    visit(key, value);
    rows += 1;
    bytes += key.length + value.length;
    if (rows < rowsMax && bytes < SLICE_BYTES) return true;
    cut = isReversed ? { from: range.from, to: key } : { from: nextKey(key), to: range.to };
    return false;
  };
  if (isReversed) {
    const passed = view.scanDown(range.from, range.to, take);
    return cut ?? (passed === null ? null : { from: range.from, to: passed });
  }
  const passed = view.scan(range.from, range.to, take);
  return cut ?? (passed === null ? null : { from: passed, to: range.to });
}

/** A missing key fails all of `multiGet`; of several, Arakoon names the last. */
function* multiGet(
  { view, bytesMax }: Source,
  keys: readonly Key[],
  kind: 'multiGet' | 'multiGetOption',
): Work<Answer> {
  const pace = new Pace();
  const values: (Uint8Array | null)[] = [];
  let missing: Key | null = null;
  let bytes = 0;
  for (const key of keys) {
    const value = view.get(dataKey(key)) ?? null;
    if (value === null) missing = key;
    else bytes += value.length;
    if (bytes > bytesMax) {
      if (bytesMax < REPLY_MAX) return TOO_LONG;
      return failure('BAD_INPUT', `a reply of more than ${REPLY_MAX} bytes: ask for fewer keys at a time`);
    }
    values.push(value);
    if (pace.row(value?.length ?? 0)) yield;
  }
  if (kind === 'multiGetOption') return okMultiGetOptions(values);
  return missing === null ? okMultiGet(values as Uint8Array[]) : failure('NOT_FOUND', missing);
}

/** Keys in ranges that are served: what is staged, sealed or under clean-up is counted elsewhere, or nowhere. */
function* countKeys({ state, view }: Source): Work<Answer> {
  let keys = 0;
  for (const owned of state.owned) {
    if (owned.sealedBy !== null) continue;
    const { from, to } = dataRange(owned);
    let next: StoreKey | null = from;
    while (next !== null) {
      next = scanSlice(view, { from: next, to }, { rowsMax: SLICE_ROWS }, () => {
        keys += 1;
      });
      if (next !== null) yield;
    }
  }
  return okInt64(keys);
}

/** The outermost entries that the cluster serves on one side of a boundary, the utmost first, up to some length. */
function* fringe(
  { boundary, direction }: RequestOf<'getFringe'>,
  { state, view, bytesMax }: Source,
): Work<Answer> {
  if (direction > 1) return failure('BAD_INPUT', `direction ${direction}: there are 0 and 1`);
  const isReversed = direction === 1;
  const side: Range = isReversed ? { lo: boundary ?? '', hi: null } : { lo: '', hi: boundary };
  const served = state.owned.filter(({ sealedBy }) => sealedBy === null);
  const reply = new EntriesReply(true);
  const visit = (key: StoreKey, value: Uint8Array): void => reply.add(userKey(key), value);
  for (const owned of isReversed ? served.reverse() : served) {
    const range = intersect(owned, side);
    let left = range === null ? null : dataRange(range);
    while (left !== null && reply.bytes < FRINGE_BYTES) {
      left = readSlice(view, left, SLICE_ROWS, isReversed, visit);
      if (reply.bytes > bytesMax) return TOO_LONG;
      yield;
    }
  }
  return reply.answer();
}

/** Arakoon knows one interval per cluster, so that only a cluster with one range has one. */
function interval({ owned }: SystemState): Answer {
  const [first] = owned;
  const last = owned.at(-1);
  const isOne = owned.every((entry, index) => index === 0 || owned[index - 1]?.hi === entry.lo);
  if (first === undefined || last === undefined || !isOne) {
    return failure(
      'NOT_SUPPORTED',
      `this cluster owns ${owned.length} ranges, which no one interval describes`,
    );
  }
  const begin = first.lo === '' ? null : first.lo;
  return okInterval({ publicBegin: begin, publicEnd: last.hi, privateBegin: begin, privateEnd: last.hi });
}

function routing({ state, bytesMax }: Source, kind: 'getRouting' | 'getNurseryConfig'): Answer {
  const { map, configs } = state;
  if (bytesMax < REPLY_MAX && map.entries.length > LONG_MAP) return TOO_LONG;
  if (map.isEmpty) return failure('NOT_FOUND', 'Not_found');
  return kind === 'getRouting' ? okRouting(map.entries) : okNurseryConfig(map.entries, [...configs.values()]);
}
