/** Two ends of links on loopback, for the tests of this folder. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { LinkAcceptor } from '../../../src/link/accept.ts';
import { dial } from '../../../src/link/dial.ts';
import { type Hello, LINK_PROTOCOL } from '../../../src/link/frames.ts';
import type { Link, LinkHandlers, LinkResult } from '../../../src/link/link.ts';

/** A hello of `cluster`. */
export function hello(cluster: string, node = 'n'): Hello {
  return { protocol: LINK_PROTOCOL, role: 'node', cluster, node, incarnation: '' };
}

/** Handlers that do nothing but what is given. */
export function handlers(given: Partial<LinkHandlers> = {}): LinkHandlers {
  return { request: () => {}, post: () => {}, closed: () => {}, ...given };
}

/** An HTTP server that takes in links. */
export class Acceptor {
  readonly server: Server = createServer();
  readonly links: LinkAcceptor;

  constructor(given: Partial<LinkHandlers>, mine: Hello = hello('c')) {
    this.links = new LinkAcceptor(() => mine, handlers(given));
    this.server.on('upgrade', (request, socket, head) => this.links.upgrade(request, socket, head));
  }

  async listen(port = 0): Promise<this> {
    this.server.listen(port, '127.0.0.1');
    await once(this.server, 'listening');
    return this;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  dial(given: Partial<LinkHandlers> = {}, mine: Hello = hello('c', 'caller')): Promise<Link> {
    return dial({
      host: '127.0.0.1',
      port: this.port,
      hello: mine,
      handlers: handlers(given),
      timeoutMs: 2000,
    });
  }

  async close(): Promise<void> {
    for (const link of this.links.links) link.close('test is over');
    this.server.close();
    this.server.closeAllConnections();
    await once(this.server, 'close');
  }
}

/** The result of one request. */
export function ask(link: Link, body: Uint8Array, deadlineMs = 5000): Promise<LinkResult> {
  return new Promise((resolve) => link.request(body, deadlineMs, resolve));
}
