/**
 * Many whole nurseries, other faults in each; some are the same in each run, some nobody has run before. `SEED=n` runs that
 * one alone; `SIM_SEEDS` and `SIM_WORKERS` say how many fresh ones, and in how many processes.
 */
import { randomInt } from 'node:crypto';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Rare } from '../base/rare.ts';
import { UNDECIDED } from './history.ts';
import { runSeed } from './nursery.ts';
import { runSeeds } from './pool.ts';
import { WANTED, WANTED_FROM_SEEDS } from './wanted.ts';

const IS_LONG = process.env['SIM_SEEDS'] !== undefined;
/** Seeds that are the same in each run, from 1 on; where there is time, so many that everything that is wanted is met. */
const SEEDS = IS_LONG ? WANTED_FROM_SEEDS : 40;
const FRESH = Number(process.env['SIM_SEEDS'] ?? 10);
const WORKERS = Number(process.env['SIM_WORKERS'] ?? 2);
/** What each history has at least. */
const OPERATIONS_MIN = 2000;
const FAULTS_MIN = 30;
const MIGRATIONS_MIN = 2;
const VIRTUAL_MS_MIN = 60_000;

/** Runs that many seeds; what they met. */
async function keepEveryPromise(first: number, count: number): Promise<Rare> {
  const { passed, failed, rare } = await runSeeds({ first, count, workers: WORKERS });
  const replays = failed.map(
    ({ seed, message }) => `${message}\n(replay: nursery sim --replay ${seed} --trace)`,
  );
  assert.equal(replays, []);
  for (const { seed, operations, faults, migrations, virtualMs } of passed) {
    const what = `seed ${seed}: ${operations} operations, ${faults} faults, ${migrations} migrations`;
    const isEnough = operations >= OPERATIONS_MIN && faults >= FAULTS_MIN && virtualMs >= VIRTUAL_MS_MIN;
    assert.ok(isEnough && migrations >= MIGRATIONS_MIN, what);
  }
  const undecided = rare.counts.get(UNDECIDED) ?? 0;
  assert.ok(undecided <= Math.ceil(count / 20), `${undecided} keys were too entangled to judge`);
  return rare;
}

const only = process.env['SEED'];

if (only !== undefined) {
  test(`seed ${only}`, () => {
    runSeed({ seed: Number(only) });
  });
} else {
  test(`${SEEDS} nurseries keep every promise`, async () => {
    const rare = await keepEveryPromise(1, SEEDS);
    const never = (IS_LONG ? WANTED : []).filter((what) => !rare.counts.has(what));
    assert.equal(never, [], `never happened in ${SEEDS} nurseries`);
  });

  test(`${FRESH} fresh nurseries keep every promise`, async () => {
    const first = randomInt(2 ** 31);
    console.log(`\n${FRESH} nurseries from seed ${first}`);
    await keepEveryPromise(first, FRESH);
  });

  test('one seed is one history', () => {
    assert.is(runSeed({ seed: 7 }).digest, runSeed({ seed: 7 }).digest);
  });

  test('no clock, no timer and no chance from outside', () => {
    const real = { now: Date.now, performance: performance.now, random: Math.random, timeout: setTimeout };
    const forbidden = (): never => {
      throw new Error('the simulation asked for what cannot be replayed');
    };
    Date.now = forbidden;
    performance.now = forbidden;
    Math.random = forbidden;
    globalThis.setTimeout = forbidden as unknown as typeof setTimeout;
    try {
      runSeed({ seed: 7 });
    } finally {
      Date.now = real.now;
      performance.now = real.performance;
      Math.random = real.random;
      globalThis.setTimeout = real.timeout;
    }
  });
}

test.run();
