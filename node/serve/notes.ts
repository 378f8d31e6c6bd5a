/** What an operator should know of a node at present: kept for status, and said in the log when it changes and now and then. */
import type { Logger } from '../../src/process/log.ts';

/** How often a note that stays is logged again (ms). */
const AGAIN_MS = 60_000;
/** Notes at a time. */
const NOTES_MAX = 50;

/** A note, what it is about, and since when (monotonic, ms). */
export type Noted = { readonly subject: string; readonly text: string; readonly sinceMs: number };

/** Notes by subject, one sentence each. */
export class Notes {
  readonly #logger: Logger;
  readonly #nowMs: () => number;
  readonly #notes = new Map<
    string,
    { text: string; essence: string; loggedMs: number; untilMs: number; sinceMs: number }
  >();

  constructor(logger: Logger, nowMs: () => number) {
    this.#logger = logger;
    this.#nowMs = nowMs;
  }

  /** All present notes. */
  get all(): string[] {
    return this.entries.map(({ text }) => text);
  }

  /** The same with their subjects, and since when there has been one on each (monotonic, ms). */
  get entries(): Noted[] {
    const nowMs = this.#nowMs();
    for (const [subject, { untilMs }] of this.#notes) if (untilMs < nowMs) this.#notes.delete(subject);
    return [...this.#notes].map(([subject, { text, sinceMs }]) => ({ subject, text, sinceMs }));
  }

  /**
   * Sets the note on `subject`; it holds until it is cleared, or for so long. The oldest of too many goes.
   *
   * @param essence what makes it another note than the one before: by which of several ways a peer is silent changes with every
   *   attempt, and is no news
   */
  set(subject: string, text: string, forMs = Number.POSITIVE_INFINITY, essence = text): void {
    const known = this.#notes.get(subject);
    const nowMs = this.#nowMs();
    const isOld = known?.essence === essence && nowMs - known.loggedMs < AGAIN_MS;
    const loggedMs = isOld ? known.loggedMs : nowMs;
    const sinceMs = known?.sinceMs ?? nowMs;
    this.#notes.set(subject, { text, essence, loggedMs, untilMs: nowMs + forMs, sinceMs });
    if (this.#notes.size > NOTES_MAX) this.#notes.delete([...this.#notes.keys()][0] as string);
    if (!isOld) this.#logger.warn({}, text);
  }

  /** The note on `subject` no longer holds. */
  clear(subject: string): void {
    this.#notes.delete(subject);
  }
}
