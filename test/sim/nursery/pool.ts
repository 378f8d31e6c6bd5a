/** Runs many seeds in several processes, each of them one history. */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Rare } from '../base/rare.ts';
import type { Check } from '../base/violation.ts';
import type { Plan as ConsensusPlan } from '../paxos/plan.ts';
import type { Plan } from './plan.ts';

/** What is changed of the plan that a seed draws. */
export type PlanChanges = Partial<Plan>;
/** The same for consensus alone (test/sim/paxos). */
export type ConsensusChanges = Partial<ConsensusPlan>;
/** Which simulation, and what is changed of the plans that its seeds draw. */
export type Run =
  | { readonly simulation: 'nursery'; readonly changes: PlanChanges }
  | { readonly simulation: 'consensus'; readonly changes: ConsensusChanges }
  | { readonly simulation: 'migration' }
  | { readonly simulation: 'store' }
  /** Schedules written by hand, in their order (test/sim/paxos/rules.ts, then test/sim/migration/rules.ts). */
  | { readonly simulation: 'rules' };
/** One seed to be run. */
export type Job = { readonly seed: number } & Run;

export type Passed = {
  readonly kind: 'passed';
  readonly seed: number;
  readonly operations: number;
  readonly faults: number;
  readonly migrations: number;
  readonly virtualMs: number;
  readonly digest: string;
  readonly rare: ReadonlyMap<string, number>;
};
export type Failed = {
  readonly kind: 'failed';
  readonly seed: number;
  readonly check: Check;
  /** Begins with the check; ends with what happened last. */
  readonly message: string;
};
export type Result = Passed | Failed;

export type PoolOptions = {
  readonly first: number;
  readonly count: number;
  readonly workers: number;
  /** Whole nurseries as each seed draws them, where it is left out. */
  readonly plan?: Run;
  /** Name of a bug to be planted into the code under test (planted/bugs.ts). */
  readonly plant?: string;
  /** Told of each seed as it ends; true: no further seeds are begun. */
  onResult?(result: Result): boolean | undefined;
};

/** What all seeds together did. */
export type Summary = {
  readonly passed: Passed[];
  readonly failed: Failed[];
  readonly rare: Rare;
};

/** Resolves when the last seed has ended. @throws Error where a worker dies */
export async function runSeeds(options: PoolOptions): Promise<Summary> {
  const summary: Summary = { passed: [], failed: [], rare: new Rare() };
  const last = options.first + options.count - 1;
  let next = options.first;
  const worker = async (): Promise<void> => {
    const child = startWorker(options.plant);
    try {
      while (next <= last) {
        const seed = next;
        next += 1;
        const result = await runOne(child, { seed, ...(options.plan ?? AS_DRAWN) });
        take(summary, result);
        if (options.onResult?.(result) === true) next = last + 1;
      }
    } finally {
      child.disconnect();
    }
  };
  await Promise.all(Array.from({ length: Math.min(options.workers, options.count) }, worker));
  return summary;
}

const AS_DRAWN = { simulation: 'nursery', changes: {} } as const;

function take(summary: Summary, result: Result): void {
  if (result.kind === 'failed') {
    summary.failed.push(result);
    return;
  }
  summary.passed.push(result);
  const rare = new Rare();
  for (const [what, count] of result.rare) rare.counts.set(what, count);
  summary.rare.add(rare);
}

function startWorker(plant: string | undefined): ChildProcess {
  const register = fileURLToPath(new URL('./planted/register.js', import.meta.url));
  return fork(fileURLToPath(new URL('./worker.js', import.meta.url)), [], {
    serialization: 'advanced',
    execArgv: plant === undefined ? [] : ['--import', register],
    env: { ...process.env, ...(plant === undefined ? {} : { NURSERY_PLANT: plant }) },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
}

function runOne(child: ChildProcess, job: Job): Promise<Result> {
  return new Promise((resolve, reject) => {
    const onExit = (code: number | null): void =>
      reject(new Error(`the process that ran seed ${job.seed} ended with ${code}`));
    child.once('exit', onExit);
    child.once('message', (result: Result) => {
      child.off('exit', onExit);
      resolve(result);
    });
    child.send(job);
  });
}
