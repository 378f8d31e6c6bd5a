/** A client of Arakoon's protocol that follows the master, as Arakoon's own clients do. */

import { NurseryError } from '../../src/base/errors.ts';
import { ArakoonClient } from '../../src/client/arakoon-client.ts';
import { pause } from './wait.ts';

/** How long a call is tried again (ms), and how long each attempt may take. */
const GIVE_UP_MS = 20_000;
const ATTEMPT_MS = 10_000;
/** How long a node has to say who the master is (ms). */
const SEEK_MS = 500;
const PAUSE_MS = 10;

type Address = { readonly name: string; readonly port: number };

/** Repeats a call elsewhere only where its error proves that nothing happened. */
export class MasterClient {
  readonly #cluster: string;
  readonly #addresses: readonly Address[];
  #client: ArakoonClient | null = null;
  #turn = 0;

  constructor(cluster: string, addresses: readonly Address[]) {
    this.#cluster = cluster;
    this.#addresses = addresses;
    this.#turn = Math.floor(Math.random() * addresses.length);
  }

  /** @throws NurseryError of an answer that settles the call, MAYBE_APPLIED among them */
  async call<T>(body: (client: ArakoonClient) => Promise<T>): Promise<T> {
    const untilMs = performance.now() + GIVE_UP_MS;
    for (;;) {
      try {
        return await body(await this.#connected());
      } catch (error) {
        if (!(error instanceof NurseryError)) throw error;
        const { retry, applied } = error.traits;
        if (applied === 'maybe') this.close(); // the answer may still come, and must not meet another call
        if (retry !== 'elsewhere' || applied !== 'no' || performance.now() > untilMs) throw error;
        this.close();
        await pause(PAUSE_MS);
      }
    }
  }

  close(): void {
    this.#client?.close();
    this.#client = null;
  }

  async #connected(): Promise<ArakoonClient> {
    if (this.#client !== null && this.#client.closedWhy === null) return this.#client;
    this.#client = null;
    this.#turn += 1;
    const first = this.#addresses[this.#turn % this.#addresses.length] as Address;
    let client = await this.#dial(first);
    const master = await client.whoMaster({ deadlineMs: SEEK_MS }).catch(() => null);
    if (master !== first.name) {
      client.close();
      const named = this.#addresses.find(({ name }) => name === master);
      if (named === undefined)
        throw new NurseryError('NOT_MASTER', `${first.name} knows no master of ${this.#cluster}`);
      client = await this.#dial(named);
    }
    this.#client = client;
    return client;
  }

  #dial({ port }: Address): Promise<ArakoonClient> {
    return ArakoonClient.connect({
      host: '127.0.0.1',
      port,
      cluster: this.#cluster,
      deadlineMs: ATTEMPT_MS,
    });
  }
}
