/**
 * The share of the event loop that long reads of clients have: all that is left, but a fifth at most while others ask for
 * what is short. Else a crowd that asks for long replies is served at the cost of everybody's updates.
 */

/** So many times as long as long reads took the event loop, others have it before the next slice. */
export const PAUSE_FACTOR = 4;
/**
 * What a collection costs, by how long it stops the process: the engine marks before, beside other work and on other threads, about
 * three times as long.
 */
export const COLLECTION_WEIGHT = 4;
/** The longest pause (ms), whatever was taken: long reads go on, slowly, beside any flood. */
export const PAUSE_MAX_MS = 100;
/** How long after something short more of it is expected (ms). */
export const EXPECTED_MS = 20;

/** Clock and event loop. */
export type FairShareWorld = {
  /** Monotonic (ms). */
  nowMs(): number;
  after(delayMs: number, run: () => void): void;
  /** Runs in one of the next rounds of the event loop. */
  defer(run: () => void): void;
};

/** One for each node. */
export class FairShare {
  readonly #world: FairShareWorld;
  #shortAtMs = Number.NEGATIVE_INFINITY;
  /** When a slice was deferred last, and what collections cost since (ms). */
  #deferredAtMs = Number.NEGATIVE_INFINITY;
  #collectedMs = 0;

  constructor(world: FairShareWorld) {
    this.#world = world;
  }

  /** Something short was asked for, or is being carried out. */
  short(): void {
    this.#shortAtMs = this.#world.nowMs();
  }

  /** The engine stopped for `tookMs` to collect garbage: while there are long reads nearly all of it is theirs. */
  collected(tookMs: number): void {
    this.#collectedMs += COLLECTION_WEIGHT * tookMs;
  }

  /** Runs the next slice of long reads when it is their turn. `tookMs`: what those since the last call took. */
  readonly defer = (run: () => void, tookMs: number): void => {
    const { nowMs, after, defer } = this.#world;
    const now = nowMs();
    const areUnderWay = now - this.#deferredAtMs <= 2 * PAUSE_MAX_MS;
    const allMs = tookMs + (areUnderWay ? this.#collectedMs : 0);
    this.#collectedMs = 0;
    this.#deferredAtMs = now;
    if (now - this.#shortAtMs >= EXPECTED_MS) defer(run);
    else after(Math.min(PAUSE_MAX_MS, PAUSE_FACTOR * allMs), () => defer(run));
  };
}
