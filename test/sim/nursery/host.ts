/** A process on a machine of its own: what it does stops when it crashes, and waits while it is paused. */
import type { Timers } from '../../../src/process/timers.ts';
import type { Schedule } from '../base/schedule.ts';

/** A timer never fires earlier: a clock that lacks less than it can show would be asked for ever (ms). */
const TIMER_MIN_MS = 0.01;

/** Base of every simulated process. */
export class Host {
  readonly name: string;
  readonly schedule: Schedule;
  /** What the clock showed when its present rate began, and when that was. */
  #clockMs: number;
  #sinceMs: number;
  #rate: number;
  #isDead = false;
  #backlog: (() => void)[] | null = null;
  /** Called once, when the process ends. */
  readonly onDeath: (() => void)[] = [];

  constructor(schedule: Schedule, name: string, clockMs: number, rate = 1) {
    this.schedule = schedule;
    this.name = name;
    this.#clockMs = clockMs;
    this.#sinceMs = schedule.nowMs;
    this.#rate = rate;
  }

  get isDead(): boolean {
    return this.#isDead;
  }

  get isPaused(): boolean {
    return this.#backlog !== null;
  }

  /** The process's own monotonic clock (ms). */
  readonly nowMs = (): number => this.#clockMs + (this.schedule.nowMs - this.#sinceMs) * this.#rate;

  /** The clock goes on at another speed. */
  setRate(rate: number): void {
    this.#clockMs = this.nowMs();
    this.#sinceMs = this.schedule.nowMs;
    this.#rate = rate;
  }

  /** Runs something of this process later, if it still lives, and not while it is paused. */
  local(delayMs: number, run: () => void): void {
    this.schedule.after(delayMs, () => this.run(run));
  }

  /** Runs something of this process when its own clock shows `atMs`, or a little later: no timer is exact. */
  wake(atMs: number, run: () => void): void {
    this.local(Math.max(TIMER_MIN_MS, atMs - this.nowMs()), run);
  }

  /** Time as production code asks for it. */
  readonly timers: Timers = {
    nowMs: this.nowMs,
    defer: (run) => this.soon(run),
    after: (delayMs, run) => {
      let isWanted = true;
      this.local(Math.max(TIMER_MIN_MS, delayMs), () => {
        if (isWanted) run();
      });
      return () => {
        isWanted = false;
      };
    },
  };

  /** Runs it in the next turn of this process's event loop. */
  soon(run: () => void): void {
    this.schedule.soon(() => this.run(run));
  }

  /** Runs it now, or when the process goes on; never once it is dead. */
  run(run: () => void): void {
    if (this.#isDead) return;
    if (this.#backlog !== null) this.#backlog.push(run);
    else run();
  }

  /** Stops the process's own time, as a stalled scheduler or a debugger does; its clock goes on. */
  pause(): void {
    if (!this.#isDead) this.#backlog ??= [];
  }

  /** Goes on: what came meanwhile is handled first. */
  resume(): void {
    const backlog = this.#backlog;
    if (backlog === null || this.#isDead) return;
    this.#backlog = null;
    for (const run of backlog) this.run(run);
  }

  /** Ends the process at this very moment. */
  die(): void {
    if (this.#isDead) return;
    this.#isDead = true;
    this.#backlog = null;
    for (const told of this.onDeath) told();
  }
}
