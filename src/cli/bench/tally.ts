/** What a load has seen: counts and latencies per operation, errors by name, and the longest silence. */
import { RETURN_CODES } from '../../base/errors.ts';
import { Histogram, type Percentiles } from './histogram.ts';
import type { Operation, OperationName } from './operations.ts';

/** Results of one operation, or of all together. */
export type Figures = {
  readonly operations: number;
  readonly perSecond: number;
  /** Updates, keys or entries: more than one to an operation. */
  readonly unitsPerSecond: number;
  readonly latencyMs: Percentiles;
};

type Row = { readonly latency: Histogram; units: number };

/** Counts answers. */
export class Tally {
  readonly #rows = new Map<OperationName, Row>();
  readonly #errors = new Map<string, number>();
  #recent = new Histogram();
  #lastAtMs: number;
  #longestSilenceMs = 0;

  constructor(nowMs: number) {
    this.#lastAtMs = nowMs;
  }

  /** An operation succeeded. A key that is not there is an answer like any other. */
  answered(operation: Operation, startedMs: number, nowMs: number): void {
    let row = this.#rows.get(operation.name);
    if (row === undefined) {
      row = { latency: new Histogram(), units: 0 };
      this.#rows.set(operation.name, row);
    }
    row.latency.add(nowMs - startedMs);
    row.units += operation.units;
    this.#recent.add(nowMs - startedMs);
    this.#longestSilenceMs = Math.max(this.#longestSilenceMs, nowMs - this.#lastAtMs);
    this.#lastAtMs = nowMs;
  }

  /** An operation failed, or its answer was lost. */
  failed(why: string): void {
    this.#errors.set(why, (this.#errors.get(why) ?? 0) + 1);
  }

  get errors(): { readonly [why: string]: number } {
    return Object.fromEntries(this.#errors);
  }

  get errorCount(): number {
    let count = 0;
    for (const some of this.#errors.values()) count += some;
    return count;
  }

  /** Longest time in which no operation succeeded (ms). */
  get longestSilenceMs(): number {
    return this.#longestSilenceMs;
  }

  /** Latencies since the last call. */
  takeRecent(): Histogram {
    const recent = this.#recent;
    this.#recent = new Histogram();
    return recent;
  }

  figures(seconds: number): {
    readonly total: Figures;
    readonly byOperation: { readonly [name: string]: Figures };
  } {
    const all: Row = { latency: new Histogram(), units: 0 };
    const byOperation: { [name: string]: Figures } = {};
    for (const [name, row] of this.#rows) {
      all.latency.merge(row.latency);
      all.units += row.units;
      byOperation[name] = figuresOf(row, seconds);
    }
    return { total: figuresOf(all, seconds), byOperation };
  }
}

/** The name of a return code that is not OK. */
export function failureName(returnCode: number): string {
  const found = Object.entries(RETURN_CODES).find(([, code]) => code === returnCode);
  return found?.[0] ?? `return code ${returnCode}`;
}

function figuresOf({ latency, units }: Row, seconds: number): Figures {
  return {
    operations: latency.count,
    perSecond: latency.count / seconds,
    unitsPerSecond: units / seconds,
    latencyMs: latency.percentiles(),
  };
}
