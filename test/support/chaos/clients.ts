/** Clients of a chaos run, and the record of all that they asked and were answered. */

import { Rare } from '../../sim/base/rare.ts';
import { History } from '../../sim/nursery/history.ts';
import type { Keyspace } from '../../sim/nursery/keys.ts';
import { drawOperation, get, type Operation } from '../../sim/nursery/operation.ts';
import { createRandom, type Random } from '../random.ts';
import { pause } from '../wait.ts';
import type { Asker } from './asker.ts';
import { GENERATIONS_MAX, spaceOf } from './space.ts';

/** Between an answer and the next call of a client (ms): uniformly distributed up to twice as long. */
const THINK_MS = 15;

/** One generation of keys, and its calls: instants are those of this process, which makes and ends all of them. */
type Generation = { readonly space: Keyspace; readonly history: History };

/** Calls, by how they ended. */
export type Tally = {
  readonly calls: number;
  readonly done: number;
  readonly refused: number;
  readonly unknown: number;
  /** By kind of operation, those that were done. */
  readonly kinds: ReadonlyMap<string, number>;
  /** By answer, those that were refused. */
  readonly refusals: ReadonlyMap<string, number>;
  /** Longest call (ms). */
  readonly longestMs: number;
};

/** Mixed operations on the keys of the present generation, until they are stopped. */
export class ChaosClients {
  readonly #generations: Generation[] = [];
  readonly #recent = new Map<string, string | null>();
  readonly #rare = new Rare();
  readonly #running: Promise<void>[] = [];
  readonly #thinkMs: number;
  #failure: unknown = null;
  #isStopped = false;

  constructor(thinkMs = THINK_MS) {
    this.#thinkMs = thinkMs;
    this.nextGeneration();
  }

  /** Number of the present generation. */
  get generation(): number {
    return this.#generations.length - 1;
  }

  /** Calls so far. */
  get calls(): number {
    return this.#generations.reduce((sum, { history }) => sum + history.calls.length, 0);
  }

  /** Clients go on to new keys. */
  nextGeneration(): void {
    if (this.#generations.length === GENERATIONS_MAX) return;
    const space = spaceOf(this.#generations.length);
    const history = new History(this.#rare, space.keys);
    history.parted(); // nobody watches how ranges move here
    this.#generations.push({ space, history });
  }

  /** One more client, which begins at once. */
  start(name: string, asker: Asker, seed: number): void {
    this.#running.push(this.#client(name, asker, createRandom(seed)));
  }

  /** Calls nothing more; resolves when every client has its last answer. @throws whatever a client met */
  async stop(): Promise<void> {
    this.abandon();
    await Promise.all(this.#running);
    this.throwIfFailed();
  }

  /** The same, without waiting. */
  abandon(): void {
    this.#isStopped = true;
  }

  /** @throws Violation of an answer that cannot be, whatever else happened */
  throwIfFailed(): void {
    if (this.#failure !== null) throw this.#failure;
  }

  /** Reads every key of every generation, so that whatever was lost shows, and closes the asker. @throws Error where one has no answer */
  async readAll(name: string, asker: Asker): Promise<void> {
    try {
      for (const generation of this.#generations) {
        for (const key of generation.space.keys) {
          const call = await this.#call(name, asker, generation, get(nextId(generation), key));
          if (call.seen?.outcome !== 'done') throw new Error(`${name}: no value of ${key}: ${call.answer}`);
        }
      }
    } finally {
      asker.close();
    }
  }

  /** @throws Violation where no order of the calls explains what clients saw; it names the key and the calls */
  check(): void {
    for (const { history } of this.#generations) history.checkAll();
  }

  tally(): Tally {
    const kinds = new Map<string, number>();
    const refusals = new Map<string, number>();
    const count = (counts: Map<string, number>, what: string): void => {
      counts.set(what, (counts.get(what) ?? 0) + 1);
    };
    let [calls, done, refused, unknown, longestMs] = [0, 0, 0, 0, 0];
    for (const { history } of this.#generations) {
      for (const { operation, seen, answer, calledMs, answeredMs } of history.calls) {
        calls += 1;
        longestMs = Math.max(longestMs, answeredMs - calledMs);
        if (seen?.outcome === 'refused') {
          refused += 1;
          count(refusals, answer);
        } else if (seen?.outcome === 'unknown') unknown += 1;
        else {
          done += 1;
          count(kinds, operation.name.split(' ')[1] as string);
        }
      }
    }
    return { calls, done, refused, unknown, kinds, refusals, longestMs };
  }

  async #client(name: string, asker: Asker, random: Random): Promise<void> {
    try {
      while (!this.#isStopped) {
        await pause(random.next() * 2 * this.#thinkMs);
        const generation = this.#generations.at(-1) as Generation;
        const recent = (key: string): string | null => this.#recent.get(key) ?? null;
        const operation = drawOperation(random, nextId(generation), generation.space, recent);
        await this.#call(name, asker, generation, operation);
      }
    } catch (error) {
      this.#failure ??= error;
    } finally {
      asker.close();
    }
  }

  async #call(name: string, asker: Asker, { history }: Generation, operation: Operation): Promise<CallOf> {
    const call = history.called(name, operation, performance.now());
    const { answer, sent } = await asker.ask(operation.body);
    history.answered(call, answer, sent, performance.now());
    if (call.seen?.outcome === 'done') this.#remember(call);
    return call;
  }

  /** What the keys may well hold now, for conditions that are to hold at times. */
  #remember({ seen }: CallOf): void {
    for (const [key, steps] of seen?.steps ?? []) {
      const { need, next } = steps.at(-1) as (typeof steps)[number];
      if (next !== undefined) this.#recent.set(key, next);
      else if (need.kind === 'is') this.#recent.set(key, need.value);
    }
  }
}

type CallOf = History['calls'][number];

function nextId({ history }: Generation): number {
  return history.calls.length + 1;
}
