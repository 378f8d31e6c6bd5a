/** What operators ask of a node's files: to flush, to drop what of the log is not needed, to rewrite the store. */
import { NurseryError } from '../../src/base/errors.ts';
import { failure, failureOf, OK, okCollapse } from '../../src/protocol/arakoon/replies.ts';
import type { Answer } from '../../src/protocol/arakoon/values.ts';
import type { Respond } from '../driver/proposals.ts';
import type { RequestContext } from './request-context.ts';

type Context = Pick<RequestContext, 'driver' | 'node' | 'nowMs' | 'flush' | 'collapse' | 'compact'>;

/** Carries it out; each kind of work once at a time. */
export class Upkeep {
  readonly #context: Context;
  #collapses = false;
  #compacts = false;

  constructor(context: Context) {
    this.#context = context;
  }

  /** Writes the store's overlay to disk. */
  flush(respond: Respond): void {
    later(
      this.#context.flush().then(() => OK),
      respond,
    );
  }

  /** Flushes, then drops all segments of the log that no longer count but the newest `keep`; says how long each took, from the beginning. */
  collapse(keep: number, respond: Respond): void {
    if (keep < 1) {
      respond(
        failure('UNKNOWN_FAILURE', `${keep} is not acceptable: at least one segment of the log is kept`),
      );
      return;
    }
    if (this.#collapses) {
      respond(failure('UNKNOWN_FAILURE', 'Collapsing already in progress'));
      return;
    }
    this.#collapses = true;
    later(this.#collapse(keep).then(okCollapse), respond, () => {
      this.#collapses = false;
    });
  }

  async #collapse(keep: number): Promise<number[]> {
    const { nowMs, flush, collapse } = this.#context;
    const beganMs = nowMs();
    const microseconds: number[] = [];
    await flush();
    await collapse(keep, () => microseconds.push(Math.round((nowMs() - beganMs) * 1000)));
    return microseconds;
  }

  /** The store is its own head: flushes it, and keeps `keep` segments of the log. */
  copyToHead(keep: number, respond: Respond): void {
    const refusal = this.#ofMaster('copy_db_to_head');
    if (refusal === null) this.collapse(keep, (answer) => respond(isOk(answer) ? OK : answer));
    else respond(refusal);
  }

  /** Rewrites the store's file; `name` is what the client calls that. */
  compact(name: string, respond: Respond): void {
    const refusal = this.#ofMaster(name);
    if (refusal !== null) {
      respond(refusal);
      return;
    }
    if (this.#compacts) {
      respond(failure('UNKNOWN_FAILURE', `${name}: the store is being rewritten already`));
      return;
    }
    this.#compacts = true;
    later(
      this.#context.compact().then(() => OK),
      respond,
      () => {
        this.#compacts = false;
      },
    );
  }

  /** As Arakoon has it: what would hold up clients is not done at the master. */
  #ofMaster(name: string): Answer | null {
    const { driver, node } = this.#context;
    if (driver.master() !== node) return null;
    const why = `${name}: Operation cannot be performed on master node ${node}: ask another node`;
    return failure('NOT_SUPPORTED', why);
  }
}

function isOk({ bytes }: Answer): boolean {
  return bytes[0] === 0;
}

function later(work: Promise<Answer>, respond: Respond, ended: () => void = () => undefined): void {
  work.then(
    (answer) => {
      ended();
      respond(answer);
    },
    (error: Error) => {
      ended();
      const isKnown = error instanceof NurseryError;
      respond(isKnown ? failureOf(error) : failure('UNKNOWN_FAILURE', error.message));
    },
  );
}
