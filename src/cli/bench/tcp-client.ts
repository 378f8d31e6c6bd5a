/** One connection of a load over TCP: keeps a number of requests unanswered, without a promise for any. */
import { connect, type Socket } from 'node:net';
import type { Generator, LoadClient, Place, Wire } from './client.ts';
import type { Operation } from './operations.ts';

const NOTHING = Buffer.alloc(0);

/** Answers come in the order of requests: what waits is a ring of operations and times. */
export class TcpLoadClient implements LoadClient {
  readonly #load: Generator;
  readonly #wire: Wire;
  readonly #socket: Socket;
  readonly #operations: Operation[] = [];
  readonly #startedMs: Float64Array;
  /** Where in the ring the oldest unanswered request is, and how many there are. */
  #oldest = 0;
  #waiting = 0;
  #input: Buffer = NOTHING;
  #closed = false;
  readonly #onRound = (): void => this.#next();

  /** @param lost called once, when the connection is gone without `close` */
  constructor(load: Generator, place: Place, wire: Wire, lost: (why: string) => void) {
    this.#load = load;
    this.#wire = wire;
    this.#startedMs = new Float64Array(load.outstanding);
    this.#socket = connect({ host: place.host, port: place.port, noDelay: true });
    let why = 'closed';
    this.#socket.on('connect', () => {
      this.#socket.write(wire.hello(place.cluster));
      this.#fill(performance.now());
    });
    this.#socket.on('data', (chunk) => this.#received(chunk));
    this.#socket.on('error', (error: NodeJS.ErrnoException) => {
      why = error.code ?? error.message;
    });
    this.#socket.on('close', () => {
      for (let i = 0; i < this.#waiting; i += 1) load.tally.failed(`no answer: ${why}`);
      this.#waiting = 0;
      if (!this.#closed) lost(why);
    });
  }

  get waiting(): number {
    return this.#waiting;
  }

  close(): void {
    this.#closed = true;
    this.#socket.destroy();
  }

  /** After the answers of one round of events, of all connections, were counted. */
  #next(): void {
    if (this.#closed) return;
    this.#fill(performance.now());
    if (this.#waiting === 0) this.#load.answered();
  }

  /** Sends as many requests as are missing, in one write. */
  #fill(nowMs: number): void {
    const load = this.#load;
    const { outstanding, workload } = load;
    let bytes = 0;
    const first = this.#waiting;
    while (this.#waiting < outstanding && load.mayStart()) {
      const operation = workload.next();
      const at = (this.#oldest + this.#waiting) % outstanding;
      this.#operations[at] = operation;
      this.#startedMs[at] = nowMs;
      this.#waiting += 1;
      bytes += operation.bytes;
    }
    if (bytes === 0) return;
    const frames = Buffer.allocUnsafe(bytes);
    let at = 0;
    for (let i = first; i < this.#waiting; i += 1) {
      const operation = this.#operations[(this.#oldest + i) % outstanding] as Operation;
      workload.write(operation, frames, at);
      at += operation.bytes;
    }
    this.#socket.write(frames);
  }

  #received(chunk: Buffer): void {
    const input = this.#input.length === 0 ? chunk : Buffer.concat([this.#input, chunk]);
    const nowMs = performance.now();
    let at = 0;
    while (this.#waiting > 0) {
      const operation = this.#operations[this.#oldest] as Operation;
      const reply = this.#wire.reply(operation, input, at);
      if (reply === null) break;
      if (reply.failure === null)
        this.#load.tally.answered(operation, this.#startedMs[this.#oldest] as number, nowMs);
      else this.#load.failed(reply.failure);
      at = reply.end;
      this.#oldest = (this.#oldest + 1) % this.#load.outstanding;
      this.#waiting -= 1;
    }
    this.#input = at === input.length ? NOTHING : input.subarray(at);
    this.#load.afterRound(this.#onRound);
  }
}
