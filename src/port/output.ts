/** Answers on their way to a client: short ones joined to one write, long ones in pieces, as the client reads. */
import type { Socket } from 'node:net';
import { bytesKept } from '../process/budget.ts';

/** Answers up to this many bytes together are copied into one write. */
const GATHER_BYTES_MAX = 64 * 1024;
/** A long answer is handed to the socket in pieces of so many bytes: that one was taken shows that the client reads. */
const SLICE_BYTES = 512 * 1024;

export class Output {
  readonly #socket: Socket;
  readonly #passedOn: () => void;
  /** Pieces that the socket has not got yet; of the first one it has `#sliced` bytes. */
  #pieces: Uint8Array[] = [];
  #sliced = 0;
  #unwrittenBytes = 0;
  /** Bytes of pieces that the socket has got to their end and not passed on. */
  #handedBytes = 0;

  /**
   * @param passedOn called when the socket has passed on a long piece: it said that it drained before, while a request
   * behind still had to wait
   */
  constructor(socket: Socket, passedOn: () => void) {
    this.#socket = socket;
    this.#passedOn = passedOn;
  }

  /** Whether the socket has got everything. */
  get isEmpty(): boolean {
    return this.#pieces.length === 0;
  }

  /** What the client has not taken. Of short answers the socket says only above its mark when they are gone. */
  get bytes(): number {
    const inSocket = this.#socket.writableNeedDrain ? this.#socket.writableLength : 0;
    return this.#unwrittenBytes + Math.max(this.#handedBytes, inSocket);
  }

  /** @param kept what `keptBy` says of them */
  add(pieces: readonly Uint8Array[], kept: number): void {
    for (const piece of pieces) this.#pieces.push(piece);
    this.#unwrittenBytes += kept;
  }

  /** Gives the socket what it takes now. False: there was nothing. */
  write(): boolean {
    const socket = this.#socket;
    const pieces = this.#pieces;
    if (pieces.length === 0) return false;
    if (this.#unwrittenBytes <= GATHER_BYTES_MAX) {
      this.#pieces = [];
      this.#unwrittenBytes = 0;
      socket.write(pieces.length === 1 ? (pieces[0] as Uint8Array) : Buffer.concat(pieces));
      return true;
    }
    if (socket.writableLength >= SLICE_BYTES) return true; // until it drains
    socket.cork();
    let count = 0;
    while (count < pieces.length && socket.writableLength < SLICE_BYTES) {
      const piece = pieces[count] as Uint8Array;
      const end = Math.min(piece.length, this.#sliced + SLICE_BYTES);
      const slice = piece.subarray(this.#sliced, end);
      if (end < piece.length) {
        socket.write(slice);
        this.#sliced = end;
        break;
      }
      const kept = bytesKept(piece);
      this.#sliced = 0;
      this.#unwrittenBytes -= kept;
      this.#handedBytes += kept;
      socket.write(slice, () => {
        this.#handedBytes -= kept;
        this.#passedOn();
      });
      count += 1;
    }
    pieces.splice(0, count);
    socket.uncork();
    return true;
  }

  clear(): void {
    this.#pieces = [];
  }
}

/** Memory that the pieces of an answer keep. */
export function keptBy(pieces: readonly Uint8Array[]): number {
  return pieces.reduce((sum, piece) => sum + bytesKept(piece), 0);
}
