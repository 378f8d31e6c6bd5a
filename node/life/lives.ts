/** A node's lives: it begins anew, in the same process, when its store turns out to be damaged, or when it is promoted. */
import { present } from '../../src/base/assert.ts';
import { FatalError } from '../../src/base/errors.ts';
import type { Logger } from '../../src/process/log.ts';
import { isStoreDamage } from '../store/failures.ts';

/** So many rebuilds within this time (ms) are taken for a disk that fails: the node ends. */
const REBUILDS_MAX = 3;
const REBUILDS_WITHIN_MS = 10 * 60_000;

/** A node from the opening of its files to their end. */
export type Life = {
  readonly clientPort: number;
  /** Ends in order: nothing is lost. */
  close(): Promise<void>;
  /** Serves nothing from now on, hands over mastership, and ends without another look at the store. */
  abandon(): Promise<void>;
};

/** Told, once or more, why another life must begin. */
export type Ends = {
  /** The store must not be used any more. */
  damaged(error: FatalError): void;
  /** All that is left of the founding is here, up to `slot`: it goes on as the first of a new one. */
  promoted(slot: number): void;
};

export type LivesOptions = {
  /**
   * Begins a life.
   *
   * @throws FatalError STORE_DAMAGED where it cannot be used from the beginning, with everything closed again
   */
  begin(ends: Ends): Promise<Life>;
  /** Removes the store, which is closed. */
  removeStore(): Promise<void>;
  /** Makes a new founding of what the home holds, which is closed. */
  promote(slot: number): Promise<void>;
  /**
   * Whether there are peers that have what the log no longer has; asked while both files are closed.
   *
   * @throws FatalError where the log cannot be read either
   */
  canRebuild(): Promise<boolean>;
  readonly logger: Logger;
  nowMs(): number;
  /** Ends the process. */
  stop(error: FatalError): void;
};

/** One life after the other. */
export class Lives {
  readonly #options: LivesOptions;
  readonly #rebuiltMs: number[] = [];
  #life: Life | null = null;
  #rebuilding: Promise<void> = Promise.resolve();
  #isClosing = false;

  private constructor(options: LivesOptions) {
    this.#options = options;
  }

  /**
   * Begins the first life.
   *
   * @throws FatalError as `begin` does; STORE_DAMAGED where the store cannot be rebuilt, or was so too often
   */
  static async start(options: LivesOptions): Promise<Lives> {
    const lives = new Lives(options);
    await lives.#begin();
    return lives;
  }

  /** The port of the present life; 0 between two. */
  get clientPort(): number {
    return this.#life?.clientPort ?? 0;
  }

  /** Ends for good. */
  async close(): Promise<void> {
    this.#isClosing = true;
    await this.#rebuilding;
    await this.#life?.close();
  }

  async #begin(): Promise<void> {
    for (;;) {
      try {
        await this.#beginOnce();
        return;
      } catch (error) {
        if (!isStoreDamage(error)) throw error;
        await this.#remove(error);
      }
    }
  }

  async #beginOnce(): Promise<void> {
    let life: Life | null = null;
    let early: FatalError | null = null;
    life = await this.#options.begin({
      damaged: (error) => {
        if (life === null) early ??= error;
        else this.#onDamage(life, error);
      },
      promoted: (slot) => {
        if (life !== null) this.#next(life, () => this.#promote(present(life, 'life'), slot));
      },
    });
    this.#life = life;
    if (early !== null) this.#onDamage(life, early);
  }

  /** @throws FatalError `error`, where the store is not to be removed */
  async #remove(error: FatalError): Promise<void> {
    const { canRebuild, logger, nowMs, removeStore } = this.#options;
    const sinceMs = nowMs() - REBUILDS_WITHIN_MS;
    const recent = this.#rebuiltMs.filter((atMs) => atMs > sinceMs).length;
    if (!(await canRebuild())) {
      throw told(
        error,
        'no other member has what it holds, so it stays: put back a copy, or restore a backup; where a learner has all of it, delete its directory and start again',
      );
    }
    if (recent >= REBUILDS_MAX) {
      throw told(
        error,
        'it was rebuilt so often lately that the disk may fail. On one that is sound delete the directory of the store and start again: it is rebuilt from the log and the other nodes',
      );
    }
    logger.error(
      { reason: error.message },
      'the store is damaged: it is deleted now, and rebuilt from log and peers',
    );
    this.#rebuiltMs.push(nowMs());
    await removeStore();
  }

  #onDamage(life: Life, error: FatalError): void {
    this.#next(life, () => this.#rebuild(life, error));
  }

  /** Ends this life, and begins another one. */
  #next(life: Life, work: () => Promise<void>): void {
    if (this.#life !== life || this.#isClosing) return; // heard before, or over anyway
    this.#life = null;
    this.#rebuilding = this.#rebuilding
      .then(work)
      .catch((failure: FatalError) => this.#options.stop(failure));
  }

  async #promote(life: Life, slot: number): Promise<void> {
    await life.close();
    await this.#options.promote(slot);
    await this.#begin();
    this.#options.logger.warn({ slot }, 'this home is the first member of a new founding: it was promoted');
  }

  async #rebuild(life: Life, error: FatalError): Promise<void> {
    await life.abandon();
    await this.#remove(error);
    await this.#begin();
    this.#options.logger.info({}, 'the store is being rebuilt; this node goes on');
  }
}

/** That damage, with what to do about it. */
function told(damage: FatalError, what: string): FatalError {
  return new FatalError('STORE_DAMAGED', `${damage.message}; ${what}`, { cause: damage });
}
