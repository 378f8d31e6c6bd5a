/** A process that runs the seeds it is sent, one after the other, and says how each ended. Started by pool.ts. */
import { InvariantError } from '../../../src/base/assert.ts';
import { Violation } from '../base/violation.ts';
import type { Job, Result } from './pool.ts';
import { runOne } from './run-one.ts';

/** Steps before a failure that are shown with it. */
const SHOWN_MAX = 40;

async function run(job: Job): Promise<Result> {
  const { seed } = job;
  try {
    return await runOne(job);
  } catch (error) {
    const check = error instanceof Violation ? error.check : 'invariant';
    const isOurs = error instanceof Violation || error instanceof InvariantError;
    const message = error instanceof Error ? (isOurs ? error.message : String(error.stack)) : String(error);
    return {
      kind: 'failed',
      seed,
      check,
      message: message.includes('\n') ? message : `${message}\n${await lastOf(job)}`,
    };
  }
}

/** What happened last before a failure: the same seed once more. */
async function lastOf(job: Job): Promise<string> {
  const lines: string[] = [];
  try {
    await runOne(job, (line) => {
      lines.push(line);
      if (lines.length > 2 * SHOWN_MAX) lines.splice(0, SHOWN_MAX);
    });
  } catch (error) {
    if (!(error instanceof Error)) throw error;
  }
  return lines.slice(-SHOWN_MAX).join('\n');
}

process.on('message', async (job: Job) => {
  process.send?.(await run(job));
});
process.on('disconnect', () => process.exit());
