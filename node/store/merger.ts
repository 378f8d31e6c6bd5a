/**
 * Merges runs into the rows below them, oldest ones only and all of them together, in key order and in short
 * transactions, each of which notes how far it came. For the thread that writes.
 */

import { successor } from '../../src/base/bytes.ts';
import type { Counting } from './counting.ts';
import { type Environment, META } from './environment.ts';
import { LmdbView, type Rows, type StoredRow } from './lmdb-view.ts';
import { mergeIsDue, type RunPolicy } from './run-policy.ts';
import type { RunStock } from './run-stock.ts';
import { fromRunValue, type MergeNote, putMerge, type RunNote, readMerge } from './runs.ts';
import type { StoreKey } from './types.ts';

/** Values that one transaction puts (bytes), where few rows are as much as `RunPolicy.sliceRows` mostly are. */
const SLICE_BYTES = 4 * 1024 * 1024;

export class Merger {
  readonly #dir: string;
  readonly #environment: Environment;
  readonly #stock: RunStock;
  readonly #counting: Counting;
  readonly #policy: RunPolicy;
  #merge: MergeNote | null;
  /** Rows of its runs that are merged, and all of them; of a merge that an earlier process began, those since. */
  #merged = 0;
  #toMerge = 0;
  #lastAddedMs: number;
  #isPinned = false;

  /** @param nowMs monotonic */
  constructor(
    dir: string,
    environment: Environment,
    stock: RunStock,
    counting: Counting,
    policy: RunPolicy,
    nowMs: number,
  ) {
    this.#dir = dir;
    this.#environment = environment;
    this.#stock = stock;
    this.#counting = counting;
    this.#policy = policy;
    this.#lastAddedMs = nowMs;
    this.#merge = readMerge(environment);
  }

  /** How much of the merge that is under way is done (0 to 1); 1 where none is. */
  get part(): number {
    return this.#merge === null || this.#toMerge === 0 ? 1 : Math.min(1, this.#merged / this.#toMerge);
  }

  /** A run was added; a small one, which only is one since others lie there, disturbs no rest. */
  added({ rows, removed }: RunNote, nowMs: number): void {
    if (rows + removed > this.#policy.directRowsMax) this.#lastAddedMs = nowMs;
  }

  /** Whether somebody reads an older image: what a merge frees cannot be used again before that ends, so it waits. */
  pinned(isPinned: boolean): void {
    this.#isPinned = isPinned;
  }

  /** In how many ms there may be something to do: 0 at once; null before something happens. */
  waitMs(nowMs: number): number | null {
    if (this.#stock.runs.length === 0 || (this.#isPinned && !this.#isUrgent)) return null;
    if (this.#merge !== null || this.#isDue(nowMs)) return 0;
    return this.#lastAddedMs + this.#policy.mergeIdleMs - nowMs;
  }

  /**
   * Merges a slice of what is due. Returns whether runs have gone by that.
   *
   * @throws what LMDB does; the slice was not carried out then
   */
  step(nowMs: number): boolean {
    this.#environment.resetReadTxn();
    if (this.#merge === null) {
      if (!this.#isDue(nowMs)) return false;
      this.#merge = { slots: this.#stock.runs.map(({ slot }) => slot), next: '' };
    }
    const slots = new Set(this.#merge.slots);
    const merging = this.#stock.runs.filter(({ slot }) => slots.has(slot));
    this.#toMerge = merging.reduce((sum, { rows, removed }) => sum + rows + removed, 0);
    const merge = this.#merge;
    let next: StoreKey | null = null;
    let passed = 0;
    this.#environment.transactionSync(() => {
      ({ next, passed } = this.#slice(merging, merge.next));
      if (next === null) this.#finish(slots);
      else putMerge(this.#environment, { slots: merge.slots, next });
      this.#counting.written(null);
    });
    if (next !== null) {
      this.#merge = { slots: merge.slots, next };
      this.#merged += passed;
      return false;
    }
    this.#stock.removed(slots);
    this.#merge = null;
    this.#merged = 0;
    return true;
  }

  get #isUrgent(): boolean {
    return this.#stock.runs.length >= this.#policy.urgentRuns;
  }

  #isDue(nowMs: number): boolean {
    const { runs, baseRows } = this.#stock;
    return mergeIsDue(this.#policy, { runs, baseRows, idleMs: nowMs - this.#lastAddedMs });
  }

  #finish(slots: ReadonlySet<number>): void {
    this.#stock.putRemoved(slots);
    void this.#environment.remove(META.MERGE);
    if (this.#stock.runs.every(({ slot }) => slots.has(slot))) this.#counting.merged();
  }

  /** Writes the rows from `from` on; returns where to go on, null at the end, and how many rows of runs that were. */
  #slice(runs: readonly RunNote[], from: StoreKey): { next: StoreKey | null; passed: number } {
    const sources = runs.map(
      ({ table }) => new Source(new LmdbView(this.#dir, this.#stock.table(table)).rows(from, null)),
    );
    try {
      let rows = 0;
      let passed = 0;
      let bytes = 0;
      let last: StoreKey = from;
      for (let source = first(sources); source !== null; source = first(sources)) {
        if (rows >= this.#policy.sliceRows || bytes >= SLICE_BYTES) return { next: successor(last), passed };
        const { key, value } = source.row as StoredRow;
        this.#write(key, fromRunValue(value));
        passed += this.#pass(sources, key);
        rows += 1;
        bytes += value.length;
        last = key;
      }
      return { next: null, passed };
    } finally {
      for (const source of sources) source.rows.return();
    }
  }

  #write(key: StoreKey, value: Buffer | null): void {
    this.#counting.merging(key, value === null ? null : value.length);
    if (value === null) void this.#environment.remove(key);
    else void this.#environment.put(key, value);
  }

  /** A key is done with: in each run that has it. Returns how many those are. */
  #pass(sources: readonly Source[], key: StoreKey): number {
    let passed = 0;
    for (const source of sources) {
      if (source.row?.key !== key) continue;
      source.row = source.rows.next();
      passed += 1;
    }
    return passed;
  }
}

/** The rows of one run that are still to be merged. */
class Source {
  readonly rows: Rows;
  row: StoredRow | null;

  constructor(rows: Rows) {
    this.rows = rows;
    this.row = rows.next();
  }
}

/** The one with the least key, of several the newest, which stands before the others. */
function first(sources: readonly Source[]): Source | null {
  let least: Source | null = null;
  for (const source of sources) {
    if (source.row !== null && (least?.row == null || source.row.key < least.row.key)) least = source;
  }
  return least;
}
