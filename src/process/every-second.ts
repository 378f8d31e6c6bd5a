/** What is looked at every second, by one timer for the whole process: a process that is idle pays for each time that it wakes. */

const EVERY_MS = 1000;

const runs = new Set<() => void>();
let timer: NodeJS.Timeout | null = null;

/**
 * Calls `run` every second, the first time within one; by itself that keeps no process alive.
 *
 * @returns ends that; safe to repeat
 */
export function everySecond(run: () => void): () => void {
  const own = (): void => run(); // whoever asks twice is called twice
  runs.add(own);
  timer ??= setInterval(() => {
    for (const each of [...runs]) if (runs.has(each)) each();
  }, EVERY_MS).unref();
  return () => {
    runs.delete(own);
    if (runs.size > 0 || timer === null) return;
    clearInterval(timer);
    timer = null;
  };
}
