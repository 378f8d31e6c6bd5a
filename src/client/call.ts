/** One request of a client on its way: how it is to be sent, and what became of it so far. */
import { NurseryError } from '../base/errors.ts';
import { answerMarginMs } from '../base/limits.ts';
import type { LinkResult } from '../link/link.ts';
import type { Hint } from '../protocol/admin/admin.ts';
import { isUpdateCode, requestCode, requestName } from '../protocol/arakoon/requests.ts';
import type { Endpoint } from './endpoint.ts';

/** How long a call may take unless it says otherwise (ms). */
export const DEADLINE_MS = 10_000;
/** Pauses between attempts double from the first to the last of these (ms), with jitter. */
export const PAUSE_MIN_MS = 2;
export const PAUSE_MAX_MS = 100;

/** How to send. */
export type SendOptions = {
  /** Default 'master'. 'follower' is any node too, but the master only where no other is recent enough. A name is a node's. */
  readonly to?: 'master' | 'any' | 'follower' | (string & {});
  /** From now until the call fails (ms). Default DEADLINE_MS. */
  readonly deadlineMs?: number;
  /** The update may be carried out more than once: it is sent again where its fate is unknown. Default false. */
  readonly idempotent?: boolean;
};

/** A whole reply as on TCP, where the key may be instead, and the cluster id of who answered. */
export type Reply = { readonly bytes: Buffer; readonly hint: Hint | null; readonly cluster: string };

/** One call of `send`, through all its attempts. */
export class Call {
  readonly body: Uint8Array;
  readonly to: string;
  readonly deadlineMs: number;
  readonly deadlineAtMs: number;
  readonly isUpdate: boolean;
  /** Whether it may be sent again when its fate is unknown. */
  readonly repeatable: boolean;
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: NurseryError) => void;
  /** For the link; one function for all attempts. */
  readonly done: (result: LinkResult) => void;
  /** Where it was sent last. */
  endpoint: Endpoint | null = null;
  /** Why the last attempt failed. */
  why = new NurseryError('UNREACHABLE', 'nobody answered');
  /** Before the next attempt (ms). */
  pauseMs = PAUSE_MIN_MS;
  /** The next attempt needs no pause. */
  hurry = false;
  redirects = 0;
  maybeApplied = false;
  settled = false;
  timer: NodeJS.Timeout | null = null;

  constructor(
    ended: (call: Call, result: LinkResult) => void,
    body: Uint8Array,
    options: SendOptions,
    resolve: (reply: Reply) => void,
    reject: (error: NurseryError) => void,
  ) {
    this.body = body;
    this.to = options.to ?? 'master';
    this.deadlineMs = options.deadlineMs ?? DEADLINE_MS;
    this.deadlineAtMs = performance.now() + this.deadlineMs;
    this.isUpdate = isUpdateCode(requestCode(body));
    this.repeatable = !this.isUpdate || options.idempotent === true;
    this.resolve = resolve;
    this.reject = reject;
    this.done = (result) => ended(this, result);
  }

  get name(): string {
    return requestName(requestCode(this.body));
  }

  /** Whether an answer that is asked for now could come before the deadline, from whoever holds the request until shortly before. */
  isWorthSending(nowMs: number): boolean {
    return this.deadlineAtMs - nowMs > 2 * answerMarginMs(this.deadlineMs);
  }
}
