/** Runs long work in slices between other things, so that nothing holds the event loop for more than a few ms. */
import { NurseryError } from '../../src/base/errors.ts';
import type { Work } from '../store/types.ts';

/** Longest a piece of work may go on before others have their turn (ms). */
export const SLICE_MS = 1;

/** Why work ended that nobody waited for. */
export const ABANDONED = new NurseryError('UNREACHABLE', 'nobody waits for the answer any more');

const NEVER = (): boolean => false;

type Task = { step(): boolean };

/** Works on its tasks in turn, one slice each, yielding to the event loop between slices. */
export class Scheduler {
  readonly #tasks: Task[] = [];
  readonly #nowMs: () => number;
  readonly #defer: (run: () => void, tookMs: number) => void;
  #running = false;
  /** What slices took since the last was deferred (ms). */
  #tookMs = 0;

  /** @param defer runs something later, and hears how long (ms) slices took since it was called last */
  constructor(nowMs: () => number, defer: (run: () => void, tookMs: number) => void) {
    this.#nowMs = nowMs;
    this.#defer = defer;
  }

  /**
   * Carries `work` to its end and calls `done` with its result; or calls `failed` with what it threw. Ends at
   * once where the first slice suffices; after each slice that does not, `paused` is called before anything else runs.
   * Where nobody waits for it any more (`isOver`) it ends before its next slice, and `failed` hears ABANDONED.
   */
  run<T>(
    work: Work<T>,
    done: (result: T) => void,
    failed: (error: unknown) => void,
    paused: () => void = () => undefined,
    isOver: () => boolean = NEVER,
  ): void {
    const task = this.#task(work, done, failed, paused, isOver);
    if (task.step()) return;
    this.#tasks.push(task);
    this.#schedule();
  }

  #task<T>(
    work: Work<T>,
    done: (result: T) => void,
    failed: (error: unknown) => void,
    paused: () => void,
    isOver: () => boolean,
  ): Task {
    return {
      step: () => {
        if (isOver()) {
          failed(ABANDONED);
          return true;
        }
        const beganMs = this.#nowMs();
        let next: IteratorResult<undefined, T>;
        let tookMs = 0;
        try {
          do {
            next = work.next();
            if (next.done !== true) tookMs = this.#nowMs() - beganMs;
          } while (next.done !== true && tookMs < SLICE_MS);
        } catch (error) {
          failed(error);
          return true;
        }
        if (next.done === true) done(next.value);
        else paused();
        this.#tookMs += tookMs;
        return next.done === true;
      },
    };
  }

  #schedule(): void {
    if (this.#running) return;
    this.#running = true;
    const tookMs = this.#tookMs;
    this.#tookMs = 0;
    this.#defer(() => {
      this.#running = false;
      const task = this.#tasks.shift();
      if (task !== undefined && !task.step()) this.#tasks.push(task);
      if (this.#tasks.length > 0) this.#schedule();
    }, tookMs);
  }
}
