/** Notices that the machine slept: the wall clock went on while the monotonic one, by which leases are counted, stood still. */

/** Least that counts as sleep (ms): more than the clocks of a busy machine differ by when they are read one after the other. */
const SLEPT_MIN_MS = 100;
/** A reading of both clocks that took longer is no measure for later ones (ms). */
const READING_MAX_MS = 5;

/** Compares the two clocks of one process. */
export class SleepWatch {
  readonly #nowMs: () => number;
  readonly #wallMs: () => number;
  readonly #sleptMinMs: number;
  /** By how much the wall clock was ahead of the monotonic one. */
  #aheadMs: number | null = null;

  /** @param driftMs what two clocks may differ by within a lease: less is covered by that */
  constructor(nowMs: () => number, wallMs: () => number, driftMs: number) {
    this.#nowMs = nowMs;
    this.#wallMs = wallMs;
    this.#sleptMinMs = Math.max(SLEPT_MIN_MS, driftMs);
  }

  /**
   * Whether the machine slept since this was asked last; or somebody has set the wall clock forward, which looks the same.
   * To be asked often: what the wall clock gains slowly, or loses, is not counted.
   */
  hasSlept(): boolean {
    const beganMs = this.#nowMs();
    const wallMs = this.#wallMs();
    const endedMs = this.#nowMs(); // read last: an interruption in between makes the wall clock look late, never ahead
    const aheadMs = wallMs - endedMs;
    const beforeMs = this.#aheadMs;
    const hasSlept = beforeMs !== null && aheadMs - beforeMs >= this.#sleptMinMs;
    if (hasSlept || endedMs - beganMs <= READING_MAX_MS) this.#aheadMs = aheadMs;
    return hasSlept;
  }
}
