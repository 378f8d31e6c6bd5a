/** One connection of a load over a link. */
import { NurseryError, RETURN_CODES } from '../../base/errors.ts';
import { dial } from '../../link/dial.ts';
import { LINK_PROTOCOL } from '../../link/frames.ts';
import type { Link, LinkHandlers } from '../../link/link.ts';
import { returnCodeOf } from '../../protocol/arakoon/values.ts';
import type { Generator, LoadClient, Place } from './client.ts';
import type { Operation } from './operations.ts';
import { failureName } from './tally.ts';

const DIAL_MS = 2000;
const DEADLINE_MS = 10_000;

/** Keeps a number of requests unanswered. */
export class LinkLoadClient implements LoadClient {
  readonly #load: Generator;
  #link: Link | null = null;
  #waiting = 0;
  #closed = false;

  /** @param lost called once, when the link is gone without `close`, or could not be opened */
  constructor(load: Generator, { host, port, cluster }: Place, lost: (why: string) => void) {
    this.#load = load;
    const handlers: LinkHandlers = {
      request: (link) => link.close('a load answers no requests'),
      post: () => undefined,
      closed: (_link, why) => {
        if (!this.#closed) lost(why);
      },
    };
    const hello = {
      protocol: LINK_PROTOCOL,
      role: 'client',
      cluster,
      node: 'bench',
      incarnation: '',
    } as const;
    dial({ host, port, hello, handlers, timeoutMs: DIAL_MS }).then(
      (link) => {
        this.#link = link;
        if (this.#closed) link.close('closed');
        for (let i = 0; i < load.outstanding; i += 1) this.#start();
      },
      (error: Error) => {
        load.tally.failed(error instanceof NurseryError ? error.code : error.message);
        lost(error.message);
      },
    );
  }

  get waiting(): number {
    return this.#waiting;
  }

  close(): void {
    this.#closed = true;
    this.#link?.close('closed');
  }

  #start(): void {
    const link = this.#link;
    if (link === null || link.closedWhy !== null || this.#closed || !this.#load.mayStart()) return;
    const { workload } = this.#load;
    const operation = workload.next();
    const frame = Buffer.allocUnsafe(operation.bytes);
    workload.write(operation, frame, 0);
    const startedMs = performance.now();
    this.#waiting += 1;
    link.request(frame, DEADLINE_MS, (result) => {
      this.#waiting -= 1;
      if (result.kind === 'failed') this.#load.tally.failed(`no answer: ${result.why}`);
      else this.#answered(operation, startedMs, returnCodeOf(result.bytes));
      this.#start();
    });
  }

  #answered(operation: Operation, startedMs: number, returnCode: number): void {
    if (returnCode !== RETURN_CODES.OK && returnCode !== RETURN_CODES.NOT_FOUND) {
      this.#load.failed(failureName(returnCode));
      // Over TCP the other end would close; here it is for us to look for the master.
      if (returnCode === RETURN_CODES.NOT_MASTER) this.#link?.close('not the master');
      return;
    }
    this.#load.tally.answered(operation, startedMs, performance.now());
    this.#load.answered();
  }
}
