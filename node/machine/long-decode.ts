/** Decoding of updates that are too long to be decoded in one go. */

import {
  decodeUpdate,
  readUpdate,
  SEQUENCE_DEPTH_MAX,
  UPDATE_KINDS,
  type Update,
} from '../../src/protocol/arakoon/updates.ts';
import { malformed, Reader } from '../../src/wire/codec.ts';
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
  const kind = sequenceKind(reader);
  if (kind === null) return readUpdate(reader, depth);
  reader.u32();
  if (depth === SEQUENCE_DEPTH_MAX) throw malformed(`sequences nest more than ${SEQUENCE_DEPTH_MAX} deep`);
  const count = reader.u32();
  if (count > reader.left / 4) throw malformed(`sequence of ${count} updates in ${reader.left} bytes`);
  const updates: Update[] = [];
  for (let index = 0; index < count; index += 1) {
    const inner = sequenceKind(reader);
    updates.push(inner === null ? readUpdate(reader, depth + 1) : yield* read(reader, depth + 1, pace));
    if (pace.row()) yield;
  }
  return { kind, updates };
}

/** What kind of sequence begins where the reader is; null where none does. */
function sequenceKind(reader: Reader): 'sequence' | 'syncedSequence' | null {
  if (reader.left < 4) return null;
  const kind = reader.buffer.readUInt32LE(reader.offset);
  if (kind === UPDATE_KINDS.sequence) return 'sequence';
  return kind === UPDATE_KINDS.syncedSequence ? 'syncedSequence' : null;
}
