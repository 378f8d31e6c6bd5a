/** Client requests as bytes: how far one reaches, what it asks, what of it goes into the log. */
import type { Key } from '../../base/bytes.ts';
import { NurseryError } from '../../base/errors.ts';
import { FRAME_MAX, UPDATE_MAX, whyTooLong } from '../../base/limits.ts';
import { Reader, Writer } from '../../wire/codec.ts';
import * as shape from '../../wire/shape.ts';
import { MAGIC } from '../admin/admin.ts';
import { REQUEST_CODES, REQUEST_SHAPES, type Request, unknownCode } from './request-kinds.ts';
import { readRequest } from './request-reader.ts';
import { writeRequest } from './request-writer.ts';
import { checkSequence, encodeUpdate, UPDATE_KINDS } from './updates.ts';

export { REQUEST_CODES, type Request, requestName } from './request-kinds.ts';
export type { Consistency, Interval, RangeQuery } from './values.ts';

/** First int of a connection; int version and string cluster id follow. */
export const PROLOGUE_MAGIC = MAGIC;
/** The only version of the protocol there is. */
export const PROLOGUE_VERSION = 1;

/** By code, for speed. */
const SHAPE_OF: (shape.Shape | undefined)[] = [];
for (const [kind, parts] of Object.entries(REQUEST_SHAPES)) {
  SHAPE_OF[REQUEST_CODES[kind as keyof typeof REQUEST_SHAPES]] = parts;
}

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
    const why = whyTooLong('update', frame.length, UPDATE_MAX);
    if (why !== null && isUpdate(request)) throw new NurseryError('BAD_INPUT', why);
    return request;
  } catch (error) {
    if (!(error instanceof NurseryError) || error.code !== 'MALFORMED') throw error;
    throw new NurseryError('BAD_INPUT', error.message, { cause: error });
  }
}

/** The code of a frame's request, or of no request where the magic is missing. */
export function requestCode(frame: Uint8Array): number {
  return (frame[0] as number) | ((frame[1] as number) << 8);
}

const UPDATE_CODES: ReadonlySet<number> = new Set([
  REQUEST_CODES.set,
  REQUEST_CODES.delete,
  REQUEST_CODES.testAndSet,
  REQUEST_CODES.sequence,
  REQUEST_CODES.syncedSequence,
  REQUEST_CODES.userFunction,
  REQUEST_CODES.confirm,
  REQUEST_CODES.deletePrefix,
  REQUEST_CODES.replace,
  REQUEST_CODES.nop,
  REQUEST_CODES.setNurseryConfig,
  REQUEST_CODES.adminCommand,
]);

/** Whether a request with this code goes through the log. */
export function isUpdateCode(code: number): boolean {
  return UPDATE_CODES.has(code);
}

/** Whether the request goes through the log. */
export function isUpdate(request: Request): boolean {
  return UPDATE_CODES.has(REQUEST_CODES[request.kind]);
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
  const writer = new Writer(64);
  writer.u32(MAGIC | REQUEST_CODES[request.kind]);
  writeRequest(writer, request);
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
