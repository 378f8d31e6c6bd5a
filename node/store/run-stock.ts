/** The runs of a store and the tables for them, as the thread that writes has them: see runs.ts. */
import { invariant } from '../../src/base/assert.ts';
import { type Environment, openRunTables, type RunTable, sizeOf } from './environment.ts';
import { Filter } from './filter.ts';
import { filterKey, putFilter, putRuns, type RunNote, readRuns, removeFilter } from './runs.ts';

/** Which tables have runs, which are free, and which hold rows that nobody should read any more. */
export class RunStock {
  readonly #environment: Environment;
  readonly #tables: readonly RunTable[];
  #runs: readonly RunNote[];
  /** Of each run, by its table; one that is missing says nothing. */
  readonly #filters = new Map<number, Filter>();
  #free: number[] = [];
  /** Tables to be emptied: what broke off, and runs that were merged. */
  #waste: number[] = [];
  /** Of merged runs that readers may not know of yet, by the version that no longer has them. */
  #retired: { readonly version: number; readonly tables: readonly number[] }[] = [];
  #version = 0;

  constructor(environment: Environment) {
    this.#environment = environment;
    this.#tables = openRunTables(environment);
    this.#runs = readRuns(environment);
    for (const { table } of this.#runs) {
      const filter = environment.getBinary(filterKey(table));
      if (filter !== undefined) this.#filters.set(table, new Filter(filter));
    }
    const taken = new Set(this.#runs.map(({ table }) => table));
    for (const [number, table] of this.#tables.entries()) {
      if (taken.has(number)) continue;
      if (entriesOf(table) === 0) this.#free.push(number);
      else this.#waste.push(number);
    }
  }

  /** Newest first. */
  get runs(): readonly RunNote[] {
    return this.#runs;
  }

  /** Grows with each change of `runs`. */
  get version(): number {
    return this.#version;
  }

  /** Rows below all runs, and a few that are none. */
  get baseRows(): number {
    return sizeOf(this.#environment).rows;
  }

  get hasWaste(): boolean {
    return this.#waste.length > 0;
  }

  table(number: number): RunTable {
    const table = this.#tables[number];
    invariant(table !== undefined, 'a run lies in one of the tables', () => ({ number }));
    return table;
  }

  /** Tables of the runs that may have a key with this hash, newest first. */
  tablesWith(hash: number): RunTable[] {
    return this.#runs.flatMap(({ table }) =>
      this.#filters.get(table)?.mayHave(hash) === false ? [] : [this.table(table)],
    );
  }

  /** An empty table; null where none is free. */
  take(): number | null {
    return this.#free.shift() ?? null;
  }

  /** What was put into the table, or not, is of no use. */
  giveUp(number: number): void {
    this.#waste.push(number);
  }

  /** Within a transaction: the list with one more run, and its filter. `added` says that the transaction was carried out. */
  putAdded(note: RunNote, filter: Uint8Array): void {
    putRuns(this.#environment, [note, ...this.#runs]);
    putFilter(this.#environment, note.table, filter);
  }

  added(note: RunNote, filter: Uint8Array | null = null): void {
    if (filter !== null) this.#filters.set(note.table, new Filter(filter));
    this.#change([note, ...this.#runs]);
  }

  /** Within a transaction: the list without these runs. `removed` says that the transaction was carried out. */
  putRemoved(slots: ReadonlySet<number>): void {
    putRuns(this.#environment, this.#without(slots));
    for (const { slot, table } of this.#runs) if (slots.has(slot)) removeFilter(this.#environment, table);
  }

  removed(slots: ReadonlySet<number>): void {
    const tables = this.#runs.filter(({ slot }) => slots.has(slot)).map(({ table }) => table);
    for (const table of tables) this.#filters.delete(table);
    this.#change(this.#without(slots));
    this.#retired.push({ version: this.#version, tables });
  }

  /** Readers of the newest image know the runs of this version: tables that it does not have may be emptied. */
  seen(version: number): void {
    for (const retired of this.#retired.filter((each) => each.version <= version))
      this.#waste.push(...retired.tables);
    this.#retired = this.#retired.filter((each) => each.version > version);
  }

  /** Empties one table. Readers of older images still have what was in it. */
  emptyOne(): void {
    const number = this.#waste[0];
    if (number === undefined) return;
    this.#environment.transactionSync(() => void this.table(number).clearSync());
    this.#waste.shift();
    this.#free.push(number);
  }

  #without(slots: ReadonlySet<number>): RunNote[] {
    return this.#runs.filter(({ slot }) => !slots.has(slot));
  }

  #change(runs: readonly RunNote[]): void {
    this.#runs = runs;
    this.#version += 1;
  }
}

function entriesOf(table: RunTable): number {
  return (table.getStats() as { readonly entryCount: number }).entryCount;
}
