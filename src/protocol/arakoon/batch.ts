/** The value of one slot of the log: the updates that were proposed together, each encoded (updates.ts). */
import { malformed } from '../../wire/codec.ts';
import { encodePieces } from '../../wire/pieces.ts';

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
  const updates: Uint8Array[] = [];
  const reader = new BatchReader(batch);
  while (reader.next()) updates.push(reader.bytes.subarray(reader.from, reader.end));
  if (!reader.isWhole) throw malformed(`no batch of updates: ${batch.length} bytes`);
  return updates;
}

/** Goes over a batch from update to update, and makes nothing of them: every slot that is applied passes here. */
export class BatchReader {
  readonly bytes: Buffer;
  /** Where the update at hand stands: its beginning, the same behind the mark of a follower, and its end. */
  from = 0;
  begin = 0;
  end = 4;
  isFollower = false;
  /** Updates that are left; below 0: what should be one is none. */
  #left: number;

  constructor(batch: Uint8Array) {
    this.bytes = Buffer.from(batch.buffer, batch.byteOffset, batch.byteLength);
    this.#left = batch.length < 4 ? -1 : this.bytes.readUInt32LE(0);
  }

  /** Comes to the next update; false where there is none, at the end or because the bytes are no batch. */
  next(): boolean {
    if (this.#left <= 0) return false;
    const { bytes } = this;
    const from = this.end + 4;
    const end = from > bytes.length ? from : from + bytes.readUInt32LE(from - 4);
    if (end > bytes.length) {
      this.#left = -1;
      return false;
    }
    this.#left -= 1;
    this.isFollower = end - from >= 4 && bytes.readUInt32LE(from) === FOLLOWER;
    this.from = from;
    this.begin = this.isFollower ? from + 4 : from;
    this.end = end;
    return true;
  }

  /** Whether all of the batch was passed, and nothing stood behind it. */
  get isWhole(): boolean {
    return this.#left === 0 && this.end === this.bytes.length;
  }
}
