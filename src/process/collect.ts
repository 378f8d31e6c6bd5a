/** Gives back memory that a crowd of long replies left: an idle process allocates too little to collect it by itself. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Fallen so far below its peak (bytes), a budget is worth a collection: the engine counts on about as much by itself. */
const FALLEN_BYTES = 128 * 1024 * 1024;
/** How long it must have stayed there (ms). A collection stops the process for some 10 ms, so that it comes once, when all is over. */
const QUIET_MS = 500;
/** Least time between two collections (ms). */
const EVERY_MS = 10_000;

let collect: (() => void) | null = null;
let collectedAtMs = Number.NEGATIVE_INFINITY;

/** Watches how much is in use, and collects what is not once it has fallen far. */
export class Collecting {
  #peakBytes = 0;
  #timer: NodeJS.Timeout | null = null;

  /** To be called whenever `usedBytes` changed. */
  changed(usedBytes: number): void {
    if (usedBytes > this.#peakBytes) this.#peakBytes = usedBytes;
    if (this.#timer !== null || this.#peakBytes - usedBytes < FALLEN_BYTES) return;
    const waitMs = Math.max(QUIET_MS, collectedAtMs + EVERY_MS - performance.now());
    this.#peakBytes = usedBytes;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      collectedAtMs = performance.now();
      collect ??= exposed();
      collect();
    }, waitMs).unref();
  }
}

/** The engine's own function, which it shows to contexts that are made after the flag was set. */
function exposed(): () => void {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as () => void;
  setFlagsFromString('--no-expose-gc');
  return gc;
}
