/** What happens again and again is said once, then now and then, with how often. */

/** Between two lines about the same (ms). */
const EVERY_MS = 60_000;

/** One thing that may go on happening. */
export class Repeated {
  readonly #say: (times: number) => void;
  readonly #nowMs: () => number;
  readonly #everyMs: number;
  #saidMs = Number.NEGATIVE_INFINITY;
  #times = 0;

  /**
   * @param say told at the first time, and later how often it happened since
   * @param nowMs monotonic (ms)
   */
  constructor(say: (times: number) => void, nowMs: () => number, everyMs = EVERY_MS) {
    this.#say = say;
    this.#nowMs = nowMs;
    this.#everyMs = everyMs;
  }

  /** It happened. */
  happened(): void {
    this.#times += 1;
    const nowMs = this.#nowMs();
    if (nowMs - this.#saidMs < this.#everyMs) return;
    this.#saidMs = nowMs;
    const times = this.#times;
    this.#times = 0;
    this.#say(times);
  }

  /** It is over: the next time is a first one. Returns whether anything was said since. */
  ended(): boolean {
    const wasSaid = this.#saidMs !== Number.NEGATIVE_INFINITY;
    this.#saidMs = Number.NEGATIVE_INFINITY;
    this.#times = 0;
    return wasSaid;
  }
}
