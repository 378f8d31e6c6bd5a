/** How long a process claims its node's address before it insists, where another process of the same life was there before it. */

/** A living process at the address in force asks its keeper so many times meanwhile, and sees the claim. */
const ASKS = 4;

/** The wait of one process; the keeper must say all the time that the claim stands. */
export class ClaimWait {
  readonly #gapMs: number;
  readonly #waitMs: number;
  #sinceMs = 0;
  #saidMs = Number.NEGATIVE_INFINITY;

  /** @param askMs longest pause between two questions of a living process (ms) */
  constructor(askMs: number) {
    this.#gapMs = askMs;
    this.#waitMs = ASKS * askMs;
  }

  /** How long the wait is (ms). */
  get ms(): number {
    return this.#waitMs;
  }

  /**
   * The keeper says that the claim stands. True where it has done so for the whole wait: a keeper that was silent in between was so
   * to the other process, too, so that the wait begins anew.
   */
  stands(nowMs: number): boolean {
    if (nowMs - this.#saidMs > this.#gapMs) this.#sinceMs = nowMs;
    this.#saidMs = nowMs;
    return nowMs - this.#sinceMs >= this.#waitMs;
  }

  /** The claim is over, or another one begins. */
  restart(): void {
    this.#saidMs = Number.NEGATIVE_INFINITY;
  }
}
