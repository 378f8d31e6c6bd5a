/** Carries out what a coordinator asks for: sends, waits, wakes. Holds no state of the migration itself. */
import { NurseryError } from '../src/base/errors.ts';
import type {
  AdminAnswer,
  AdminCommand,
  AdminQuery,
  Migration,
  Progress,
} from '../src/protocol/admin/admin.ts';
import type { Effect, Request } from './core/calls.ts';
import type { MigrationResult } from './core/result.ts';
import type { Settings } from './core/settings.ts';
import type { Seen } from './core/state.ts';
import { type Coordination, createCoordination, step } from './core/step.ts';

/** How a request is to be sent. */
export type SendOptions = {
  /** Whom to ask: the master, or any node that answers. */
  readonly to?: 'master' | 'any';
  /** After this long without an answer it fails with TIMEOUT. */
  readonly deadlineMs?: number;
};

/** A cluster as the migrator sees it. Both reject where no answer comes; a command may then have been carried out. */
export interface Cluster {
  command(command: AdminCommand, options?: SendOptions): Promise<AdminAnswer>;
  query(query: AdminQuery, options?: SendOptions): Promise<AdminAnswer>;
}

/** The clusters of a nursery. */
export type Clusters = {
  readonly keeper: Cluster;
  /** A cluster by its id. @throws NurseryError UNREACHABLE where nobody knows its addresses */
  cluster(id: string): Cluster | Promise<Cluster>;
};

export type RunOptions = {
  readonly clusters: Clusters;
  readonly mid: number;
  readonly settings?: Partial<Settings>;
  /** Claims it without watching its heartbeat first, where nobody has claimed it yet: for whoever planned it. */
  readonly claimAtOnce?: boolean;
  /** Token and heartbeat that the caller has watched (`performance.now()`). */
  readonly seen?: Seen | null;
  readonly onProgress?: (progress: Progress) => void;
  /** Stops without an end; the migration can be resumed. */
  readonly signal?: AbortSignal;
};

/** For an answer to a command, or to a short query (ms). */
const ANSWER_MS = 5000;
/** For a scan of the whole range (ms). */
const SCAN_MS = 600_000;

/**
 * Runs the migration until it is done or aborted.
 *
 * @throws NurseryError FENCED where another migrator works on it; REFUSED where a cluster will not have it;
 *   UNREACHABLE where a cluster is silent for too long; DAMAGED where facts exclude each other; GOING_DOWN where
 *   `signal` was raised. None of them ends the migration: it can be resumed
 */
export function runMigration(options: RunOptions): Promise<MigrationResult> {
  return new Promise((resolve, reject) => new Run(options, resolve, reject).start());
}

class Run {
  readonly #options: RunOptions;
  readonly #coordination: Coordination;
  readonly #resolve: (result: MigrationResult) => void;
  readonly #reject: (error: Error) => void;
  #timer: NodeJS.Timeout | undefined;
  #ended = false;

  constructor(
    options: RunOptions,
    resolve: (result: MigrationResult) => void,
    reject: (error: Error) => void,
  ) {
    this.#options = options;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#coordination = createCoordination({
      mid: options.mid,
      startedAtMs: Date.now(),
      claimAtOnce: options.claimAtOnce ?? false,
      seen: options.seen ?? null,
      ...(options.settings === undefined ? {} : { settings: options.settings }),
    });
  }

  start(): void {
    const { signal } = this.#options;
    if (signal?.aborted) this.#stop();
    signal?.addEventListener('abort', this.#stop);
    this.#turn({ kind: 'start' });
  }

  readonly #stop = (): void => {
    this.#fail(new NurseryError('GOING_DOWN', `stopped; migration ${this.#options.mid} can be resumed`));
  };

  #turn(event: { kind: 'start' | 'tick' } | AnswerEvent): void {
    if (this.#ended) return;
    try {
      const effects = step(this.#coordination, { ...event, nowMs: performance.now() });
      for (const effect of effects) this.#carryOut(effect);
    } catch (error) {
      this.#fail(error as Error); // a broken invariant: the caller's process ends
    }
  }

  #carryOut(effect: Effect): void {
    switch (effect.kind) {
      case 'send':
        this.#send(effect.call, effect.cluster, effect.request);
        return;
      case 'wake':
        clearTimeout(this.#timer);
        this.#timer = setTimeout(() => this.#turn({ kind: 'tick' }), effect.atMs - performance.now());
        return;
      case 'progress':
        this.#options.onProgress?.(effect.progress);
        return;
      case 'finished':
        this.#end();
        this.#resolve(effect.result);
        return;
      case 'failed':
        this.#fail(new NurseryError(effect.code, effect.message));
    }
  }

  #send(call: number, clusterId: string, request: Request): void {
    this.#answerOf(clusterId, request).then(
      (answer) => this.#turn({ kind: 'answer', call, answer }),
      (error: unknown) => this.#turn({ kind: 'unanswered', call, why: reasonOf(error) }),
    );
  }

  async #answerOf(clusterId: string, request: Request): Promise<AdminAnswer> {
    const { clusters } = this.#options;
    const cluster = clusterId === '' ? clusters.keeper : await clusters.cluster(clusterId);
    if (request.kind === 'command') return await cluster.command(request.command, { deadlineMs: ANSWER_MS });
    const deadlineMs = request.query.kind === 'scanBase' ? SCAN_MS : ANSWER_MS;
    return await cluster.query(request.query, { to: request.node, deadlineMs });
  }

  #fail(error: Error): void {
    if (this.#ended) return;
    this.#end();
    this.#reject(error);
  }

  #end(): void {
    this.#ended = true;
    clearTimeout(this.#timer);
    this.#options.signal?.removeEventListener('abort', this.#stop);
  }
}

/**
 * Why no answer came, for people who are told since when beside it: what a client says of its own deadline would be another
 * time.
 */
function reasonOf(error: unknown): string {
  if (!(error instanceof NurseryError)) return error instanceof Error ? error.message : String(error);
  if (error.cause instanceof NurseryError) return error.cause.message;
  return error.code === 'TIMEOUT' || error.code === 'MAYBE_APPLIED' ? '' : error.message;
}

type AnswerEvent =
  | { readonly kind: 'answer'; readonly call: number; readonly answer: AdminAnswer }
  | { readonly kind: 'unanswered'; readonly call: number; readonly why: string };

/** Every migration that the keeper knows, ended ones included. */
export async function listMigrations(keeper: Cluster): Promise<Migration[]> {
  const answer = await keeper.query({ kind: 'listMigrations' }, { to: 'master', deadlineMs: ANSWER_MS });
  if (answer.kind !== 'migrations') throw unexpected('listMigrations', answer);
  return answer.migrations;
}

/** Whether it is neither done nor aborted. */
export function isOpen(migration: Migration): boolean {
  return migration.phase === 'active' || migration.phase === 'published';
}

/** The error for an answer that the question does not have. */
export function unexpected(question: string, answer: AdminAnswer): NurseryError {
  const why = 'why' in answer ? answer.why : `the answer is ${answer.kind}`;
  return new NurseryError('REFUSED', `${question}: ${why}`);
}
