/** Many seeds through the simulator; `SEED=n` replays one of them with its trace. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Outcome, runSeed } from './cluster.ts';
import { Rare } from './rare.ts';

const SEEDS = 300;
/** Where the seeds of the test command begin. */
const FIRST_SEED = 1;

/** What a run of all seeds must have met at least once, or the simulator has lost its teeth. */
const WANTED: readonly string[] = [
  'founding a cluster',
  'cluster is active',
  'became master',
  'value adopted',
  'hole filled',
  'lease lost',
  'mastership ended',
  'proposals lost',
  'window full',
  'snapshot installed',
  'home wiped',
  'store lost',
  'member admitted',
  'member added',
  'member removed',
  'stops itself: SUPERSEDED',
  'sent adopted',
  'sent entries',
  'sent nack',
  'sent over',
  'sent release',
];

/** Runs one seed; its error names the seed. */
function run(seed: number, trace?: (line: string) => void): Outcome {
  try {
    return runSeed(trace === undefined ? { seed } : { seed, trace });
  } catch (error) {
    if (error instanceof Error) error.message += ` (replay: SEED=${seed})`;
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
    const missed = WANTED.filter((what) => !rare.counts.has(what));
    assert.equal(missed, [], 'every rare event happened');
  });

  test('a seed decides everything', () => {
    assert.equal(run(FIRST_SEED).digest, run(FIRST_SEED).digest);
  });
}

test.run();
