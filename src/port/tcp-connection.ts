/** One client connection over Arakoon's TCP protocol: frames in, answers out, in order and within bounds. */
import type { Socket } from 'node:net';
import { invariant } from '../base/assert.ts';
import { NurseryError, RETURN_CODES } from '../base/errors.ts';
import { OUTSTANDING_MAX } from '../base/limits.ts';
import { type Account, type Asker, type Budgets, SHORT_BYTES, WAIT_MS } from '../process/budget.ts';
import { failure, failureOf, NO_MAGIC_REPLY } from '../protocol/arakoon/replies.ts';
import { isUpdateCode, PROLOGUE_MAGIC, PROLOGUE_VERSION, scanRequest } from '../protocol/arakoon/requests.ts';
import { type Answer, type More, piecesOf, returnCodeOf } from '../protocol/arakoon/values.ts';
import { OversizedError } from '../wire/shape.ts';
import { Input } from './input.ts';
import { keptBy, Output } from './output.ts';
import { takeTurn } from './turns.ts';

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
  /** What follows of an answer that is made piece by piece, and whether a piece is being made. */
  more: More | null;
  isMaking: boolean;
  next: Entry | null;
  /** Nothing is begun after it, and no read is answered. */
  last: boolean;
  readonly isUpdate: boolean;
};

let connectionsMade = 0;

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

  readonly #input = new Input();
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
  readonly #output: Output;
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
    this.#output = new Output(socket, () => this.#passedOn());
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
      for (let entry = this.#first; entry !== null; entry = entry.next) entry.more?.end();
      this.replies.close();
      this.#requests.close();
      this.#output.clear();
      this.#input.clear();
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
    return this.#greeted && this.#input.isHalf && performance.now() - this.#activeMs < HALF_REQUEST_MS;
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
    if (!this.#input.add(chunk)) return;
    this.#requests.progressed();
    this.#parse();
    if (this.#isFull) this.#socket.pause();
  }

  /** Whether more input than the next request needs is there, or as much as may be without room for a long one. */
  get #isFull(): boolean {
    const { length, wanted } = this.#input;
    return length > INPUT_BYTES_MAX && (length > wanted || this.#waitsForRoom);
  }

  /** Begins as many requests as are there and may begin. */
  #parse(): void {
    if (this.#parsing) return;
    this.#parsing = true;
    if (!this.#greeted) this.#greet();
    const input = this.#input;
    while (this.#greeted && !this.#closing && input.length >= input.wanted) {
      if (this.#entries >= OUTSTANDING_MAX || this.#bytesOwed() > OUTPUT_BYTES_MAX) break;
      if (this.#bodyBytes > BODY_BYTES_MAX || this.#waitsForRoom || !this.#mayBegin()) break;
      const scanned = this.#scan();
      if (scanned === null) continue;
      if (scanned.kind === 'need') {
        input.want(scanned.bytes);
        this.#makeRoom();
        continue;
      }
      const isUpdate = isUpdateCode(scanned.code);
      if ((isUpdate ? this.#reads : this.#updates) > 0) break;
      this.#start(input.takeTo(scanned.end), isUpdate);
    }
    input.trim();
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
    const { wanted } = this.#input;
    const more = wanted - this.#reserved;
    if (wanted <= SHORT_BYTES || more <= 0) return;
    if (this.#requests.tryReserve(more)) {
      this.#setReserved(wanted);
      this.#requests.release(more);
      return;
    }
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
      return this.#input.read(scanRequest);
    } catch (error) {
      if (!(error instanceof NurseryError)) throw error;
      this.#refuse(error);
      return null;
    }
  }

  #refuse(error: NurseryError): void {
    if (error instanceof OversizedError && error.messageBytes !== null) {
      if (error.messageBytes <= SKIP_BYTES_MAX) {
        this.#enqueue(piecesOf(failureOf(error)), false);
        this.#input.skip(error.messageBytes);
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

  /** Checks the prologue. A wrong one closes without a byte. */
  #greet(): void {
    const end = this.#input.read((bytes, begin, end) =>
      prologueEnd(bytes.subarray(begin, end), this.#cluster),
    );
    if (end === 'more') return;
    if (end === 'wrong') {
      this.#closing = true;
      this.#schedule();
      return;
    }
    this.#greeted = true;
    this.#input.skip(end);
    clearTimeout(this.#prologueTimer);
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
      if (this.#gone) {
        answer.more?.end();
        return;
      }
      entry.answer = piecesOf(answer);
      entry.more = answer.more ?? null;
      this.#owedBytes += keptBy(entry.answer);
      this.replies.set(this.#bytesOwed());
      this.#schedule();
    });
  }

  #enqueue(answer: readonly Uint8Array[] | null, last: boolean, isUpdate = false): Entry {
    const entry: Entry = { answer, more: null, isMaking: false, next: null, last, isUpdate };
    if (this.#newest === null) this.#first = entry;
    else this.#newest.next = entry;
    this.#newest = entry;
    this.#entries += 1;
    this.#owedBytes += answer === null ? 0 : keptBy(answer);
    return entry;
  }

  /** What the client has not taken. */
  #bytesOwed(): number {
    return this.#owedBytes + this.#output.bytes;
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
    if (this.#output.write()) this.#activeMs = performance.now();
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
      if (entry.more !== null && !this.#ending) {
        this.#passOn(entry, entry.answer, entry.more);
        return;
      }
      entry.more?.end();
      this.#first = entry.next;
      if (entry.next === null) this.#newest = null;
      this.#entries -= 1;
      const kept = keptBy(entry.answer);
      this.#owedBytes -= kept;
      if (this.#ending) continue;
      this.#output.add(entry.answer, kept);
      if (!entry.last) continue;
      this.#closing = true;
      // What becomes of updates under way behind it only their answers tell; they go out before the end.
      if (!entry.isUpdate) this.#finish();
    }
  }

  /** Passes on what there is of an answer, and has the next piece made while the client takes them. */
  #passOn(entry: Entry, pieces: readonly Uint8Array[], more: More): void {
    const kept = keptBy(pieces);
    this.#owedBytes -= kept;
    this.#output.add(pieces, kept);
    entry.answer = [];
    if (entry.isMaking || this.#bytesOwed() > OUTPUT_BYTES_MAX) return;
    entry.isMaking = true;
    const taken = (piece: Uint8Array | null): void => {
      entry.isMaking = false;
      if (this.#gone) return;
      if (piece === null) {
        entry.more = null;
        more.end();
      } else {
        entry.answer = [piece];
        this.#owedBytes += keptBy(entry.answer);
      }
      this.#schedule();
    };
    more.next(taken, () => this.#socket.destroy());
  }

  #passedOn(): void {
    this.replies.set(this.#bytesOwed());
    this.#schedule();
  }

  #endWhenDone(): void {
    if (this.#entries === 0) {
      // Where nothing is under way and nothing is owed, what is left of the input is no whole request.
      const starved = this.#inputEnded && this.#bytesOwed() <= OUTPUT_BYTES_MAX;
      if (this.#closing || starved) this.#finish();
    }
    if (this.#ending && this.#output.isEmpty) this.#sendEnd();
  }

  /** Nothing follows what is owed. */
  #finish(): void {
    this.#ending = true;
    this.#closing = true;
    this.#input.clear();
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

/** Bytes of the prologue at the front of `input`: int magic, int version, string cluster id. */
function prologueEnd(input: Buffer, cluster: Buffer): number | 'more' | 'wrong' {
  const there = input.length;
  if (there >= 4 && input.readUInt32LE(0) !== PROLOGUE_MAGIC) return 'wrong';
  if (there >= 8 && input.readUInt32LE(4) !== PROLOGUE_VERSION) return 'wrong';
  if (there < 12) return 'more';
  const end = 12 + input.readUInt32LE(8);
  if (end > 12 + CLUSTER_BYTES_MAX) return 'wrong';
  if (there < end) return 'more';
  return input.subarray(12, end).equals(cluster) ? end : 'wrong';
}
