/** Requests sent on a link that wait for their answers, each with its deadline. */
import type { Hint } from '../protocol/admin/admin.ts';

/**
 * How a request ended. `sent`: whether any of it was handed to the socket; a request that was not was certainly
 * not executed. `bytes` is a view into what was received.
 */
export type LinkResult =
  | { readonly kind: 'reply'; readonly bytes: Buffer; readonly hint: Hint | null }
  | {
      readonly kind: 'failed';
      readonly why: 'closed' | 'timeout' | 'overloaded';
      readonly sent: boolean;
    };

/** A request that was sent. */
export type PendingRequest = {
  /** Counts the requests of a link, without end; the id on the wire begins anew. */
  readonly sequence: number;
  /** Until when its answer is waited for (ms, monotonic). */
  readonly deadlineAtMs: number;
  readonly done: (result: LinkResult) => void;
  readonly withheld: (() => void) | undefined;
};

export class Pending {
  readonly #wasSent: (sequence: number) => boolean;
  readonly #requests = new Map<number, PendingRequest>();
  #timer: NodeJS.Timeout | null = null;
  #timerAtMs = 0;
  #isClosed = false;

  /** @param wasSent whether any of a request was handed to the socket; one that was not is never sent any more */
  constructor(wasSent: (sequence: number) => boolean) {
    this.#wasSent = wasSent;
  }

  get size(): number {
    return this.#requests.size;
  }

  has(id: number): boolean {
    return this.#requests.has(id);
  }

  /** Whether `id` is that of request `sequence`, and not of a later one. */
  isOf(id: number, sequence: number): boolean {
    return this.#requests.get(id)?.sequence === sequence;
  }

  /** Its `done` is called with a failure once its deadline has passed. */
  add(id: number, request: PendingRequest): void {
    this.#requests.set(id, request);
    this.#arm(request.deadlineAtMs);
  }

  /** The request, which waits no longer; undefined where it did not wait. */
  take(id: number): PendingRequest | undefined {
    const request = this.#requests.get(id);
    this.#requests.delete(id);
    return request;
  }

  /** All that wait; from now on none does. */
  close(): PendingRequest[] {
    this.#isClosed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    const left = [...this.#requests.values()];
    this.#requests.clear();
    return left;
  }

  /** One timer, for the earliest deadline that it knows of. */
  #arm(atMs: number): void {
    if (this.#timer !== null) {
      if (this.#timerAtMs <= atMs) return;
      clearTimeout(this.#timer);
    }
    this.#timerAtMs = atMs;
    // After a pause timers may come first: the answers that have already arrived are read before anything is judged late.
    const sweep = (): void => this.#sweep();
    this.#timer = setTimeout(() => setImmediate(sweep), Math.max(0, atMs - performance.now()) + 1);
  }

  #sweep(): void {
    if (this.#isClosed) return;
    this.#timer = null;
    const nowMs = performance.now();
    const late: [number, PendingRequest][] = [];
    let nextMs = Number.POSITIVE_INFINITY;
    for (const [id, request] of this.#requests) {
      if (request.deadlineAtMs <= nowMs) late.push([id, request]);
      else if (request.deadlineAtMs < nextMs) nextMs = request.deadlineAtMs;
    }
    for (const [id] of late) this.#requests.delete(id);
    if (nextMs !== Number.POSITIVE_INFINITY) this.#arm(nextMs);
    for (const [, { done, sequence }] of late) {
      done({ kind: 'failed', why: 'timeout', sent: this.#wasSent(sequence) });
    }
  }
}
