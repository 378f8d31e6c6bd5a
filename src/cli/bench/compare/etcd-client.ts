/** One connection of a load over gRPC: a stream of HTTP/2 for each request. */
import { type ClientHttp2Session, connect } from 'node:http2';
import type { Generator, LoadClient, Place } from '../client.ts';
import { ETCD_METHODS } from './etcd-protocol.ts';

/** gRPC's word for success. */
const OK = '0';

/** Keeps a number of requests unanswered. */
export class EtcdLoadClient implements LoadClient {
  readonly #load: Generator;
  readonly #session: ClientHttp2Session;
  #waiting = 0;
  #closed = false;
  readonly #onRound = (): void => this.#start();

  /** @param lost called once, when the connection is gone without `close` */
  constructor(load: Generator, { host, port }: Place, lost: (why: string) => void) {
    this.#load = load;
    this.#session = connect(`http://${host}:${port}`);
    let why = 'closed';
    this.#session.once('connect', () => {
      for (let i = 0; i < load.outstanding; i += 1) this.#start();
    });
    this.#session.on('error', (error: NodeJS.ErrnoException) => {
      why = error.code ?? error.message;
    });
    this.#session.once('close', () => {
      if (!this.#closed) lost(why);
    });
  }

  get waiting(): number {
    return this.#waiting;
  }

  close(): void {
    this.#closed = true;
    this.#session.destroy();
  }

  #start(): void {
    const { workload } = this.#load;
    if (this.#closed || this.#session.destroyed || !this.#load.mayStart()) return;
    const operation = workload.next();
    const frame = Buffer.allocUnsafe(operation.bytes);
    workload.write(operation, frame, 0);
    const startedMs = performance.now();
    const stream = this.#session.request({
      ':method': 'POST',
      ':path': `/etcdserverpb.KV/${ETCD_METHODS[operation.code]}`,
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    this.#waiting += 1;
    let status: string | undefined;
    let failure = 'no answer';
    const read = (headers: { readonly [name: string]: unknown }): void => {
      if (headers['grpc-status'] === undefined) return;
      status = String(headers['grpc-status']);
      failure = `gRPC status ${status}: ${headers['grpc-message'] ?? ''}`;
    };
    stream.on('response', read); // of an error alone there are no trailers
    stream.on('trailers', read);
    stream.on('error', (error: NodeJS.ErrnoException) => {
      failure = `no answer: ${error.code ?? error.message}`;
    });
    stream.once('close', () => {
      this.#waiting -= 1;
      if (status === OK) this.#load.tally.answered(operation, startedMs, performance.now());
      else this.#load.failed(failure);
      this.#load.afterRound(this.#onRound);
      if (this.#waiting === 0) this.#load.answered();
    });
    stream.resume();
    stream.end(frame);
  }
}
