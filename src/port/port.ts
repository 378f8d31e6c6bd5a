/** The one port that a process listens on: Arakoon's protocol, links and HTTP, told apart by the first byte. */
import { once } from 'node:events';
import {
  createServer as createHttpServer,
  type Server as HttpServer,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { printAddress } from '../address.ts';
import { present } from '../assert.ts';
import { FatalError } from '../errors.ts';
import { LinkAcceptor } from '../link/accept.ts';
import { type Hello, LINK_PATH } from '../link/frames.ts';
import type { LinkHandlers } from '../link/link.ts';
import { failure } from '../protocol/replies.ts';
import { type Handle, TcpConnection } from './tcp-connection.ts';

/** Connections that are served unless the options say otherwise. */
export const CONNECTIONS_MAX = 10_000;
/** Connections above the bound that are told so; further ones are dropped without a word. */
const TURNED_AWAY_MAX = 256;
/** How long a connection may be silent before its first byte (ms). */
const FIRST_BYTE_MS = 10_000;
/** How long an HTTP connection may be idle (ms). */
const HTTP_IDLE_MS = 60_000;
/** How long requests under way may take when the port closes (ms). */
const GRACE_MS = 3000;
/** How a name shows that it cannot be resolved, now or ever, and how often that is tried (ms). */
const UNRESOLVED: ReadonlySet<string> = new Set(['ENOTFOUND', 'EAI_AGAIN', 'EAI_FAIL', 'EAI_NODATA']);
const RESOLVE_EVERY_MS = 1000;
/** Connections that may wait to be accepted, as far as the kernel lets them (somaxconn): all clients may come back at once. */
const BACKLOG = 8192;

/** What listens where, and who serves what. */
export type PortOptions = {
  /** Addresses to listen on; none: all of this machine. */
  readonly ips: readonly string[];
  /** 0 takes a free one, the same for all addresses. */
  readonly port: number;
  /** What the prologue of Arakoon's clients must say. */
  readonly clusterId: string;
  /** Asked anew for each link. */
  readonly hello: () => Hello;
  readonly links: LinkHandlers;
  /** Requests of Arakoon's clients. */
  readonly handle: Handle;
  /** HTTP requests, except for links; without it they get 404. */
  readonly http?: (request: IncomingMessage, response: ServerResponse) => void;
  /** Hears of connections that could not be accepted, for want of file descriptors for example. */
  readonly warn: (message: string) => void;
  /** Default CONNECTIONS_MAX. One above gets return code fe, or 503, and is closed. */
  readonly connectionsMax?: number;
  /** Default 3 s. */
  readonly graceMs?: number;
};

/** A port that is open. */
export class ClientPort {
  readonly #options: PortOptions;
  readonly #servers: Server[] = [];
  readonly #http: HttpServer;
  readonly #acceptor: LinkAcceptor;
  readonly #sockets = new Set<Socket>();
  readonly #clients = new Map<Socket, TcpConnection>();
  /** HTTP connections, links among them, and what keeps each from being closed: a request under way, or its being a link. */
  readonly #web = new Map<Duplex, 'idle' | 'asking' | 'link'>();
  #closing = false;

  private constructor(options: PortOptions) {
    this.#options = options;
    this.#acceptor = new LinkAcceptor(options.hello, options.links);
    this.#http = createHttpServer((request, response) => this.#serve(request, response));
    this.#http.timeout = HTTP_IDLE_MS;
    this.#http.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head));
  }

  /**
   * Opens the port on all addresses. A host name that cannot be resolved now is waited for, and `warn` hears of it.
   *
   * @throws FatalError PORT_IN_USE where another process has it; CONFIG where an address is not of this machine,
   *   or the port needs privileges; FAILED for what the system says otherwise
   */
  static async listen(options: PortOptions): Promise<ClientPort> {
    const port = new ClientPort(options);
    try {
      for (const ip of options.ips.length > 0 ? options.ips : [undefined]) await port.#listen(ip);
    } catch (error) {
      await port.close();
      throw error;
    }
    return port;
  }

  /** The number of the port. */
  get port(): number {
    return (present(this.#servers[0], 'an open port').address() as AddressInfo).port;
  }

  /** How many connections of each kind are open. */
  get connections(): { readonly tcp: number; readonly links: number; readonly http: number } {
    const links = this.#acceptor.links.size;
    return { tcp: this.#clients.size, links, http: this.#web.size - links };
  }

  /** Accepts nothing more, answers what is under way for as long as the grace lasts, and closes everything. */
  async close(): Promise<void> {
    this.#closing = true;
    for (const server of this.#servers) server.close();
    const gone = [...this.#sockets, ...this.#servers].map(
      (closing) => new Promise<void>((resolve) => closing.once('close', resolve)),
    );
    for (const connection of this.#clients.values()) connection.shutDown();
    for (const link of this.#acceptor.links) link.closeWhenAnswered('going down');
    for (const socket of this.#sockets) {
      if (!this.#clients.has(socket) && (this.#web.get(socket) ?? 'idle') === 'idle') socket.destroy();
    }
    const grace = setTimeout(() => {
      for (const socket of this.#sockets) socket.destroy();
    }, this.#options.graceMs ?? GRACE_MS);
    await Promise.all(gone);
    clearTimeout(grace);
  }

  async #listen(ip: string | undefined): Promise<void> {
    for (let said = ''; ; ) {
      try {
        await this.#listenOnce(ip);
        return;
      } catch (error) {
        const { code = '', message } = error as NodeJS.ErrnoException;
        if (!UNRESOLVED.has(code)) throw listenError(error as NodeJS.ErrnoException, ip, this.#options.port);
        if (said !== message)
          this.#options.warn(`waits for its own host name ${ip} to be resolved: ${message}`);
        said = message;
        await new Promise((resolve) => setTimeout(resolve, RESOLVE_EVERY_MS));
      }
    }
  }

  async #listenOnce(ip: string | undefined): Promise<void> {
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.#accept(socket));
    const port = this.#servers.length > 0 ? this.port : this.#options.port;
    server.listen({ host: ip, port, backlog: BACKLOG });
    await once(server, 'listening');
    server.on('error', (error) => this.#options.warn(`a connection could not be accepted: ${error.message}`));
    this.#servers.push(server);
  }

  #accept(socket: Socket): void {
    if (this.#closing || this.#sockets.size >= this.#connectionsMax + TURNED_AWAY_MAX) {
      socket.destroy();
      return;
    }
    this.#sockets.add(socket);
    const timer = setTimeout(() => socket.destroy(), FIRST_BYTE_MS);
    socket.on('close', () => {
      clearTimeout(timer);
      this.#sockets.delete(socket);
      this.#clients.delete(socket);
      this.#web.delete(socket);
    });
    socket.on('error', () => socket.destroy()); // a client that went away is no failure of ours
    socket.once('end', () => {
      if (!this.#clients.has(socket) && !this.#web.has(socket)) socket.destroy();
    });
    socket.once('data', (chunk: Buffer) => {
      clearTimeout(timer);
      const first = chunk[0] as number;
      if (isLetter(first)) this.#toHttp(socket, chunk);
      else if (first === 0) this.#toArakoon(socket, chunk);
      else socket.destroy();
    });
  }

  get #connectionsMax(): number {
    return this.#options.connectionsMax ?? CONNECTIONS_MAX;
  }

  /** Arakoon's prologue begins with a zero byte. */
  #toArakoon(socket: Socket, chunk: Buffer): void {
    const connection = new TcpConnection(socket, this.#options.clusterId, this.#options.handle);
    this.#clients.set(socket, connection);
    if (this.#sockets.size > this.#connectionsMax) {
      const message = `too many connections: the limit is ${this.#connectionsMax}`;
      connection.turnAway(failure('TOO_MANY_CONNECTIONS', message));
    } else if (this.#closing) {
      connection.shutDown();
    }
    connection.receive(chunk);
  }

  /** The HTTP server takes a socket as if it had accepted it, with what was read already put back. */
  #toHttp(socket: Socket, chunk: Buffer): void {
    this.#web.set(socket, 'idle');
    socket.pause();
    socket.unshift(chunk);
    this.#http.emit('connection', socket);
    process.nextTick(() => socket.resume());
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request;
    this.#web.set(socket, 'asking');
    response.once('close', () => {
      if (this.#closing) socket.destroy();
      else if (this.#web.has(socket)) this.#web.set(socket, 'idle');
    });
    if (this.#options.http !== undefined) this.#options.http(request, response);
    else response.writeHead(404).end();
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    if (request.url !== LINK_PATH) {
      socket.end('HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n', () =>
        socket.destroy(),
      );
    } else if (this.#closing || this.#sockets.size > this.#connectionsMax) {
      socket.end('HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n', () =>
        socket.destroy(),
      );
    } else {
      this.#web.set(socket, 'link');
      this.#acceptor.upgrade(request, socket, head);
    }
  }
}

function isLetter(byte: number): boolean {
  return byte >= 0x41 && byte <= 0x5a;
}

function listenError(error: NodeJS.ErrnoException, ip: string | undefined, port: number): Error {
  const address = printAddress(ip ?? '*', port);
  switch (error.code) {
    case 'EADDRINUSE':
      return new FatalError('PORT_IN_USE', `${address} is in use by another process`, { cause: error });
    case 'EADDRNOTAVAIL':
    case 'EAFNOSUPPORT':
    case 'EINVAL': // a link-local address without its zone, for one
      return new FatalError('CONFIG', `${address} is no address of this machine`, { cause: error });
    case 'EACCES':
      return new FatalError('CONFIG', `${address} needs privileges that this process lacks`, {
        cause: error,
      });
    default:
      return new FatalError('FAILED', `cannot listen at ${address}: ${error.message}`, { cause: error });
  }
}
