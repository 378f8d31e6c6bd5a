/** A link that is opened again whenever it is lost. */
import { NurseryError } from '../base/errors.ts';
import { type DialOptions, dial } from './dial.ts';
import type { Link, LinkResult } from './link.ts';

/** Pauses between attempts grow from the first to the last of these (ms), by half, with jitter. */
const REDIAL_MIN_MS = 20;
const REDIAL_MAX_MS = 1000;

/** As for `dial`, and who hears about it. `hello` may be a function where it changes. */
export type PersistentOptions = Omit<DialOptions, 'hello'> & {
  readonly hello: DialOptions['hello'] | (() => DialOptions['hello']);
  /** A link is up; called before anything that comes over it after this turn. */
  onUp(link: Link): void;
  /** It was lost, or could not be opened; called after each attempt that failed. */
  onDown(why: string): void;
};

/** Keeps one link to one address until it is closed. The first attempt begins at once. */
export class PersistentLink {
  readonly #options: PersistentOptions;
  #link: Link | null = null;
  #pauseMs = REDIAL_MIN_MS;
  #timer: NodeJS.Timeout | null = null;
  #closed = false;

  constructor(options: PersistentOptions) {
    const { handlers } = options;
    this.#options = {
      ...options,
      handlers: {
        ...handlers,
        request: (link, body, respond, leftMs, asker) => handlers.request(link, body, respond, leftMs, asker),
        post: (link, topic, body) => handlers.post(link, topic, body),
        closed: (link, why) => {
          handlers.closed(link, why);
          this.#lost(why);
        },
      },
    };
    this.#attempt();
  }

  /** The link while it is up. */
  get link(): Link | null {
    return this.#link;
  }

  /** As `Link.request`; fails as closed and not sent while the link is down. */
  request(
    body: Uint8Array,
    deadlineMs: number,
    done: (result: LinkResult) => void,
    withheld?: () => void,
  ): () => void {
    if (this.#link !== null) return this.#link.request(body, deadlineMs, done, withheld);
    queueMicrotask(() => done({ kind: 'failed', why: 'closed', sent: false }));
    return () => undefined;
  }

  /** As `Link.post`; false while the link is down. */
  post(topic: number, body: Uint8Array): boolean {
    return this.#link?.post(topic, body) ?? false;
  }

  /** Closes the link, and opens another. */
  again(why: string): void {
    this.#link?.close(why);
  }

  /** Closes the link, for good. */
  close(why = 'closed'): void {
    this.#closed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#link?.close(why);
  }

  #attempt(): void {
    this.#timer = null;
    const { hello, ...rest } = this.#options;
    dial({ ...rest, hello: typeof hello === 'function' ? hello() : hello }).then(
      (link) => {
        if (this.#closed) {
          link.close('closed');
        } else if (link.closedWhy !== null) {
          this.#redial(link.closedWhy); // closed between its hello and this callback
        } else {
          this.#link = link;
          this.#pauseMs = REDIAL_MIN_MS;
          this.#options.onUp(link);
        }
      },
      (error: unknown) => {
        if (!(error instanceof NurseryError)) throw error;
        if (!this.#closed) this.#redial(error.message);
      },
    );
  }

  #lost(why: string): void {
    if (this.#link === null) return; // lost before it was up
    this.#link = null;
    if (!this.#closed) this.#redial(why);
  }

  #redial(why: string): void {
    const pauseMs = this.#pauseMs * (0.5 + Math.random());
    this.#pauseMs = Math.min(this.#pauseMs * 1.5, REDIAL_MAX_MS);
    this.#timer = setTimeout(() => this.#attempt(), pauseMs);
    this.#options.onDown(why);
  }
}
