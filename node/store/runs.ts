/**
 * Runs: flushed changes that wait beside the rows until many of them are merged at once. Each lies in key order in a tree
 * of its own in the store's file, so that LMDB's commit is the commit of all: docs/architecture.md, "The store".
 */
import { crc32 } from 'node:zlib';
import { NurseryError } from '../../src/base/errors.ts';
import { type Codec, type Coded, decode, encode, i64, key, list, struct, u32 } from '../../src/wire/codec.ts';
import { type Environment, META, type RunTable } from './environment.ts';
import { storeDamaged } from './failures.ts';
import { Filter, hashKey } from './filter.ts';
import { LmdbView, type ReadTransaction, type Rows } from './lmdb-view.ts';
import { type Layer, type LayerCursor, mergeAscending, mergeDescending } from './overlay.ts';
import type { StoreKey } from './types.ts';

/** A run as the store's file names it: of which slot the image is with it, how many rows it puts, and how many it removes. */
const runCodec = struct({ slot: i64, table: u32, rows: i64, removed: i64 });
export type RunNote = Coded<typeof runCodec>;
const runsCodec = list(runCodec);

/** Which runs are being merged, by their slots, and from which key on they still have to be. */
const mergeCodec = struct({ slots: list(i64), next: key });
export type MergeNote = Coded<typeof mergeCodec>;

/** The value of a row that is gone; a value that begins like it has one more byte before it. */
const REMOVED = 0xff;

/** What a run has in the place of a value. */
export function toRunValue(value: Uint8Array | null): Buffer {
  if (value === null) return Buffer.of(REMOVED);
  if (value[0] !== REMOVED) return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  return Buffer.concat([Buffer.of(REMOVED), value]);
}

/** The value again, null where the row is gone. */
export function fromRunValue(stored: Buffer): Buffer | null {
  if (stored[0] !== REMOVED) return stored;
  return stored.length === 1 ? null : stored.subarray(1);
}

/** The runs of a store, newest first; none where it never had any. @throws NurseryError MALFORMED */
export function readRuns(environment: Environment): RunNote[] {
  return getSummed(environment, META.RUNS, runsCodec) ?? [];
}

/** Within a transaction: from now on the store has these runs. */
export function putRuns(environment: Environment, runs: readonly RunNote[]): void {
  putSummed(environment, META.RUNS, runsCodec, [...runs]);
}

/** How far the oldest runs are merged; null where no merge goes on. @throws NurseryError MALFORMED */
export function readMerge(environment: Environment): MergeNote | null {
  return getSummed(environment, META.MERGE, mergeCodec);
}

/** Within a transaction: so far they are. */
export function putMerge(environment: Environment, merge: MergeNote): void {
  putSummed(environment, META.MERGE, mergeCodec, merge);
}

const SUM_BYTES = 4;

/**
 * A row with a checksum behind it: what it says decides which rows are seen, and which are merged, so that one which says something else
 * would lose rows where nobody compares them.
 */
function putSummed<T>(environment: Environment, at: StoreKey, codec: Codec<T>, value: T): void {
  const bytes = encode(codec, value);
  void environment.put(at, Buffer.concat([bytes, encode(u32, crc32(bytes))]));
}

/** Null where there is none. One of an earlier build has no checksum. @throws NurseryError MALFORMED */
function getSummed<T>(environment: Environment, at: StoreKey, codec: Codec<T>): T | null {
  const row = environment.getBinary(at);
  if (row === undefined) return null;
  const bytes = row.subarray(0, -SUM_BYTES);
  const isSummed = row.length > SUM_BYTES && decode(u32, row.subarray(-SUM_BYTES)) === crc32(bytes);
  return decode(codec, isSummed ? bytes : row);
}

/** Within a transaction: keeps the filter of the run in `table`, with a checksum. */
export function putFilter(environment: Environment, table: number, filter: Uint8Array): void {
  void environment.put(filterKey(table), Buffer.from(filter));
  void environment.put(filterSumKey(table), Buffer.from(encode(u32, crc32(filter))));
}

/** Within a transaction: the run is no more. */
export function removeFilter(environment: Environment, table: number): void {
  void environment.remove(filterKey(table));
  void environment.remove(filterSumKey(table));
}

/** Where the filter of the run in `table` is kept. */
export function filterKey(table: number): StoreKey {
  return META.FILTER + String.fromCharCode(table);
}

/** Where its checksum is. */
export function filterSumKey(table: number): StoreKey {
  return META.FILTER_SUM + String.fromCharCode(table);
}

/**
 * The runs that are in the file of `environment`, to be read.
 *
 * @throws FatalError STORE_DAMAGED where they are not as they were written
 */
export function loadRuns(dir: string, environment: Environment, tables: readonly RunTable[]): Runs {
  return orDamaged(dir, () => {
    readMerge(environment); // the thread that merges goes by it
    return new Runs(readRuns(environment).map((note) => loadRun(dir, environment, tables, note)));
  });
}

/** Whether the store has any. @throws FatalError STORE_DAMAGED where the list is not as it was written */
export function hasRuns(dir: string, environment: Environment): boolean {
  return orDamaged(dir, () => readRuns(environment).length > 0);
}

function orDamaged<T>(dir: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof NurseryError && error.code === 'MALFORMED')
      throw storeDamaged(dir, error.message, error);
    throw error;
  }
}

/**
 * Without its filter all that a run has would be hidden, and with a wrong one, some; who compares replicas row by row never asks one. One
 * without a checksum, as an earlier build wrote it, is made anew.
 */
function loadRun(dir: string, environment: Environment, tables: readonly RunTable[], note: RunNote): Run {
  const filter = environment.getBinary(filterKey(note.table));
  const table = tables[note.table];
  if (filter === undefined || table === undefined)
    throw storeDamaged(dir, `the run of slot ${note.slot} has no filter, or no table`);
  const sum = environment.getBinary(filterSumKey(note.table));
  if (sum === undefined) return new Run(dir, table, note, filterOf(table));
  if (decode(u32, sum) !== crc32(filter))
    throw storeDamaged(dir, `the filter of the run of slot ${note.slot} has a bad checksum`);
  return new Run(dir, table, note, new Filter(filter));
}

function filterOf(table: RunTable): Filter {
  const hashes: number[] = [];
  for (const key of table.getKeys({ start: '' })) hashes.push(hashKey(key));
  return Filter.of(hashes);
}

/** One run, as readers see it. */
export class Run implements Layer {
  readonly note: RunNote;
  readonly #dir: string;
  readonly #table: RunTable;
  readonly #filter: Filter;
  readonly #view: LmdbView;

  /** @param transaction of the image that is read; without it the newest one */
  constructor(
    dir: string,
    table: RunTable,
    note: RunNote,
    filter: Filter,
    transaction: ReadTransaction | null = null,
  ) {
    this.note = note;
    this.#dir = dir;
    this.#table = table;
    this.#filter = filter;
    this.#view = new LmdbView(dir, table, transaction);
  }

  /** The same run, as an older image has it. */
  within(transaction: ReadTransaction): Run {
    return new Run(this.#dir, this.#table, this.note, this.#filter, transaction);
  }

  get(key: StoreKey): Uint8Array | null | undefined {
    return this.getHashed(key, hashKey(key));
  }

  /** `get` of a key whose hash is known. */
  getHashed(key: StoreKey, hash: number): Uint8Array | null | undefined {
    if (!this.#filter.mayHave(hash)) return undefined;
    const stored = this.#view.get(key);
    return stored === undefined ? undefined : fromRunValue(stored);
  }

  ascending(from: StoreKey, to: StoreKey | null): LayerCursor {
    return new RunCursor(this.#view.rows(from, to));
  }

  descending(from: StoreKey, to: StoreKey | null): LayerCursor {
    return new RunCursor(this.#view.rowsDown(from, to));
  }
}

/** All runs of one image, newest first. */
export class Runs implements Layer {
  readonly all: readonly Run[];

  constructor(all: readonly Run[]) {
    this.all = all;
  }

  /** The same, as an older image has them. */
  within(transaction: ReadTransaction): Runs {
    return new Runs(this.all.map((run) => run.within(transaction)));
  }

  get(key: StoreKey): Uint8Array | null | undefined {
    if (this.all.length === 0) return undefined;
    const hash = hashKey(key);
    for (const run of this.all) {
      const value = run.getHashed(key, hash);
      if (value !== undefined) return value;
    }
    return undefined;
  }

  ascending(from: StoreKey, to: StoreKey | null): LayerCursor | null {
    return this.all.length === 0 ? null : mergeAscending(this.all, from, to);
  }

  descending(from: StoreKey, to: StoreKey | null): LayerCursor | null {
    return this.all.length === 0 ? null : mergeDescending(this.all, from, to);
  }
}

/** The rows of a run in one direction. */
class RunCursor implements LayerCursor {
  key: StoreKey | null = null;
  #value: Buffer | null = null;
  readonly #rows: Rows;

  constructor(rows: Rows) {
    this.#rows = rows;
    this.advance();
  }

  value(): Uint8Array | null {
    return this.#value;
  }

  advance(): void {
    const row = this.#rows.next();
    this.key = row === null ? null : row.key;
    this.#value = row === null ? null : fromRunValue(row.value);
  }

  close(): void {
    this.#rows.return();
  }
}
