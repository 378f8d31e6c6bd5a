/** One node or router that a client may talk to: a link that is opened when it is first needed. */
import { NurseryError } from '../base/errors.ts';
import { printAddress } from '../identity/address.ts';
import { dial, Speechless } from '../link/dial.ts';
import type { Hello } from '../link/frames.ts';
import type { Link, LinkHandlers } from '../link/link.ts';
import type { NodeAddress } from '../protocol/admin/admin.ts';

/** How long one address may take to answer (ms). */
const DIAL_MS = 1500;

/** How long one that could not be reached is passed over before it is tried again (ms). */
const RETRY_MS = 500;

/** What an endpoint tells its owner. */
export type EndpointOwner = {
  /** Asked anew for each link. */
  hello(): Hello;
  /** Who answered; may close the link. */
  opened(link: Link): void;
  posted(endpoint: Endpoint, topic: number, body: Buffer): void;
  lost(endpoint: Endpoint): void;
};

/** Opens at most one link at a time, to whichever of the addresses answers. */
export class Endpoint {
  readonly address: NodeAddress;
  readonly #owner: EndpointOwner;
  #link: Link | null = null;
  #clusterId: string | null = null;
  #opening: Promise<Link> | null = null;
  /** Who has taken a connection, and has not said anything yet. */
  #speechless: string | null = null;
  /** When to try again after it could not be reached; 0 where the last attempt succeeded. */
  #retryAtMs = 0;
  readonly #closed = new AbortController();

  constructor(address: NodeAddress, owner: EndpointOwner) {
    this.address = address;
    this.#owner = owner;
  }

  /** The link, while there is one. */
  get link(): Link | null {
    return this.#link;
  }

  /**
   * Whether it is worth going to where others would do as well. One that could not be reached is not, until an
   * attempt in the background, begun here, has succeeded.
   */
  get isPromising(): boolean {
    if (this.#link !== null || this.#retryAtMs === 0) return true;
    if (this.#opening === null && performance.now() >= this.#retryAtMs) {
      this.open().catch((error: unknown) => {
        if (!(error instanceof NurseryError)) throw error; // that it failed is noted where it is dialled
      });
    }
    return false;
  }

  /** Why there is no link yet, where that is known while one is opened: the other end is there, and says nothing. */
  get whyNotYet(): NurseryError | null {
    if (this.#speechless === null) return null;
    const why = `${this.#speechless}: it has said nothing so far: stopped, too busy, or another kind of server`;
    return new NurseryError('UNREACHABLE', why, { cause: new Speechless(why) });
  }

  /** Cluster id of who answered here last; null where nobody did. */
  get cluster(): string | null {
    return this.#clusterId;
  }

  /** Whether this is `name`: as configured, or as it called itself. */
  isCalled(name: string): boolean {
    return this.address.name === name || this.#link?.peer.node === name;
  }

  /**
   * The link, opened where there is none.
   *
   * @throws NurseryError UNREACHABLE and those of `dial`
   */
  open(): Promise<Link> {
    if (this.#link !== null) return Promise.resolve(this.#link);
    this.#opening ??= this.#dial().finally(() => {
      this.#opening = null;
    });
    return this.#opening;
  }

  close(): void {
    this.#closed.abort();
    this.#link?.close('closed');
  }

  async #dial(): Promise<Link> {
    const handlers: LinkHandlers = {
      request: (link) => link.close('a client answers no requests'),
      post: (_link, topic, body) => this.#owner.posted(this, topic, body),
      closed: (link) => {
        if (link !== this.#link) return;
        this.#link = null;
        this.#owner.lost(this);
      },
    };
    const { name, ips, port } = this.address;
    const { signal } = this.#closed;
    let failure = new NurseryError('UNREACHABLE', `node ${name} has no address`);
    for (const host of ips) {
      if (signal.aborted) break;
      try {
        const hello = this.#owner.hello();
        const onConnected = (): void => {
          this.#speechless = printAddress(host, port);
        };
        const dialled = dial({ host, port, hello, handlers, timeoutMs: DIAL_MS, signal, onConnected });
        const link = await dialled.finally(() => {
          this.#speechless = null;
        });
        if (signal.aborted) link.close('closed');
        else this.#owner.opened(link);
        if (link.closedWhy !== null) throw new NurseryError('UNREACHABLE', link.closedWhy);
        this.#link = link;
        this.#clusterId = link.peer.cluster;
        this.#retryAtMs = 0;
        return link;
      } catch (error) {
        if (!(error instanceof NurseryError)) throw error;
        failure = error;
      }
    }
    this.#retryAtMs = performance.now() + RETRY_MS;
    throw failure;
  }
}
