/** Writes rows into the store of a directory, from a thread of its own: see write-thread.ts. */
import { Worker } from 'node:worker_threads';
import { invariant } from '../../src/base/assert.ts';
import { fileSizeLimit } from '../../src/process/descriptors.ts';
import type { Bucket, RowCount } from './buckets.ts';
import { commitFailure, storeFailure } from './failures.ts';
import type { StoreKey } from './types.ts';

/** What the thread is told, in order. */
export type WriterCommand =
  | { readonly kind: 'rows'; readonly page: Uint8Array }
  /** The rows since the last commit, and the slot where there is one, become durable in one transaction. */
  | { readonly kind: 'commit'; readonly slot: number | null }
  /** Whose rows are counted from now on: told at once, and after each commit. */
  | {
      readonly kind: 'count';
      readonly id: number;
      readonly ranges: readonly { readonly from: StoreKey; readonly to: StoreKey }[];
    }
  /** Tells all buckets. */
  | { readonly kind: 'buckets' }
  | { readonly kind: 'close' };

/** What the thread says, once per start and per commit; and counts, now and then. */
export type WriterAnswer =
  | { readonly kind: 'ready' }
  | { readonly kind: 'committed' }
  /** Of the ranges that `count` gave under `id`; null while the store is being counted. */
  | { readonly kind: 'counts'; readonly id: number; readonly counts: RowCount[] | null }
  /** In the order in which they were asked for; null while the store is being counted. */
  | { readonly kind: 'buckets'; readonly buckets: Bucket[] | null }
  /** Nothing of the transaction was written. `code` is LMDB's, or the system's `errno`. */
  | { readonly kind: 'failed'; readonly message: string; readonly code: number | null };

type Waiting = { readonly resolve: () => void; readonly reject: (error: Error) => void };

/** The other side of the thread. One commit at a time. */
export class StoreWriter {
  readonly #dir: string;
  readonly #worker: Worker;
  readonly #ended: Promise<void>;
  #waiting: Waiting | null = null;
  /** How large this process might make a file when the last commit began. */
  #fileBytesMax = Number.MAX_SAFE_INTEGER;
  #failure: Error | null = null;
  #onCounts: (counts: RowCount[] | null) => void = () => undefined;
  #countId = 0;
  /** Who waits for buckets, in order. */
  #askers: ((buckets: Bucket[] | null) => void)[] = [];

  private constructor(dir: string) {
    this.#dir = dir;
    this.#worker = new Worker(new URL('./write-thread.js', import.meta.url), { workerData: dir });
    this.#worker.on('message', (answer: WriterAnswer) => this.#answered(answer));
    this.#worker.on('error', (error) => this.#failed(error));
    this.#ended = new Promise((resolve) => {
      this.#worker.once('exit', (code) => {
        this.#failed(new Error(`the thread that writes ended with code ${code}`));
        resolve();
      });
    });
  }

  /** Starts the thread on the store in `dir`, which exists. */
  static async start(dir: string): Promise<StoreWriter> {
    const writer = new StoreWriter(dir);
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
    this.#worker.postMessage({ kind: 'close' } satisfies WriterCommand);
    await this.#ended;
  }

  #send(command: WriterCommand, transfer: ArrayBuffer[]): void {
    if (this.#failure !== null) throw this.#failure;
    this.#worker.postMessage(command, transfer);
  }

  #answer(): Promise<void> {
    invariant(this.#waiting === null, 'the writer is given one commit at a time', () => ({ dir: this.#dir }));
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
    });
  }

  #answered(answer: WriterAnswer): void {
    if (answer.kind === 'counts') {
      // Of ranges that were given before these nobody wants to know.
      if (answer.id === this.#countId) this.#onCounts(answer.counts);
      return;
    }
    if (answer.kind === 'buckets') {
      this.#askers.shift()?.(answer.buckets);
      return;
    }
    const waiting = this.#waiting;
    invariant(waiting !== null, 'the writer answers what it was asked', () => ({
      dir: this.#dir,
      answer: answer.kind,
    }));
    this.#waiting = null;
    if (answer.kind !== 'failed') {
      waiting.resolve();
      return;
    }
    const error = Object.assign(new Error(answer.message), { code: answer.code });
    void commitFailure(this.#dir, error, this.#fileBytesMax).then(waiting.reject, waiting.reject);
  }

  /** The thread is no more: whoever waits, or comes later, is told. */
  #failed(error: Error): void {
    this.#failure ??= storeFailure(this.#dir, error);
    this.#waiting?.reject(this.#failure);
    this.#waiting = null;
    for (const hear of this.#askers.splice(0)) hear(null);
  }
}
