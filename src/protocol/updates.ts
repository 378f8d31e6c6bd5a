/** What the log holds for a client: the updates of Arakoon's sequences, and those of our own. */
import type { Key } from '../bytes.ts';
import type { AdminCommand } from './admin.ts';

type Bytes = Uint8Array;

/** One update. Evaluated when its slot is applied; atomic by itself. */
export type Update =
  | { readonly kind: 'set'; readonly key: Key; readonly value: Bytes }
  | { readonly kind: 'delete'; readonly key: Key }
  | {
      readonly kind: 'testAndSet';
      readonly key: Key;
      readonly expected: Bytes | null;
      readonly wanted: Bytes | null;
    }
  | { readonly kind: 'sequence'; readonly updates: readonly Update[] }
  | { readonly kind: 'syncedSequence'; readonly updates: readonly Update[] }
  | { readonly kind: 'nop' }
  | { readonly kind: 'userFunction'; readonly name: Key; readonly argument: Bytes | null }
  | { readonly kind: 'assert'; readonly key: Key; readonly expected: Bytes | null }
  | { readonly kind: 'assertExists'; readonly key: Key }
  | { readonly kind: 'deletePrefix'; readonly prefix: Key }
  | { readonly kind: 'replace'; readonly key: Key; readonly wanted: Bytes | null }
  /** Holds where the keys that begin with `prefix` are exactly `keys`, in whatever order they are listed. */
  | { readonly kind: 'assertRange'; readonly prefix: Key; readonly keys: readonly Key[] }
  /** Sets where the value differs. Kind 0x40 in the log; not a part of Arakoon's sequences. */
  | { readonly kind: 'confirm'; readonly key: Key; readonly value: Bytes }
  /** Kind 0x80 in the log. */
  | { readonly kind: 'admin'; readonly command: AdminCommand };
