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
import { present } from '../base/assert.ts';
import { FatalError } from '../base/errors.ts';
import { printAddress } from '../identity/address.ts';
import { LinkAcceptor, remoteOf } from '../link/accept.ts';
import { type Hello, LINK_PATH, ROLE_HEADER, type Role, STATUS_FULL } from '../link/frames.ts';
import type { Link, LinkHandlers } from '../link/link.ts';
import { isShort, isWatch } from '../metrics/http.ts';
import { type Budgets, clientBudgets, ownBudgets } from '../process/budget.ts';
import { type ConnectionLimits, connectionLimits, descriptorLimit } from '../process/descriptors.ts';
import { everySecond } from '../process/every-second.ts';
import { Repeated } from '../process/repeated.ts';
import { failure } from '../protocol/arakoon/replies.ts';
import type { SeatFigures } from '../protocol/arakoon/statistics.ts';
import type { Answer } from '../protocol/arakoon/values.ts';
import { arrived } from './arrivals.ts';
import { countUnread, feedInPieces } from './http-bounds.ts';
import { type Guest, Seats } from './seats.ts';
import { type Handle, TcpConnection } from './tcp-connection.ts';

/** Whose links have the memory of clients; operators read values too. */
const CLIENT_ROLES: ReadonlySet<Role> = new Set(['client', 'router', 'operator']);
/** How often the process's limit of descriptors is read (ms). */
const LIMIT_EVERY_MS = 1000;
/** How long a connection may be silent before its first byte (ms). */
const FIRST_BYTE_MS = 10_000;
/** A machine that vanished says no farewell: silent connections are probed after a minute, by the kernel. */
const ACCEPTING = { allowHalfOpen: true, noDelay: true, keepAlive: true, keepAliveInitialDelay: 60_000 };
/** How long the header of the first HTTP request may take (ms), however slowly it comes. */
const HEADER_MS = 10_000;
/** How long an HTTP connection may go on from one request to the next (ms), silent or not. */
const HTTP_IDLE_MS = 60_000;
/** How long an HTTP client may take nothing of an answer (ms), whether or not others wait for the memory. */
const HTTP_UNREAD_MS = 5000;
/** When one should ask again whom we have no memory for, or no seat (s). */
const RETRY_AFTER_S = '1';
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
  /** Where both stand in a configuration, for errors. Default: they name the address alone. */
  readonly writtenAt?: { readonly ip: string; readonly port: string };
  /** What the prologue of Arakoon's clients must say. */
  readonly clusterId: string;
  /** Asked anew for each link. */
  readonly hello: () => Hello;
  readonly links: LinkHandlers;
  /** Requests of Arakoon's clients. */
  readonly handle: Handle;
  /** HTTP requests, except for links; without it they get 404. */
  readonly http?: (request: IncomingMessage, response: ServerResponse) => void;
  /** A connection of one of Arakoon's clients is closed; nobody waits for what it asked. */
  readonly gone?: () => void;
  /** Hears of connections that could not be accepted, for want of file descriptors for example. */
  readonly warn: (message: string) => void;
  /** Hears once for each address whose name cannot be resolved yet that the port waits for it; `warn` hears each reason. */
  readonly waits?: (what: string) => void;
  /**
   * How many connections it takes. Default: what the process may have open, less a reserve. One above gets return code
   * fe, or 503, and is closed.
   */
  readonly limits?: () => ConnectionLimits;
  /** Default 3 s. */
  readonly graceMs?: number;
  /** How long one of Arakoon's clients may take nothing of its answers (ms). Default 60 s. */
  readonly unreadMs?: number;
  /** How long HTTP may take for its first header, and from one request to the next (ms). Default 10 s and 60 s. */
  readonly headerMs?: number;
  readonly idleMs?: number;
  /** How long an HTTP client may take nothing of an answer (ms). Default 5 s. */
  readonly httpUnreadMs?: number;
  /** Where the memory of connections is counted. Default: budgets of this port's own. */
  readonly budgets?: PortBudgets;
};

/** What a client's link is doing: requests under way, and when the last one came or was answered (ms). */
type LinkUse = { link: Link | null; underWay: number; activeMs: number };

/** Budgets of clients and routers, and of our other processes: those never wait behind clients. */
export type PortBudgets = { readonly clients: Budgets; readonly own: Budgets };

/** The budgets of a process. */
export function portBudgets(): PortBudgets {
  return { clients: clientBudgets(), own: ownBudgets() };
}

/** A port that is open. */
export class ClientPort {
  readonly #options: PortOptions;
  readonly #servers: Server[] = [];
  readonly #http: HttpServer;
  readonly #acceptor: LinkAcceptor;
  readonly #budgets: PortBudgets;
  readonly #sockets = new Set<Socket>();
  readonly #clients = new Map<Socket, TcpConnection>();
  /**
   * HTTP connections, links among them, and what keeps each from being closed: a request under way, or its being a link. Of an answer
   * that is made the client has not taken all.
   */
  readonly #web = new Map<Duplex, 'idle' | 'asking' | 'answered' | 'link'>();
  /** What ends HTTP connections whose answer is not taken, or whose next request does not come to its end. Node's own clocks run only in a server that listens. */
  readonly #webTimers = new Map<Duplex, NodeJS.Timeout>();
  readonly #seats: Seats;
  /** Links of clients, by the address of their other end. */
  readonly #linkUses = new Map<string, LinkUse>();
  readonly #turnedAway: Repeated;
  readonly #endShrinking: () => void;
  #closing = false;

  private constructor(options: PortOptions) {
    this.#options = options;
    this.#seats = new Seats(options.limits ?? limitsOfProcess(), nowMs);
    // A limit that was lowered below what is open lets nobody in who could be the occasion.
    this.#endShrinking = everySecond(() => this.#seats.shrink());
    this.#turnedAway = new Repeated((times) => {
      const { clientsMax, open } = this.#seats.figures;
      options.warn(
        `${times} connections were turned away: ${open} are open, ${clientsMax} clients is the limit (see ulimit -n)`,
      );
    }, nowMs);
    const budgets = options.budgets ?? portBudgets();
    this.#budgets = budgets;
    this.#acceptor = new LinkAcceptor(options.hello, {
      ...this.#watched(options.links),
      budgets: ({ role }) => (CLIENT_ROLES.has(role) ? budgets.clients : budgets.own),
    });
    this.#http = createHttpServer((request, response) => this.#serve(request, response));
    this.#http.timeout = HTTP_IDLE_MS;
    this.#http.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head));
  }

  /**
   * Opens the port on all addresses. A host name that cannot be resolved now is waited for, and `warn` and `waits` hear of it.
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

  /** Closes all links at once; whoever dialled them dials again, and hears the present hello. */
  closeLinks(why: string): void {
    this.#acceptor.closeLinks(why);
  }

  /** What became of connections, and how many clients there may be. */
  get seats(): SeatFigures {
    return this.#seats.figures;
  }

  /** Accepts nothing more, answers what is under way for as long as the grace lasts, and closes everything. */
  async close(): Promise<void> {
    this.#closing = true;
    this.#endShrinking();
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
    const { writtenAt, warn, waits } = this.#options;
    for (let said = ''; ; ) {
      try {
        await this.#listenOnce(ip);
        return;
      } catch (error) {
        const { code = '', message } = error as NodeJS.ErrnoException;
        if (!UNRESOLVED.has(code)) throw listenError(error as NodeJS.ErrnoException, ip, this.#options);
        const where = writtenAt === undefined ? '' : ` (${writtenAt.ip})`;
        const what = `waits for its own host name ${ip} to be resolved${where}: ${message}`;
        if (said !== message) warn(what);
        if (said === '') waits?.(what);
        said = message;
        await new Promise((resolve) => setTimeout(resolve, RESOLVE_EVERY_MS));
      }
    }
  }

  async #listenOnce(ip: string | undefined): Promise<void> {
    const server = createServer(ACCEPTING, (socket) => this.#accept(socket));
    const port = this.#servers.length > 0 ? this.port : this.#options.port;
    server.listen({ host: ip, port, backlog: BACKLOG });
    await once(server, 'listening');
    server.on('error', (error) => this.#options.warn(`a connection could not be accepted: ${error.message}`));
    this.#servers.push(server);
  }

  #accept(socket: Socket): void {
    arrived();
    if (this.#closing || !this.#seats.enter(socket)) {
      if (!this.#closing) this.#turnedAway.happened();
      socket.destroy();
      return;
    }
    this.#sockets.add(socket);
    const timer = setTimeout(() => socket.destroy(), FIRST_BYTE_MS);
    socket.on('close', () => {
      clearTimeout(timer);
      this.#sockets.delete(socket);
      if (this.#clients.delete(socket)) this.#options.gone?.();
      this.#web.delete(socket);
      this.#endWait(socket);
      this.#seats.leave(socket);
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

  /** Whether there is a seat; who is turned away is counted. */
  #hasSeat(socket: Duplex, kind: 'client' | 'own', guest: Guest | null): boolean {
    if (this.#seats.take(socket, kind, guest)) return true;
    this.#turnedAway.happened();
    return false;
  }

  /** Arakoon's prologue begins with a zero byte. */
  #toArakoon(socket: Socket, chunk: Buffer): void {
    const { clusterId, handle, unreadMs } = this.#options;
    const connection = new TcpConnection(socket, clusterId, handle, this.#budgets.clients, unreadMs);
    this.#clients.set(socket, connection);
    if (!this.#hasSeat(socket, 'client', connection)) {
      const message = `too many connections: the limit is ${this.#seats.figures.clientsMax}`;
      connection.turnAway(failure('TOO_MANY_CONNECTIONS', message));
    } else if (this.#closing) {
      connection.shutDown();
    }
    connection.receive(chunk);
  }

  /** The HTTP server takes a socket as if it had accepted it, with what was read already put back. */
  #toHttp(socket: Socket, chunk: Buffer): void {
    this.#web.set(socket, 'idle');
    this.#awaitRequest(socket, this.#options.headerMs ?? HEADER_MS);
    socket.pause();
    socket.unshift(chunk);
    this.#http.emit('connection', socket);
    feedInPieces(socket);
    process.nextTick(() => socket.resume());
  }

  /** Whoever sends a request byte by byte, or never, would hold its place for ever. */
  #awaitRequest(socket: Duplex, forMs: number): void {
    this.#endWait(socket);
    this.#webTimers.set(
      socket,
      setTimeout(() => socket.destroy(), forMs),
    );
  }

  #endWait(socket: Duplex): void {
    clearTimeout(this.#webTimers.get(socket));
    this.#webTimers.delete(socket);
  }

  /** One request of a connection at a time: whoever sends another before it has the whole answer does not mean to read any. */
  #serve(request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request;
    if (this.#web.get(socket) !== 'idle') {
      socket.destroy();
      return;
    }
    this.#web.set(socket, 'asking');
    this.#endWait(socket);
    const { http, idleMs = HTTP_IDLE_MS, httpUnreadMs = HTTP_UNREAD_MS } = this.#options;
    const { replies } = this.#budgets.clients;
    countUnread(response, replies, httpUnreadMs);
    response.once('prefinish', () => {
      if (!this.#web.has(socket)) return;
      this.#web.set(socket, 'answered');
      this.#awaitRequest(socket, idleMs);
    });
    response.once('close', () => {
      if (this.#closing) socket.destroy();
      else if (this.#web.has(socket)) {
        this.#web.set(socket, 'idle');
        this.#awaitRequest(socket, idleMs);
      }
    });
    // Whoever watches over this process must get through to it, and asks for little where memory is short.
    const kind = isWatch(request.url) ? 'own' : 'client';
    const isServed = this.#hasSeat(socket, kind, this.#webGuest(socket));
    if (!isServed || (replies.isExhausted && !isShort(request.url))) {
      response.writeHead(STATUS_FULL, { connection: 'close', 'retry-after': RETRY_AFTER_S }).end();
    } else if (http !== undefined) http(request, response);
    else response.writeHead(404).end();
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.removeAllListeners('data');
    this.#endWait(socket);
    if (this.#web.get(socket) !== 'idle') socket.destroy();
    else if (request.url !== LINK_PATH) {
      socket.end('HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n', () =>
        socket.destroy(),
      );
    } else if (this.#closing || !this.#hasLinkSeat(request, socket)) {
      socket.end(
        `HTTP/1.1 ${STATUS_FULL} Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`,
        () => socket.destroy(),
      );
    } else {
      this.#web.set(socket, 'link');
      this.#acceptor.upgrade(request, socket, head);
    }
  }

  /** HTTP without a request under way; its times are those of its bytes. */
  #webGuest(socket: Socket): Guest {
    let bytes = 0;
    let activeMs = nowMs();
    return {
      activeMs: () => {
        const moved = socket.bytesRead + socket.bytesWritten;
        if (moved !== bytes) activeMs = nowMs();
        bytes = moved;
        return activeMs;
      },
      isBusy: () => this.#web.get(socket) === 'asking' || this.#web.get(socket) === 'link',
      letGo: () => socket.destroy(),
    };
  }

  /** Our own processes say who they are, and are never asked to go; but whoever only claims to be one, and then says nothing, is. */
  #hasLinkSeat(request: IncomingMessage, socket: Duplex): boolean {
    const role = request.headers[ROLE_HEADER];
    const remote = remoteOf(request.socket);
    const use: LinkUse = { link: null, underWay: 0, activeMs: nowMs() };
    this.#linkUses.set(remote, use);
    socket.once('close', () => this.#linkUses.delete(remote));
    if (role !== undefined && role !== 'client') {
      return this.#hasSeat(socket, 'own', {
        activeMs: () => use.activeMs,
        isBusy: () => use.link !== null,
        letGo: () => socket.destroy(),
      });
    }
    return this.#hasSeat(socket, 'client', {
      activeMs: () => use.activeMs,
      isBusy: () => use.underWay > 0,
      letGo: () => {
        if (use.link === null) socket.destroy();
        else use.link.closeWhenAnswered('idle for long, and others need the place');
      },
    });
  }

  /** The same handlers, with an eye on what clients are doing. */
  #watched(links: LinkHandlers): LinkHandlers {
    return {
      ...links,
      request: (link, body, respond, ...rest) => {
        const use = link.peer.role === 'client' ? this.#linkUses.get(link.remote) : undefined;
        if (use === undefined) {
          links.request(link, body, respond, ...rest);
          return;
        }
        use.underWay += 1;
        const answered = (answer: Answer): void => {
          use.underWay -= 1;
          use.activeMs = nowMs();
          respond(answer);
        };
        links.request(link, body, answered, ...rest);
      },
      opened: (link) => {
        const use = this.#linkUses.get(link.remote);
        if (use !== undefined) use.link = link;
        links.opened?.(link);
      },
    };
  }
}

/** What the descriptors of this process allow. */
export function limitsOfProcess(outgoing: () => number = () => 0): () => ConnectionLimits {
  let readMs = Number.NEGATIVE_INFINITY;
  let limit = 0;
  return () => {
    if (nowMs() - readMs >= LIMIT_EVERY_MS) {
      readMs = nowMs();
      limit = descriptorLimit();
    }
    return connectionLimits(limit, outgoing());
  };
}

/** Monotonic time (ms). */
function nowMs(): number {
  return performance.now();
}

function isLetter(byte: number): boolean {
  return byte >= 0x41 && byte <= 0x5a;
}

/** A wrong configuration is named by file, line and key, as everywhere. */
function listenError(error: NodeJS.ErrnoException, ip: string | undefined, options: PortOptions): Error {
  const { port, writtenAt } = options;
  const address = printAddress(ip ?? '*', port);
  const wrong = (where: string | undefined, what: string): FatalError =>
    new FatalError('CONFIG', where === undefined ? what : `${where}: ${what}`, { cause: error });
  switch (error.code) {
    case 'EADDRINUSE':
      return new FatalError('PORT_IN_USE', `${address} is in use by another process`, { cause: error });
    case 'EADDRNOTAVAIL':
    case 'EAFNOSUPPORT':
    case 'EINVAL': // a link-local address without its zone, for one
      return wrong(writtenAt?.ip, `${address} is no address of this machine`);
    case 'EACCES':
      return wrong(writtenAt?.port, `${address} needs privileges that this process lacks`);
    default:
      return new FatalError('FAILED', `cannot listen at ${address}: ${error.message}`, { cause: error });
  }
}
