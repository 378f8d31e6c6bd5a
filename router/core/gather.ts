/** Requests that span clusters: cut into parts, one cluster each, and put together again. */
import type { Key } from '../../src/base/bytes.ts';
import { NurseryError } from '../../src/base/errors.ts';
import { boundAtMost, type Range, sameRange } from '../../src/keyspace/range.ts';
import { lookup, ownersOf } from '../../src/keyspace/rangemap.ts';
import {
  decodeInt64,
  decodeMultiGetOptions,
  failure,
  okInt64,
  okMultiGet,
  okMultiGetOptions,
} from '../../src/protocol/arakoon/replies.ts';
import { type Consistency, encodeRequest } from '../../src/protocol/arakoon/requests.ts';
import type { Answer } from '../../src/protocol/arakoon/values.ts';
import { createTask, fail, finish } from './tasks.ts';
import type { CountGather, Gather, KeysGather, RangeGather, Router, Task } from './types.ts';
import { runOf } from './view.ts';

const CONSISTENT: Consistency = { kind: 'consistent' };
const NO_GUARANTEES: Consistency = { kind: 'noGuarantees' };

/**
 * Plans `task`, a part, by the map as it is now. False where it was cut into several, which are to be routed
 * instead.
 */
export function planPart(router: Router, task: Task, gather: Gather): boolean {
  if (gather.kind === 'range') return planRange(router, task, gather);
  return gather.kind === 'keys' ? planKeys(router, task, gather) : planCount(router, task, gather);
}

/** Takes in the successful reply to a part; the last one answers the request. */
export function addPart(router: Router, task: Task, gather: Gather, reply: Uint8Array): void {
  if (gather.isDone) return;
  if (gather.kind === 'range') {
    addRange(router, task, gather, reply);
    return;
  }
  const isWhole = gather.kind === 'keys' && task.indices.length === gather.keys.length;
  if (isWhole) {
    finish(router, task, { bytes: reply, hint: null });
    return;
  }
  try {
    if (gather.kind === 'keys') addKeys(router, task, gather, reply);
    else addCount(router, task, gather, reply);
  } catch (error) {
    if (!(error instanceof NurseryError)) throw error;
    fail(router, task, 'UNKNOWN_FAILURE', `a cluster answered its part with a ${error.message}`);
  }
}

/** The next piece that one cluster owns. Held as a whole where any of it moves, so that each part is consistent. */
function planRange(router: Router, task: Task, gather: RangeGather): boolean {
  const rest: Range = { lo: gather.lo, hi: gather.hi };
  const run = runOf(router.effective, rest, gather.isDescending);
  const piece = run === null ? rest : run.range;
  gather.isWhole = gather.chunks.length === 0 && sameRange(piece, rest);
  gather.piece = piece;
  task.ranges = [piece];
  task.body = gather.isWhole ? gather.body : encodePiece(gather, piece);
  return true;
}

function addRange(router: Router, task: Task, gather: RangeGather, reply: Uint8Array): void {
  const { piece } = gather;
  if (gather.isWhole || piece === null) {
    finish(router, task, { bytes: reply, hint: null });
    return;
  }
  if (reply.length < 8) {
    fail(router, task, 'UNKNOWN_FAILURE', 'a cluster answered its part with no list');
    return;
  }
  const count = new DataView(reply.buffer, reply.byteOffset).getUint32(4, true);
  gather.chunks.push(reply.subarray(8));
  gather.count += count;
  gather.bytes += reply.length - 8;
  if (gather.bytes > router.limits.gatheredBytes) {
    tooLarge(router, task);
    return;
  }
  if (gather.left >= 0) gather.left = Math.max(0, gather.left - count);
  const isEnd = gather.isDescending ? piece.lo <= gather.lo : boundAtMost(gather.hi, piece.hi);
  if (isEnd || gather.left === 0) {
    router.counters.gathered += 1;
    finish(router, task, stitch(gather));
    return;
  }
  if (gather.isDescending) gather.hi = piece.lo;
  else gather.lo = piece.hi ?? gather.lo;
  task.redirects = 0;
  router.todo.push(task);
}

/**
 * One list of the parts' lists. Each stands on the wire in the reverse of the order asked, and so does the whole:
 * the elements of the last part come first.
 */
function stitch(gather: RangeGather): Answer {
  const bytes = Buffer.allocUnsafe(8 + gather.bytes);
  bytes.writeUInt32LE(0, 0);
  bytes.writeUInt32LE(gather.count, 4);
  let at = 8;
  for (let index = gather.chunks.length - 1; index >= 0; index -= 1) {
    const chunk = gather.chunks[index] as Uint8Array;
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return { bytes, hint: null };
}

/** The request for `piece`, with bounds that the owner of `[lo, hi)` accepts. */
function encodePiece(gather: RangeGather, piece: Range): Uint8Array {
  const low = piece.lo === '' ? null : piece.lo;
  const { isDescending } = gather;
  return encodeRequest({
    kind: gather.form,
    consistency: gather.isStale ? NO_GUARANTEES : CONSISTENT,
    first: isDescending ? piece.hi : low,
    firstIncluded: !isDescending,
    last: isDescending ? low : piece.hi,
    lastIncluded: isDescending,
    max: gather.left,
  });
}

/** All keys of one owner go in one part. */
function planKeys(router: Router, task: Task, gather: KeysGather): boolean {
  const byOwner = new Map<string, number[]>();
  for (const index of task.indices) {
    const owner = lookup(router.effective, gather.keys[index] as Key)?.owner ?? '';
    const indices = byOwner.get(owner);
    if (indices === undefined) byOwner.set(owner, [index]);
    else indices.push(index);
  }
  if (byOwner.size > 1) {
    for (const indices of byOwner.values()) router.todo.push(createTask({ ...task, indices }));
    return false;
  }
  const isWhole = task.indices.length === gather.keys.length;
  task.keys = isWhole ? gather.keys : task.indices.map((index) => gather.keys[index] as Key);
  task.body = isWhole ? gather.body : encodeKeys(gather, task.keys);
  return true;
}

/** Parts say of each key whether it is there, whatever the client asked: which one is missing last is known at the end. */
function encodeKeys(gather: KeysGather, keys: readonly Key[]): Uint8Array {
  const consistency = gather.isStale ? NO_GUARANTEES : CONSISTENT;
  return encodeRequest({ kind: 'multiGetOption', consistency, keys });
}

function addKeys(router: Router, task: Task, gather: KeysGather, reply: Uint8Array): void {
  const values = decodeMultiGetOptions(reply);
  if (values.length !== task.indices.length) {
    fail(router, task, 'UNKNOWN_FAILURE', 'a cluster answered its part with too few or too many values');
    return;
  }
  for (const [at, index] of task.indices.entries()) gather.values[index] = values[at] ?? null;
  gather.pending -= values.length;
  gather.bytes += reply.length;
  if (gather.bytes > router.limits.gatheredBytes) {
    tooLarge(router, task);
    return;
  }
  if (gather.pending > 0) return;
  router.counters.gathered += 1;
  finish(router, task, answerKeys(gather));
}

/** As a single node would: of several missing keys the last one is named. */
function answerKeys(gather: KeysGather): Answer {
  if (gather.isOptional) return okMultiGetOptions(gather.values);
  const present: Uint8Array[] = [];
  let missing: Key | null = null;
  for (const [index, value] of gather.values.entries()) {
    if (value === null) missing = gather.keys[index] as Key;
    else present.push(value);
  }
  return missing === null ? okMultiGet(present) : failure('NOT_FOUND', missing);
}

/** One part per cluster of the map. */
function planCount(router: Router, task: Task, gather: CountGather): boolean {
  if (task.to !== null) return true;
  const owners = ownersOf(router.effective);
  gather.pending = owners.length;
  for (const owner of owners) router.todo.push(createTask({ ...task, to: owner }));
  return false;
}

function addCount(router: Router, task: Task, gather: CountGather, reply: Uint8Array): void {
  gather.sum += decodeInt64(reply);
  gather.pending -= 1;
  if (gather.pending === 0) finish(router, task, okInt64(gather.sum));
}

function tooLarge(router: Router, task: Task): void {
  const limit = router.limits.gatheredBytes;
  fail(router, task, 'BAD_INPUT', `the answer is larger than ${limit} bytes: ask for less at a time`);
}
