/** Asks the nodes of a cluster who their master is. */
import { NurseryError, RETURN_CODES } from '../base/errors.ts';
import { decodeBool, decodeOptionalText } from '../protocol/arakoon/replies.ts';
import { encodeRequest } from '../protocol/arakoon/requests.ts';
import { returnCodeOf } from '../protocol/arakoon/values.ts';
import { PAUSE_MAX_MS, PAUSE_MIN_MS } from './call.ts';
import type { Endpoint } from './endpoint.ts';

/** How long a node has to say who the master is (ms). */
const ANSWER_MS = 1000;

const WHO_MASTER = encodeRequest({ kind: 'whoMaster' });
/** A router says yes while it can serve every key. */
const IS_READY = encodeRequest({ kind: 'expectProgressPossible' });
const NO_MASTER = new NurseryError('NOT_MASTER', 'no master is known');

/** The master, or a router and whether it is ready; or null, and why none was found. */
type Found = (master: Endpoint | null, why: NurseryError, isReady: boolean) => void;

/** Searches once at a time, for all who ask meanwhile. After a search in vain it pauses before it says so. */
export class MasterSearch {
  #asking: Found[] = [];
  #pauseMs = PAUSE_MIN_MS;

  /** Calls `found` when the search among `endpoints`, or the one that is under way, has ended. */
  find(endpoints: readonly Endpoint[], found: Found): void {
    this.#asking.push(found);
    if (this.#asking.length > 1) return;
    askAll(endpoints, (master, why, isReady) => {
      if (master !== null) {
        this.#pauseMs = PAUSE_MIN_MS;
        this.#end(master, why, isReady);
        return;
      }
      setTimeout(() => this.#end(null, why, false), this.#pauseMs * (0.5 + Math.random()));
      this.#pauseMs = Math.min(this.#pauseMs * 2, PAUSE_MAX_MS);
    });
  }

  #end(master: Endpoint | null, why: NurseryError, isReady: boolean): void {
    const asking = this.#asking;
    this.#asking = [];
    for (const found of asking) found(master, why, isReady);
  }
}

/**
 * Asks all at once; the first that names one of them decides, or that is a router and ready. A router that is not says best
 * itself why, but only where nobody else serves.
 */
function askAll(endpoints: readonly Endpoint[], found: Found): void {
  let left = endpoints.length;
  let ended = false;
  let unready: Endpoint | null = null;
  let why = new NurseryError('UNREACHABLE', 'nobody answered');
  const answered = (named: Endpoint | null, reason: NurseryError, isReady = true): void => {
    left -= 1;
    if (why.code !== 'NOT_MASTER') why = reason; // that a node answered says more than that another did not
    if (!isReady) unready ??= named;
    const chosen = isReady ? named : null;
    if (ended || (chosen === null && left > 0)) return;
    ended = true;
    found(chosen ?? unready, why, chosen !== null);
  };
  if (left === 0) answered(null, why);
  for (const endpoint of endpoints) ask(endpoint, endpoints, answered);
}

/** What one of those asked says: the master's endpoint, or a router's, which finds the master itself once it is ready. */
type Answered = (named: Endpoint | null, why: NurseryError, isReady?: boolean) => void;

function ask(endpoint: Endpoint, endpoints: readonly Endpoint[], answered: Answered): void {
  endpoint.open().then(
    (link) => {
      if (link.peer.role === 'router') {
        link.request(IS_READY, ANSWER_MS, (result) =>
          answered(endpoint, NO_MASTER, result.kind === 'reply' && isYes(result.bytes)),
        );
        return;
      }
      link.request(WHO_MASTER, ANSWER_MS, (result) => {
        const name = result.kind === 'reply' ? masterNamed(result.bytes) : null;
        const named = name === null ? undefined : endpoints.find((one) => one.isCalled(name));
        answered(named ?? null, name === null || named !== undefined ? NO_MASTER : elsewhere(name));
      });
    },
    (error: unknown) => {
      if (!(error instanceof NurseryError)) throw error;
      answered(null, error);
    },
  );
}

/** Whoever was given some of the addresses only meets those who know better. */
function elsewhere(master: string): NurseryError {
  return new NurseryError('NOT_MASTER', `the master is ${master}, which is not among the addresses`);
}

function isYes(reply: Buffer): boolean {
  return understood(reply, decodeBool) ?? false;
}

function masterNamed(reply: Buffer): string | null {
  return understood(reply, decodeOptionalText);
}

/** Null where it is no success, or nothing that can be read. */
function understood<T>(reply: Buffer, decode: (reply: Buffer) => T): T | null {
  try {
    return returnCodeOf(reply) === RETURN_CODES.OK ? decode(reply) : null;
  } catch (error) {
    if (!(error instanceof NurseryError)) throw error;
    return null;
  }
}
