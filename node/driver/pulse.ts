/** Has everything looked at again and again: seldom while nothing happens, at the latest when something is due, soon after something did. */
import type { Timers } from '../../src/process/timers.ts';

export type PulseOptions = Pick<Timers, 'after' | 'nowMs'> & {
  /** How long it rests after something has happened, and else (ms). */
  readonly busyMs: number;
  readonly idleMs: number;
  /** How long it rests at most where nothing is due for as long (ms). */
  readonly quietMs: number;
  /** Until when nothing is due for certain (ms); a time that has passed where that is not known. */
  untilMs(): number;
};

/** Beats until it is closed. */
export class Pulse {
  readonly #options: PulseOptions;
  readonly #beats: (() => void)[] = [];
  /** Of the last beat, and of the next one (ms). */
  #lastMs: number;
  #nextMs = 0;
  #isSoon = false;
  #cancel: () => void = () => undefined;

  constructor(options: PulseOptions) {
    this.#options = options;
    this.#lastMs = options.nowMs();
    this.#beatAt(this.#lastMs + options.idleMs);
  }

  /** At each beat from now on, after what was given before. */
  each(beat: () => void): void {
    this.#beats.push(beat);
  }

  /** Something has happened, of which others are to be told soon. */
  hasten(): void {
    if (this.#isSoon) return;
    this.#isSoon = true;
    this.#beatAt(this.#options.nowMs() + this.#options.busyMs);
  }

  /** Something may be due at another time than before. */
  plan(): void {
    if (this.#isSoon) return;
    const dueMs = this.#dueMs();
    if (Math.abs(dueMs - this.#nextMs) >= 1) this.#beatAt(dueMs);
  }

  close(): void {
    this.#cancel();
    this.#beats.length = 0;
    this.#isSoon = true; // nothing hastens it any more
  }

  #dueMs(): number {
    const { idleMs, quietMs, untilMs } = this.#options;
    // A timer may fire a little early: what is due would not be yet, and wait for the beat after that.
    return Math.max(this.#lastMs + idleMs, Math.min(this.#lastMs + quietMs, untilMs() + 1));
  }

  #beatAt(atMs: number): void {
    this.#cancel();
    this.#nextMs = atMs;
    const restMs = Math.max(0, Math.ceil(atMs - this.#options.nowMs()));
    this.#cancel = this.#options.after(restMs, () => this.#beat());
  }

  #beat(): void {
    this.#isSoon = false;
    this.#lastMs = this.#options.nowMs();
    this.#beatAt(this.#dueMs());
    for (const beat of this.#beats) beat();
  }
}
