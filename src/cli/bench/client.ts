/** What a load and each of its connections know of one another. */
import type { Operation, Workload } from './operations.ts';
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
  failed(why: string): void;
  /** An answer came; a fill ends with its last one. */
  answered(): void;
};

/** Opens a connection of a load; `lost` is called once, when it is gone without `close`. @throws NurseryError where there is nobody */
export type Connect = (load: Generator, lost: (why: string) => void) => Promise<LoadClient>;

/** A protocol over TCP whose answers come in the order of the requests. */
export type Wire = {
  /** What a client says first. */
  hello(cluster: string): Buffer;
  /** The answer that begins at `at`: where it ends, and what went wrong, if anything. Null while bytes of it are missing. */
  reply(operation: Operation, input: Buffer, at: number): Reply | null;
};

/** A key that is not there is an answer like any other. */
export type Reply = { readonly end: number; readonly failure: string | null };
