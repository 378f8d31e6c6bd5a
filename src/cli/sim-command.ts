/** `nursery sim`: nurseries, or parts of them, on virtual time, with everything failing that may. A bug report is a seed. */
import { availableParallelism } from 'node:os';
import { EXIT_CODES, NurseryError } from '../base/errors.ts';
import { complain, hint, IS_ERROR_TERMINAL, OutputError, printLine } from './output.ts';

export type SimArguments = {
  /** Whole nurseries, consensus of one cluster alone, moves between state machines alone, or the store of one node alone. */
  readonly only: 'nursery' | 'consensus' | 'migration' | 'store';
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
  const { SIMULATIONS, runOf } = await import('../../test/sim/nursery/run-one.ts');
  const { faults: known } = SIMULATIONS[args.only];
  for (const name of args.faults) {
    if (known.includes(name)) continue;
    const choice =
      known.length === 0 ? `--only ${args.only} has all of its own in each seed` : known.join(', ');
    throw new NurseryError('BAD_INPUT', `there is no fault ${name}; known: ${choice}`);
  }
  const run = runOf(args.only, args.faults);
  if (args.replay !== null) await replay(args.replay, args.trace, run);
  else await runMany(args, run);
}

type Run = import('../../test/sim/nursery/pool.ts').Run;

async function replay(seed: number, trace: boolean, run: Run): Promise<void> {
  const { runOne } = await import('../../test/sim/nursery/run-one.ts');
  try {
    const passed = await runOne({ seed, ...run }, trace ? (line) => printLine(line) : undefined);
    const { operations, faults, migrations, virtualMs, digest } = passed;
    const more =
      run.simulation === 'nursery'
        ? `, ${faults} faults, ${migrations} migrations in ${Math.round(virtualMs / 1000)} virtual seconds`
        : '';
    printLine(`seed ${seed}: ${operations} operations${more}; every check holds (history ${digest})`);
  } catch (error) {
    if (error instanceof OutputError) throw error; // nobody reads the trace: that is no failure of the nursery
    complain(`seed ${seed}: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = EXIT_CODES.FAILED;
  }
}

async function runMany(args: SimArguments, plan: Run): Promise<void> {
  const { runSeeds } = await import('../../test/sim/nursery/pool.ts');
  const { SIMULATIONS } = await import('../../test/sim/nursery/run-one.ts');
  const { noun, wanted } = SIMULATIONS[args.only];
  const first = args.seed ?? 1 + Math.floor(Math.random() * 1_000_000_000);
  const workers = args.workers ?? Math.min(2, availableParallelism());
  const startedMs = performance.now();
  let done = 0;
  let operations = 0;
  const { passed, failed, rare } = await runSeeds({
    first,
    count: args.seeds,
    workers,
    plan,
    onResult: (result) => {
      done += 1;
      if (result.kind === 'failed') complain(`\nseed ${result.seed}: ${result.message}`);
      else operations += result.operations;
      showProgress(done, args.seeds, startedMs);
      return undefined;
    },
  });
  if (IS_ERROR_TERMINAL) hint('\n');
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  printLine(
    `${passed.length} of ${args.seeds} ${noun} from seed ${first} kept every promise: ${operations} operations, ${seconds} s`,
  );
  for (const { seed } of failed)
    printLine(`replay: nursery sim${onlyOf(args)} --replay ${seed} --trace${faultsOf(args)}`);
  // Where somebody has chosen the faults, not all of it can happen.
  const due = args.faults.length === 0 ? wanted(args.seeds) : [];
  const never = due.filter((what) => !rare.counts.has(what));
  if (never.length > 0) printLine(`never happened, so nothing is proved about it: ${never.join(', ')}`);
  if (failed.length > 0 || never.length > 0) process.exitCode = EXIT_CODES.FAILED;
}

function onlyOf({ only }: SimArguments): string {
  return only === 'nursery' ? '' : ` --only ${only}`;
}

function faultsOf({ faults }: SimArguments): string {
  return faults.length === 0 ? '' : ` --faults ${faults.join(',')}`;
}

function showProgress(done: number, all: number, startedMs: number): void {
  if (!IS_ERROR_TERMINAL) return;
  const perSecond = done / ((performance.now() - startedMs) / 1000);
  const leftSeconds = Math.ceil((all - done) / perSecond);
  hint(`\r${done} of ${all} seeds, ${perSecond.toFixed(1)} a second, ${leftSeconds} s to go   `);
}
