/** What of a request goes into the log. All of it copied: frames are reused. */
import { withKind } from './quick.ts';
import { checkSequence, UPDATE_KINDS, type Update } from './updates.ts';

type Logs<V> = (values: V, frame: Uint8Array) => Uint8Array;

/** The request as it came, its arguments being those of the update of this kind. */
export function asSent<K extends Update['kind']>(kind: K): Logs<Omit<Extract<Update, { kind: K }>, 'kind'>> {
  return (_, frame) => withKind(UPDATE_KINDS[kind], frame);
}

/**
 * The sequence that the request holds, as one of this kind.
 *
 * @throws NurseryError BAD_INPUT where it holds anything else
 */
export function asSequence(kind: 'sequence' | 'syncedSequence'): Logs<{ readonly update: Uint8Array }> {
  return ({ update }) => {
    checkSequence(update);
    return withKind(UPDATE_KINDS[kind], update);
  };
}
