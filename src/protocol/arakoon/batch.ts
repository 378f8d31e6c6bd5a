/** The value of one slot of the log: the updates that were proposed together, each encoded (updates.ts). */
import { Reader } from '../../wire/codec.ts';
import { encodePieces, readPieces } from '../../wire/pieces.ts';

/**
 * Begins an update that follows the one before it in its batch: where that one was refused as outside the cluster's
 * ranges, this one is refused too (run.ts).
 */
export const FOLLOWER = 0x41;

/** The encoded `update` as a follower. */
export function asFollower(update: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(4 + update.length);
  bytes.writeUInt32LE(FOLLOWER, 0);
  bytes.set(update, 4);
  return bytes;
}

/** Whether an encoded update is a follower. */
export function isFollower(update: Uint8Array): boolean {
  return update[0] === FOLLOWER && update[1] === 0 && update[2] === 0 && update[3] === 0;
}

/** `updates`, each encoded, as the value of one slot: int count, then each as int length and bytes. */
export function encodeBatch(updates: readonly Uint8Array[]): Buffer {
  return encodePieces(0, updates);
}

/**
 * The encoded updates of a slot's value, in order, as views.
 *
 * @throws NurseryError MALFORMED
 */
export function decodeBatch(batch: Uint8Array): Uint8Array[] {
  const reader = new Reader(batch);
  const updates = readPieces(reader);
  reader.finish();
  return updates;
}
