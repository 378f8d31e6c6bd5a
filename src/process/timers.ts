/** Time as a process has it. A simulation has its own. */

/** Clock and timers: what is outside of everything that decides by time. */
export type Timers = {
  /** Monotonic (ms). */
  nowMs(): number;
  /** Calls `run` after the present turn of the event loop. */
  defer(run: () => void): void;
  /** Calls `run` once, `delayMs` from now; returns what takes that back. */
  after(delayMs: number, run: () => void): () => void;
};

/** Those of this process. A timer keeps the process alive until it has fired or is taken back. */
export const TIMERS: Timers = {
  nowMs: () => performance.now(),
  defer: (run) => {
    setImmediate(run);
  },
  after: (delayMs, run) => {
    const timer = setTimeout(run, delayMs);
    return () => clearTimeout(timer);
  },
};
