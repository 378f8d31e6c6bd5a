/** Stores under every fault at once: some that are the same in each run, and some others. `SEED=n` runs that one alone. */
import { randomInt } from 'node:crypto';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Rare } from '../base/rare.ts';
import { simulateStore } from './simulation.ts';
import { STORE_WANTED, STORE_WANTED_FROM_SEEDS } from './wanted.ts';

/** Seeds from 1 on, in which all that is wanted happens, and others. */
const SEEDS = STORE_WANTED_FROM_SEEDS;
const FRESH = Number(process.env['SIM_STORE_SEEDS'] ?? 50);

async function keep(first: number, count: number): Promise<Rare> {
  const rare = new Rare();
  for (let seed = first; seed < first + count; seed += 1) {
    try {
      await simulateStore(seed, rare);
    } catch (error) {
      if (error instanceof Error)
        error.message += ` (replay: nursery sim --only store --replay ${seed} --trace)`;
      throw error;
    }
  }
  return rare;
}

const only = process.env['SEED'];

if (only !== undefined) {
  test(`seed ${only}`, async () => void (await keep(Number(only), 1)));
} else {
  test('readers see one image, what was flushed is kept, and all runs are merged in the end', async () => {
    const rare = await keep(1, SEEDS);
    const never = STORE_WANTED.filter((what) => !rare.counts.has(what));
    assert.equal(never, [], `never happened in ${SEEDS} stores`);
    await keep(randomInt(2 ** 31), FRESH);
  });

  test('one seed is one history', async () => {
    const [one, other] = [await simulateStore(7, new Rare()), await simulateStore(7, new Rare())];
    assert.equal(one, other);
  });
}

test.run();
