/** Requests that come over a link: how many, and how much of them, may be under way, and what waits until it may. */
import type { Account } from '../process/budget.ts';
import { SHORT_BYTES, WAIT_MS } from '../process/budget.ts';
import { HEADER_BYTES, TYPE } from './frames.ts';

/** Requests received on a link that may be unanswered before it is read no further. */
const REQUESTS_MAX = 16 * 1024;
/** Their bytes. */
const BODY_BYTES_MAX = 64 * 1024 * 1024;

/** A message that was read before the link stopped reading: what one read of the socket gives, at most. */
type Message = readonly [type: number, id: number, body: Buffer];

/** A part of a long message: its type, id and whole length come first. */
export function longMessage(part: Buffer): {
  readonly type: number;
  readonly id: number;
  readonly bytes: number;
} {
  if (part.length < HEADER_BYTES) return { type: 0, id: 0, bytes: 0 }; // malformed, as will be noticed
  return { type: part[0] as number, id: part.readUInt32LE(1), bytes: part.readUInt32LE(5) };
}

/** Counts the requests of one link. */
export class Inbound {
  readonly #requests: Account;
  readonly #mustWait: boolean;
  readonly #isOver: () => boolean;
  #waiting: Message[] = [];
  #count = 0;
  #bodyBytes = 0;
  /** Bytes set aside for a long request that is being received. */
  #reserved = 0;
  #waitsForRoom = false;

  /** @param mustWait whether long requests wait for room in the budget; else they are counted only */
  constructor(requests: Account, mustWait: boolean, isOver: () => boolean) {
    this.#requests = requests;
    this.#mustWait = mustWait;
    this.#isOver = isOver;
  }

  /** Requests under way. */
  get count(): number {
    return this.#count;
  }

  /** Whether the rest of a long request is on its way. */
  get isReceiving(): boolean {
    return this.#reserved > 0;
  }

  /** Whether nothing further may begin. */
  get isFull(): boolean {
    return this.#count >= REQUESTS_MAX || this.#bodyBytes >= BODY_BYTES_MAX || this.#waitsForRoom;
  }

  /** Whether so much has been answered that it is worth reading on. */
  get isLow(): boolean {
    return this.#count < REQUESTS_MAX / 2 && this.#bodyBytes <= BODY_BYTES_MAX / 2 && !this.#waitsForRoom;
  }

  /** Keeps a message for later. */
  keep(type: number, id: number, body: Buffer): void {
    this.#waiting.push([type, id, body]);
  }

  /** Whether messages are kept: those that follow must not overtake them. */
  get isKeeping(): boolean {
    return this.#waiting.length > 0;
  }

  /** The next message that was kept. */
  next(): Message | undefined {
    return this.#waiting.shift();
  }

  /**
   * The first part of a long message came: whether it can be received now. If not, it comes again as the first that is kept,
   * and `done` is called when there is room for it, or none was found (false).
   */
  makeRoom(id: number, part: Buffer, done: (isGranted: boolean) => void): boolean {
    const { type, bytes } = longMessage(part);
    if ((type !== TYPE.request && type !== TYPE.short) || bytes <= Math.max(SHORT_BYTES, this.#reserved))
      return true;
    if (!this.#mustWait) {
      this.#set(bytes);
      return true;
    }
    if (this.#requests.tryReserve(bytes)) {
      this.#granted(bytes);
      return true;
    }
    this.#waitsForRoom = true;
    this.#waiting.unshift([TYPE.part, id, part]);
    this.#requests.wait(bytes, { isOver: this.#isOver, waitMs: WAIT_MS }, (isGranted) => {
      if (isGranted) this.#granted(bytes);
      this.#waitsForRoom = false;
      done(isGranted);
    });
    return false;
  }

  /** More of a request came. */
  progressed(): void {
    if (this.#reserved > 0) this.#requests.progressed();
  }

  begin(bytes: number): void {
    this.#count += 1;
    this.#bodyBytes += bytes;
    this.#set(bytes > SHORT_BYTES ? 0 : this.#reserved);
  }

  end(bytes: number): void {
    this.#count -= 1;
    this.#bodyBytes -= bytes;
    this.#set(this.#reserved);
  }

  close(): void {
    this.#waiting = [];
    this.#requests.close();
  }

  #granted(bytes: number): void {
    this.#set(bytes);
    this.#requests.release(bytes);
  }

  #set(reserved: number): void {
    this.#reserved = reserved;
    this.#requests.set(this.#bodyBytes + reserved);
  }
}
