/** Clients that write without rest and know what each answer must be, so that nothing lost or done twice escapes them. */
import * as assert from 'uvu/assert';
import { NurseryError } from '../../src/base/errors.ts';
import type { ArakoonClient } from '../../src/client/arakoon-client.ts';
import { pause, until } from './wait.ts';

/** What a load client talks through: whoever finds the master, or a router. */
export type Caller = {
  call<T>(body: (client: ArakoonClient) => Promise<T>): Promise<T>;
};

/** Between two requests of a client (ms): many clients at work, and still time left for what is tested. */
const THINK_MS = 15;
/** Updates before and behind what happens under a load. */
const MORE = 100;

/** Values that a key may have: one, or two after an update whose fate is unknown. */
type Known = readonly (string | null)[];

/** What went wrong, and how fast it went. */
export type LoadReport = {
  readonly acknowledged: number;
  readonly maybe: number;
  /** Errors that no client should see, and answers that contradict what was acknowledged. */
  readonly errors: readonly string[];
  /** Longest time that one call took (ms). */
  readonly longestCallMs: number;
};

/** Which updates a client makes, and where. */
export type LoadOptions = {
  /** Keys of one client; each belongs to it alone. */
  keysOf(client: number): readonly string[];
  readonly clients: number;
  /** Whether an update may end with MAYBE_APPLIED: only where a process that serves it is killed. */
  readonly maybeAllowed: boolean;
  /** What the keys hold already; others hold nothing. */
  readonly initial?: ReadonlyMap<string, string>;
};

/** A load that runs until it is stopped. */
export class Load {
  /** What every key holds, as far as its client knows. */
  readonly known = new Map<string, Known>();
  readonly #errors: string[] = [];
  readonly #maybeAllowed: boolean;
  readonly #clients: Promise<void>[] = [];
  #acknowledged = 0;
  #maybe = 0;
  #longestCallMs = 0;
  #lastSetAtMs = 0;
  #stopped = false;
  #turn = 0;

  private constructor(options: LoadOptions) {
    this.#maybeAllowed = options.maybeAllowed;
    for (const [key, value] of options.initial ?? []) this.known.set(key, [value]);
  }

  /** Starts `options.clients` clients, each with a caller of its own. */
  static start(options: LoadOptions, caller: () => Caller): Load {
    const load = new Load(options);
    for (let index = 0; index < options.clients; index += 1) {
      load.#clients.push(load.#client(caller(), options.keysOf(index)));
    }
    return load;
  }

  /** Updates acknowledged so far. */
  get acknowledged(): number {
    return this.#acknowledged;
  }

  get errors(): readonly string[] {
    return this.#errors;
  }

  /** When an update was acknowledged last (ms, as performance.now). */
  get lastSetAtMs(): number {
    return this.#lastSetAtMs;
  }

  /** Ends the load once each client has the answer that it waits for. */
  async stop(): Promise<LoadReport> {
    this.#stopped = true;
    await Promise.all(this.#clients);
    return {
      acknowledged: this.#acknowledged,
      maybe: this.#maybe,
      errors: this.#errors,
      longestCallMs: this.#longestCallMs,
    };
  }

  /**
   * Runs `body` under the load, then ends it and reads every key.
   *
   * @throws Error of `body`; else of whatever a client, or the last look at the keys, found wrong
   */
  async during(caller: Caller, body: () => Promise<void>): Promise<LoadReport> {
    let failure: unknown = null;
    try {
      await this.more(MORE);
      this.#longestCallMs = 0;
      await body();
      await this.more(MORE);
    } catch (error) {
      failure = error;
    }
    const report = await this.stop();
    const wrong = await this.verify(caller);
    if (failure !== null) throw failure;
    assert.equal(report.errors, []);
    assert.equal(wrong, []);
    return report;
  }

  /** Waits for `count` further acknowledged updates. */
  async more(count: number): Promise<void> {
    const goal = this.#acknowledged + count;
    await until(`${count} more updates`, () => this.#errors.length > 0 || this.#acknowledged >= goal);
    assert.equal(this.#errors, []);
  }

  /** What the keys hold, for the load that follows; `verify` settles those whose fate is unknown. */
  values(): Map<string, string> {
    return new Map([...this.known].flatMap(([key, [value]]) => (value ? [[key, value]] : [])));
  }

  /** Reads every key once more, and returns what is not as it was acknowledged. */
  async verify(caller: Caller): Promise<string[]> {
    const wrong: string[] = [];
    const keys = [...this.known.keys()];
    for (let from = 0; from < keys.length; from += 500) {
      const some = keys.slice(from, from + 500);
      const values = await caller.call((client) => client.multiGetOption(some));
      some.forEach((key, index) => {
        const value = values[index]?.toString() ?? null;
        const known = this.known.get(key) as Known;
        if (!known.includes(value)) wrong.push(`${key} is ${value}, not ${known.join(' or ')}`);
        this.known.set(key, [value]);
      });
    }
    return wrong;
  }

  async #client(caller: Caller, keys: readonly string[]): Promise<void> {
    for (let n = 0; !this.#stopped; n += 1) {
      const key = keys[n % keys.length] as string;
      try {
        await this.#step(caller, key);
        await pause(THINK_MS);
      } catch (error) {
        this.#errors.push(`${key}: ${(error as Error).message}`);
        if (this.#errors.length > 100) return;
        await pause(10);
      }
    }
  }

  /** One update of a key, by each of the ways there are in turn, and now and then a read. */
  async #step(caller: Caller, key: string): Promise<void> {
    const before = this.known.get(key) ?? [null];
    if (before.length > 1) {
      await this.#read(caller, key, before); // settles it
      return;
    }
    const [old = null] = before;
    const next = String(Number(old ?? 0) + 1);
    this.#turn += 1;
    switch (old === null ? 0 : this.#turn % 5) {
      case 0:
        return this.#update(caller, key, old, next, (client) => client.set(key, next));
      case 1:
        return this.#update(caller, key, old, next, async (client) => {
          const found = (await client.testAndSet(key, old, next))?.toString() ?? null;
          if (found !== old) throw new Error(`test_and_set found ${found}, not ${old}`);
        });
      case 2:
        return this.#update(caller, key, old, next, (client) =>
          client.sequence([
            { kind: 'assert', key, expected: old },
            { kind: 'set', key, value: next },
          ]),
        );
      case 3:
        // There, away and back: done twice, or late, it would show.
        await this.#update(caller, key, old, null, (client) => client.delete(key));
        if (this.known.get(key)?.[0] !== null) return;
        return this.#update(caller, key, null, next, async (client) => {
          const found = (await client.replace(key, next))?.toString() ?? null;
          if (found !== null) throw new Error(`replace found ${found}, where it was deleted`);
        });
      default:
        return this.#read(caller, key, before);
    }
  }

  async #update(
    caller: Caller,
    key: string,
    old: string | null,
    next: string | null,
    update: (client: ArakoonClient) => Promise<void>,
  ): Promise<void> {
    const outcome = await this.#timed(() => caller.call(update));
    if (outcome === 'done') {
      this.#acknowledged += 1;
      this.#lastSetAtMs = performance.now();
      this.known.set(key, [next]);
    } else if (outcome.traits.applied === 'maybe' && this.#maybeAllowed) {
      this.#maybe += 1;
      this.known.set(key, [old, next]);
    } else {
      this.known.set(key, [old, next]);
      throw outcome;
    }
  }

  async #read(caller: Caller, key: string, before: Known): Promise<void> {
    let value: string | null = null;
    const outcome = await this.#timed(() =>
      caller.call(async (client) => {
        value = (await client.multiGetOption([key]))[0]?.toString() ?? null;
      }),
    );
    if (outcome !== 'done') {
      if (outcome.code === 'TIMEOUT' && this.#maybeAllowed) return;
      throw outcome;
    }
    if (!before.includes(value)) throw new Error(`read ${value}, not ${before.join(' or ')}`);
    this.known.set(key, [value]);
  }

  async #timed(call: () => Promise<void>): Promise<'done' | NurseryError> {
    const beganMs = performance.now();
    try {
      await call();
      return 'done';
    } catch (error) {
      if (error instanceof NurseryError) return error;
      throw error;
    } finally {
      const tookMs = performance.now() - beganMs;
      this.#longestCallMs = Math.max(this.#longestCallMs, tookMs);
    }
  }
}
