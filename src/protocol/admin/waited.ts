/**
 * How long requests of clients waited lately at the node that answers, said behind an answer to a page of a move: what its copy
 * gives way by. One node has measured it, by its own clock; no state machine knows of it.
 */
import { storedWithMore } from '../../identity/founding.ts';
import { type Codec, i64 } from '../../wire/codec.ts';

/** Milliseconds; missing where nobody waited, or the answer is not about a page. */
export type SaysWaited = { readonly waitedMs?: number };

/** What ends an answer, and says behind that how long requests waited. */
export function withWaited<T extends object>(codec: Codec<T>): Codec<T & SaysWaited> {
  return storedWithMore(
    codec,
    i64,
    ({ waitedMs = 0 }) => (waitedMs > 0 ? waitedMs : null),
    (value, waitedMs) => ({ ...value, waitedMs }),
  );
}
