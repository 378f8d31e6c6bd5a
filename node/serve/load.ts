/**
 * How busy each range is: reads, writes and bytes, counted where requests are answered. A request costs an addition to each of
 * three sums; what they were a while ago is kept beside them, so that rates are differences. Nothing replicated knows of it.
 */
import type { Key } from '../../src/base/bytes.ts';
import { RETURN_CODES } from '../../src/base/errors.ts';
import type { Owned } from '../../src/identity/founding.ts';
import { contains } from '../../src/keyspace/range.ts';
import type { RangeLoad, Rates, Load as Told } from '../../src/protocol/admin/node-facts.ts';
import { type RequestKind, rowOf } from '../../src/protocol/arakoon/request-table.ts';
import { type Answer, returnCodeOf } from '../../src/protocol/arakoon/values.ts';
import { HotKeys } from './hot-keys.ts';

/** Ranges that are counted by themselves: the lowest ones; those beyond are counted together, and told to nobody by range. */
export const RANGES_MAX = 2048;
/** Ranges that a node tells of: the busiest ones. */
export const TOLD_MAX = 1000;
/** Over which times rates are told, and how often the sums are kept for that (ms). */
const WINDOWS = [
  { overMs: 10_000, everyMs: 1000 },
  { overMs: 60_000, everyMs: 10_000 },
  { overMs: 600_000, everyMs: 60_000 },
] as const;
/** A rate is never told of less time (ms): after a start one request would be thousands a second. */
const TIME_MIN_MS = 1000;

/** Where the sums of a range stand, behind one another. */
const READS = 0;
const WRITES = 1;
const BYTES = 2;
const SUMS = 3;

/** What is answered so was served: all else was for another node, or another time. */
const SERVED: ReadonlySet<number> = new Set([
  RETURN_CODES.OK,
  RETURN_CODES.NOT_FOUND,
  RETURN_CODES.ASSERTION_FAILED,
  RETURN_CODES.ASSERT_EXISTS_FAILED,
  RETURN_CODES.USER_FUNCTION_FAILURE,
]);

/** All sums as they were. */
type Mark = { readonly atMs: number; readonly sums: Float64Array };
/** What a range was asked since the node counts it. */
export type RangeTotals = {
  readonly lo: Key;
  readonly reads: number;
  readonly writes: number;
  readonly bytes: number;
};

/** Counts for one node. */
export class Load {
  readonly #nowMs: () => number;
  readonly #owned: () => readonly Owned[];
  readonly #hotKeys: HotKeys;
  /** Those that are counted by themselves, as last looked at; one more has all others. */
  #all: readonly Owned[] = [];
  #ranges: readonly Owned[] = [];
  #sums = new Float64Array(SUMS);
  /** Of each window, the oldest first: the first one is as old as the window, or from the start. */
  #marks: Mark[][];
  /** Where the last key was: the next one is often there too. */
  #recent = 0;

  /** @param owned the ranges of the cluster, ascending; another array whenever they are others */
  constructor(nowMs: () => number, owned: () => readonly Owned[]) {
    this.#nowMs = nowMs;
    this.#owned = owned;
    this.#hotKeys = new HotKeys(nowMs());
    this.#marks = WINDOWS.map(() => [{ atMs: nowMs(), sums: this.#sums.slice() }]);
  }

  /** A request of `bytes` for `key`, the first one that it names, has its answer. */
  readonly answered = (kind: RequestKind, key: Key, bytes: number, answer: Answer): void => {
    if (!SERVED.has(returnCodeOf(answer.bytes))) return;
    const at = SUMS * this.#indexOf(key);
    if (at < 0) return;
    const sums = this.#sums;
    const asked = at + (rowOf(kind).by === 'log' ? WRITES : READS);
    sums[asked] = (sums[asked] as number) + 1;
    sums[at + BYTES] = (sums[at + BYTES] as number) + bytes + lengthOf(answer);
    this.#hotKeys.asked(key);
  };

  /** To be called often: keeps the sums where it is time. */
  look(): void {
    const nowMs = this.#nowMs();
    this.#hotKeys.look(nowMs);
    this.#follow();
    for (const [at, { overMs, everyMs }] of WINDOWS.entries()) {
      const marks = this.#marks[at] as Mark[];
      if (nowMs - (marks.at(-1) as Mark).atMs >= everyMs)
        marks.push({ atMs: nowMs, sums: this.#sums.slice() });
      while (nowMs - (marks[1]?.atMs ?? nowMs) >= overMs) marks.shift();
    }
  }

  /** The busiest ranges, those without any request left out, and the hottest keys. */
  get told(): Told {
    const nowMs = this.#nowMs();
    this.#follow();
    const ranges: RangeLoad[] = [];
    for (const [index, { lo, hi, epoch }] of this.#ranges.entries()) {
      const reads = this.#rates(SUMS * index + READS, nowMs);
      const writes = this.#rates(SUMS * index + WRITES, nowMs);
      if (reads.m10 === 0 && writes.m10 === 0) continue;
      ranges.push({ lo, hi, epoch, reads, writes, bytes: this.#rates(SUMS * index + BYTES, nowMs) });
    }
    const busy = ({ reads, writes }: RangeLoad): number => reads.m1 + writes.m1;
    if (ranges.length > TOLD_MAX) ranges.sort((a, b) => busy(b) - busy(a)).splice(TOLD_MAX);
    return { ranges, hottest: [...this.#hotKeys.hottest(nowMs)] };
  }

  /** Sums since they are counted, by range. */
  get totals(): RangeTotals[] {
    this.#follow();
    const sum = (at: number): number => this.#sums[at] as number;
    return this.#ranges.map(({ lo }, index) => {
      const at = SUMS * index;
      return { lo, reads: sum(at + READS), writes: sum(at + WRITES), bytes: sum(at + BYTES) };
    });
  }

  #rates(at: number, nowMs: number): Rates {
    const [s10, m1, m10] = this.#marks.map(([mark]) => {
      const { atMs, sums } = mark as Mark;
      const since = (this.#sums[at] as number) - (sums[at] as number);
      return since / (Math.max(TIME_MIN_MS, nowMs - atMs) / 1000);
    });
    return { s10: s10 as number, m1: m1 as number, m10: m10 as number };
  }

  /** Where `key` is counted; below 0 where no range has it. */
  #indexOf(key: Key): number {
    if (this.#all !== this.#owned()) this.#follow();
    const recent = this.#ranges[this.#recent];
    if (recent !== undefined && contains(recent, key)) return this.#recent;
    let low = 0;
    let high = this.#ranges.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if ((this.#ranges[middle] as Owned).lo <= key) low = middle;
      else high = middle - 1;
    }
    const range = this.#ranges[low];
    if (range !== undefined && contains(range, key)) {
      this.#recent = low;
      return low;
    }
    return this.#all.length > this.#ranges.length ? this.#ranges.length : -1;
  }

  /** Takes over what the cluster owns now. A range that begins where one did, at its epoch, goes on with its sums. */
  #follow(): void {
    const owned = this.#owned();
    if (owned === this.#all) return;
    const indexOf = new Map(this.#ranges.map((range, index) => [nameOf(range), index]));
    const others = this.#ranges.length;
    this.#all = owned;
    this.#ranges = owned.slice(0, RANGES_MAX);
    this.#recent = 0;
    const from = [...this.#ranges.map((range) => indexOf.get(nameOf(range)) ?? -1), others];
    const moved = (sums: Float64Array): Float64Array<ArrayBuffer> => {
      const taken = new Float64Array(SUMS * from.length);
      for (const [to, index] of from.entries()) {
        if (index >= 0) taken.set(sums.subarray(SUMS * index, SUMS * (index + 1)), SUMS * to);
      }
      return taken;
    };
    this.#sums = moved(this.#sums);
    this.#marks = this.#marks.map((marks) => marks.map(({ atMs, sums }) => ({ atMs, sums: moved(sums) })));
  }
}

function nameOf({ lo, epoch }: Owned): string {
  return `${epoch} ${lo}`;
}

function lengthOf({ bytes, rest }: Answer): number {
  if (rest === undefined) return bytes.length;
  return rest.reduce((sum, piece) => sum + piece.length, bytes.length);
}
