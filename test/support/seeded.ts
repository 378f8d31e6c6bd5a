/** Random tests that can be replayed from one number. */
import { randomInt } from 'node:crypto';
import { test } from 'uvu';
import { createRandom, type Random } from './random.ts';

export { createRandom, type Random } from './random.ts';

/** Runs `body` under one seed and names the seed on failure; `SEED=n` replays that very run. */
export function seeded(name: string, body: (random: Random, seed: number) => void | Promise<void>): void {
  const seed = Number(process.env['SEED'] ?? randomInt(2 ** 32));
  test(name, async () => {
    try {
      await body(createRandom(seed), seed);
    } catch (error) {
      if (error instanceof Error) error.message += ` (replay: SEED=${seed})`;
      throw error; // the same object, so that uvu still prints its diff
    }
  });
}
