/** The image that LMDB holds. */

import type { Environment } from './environment.ts';
import { storeFailure } from './failures.ts';
import type { Base } from './overlay.ts';
import { STORE_KEY_MAX, type StoreKey, TABLES, type Visit } from './types.ts';

/** A read transaction that stays open: the image of the commit at which it began. */
export type ReadTransaction = ReturnType<Environment['useReadTransaction']>;

/** Reads the newest image, or that of a transaction. Values are copies, which outlive the read. */
export class LmdbView implements Base {
  readonly #dir: string;
  readonly #environment: Environment;
  readonly #options: { readonly transaction: ReadTransaction } | undefined;

  constructor(dir: string, environment: Environment, transaction: ReadTransaction | null = null) {
    this.#dir = dir;
    this.#environment = environment;
    this.#options = transaction === null ? undefined : { transaction };
  }

  get(key: StoreKey): Uint8Array | undefined {
    if (key < TABLES.DATA || key.length > STORE_KEY_MAX) return undefined;
    try {
      return this.#environment.get(key, this.#options);
    } catch (error) {
      throw storeFailure(this.#dir, error);
    }
  }

  scan(from: StoreKey, to: StoreKey | null, visit: Visit): void {
    const start = bound(from < TABLES.DATA ? TABLES.DATA : from);
    const end = to === null ? null : bound(to);
    this.#visit(
      {
        ...this.#options,
        start: start.key,
        exclusiveStart: start.cut,
        ...(end === null ? {} : { end: end.key, inclusiveEnd: end.cut }),
      },
      visit,
    );
  }

  scanDown(from: StoreKey, to: StoreKey | null, visit: Visit): void {
    const start = to === null ? null : bound(to);
    const end = bound(from < TABLES.DATA ? TABLES.DATA : from);
    this.#visit(
      {
        ...this.#options,
        reverse: true,
        ...(start === null ? {} : { start: start.key, exclusiveStart: !start.cut }),
        end: end.key,
        inclusiveEnd: !end.cut,
      },
      visit,
    );
  }

  #visit(options: Parameters<Environment['getRange']>[0], visit: Visit): void {
    const rows = this.#environment.getRange(options)[Symbol.iterator]();
    try {
      for (let row = this.#next(rows); row.done !== true; row = this.#next(rows)) {
        if (!visit(row.value.key, row.value.value)) return;
      }
    } finally {
      rows.return?.();
    }
  }

  /** Apart from the visitor, whose errors are its own. */
  #next<T>(rows: Iterator<T>): IteratorResult<T> {
    try {
      return rows.next();
    } catch (error) {
      throw storeFailure(this.#dir, error);
    }
  }
}

/**
 * A bound that LMDB takes: one longer than every key is cut. Keys at or above the longer one are those above the
 * cut one, and keys below it are those up to the cut one.
 */
function bound(key: StoreKey): { readonly key: StoreKey; readonly cut: boolean } {
  return key.length <= STORE_KEY_MAX ? { key, cut: false } : { key: key.slice(0, STORE_KEY_MAX), cut: true };
}
