/** A client of Arakoon's own TCP protocol: one connection to one node or router, with pipelining. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { NurseryError } from '../base/errors.ts';
import { dialableHost, printAddress } from '../identity/address.ts';
import { decodeText } from '../protocol/arakoon/replies.ts';
import { scanReply } from '../protocol/arakoon/reply-shapes.ts';
import {
  encodePrologue,
  encodeRequest,
  isUpdate,
  REQUEST_CODES,
  type Request,
  requestName,
} from '../protocol/arakoon/requests.ts';
import { DEADLINE_MS } from './call.ts';
import { type CallOptions, Commands } from './commands.ts';
import { outOfRange } from './out-of-range.ts';

/** Calls that may be unanswered. */
const PENDING_MAX = 64 * 1024;
/** How often deadlines are looked at (ms). */
const SWEEP_MS = 50;

/** Whom to connect to. */
export type ArakoonOptions = {
  readonly host: string;
  readonly port: number;
  /** Cluster id, which the other end compares with its own. */
  readonly cluster: string;
  /** For connecting, and for calls that do not say otherwise (ms). Default 10 s. */
  readonly deadlineMs?: number;
};

type Pending = {
  readonly request: Request;
  readonly deadlineAtMs: number;
  readonly resolve: (reply: Uint8Array) => void;
  readonly reject: (error: NurseryError) => void;
  settled: boolean;
};

/**
 * Speaks Arakoon's protocol over one connection. Calls made without waiting for one another are pipelined. It
 * neither looks for the master nor connects again: after NOT_MASTER and OUT_OF_RANGE the other end closes.
 */
export class ArakoonClient extends Commands {
  readonly #socket: Socket;
  readonly #cluster: string;
  readonly #deadlineMs: number;
  /** Calls in the order of their replies; those before `#next` are done. */
  #pending: Pending[] = [];
  #next = 0;
  #input = Buffer.alloc(0);
  #begin = 0;
  #end = 0;
  #wanted = 4;
  #uncorkDue = false;
  #sweeper: NodeJS.Timeout | null = null;
  #closedWhy: string | null = null;

  private constructor(socket: Socket, cluster: string, deadlineMs: number) {
    super();
    this.#socket = socket;
    this.#cluster = cluster;
    this.#deadlineMs = deadlineMs;
    let why = 'the connection was closed';
    socket.on('data', (chunk: Buffer) => this.#received(chunk));
    socket.on('error', (error) => {
      why = error.message; // its close follows
    });
    socket.on('close', () => this.#closed(why));
  }

  /** @throws NurseryError UNREACHABLE where nobody answers, or the address is none */
  static async connect(options: ArakoonOptions): Promise<ArakoonClient> {
    const deadlineMs = options.deadlineMs ?? DEADLINE_MS;
    const host = dialableHost(options.host, options.port);
    const socket = connect({ host, port: options.port, noDelay: true });
    const timer = setTimeout(
      () => socket.destroy(new Error(`no connection within ${deadlineMs} ms`)),
      deadlineMs,
    );
    try {
      await once(socket, 'connect');
    } catch (error) {
      const message = `${printAddress(host, options.port)}: ${(error as Error).message}`;
      throw new NurseryError('UNREACHABLE', message, { cause: error });
    } finally {
      clearTimeout(timer);
    }
    socket.write(encodePrologue(options.cluster));
    return new ArakoonClient(socket, options.cluster, deadlineMs);
  }

  /** Why the connection is closed; null while it is open. */
  get closedWhy(): string | null {
    return this.#closedWhy;
  }

  /** Text about the other end's version. @throws NurseryError UNKNOWN_FAILURE where `cluster` is not its cluster id */
  async ping(client: string, cluster: string, options: CallOptions = {}): Promise<string> {
    return decodeText(await this.ask({ kind: 'ping', client, cluster }, options));
  }

  /** Closes the connection; calls under way fail. */
  close(): void {
    this.#socket.destroy();
    this.#closed('the client was closed');
  }

  protected override ask(request: Request, options: CallOptions): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      if (this.#closedWhy !== null) {
        reject(new NurseryError('UNREACHABLE', this.#closedWhy));
        return;
      }
      if (this.#pending.length - this.#next >= PENDING_MAX) {
        reject(new NurseryError('UNREACHABLE', `${PENDING_MAX} calls are unanswered already`));
        return;
      }
      const deadlineAtMs = performance.now() + (options.deadlineMs ?? this.#deadlineMs);
      this.#pending.push({ request, deadlineAtMs, resolve, reject, settled: false });
      if (this.#sweeper === null) this.#armSweep();
      this.#write(encodeRequest(request));
    });
  }

  /** Calls of one turn leave in one write. */
  #write(bytes: Buffer): void {
    const socket = this.#socket;
    if (!this.#uncorkDue) {
      this.#uncorkDue = true;
      socket.cork();
      process.nextTick(() => {
        this.#uncorkDue = false;
        socket.uncork();
      });
    }
    socket.write(bytes);
  }

  #received(chunk: Buffer): void {
    this.#append(chunk);
    while (this.#end - this.#begin >= this.#wanted) {
      const pending = this.#pending[this.#next];
      if (pending === undefined) {
        this.#broken('a reply that nobody asked for');
        return;
      }
      const end = this.#scan(pending);
      if (end === null) return;
      if (end < 0) continue;
      const reply = this.#input.subarray(this.#begin, end);
      this.#begin = end;
      this.#wanted = 4;
      this.#forget();
      if (!pending.settled) this.#settle(pending, reply);
    }
  }

  #settle(pending: Pending, reply: Buffer): void {
    pending.settled = true;
    const refused = outOfRange(reply, this.#cluster, null);
    if (refused === null) pending.resolve(reply);
    else pending.reject(refused);
  }

  /** Where the reply to `pending` ends; -1 where more of it is wanted; null where it cannot be read. */
  #scan(pending: Pending): number | null {
    try {
      const scanned = scanReply(REQUEST_CODES[pending.request.kind], this.#input, this.#begin, this.#end);
      if (scanned.kind === 'complete') return scanned.end;
      this.#wanted = scanned.bytes;
      return -1;
    } catch (error) {
      if (!(error instanceof NurseryError)) throw error;
      this.#broken(error.message);
      return null;
    }
  }

  #append(chunk: Buffer): void {
    const left = this.#end - this.#begin;
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

  /** Drops the call that was answered; the array is cut now and then, so that it costs nothing per call. */
  #forget(): void {
    this.#next += 1;
    if (this.#next < 1024 && this.#next < this.#pending.length) return;
    this.#pending = this.#pending.slice(this.#next);
    this.#next = 0;
  }

  /** After a pause of the process timers come first: what has arrived meanwhile is read before anything is called late. */
  #armSweep(): void {
    const sweep = (): void => this.#sweep();
    this.#sweeper = setTimeout(() => setImmediate(sweep), SWEEP_MS);
  }

  #sweep(): void {
    this.#sweeper = null;
    if (this.#closedWhy !== null) return;
    const nowMs = performance.now();
    for (let index = this.#next; index < this.#pending.length; index += 1) {
      const pending = this.#pending[index] as Pending;
      if (pending.settled || pending.deadlineAtMs > nowMs) continue;
      pending.settled = true; // its reply is skipped when it comes
      pending.reject(lost(pending.request, 'no answer within the deadline', 'TIMEOUT'));
    }
    if (this.#next < this.#pending.length) this.#armSweep();
  }

  #broken(why: string): void {
    this.#socket.destroy();
    this.#closed(why);
  }

  #closed(why: string): void {
    if (this.#closedWhy !== null) return;
    this.#closedWhy = why;
    if (this.#sweeper !== null) clearTimeout(this.#sweeper);
    const pending = this.#pending.slice(this.#next);
    this.#pending = [];
    this.#next = 0;
    for (const { request, reject, settled } of pending)
      if (!settled) reject(lost(request, why, 'UNREACHABLE'));
  }
}

/** The error for a request that was sent and not answered. */
function lost(request: Request, why: string, code: 'UNREACHABLE' | 'TIMEOUT'): NurseryError {
  const name = requestName(REQUEST_CODES[request.kind]);
  if (!isUpdate(request)) return new NurseryError(code, `${name}: ${why}`);
  return new NurseryError('MAYBE_APPLIED', `${name}: ${why}; it may or may not have been applied`);
}
