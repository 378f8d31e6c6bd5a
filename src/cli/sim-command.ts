/** `nursery sim`: whole nurseries on virtual time, with everything failing that may. A bug report is a seed. */
import { availableParallelism } from 'node:os';
import { EXIT_CODES, NurseryError } from '../errors.ts';

export type SimArguments = {
  /** First seed; null: any. */
  readonly seed: number | null;
  readonly seeds: number;
  /** Kinds of faults; empty: as each seed draws them. */
  readonly faults: readonly string[];
  /** Runs this seed alone, in this process. */
  readonly replay: number | null;
  readonly trace: boolean;
  /** Processes; null: two, or as many as there are cores. */
  readonly workers: number | null;
};

/** @throws NurseryError BAD_INPUT for a fault that there is not */
export async function runSimCommand(args: SimArguments): Promise<void> {
  const { FAULTS } = await import('../../test/sim/nursery/plan.ts');
  const faults = args.faults.map((name) => {
    const known = FAULTS.find((fault) => fault === name);
    if (known === undefined)
      throw new NurseryError('BAD_INPUT', `there is no fault ${name}; known: ${FAULTS.join(', ')}`);
    return known;
  });
  const changes = faults.length === 0 ? {} : { faults };
  if (args.replay !== null) await replay(args.replay, args.trace, changes);
  else await runMany(args, changes);
}

type Changes = import('../../test/sim/nursery/pool.ts').PlanChanges;

async function replay(seed: number, trace: boolean, changes: Changes): Promise<void> {
  const { runSeed } = await import('../../test/sim/nursery/nursery.ts');
  const plan = (drawn: import('../../test/sim/nursery/plan.ts').Plan) => ({ ...drawn, ...changes });
  try {
    const outcome = runSeed(trace ? { seed, plan, trace: (line) => console.log(line) } : { seed, plan });
    const { operations, faults, migrations, virtualMs, digest } = outcome;
    console.log(
      `seed ${seed}: ${operations} operations, ${faults} faults, ${migrations} migrations in ${Math.round(virtualMs / 1000)} virtual seconds; every check holds (history ${digest})`,
    );
  } catch (error) {
    console.error(`seed ${seed}: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = EXIT_CODES.FAILED;
  }
}

async function runMany(args: SimArguments, changes: Changes): Promise<void> {
  const { runSeeds } = await import('../../test/sim/nursery/pool.ts');
  const { WANTED, WANTED_FROM_SEEDS } = await import('../../test/sim/nursery/wanted.ts');
  const first = args.seed ?? 1 + Math.floor(Math.random() * 1_000_000_000);
  const workers = args.workers ?? Math.min(2, availableParallelism());
  const startedMs = performance.now();
  let done = 0;
  const { passed, failed, rare } = await runSeeds({
    first,
    count: args.seeds,
    workers,
    plan: { simulation: 'nursery', changes },
    onResult: (result) => {
      done += 1;
      if (result.kind === 'failed') console.error(`\nseed ${result.seed}: ${result.message}`);
      showProgress(done, args.seeds, startedMs);
      return undefined;
    },
  });
  if (process.stderr.isTTY) process.stderr.write('\n');
  const operations = passed.reduce((sum, result) => sum + result.operations, 0);
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  console.log(
    `${passed.length} of ${args.seeds} nurseries from seed ${first} kept every promise: ${operations} operations, ${seconds} s`,
  );
  for (const { seed } of failed) console.log(`replay: nursery sim --replay ${seed} --trace${optionOf(args)}`);
  const isWide = args.seeds >= WANTED_FROM_SEEDS && args.faults.length === 0;
  const never = isWide ? WANTED.filter((what) => !rare.counts.has(what)) : [];
  if (never.length > 0) console.log(`never happened, so nothing is proved about it: ${never.join(', ')}`);
  if (failed.length > 0 || never.length > 0) process.exitCode = EXIT_CODES.FAILED;
}

function optionOf({ faults }: SimArguments): string {
  return faults.length === 0 ? '' : ` --faults ${faults.join(',')}`;
}

function showProgress(done: number, all: number, startedMs: number): void {
  if (!process.stderr.isTTY) return;
  const perSecond = done / ((performance.now() - startedMs) / 1000);
  const leftSeconds = Math.ceil((all - done) / perSecond);
  process.stderr.write(
    `\r${done} of ${all} seeds, ${perSecond.toFixed(1)} a second, ${leftSeconds} s to go   `,
  );
}
