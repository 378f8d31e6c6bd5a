/** What a client says of a key that another cluster owns. */
import { bytesToKey, printKey } from '../base/bytes.ts';
import { NurseryError, RETURN_CODES } from '../base/errors.ts';
import type { Hint } from '../protocol/admin/admin.ts';
import { messageOf, returnCodeOf } from '../protocol/arakoon/values.ts';

/**
 * The error for a reply that refuses a key as outside the ranges of `cluster`; null for any other reply. It says who owns
 * the key where the reply came with a hint.
 */
export function outOfRange(reply: Uint8Array, cluster: string, hint: Hint | null): NurseryError | null {
  if (returnCodeOf(reply) !== RETURN_CODES.OUT_OF_RANGE) return null;
  const key = printKey(bytesToKey(messageOf(reply)));
  const named = /^(?:0x|"")/.test(key) ? key : `"${key}"`;
  return new NurseryError('OUT_OF_RANGE', `${cluster} does not own ${named}; ${whoDoes(hint)}`);
}

function whoDoes(hint: Hint | null): string {
  if (hint === null) return 'a router of the nursery knows who does';
  const { owner } = hint.entry;
  return hint.confirmed ? `${owner} does` : `it is moving, and ${owner} may serve it`;
}
