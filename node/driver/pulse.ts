/** Has everything looked at again and again: seldom while nothing happens, soon after something did. */
import type { Timers } from '../../src/process/timers.ts';

export type PulseOptions = Pick<Timers, 'after'> & {
  /** How long it rests where nothing happens, and after something has happened (ms). */
  readonly idleMs: number;
  readonly busyMs: number;
};

/** Beats until it is closed. */
export class Pulse {
  readonly #options: PulseOptions;
  readonly #beats: (() => void)[] = [];
  #isSoon = false;
  #cancel: () => void = () => undefined;

  constructor(options: PulseOptions) {
    this.#options = options;
    this.#rest(options.idleMs);
  }

  /** At each beat from now on, after what was given before. */
  each(beat: () => void): void {
    this.#beats.push(beat);
  }

  /** Something has happened, of which others are to be told soon. */
  hasten(): void {
    if (this.#isSoon) return;
    this.#isSoon = true;
    this.#cancel();
    this.#rest(this.#options.busyMs);
  }

  close(): void {
    this.#cancel();
    this.#beats.length = 0;
    this.#isSoon = true; // nothing hastens it any more
  }

  #rest(forMs: number): void {
    this.#cancel = this.#options.after(forMs, () => {
      this.#isSoon = false;
      this.#rest(this.#options.idleMs);
      for (const beat of this.#beats) beat();
    });
  }
}
