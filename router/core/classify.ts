/** What to do with a request: from its bytes alone, and for the frequent ones from few of them. */
import { bytesToKey, type Key, prefixEnd, successor } from '../../src/base/bytes.ts';
import { NurseryError } from '../../src/base/errors.ts';
import { type Range, WHOLE } from '../../src/keyspace/range.ts';
import { MAGIC } from '../../src/protocol/admin/admin.ts';
import { failureOf, okKeys, okMultiGet } from '../../src/protocol/arakoon/replies.ts';
import {
  type Consistency,
  decodeRequest,
  type RangeQuery,
  REQUEST_CODES,
  type Request,
} from '../../src/protocol/arakoon/requests.ts';
import { decodeSequence, isSequence, keysOfUpdate, type Update } from '../../src/protocol/arakoon/updates.ts';
import type { Answer } from '../../src/protocol/arakoon/values.ts';
import type { Gather, RangeGather } from './types.ts';

/** What a request is to the router. */
export type Plan =
  /** For the one cluster that owns all that it names. */
  | {
      readonly kind: 'forward';
      readonly isUpdate: boolean;
      readonly isStale: boolean;
      readonly body: Uint8Array;
      readonly keys: readonly Key[];
      readonly ranges: readonly Range[];
    }
  /** May span clusters. */
  | { readonly kind: 'gather'; readonly isStale: boolean; readonly gather: Gather }
  /** Answered by the router itself, or refused. */
  | { readonly kind: 'local'; readonly request: Request }
  | { readonly kind: 'answer'; readonly answer: Answer };

const NO_KEYS: readonly Key[] = [];
const NO_RANGES: readonly Range[] = [];
/** Stands in for the keys of an update that names none and may go to any cluster: all agree on one. */
const ANYWHERE: readonly Key[] = [''];
const MAGIC_HIGH = MAGIC >>> 16;

/** Where the key of each request for one key begins; a consistency precedes those of reads. */
const KEY_UPDATES: ReadonlySet<number> = new Set([
  REQUEST_CODES.set,
  REQUEST_CODES.delete,
  REQUEST_CODES.testAndSet,
  REQUEST_CODES.replace,
  REQUEST_CODES.confirm,
]);
const KEY_READS: ReadonlySet<number> = new Set([
  REQUEST_CODES.get,
  REQUEST_CODES.exists,
  REQUEST_CODES.assert,
  REQUEST_CODES.assertExists,
]);

/** Never throws: what is malformed becomes an answer that says so. */
export function classify(body: Uint8Array): Plan {
  if (((body[2] as number) | ((body[3] as number) << 8)) === MAGIC_HIGH) {
    const code = (body[0] as number) | ((body[1] as number) << 8);
    if (KEY_UPDATES.has(code)) {
      const key = keyAt(body, 4);
      if (key !== null) {
        return { kind: 'forward', isUpdate: true, isStale: false, body, keys: [key], ranges: NO_RANGES };
      }
    } else if (KEY_READS.has(code) && (body[4] as number) < 2) {
      const key = keyAt(body, 5);
      if (key !== null) {
        return {
          kind: 'forward',
          isUpdate: false,
          isStale: body[4] === 1,
          body,
          keys: [key],
          ranges: NO_RANGES,
        };
      }
    }
  }
  try {
    return classifySlowly(body);
  } catch (error) {
    if (!(error instanceof NurseryError)) throw error;
    return { kind: 'answer', answer: failureOf(error) };
  }
}

/** The key whose length stands at `offset`, completely; null where the body ends within the key. The node checks the rest. */
function keyAt(body: Uint8Array, offset: number): Key | null {
  const length =
    ((body[offset] as number) |
      ((body[offset + 1] as number) << 8) |
      ((body[offset + 2] as number) << 16) |
      ((body[offset + 3] as number) << 24)) >>>
    0;
  const from = offset + 4;
  return from + length <= body.length ? bytesToKey(body.subarray(from, from + length)) : null;
}

/** @throws NurseryError for what no node would take either */
function classifySlowly(body: Uint8Array): Plan {
  const request = decodeRequest(body);
  switch (request.kind) {
    case 'get':
    case 'exists':
    case 'assert':
    case 'assertExists':
      return read(request.consistency, body, [request.key], NO_RANGES);
    case 'set':
    case 'delete':
    case 'testAndSet':
    case 'replace':
    case 'confirm':
      return update(body, [request.key], NO_RANGES);
    case 'deletePrefix':
      return update(body, NO_KEYS, [prefixRange(request.prefix)]);
    case 'nop':
      return update(body, ANYWHERE, NO_RANGES);
    case 'userFunction':
      // What it touches is known to nobody: only a cluster that owns everything can run it.
      return update(body, NO_KEYS, [WHOLE]);
    case 'sequence':
    case 'syncedSequence':
      return classifySequence(body, request.update);
    case 'range':
    case 'rangeEntries':
    case 'revRangeEntries':
      return gatherRange(request.kind, request, body);
    case 'prefixKeys':
      return gatherPieces('range', request.consistency, prefixRange(request.prefix), request.max, body);
    case 'multiGet':
    case 'multiGetOption':
      return gatherKeys(request.kind === 'multiGetOption', request.consistency, request.keys, body);
    case 'getKeyCount':
      return {
        kind: 'gather',
        isStale: false,
        gather: { kind: 'count', body, isDone: false, pending: 0, sum: 0 },
      };
    default:
      return { kind: 'local', request };
  }
}

function read(
  consistency: Consistency,
  body: Uint8Array,
  keys: readonly Key[],
  ranges: readonly Range[],
): Plan {
  const isStale = consistency.kind === 'noGuarantees';
  return { kind: 'forward', isUpdate: false, isStale, body: consistent(consistency, body), keys, ranges };
}

function update(body: Uint8Array, keys: readonly Key[], ranges: readonly Range[]): Plan {
  return { kind: 'forward', isUpdate: true, isStale: false, body, keys, ranges };
}

function classifySequence(body: Uint8Array, encoded: Uint8Array): Plan {
  const sequence = decodeSequence(encoded);
  const { keys, prefixes } = keysOfUpdate(sequence);
  if (keys.length + prefixes.length > 0) return update(body, keys, prefixes.map(prefixRange));
  return callsFunction(sequence) ? update(body, NO_KEYS, [WHOLE]) : update(body, ANYWHERE, NO_RANGES);
}

function callsFunction(sequence: Update): boolean {
  if (sequence.kind === 'userFunction') return true;
  return isSequence(sequence) && sequence.updates.some(callsFunction);
}

function gatherRange(form: RangeGather['form'], query: RangeQuery, body: Uint8Array): Plan {
  const isDescending = form === 'revRangeEntries';
  const low = isDescending ? query.last : query.first;
  const isLowIn = isDescending ? query.lastIncluded : query.firstIncluded;
  const high = isDescending ? query.first : query.last;
  const isHighIn = isDescending ? query.firstIncluded : query.lastIncluded;
  const range: Range = {
    lo: low === null ? '' : isLowIn ? low : successor(low),
    hi: high === null ? null : isHighIn ? successor(high) : high,
  };
  return gatherPieces(form, query.consistency, range, query.max, body);
}

function gatherPieces(
  form: RangeGather['form'],
  consistency: Consistency,
  range: Range,
  max: number,
  body: Uint8Array,
): Plan {
  const isEmpty = range.hi !== null && range.lo >= range.hi;
  if (isEmpty || max === 0) return { kind: 'answer', answer: okKeys([]) };
  const isStale = consistency.kind === 'noGuarantees';
  const gather: RangeGather = {
    kind: 'range',
    body: consistent(consistency, body),
    isDone: false,
    form,
    isStale,
    isDescending: form === 'revRangeEntries',
    lo: range.lo,
    hi: range.hi,
    left: max < 0 ? -1 : max,
    isWhole: false,
    piece: null,
    chunks: [],
    count: 0,
    bytes: 0,
  };
  return { kind: 'gather', isStale, gather };
}

function gatherKeys(
  isOptional: boolean,
  consistency: Consistency,
  keys: readonly Key[],
  body: Uint8Array,
): Plan {
  if (keys.length === 0) return { kind: 'answer', answer: okMultiGet([]) }; // no values are no optional values either
  const isStale = consistency.kind === 'noGuarantees';
  const gather: Gather = {
    kind: 'keys',
    body: consistent(consistency, body),
    isDone: false,
    isOptional,
    isStale,
    keys,
    values: new Array<Uint8Array | null>(keys.length).fill(null),
    pending: keys.length,
    bytes: 0,
  };
  return { kind: 'gather', isStale, gather };
}

/** The keys that begin with `prefix`. */
function prefixRange(prefix: Key): Range {
  return { lo: prefix, hi: prefixEnd(prefix) };
}

/**
 * `body` as a Consistent read where it asks for AtLeast: slots are counted per cluster, and the client cannot know
 * which one its stamp is of.
 */
function consistent(consistency: Consistency, body: Uint8Array): Uint8Array {
  if (consistency.kind !== 'atLeast') return body;
  const patched = Buffer.allocUnsafe(body.length - 8);
  patched.set(body.subarray(0, 4));
  patched[4] = 0;
  patched.set(body.subarray(13), 5);
  return patched;
}
