/** What one tree of LMDB's holds. */

import { type Environment, type RunTable, TABLES_END } from './environment.ts';
import { storeFailure } from './failures.ts';
import type { Base } from './overlay.ts';
import { STORE_KEY_MAX, type StoreKey, TABLES, type Visit } from './types.ts';

/** A read transaction that stays open: the image of the commit at which it began. */
export type ReadTransaction = ReturnType<Environment['useReadTransaction']>;

export type StoredRow = { readonly key: StoreKey; readonly value: Buffer };
/** Rows on their way: `next` gives one after the other, and null at the end. */
export type Rows = { readonly next: () => StoredRow | null; readonly return: () => void };

/** Reads the newest image, or that of a transaction. Values are copies, which outlive the read. */
export class LmdbView implements Base {
  readonly #dir: string;
  readonly #tree: Environment | RunTable;
  readonly #options: { readonly transaction: ReadTransaction } | undefined;

  /** @param tree the rows of the store, or those of one run */
  constructor(dir: string, tree: Environment | RunTable, transaction: ReadTransaction | null = null) {
    this.#dir = dir;
    this.#tree = tree;
    this.#options = transaction === null ? undefined : { transaction };
  }

  get(key: StoreKey): Buffer | undefined {
    if (key < TABLES.DATA || key >= TABLES_END || key.length > STORE_KEY_MAX) return undefined;
    try {
      return this.#tree.get(key, this.#options);
    } catch (error) {
      throw storeFailure(this.#dir, error);
    }
  }

  scan(from: StoreKey, to: StoreKey | null, visit: Visit): void {
    visitAll(this.rows(from, to), visit);
  }

  scanDown(from: StoreKey, to: StoreKey | null, visit: Visit): void {
    visitAll(this.rowsDown(from, to), visit);
  }

  /** Its rows in `[from, to)`, ascending; `return` where not all of them are taken. */
  rows(from: StoreKey, to: StoreKey | null): Rows {
    const start = bound(from < TABLES.DATA ? TABLES.DATA : from);
    const end = bound(to === null || to > TABLES_END ? TABLES_END : to);
    return this.#iterate({
      start: start.key,
      exclusiveStart: start.cut,
      end: end.key,
      inclusiveEnd: end.cut,
    });
  }

  /** The same, descending. */
  rowsDown(from: StoreKey, to: StoreKey | null): Rows {
    const start = bound(to === null || to > TABLES_END ? TABLES_END : to);
    const end = bound(from < TABLES.DATA ? TABLES.DATA : from);
    return this.#iterate({
      reverse: true,
      start: start.key,
      exclusiveStart: !start.cut,
      end: end.key,
      inclusiveEnd: !end.cut,
    });
  }

  #iterate(options: NonNullable<Parameters<Environment['getRange']>[0]>): Rows {
    const rows = this.#tree.getRange({ ...this.#options, ...options })[Symbol.iterator]();
    return { next: () => this.#next(rows), return: () => rows.return?.() };
  }

  /** Apart from who visits, whose errors are its own. */
  #next(rows: Iterator<StoredRow>): StoredRow | null {
    try {
      const row = rows.next();
      return row.done === true ? null : row.value;
    } catch (error) {
      throw storeFailure(this.#dir, error);
    }
  }
}

function visitAll(rows: Rows, visit: Visit): void {
  try {
    for (let row = rows.next(); row !== null; row = rows.next()) {
      if (!visit(row.key, row.value)) return;
    }
  } finally {
    rows.return();
  }
}

/**
 * A bound that LMDB takes: one longer than every key is cut. Keys at or above the longer one are those above the
 * cut one, and keys below it are those up to the cut one.
 */
function bound(key: StoreKey): { readonly key: StoreKey; readonly cut: boolean } {
  return key.length <= STORE_KEY_MAX ? { key, cut: false } : { key: key.slice(0, STORE_KEY_MAX), cut: true };
}
