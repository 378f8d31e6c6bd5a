/** Limits that clients meet, in one place. Each error that enforces one names it and the actual size. */
import type { Key } from './bytes.ts';

/** Longest key (bytes): LMDB takes 4,026 at its page size of 8 KiB, and one byte is the table's prefix. */
export const USER_KEY_MAX = 4025;
/** Longest value (bytes): less than 8 MiB, as in Arakoon. */
export const VALUE_MAX = 8 * 1024 * 1024 - 1;
/** Largest update, a whole sequence included (bytes). */
export const UPDATE_MAX = 32 * 1024 * 1024;
/** Largest request or reply frame, on TCP and on links (bytes): an update and its envelope. */
export const FRAME_MAX = UPDATE_MAX + 64 * 1024;
/** Requests of one connection that may be unanswered before it is read no further. */
export const OUTSTANDING_MAX = 1024;

/** Why `bytes` are too many for what they are of; null where they are not. */
export function whyTooLong(what: 'key' | 'value' | 'update', bytes: number, bytesMax: number): string | null {
  return bytes > bytesMax ? `${what} of ${bytes} bytes: the limit is ${bytesMax} bytes` : null;
}

/** Why a key, with a value or without, cannot be stored; null where it can. */
export function whyUnstorable(key: Key, value: Uint8Array | null): string | null {
  const why = whyTooLong('key', key.length, USER_KEY_MAX);
  return why ?? (value === null ? null : whyTooLong('value', value.length, VALUE_MAX));
}

/** How long a client is taken to wait that does not say (ms), over TCP: as long as our own do unless told otherwise. */
export const PATIENCE_MS = 10_000;

/**
 * How long before its caller gives up whoever holds a request answers what it knows (ms), so that the answer still
 * arrives: a tenth of the time that the caller waits, and half a second at most.
 */
export function answerMarginMs(waitsMs: number): number {
  return Math.min(500, waitsMs / 10);
}
