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
  readonly #defer: (run: () => void) => void;
  #running = false;

  constructor(nowMs: () => number, defer: (run: () => void) => void) {
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
        const untilMs = this.#nowMs() + SLICE_MS;
        let next: IteratorResult<undefined, T>;
        try {
          do next = work.next();
          while (next.done !== true && this.#nowMs() < untilMs);
        } catch (error) {
          failed(error);
          return true;
        }
        if (next.done === true) done(next.value);
        else paused();
        return next.done === true;
      },
    };
  }

  #schedule(): void {
    if (this.#running) return;
    this.#running = true;
    this.#defer(() => {
      this.#running = false;
      const task = this.#tasks.shift();
      if (task !== undefined && !task.step()) this.#tasks.push(task);
      if (this.#tasks.length > 0) this.#schedule();
    });
  }
}
