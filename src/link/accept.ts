/** Takes in links that others open: WebSocket upgrades of an HTTP server. */
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import { decodeHello, encodeHello, linkName, refusedBy } from './dial.ts';
import { CLOSE, closeReason, type Hello, NAME_HEADER, PAYLOAD_MAX, refusal } from './frames.ts';
import { Link, type LinkHandlers } from './link.ts';

/** How long a caller may take for its hello (ms). */
const HELLO_MS = 5000;

/** The accepting end of links. */
export class LinkAcceptor {
  readonly #server = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: PAYLOAD_MAX,
  });
  readonly #hello: () => Hello;
  readonly #handlers: LinkHandlers;
  readonly #links = new Set<Link>();

  /** @param hello asked at each call, since an incarnation is drawn only after the port is open */
  constructor(hello: () => Hello, handlers: LinkHandlers) {
    this.#hello = hello;
    this.#handlers = {
      ...handlers,
      request: (link, body, respond, leftMs, asker) => handlers.request(link, body, respond, leftMs, asker),
      post: (link, topic, body) => handlers.post(link, topic, body),
      closed: (link, why) => {
        this.#links.delete(link);
        handlers.closed(link, why);
      },
      opened: (link) => {
        this.#links.add(link);
        handlers.opened?.(link);
      },
    };
  }

  /** The links that are open. */
  get links(): ReadonlySet<Link> {
    return this.#links;
  }

  /** Closes every link that is open. */
  closeLinks(why: string): void {
    for (const link of [...this.#links]) link.close(why);
  }

  /** Answers an upgrade request for LINK_PATH. The socket belongs to the acceptor from then on. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    // Only browsers name an origin, and a page of somebody else must not reach a cluster through its reader.
    if (request.headers.origin !== undefined) {
      socket.end('HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 0\r\n\r\n', () =>
        socket.destroy(),
      );
      return;
    }
    const remote = remoteOf(request.socket);
    const name = linkName(request.headers[NAME_HEADER]);
    this.#server.handleUpgrade(request, socket, head, (ws) => this.#greet(ws, remote, name));
  }

  #greet(ws: WebSocket, remote: string, name: string): void {
    const timer = setTimeout(() => ws.terminate(), HELLO_MS);
    const gone = (): void => clearTimeout(timer);
    const failed = (): void => ws.terminate();
    ws.once('close', gone);
    ws.on('error', failed);
    ws.once('message', (data: Buffer) => {
      clearTimeout(timer);
      const peer = decodeHello(data);
      const mine = this.#hello();
      const refused = peer === null ? { close: CLOSE.broken, why: 'not a hello' } : this.#refusal(mine, peer);
      if (peer !== null) this.#handlers.met?.(peer);
      // The other end must know who it met: two foundings of one cluster say so, and nothing more.
      if (refused?.close === CLOSE.otherFounding) ws.send(encodeHello(mine));
      if (peer === null || refused !== null) {
        ws.close(refused?.close, closeReason(refused?.why ?? ''));
        return;
      }
      ws.off('close', gone);
      ws.off('error', failed);
      ws.send(encodeHello(mine));
      new Link(ws, { peer, remote, name }, this.#handlers);
    });
  }

  #refusal(mine: Hello, peer: Hello): { readonly close: number; readonly why: string } | null {
    const refused = refusal(mine, peer);
    if (refused !== null) return refused;
    return refusedBy(this.#handlers, peer);
  }
}

/** Address of the other end of a connection, for people; no two that are open have the same. */
export function remoteOf(socket: Socket): string {
  return `${socket.remoteAddress ?? '?'}:${socket.remotePort ?? 0}`;
}
