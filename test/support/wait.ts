/** Waiting for a condition by asking again and again, never by hoping that some time is enough. */

export type WaitOptions = {
  /** How long it may take (ms). Default 60 s: a slow machine is no failure. */
  readonly withinMs?: number;
  /** Between two attempts (ms). Default 20; after one that took longer, such as a command, as long as that took, `REST_MAX_MS` at most. */
  readonly everyMs?: number;
};

/** Other tests, and what is waited for, need the processor, too (ms). */
const REST_MAX_MS = 500;

/**
 * The first result of `attempt` that is neither null nor false. An attempt that throws has not succeeded yet.
 *
 * @throws Error that says what was awaited, for how long, and what the last attempt said
 */
export async function until<T>(
  what: string,
  attempt: () => Promise<T | null | false> | T | null | false,
  options: WaitOptions = {},
): Promise<T> {
  const withinMs = options.withinMs ?? 60_000;
  const beganMs = performance.now();
  for (;;) {
    const triedMs = performance.now();
    let last: string;
    try {
      const result = await attempt();
      if (result !== null && result !== false) return result;
      last = String(result);
    } catch (error) {
      last = String(error);
    }
    if (performance.now() - beganMs > withinMs)
      throw new Error(`waited ${withinMs} ms for ${what}; at last: ${last}`);
    await pause(Math.max(options.everyMs ?? 20, Math.min(performance.now() - triedMs, REST_MAX_MS)));
  }
}

/** Resolves after a while: the beat of a poll, or the length of a load that is measured. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** `work`, or an error once it has taken longer than `limitMs`. */
export async function within<T>(limitMs: number, what: string, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} took longer than ${limitMs} ms`)), limitMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
