/** Moves under every fault at once: some hundred schedules, others in each run. */
import { randomInt } from 'node:crypto';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Counts, simulate } from './simulation.ts';
import { MIGRATION_WANTED_FROM_SEEDS, migrationWanted } from './wanted.ts';

/** Schedules of one run; `SIM_MIGRATION_SEEDS` says how many, `SEED=n` runs that one alone. */
const SEEDS = Number(process.env['SIM_MIGRATION_SEEDS'] ?? MIGRATION_WANTED_FROM_SEEDS);

test('ranges move, or stay; no update is lost, no key is served twice, and everything ends', () => {
  const replay = process.env['SEED'];
  const first = Number(replay ?? randomInt(2 ** 31));
  console.log(`\n${replay === undefined ? SEEDS : 1} schedules of moves from seed ${first}`);
  const counts: Counts = new Map();
  for (let seed = first; seed < first + (replay === undefined ? SEEDS : 1); seed += 1) {
    try {
      simulate(seed, counts);
    } catch (error) {
      if (error instanceof Error)
        error.message += ` (replay: nursery sim --only migration --replay ${seed} --trace)`;
      throw error;
    }
  }
  if (replay !== undefined) return;
  const never = migrationWanted(SEEDS).filter((what) => !counts.has(what));
  assert.equal(never, [], `never happened in ${SEEDS} schedules from seed ${first}`);
});

test('one seed is one schedule', () => {
  const runs = [1, 2].map(() => {
    const counts: Counts = new Map();
    simulate(7, counts);
    return [...counts].sort();
  });
  assert.equal(runs[0], runs[1]);
});

test.run();
