/** What a load and each of its connections know of one another. */
import type { Workload } from './operations.ts';
import type { Tally } from './tally.ts';

/** Whom clients connect to. */
export type Place = { readonly host: string; readonly port: number; readonly cluster: string };

/** One connection. */
export type LoadClient = { readonly waiting: number; close(): void };

/** A load, as its connections see it. */
export type Generator = {
  readonly workload: Workload;
  /** Requests that each connection keeps unanswered. */
  readonly outstanding: number;
  readonly tally: Tally;
  /** Whether another request is to be sent. */
  mayStart(): boolean;
  /**
   * Runs `next` when the answers of this round of events were read, all connections' one after the other: each write
   * apart would wake the server for one request.
   */
  afterRound(next: () => void): void;
  /** An error came as an answer. */
  failed(returnCode: number): void;
  /** An answer came; a fill ends with its last one. */
  answered(): void;
};
