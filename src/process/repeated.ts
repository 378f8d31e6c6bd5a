/** What happens again and again is said once, then now and then, with how often. */

/** Between two lines about the same (ms). */
const EVERY_MS = 60_000;

/** One thing that may go on happening. */
export class Repeated {
  readonly #say: (times: number, what: string) => void;
  readonly #nowMs: () => number;
  readonly #everyMs: number;
  #saidMs = Number.NEGATIVE_INFINITY;
  #what = '';
  #times = 0;

  /**
   * @param say told at the first time, and later how often it happened since
   * @param nowMs monotonic (ms)
   */
  constructor(say: (times: number, what: string) => void, nowMs: () => number, everyMs = EVERY_MS) {
    this.#say = say;
    this.#nowMs = nowMs;
    this.#everyMs = everyMs;
  }

  /** It happened. Where `what` is not what it was the last time, that is a first time. */
  happened(what = ''): void {
    if (what !== this.#what) this.ended();
    this.#what = what;
    this.#times += 1;
    const nowMs = this.#nowMs();
    if (nowMs - this.#saidMs < this.#everyMs) return;
    this.#saidMs = nowMs;
    const times = this.#times;
    this.#times = 0;
    this.#say(times, what);
  }

  /** It is over: the next time is a first one. Returns whether anything was said since the last end. */
  ended(): boolean {
    const wasSaid = this.#saidMs !== Number.NEGATIVE_INFINITY;
    this.#saidMs = Number.NEGATIVE_INFINITY;
    this.#times = 0;
    return wasSaid;
  }
}
