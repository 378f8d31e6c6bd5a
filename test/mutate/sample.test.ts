/** A few mutants of the pure cores, others for each commit: most of them must be noticed. All of them: `npm run mutate`. */
import { spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readHarmless, rowOf } from './harmless.ts';
import { mutantsOf, sampleOf } from './mutants.ts';
import { tryAll } from './trial.ts';

const SAMPLE = 15;
/** So many must be noticed: far below what is usual, so that chance alone never comes here. What is found by fewer has stopped working. */
const KILLED_MIN = 9;
/** No seeds: they cost more than all before them, and most of what can be noticed is noticed without. */
const SEED_SHARE = 0;

/** Of the commit, so that the same one draws the same mutants; any, and printed, where there is none. */
function drawSeed(): number {
  const { stdout, status } = spawnSync('git', ['rev-parse', 'HEAD'], { encoding: 'utf8' });
  return status === 0 ? Number.parseInt(stdout.slice(0, 8), 16) : randomInt(2 ** 31);
}

test(`most of ${SAMPLE} mutants are noticed`, async () => {
  const seed = drawSeed();
  const harmless = readHarmless();
  const mutants = sampleOf(
    mutantsOf('').filter((mutant) => !harmless.has(rowOf(mutant))),
    SAMPLE,
    seed,
  );
  const verdicts = await tryAll(mutants, { workers: 1, seedShare: SEED_SHARE });
  const survivors = mutants.filter((_, index) => verdicts[index]?.kind === 'survived').map(({ id }) => id);
  const killed = SAMPLE - survivors.length;
  console.log(`${killed} of ${SAMPLE} mutants were noticed (--seed ${seed}); not ${survivors.join(', ')}`);
  assert.ok(
    killed >= KILLED_MIN,
    `npm run mutate -- --sample ${SAMPLE} --seed ${seed}: ${survivors.join(', ')}`,
  );
});

test.run();
