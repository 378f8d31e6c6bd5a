/** A process that runs the seeds it is sent, one after the other, and says how each ended. Started by pool.ts. */
import { InvariantError } from '../../../src/assert.ts';
import { runSeed } from './nursery.ts';
import type { Job, Result } from './pool.ts';
import { Violation } from './violation.ts';

function run({ seed, changes }: Job): Result {
  try {
    const { rare, ...outcome } = runSeed({ seed, plan: (plan) => ({ ...plan, ...changes }) });
    return { kind: 'passed', ...outcome, rare: rare.counts };
  } catch (error) {
    const check = error instanceof Violation ? error.check : 'invariant';
    const isOurs = error instanceof Violation || error instanceof InvariantError;
    const message = error instanceof Error ? (isOurs ? error.message : String(error.stack)) : String(error);
    return { kind: 'failed', seed, check, message };
  }
}

process.on('message', (job: Job) => {
  process.send?.(run(job));
});
process.on('disconnect', () => process.exit());
