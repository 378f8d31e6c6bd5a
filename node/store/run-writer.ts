/** Writes one run after the other, a few MiB to a transaction; the last one names it. For the thread that writes. */
import type { Counting, Stacked } from './counting.ts';
import { type Environment, encodeSlot, META, type RunTable } from './environment.ts';
import { Filter, hashKey } from './filter.ts';
import { unpackRows } from './row-pages.ts';
import type { RunPolicy } from './run-policy.ts';
import type { RunStock } from './run-stock.ts';
import { fromRunValue, type RunNote, toRunValue } from './runs.ts';
import type { StoreKey } from './types.ts';

/** A run that was added, and what its filter is. */
export type AddedRun = { readonly note: RunNote; readonly filter: Uint8Array };

export class RunWriter {
  readonly #environment: Environment;
  readonly #stock: RunStock;
  readonly #counting: Counting;
  readonly #policy: RunPolicy;
  /** Of the run that is being written; null before it has one. */
  #table: number | null = null;
  #pages: Uint8Array[] = [];
  #bytes = 0;
  /** Of its keys; those that came twice are here twice. */
  #hashes: number[] = [];
  #removed = 0;
  /** What its sampled rows change. */
  #stacked: Stacked[] = [];
  #commits = 0;
  /** Why nothing more of this run is written. */
  #failure: unknown = null;

  constructor(environment: Environment, stock: RunStock, counting: Counting, policy: RunPolicy) {
    this.#environment = environment;
    this.#stock = stock;
    this.#counting = counting;
    this.#policy = policy;
  }

  /** Adds a page of rows; later rows replace earlier ones. What goes wrong is said by `end`. */
  add(page: Uint8Array): void {
    if (this.#failure !== null) return;
    this.#pages.push(page);
    this.#bytes += page.length;
    if (this.#bytes < this.#policy.commitBytes) return;
    try {
      this.#commit(() => undefined);
    } catch (error) {
      this.#failure = error;
    }
  }

  /**
   * All rows are there: the run is part of the store, which is the image of `slot` with it. Null where all tables are
   * taken: to be called again when one is free.
   *
   * @throws what LMDB does; nothing of the run is kept then
   */
  end(slot: number): AddedRun | null {
    try {
      if (this.#failure !== null) throw this.#failure;
      if (this.#table === null && !this.#takeTable()) return null;
      return this.#end(slot);
    } catch (error) {
      this.giveUp();
      throw error;
    }
  }

  /** Forgets the run that is being written. */
  giveUp(): void {
    if (this.#table !== null) this.#stock.giveUp(this.#table);
    this.#reset();
  }

  /** Transactions since this was last asked. */
  takeCommits(): number {
    const commits = this.#commits;
    this.#commits = 0;
    return commits;
  }

  #end(slot: number): AddedRun {
    let added: AddedRun | null = null;
    this.#commit((table) => {
      const rows = this.#hashes.length - this.#removed;
      const note = { slot, table, rows, removed: this.#removed };
      added = { note, filter: Filter.of(this.#hashes).bytes };
      this.#stock.putAdded(note, added.filter);
      void this.#environment.put(META.SLOT, Buffer.from(encodeSlot(slot)));
      this.#counting.stack(this.#stacked);
      this.#counting.written(slot);
    });
    const done = added as unknown as AddedRun;
    this.#stock.added(done.note, done.filter);
    this.#reset();
    return done;
  }

  /** Writes what has come into the table, where there is one, and what `beside` does. */
  #commit(beside: (table: number) => void): void {
    if (this.#table === null && !this.#takeTable()) return;
    const number = this.#table as unknown as number;
    const table = this.#stock.table(number);
    this.#environment.transactionSync(() => {
      for (const page of this.#pages) {
        unpackRows(page, (key, value) => {
          const hash = hashKey(key);
          this.#hashes.push(hash);
          if (value === null) this.#removed += 1;
          const before = (): number | null => this.#bytesOf(key, hash, table);
          const stacked = this.#counting.stacking(key, hash, value?.length ?? null, before);
          if (stacked !== null) this.#stacked.push(stacked);
          void table.put(key, toRunValue(value));
        });
      }
      beside(number);
    });
    this.#commits += 1;
    this.#pages = [];
    this.#bytes = 0;
  }

  /** Of the value that readers see, with what of this run has been written; null: there is none. */
  #bytesOf(key: StoreKey, hash: number, own: RunTable): number | null {
    for (const table of [own, ...this.#stock.tablesWith(hash)]) {
      const stored = table.getBinary(key);
      if (stored !== undefined) return fromRunValue(stored)?.length ?? null;
    }
    return this.#environment.getBinaryFast(key)?.length ?? null;
  }

  #takeTable(): boolean {
    this.#table = this.#stock.take();
    return this.#table !== null;
  }

  #reset(): void {
    this.#table = null;
    this.#pages = [];
    this.#bytes = 0;
    this.#hashes = [];
    this.#removed = 0;
    this.#stacked = [];
    this.#failure = null;
  }
}
