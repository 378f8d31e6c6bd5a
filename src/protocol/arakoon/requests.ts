/** Client requests as bytes: how far one reaches, what it asks, what of it goes into the log. */
import { NurseryError } from '../../base/errors.ts';
import { FRAME_MAX, UPDATE_MAX, whyTooLong } from '../../base/limits.ts';
import { Reader, Writer } from '../../wire/codec.ts';
import * as shape from '../../wire/shape.ts';
import { MAGIC } from '../admin/admin.ts';
import { encodeGet, encodeSet, readQuickly, updateOfSet } from './quick.ts';
import { KINDS, kindOfCode, type Request, rowOf, unknownCode } from './request-table.ts';

export { REQUEST_CODES, type Request, requestName } from './request-table.ts';
export type { Consistency, Interval, RangeQuery } from './values.ts';

/** First int of a connection; int version and string cluster id follow. */
export const PROLOGUE_MAGIC = MAGIC;
/** The only version of the protocol there is. */
export const PROLOGUE_VERSION = 1;

/** The highest byte of the magic. */
const MAGIC_HIGHEST = MAGIC >>> 24;

/** By code, for speed. What links alone offer has no shape: links delimit it. */
const SHAPE_OF: (shape.Shape | undefined)[] = [];
/** Whether a request with that code goes through the log. */
const IS_UPDATE: (boolean | undefined)[] = [];
for (const kind of KINDS) {
  const { code, args, by, linksOnly } = rowOf(kind);
  if (linksOnly !== true) SHAPE_OF[code] = args.shape;
  IS_UPDATE[code] = by === 'log';
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
    const request = readQuickly(reader, code) ?? readByTable(reader, code);
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

/** Whether a request with this code goes through the log. */
export function isUpdateCode(code: number): boolean {
  return IS_UPDATE[code] === true;
}

/** Whether the request goes through the log. */
export function isUpdate(request: Request): boolean {
  return rowOf(request.kind).by === 'log';
}

/**
 * The update to log for `request`, encoded, which came as `frame`; null for what does not go through the log.
 * Always a copy: frames are reused.
 *
 * @throws NurseryError BAD_INPUT where a sequence does not hold what it should
 */
export function updateOf(request: Request, frame: Uint8Array): Uint8Array | null {
  if (request.kind === 'set') return updateOfSet(frame);
  return rowOf(request.kind).logs?.(request, frame) ?? null;
}

/** The bytes of `request`, magic included. */
export function encodeRequest(request: Request): Buffer {
  if (request.kind === 'set') return encodeSet(request.key, request.value);
  if (request.kind === 'get') return encodeGet(request.consistency, request.key);
  const writer = new Writer(64);
  writeByTable(writer, request);
  return writer.take();
}

/** Writes what the table says of `request`, magic included. */
export function writeByTable(writer: Writer, request: Request): void {
  const { code, args } = rowOf(request.kind);
  writer.u32(MAGIC | code);
  args.write(writer, request);
}

/**
 * Reads the arguments of the request with this code as the table says.
 *
 * @throws NurseryError MALFORMED, NOT_SUPPORTED, or BAD_INPUT where a key or value is above its limit
 */
export function readByTable(reader: Reader, code: number): Request {
  const kind = kindOfCode(code);
  if (kind === undefined) throw unknownCode(code);
  return rowOf(kind).args.receive(reader, kind) as Request;
}

/** What a client sends first on a connection. */
export function encodePrologue(cluster: string): Buffer {
  const writer = new Writer();
  writer.u32(PROLOGUE_MAGIC);
  writer.u32(PROLOGUE_VERSION);
  writer.bytes(Buffer.from(cluster, 'utf8'));
  return writer.take();
}

/** The code in the first int. Further bits beside the magic are masked, as Arakoon masks them. */
function codeAt(buffer: Buffer, offset: number): number {
  if (((buffer[offset + 3] as number) & MAGIC_HIGHEST) !== MAGIC_HIGHEST || buffer[offset + 2] !== 0xff) {
    throw new NurseryError('NO_MAGIC', 'a request begins with 0xb1ff0000 | code');
  }
  return (buffer[offset] as number) | ((buffer[offset + 1] as number) << 8);
}
