/** Runs long work in slices between other things, so that nothing holds the event loop for more than a few ms. */
import type { Work } from './store/types.ts';

/** Longest a piece of work may go on before others have their turn (ms). */
export const SLICE_MS = 1;

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
   */
  run<T>(
    work: Work<T>,
    done: (result: T) => void,
    failed: (error: unknown) => void,
    paused: () => void = () => undefined,
  ): void {
    const task = this.#task(work, done, failed, paused);
    if (task.step()) return;
    this.#tasks.push(task);
    this.#schedule();
  }

  #task<T>(
    work: Work<T>,
    done: (result: T) => void,
    failed: (error: unknown) => void,
    paused: () => void,
  ): Task {
    return {
      step: () => {
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
