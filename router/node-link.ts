/** The router's link to one node over sockets, whichever of its addresses answers. */
import type { Hello } from '../src/link/frames.ts';
import type { LinkHandlers, LinkResult } from '../src/link/link.ts';
import { PersistentLink } from '../src/link/persistent.ts';
import { failure } from '../src/protocol/arakoon/replies.ts';
import type { LinkEvents, LinkToNode } from './driver.ts';

/** How long an address may take to answer (ms). */
const DIAL_MS = 1500;
/** Pause before the next address is tried (ms). */
const NEXT_ADDRESS_MS = 100;

export type NodeLinkOptions = {
  /** At least one. */
  readonly ips: readonly string[];
  readonly port: number;
  readonly hello: Hello;
  readonly events: LinkEvents;
} & Pick<LinkHandlers, 'follow'>;

/** Keeps a link to a node until it is closed. */
export class NodeLink implements LinkToNode {
  readonly #options: NodeLinkOptions;
  #link: PersistentLink;
  #address = 0;
  #timer: NodeJS.Timeout | null = null;

  constructor(options: NodeLinkOptions) {
    this.#options = options;
    this.#link = this.#open();
  }

  /** As `PersistentLink.request`. */
  request(
    body: Uint8Array,
    deadlineMs: number,
    done: (result: LinkResult) => void,
    withheld?: () => void,
  ): () => void {
    return this.#link.request(body, deadlineMs, done, withheld);
  }

  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#link.close();
  }

  #open(): PersistentLink {
    const { ips, port, hello, events, follow } = this.#options;
    return new PersistentLink({
      host: ips[this.#address % ips.length] as string,
      port,
      hello,
      timeoutMs: DIAL_MS,
      handlers: {
        request: (_link, _body, respond) =>
          respond(failure('NOT_SUPPORTED', 'a router answers no requests of nodes')),
        post: () => undefined,
        closed: () => undefined,
        met: (peer) => events.met(peer.founding),
        ...(follow === undefined ? {} : { follow }),
      },
      onUp: () => events.up(),
      onDown: (why) => {
        events.down(why);
        this.#tryNext();
      },
    });
  }

  /** A node with several addresses is tried at the next one. */
  #tryNext(): void {
    if (this.#options.ips.length < 2 || this.#timer !== null) return;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      if (this.#link.link !== null) return; // it is up again
      this.#link.close();
      this.#address += 1;
      this.#link = this.#open();
    }, NEXT_ADDRESS_MS);
  }
}
