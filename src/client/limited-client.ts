/** Clients of a command that has to end in time: no call of theirs outlasts it, and whoever is silent is named with what to type. */
import { NurseryError } from '../base/errors.ts';
import type { KnownCluster } from '../protocol/admin/admin.ts';
import { DEADLINE_MS, type Reply, type SendOptions } from './call.ts';
import { ClusterClient, type Identity } from './cluster-client.ts';

/** Whoever is stopped by the limit itself may say first for what it waited; then calls end (ms). */
const CALLS_AFTER_MS = 250;

/** Until when a command may take. */
export class TimeLimit {
  /** How long it is, for people. */
  readonly seconds: number;
  #untilMs: number;

  /**
   * @param seconds from now on; Infinity: for as long as it takes
   * @param told what people have asked for, where that is more
   */
  constructor(seconds: number, told = seconds) {
    this.seconds = told;
    this.#untilMs = performance.now() + seconds * 1000;
  }

  /** Of a command: its process has begun a while ago, which counts as far as half of the time is left. */
  static ofCommand(seconds: number): TimeLimit {
    return new TimeLimit(Math.max(seconds / 2, seconds - performance.now() / 1000), seconds);
  }

  /** As of `performance.now` (ms). */
  get untilMs(): number {
    return this.#untilMs;
  }

  /** What is left (ms), less than nothing once it is over. */
  get leftMs(): number {
    return this.#untilMs - performance.now();
  }

  /** Whoever types names is not hurried: what `typing` takes does not count. */
  async uncounted<T>(typing: () => Promise<T>): Promise<T> {
    const begunMs = performance.now();
    try {
      return await typing();
    } finally {
      this.#untilMs += performance.now() - begunMs;
    }
  }

  /** @throws NurseryError TIMEOUT where it is over */
  refuseLate(): void {
    if (this.leftMs > 0) return;
    const why = `not done within ${this.seconds} s: type the same again, and it goes on`;
    throw new NurseryError('TIMEOUT', why);
  }
}

/** Whom a client asks, and until when; without a limit a call has its own deadline alone. */
export type Limited = {
  readonly limit: TimeLimit | null;
  readonly isKeeper: boolean;
  readonly keepsToFirst?: boolean;
};

/** A client as `limited` has it. */
export function clientWithin(config: KnownCluster, identity: Identity, limited: Limited): ClusterClient {
  const { limit, ...how } = limited;
  if (limit === null) return new ClusterClient(config, identity, how);
  return new LimitedClient(config, identity, { ...how, limit });
}

class LimitedClient extends ClusterClient {
  readonly #limit: TimeLimit;
  readonly #isKeeper: boolean;

  constructor(
    config: KnownCluster,
    identity: Identity,
    { limit, isKeeper, keepsToFirst = false }: Limited & { readonly limit: TimeLimit },
  ) {
    super(config, identity, { keepsToFirst });
    this.#limit = limit;
    this.#isKeeper = isKeeper;
  }

  override async send(body: Uint8Array, options: SendOptions = {}): Promise<Reply> {
    const leftMs = Math.max(0, this.#limit.leftMs + CALLS_AFTER_MS);
    const deadlineMs = Math.ceil(Math.min(options.deadlineMs ?? DEADLINE_MS, leftMs));
    try {
      return await super.send(body, { ...options, deadlineMs });
    } catch (error) {
      throw error instanceof NurseryError ? this.#inWords(error) : error;
    }
  }

  /** Silence, and a cluster without a master, are one to whoever has to end; the cause stays what it was. */
  #inWords(error: NurseryError): NurseryError {
    const { code, cause } = error;
    const isSilent = code === 'TIMEOUT' || code === 'NOT_MASTER';
    const isUnheard = code === 'UNREACHABLE' && cause instanceof NurseryError;
    const isCutShort = code === 'MAYBE_APPLIED' && this.#limit.leftMs <= 0;
    if (!isSilent && !isUnheard && !isCutShort) return error;
    const ofWhom = this.#isKeeper ? 'the keeper' : `cluster ${this.cluster}`;
    const gone = this.#isKeeper
      ? 'nursery rescue keeper'
      : `nursery rescue promote with what is left, or nursery rescue lost ${this.cluster}`;
    const nodes = `the nodes of ${ofWhom}, at best all, and end those that hang first`;
    const message = `${error.message}. Start ${nodes}; where they are gone for good: ${gone}`;
    return new NurseryError(code === 'NOT_MASTER' ? 'UNREACHABLE' : isCutShort ? 'TIMEOUT' : code, message, {
      cause,
    });
  }
}
