/**
 * Many seeds through the simulator, some of them others in each run (`SIM_CONSENSUS_SEEDS` says how many); `SEED=n` replays
 * one of them with its trace.
 */
import { randomInt } from 'node:crypto';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Rare } from '../base/rare.ts';
import { runSeeds } from '../nursery/pool.ts';
import { type Outcome, runSeed } from './cluster.ts';
import { CONSENSUS_WANTED } from './wanted.ts';

const SEEDS = 200;
/** Where the seeds begin that are the same in each run. */
const FIRST_SEED = 1;
/** Seeds that nobody has run before, in each run. */
const FRESH = Number(process.env['SIM_CONSENSUS_SEEDS'] ?? 100);
const WORKERS = Number(process.env['SIM_WORKERS'] ?? 1);

/** Runs one seed; its error names the seed. */
function run(seed: number, trace?: (line: string) => void): Outcome {
  try {
    return runSeed(trace === undefined ? { seed } : { seed, trace });
  } catch (error) {
    if (error instanceof Error)
      error.message += ` (replay: nursery sim --only consensus --replay ${seed} --trace)`;
    throw error; // the same object, so that uvu still prints it in full
  }
}

const only = process.env['SEED'];

if (only !== undefined) {
  test(`seed ${only}`, () => {
    run(Number(only), (line) => process.stderr.write(`${line}\n`));
  });
} else {
  test(`${SEEDS} seeds keep every promise`, () => {
    const rare = new Rare();
    let acknowledged = 0;
    for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed += 1) {
      const outcome = run(seed);
      rare.add(outcome.rare);
      acknowledged += outcome.acknowledged;
    }
    assert.ok(acknowledged > SEEDS * 100, `${acknowledged} proposals were acknowledged`);
    const missed = CONSENSUS_WANTED.filter((what) => !rare.counts.has(what));
    assert.equal(missed, [], 'every rare event happened');
  });

  test(`${FRESH} fresh seeds keep every promise`, async () => {
    const first = randomInt(2 ** 31);
    console.log(`\n${FRESH} clusters from seed ${first}`);
    const { failed } = await runSeeds({
      first,
      count: FRESH,
      workers: WORKERS,
      plan: { simulation: 'consensus', changes: {} },
    });
    const replays = failed.map(
      ({ seed, message }) => `${message}\n(replay: nursery sim --only consensus --replay ${seed} --trace)`,
    );
    assert.equal(replays, []);
  });

  test('a seed decides everything', () => {
    assert.equal(run(FIRST_SEED).digest, run(FIRST_SEED).digest);
  });
}

test.run();
