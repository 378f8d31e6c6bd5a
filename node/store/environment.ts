/** One LMDB environment, and what the store keeps in it beside the tables. Sole importer of lmdb. */
import { join } from 'node:path';
import { type Database, type DatabaseOptions, open, type RootDatabase } from 'lmdb';
import { type Coded, decode, encode, i64, struct, text, u32 } from '../../src/wire/codec.ts';
import { type BaseSize, RUN_TABLES } from './run-policy.ts';
import { STORE_KEY_MAX, type StoreKey } from './types.ts';

export type Environment = RootDatabase<Buffer, StoreKey>;
/** A tree of its own in the same file, for the rows of one run. */
export type RunTable = Database<Buffer, StoreKey>;

/** LMDB's name of the file within a store's directory. */
const DATA_FILE = 'data.mdb';
/** Of a new environment (bytes): the least that allows keys of `STORE_KEY_MAX`. */
export const PAGE_BYTES = 8192;
/** Address space for the file (bytes); LMDB takes more, in the middle of a transaction, where this is not enough. */
const MAP_BYTES = 64 * 1024 ** 3;
/** Open read transactions; the store has one per flushed image that a snapshot pins, so a few dozen at most. */
const READERS_MAX = 512;

/** Layout of keys, values and meta rows. */
export const STORE_FORMAT = 2;
/** The one before, without runs: it is read, and becomes the present one when it is opened. */
export const STORE_FORMAT_BEFORE = 1;
/** Rows below every table, hidden from readers. */
export const META = {
  /** `identityCodec`. */
  IDENTITY: '\x00identity',
  /** `slotCodec`: the slot whose exact image the rows are. */
  SLOT: '\x00slot',
  /** `slotCodec`: the slot as of which the rows are counted. */
  COUNTED: '\x00counted',
  /** Begins a row for each bucket of counts, by its border (counting.ts); and what is above all of these. */
  BUCKET: '\x00b',
  BUCKET_END: '\x00c',
  /** `runsCodec`: the runs that lie above the rows (runs.ts), newest first. */
  RUNS: '\x00runs',
  /** Begins the filter of the run in a table, by the table's number. */
  FILTER: '\x00f',
  /** Begins the checksum of such a filter, likewise. */
  FILTER_SUM: '\x00g',
  /** `mergeCodec`: how far the oldest runs have been merged into the rows. */
  MERGE: '\x00merge',
} as const;
/** Above every table: here LMDB keeps the names of run tables. */
export const TABLES_END: StoreKey = '\x06';
/** Of a run table; its number follows. */
const RUN_TABLE_NAME = '~run';

/** Whose store it is: Arakoon's cluster id and the node's name. */
export const identityCodec = struct({ format: u32, cluster: text, node: text });
export type Identity = Coded<typeof identityCodec>;

export function encodeSlot(slot: number): Uint8Array {
  return encode(i64, slot);
}

export function decodeSlot(bytes: Uint8Array): number {
  return decode(i64, bytes);
}

/** The file of the store in `dir`. */
export function dataFile(dir: string): string {
  return join(dir, DATA_FILE);
}

/** Keys are strings of one byte per character on both sides, so that reading one costs no buffer. */
const keyEncoder = {
  writeKey(key: StoreKey, target: Buffer, start: number): number {
    // lmdb-js takes a RangeError to mean that its buffer must grow.
    if (key.length > STORE_KEY_MAX || start + key.length > target.length)
      throw new RangeError('key is too long');
    return start + target.write(key, start, 'latin1');
  },
  readKey(source: Buffer, start: number, end: number): StoreKey {
    return source.toString('latin1', start, end);
  },
};

/** Up to this length a loop copies faster than a call does (bytes). */
const SHORT_VALUE_BYTES = 256;

/**
 * Values are bytes. lmdb-js lends each in a buffer of its own, which the next read overwrites; the copies lie in Node's pool, since
 * lmdb-js's own way, an `ArrayBuffer` for each, takes twice as long and is what the collector then works at.
 */
const valueEncoder = {
  encode(value: Buffer): Buffer {
    return value;
  },
  /** `lent` may have more behind it than its `length` says. */
  decode(lent: Buffer): Buffer {
    const { length } = lent;
    const copy = Buffer.allocUnsafe(length);
    if (length > SHORT_VALUE_BYTES) copy.set(new Uint8Array(lent.buffer, lent.byteOffset, length));
    else for (let at = 0; at < length; at += 1) copy[at] = lent[at] as number;
    return copy;
  },
};

const encoders = { encoder: valueEncoder, keyEncoder };

/**
 * Opens the environment in `dir`, which exists; creates its file where there is none.
 *
 * Threads of one process share the environment: one writes, others read. Commits by `transactionSync` are durable
 * when it returns.
 */
export function openEnvironment(dir: string): Environment {
  return open<Buffer, StoreKey>({
    path: dir,
    noSubdir: false, // also where the directory's name has a dot
    pageSize: PAGE_BYTES,
    ...encoders,
    mapSize: MAP_BYTES,
    maxReaders: READERS_MAX,
    maxDbs: RUN_TABLES,
  });
}

/** What lies below all runs, and a few rows that are none. */
export function sizeOf(environment: Environment): BaseSize {
  const { entryCount, treeBranchPageCount, treeLeafPageCount, overflowPages } =
    environment.getStats() as TreeStatistics;
  return {
    rows: entryCount,
    bytes: (treeBranchPageCount + treeLeafPageCount + overflowPages) * PAGE_BYTES,
  };
}

/** LMDB's of one tree, which lmdb-js does not declare. */
type TreeStatistics = {
  readonly entryCount: number;
  readonly treeBranchPageCount: number;
  readonly treeLeafPageCount: number;
  readonly overflowPages: number;
};

/**
 * The run tables of a store, which are made where there are none yet. While another thread writes, this waits for it: to be called
 * before that one starts.
 */
export function openRunTables(environment: Environment): RunTable[] {
  return environment.transactionSync(() =>
    Array.from({ length: RUN_TABLES }, (_, number) =>
      // Each takes the options of the whole, though its type does not say so.
      environment.openDB<Buffer, StoreKey>(`${RUN_TABLE_NAME}${number}`, { ...encoders } as DatabaseOptions),
    ),
  );
}
