/**
 * What the log says of a link, or of anything else that comes and goes: each change of its state, once. One that changes
 * all the time has a line now and then, with the number of changes since the one before.
 */
import type { Logger } from '../process/log.ts';
import { TIMERS, type Timers } from '../process/timers.ts';

/** Changes that are logged at once; after them one for each of these (ms). */
const LINES_MAX = 10;
const LINE_MS = 60_000;
/** Reasons that are remembered. */
const REASONS_MAX = 16;

/** Time, as a test may have it. */
export type LogClock = Omit<Timers, 'defer'>;

/** Lines that are due later keep no process alive. */
const REAL: LogClock = {
  nowMs: TIMERS.nowMs,
  after: (delayMs, run) => {
    const timer = setTimeout(run, delayMs).unref();
    return () => clearTimeout(timer);
  },
};

/** What the lines say. */
export type LinkLogOptions = {
  readonly logger: Logger;
  /** With each line. */
  readonly facts: object;
  readonly up: string;
  readonly down: string;
  /** Of lines that it is down. Default `info`. */
  readonly level?: 'info' | 'warn';
  readonly clock?: LogClock;
};

/** The log of one link. Being down for another reason is a change too: why it is so is what people look for. */
export class LinkLog {
  readonly #options: LinkLogOptions;
  readonly #clock: LogClock;
  #state: 'new' | 'up' | 'down' = 'new';
  #why = '';
  /** Why it was down since it went down, each reason once; with several addresses they take turns. */
  readonly #reasons = new Set<string>();
  #downSinceMs = 0;
  /** Attempts that failed since it went down. */
  #attempts = 0;
  /** Changes without a line of their own since the last line. */
  #unsaid = 0;
  #tokens = LINES_MAX;
  #countedMs: number;
  #takeBack: (() => void) | null = null;

  constructor(options: LinkLogOptions) {
    this.#options = options;
    this.#clock = options.clock ?? REAL;
    this.#countedMs = this.#clock.nowMs();
  }

  /** It is up. */
  up(): void {
    if (this.#state === 'up') return;
    this.#state = 'up';
    this.#changed();
  }

  /** It went down, or could not be brought up, because of `why`. */
  down(why: string): void {
    if (this.#state !== 'down') {
      this.#downSinceMs = this.#clock.nowMs();
      this.#attempts = 0;
      this.#reasons.clear();
    }
    const isNew = !this.#reasons.has(why);
    if (isNew && this.#reasons.size < REASONS_MAX) this.#reasons.add(why);
    this.#attempts += 1;
    this.#state = 'down';
    this.#why = why;
    if (isNew) this.#changed();
  }

  /** Nothing more is logged. */
  close(): void {
    this.#takeBack?.();
    this.#takeBack = () => undefined;
  }

  #changed(): void {
    if (this.#takeBack !== null) {
      this.#unsaid += 1; // what it has come to then is said when there is a line again
      return;
    }
    const nowMs = this.#clock.nowMs();
    const earned = Math.floor((nowMs - this.#countedMs) / LINE_MS);
    this.#tokens = Math.min(LINES_MAX, this.#tokens + earned);
    this.#countedMs = this.#tokens === LINES_MAX ? nowMs : this.#countedMs + earned * LINE_MS;
    if (this.#tokens > 0) {
      this.#tokens -= 1;
      this.#say();
      return;
    }
    this.#unsaid += 1;
    this.#takeBack = this.#clock.after(this.#countedMs + LINE_MS - nowMs, () => {
      this.#takeBack = null;
      this.#countedMs = this.#clock.nowMs();
      this.#say();
    });
  }

  #say(): void {
    const { logger, facts, up, down, level = 'info' } = this.#options;
    const changes = this.#unsaid === 0 ? {} : { changes: this.#unsaid };
    this.#unsaid = 0;
    if (this.#state === 'down') {
      const seconds = Math.round((this.#clock.nowMs() - this.#downSinceMs) / 1000);
      const since = this.#attempts === 1 ? {} : { attempts: this.#attempts, downSeconds: seconds };
      logger[level]({ ...facts, why: this.#why, ...since, ...changes }, down);
      return;
    }
    const seconds = Math.round((this.#clock.nowMs() - this.#downSinceMs) / 1000);
    const after = this.#attempts === 0 ? {} : { attempts: this.#attempts, downSeconds: seconds };
    logger.info({ ...facts, ...after, ...changes }, up);
    this.#attempts = 0;
  }
}
