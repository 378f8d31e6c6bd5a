/** The cluster that a team comes from, read through Arakoon's own protocol: pages of entries, wherever its master is. */
import { NurseryError } from '../../base/errors.ts';
import { ArakoonClient } from '../../client/arakoon-client.ts';
import { parseAddress, printAddress } from '../../identity/address.ts';

/** Keys and values that a page should have (bytes), and entries of one at most. */
const PAGE_BYTES = 1024 * 1024;
const PAGE_MAX = 1000;
/** Entries of the first page, before anything is known of how long they are. */
const PAGE_FIRST = 16;
/** How long no node has to answer before it is given up (ms): an election of Arakoon's takes a lease and more. */
const SILENT_MS = 60_000;
const PAUSE_MS = 200;
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
  #turn = 0;
  #client: ArakoonClient | null = null;

  /**
   * @param addresses HOST:PORT of client ports, with commas between
   * @throws NurseryError BAD_INPUT
   */
  constructor(cluster: string, addresses: string) {
    this.#cluster = cluster;
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

  /** Fewer entries where so many are more than one reply can hold; from another node where this one is silent, or not master. */
  async #page(
    after: Buffer | null,
    size: number,
  ): Promise<{ readonly page: readonly SourceEntry[]; readonly asked: number }> {
    const untilMs = performance.now() + SILENT_MS;
    for (let asked = size; ; ) {
      try {
        const client = await this.#connected();
        const bounds = after === null ? {} : { first: after, firstIncluded: false };
        const page = await client.rangeEntries({ ...bounds, max: asked, deadlineMs: ASK_MS });
        return { page, asked };
      } catch (error) {
        if (!(error instanceof NurseryError)) throw error;
        const isOver = performance.now() > untilMs;
        if (asked === 1 && (isOver || error.code === 'BAD_INPUT')) throw this.#named(error);
        if (error.code !== 'NOT_MASTER') asked = Math.ceil(asked / 4);
        if (isOver && asked === 1) throw this.#named(error);
        this.close();
        this.#turn += 1;
        if (error.code !== 'BAD_INPUT') await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      }
    }
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

  #named(error: NurseryError): NurseryError {
    const { host, port } = this.#address;
    const all = this.#addresses.map((each) => printAddress(each.host, each.port)).join(', ');
    return new NurseryError(
      error.code,
      `cluster ${this.#cluster} at ${all}: no master answers; the last, ${printAddress(host, port)}, said: ${error.message}`,
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
