/** One client connection over Arakoon's TCP protocol: frames in, answers out, in order and within bounds. */
import type { Socket } from 'node:net';
import { invariant } from '../base/assert.ts';
import { NurseryError, RETURN_CODES } from '../base/errors.ts';
import { OUTSTANDING_MAX } from '../base/limits.ts';
import {
  type Account,
  type Asker,
  type Budgets,
  bytesKept,
  SHORT_BYTES,
  WAIT_MS,
} from '../process/budget.ts';
import { failure, failureOf, NO_MAGIC_REPLY } from '../protocol/arakoon/replies.ts';
import { isUpdateCode, PROLOGUE_MAGIC, PROLOGUE_VERSION, scanRequest } from '../protocol/arakoon/requests.ts';
import { type Answer, piecesOf, returnCodeOf } from '../protocol/arakoon/values.ts';
import { OversizedError } from '../wire/shape.ts';

/** Whom an answer goes to: a connection over TCP. */
export type Connection = Asker & {
  /** Distinguishes the connections of this kind in this process. */
  readonly id: number;
  /** Address of the other end, for people. */
  readonly remote: string;
};

/**
 * Carries out one request: `body` is a whole frame, magic included, a view that stays as it is. `respond` is called
 * once, at any time, also after the connection is gone.
 */
export type Handle = (connection: Connection, body: Buffer, respond: (answer: Answer) => void) => void;

/** Longest cluster id in a prologue (bytes). */
const CLUSTER_BYTES_MAX = 4096;
/** How long a client may take for its prologue (ms). */
const PROLOGUE_MS = 10_000;
/** Read and not yet understood bytes above which a connection that must wait is read no further. */
const INPUT_BYTES_MAX = 64 * 1024;
/** Bytes of requests under way above which no further one is begun, whatever the budget of all connections says. */
const BODY_BYTES_MAX = 32 * 1024 * 1024;
/** Bytes of answers not yet taken by the client above which no further request of its is begun. */
const OUTPUT_BYTES_MAX = 4 * 1024 * 1024;
/** Answers up to this many bytes together are copied into one write. */
const GATHER_BYTES_MAX = 64 * 1024;
/** A long answer is handed to the socket in pieces of so many bytes: that one was taken shows that the client reads. */
const SLICE_BYTES = 512 * 1024;
/** A request that is refused for its length is skipped up to this many bytes; a longer one ends the connection. */
const SKIP_BYTES_MAX = 256 * 1024 * 1024;
/** How long a connection that we closed is still read, so that its last answer is not lost to a reset (ms). */
const LINGER_MS = 5000;
/** The same where others need its descriptor. */
const SHORT_LINGER_MS = 500;
/** How long a client may take nothing of its answers, whether or not others wait for the memory (ms). */
const UNREAD_MS = 60_000;
/** How long half a request keeps its connection from being let go (ms). */
const HALF_REQUEST_MS = 10_000;
/** How long nothing must have come before a connection is closed whose process is going down, and when at last (ms). */
const QUIET_MS = 100;
const DRAIN_MS = 500;
/** What comes meanwhile is answered so, which ends in nobody's doubt; a request that meets a closed connection would. */
const GOING_DOWN: Uint8Array = failure('GOING_DOWN', 'going down; not executed, send it again').bytes;

/** A request that was begun, or an error that awaits its turn. */
type Entry = {
  /** In pieces. */
  answer: readonly Uint8Array[] | null;
  next: Entry | null;
  /** Nothing is begun after it, and no read is answered. */
  last: boolean;
  readonly isUpdate: boolean;
};

const NOTHING = Buffer.alloc(0);
let connectionsMade = 0;

/** Turns of connections that are due; taken together after the present round of events. */
let turns: (() => void)[] = [];

/**
 * Answers of one round of events leave one after the other, not each after its request: the first write wakes the
 * client's process, and the others find it awake. A wake-up costs more than answering a small read.
 */
function takeTurn(turn: () => void): void {
  turns.push(turn);
  if (turns.length === 1) setImmediate(takeTurns);
}

function takeTurns(): void {
  const due = turns;
  turns = [];
  for (const turn of due) turn();
}

/**
 * Reads requests, hands each to `handle`, and writes the answers in the order of the requests.
 *
 * Consecutive updates of a connection are under way together, and so are consecutive reads; but a read waits for
 * the updates before it, and an update for the reads before it. So a client that pipelines reads its own writes.
 */
export class TcpConnection implements Connection {
  readonly id: number;
  readonly remote: string;
  readonly replies: Account;
  readonly isShort = false;
  readonly waitMs = WAIT_MS;
  readonly isOver = (): boolean => this.#gone;
  readonly #socket: Socket;
  readonly #cluster: Buffer;
  readonly #handle: Handle;
  readonly #requests: Account;
  readonly #prologueTimer: NodeJS.Timeout;
  readonly #onTurn = (): void => this.#turn();
  #greeted = false;

  /** Input that is not understood yet lies in `#input` from `#begin` to `#end`. */
  #input: Buffer = NOTHING;
  #begin = 0;
  #end = 0;
  /** Bytes from `#begin` without which the next request cannot be told. */
  #wanted = 4;
  #skipBytes = 0;
  #inputEnded = false;
  /** Bytes set aside for a long request that is being received. */
  #reserved = 0;
  /** Waits for room for its next request. */
  #waitsForRoom = false;
  /** Bytes of requests under way. */
  #bodyBytes = 0;

  #first: Entry | null = null;
  #newest: Entry | null = null;
  #entries = 0;
  #updates = 0;
  #reads = 0;
  /** Bytes of answers that wait for an earlier one. */
  #owedBytes = 0;
  /** Pieces of answers that the socket has not got yet; of the first one it has `#sliced` bytes. */
  #output: Uint8Array[] = [];
  #sliced = 0;
  #outputBytes = 0;
  /** Bytes of answers that the socket has got to their end and not passed on. */
  #handedBytes = 0;
  #turnDue = false;
  #parsing = false;
  /** No further request is begun: an error ended the connection, or the process is going down. */
  #closing = false;
  /** The process is going down: requests are refused. Runs out when none has come for a while. */
  #quiet: NodeJS.Timeout | null = null;
  #drainUntilMs = 0;
  /** Nothing is read any more; the end follows what is owed. */
  #ending = false;
  #endSent = false;
  #gone = false;
  #activeMs = performance.now();
  #lingerMs = LINGER_MS;

  /** @param unreadMs how long a client may take nothing of its answers (ms) */
  constructor(socket: Socket, clusterId: string, handle: Handle, budgets: Budgets, unreadMs = UNREAD_MS) {
    connectionsMade += 1;
    this.id = connectionsMade;
    this.remote = `${socket.remoteAddress ?? '?'}:${socket.remotePort ?? 0}`;
    this.#socket = socket;
    this.#cluster = Buffer.from(clusterId, 'utf8');
    this.#handle = handle;
    const letGo = (): void => void socket.destroy();
    this.replies = budgets.replies.open({ isAwaited: () => true, letGo });
    this.#requests = budgets.requests.open({ isAwaited: () => this.#reserved > 0, letGo });
    this.#prologueTimer = setTimeout(() => socket.destroy(), PROLOGUE_MS);
    // Its time begins anew with whatever comes, and with each byte that the client takes.
    socket.setTimeout(unreadMs, () => {
      if (socket.writableLength > 0) socket.destroy();
    });
    socket.on('data', (chunk: Buffer) => this.receive(chunk));
    socket.on('drain', () => {
      this.replies.progressed();
      this.#turn();
    });
    socket.on('end', () => {
      this.#inputEnded = true;
      this.#schedule();
    });
    socket.on('close', () => {
      this.#gone = true;
      this.replies.close();
      this.#requests.close();
      this.#output = [];
      this.#input = NOTHING;
      this.#begin = 0;
      this.#end = 0;
      clearTimeout(this.#prologueTimer);
      if (this.#quiet !== null) clearTimeout(this.#quiet);
    });
  }

  /** Requests that were begun and whose answers were not yet written. */
  get outstanding(): number {
    return this.#entries;
  }

  /** When something last came from the client, or went to it (ms, monotonic). */
  activeMs(): number {
    return this.#activeMs;
  }

  /** Whether a request is under way or half of one came lately, or an answer was not taken yet. */
  isBusy(): boolean {
    if (this.#entries > 0 || this.#bytesOwed() > 0) return true;
    const isHalf = this.#greeted && (this.#end > this.#begin || this.#skipBytes > 0);
    return isHalf && performance.now() - this.#activeMs < HALF_REQUEST_MS;
  }

  /** Others need its place: refuses what still comes, and closes soon. */
  letGo(): void {
    this.#lingerMs = SHORT_LINGER_MS;
    this.shutDown();
  }

  /** Begins no further request, answers those under way, refuses what still comes, and closes when nothing does. */
  shutDown(): void {
    this.#drainUntilMs = performance.now() + DRAIN_MS;
    this.#quiet = setTimeout(() => {
      this.#closing = true;
      this.#socket.resume(); // a socket that is not read does not notice its end
      this.#schedule();
    }, QUIET_MS);
  }

  /** Answers `answer` whatever the client asks, and closes. */
  turnAway(answer: Answer): void {
    this.#lingerMs = SHORT_LINGER_MS;
    this.#greeted = true;
    this.#enqueue(piecesOf(answer), true);
    this.#closing = true;
    this.#schedule();
  }

  // Input

  /** Takes what was read; the port passes on the first piece, and the socket the others. */
  receive(chunk: Buffer): void {
    if (this.#closing) return; // lingering
    this.#activeMs = performance.now();
    if (this.#skipBytes >= chunk.length) {
      this.#skipBytes -= chunk.length;
      return;
    }
    this.#append(this.#skipBytes === 0 ? chunk : chunk.subarray(this.#skipBytes));
    this.#skipBytes = 0;
    this.#requests.progressed();
    this.#parse();
    if (this.#isFull) this.#socket.pause();
  }

  /** Whether more input than the next request needs is there, or as much as may be without room for a long one. */
  get #isFull(): boolean {
    const there = this.#end - this.#begin;
    return there > INPUT_BYTES_MAX && (there > this.#wanted || this.#waitsForRoom);
  }

  /** Joins what is left of the input with `chunk`. Memory grows with what has come, not with what was announced. */
  #append(chunk: Buffer): void {
    const left = this.#end - this.#begin;
    if (left === 0) {
      this.#input = chunk;
      this.#begin = 0;
      this.#end = chunk.length;
      return;
    }
    if (this.#end + chunk.length > this.#input.length) {
      const bytes = left + chunk.length;
      const larger = Buffer.allocUnsafeSlow(Math.max(bytes, Math.min(this.#wanted, 2 * bytes)));
      this.#input.copy(larger, 0, this.#begin, this.#end);
      this.#input = larger;
      this.#begin = 0;
      this.#end = left;
    }
    chunk.copy(this.#input, this.#end);
    this.#end += chunk.length;
  }

  /** Begins as many requests as are there and may begin. */
  #parse(): void {
    if (this.#parsing) return;
    this.#parsing = true;
    if (!this.#greeted) this.#greet();
    while (this.#greeted && !this.#closing && this.#end - this.#begin >= this.#wanted) {
      if (this.#entries >= OUTSTANDING_MAX || this.#bytesOwed() > OUTPUT_BYTES_MAX) break;
      if (this.#bodyBytes > BODY_BYTES_MAX || this.#waitsForRoom || !this.#mayBegin()) break;
      const scanned = this.#scan();
      if (scanned === null) continue;
      if (scanned.kind === 'need') {
        this.#wanted = scanned.bytes;
        this.#makeRoom();
        continue;
      }
      const isUpdate = isUpdateCode(scanned.code);
      if ((isUpdate ? this.#reads : this.#updates) > 0) break;
      const body = this.#input.subarray(this.#begin, scanned.end);
      this.#begin = scanned.end;
      this.#wanted = 4;
      this.#start(body, isUpdate);
    }
    if (this.#begin === this.#end) this.#input = NOTHING; // the memory of a long request goes with it
    this.#parsing = false;
  }

  /** Whether requests may begin: not while those of all connections fill the budget and half as much again. */
  #mayBegin(): boolean {
    if (!this.#requests.isExhausted) return true;
    this.#waitsForRoom = true;
    this.#requests.waitShort(this, () => this.#hasRoom());
    return false;
  }

  /** A long request is received only once there is room for all of it. */
  #makeRoom(): void {
    const more = this.#wanted - this.#reserved;
    if (this.#wanted <= SHORT_BYTES || more <= 0) return;
    if (this.#requests.tryReserve(more)) {
      this.#setReserved(this.#wanted);
      this.#requests.release(more);
      return;
    }
    const { wanted } = { wanted: this.#wanted };
    this.#waitsForRoom = true;
    this.#requests.wait(more, this, (isGranted) => {
      if (isGranted) {
        this.#setReserved(wanted);
        this.#requests.release(more);
        this.#hasRoom();
      } else if (!this.#gone) {
        const message = 'overloaded: no room for so long a request; not executed, send it again';
        this.#enqueue(piecesOf(failure('GOING_DOWN', message)), true);
        this.#closing = true;
        this.#schedule();
      }
    });
  }

  #hasRoom(): void {
    this.#waitsForRoom = false;
    if (!this.#gone) this.#schedule();
  }

  #setReserved(bytes: number): void {
    this.#reserved = bytes;
    this.#requests.set(this.#bodyBytes + bytes);
  }

  /** The next request's extent; null where there is an error instead, which is then dealt with. */
  #scan(): ReturnType<typeof scanRequest> | null {
    try {
      return scanRequest(this.#input, this.#begin, this.#end);
    } catch (error) {
      if (!(error instanceof NurseryError)) throw error;
      this.#refuse(error);
      return null;
    }
  }

  #refuse(error: NurseryError): void {
    if (error instanceof OversizedError && error.messageBytes !== null) {
      const there = this.#end - this.#begin;
      if (error.messageBytes <= SKIP_BYTES_MAX) {
        this.#enqueue(piecesOf(failureOf(error)), false);
        this.#skipBytes = Math.max(0, error.messageBytes - there);
        this.#begin += Math.min(there, error.messageBytes);
        this.#wanted = 4;
        this.#schedule();
        return;
      }
    }
    if (error.code === 'NO_MAGIC') this.#enqueue([NO_MAGIC_REPLY], true);
    // To a request that it does not know, Arakoon says "not found", with a text.
    else if (error.code === 'NOT_SUPPORTED')
      this.#enqueue(piecesOf(failure('NOT_FOUND', error.message)), true);
    else this.#enqueue(piecesOf(failureOf(error)), true);
    this.#closing = true;
    this.#schedule();
  }

  /** Checks the prologue: int magic, int version, string cluster id. A wrong one closes without a byte. */
  #greet(): void {
    const input = this.#input;
    const there = this.#end - this.#begin;
    const intAt = (at: number): number => input.readUInt32LE(this.#begin + at);
    const idBytes = there >= 12 ? intAt(8) : 0;
    const fits =
      (there < 4 || intAt(0) === PROLOGUE_MAGIC) &&
      (there < 8 || intAt(4) === PROLOGUE_VERSION) &&
      idBytes <= CLUSTER_BYTES_MAX;
    if (fits && (there < 12 || there < 12 + idBytes)) return;
    const from = this.#begin + 12;
    if (fits && input.subarray(from, from + idBytes).equals(this.#cluster)) {
      this.#greeted = true;
      this.#begin = from + idBytes;
      clearTimeout(this.#prologueTimer);
    } else {
      this.#closing = true;
      this.#schedule();
    }
  }

  // Order

  #start(body: Buffer, isUpdate: boolean): void {
    if (this.#quiet !== null) {
      if (performance.now() < this.#drainUntilMs) this.#quiet.refresh();
      this.#enqueue([GOING_DOWN], false);
      this.#schedule();
      return;
    }
    if (isUpdate) this.#updates += 1;
    else this.#reads += 1;
    const entry = this.#enqueue(null, false, isUpdate);
    const { length } = body;
    this.#bodyBytes += length;
    this.#setReserved(0);
    this.#handle(this, body, (answer) => {
      invariant(entry.answer === null, 'a request is answered once', () => ({
        bytes: length,
        entries: this.#entries,
      }));
      this.#bodyBytes -= length;
      this.#requests.set(this.#bodyBytes + this.#reserved);
      if (isUpdate) this.#updates -= 1;
      else this.#reads -= 1;
      // After "not master" and "range error" clients connect anew, as Arakoon has it.
      const returnCode = returnCodeOf(answer.bytes);
      entry.last = returnCode === RETURN_CODES.NOT_MASTER || returnCode === RETURN_CODES.OUT_OF_RANGE;
      if (this.#gone) return;
      entry.answer = piecesOf(answer);
      this.#owedBytes += keptBy(entry.answer);
      this.replies.set(this.#bytesOwed());
      this.#schedule();
    });
  }

  #enqueue(answer: readonly Uint8Array[] | null, last: boolean, isUpdate = false): Entry {
    const entry: Entry = { answer, next: null, last, isUpdate };
    if (this.#newest === null) this.#first = entry;
    else this.#newest.next = entry;
    this.#newest = entry;
    this.#entries += 1;
    this.#owedBytes += answer === null ? 0 : keptBy(answer);
    return entry;
  }

  /** What the client has not taken. Of short answers the socket says only above its mark when they are gone. */
  #bytesOwed(): number {
    const inSocket = this.#socket.writableNeedDrain ? this.#socket.writableLength : 0;
    return this.#owedBytes + this.#outputBytes + Math.max(this.#handedBytes, inSocket);
  }

  // Output

  /** One turn for all that is answered before the microtasks run. */
  #schedule(): void {
    if (this.#turnDue) return;
    this.#turnDue = true;
    takeTurn(this.#onTurn);
  }

  #turn(): void {
    this.#turnDue = false;
    if (this.#gone) return;
    this.#collect();
    this.#write();
    if (!this.#closing) {
      this.#parse();
      if (this.#socket.isPaused() && !this.#isFull) this.#socket.resume();
    }
    this.replies.set(this.#bytesOwed());
    this.#endWhenDone();
  }

  /** Takes the answers whose turn has come. */
  #collect(): void {
    for (let entry = this.#first; entry !== null && entry.answer !== null; entry = this.#first) {
      this.#first = entry.next;
      if (entry.next === null) this.#newest = null;
      this.#entries -= 1;
      const kept = keptBy(entry.answer);
      this.#owedBytes -= kept;
      if (this.#ending) continue;
      for (const piece of entry.answer) this.#output.push(piece);
      this.#outputBytes += kept;
      if (!entry.last) continue;
      this.#closing = true;
      // What becomes of updates under way behind it only their answers tell; they go out before the end.
      if (!entry.isUpdate) this.#finish();
    }
  }

  #write(): void {
    const socket = this.#socket;
    const pieces = this.#output;
    if (pieces.length === 0) return;
    this.#activeMs = performance.now();
    if (this.#outputBytes <= GATHER_BYTES_MAX) {
      this.#output = [];
      this.#outputBytes = 0;
      socket.write(pieces.length === 1 ? (pieces[0] as Uint8Array) : Buffer.concat(pieces));
      return;
    }
    if (socket.writableLength >= SLICE_BYTES) return; // until it drains
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
      this.#outputBytes -= kept;
      this.#handedBytes += kept;
      socket.write(slice, () => this.#passedOn(kept));
      count += 1;
    }
    pieces.splice(0, count);
    socket.uncork();
  }

  /** The socket has passed on the last of a piece; it said that it drained before, while a request behind still had to wait. */
  #passedOn(bytes: number): void {
    this.#handedBytes -= bytes;
    this.replies.set(this.#bytesOwed());
    this.#schedule();
  }

  #endWhenDone(): void {
    if (this.#entries === 0) {
      // Where nothing is under way and nothing is owed, what is left of the input is no whole request.
      const starved = this.#inputEnded && this.#bytesOwed() <= OUTPUT_BYTES_MAX;
      if (this.#closing || starved) this.#finish();
    }
    if (this.#ending && this.#output.length === 0) this.#sendEnd();
  }

  /** Nothing follows what is owed. */
  #finish(): void {
    this.#ending = true;
    this.#closing = true;
    this.#input = NOTHING;
    this.#begin = 0;
    this.#end = 0;
    this.#setReserved(0);
  }

  /** Says that nothing follows, and reads on for a while: closing on unread input would reset the connection. */
  #sendEnd(): void {
    if (this.#endSent) return;
    this.#endSent = true;
    const socket = this.#socket;
    socket.end();
    socket.resume();
    if (this.#inputEnded) return;
    const timer = setTimeout(() => socket.destroy(), this.#lingerMs);
    socket.once('close', () => clearTimeout(timer));
  }
}

/** Memory that the pieces of an answer keep. */
function keptBy(pieces: readonly Uint8Array[]): number {
  return pieces.reduce((sum, piece) => sum + bytesKept(piece), 0);
}
