/** Writes rows into the store of a directory, from a thread of its own: see write-work.ts. */
import { invariant } from '../../src/base/assert.ts';
import { FatalError } from '../../src/base/errors.ts';
import { fileSizeLimit } from '../../src/process/descriptors.ts';
import type { Bucket, RowCount } from './buckets.ts';
import { commitFailure, storeFailure } from './failures.ts';
import { SPREAD_MAX, type Span } from './spread.ts';
import type { StoreSystem, WriteThread } from './system.ts';
import type { StoreKey } from './types.ts';
import type { RunNews, WriterAnswer, WriterCommand, WriterStart } from './writer-messages.ts';

type Waiting = { readonly resolve: (answer: WriterAnswer) => void; readonly reject: (error: Error) => void };

/** The other side of the thread. One commit at a time. */
export class StoreWriter {
  readonly #dir: string;
  readonly #thread: WriteThread;
  readonly #ended: Promise<void>;
  #waiting: Waiting | null = null;
  /** How large this process might make a file when the last commit began. */
  #fileBytesMax = Number.MAX_SAFE_INTEGER;
  #failure: Error | null = null;
  readonly #onRuns: (runs: RunNews) => void;
  readonly #onPace: (part: number) => void;
  #onCounts: (counts: RowCount[] | null) => void = () => undefined;
  #countId = 0;
  /** Who waits for buckets, in order. */
  #askers: ((buckets: Bucket[] | null) => void)[] = [];

  private constructor(
    start: WriterStart,
    { startThread }: Pick<StoreSystem, 'startThread'>,
    onRuns: (runs: RunNews) => void,
    onPace: (part: number) => void,
  ) {
    this.#dir = start.dir;
    this.#onRuns = onRuns;
    this.#onPace = onPace;
    let ended: (code: number) => void = () => undefined;
    this.#ended = new Promise((resolve) => {
      ended = (code) => {
        this.#failed(new Error(`the thread that writes ended with code ${code}`));
        resolve();
      };
    });
    this.#thread = startThread(start, {
      answered: (answer) => this.#answered(answer),
      failed: (error) => this.#failed(error),
      ended,
    });
  }

  /** Starts the thread on a store, which exists; `onRuns` hears when runs were merged, `onPace` how far the next one has waited. */
  static async start(
    start: WriterStart,
    system: Pick<StoreSystem, 'startThread'>,
    onRuns: (runs: RunNews) => void,
    onPace: (part: number) => void = () => undefined,
  ): Promise<StoreWriter> {
    const writer = new StoreWriter(start, system, onRuns, onPace);
    await writer.#answer();
    return writer;
  }

  /** Adds a page of rows (row-pages.ts) to the next commit. Its memory is handed over. */
  write(page: Uint8Array): void {
    this.#send({ kind: 'rows', page }, [page.buffer as ArrayBuffer]);
  }

  /**
   * Makes the rows since the last commit durable, together with `slot` where that is not null.
   *
   * @throws NurseryError DISK_FULL: nothing was written; FatalError where the store must not be used any more
   */
  async commit(slot: number | null): Promise<void> {
    this.#fileBytesMax = fileSizeLimit();
    this.#send({ kind: 'commit', slot }, []);
    await this.#answer();
  }

  /** Adds a page of rows to the next run. Its memory is handed over. */
  writeRun(page: Uint8Array): void {
    this.#send({ kind: 'runRows', page }, [page.buffer as ArrayBuffer]);
  }

  /**
   * Makes what was given to `writeRun` a run of the store, durably, which is the image of `slot` with it. Where there are too many
   * runs it waits for a merge.
   *
   * @throws as `commit`
   */
  async commitRun(slot: number): Promise<RunNews | null> {
    this.#fileBytesMax = fileSizeLimit();
    this.#send({ kind: 'commitRun', slot }, []);
    const answer = await this.#answer();
    return answer.kind === 'committed' ? answer.runs : null;
  }

  /** How the rows of a flush lie among those that are there (spread.ts). */
  async spread(spans: readonly Span[]): Promise<number> {
    this.#send({ kind: 'spread', spans }, []);
    const answer = await this.#answer();
    return answer.kind === 'spread' ? answer.spread : SPREAD_MAX;
  }

  /** Nobody will begin to read runs that this version of the list does not have. */
  seen(version: number): void {
    if (this.#failure === null) this.#send({ kind: 'seen', version }, []);
  }

  /** Whether somebody reads an older image: merging waits for that, up to a bound. */
  pinned(isPinned: boolean): void {
    if (this.#failure === null) this.#send({ kind: 'pinned', isPinned }, []);
  }

  /** Has these ranges counted, and `hear` told, until others are given. */
  count(
    ranges: readonly { readonly from: StoreKey; readonly to: StoreKey }[],
    hear: (counts: RowCount[] | null) => void,
  ): void {
    this.#countId += 1;
    this.#onCounts = hear;
    if (this.#failure === null) this.#send({ kind: 'count', id: this.#countId, ranges }, []);
  }

  /** Tells `hear` all buckets, once; null where they are not known, or the thread has ended. */
  buckets(hear: (buckets: Bucket[] | null) => void): void {
    if (this.#failure !== null) {
      hear(null);
      return;
    }
    this.#askers.push(hear);
    this.#send({ kind: 'buckets' }, []);
  }

  /** Ends the thread. What was not committed is forgotten. */
  async close(): Promise<void> {
    this.#thread.tell({ kind: 'close' }, []);
    await this.#ended;
  }

  #send(command: WriterCommand, transfer: ArrayBuffer[]): void {
    if (this.#failure !== null) throw this.#failure;
    this.#thread.tell(command, transfer);
  }

  #answer(): Promise<WriterAnswer> {
    invariant(this.#waiting === null, 'the writer is asked for one thing at a time', () => ({
      dir: this.#dir,
    }));
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
    });
  }

  #answered(answer: WriterAnswer): void {
    // Whoever waited was told when it failed: what the thread was still at is of no use to anybody.
    if (this.#failure !== null) return;
    if (answer.kind === 'counts') {
      // Of ranges that were given before these nobody wants to know.
      if (answer.id === this.#countId) this.#onCounts(answer.counts);
      return;
    }
    if (answer.kind === 'buckets') {
      this.#askers.shift()?.(answer.buckets);
      return;
    }
    if (answer.kind === 'pace') {
      this.#onPace(answer.part);
      return;
    }
    if (answer.kind === 'runs') {
      this.#onRuns(answer.runs);
      return;
    }
    if (answer.kind === 'workFailed') {
      void this.#meaningOf(answer).then((failure) => this.#workFailed(failure));
      return;
    }
    const waiting = this.#waiting;
    invariant(waiting !== null, 'the writer answers what it was asked', () => ({
      dir: this.#dir,
      answer: answer.kind,
    }));
    this.#waiting = null;
    if (answer.kind !== 'failed') {
      waiting.resolve(answer);
      return;
    }
    void this.#meaningOf(answer).then(waiting.reject);
  }

  #meaningOf({ message, code }: { readonly message: string; readonly code: number | null }): Promise<Error> {
    const error = Object.assign(new Error(message), { code });
    return commitFailure(this.#dir, error, this.#fileBytesMax).catch((failure: Error) => failure);
  }

  /** A disk that is full is said by flushes, and has room again some day; all else the next flush is told. */
  #workFailed(failure: Error): void {
    if (failure instanceof FatalError) this.#failed(failure);
  }

  /** The thread is no more: whoever waits, or comes later, is told. */
  #failed(error: Error): void {
    this.#failure ??= storeFailure(this.#dir, error);
    this.#waiting?.reject(this.#failure);
    this.#waiting = null;
    for (const hear of this.#askers.splice(0)) hear(null);
  }
}
