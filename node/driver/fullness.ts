/** What a node says of its full disk: one line at the change, a count now and then, one line when it is over. */
import type { Logger } from '../../src/process/log.ts';
import { Repeated } from '../../src/process/repeated.ts';

/** A disk that had room for so long is not full any more (ms): at the brink it would be over every second. */
const SETTLED_MS = 10_000;

/** The disk's state, as those who need room see it. */
export class Fullness {
  readonly #logger: Logger;
  readonly #nowMs: () => number;
  readonly #told: Repeated;
  #isFull = false;
  #metMs = 0;

  /** @param why what there is no room for */
  constructor(logger: Logger, nowMs: () => number, why: () => string = () => 'disk is full') {
    this.#logger = logger;
    this.#nowMs = nowMs;
    this.#told = new Repeated((times) => {
      logger.error({ times }, `${why()}: updates are refused, reads go on`);
    }, nowMs);
  }

  /** Something found no room: an update that is refused, or a record that waits. */
  met(): void {
    this.#isFull = true;
    this.#metMs = this.#nowMs();
    this.#told.happened();
  }

  /** Looked at now and then. */
  look(isFull: boolean): void {
    if (isFull && !this.#isFull) this.met();
    else if (isFull) this.#metMs = this.#nowMs();
    else if (this.#isFull && this.#nowMs() - this.#metMs >= SETTLED_MS) {
      this.#isFull = false;
      this.#told.ended();
      this.#logger.info({}, 'disk has room again: updates are taken');
    }
  }
}
