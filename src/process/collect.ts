/** Gives back memory that a crowd of long replies left: an idle process allocates too little to collect it by itself. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Fallen so far below its peak (bytes), a budget is worth a collection: the engine counts on about as much by itself. */
const FALLEN_BYTES = 128 * 1024 * 1024;
/** How long it must have stayed there (ms). A collection stops the process for some 10 ms, so that it comes once, when all is over. */
const QUIET_MS = 500;
/** Least time between two collections (ms). */
const EVERY_MS = 10_000;
/** Collections after a fall: on a busy machine, what was let go may still be on its way out at the first. */
const COLLECTIONS = 2;

let collect: (() => void) | null = null;
let collectedAtMs = Number.NEGATIVE_INFINITY;

/** Watches how much is in use, and collects what is not once it has fallen far. */
export class Collecting {
  #peakBytes = 0;
  #left = 0;
  #timer: NodeJS.Timeout | null = null;

  /** To be called whenever `usedBytes` changed. */
  changed(usedBytes: number): void {
    if (usedBytes > this.#peakBytes) this.#peakBytes = usedBytes;
    if (this.#peakBytes - usedBytes < FALLEN_BYTES) return;
    this.#peakBytes = usedBytes;
    this.#left = COLLECTIONS;
    if (this.#timer === null) this.#later();
  }

  #later(): void {
    const waitMs = Math.max(QUIET_MS, collectedAtMs + EVERY_MS - performance.now());
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#left -= 1;
      collectedAtMs = performance.now();
      collect ??= exposed();
      collect();
      if (this.#left > 0) this.#later();
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
