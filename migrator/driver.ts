/** Carries out what a coordinator asks for: sends, waits, wakes. Holds no state of the migration itself. */
import { unreachable } from '../src/base/assert.ts';
import { NurseryError } from '../src/base/errors.ts';
import type { Progress } from '../src/protocol/admin/admin.ts';
import type { MigrationResult } from '../src/protocol/admin/moves.ts';
import type { Effect, Event, Request } from './core/calls.ts';
import type { Settings } from './core/settings.ts';
import type { Seen } from './core/state.ts';
import { type Coordination, createCoordination, step } from './core/step.ts';
import { worldOf } from './process-world.ts';
import { ANSWER_MS } from './questions.ts';
import type { Clusters, World } from './world.ts';

/** Which migration, and how it is to be run. */
export type HowToRun = {
  readonly mid: number;
  readonly settings?: Partial<Settings>;
  /** Called once it holds a token: it works on it from then on. */
  readonly onClaimed?: (() => void) | undefined;
  /** Claims it without watching its heartbeat first, where nobody has claimed it yet: for whoever planned it. */
  readonly claimAtOnce?: boolean;
  /** Token and heartbeat that the caller has watched, by the World's clock. */
  readonly seen?: Seen | null;
  readonly onProgress?: (progress: Progress) => void;
};

export type RunOptions = HowToRun & {
  readonly clusters: Clusters;
  /** Stops without an end; the migration can be resumed. */
  readonly signal?: AbortSignal;
};

/** For a scan of the whole range (ms). */
const SCAN_MS = 600_000;

/**
 * Runs the migration until it is done or aborted.
 *
 * @throws NurseryError FENCED where another migrator works on it; REFUSED where a cluster will not have it;
 *   UNREACHABLE where a cluster is silent for too long; DAMAGED where facts exclude each other; GOING_DOWN where
 *   `signal` was raised. None of them ends the migration: it can be resumed
 */
export function runMigration({ clusters, signal, ...how }: RunOptions): Promise<MigrationResult> {
  return new Promise((resolve, reject) => {
    const stop = (): void => run.stop();
    const run = new Run(worldOf(clusters), how, (result) => {
      signal?.removeEventListener('abort', stop);
      if (result instanceof Error) reject(result);
      else resolve(result);
    });
    signal?.addEventListener('abort', stop);
    if (signal?.aborted === true) stop();
    else run.start();
  });
}

type WithoutTime<E> = E extends unknown ? Omit<E, 'nowMs'> : never;
type Happening = WithoutTime<Event>;

/** One coordinator at work. */
export class Run {
  readonly mid: number;
  readonly #world: World;
  /** What the coordinator knows; the run alone changes it. */
  readonly coordination: Coordination;
  readonly #onProgress: ((progress: Progress) => void) | undefined;
  /** Null once it was called. */
  #onClaimed: (() => void) | null;
  readonly #ended: (result: MigrationResult | Error) => void;
  /** Takes the timer back. */
  #timer: (() => void) | null = null;
  #result: MigrationResult | Error | null = null;

  /**
   * @param ended called once: with how the migration ended; or with why this run did, which leaves the migration as it is. That
   *   is a NurseryError as `runMigration` has it, or a broken invariant, with which the caller's process should end
   */
  constructor(world: World, how: HowToRun, ended: (result: MigrationResult | Error) => void) {
    this.mid = how.mid;
    this.#world = world;
    this.#onProgress = how.onProgress;
    this.#onClaimed = how.onClaimed ?? null;
    this.#ended = ended;
    this.coordination = createCoordination({
      mid: how.mid,
      startedAtMs: world.wallMs(),
      claimAtOnce: how.claimAtOnce ?? false,
      seen: how.seen ?? null,
      ...(how.settings === undefined ? {} : { settings: how.settings }),
    });
  }

  /** Whether it has stopped, with or without an end. */
  get isOver(): boolean {
    return this.#result !== null;
  }

  /** Whether it has ever held a token: what it knows of the end it may have from others. */
  get hasClaimed(): boolean {
    return this.coordination.claim.token > 0;
  }

  start(): void {
    this.#turn({ kind: 'start' });
  }

  /** Gives the migration up, so that others may claim it at once, and then ends; it takes an answer of the keeper. */
  leave(): void {
    this.#turn({ kind: 'leave' });
  }

  /** Stops without an end. */
  stop(): void {
    this.#end(new NurseryError('GOING_DOWN', `stopped; migration ${this.mid} can be resumed`));
  }

  #turn(event: Happening): void {
    if (this.isOver) return;
    let result: MigrationResult | Error | null = null;
    try {
      for (const effect of step(this.coordination, { ...event, nowMs: this.#world.nowMs() }))
        result = this.#carryOut(effect) ?? result;
      this.#noteClaim();
    } catch (error) {
      result = error as Error;
    }
    if (result !== null) this.#end(result);
  }

  #noteClaim(): void {
    if (this.#onClaimed === null || !this.hasClaimed) return;
    const onClaimed = this.#onClaimed;
    this.#onClaimed = null;
    onClaimed();
  }

  /** What it ends the run with; null where it goes on. */
  #carryOut(effect: Effect): MigrationResult | Error | null {
    switch (effect.kind) {
      case 'send':
        this.#send(effect);
        return null;
      case 'wake':
        this.#wake(effect.atMs);
        return null;
      case 'progress':
        this.#onProgress?.(effect.progress);
        return null;
      case 'findRoom':
        this.#world.findRoom(effect.migration, (why) => this.#turn({ kind: 'room', why }));
        return null;
      case 'finished':
        return effect.result;
      case 'failed':
        return new NurseryError(effect.code, effect.message);
      default:
        return unreachable(effect);
    }
  }

  #send({ call, cluster, request }: Extract<Effect, { kind: 'send' }>): void {
    this.#world.ask(cluster, request, deadlineMsOf(request), (answer) => {
      if (answer instanceof Error) this.#turn({ kind: 'unanswered', call, why: reasonOf(answer) });
      else this.#turn({ kind: 'answer', call, answer });
    });
  }

  #wake(atMs: number): void {
    this.#timer?.();
    this.#timer = this.#world.after(atMs - this.#world.nowMs(), () => this.#turn({ kind: 'tick' }));
  }

  #end(result: MigrationResult | Error): void {
    if (this.isOver) return;
    this.#result = result;
    this.#timer?.();
    this.#ended(result);
  }
}

function deadlineMsOf(request: Request): number {
  return request.kind === 'query' && request.query.kind === 'scanBase' ? SCAN_MS : ANSWER_MS;
}

/**
 * Why no answer came, for people who are told since when beside it: what a client says of its own deadline would be another
 * time.
 */
function reasonOf(error: Error): string {
  if (!(error instanceof NurseryError)) return error.message;
  if (error.cause instanceof NurseryError) return error.cause.message;
  return error.code === 'TIMEOUT' || error.code === 'MAYBE_APPLIED' ? '' : error.message;
}
