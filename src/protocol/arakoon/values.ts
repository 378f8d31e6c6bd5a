/** What requests and replies carry. */
import type { Key } from '../../base/bytes.ts';
import { NurseryError } from '../../base/errors.ts';
import { malformed, Reader } from '../../wire/codec.ts';
import type { Hint } from '../admin/admin.ts';

/** How fresh a read must be. `slot` counts in the cluster that is asked; above 2^53 it is rounded, as no slot is there. */
export type Consistency =
  | { readonly kind: 'consistent' }
  | { readonly kind: 'noGuarantees' }
  | { readonly kind: 'atLeast'; readonly slot: number };

/**
 * Bounds of a range request; null where open. `max` below 0 means all, 0 none. A decoded bound has at most
 * `USER_KEY_MAX` bytes: a longer one is replaced by one that parts the keys in the same way.
 */
export type RangeQuery = {
  readonly consistency: Consistency;
  readonly first: Key | null;
  readonly firstIncluded: boolean;
  readonly last: Key | null;
  readonly lastIncluded: boolean;
  readonly max: number;
};

/** What Arakoon's own migrator moves: the keys a cluster serves, and those it holds. Null where open. */
export type Interval = {
  readonly publicBegin: Key | null;
  readonly publicEnd: Key | null;
  readonly privateBegin: Key | null;
  readonly privateEnd: Key | null;
};

/** A key and its value. */
export type Entry = readonly [key: Key, value: Uint8Array];

/** What `version` answers; the numbers are unsigned on the wire. */
export type Version = {
  readonly major: number;
  readonly minor: number;
  readonly patch: number;
  readonly text: string;
};

/** Bytes of the return code, which begins every reply. */
export const RETURN_CODE_BYTES = 4;

/**
 * The return code of the reply that begins at `offset`.
 *
 * @throws NurseryError MALFORMED where the bytes end before
 */
export function returnCodeOf(reply: Uint8Array, offset = 0): number {
  if (reply.length - offset < RETURN_CODE_BYTES) throw malformed(`a reply of ${reply.length - offset} bytes`);
  return (
    ((reply[offset] as number) |
      ((reply[offset + 1] as number) << 8) |
      ((reply[offset + 2] as number) << 16) |
      ((reply[offset + 3] as number) << 24)) >>>
    0
  );
}

/**
 * What a refusal says behind its return code, as a view: text, or the key that OUT_OF_RANGE and NOT_FOUND are about.
 *
 * @throws NurseryError MALFORMED
 */
export function messageOf(refusal: Uint8Array): Buffer {
  const reader = new Reader(refusal, RETURN_CODE_BYTES);
  const message = reader.bytes();
  reader.finish();
  return message;
}

/** The node that a reply with NOT_MASTER names, which may be nobody's name; null where the bytes are none. */
export function masterIn(refusal: Uint8Array): string | null {
  try {
    return messageOf(refusal).toString('utf8');
  } catch (error) {
    if (!(error instanceof NurseryError)) throw error;
    return null;
  }
}

/** The rest of a reply that is too long for the memory: on byte streams alone. */
export type More = {
  /**
   * Makes the next piece, once the client has taken enough of those before: one call at a time. `null`: there is none. `failed`: it
   * cannot be made, so that the connection ends in the middle of the reply.
   */
  next(taken: (piece: Uint8Array | null) => void, failed: () => void): void;
  /** Nobody wants it any more, or it is complete; called once. */
  end(): void;
};

/** A whole reply as on TCP, and beside a range error where the key may be instead (links only). */
export type Answer = {
  readonly bytes: Uint8Array;
  /** What follows `bytes`: a reply of many MiB is never one piece, which would be copied to no end. Default: nothing. */
  readonly rest?: readonly Uint8Array[];
  /** What follows those. Default: nothing. */
  readonly more?: More;
  readonly hint: Hint | null;
};

/** The pieces of a reply, in order. */
export function piecesOf({ bytes, rest = [] }: Answer): readonly Uint8Array[] {
  return [bytes, ...rest];
}

/** A reply in one piece. */
export function wholeOf({ bytes, rest }: Answer): Uint8Array {
  return rest === undefined ? bytes : Buffer.concat([bytes, ...rest]);
}
