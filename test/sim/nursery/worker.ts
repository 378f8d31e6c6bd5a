/** A process that runs the seeds it is sent, one after the other, and says how each ended. Started by pool.ts. */
import { InvariantError } from '../../../src/assert.ts';
import { MIGRATION_RULES } from '../migration/rules.ts';
import { runSeed as runConsensus } from '../paxos/cluster.ts';
import { RULES } from '../paxos/rules.ts';
import { runSeed } from './nursery.ts';
import type { Job, Result } from './pool.ts';
import { Violation } from './violation.ts';

/** Steps before a failure that are shown with it. */
const SHOWN_MAX = 40;

type Trace = (line: string) => void;

function run(job: Job): Result {
  const { seed } = job;
  try {
    return runJob(job);
  } catch (error) {
    const check = error instanceof Violation ? error.check : 'invariant';
    const isOurs = error instanceof Violation || error instanceof InvariantError;
    const message = error instanceof Error ? (isOurs ? error.message : String(error.stack)) : String(error);
    return {
      kind: 'failed',
      seed,
      check,
      message: message.includes('\n') ? message : `${message}\n${lastOf(job)}`,
    };
  }
}

function runJob(job: Job, trace?: Trace): Result {
  const { seed } = job;
  const options = trace === undefined ? { seed } : { seed, trace };
  if (job.simulation === 'nursery') {
    const { rare, ...outcome } = runSeed({ ...options, plan: (plan) => ({ ...plan, ...job.changes }) });
    return { kind: 'passed', ...outcome, rare: rare.counts };
  }
  const nothing = { faults: 0, migrations: 0, virtualMs: 0 };
  if (job.simulation === 'rules') {
    [...RULES, ...MIGRATION_RULES][seed - 1]?.run();
    return { kind: 'passed', seed, operations: 0, ...nothing, digest: '', rare: new Map() };
  }
  const { rare, acknowledged, digest } = runConsensus({
    ...options,
    plan: (plan) => ({ ...plan, ...job.changes }),
  });
  return { kind: 'passed', seed, operations: acknowledged, ...nothing, digest, rare: rare.counts };
}

/** What happened last before a failure: the same seed once more. */
function lastOf(job: Job): string {
  const lines: string[] = [];
  try {
    runJob(job, (line) => {
      lines.push(line);
      if (lines.length > 2 * SHOWN_MAX) lines.splice(0, SHOWN_MAX);
    });
  } catch (error) {
    if (!(error instanceof Error)) throw error;
  }
  return lines.slice(-SHOWN_MAX).join('\n');
}

process.on('message', (job: Job) => {
  process.send?.(run(job));
});
process.on('disconnect', () => process.exit());
