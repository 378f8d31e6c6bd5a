/** Durations counted in buckets whose width grows with them, so that memory is fixed and no percentile is off by much. */

/** Buckets to each doubling: a percentile is off by 1/64 at most. */
const STEPS = 32;
const STEP_BITS = 5;
/** Durations from 2^31 µs on, more than half an hour, count as that. */
const DOUBLINGS = 26;
const MAX_US = 2 ** 31 - 1;

/** What is told of a histogram (ms). */
export type Percentiles = {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
  readonly mean: number;
};

/** Counts durations. */
export class Histogram {
  readonly #counts = new Float64Array(STEPS * (DOUBLINGS + 1));
  #count = 0;
  #sumMs = 0;
  #maxMs = 0;

  get count(): number {
    return this.#count;
  }

  add(durationMs: number): void {
    this.#counts[bucketOf(durationMs * 1000)] = (this.#counts[bucketOf(durationMs * 1000)] as number) + 1;
    this.#count += 1;
    this.#sumMs += durationMs;
    if (durationMs > this.#maxMs) this.#maxMs = durationMs;
  }

  /** Adds what `other` counted. */
  merge(other: Histogram): void {
    for (let i = 0; i < this.#counts.length; i += 1) {
      this.#counts[i] = (this.#counts[i] as number) + (other.#counts[i] as number);
    }
    this.#count += other.#count;
    this.#sumMs += other.#sumMs;
    this.#maxMs = Math.max(this.#maxMs, other.#maxMs);
  }

  /** The duration that `share` of all (0 to 1) do not exceed (ms); 0 where there are none. */
  percentile(share: number): number {
    let left = Math.ceil(this.#count * share);
    if (left === 0) return 0;
    for (let i = 0; i < this.#counts.length; i += 1) {
      left -= this.#counts[i] as number;
      if (left <= 0) return Math.min(middleOf(i) / 1000, this.#maxMs);
    }
    return this.#maxMs;
  }

  percentiles(): Percentiles {
    return {
      p50: this.percentile(0.5),
      p90: this.percentile(0.9),
      p99: this.percentile(0.99),
      p999: this.percentile(0.999),
      max: this.#maxMs,
      mean: this.#count === 0 ? 0 : this.#sumMs / this.#count,
    };
  }
}

/** Below 2 · STEPS each microsecond has a bucket of its own; above, each doubling has STEPS. */
function bucketOf(us: number): number {
  const whole = us < MAX_US ? Math.floor(us) : MAX_US;
  if (whole < 2 * STEPS) return whole;
  const shift = 31 - Math.clz32(whole) - STEP_BITS;
  return shift * STEPS + (whole >>> shift);
}

/** Middle of a bucket (µs). */
function middleOf(bucket: number): number {
  if (bucket < 2 * STEPS) return bucket + 0.5;
  const shift = Math.floor(bucket / STEPS) - 1;
  return (bucket - shift * STEPS + 0.5) * 2 ** shift;
}
