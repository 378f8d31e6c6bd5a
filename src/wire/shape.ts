/**
 * How far a message reaches, found by its lengths alone: what a byte stream needs before anything is decoded.
 *
 * A shape lists what follows one after the other. Scanning allocates nothing, copies nothing, and checks nothing
 * but lengths; whether the bytes make sense is for the decoder to say, when the stream is in step again.
 */
import { type ErrorCode, NurseryError } from '../base/errors.ts';

/** 1 byte. */
export const BOOL = 1;
/** 4 bytes. */
export const INT = 2;
/** 8 bytes. */
export const INT64 = 3;
/** int length, then that many bytes. */
export const STRING = 4;
/** bool, then a string where it is not 0. */
export const OPTION = 5;
/** 1 byte, then an int64 where it is 2. */
export const CONSISTENCY = 6;

type Primitive = typeof BOOL | typeof INT | typeof INT64 | typeof STRING | typeof OPTION | typeof CONSISTENCY;

/** int count, then `each` so many times. */
type Elements = { readonly each: Shape; readonly leastBytes: number };

/** What a message consists of, in order. */
export type Shape = readonly (Primitive | Elements)[];

/** A message lies in the buffer up to `end`; or `bytes` of it, counted from its beginning, are wanted before it is worth asking again. */
export type Scanned = { readonly kind: 'complete'; readonly end: number } | Wanting;
export type Wanting = { readonly kind: 'need'; readonly bytes: number };

const LEAST_BYTES: { readonly [P in Primitive]: number } = {
  [BOOL]: 1,
  [INT]: 4,
  [INT64]: 8,
  [STRING]: 4,
  [OPTION]: 1,
  [CONSISTENCY]: 1,
};

/** A list of elements of the shape `each`, which takes at least one byte. */
export function elements(...each: Shape): Elements {
  return { each, leastBytes: leastBytes(each) };
}

/** A message that announces more than is allowed. */
export class OversizedError extends NurseryError {
  /** Length of the whole message where it is known already: whoever skips so many bytes is in step again. Else null. */
  readonly messageBytes: number | null;

  constructor(code: ErrorCode, message: string, messageBytes: number | null) {
    super(code, message);
    this.messageBytes = messageBytes;
  }
}

/** Where a message begins, how long it may be, and with what code a longer one is refused. */
export type Extent = {
  readonly begin: number;
  readonly bytesMax: number;
  readonly refusal: 'BAD_INPUT' | 'MALFORMED';
};

/**
 * Goes over `shape` from `from`. Returns the offset behind it where all of it lies below `end`; otherwise the
 * offset up to which bytes are wanted next, negated. That one is never beyond the message.
 *
 * @throws OversizedError where the lengths announce more than `extent.bytesMax`, as soon as they do
 */
export function scanShape(buffer: Buffer, from: number, end: number, shape: Shape, extent: Extent): number {
  return scan(buffer, from, end, shape, extent, true);
}

function scan(
  buffer: Buffer,
  from: number,
  end: number,
  shape: Shape,
  extent: Extent,
  outermost: boolean,
): number {
  let at = from;
  for (let index = 0; index < shape.length; index += 1) {
    const part = shape[index] as Shape[number];
    if (typeof part === 'object') {
      at = scanElements(buffer, at, end, part, extent);
      if (at < 0) return at;
      continue;
    }
    const least = at + LEAST_BYTES[part];
    if (least > end) return -least;
    if (part === STRING || part === OPTION) {
      let lengthAt = at;
      if (part === OPTION) {
        if (buffer[at] === 0) {
          at = least;
          continue;
        }
        lengthAt = at + 1;
        if (lengthAt + 4 > end) return -(lengthAt + 4);
      }
      at = lengthAt + 4 + buffer.readUInt32LE(lengthAt);
      check(at, extent, outermost && index === shape.length - 1);
    } else if (part === CONSISTENCY) {
      at = buffer[at] === 2 ? least + 8 : least;
    } else {
      at = least;
    }
    if (at > end) return -at;
  }
  return at;
}

function scanElements(buffer: Buffer, from: number, end: number, list: Elements, extent: Extent): number {
  if (from + 4 > end) return -(from + 4);
  const count = buffer.readUInt32LE(from);
  let at = from + 4;
  check(at + count * list.leastBytes, extent, false);
  for (let left = count; left > 0; left -= 1) {
    const next = scan(buffer, at, end, list.each, extent, false);
    // All that are left are wanted, not only the one that is cut.
    if (next < 0) return next - (left - 1) * list.leastBytes;
    at = next;
  }
  return at;
}

/** Refuses a message that reaches to `reach` or beyond; `exact` where that is its very end. */
function check(reach: number, extent: Extent, exact: boolean): void {
  const bytes = reach - extent.begin;
  if (bytes <= extent.bytesMax) return;
  const message = `a message of ${bytes} bytes or more: the limit is ${extent.bytesMax} bytes`;
  throw new OversizedError(extent.refusal, message, exact ? bytes : null);
}

function leastBytes(shape: Shape): number {
  return shape.reduce<number>((sum, part) => sum + (typeof part === 'object' ? 4 : LEAST_BYTES[part]), 0);
}
