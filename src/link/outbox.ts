/** The sending half of a link: gathers what one turn of the event loop says, and interleaves long messages with it. */
import type { WebSocket } from 'ws';
import { bytesKept } from '../process/budget.ts';
import { encodeLeft, Gather, HEADER_BYTES, LEFT_BYTES, PART_BYTES, TYPE } from './frames.ts';

/** While more than this waits in the socket (bytes), the next part of a long message stays back. */
const PUMP_BYTES = 2 * PART_BYTES;

const NO_BYTES = Buffer.alloc(0);
const NO_PIECES: readonly Uint8Array[] = [];

/** What a long message says, in pieces, from which parts are taken one after the other. */
class Body {
  readonly bytes: number;
  /** Memory that it keeps, until all of it was taken. */
  readonly keptBytes: number;
  readonly #pieces: readonly Uint8Array[];
  /** The piece that is taken from, and how much of it was taken. */
  #index = 0;
  #offset = 0;
  #takenBytes = 0;

  constructor(pieces: readonly Uint8Array[]) {
    this.#pieces = pieces;
    this.bytes = pieces.reduce((sum, piece) => sum + piece.length, 0);
    this.keptBytes = pieces.reduce((sum, piece) => sum + bytesKept(piece), 0);
  }

  get leftBytes(): number {
    return this.bytes - this.#takenBytes;
  }

  get isBegun(): boolean {
    return this.#takenBytes > 0;
  }

  /** The next `bytesMax` bytes, or what is left of them. */
  take(bytesMax: number): Uint8Array {
    const taken: Uint8Array[] = [];
    let room = bytesMax;
    while (room > 0 && this.#index < this.#pieces.length) {
      const piece = this.#pieces[this.#index] as Uint8Array;
      const part = piece.subarray(this.#offset, this.#offset + room);
      taken.push(part);
      room -= part.length;
      this.#offset += part.length;
      this.#takenBytes += part.length;
      if (this.#offset < piece.length) break;
      this.#index += 1;
      this.#offset = 0;
    }
    return taken.length === 1 ? (taken[0] as Uint8Array) : Buffer.concat(taken);
  }
}

/** A message that waits to be sent in parts, or behind such a one. */
type Long = {
  readonly type: number;
  readonly id: number;
  readonly body: Body;
  /** Of a request; 0 for the others. */
  readonly sequence: number;
  readonly deadlineAtMs: number;
};

/**
 * Sends messages, short ones together once per turn. Requests are numbered by their sender, in `sequence`, and keep
 * their order; answers, posts and pings may overtake long messages.
 */
export class Outbox {
  readonly #socket: WebSocket;
  readonly #onWritten: () => void;
  readonly #onTurn = (): void => this.#turn();
  readonly #gather = new Gather();
  readonly #long: Long[] = [];
  #longBytes = 0;
  #longKept = 0;
  #longRequests = 0;
  #turnDue = false;
  #closed = false;
  #wasUsed = false;
  /** Sequence of the last request in what is gathered, and in what the socket has. */
  #gatheredSequence = 0;
  #handedSequence = 0;

  /** @param onWritten called whenever the socket has passed something on */
  constructor(socket: WebSocket, onWritten: () => void) {
    this.#socket = socket;
    this.#onWritten = (): void => {
      if (!this.#closed) this.#pump();
      onWritten();
    };
  }

  /** Bytes that wait to be sent, in the socket too. */
  get bytes(): number {
    return this.#socket.bufferedAmount + this.#gather.length + this.#longBytes;
  }

  /** Memory that they keep: a long message is kept whole until the last of it was sent. */
  get keptBytes(): number {
    return this.#socket.bufferedAmount + this.#gather.length + this.#longKept;
  }

  /** Whether long messages are under way. */
  get hasLong(): boolean {
    return this.#long.length > 0;
  }

  /** Highest sequence of the requests of which anything was handed to the socket. */
  get handedSequence(): number {
    return this.#handedSequence;
  }

  /**
   * Sends a request, of type `request` or `short`. A long body must not change before it is sent; a short one is copied.
   * The time left until `deadlineAtMs` goes with it, as it is when the sending begins.
   */
  request(type: number, id: number, body: Uint8Array, sequence: number, deadlineAtMs: number): void {
    // Behind a long request the short ones queue too: requests keep their order.
    if (body.length + LEFT_BYTES > PART_BYTES || this.#longRequests > 0) {
      this.#longRequests += 1;
      this.#putLong({ type, id, body: new Body([body]), sequence, deadlineAtMs });
    } else {
      this.#put(type, id, leftUntil(deadlineAtMs), body);
      this.#gatheredSequence = sequence;
    }
    this.#wasUsed = true;
  }

  /** Sends any other message, of one or two pieces, or of more. */
  send(
    type: number,
    id: number,
    first: Uint8Array,
    second: Uint8Array | null = null,
    rest: readonly Uint8Array[] = NO_PIECES,
  ): void {
    const bytes = first.length + (second === null ? 0 : second.length);
    if (rest === NO_PIECES && bytes <= PART_BYTES) this.#put(type, id, first, second);
    else {
      const body = new Body([first, ...(second === null ? [] : [second]), ...rest]);
      this.#putLong({ type, id, body, sequence: 0, deadlineAtMs: 0 });
    }
    if (type !== TYPE.ping && type !== TYPE.pong) this.#wasUsed = true;
  }

  /** Takes back a request that waits and of which nothing was sent yet; false where it is too late for that. */
  withdraw(sequence: number): boolean {
    const index = this.#long.findIndex((long) => long.sequence === sequence);
    const long = this.#long[index];
    if (long === undefined || long.body.isBegun) return false;
    this.#long.splice(index, 1);
    this.#longBytes -= long.body.bytes;
    this.#longKept -= long.body.keptBytes;
    this.#longRequests -= 1;
    return true;
  }

  /** Drops a long answer, also where some of it was sent: the other end, which has cancelled its request, throws that away. */
  cancel(id: number): void {
    const isAnswer = (type: number): boolean => type === TYPE.response || type === TYPE.hinted;
    const index = this.#long.findIndex((long) => long.id === id && isAnswer(long.type));
    const long = this.#long[index];
    if (long === undefined) return;
    this.#long.splice(index, 1);
    this.#longBytes -= long.body.leftBytes;
    this.#longKept -= long.body.keptBytes;
    this.#pump();
  }

  /** Hands what is gathered to the socket now. */
  flush(): void {
    if (this.#gather.length === 0) return;
    this.#handedSequence = this.#gatheredSequence;
    this.#socket.send(this.#gather.take(), this.#onWritten);
  }

  /** Gives memory back where nothing but heartbeats was sent since the last call. */
  restIfIdle(): void {
    if (!this.#wasUsed) this.#gather.rest();
    this.#wasUsed = false;
  }

  /** Drops what was not handed to the socket. */
  close(): void {
    this.#closed = true;
    this.#long.length = 0;
    this.#longBytes = 0;
    this.#longKept = 0;
  }

  #put(type: number, id: number, first: Uint8Array, second: Uint8Array | null): void {
    const bytes = first.length + (second === null ? 0 : second.length);
    if (!this.#gather.fits(bytes)) this.flush();
    this.#gather.put(type, id, first, second);
    if (this.#turnDue) return;
    this.#turnDue = true;
    setImmediate(this.#onTurn);
  }

  #putLong(message: Long): void {
    this.#long.push(message);
    this.#longBytes += message.body.bytes;
    this.#longKept += message.body.keptBytes;
    this.#pump();
  }

  #turn(): void {
    this.#turnDue = false;
    if (!this.#closed) this.flush();
  }

  /** Sends parts as long as the socket is nearly empty, so that what comes in between waits for few of them. */
  #pump(): void {
    for (let next = this.#long[0]; next !== undefined; next = this.#long[0]) {
      if (this.#socket.bufferedAmount + this.#gather.length >= PUMP_BYTES) return;
      const { type, id, body, sequence } = next;
      const isFirst = !body.isBegun;
      const prefix = sequence > 0 && isFirst ? leftUntil(next.deadlineAtMs) : NO_BYTES;
      const part = body.take(PART_BYTES - prefix.length);
      const isWhole = isFirst && body.leftBytes === 0;
      if (isWhole) this.#put(type, id, prefix, part);
      else this.#put(TYPE.part, 0, partHeader(next, prefix), part);
      if (sequence > 0) this.#gatheredSequence = sequence;
      if (!isWhole) this.flush();
      this.#longBytes -= part.length;
      if (body.leftBytes > 0) continue;
      this.#long.shift();
      this.#longKept -= body.keptBytes;
      if (sequence > 0) this.#longRequests -= 1;
    }
  }
}

/** What precedes a piece of `long`, and of the message itself where it is the first. */
function partHeader({ type, id, body, sequence }: Long, prefix: Buffer): Buffer {
  const header = Buffer.allocUnsafe(HEADER_BYTES + prefix.length);
  header[0] = type;
  header.writeUInt32LE(id, 1);
  header.writeUInt32LE(body.bytes + (sequence > 0 ? LEFT_BYTES : 0), 5);
  prefix.copy(header, HEADER_BYTES);
  return header;
}

function leftUntil(deadlineAtMs: number): Buffer {
  return encodeLeft(deadlineAtMs - performance.now());
}
