/** One link: requests, answers and posts multiplexed over one WebSocket, gathered per turn of the event loop. */
import type { WebSocket } from 'ws';
import { invariant } from '../base/assert.ts';
import { NurseryError } from '../base/errors.ts';
import { answerMarginMs } from '../base/limits.ts';
import { type Account, type Asker, type Budgets, unboundedBudgets, WAIT_MS } from '../process/budget.ts';
import { everySecond } from '../process/every-second.ts';
import type { Hint } from '../protocol/admin/admin.ts';
import { TOO_LONG } from '../protocol/arakoon/replies.ts';
import { type Answer, piecesOf } from '../protocol/arakoon/values.ts';
import type { Followed, LinkAbout } from './about.ts';
import {
  Assembly,
  CLOSE,
  closeReason,
  decodeHinted,
  encodeHint,
  HEADER_BYTES,
  type Hello,
  LEFT_BYTES,
  MESSAGE_MAX,
  TYPE,
} from './frames.ts';
import { Inbound, longMessage } from './inbound.ts';
import { Outbox } from './outbox.ts';
import { type LinkResult, Pending } from './pending.ts';

export type { LinkResult };

/** Heartbeats, of which there is one each second (`everySecond`), without a byte from the other end, after which a link is dead. */
export const SILENT_HEARTBEATS_MAX = 5;
/** Heartbeats without progress in writing, after which a link whose other end does not read is dead. */
const STUCK_HEARTBEATS_MAX = 30;
/** Bytes that may wait to be sent before requests fail as overloaded and posts are dropped. */
export const BUFFERED_MAX = 64 * 1024 * 1024;
/** Bytes waiting above which nothing more is read, since answers would only add to them. */
const BUFFERED_PAUSE = BUFFERED_MAX / 4;
/** Bytes that answers may bring it to, before the link is given up. */
const BUFFERED_FATAL = BUFFERED_MAX * 4;
/** Requests sent on a link that may be unanswered. */
export const REQUESTS_MAX = 16 * 1024;
/** How long the other end has to answer a close (ms). */
const CLOSE_MS = 1000;

/** What happens on links. Called from the event loop's turn that read it; bodies are views and stay as they are. */
export type LinkHandlers = {
  /**
   * A request, to be answered once by `respond`, at any time; after the link closed, that does nothing. `leftMs`: how
   * long the other end waited for the answer when it sent this. `asker`: on whose account it is carried out.
   */
  request(link: Link, body: Buffer, respond: (answer: Answer) => void, leftMs: number, asker: Asker): void;
  /** @throws NurseryError where the post cannot be read: the link is closed as broken */
  post(link: Link, topic: number, body: Buffer): void;
  /** The link is gone. Called once per link, after its requests failed. */
  closed(link: Link, why: string): void;
  /** The hellos are exchanged; comes before anything else. */
  opened?(link: Link): void;
  /** A peer has said who it is, whether or not there will be a link. */
  met?(peer: Hello): void;
  /** The other end has turned this one away, with a code of `CLOSE`. */
  turnedAway?(close: number, why: string): void;
  /** Why this peer is turned away although protocol and cluster fit, or null. It is told the reason. */
  refuse?(peer: Hello): string | { readonly close: number; readonly why: string } | null;
  /** Where the memory of a link with this peer is counted. Default: nowhere. */
  budgets?(peer: Hello): Budgets;
  /** Told of each request and its answer, where somebody follows them from process to process. */
  follow?(followed: Followed): void;
};

const NOTHING_TO_CANCEL = (): void => undefined;
const NO_BYTES = new Uint8Array(0);
const UNBOUNDED = unboundedBudgets();
let linksMade = 0;

/**
 * A link whose hellos were exchanged. Made by `dial` and by `LinkAcceptor`.
 *
 * What is sent in one turn of the event loop leaves together. Requests arrive in the order in which they were made.
 */
export class Link {
  /** Distinguishes the links of this process. */
  readonly id: number;
  readonly kind = 'link';
  /** As in `LinkAbout`. */
  readonly remote: string;
  readonly peer: Hello;
  readonly #name: string;
  readonly #socket: WebSocket;
  readonly #handlers: LinkHandlers;
  readonly #outbox: Outbox;
  readonly #assembly = new Assembly();
  readonly #pending: Pending;
  readonly #endBeats: () => void;
  /** Where what the other end does not read is counted. */
  readonly replies: Account;
  readonly isOver = (): boolean => this.#closedWhy !== null;
  readonly isShort = false;
  readonly waitMs = WAIT_MS;
  /** Requests under way here, and those that the other end has cancelled. */
  readonly #asked = new Set<number>();
  readonly #cancelled = new Set<number>();
  readonly #inbound: Inbound;
  #sequence = 0;
  #paused = false;
  #draining = false;
  #silent = 0;
  #heardMs = performance.now();
  #stuck = 0;
  #farewell: string | null = null;
  #closedWhy: string | null = null;
  #lastError = '';

  constructor(socket: WebSocket, { peer, remote, name }: LinkAbout, handlers: LinkHandlers) {
    linksMade += 1;
    this.id = linksMade;
    this.peer = peer;
    this.remote = remote;
    this.#name = name;
    this.#socket = socket;
    this.#outbox = new Outbox(socket, () => this.#written());
    this.#pending = new Pending((sequence) => !this.#outbox.withdraw(sequence));
    this.#handlers = handlers;
    const budgets = handlers.budgets?.(peer) ?? UNBOUNDED;
    // A link of one of our own processes carries the requests of many; it ends when nothing is heard of it.
    const isClient = peer.role === 'client' || peer.role === 'operator';
    const letGo = (why: string): void => this.#terminate(why);
    this.replies = budgets.replies.open(isClient ? { isAwaited: () => true, letGo } : null);
    const requests = budgets.requests.open(
      isClient ? { isAwaited: () => this.#inbound.isReceiving, letGo } : null,
    );
    this.#inbound = new Inbound(requests, isClient, this.isOver);
    socket.on('message', (data: Buffer, isBinary: boolean) => this.#received(data, isBinary));
    socket.on('error', (error: Error) => {
      this.#lastError = error.message; // its close follows
    });
    socket.on('close', (code: number, reason: Buffer) => {
      const said = reason.toString('utf8');
      const why = said !== '' ? said : this.#lastError !== '' ? this.#lastError : `closed with code ${code}`;
      this.#shut(why, code === CLOSE.answered);
    });
    this.#endBeats = everySecond(() => this.#beat());
    handlers.opened?.(this);
  }

  /** Why the link is closed; null while it is open. */
  get closedWhy(): string | null {
    return this.#closedWhy;
  }

  /** When anything was last received (ms, monotonic). */
  get heardMs(): number {
    return this.#heardMs;
  }

  /** Bytes that wait to be sent. */
  get bufferedBytes(): number {
    return this.#outbox.bytes;
  }

  /** Requests sent and not yet answered. */
  get outstanding(): number {
    return this.#pending.size;
  }

  /** Requests received and not yet answered. */
  get inbound(): number {
    return this.#inbound.count;
  }

  /**
   * Sends a request. `done` is called exactly once, never before this returns: with the reply, or after
   * `deadlineMs` from now, or when the link closes; never after it was cancelled. `body` must not change afterwards.
   *
   * @param withheld called in place of `done` where the reply would be longer than SHORT_BYTES; without it, it comes
   * @returns cancels the request: its answer is not waited for, and the other end told so
   */
  request(
    body: Uint8Array,
    deadlineMs: number,
    done: (result: LinkResult) => void,
    withheld?: () => void,
  ): () => void {
    const bytes = LEFT_BYTES + body.length;
    invariant(bytes <= MESSAGE_MAX, 'a request is no longer than a message may be', () => ({ bytes }));
    if (this.#closedWhy !== null) {
      queueMicrotask(() => done({ kind: 'failed', why: 'closed', sent: false }));
      return NOTHING_TO_CANCEL;
    }
    if (this.#pending.size >= REQUESTS_MAX || this.bufferedBytes + body.length > BUFFERED_MAX) {
      queueMicrotask(() => done({ kind: 'failed', why: 'overloaded', sent: false }));
      return NOTHING_TO_CANCEL;
    }
    this.#sequence += 1;
    const id = this.#sequence % 0x1_0000_0000;
    const deadlineAtMs = performance.now() + deadlineMs;
    const sequence = this.#sequence;
    this.#pending.add(id, { sequence, deadlineAtMs, done, withheld });
    const type = withheld === undefined ? TYPE.request : TYPE.short;
    this.#outbox.request(type, id, body, sequence, deadlineAtMs);
    this.#follow('sent', id, body);
    return () => {
      if (this.#pending.isOf(id, sequence)) this.#cancel(id, sequence);
    };
  }

  #cancel(id: number, sequence: number): void {
    this.#pending.take(id);
    if (this.#closedWhy !== null || this.#outbox.withdraw(sequence)) return;
    this.#outbox.send(TYPE.cancel, id, NO_BYTES);
    if (this.#assembly.isAnswer(id)) this.#assembly.discard();
  }

  /** Sends without expecting an answer. False: dropped, since too much is waiting or the link is closed. */
  post(topic: number, body: Uint8Array): boolean {
    if (this.#closedWhy !== null || this.bufferedBytes + body.length > BUFFERED_MAX) return false;
    this.#outbox.send(TYPE.post, topic, body);
    this.replies.set(this.#outbox.keptBytes);
    return true;
  }

  /** Closes the link. What was gathered still goes out; requests under way fail. `closed` is called before this returns. */
  close(why: string, code: number = CLOSE.normal): void {
    if (this.#closedWhy !== null) return;
    this.#outbox.flush();
    const socket = this.#socket;
    socket.close(code, closeReason(why));
    const timer = setTimeout(() => socket.terminate(), CLOSE_MS);
    socket.once('close', () => clearTimeout(timer));
    this.#shut(why);
  }

  /** Closes the link as soon as the other end's requests are answered, and says so: its others were not executed. */
  closeWhenAnswered(why: string): void {
    this.#farewell = why;
    this.#closeIfDone();
  }

  /** Ends the link without a farewell. */
  #terminate(why: string): void {
    if (this.#closedWhy !== null) return;
    this.#socket.terminate();
    this.#shut(why);
  }

  /** @param isAnswered whether the other end read none of the requests that have no answer */
  #shut(why: string, isAnswered = false): void {
    if (this.#closedWhy !== null) return;
    this.#closedWhy = why;
    this.#endBeats();
    this.#outbox.close();
    this.#inbound.close();
    this.replies.close();
    for (const { done, sequence } of this.#pending.close()) {
      done({ kind: 'failed', why: 'closed', sent: !isAnswered && sequence <= this.#outbox.handedSequence });
    }
    this.#handlers.closed(this, why);
  }

  // Sending

  #written(): void {
    this.#stuck = 0;
    if (this.#closedWhy !== null) return;
    this.replies.progressed();
    this.replies.set(this.#outbox.keptBytes);
    this.#resumeWhenLow();
    this.#closeIfDone();
  }

  #answer(id: number, bodyBytes: number, answer: Answer): void {
    if (this.#closedWhy !== null) return;
    this.#follow('answered', id);
    this.#inbound.end(bodyBytes);
    this.#asked.delete(id);
    if (this.#cancelled.delete(id)) {
      this.#resumeWhenLow();
      this.#closeIfDone();
      return;
    }
    if (answer === TOO_LONG) {
      this.#outbox.send(TYPE.withheld, id, NO_BYTES);
      this.#resumeWhenLow();
      this.#closeIfDone();
      return;
    }
    const hint = answer.hint === null ? null : encodeHint(answer.hint);
    const type = hint === null ? TYPE.response : TYPE.hinted;
    const bytes = piecesOf(answer).reduce((sum, { length }) => sum + length, hint === null ? 0 : hint.length);
    invariant(bytes <= MESSAGE_MAX, 'a reply is no longer than a message may be', () => ({
      bytes,
      max: MESSAGE_MAX,
    }));
    if (hint === null) this.#outbox.send(type, id, answer.bytes, null, answer.rest);
    else this.#outbox.send(type, id, hint, answer.bytes, answer.rest);
    this.replies.set(this.#outbox.keptBytes);
    const buffered = this.bufferedBytes;
    if (buffered > BUFFERED_FATAL) this.#terminate('the other end does not read its answers');
    else if (buffered > BUFFERED_PAUSE) this.#pause();
    else this.#resumeWhenLow();
    this.#closeIfDone();
  }

  #closeIfDone(): void {
    if (this.#farewell === null || this.#inbound.count > 0 || this.#outbox.hasLong) return;
    this.close(this.#farewell, CLOSE.answered);
  }

  // Receiving

  #received(data: Buffer, isBinary: boolean): void {
    if (this.#closedWhy !== null) return;
    this.#silent = 0;
    this.#heardMs = performance.now();
    if (!isBinary) {
      this.#broken('text');
      return;
    }
    let at = 0;
    while (at < data.length && this.#closedWhy === null) {
      const from = at + HEADER_BYTES;
      const end = from <= data.length ? from + data.readUInt32LE(at + 5) : Number.POSITIVE_INFINITY;
      if (end > data.length) {
        this.#broken('a message is cut short');
        return;
      }
      this.#message(data[at] as number, data.readUInt32LE(at + 1), data.subarray(from, end));
      at = end;
    }
  }

  #message(type: number, id: number, body: Buffer): void {
    const mayWait = type === TYPE.request || type === TYPE.short || type === TYPE.part;
    if (mayWait && (this.#paused || this.#inbound.isKeeping) && !this.#draining) {
      this.#inbound.keep(type, id, body);
      return;
    }
    switch (type) {
      case TYPE.request:
      case TYPE.short:
        this.#request(id, body, type === TYPE.short);
        break;
      case TYPE.response:
        this.#reply(id, body, null);
        break;
      case TYPE.hinted: {
        const hinted = this.#understand(() => decodeHinted(body));
        if (hinted !== null) this.#reply(id, hinted.bytes, hinted.hint);
        break;
      }
      case TYPE.ping:
        this.#outbox.send(TYPE.pong, 0, NO_BYTES);
        break;
      case TYPE.pong:
        break; // having been received is all that it says
      case TYPE.post:
        this.#understand(() => this.#handlers.post(this, id, body));
        break;
      case TYPE.part: {
        const assembly = this.#assembly;
        this.#inbound.progressed();
        const isFirst = assembly.isFirst(body);
        if (isFirst && !this.#inbound.makeRoom(id, body, (isGranted) => this.#roomFound(isGranted))) {
          this.#pause();
          break;
        }
        const whole = this.#understand(() => assembly.add(body));
        if (isFirst && whole === null) this.#judge(body);
        if (whole === null) break;
        if (assembly.type === TYPE.part) this.#broken('a part within a part');
        else this.#whole(assembly.type, assembly.id, whole);
        break;
      }
      case TYPE.withheld:
        this.#pending.take(id)?.withheld?.();
        break;
      case TYPE.cancel:
        if (this.#asked.has(id)) this.#cancelled.add(id);
        else this.#outbox.cancel(id);
        this.replies.set(this.#outbox.keptBytes);
        this.#resumeWhenLow();
        break;
      default:
        this.#broken(`message of unknown type ${type}`);
    }
  }

  /** A message whose last part came: it has waited already. */
  #whole(type: number, id: number, body: Buffer): void {
    if (type === TYPE.request || type === TYPE.short) this.#request(id, body, type === TYPE.short);
    else this.#message(type, id, body);
  }

  /** An answer that nobody waits for any more is not gathered. */
  #judge(part: Buffer): void {
    const { type, id } = longMessage(part);
    if (type !== TYPE.response && type !== TYPE.hinted) return;
    if (!this.#pending.has(id)) this.#assembly.discard();
  }

  #roomFound(isGranted: boolean): void {
    if (isGranted) this.#resumeWhenLow();
    else this.#terminate('overloaded: no room for so long a request');
  }

  #request(id: number, message: Buffer, isShort: boolean): void {
    if (message.length < LEFT_BYTES) {
      this.#broken('a request without the time that is left');
      return;
    }
    const leftMs = message.readUInt32LE(0);
    const body = message.subarray(LEFT_BYTES);
    const { length } = body;
    this.#inbound.begin(length);
    if (this.#inbound.isFull) this.#pause();
    this.#asked.add(id);
    this.#follow('received', id, body);
    const isOver = (): boolean => this.#closedWhy !== null || this.#cancelled.has(id);
    let answered = false;
    const respond = (answer: Answer): void => {
      invariant(!answered, 'a request is answered once', () => ({ request: id, peer: this.peer.node }));
      answered = true;
      this.#answer(id, length, answer);
    };
    const waitMs = leftMs - answerMarginMs(leftMs);
    this.#handlers.request(this, body, respond, leftMs, { replies: this.replies, isOver, isShort, waitMs });
  }

  #reply(id: number, bytes: Buffer, hint: Hint | null): void {
    this.#follow('heard', id);
    this.#pending.take(id)?.done({ kind: 'reply', bytes, hint }); // nobody, where its deadline has passed
  }

  #follow(step: Followed['step'], id: number, body: Uint8Array | null = null): void {
    this.#handlers.follow?.({ step, id: `${this.#name}-${id}`, peer: this.peer, body });
  }

  /** What `decode` makes of received bytes; null, and the link closed, where it finds them malformed. */
  #understand<T>(decode: () => T): T | null {
    try {
      return decode();
    } catch (error) {
      if (!(error instanceof NurseryError)) throw error;
      this.#broken(error.message);
      return null;
    }
  }

  #broken(why: string): void {
    this.close(`broken link: ${why}`, CLOSE.broken);
  }

  #pause(): void {
    if (this.#paused) return;
    this.#paused = true;
    this.#socket.pause();
  }

  #resumeWhenLow(): void {
    if (this.#draining) return;
    this.#draining = true;
    while (this.#paused && this.#inbound.isLow && this.bufferedBytes <= BUFFERED_PAUSE / 2) {
      this.#paused = false;
      this.#takeKept();
      if (!this.#paused) this.#socket.resume();
    }
    this.#draining = false;
  }

  /** What had been read before the link stopped reading has its turn first. */
  #takeKept(): void {
    while (!this.#paused && this.#closedWhy === null) {
      const next = this.#inbound.next();
      if (next === undefined) return;
      this.#message(...next);
    }
  }

  // Time

  /**
   * Counts heartbeats, not milliseconds: a process that was stopped sees one late beat when it goes on, and what
   * arrived meanwhile is read before the next, so that its own pause never kills a healthy link.
   */
  #beat(): void {
    this.#silent = this.#paused ? 0 : this.#silent + 1;
    this.#stuck = this.#socket.bufferedAmount > 0 ? this.#stuck + 1 : 0;
    if (this.#silent >= SILENT_HEARTBEATS_MAX) this.#terminate('nothing received for 5 s');
    else if (this.#stuck >= STUCK_HEARTBEATS_MAX) this.#terminate('nothing could be sent for 30 s');
    if (this.#closedWhy !== null) return;
    this.#outbox.restIfIdle();
    // Whoever reads nothing here answers no pings either, and lets the other end know by its own that it lives.
    if (this.#paused || this.#silent > 1) this.#outbox.send(TYPE.ping, 0, NO_BYTES);
  }
}
