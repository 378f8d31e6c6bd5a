/** Moves under every fault at once: some hundred schedules, others in each run. */
import { randomInt } from 'node:crypto';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Counts, simulate } from './simulation.ts';

/** Schedules of one run. */
const SEEDS = 400;

/** What must have happened in so many schedules: a fault that never strikes proves nothing. */
const RARE: readonly string[] = [
  'crash while planned',
  'crash while preparing',
  'crash while copying',
  'crash while catching up',
  'crash while sealing',
  'crash while sealed',
  'crash while publishing',
  'crash while releasing',
  'crash while cleaning up',
  'crash while finishing',
  'crash while aborting',
  'crash while paused',
  'abort after the seal',
  'abort too late',
  'chained or back',
  'writers slowed',
  'page doubled',
  'gap',
  'behind',
  'busy',
  'fenced',
  'mismatch',
  'closed: activated',
  'closed: abandoned',
  'closed: unsealed',
  'closed: released',
  'closed: below the floor',
  'read from an older image',
  'replica too far behind',
  'read served',
  'ended: done',
  'ended: aborted',
  'failed: FENCED',
];

test('ranges move, or stay; no update is lost, no key is served twice, and everything ends', () => {
  const replay = process.env['SEED'];
  const first = Number(replay ?? randomInt(2 ** 31));
  const counts: Counts = new Map();
  for (let seed = first; seed < first + (replay === undefined ? SEEDS : 1); seed += 1) {
    try {
      simulate(seed, counts);
    } catch (error) {
      if (error instanceof Error) error.message += ` (replay: SEED=${seed})`;
      throw error;
    }
  }
  if (replay !== undefined) return;
  const never = RARE.filter((what) => !counts.has(what));
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
