/** Lists of byte strings, by hand since batches and runs are the hot path: u32 count, then u32 length and bytes of each. */
import { malformed, type Reader } from './codec.ts';

/** The encoded list, behind `headBytes` bytes that the caller fills. */
export function encodePieces(headBytes: number, pieces: readonly Uint8Array[]): Buffer {
  let length = headBytes + 4;
  for (const piece of pieces) length += 4 + piece.length;
  const bytes = Buffer.allocUnsafe(length);
  bytes.writeUInt32LE(pieces.length, headBytes);
  let at = headBytes + 4;
  for (const piece of pieces) {
    bytes.writeUInt32LE(piece.length, at);
    bytes.set(piece, at + 4);
    at += 4 + piece.length;
  }
  return bytes;
}

/**
 * The pieces that `reader` comes to, as views.
 *
 * @throws NurseryError MALFORMED
 */
export function readPieces(reader: Reader): Buffer[] {
  const count = reader.u32();
  if (count > reader.left / 4) throw malformed(`list of ${count} pieces in ${reader.left} bytes`);
  const pieces: Buffer[] = [];
  for (let index = 0; index < count; index += 1) pieces.push(reader.bytes());
  return pieces;
}
