/**
 * Many seeds through the simulator, some of them others in each run (`SIM_CONSENSUS_SEEDS` says how many); `SEED=n` replays
 * one of them with its trace.
 */
import { randomInt } from 'node:crypto';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { runSeeds } from '../nursery/pool.ts';
import { type Outcome, runSeed } from './cluster.ts';
import { Rare } from './rare.ts';
import { CONSENSUS_WANTED } from './wanted.ts';

const SEEDS = 200;
/** Where the seeds begin that are the same in each run. */
const FIRST_SEED = 1;
/** Seeds that nobody has run before, in each run. */
const FRESH = Number(process.env['SIM_CONSENSUS_SEEDS'] ?? 100);
const WORKERS = Number(process.env['SIM_WORKERS'] ?? 1);

/** Seeds that once found something (docs/reliability.md); the way each of them led there is kept. */
const FOUND: readonly (readonly [seed: number, what: string])[] = [
  [41, 'members without a master tell each other what is chosen'],
  [71, 'a slot whose last record is not durable is served to nobody'],
  [72, 'an older admission ends no life that came after it'],
  [101, 'a newcomer catches up without a master'],
  [138, 'a member that is removed leaves last'],
  [292, 'no vote for a slot that is known chosen'],
  [455, 'a forced master that was wiped is admitted by another one'],
  [528, 'of two members, one vouches for every life of the other that asks'],
  [602, 'a life that ended stands in for nobody'],
];

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

  for (const [seed, what] of FOUND) {
    test(`seed ${seed}: ${what}`, () => {
      run(seed);
    });
  }

  test('a seed decides everything', () => {
    assert.equal(run(FIRST_SEED).digest, run(FIRST_SEED).digest);
  });
}

test.run();
