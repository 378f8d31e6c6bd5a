/** Clients that keep reading and writing while a range moves, and notice what a user would: errors, old values, pauses. */

import { present } from '../../base/assert.ts';
import type { ArakoonClient } from '../../client/arakoon-client.ts';

/** What the clients saw. */
export type TrafficReport = {
  readonly reads: number;
  readonly writes: number;
  readonly errors: readonly string[];
  /** Reads that returned less than what had been acknowledged before they began. */
  readonly stale: readonly string[];
  /** Longest that any one request took (ms). */
  readonly longestMs: number;
  readonly seconds: number;
};

/** Errors and stale reads that are kept word for word; all are counted by the array's length up to this bound. */
const KEPT_MAX = 1000;

/**
 * Each client writes keys of its own, in turn, with a revision that only grows, and reads keys of all. A read must
 * not return a revision below the one that was acknowledged before it began.
 */
export class Traffic {
  readonly #values: ReadonlyMap<string, string>;
  readonly #keys: readonly string[];
  /** Revision acknowledged last, by key. Each key has one writer. */
  readonly #acknowledged = new Map<string, number>();
  readonly #clients: readonly ArakoonClient[];
  readonly #errors: string[] = [];
  readonly #stale: string[] = [];
  #reads = 0;
  #writes = 0;
  #longestMs = 0;
  #running = true;

  /** @param values what is stored, by key; every value gets a revision behind it */
  constructor(clients: readonly ArakoonClient[], values: ReadonlyMap<string, string>) {
    this.#clients = clients;
    this.#values = values;
    this.#keys = [...values.keys()];
  }

  /** The value that a key must hold now. */
  expected(key: string): string {
    return this.#valueOf(key, this.#acknowledged.get(key) ?? 0);
  }

  /** Lets the clients work until `work` is done, and tells what they saw. */
  async during(work: () => Promise<void>): Promise<TrafficReport> {
    const startedMs = performance.now();
    this.#running = true;
    const loops = this.#clients.map((client, index) => this.#loop(client, index));
    try {
      await work();
    } finally {
      this.#running = false;
      await Promise.all(loops);
    }
    return {
      reads: this.#reads,
      writes: this.#writes,
      errors: this.#errors,
      stale: this.#stale,
      longestMs: this.#longestMs,
      seconds: (performance.now() - startedMs) / 1000,
    };
  }

  async #loop(client: ArakoonClient, index: number): Promise<void> {
    const count = this.#clients.length;
    const own = this.#keys.filter((_, at) => at % count === index);
    for (let turn = 0; this.#running && own.length > 0; turn += 1) {
      await this.#write(client, present(own[(turn * 7) % own.length], 'own key'));
      await this.#read(client, present(this.#keys[(turn * 31 + index * 13) % this.#keys.length], 'key'));
    }
  }

  async #write(client: ArakoonClient, key: string): Promise<void> {
    const revision = (this.#acknowledged.get(key) ?? 0) + 1;
    const done = await this.#timed(`set ${key}`, client.set(key, this.#valueOf(key, revision)));
    if (done === null) return;
    this.#writes += 1;
    this.#acknowledged.set(key, revision);
  }

  async #read(client: ArakoonClient, key: string): Promise<void> {
    const least = this.#acknowledged.get(key) ?? 0;
    const value = await this.#timed(`get ${key}`, client.get(key));
    if (value === null) return;
    this.#reads += 1;
    const revision = Number(/ revision (\d+)$/.exec(value.toString())?.[1] ?? -1);
    if (revision < least && this.#stale.length < KEPT_MAX) {
      this.#stale.push(`${key}: read revision ${revision}, acknowledged ${least}`);
    }
  }

  async #timed<T>(what: string, request: Promise<T>): Promise<T | null> {
    const startedMs = performance.now();
    try {
      return await request;
    } catch (error) {
      if (this.#errors.length < KEPT_MAX) this.#errors.push(`${what}: ${(error as Error).message}`);
      return null;
    } finally {
      this.#longestMs = Math.max(this.#longestMs, performance.now() - startedMs);
    }
  }

  #valueOf(key: string, revision: number): string {
    return `${present(this.#values.get(key), 'value')} revision ${revision}`;
  }
}
