/** What to do with a request: from its bytes alone, and for the frequent ones from few of them. */
import type { Key } from '../../src/base/bytes.ts';
import { NurseryError } from '../../src/base/errors.ts';
import { prefixRange, type Range, WHOLE } from '../../src/keyspace/range.ts';
import { MAGIC } from '../../src/protocol/admin/admin.ts';
import { rangeOfQuery } from '../../src/protocol/arakoon/bounds.ts';
import { isStaleRead, keyOfRead, keyOfUpdate } from '../../src/protocol/arakoon/quick.ts';
import { failureOf, okKeys, okMultiGet } from '../../src/protocol/arakoon/replies.ts';
import {
  KINDS,
  type KindsWith,
  type Request,
  type RequestOf,
  rowOf,
} from '../../src/protocol/arakoon/request-table.ts';
import { decodeRequest, requestCode } from '../../src/protocol/arakoon/requests.ts';
import { decodeSequence, isSequence, keysOfUpdate, type Update } from '../../src/protocol/arakoon/updates.ts';
import type { Answer, Consistency } from '../../src/protocol/arakoon/values.ts';
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

/** By code: updates and reads of one key, of which the key is all that is looked at. */
const IS_KEY_UPDATE: (boolean | undefined)[] = [];
const IS_KEY_READ: (boolean | undefined)[] = [];
for (const kind of KINDS) {
  const { code, names, by } = rowOf(kind);
  if (names === 'key') (by === 'log' ? IS_KEY_UPDATE : IS_KEY_READ)[code] = true;
}

/** Never throws: what is malformed becomes an answer that says so. */
export function classify(body: Uint8Array): Plan {
  return classifyQuickly(body) ?? classifyByTable(body);
}

/** The plan for what names one key, from few of its bytes; null where more must be looked at. */
function classifyQuickly(body: Uint8Array): Plan | null {
  if (((body[2] as number) | ((body[3] as number) << 8)) !== MAGIC_HIGH) return null;
  const code = requestCode(body);
  if (IS_KEY_UPDATE[code] === true) {
    const key = keyOfUpdate(body);
    return key === null ? null : update(body, [key], NO_RANGES);
  }
  if (IS_KEY_READ[code] !== true) return null;
  const key = keyOfRead(body);
  if (key === null) return null;
  return {
    kind: 'forward',
    isUpdate: false,
    isStale: isStaleRead(body),
    body,
    keys: [key],
    ranges: NO_RANGES,
  };
}

/** The plan for what a request names, whatever that is. Never throws. */
export function classifyByTable(body: Uint8Array): Plan {
  try {
    const request = decodeRequest(body);
    return planOf(rowOf(request.kind).names, request, body);
  } catch (error) {
    if (!(error instanceof NurseryError)) throw error;
    return { kind: 'answer', answer: failureOf(error) };
  }
}

type Names = ReturnType<typeof rowOf>['names'];
type Naming<N extends Names> = RequestOf<KindsWith<{ readonly names: N }>>;

/** What each way of naming means; one that is missing does not compile. @throws NurseryError for what no node would take either */
const PLANS: { readonly [N in Names]: (request: Naming<N>, body: Uint8Array) => Plan } = {
  key: (request, body) =>
    'consistency' in request
      ? read(request.consistency, body, [request.key], NO_RANGES)
      : update(body, [request.key], NO_RANGES),
  keys: ({ kind, consistency, keys }, body) => gatherKeys(kind === 'multiGetOption', consistency, keys, body),
  prefix: (request, body) =>
    'consistency' in request
      ? gatherPieces('range', request.consistency, prefixRange(request.prefix), request.max, body)
      : update(body, NO_KEYS, [prefixRange(request.prefix)]),
  bounds: (request, body) =>
    gatherPieces(request.kind, request.consistency, rangeOfQuery(request), request.max, body),
  updates: (request, body) => classifySequence(body, request.update),
  anywhere: (_, body) => update(body, ANYWHERE, NO_RANGES),
  everything: (request, body) =>
    'consistency' in request
      ? read(request.consistency, body, NO_KEYS, [WHOLE])
      : update(body, NO_KEYS, [WHOLE]),
  clusters: (_, body) => {
    const gather = { kind: 'count', body, isDone: false, pending: 0, sum: 0 } as const;
    return { kind: 'gather', isStale: false, gather: { ...gather } };
  },
  asked: (request) => ({ kind: 'local', request }),
  node: (request) => ({ kind: 'local', request }),
};

function planOf(names: Names, request: Request, body: Uint8Array): Plan {
  const plan = PLANS[names] as (request: Request, body: Uint8Array) => Plan; // its own, by the row of the request
  return plan(request, body);
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

function gatherPieces(
  form: RangeGather['form'],
  consistency: Consistency,
  range: Range | null,
  max: number,
  body: Uint8Array,
): Plan {
  if (range === null || max === 0) return { kind: 'answer', answer: okKeys([]) };
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
