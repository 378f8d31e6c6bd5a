/** Decoding of updates that are too long to be decoded in one go. */

import {
  decodeUpdate,
  readSequenceHead,
  readUpdate,
  type Update,
} from '../../src/protocol/arakoon/updates.ts';
import { Reader } from '../../src/wire/codec.ts';
import type { Work } from '../store/types.ts';
import type { Pace } from './pace.ts';

/** Up to this length an update is decoded at once: some hundred updates of a sequence, about 0.5 ms (bytes). */
const SHORT_BYTES = 8 * 1024;

/**
 * `decodeUpdate`, with pauses between the updates of a long sequence.
 *
 * @throws NurseryError MALFORMED
 */
export function* decodePaced(bytes: Uint8Array, pace: Pace): Work<Update> {
  if (bytes.length <= SHORT_BYTES) return decodeUpdate(bytes);
  const reader = new Reader(bytes);
  const update = yield* read(reader, 0, pace);
  reader.finish();
  return update;
}

/** `depth` counts the sequences around the update. */
function* read(reader: Reader, depth: number, pace: Pace): Work<Update> {
  const head = readSequenceHead(reader, depth);
  if (head === null) return readUpdate(reader, depth);
  const updates: Update[] = [];
  for (let index = 0; index < head.count; index += 1) {
    updates.push(yield* read(reader, depth + 1, pace));
    if (pace.row()) yield;
  }
  return { kind: head.kind, updates };
}
