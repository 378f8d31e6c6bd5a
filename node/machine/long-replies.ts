/** Encoding of replies that are too long to be encoded in one go; the bytes are those of src/protocol/replies.ts. */
import { RETURN_CODES } from '../../src/errors.ts';
import { Writer } from '../../src/protocol/codec.ts';
import { type Answer, type Entry, okEntries, okKeys } from '../../src/protocol/replies.ts';
import type { Work } from '../store/types.ts';
import { Pace } from './pace.ts';

/** Up to so many entries, and bytes, a reply is encoded at once. */
const SHORT_ENTRIES = 500;
const SHORT_BYTES = 256 * 1024;

/**
 * `okEntries`, or `okKeys` of their keys, with pauses. `bytes`: at least what the entries take on the wire, so that the
 * buffer is allocated once.
 */
export function* encodeEntries(entries: readonly Entry[], withValues: boolean, bytes: number): Work<Answer> {
  if (entries.length <= SHORT_ENTRIES && bytes <= SHORT_BYTES) {
    return withValues ? okEntries(entries) : okKeys(entries.map(([key]) => key));
  }
  const pace = new Pace();
  const writer = new Writer(8 + bytes);
  writer.u32(RETURN_CODES.OK);
  writer.u32(entries.length);
  for (let index = entries.length - 1; index >= 0; index -= 1) {
    const [key, value] = entries[index] as Entry;
    writer.key(key);
    if (withValues) writer.bytes(value);
    if (pace.row(withValues ? value.length >>> 2 : 0)) yield;
  }
  return { bytes: writer.view(), hint: null };
}
