/**
 * Which keys are asked for most, by samples: one in sixteen requests on average, in a table of bounded size (Metwally's
 * "space saving"). What it says of a key is never more than was sampled of it.
 */
import type { Key } from '../../src/base/bytes.ts';

/** One request in so many is looked at, on average. */
export const SAMPLED_ONE_IN = 16;
/** Keys that are counted at once; a key that had more than one in so many samples is always among them. */
const KEYS_MAX = 64;
/** Keys that are told at most. */
const TOLD_MAX = 10;
/** How long is counted before the table begins anew (ms). */
const PERIOD_MS = 10_000;
/** A key that was seen less often is not hot, but one of many. */
const SAMPLES_MIN = 3;

/** A key, and how many requests a second were for it, at least. */
export type HotKey = { readonly key: Key; readonly perSecond: number };

/** `excess`: so many of `samples` may have been of other keys, whose place this one took. */
type Count = { samples: number; excess: number };

export class HotKeys {
  #counts = new Map<Key, Count>();
  #sinceMs: number;
  #before: readonly HotKey[] | null = null;
  #skip = SAMPLED_ONE_IN;
  #state = 1;

  /** @param nowMs when it begins (monotonic) */
  constructor(nowMs: number) {
    this.#sinceMs = nowMs;
  }

  /** A request was for `key`. */
  asked(key: Key): void {
    this.#skip -= 1;
    if (this.#skip > 0) return;
    this.#skip = this.#nextSkip();
    this.#sampled(key);
  }

  /** To be called often: begins anew where it is time. */
  look(nowMs: number): void {
    if (nowMs - this.#sinceMs < PERIOD_MS) return;
    this.#before = this.#told(nowMs);
    this.#counts = new Map();
    this.#sinceMs = nowMs;
  }

  /** The hottest ones of the last ten seconds that are complete, or of the first ones so far; the hottest first. */
  hottest(nowMs: number): readonly HotKey[] {
    return this.#before ?? this.#told(nowMs);
  }

  /** From 1 to 31, one as often as the other: clients that ask for their keys in turn would be sampled at the same ones. */
  #nextSkip(): number {
    this.#state = (Math.imul(this.#state, 1_103_515_245) + 12_345) >>> 0;
    return 1 + ((this.#state >>> 16) % (2 * SAMPLED_ONE_IN - 1));
  }

  #sampled(key: Key): void {
    const known = this.#counts.get(key);
    if (known !== undefined) known.samples += 1;
    else if (this.#counts.size < KEYS_MAX) this.#counts.set(key, { samples: 1, excess: 0 });
    else this.#replaceLeast(key);
  }

  /** The least of all gives its place to `key`, which may have been there before, unseen. */
  #replaceLeast(key: Key): void {
    let least: Key = key;
    let samples = Number.POSITIVE_INFINITY;
    for (const [each, count] of this.#counts) {
      if (count.samples < samples) [least, samples] = [each, count.samples];
    }
    this.#counts.delete(least);
    this.#counts.set(key, { samples: samples + 1, excess: samples });
  }

  #told(nowMs: number): HotKey[] {
    const seconds = Math.max(1, (nowMs - this.#sinceMs) / 1000);
    return [...this.#counts]
      .map(([key, { samples, excess }]) => ({ key, samples: samples - excess }))
      .filter(({ samples }) => samples >= SAMPLES_MIN)
      .sort((a, b) => b.samples - a.samples)
      .slice(0, TOLD_MAX)
      .map(({ key, samples }) => ({ key, perSecond: (SAMPLED_ONE_IN * samples) / seconds }));
  }
}
