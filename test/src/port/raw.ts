/** A port whose requests the test answers, and clients that speak raw bytes to it. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { ClientPort, type PortOptions } from '../../../src/port/port.ts';
import { decodeRequest, encodePrologue, type Request } from '../../../src/protocol/arakoon/requests.ts';
import type { Answer } from '../../../src/protocol/arakoon/values.ts';
import { handlers, hello } from '../link/pair.ts';

/** A request that the port has begun. */
export type Begun = { readonly request: Request; readonly respond: (answer: Answer) => void };

/** An open port, and the requests that came through it. */
export class Bench {
  readonly begun: Begun[] = [];
  #port: ClientPort | null = null;
  #waiting: { count: number; resolve: () => void }[] = [];

  /** @param answer answers at once where it returns an answer */
  async listen(
    options: Partial<PortOptions> = {},
    answer?: (request: Request) => Answer | null,
  ): Promise<this> {
    this.#port = await ClientPort.listen({
      ips: ['127.0.0.1'],
      port: 0,
      clusterId: 'ricky',
      hello: () => hello('ricky'),
      links: handlers(),
      warn: () => {},
      handle: (_connection, body, respond) => {
        const request = decodeRequest(body);
        this.begun.push({ request, respond });
        const at = answer?.(request) ?? null;
        if (at !== null) respond(at);
        this.#waiting = this.#waiting.filter(({ count, resolve }) => {
          if (this.begun.length < count) return true;
          resolve();
          return false;
        });
      },
      ...options,
    });
    return this;
  }

  get port(): ClientPort {
    if (this.#port === null) throw new Error('listen first');
    return this.#port;
  }

  /** Resolves when `count` requests have begun in all. */
  whenBegun(count: number): Promise<void> {
    if (this.begun.length >= count) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push({ count, resolve }));
  }

  /** Kinds of the requests that have begun. */
  get kinds(): string[] {
    return this.begun.map(({ request }) => request.kind);
  }

  /** A client that has sent its prologue. */
  async client(): Promise<Raw> {
    const client = await Raw.connect(this.port.port);
    client.send(encodePrologue('ricky'));
    return client;
  }
}

/** A client that sends what it is told, and reads what it wants. */
export class Raw {
  readonly socket: Socket;
  #received: Buffer[] = [];
  #bytes = 0;
  #ended = false;
  #wake = (): void => {};

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.#received.push(chunk);
      this.#bytes += chunk.length;
      this.#wake();
    });
    const ended = (): void => {
      this.#ended = true;
      this.#wake();
    };
    socket.on('end', ended);
    socket.on('close', ended);
    socket.on('error', ended);
  }

  static async connect(port: number): Promise<Raw> {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    await once(socket, 'connect');
    return new Raw(socket);
  }

  send(...pieces: Uint8Array[]): void {
    this.socket.write(Buffer.concat(pieces));
  }

  /** The next `count` bytes, or fewer where the connection ends before. */
  async read(count: number): Promise<Buffer> {
    while (this.#bytes < count && !this.#ended) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const all = Buffer.concat(this.#received);
    this.#received = [all.subarray(count)];
    this.#bytes = this.#received[0]?.length ?? 0;
    return all.subarray(0, count);
  }

  /** All bytes until the other end closes. */
  async rest(): Promise<Buffer> {
    const all = await this.read(Number.POSITIVE_INFINITY);
    this.socket.destroy();
    return all;
  }
}
