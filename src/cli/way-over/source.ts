/** The cluster that a team comes from, read through Arakoon's own protocol: pages of entries, wherever its master is. */
import { NurseryError } from '../../base/errors.ts';
import { ArakoonClient } from '../../client/arakoon-client.ts';
import { parseAddress, printAddress } from '../../identity/address.ts';
import { sayWhoIsAwaited } from '../report.ts';

/** Keys and values that a page should have (bytes), and entries of one at most. */
const PAGE_BYTES = 1024 * 1024;
const PAGE_MAX = 1000;
/** Entries of the first page, before anything is known of how long they are. */
const PAGE_FIRST = 16;
/** How long a source is asked in vain before it is given up (ms). */
export type Patience = {
  /** Nobody has answered yet: the address may be wrong. */
  readonly unheardMs: number;
  /** Somebody has: an election of Arakoon's takes a lease and more. */
  readonly silentMs: number;
};
const PATIENCE: Patience = { unheardMs: 15_000, silentMs: 60_000 };
const PAUSE_MS = 200;
/** So often an address may take a connection and close it unanswered, before anybody has answered, until its cluster id is held to be another one. */
const TURNED_AWAY_MAX = 5;
/** How long one page may take (ms). */
const ASK_MS = 10_000;

/** A key and its value, as they are. */
export type SourceEntry = readonly [key: Buffer, value: Buffer];

/** What is read in order, from any key on. */
export type Entries = {
  /** All entries behind `after`, or all; ascending, some at a time. */
  pages(after: Buffer | null): AsyncGenerator<readonly SourceEntry[]>;
};

/** The nodes of a cluster, of which one is asked at a time: the first that calls itself master. */
export class ArakoonSource implements Entries {
  readonly #cluster: string;
  readonly #addresses: readonly { readonly host: string; readonly port: number }[];
  readonly #patience: Patience;
  #turn = 0;
  #client: ArakoonClient | null = null;
  /** Whether any node has answered anything that can be read, if only that it is no master. */
  #isHeard = false;
  /** How often an address has closed a connection unanswered. */
  readonly #turnedAway = new Map<string, number>();

  /**
   * @param addresses HOST:PORT of client ports, with commas between
   * @throws NurseryError BAD_INPUT
   */
  constructor(cluster: string, addresses: string, patience: Patience = PATIENCE) {
    this.#cluster = cluster;
    this.#patience = patience;
    this.#addresses = addresses.split(',').map((address) => parseAddress(address.trim()));
  }

  async *pages(after: Buffer | null): AsyncGenerator<readonly SourceEntry[]> {
    let size = PAGE_FIRST;
    for (let last = after; ; ) {
      const { page, asked } = await this.#page(last, size);
      if (page.length > 0) yield page;
      if (page.length < asked) return;
      last = page[page.length - 1]?.[0] ?? last;
      size = nextSize(page);
    }
  }

  close(): void {
    this.#client?.close();
    this.#client = null;
  }

  /**
   * Fewer entries where so many are more than one reply can hold; from another node where this one is silent, or not master. Says for
   * whom it waits.
   *
   * @throws NurseryError WRONG_CLUSTER where an address turns us away before any has answered; else what was said last
   */
  async #page(
    after: Buffer | null,
    size: number,
  ): Promise<{ readonly page: readonly SourceEntry[]; readonly asked: number }> {
    const beganMs = performance.now();
    let lastWhy = '';
    const say = (): (() => void) => sayWhoIsAwaited(() => `${this.#whom()}${lastWhy}; ${this.#atMost()}`);
    // A page of one that has answered before may take a while.
    let answered = this.#isHeard ? null : say();
    try {
      for (let asked = size; ; ) {
        try {
          const client = await this.#connected();
          const bounds = after === null ? {} : { first: after, firstIncluded: false };
          const page = await client.rangeEntries({ ...bounds, max: asked, deadlineMs: ASK_MS });
          this.#isHeard = true;
          return { page, asked };
        } catch (error) {
          if (!(error instanceof NurseryError)) throw error;
          answered ??= say();
          lastWhy = ` (${this.#at()}: ${error.message})`;
          this.#noteFailure(error);
          if (asked === 1 && error.code === 'BAD_INPUT') throw this.#named(error);
          // After a timeout fewer may do.
          const isLast = asked === 1 || error.code !== 'TIMEOUT';
          if (isLast && performance.now() > beganMs + this.#patienceMs) throw this.#named(error);
          if (error.code !== 'NOT_MASTER') asked = Math.ceil(asked / 4);
          this.close();
          this.#turn += 1;
          if (error.code !== 'BAD_INPUT') await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
        }
      }
    } finally {
      answered?.();
    }
  }

  /**
   * Arakoon closes without a word where the cluster id is another one, and so do a few others that are no Arakoon; a node that stops
   * does it once.
   *
   * @throws NurseryError WRONG_CLUSTER
   */
  #noteFailure(error: NurseryError): void {
    const isUnanswered = ['UNREACHABLE', 'TIMEOUT', 'MALFORMED'].includes(error.code);
    if (!isUnanswered) this.#isHeard = true;
    const wasConnected = this.#client !== null && this.#client.closedWhy !== null;
    if (this.#isHeard || !wasConnected) return;
    const at = this.#at();
    const times = (this.#turnedAway.get(at) ?? 0) + 1;
    this.#turnedAway.set(at, times);
    if (times < TURNED_AWAY_MAX) return;
    throw new NurseryError(
      'WRONG_CLUSTER',
      `${at} takes connections, and closes them without an answer: it is of another cluster than ${this.#cluster} (--cluster-id), or it is no Arakoon, or this is not its client port; which cluster id it has Arakoon's protocol does not tell`,
      { cause: error },
    );
  }

  async #connected(): Promise<ArakoonClient> {
    if (this.#client !== null && this.#client.closedWhy === null) return this.#client;
    const { host, port } = this.#address;
    this.#client = await ArakoonClient.connect({ host, port, cluster: this.#cluster, deadlineMs: ASK_MS });
    return this.#client;
  }

  get #address(): { readonly host: string; readonly port: number } {
    return this.#addresses[this.#turn % this.#addresses.length] as { host: string; port: number };
  }

  #at(): string {
    const { host, port } = this.#address;
    return printAddress(host, port);
  }

  #whom(): string {
    const all = this.#addresses.map((each) => printAddress(each.host, each.port)).join(', ');
    return `cluster ${this.#cluster} at ${all}`;
  }

  get #patienceMs(): number {
    return this.#isHeard ? this.#patience.silentMs : this.#patience.unheardMs;
  }

  #atMost(): string {
    return `at most ${Math.ceil(this.#patienceMs / 1000)} s`;
  }

  #named(error: NurseryError): NurseryError {
    const who = this.#isHeard ? 'no master' : 'nobody';
    return new NurseryError(
      error.code,
      `${this.#whom()}: ${who} answers; the last, ${this.#at()}, said: ${error.message}`,
      { cause: error },
    );
  }
}

/** As many entries as have the wanted bytes, if they are like those of `page`. */
function nextSize(page: readonly SourceEntry[]): number {
  const bytes = page.reduce((sum, [key, value]) => sum + key.length + value.length, 0);
  const each = Math.max(1, bytes / Math.max(1, page.length));
  return Math.max(1, Math.min(PAGE_MAX, Math.floor(PAGE_BYTES / each)));
}
