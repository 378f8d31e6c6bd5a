/** Several tasks at a time, a bounded number of them. */

/**
 * Runs all of `tasks`, at most `max` at a time, and resolves with their results in their order. A failure stops none of
 * the others.
 *
 * @throws what the first of them, in their order, has thrown, when all have ended
 */
export async function sideBySide<T>(tasks: readonly (() => Promise<T>)[], max: number): Promise<T[]> {
  const waiting = tasks.entries();
  const ended: PromiseSettledResult<T>[] = [];
  const work = async (): Promise<void> => {
    for (const [index, task] of waiting) {
      const [outcome] = await Promise.allSettled([task()]);
      ended[index] = outcome;
    }
  };
  await Promise.all(Array.from({ length: max }, work));
  return ended.map((outcome) => {
    if (outcome.status === 'rejected') throw outcome.reason;
    return outcome.value;
  });
}
