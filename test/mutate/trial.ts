/** Tests mutants, each in a process of its own. */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Replacement } from '../sim/nursery/planted/bug.ts';
import { type Step, stepsFor, type Tier } from './areas.ts';
import type { Order, Word } from './child.ts';
import { compiled, type Mutant, textsOf } from './mutants.ts';

/** How a mutant ended: which step noticed it and how, or none. */
export type Verdict =
  | { readonly kind: 'killed'; readonly by: Step; readonly why: string }
  | { readonly kind: 'survived' };

export type TrialOptions = {
  readonly workers: number;
  /** Of the seeds of each area (0 to 1). */
  readonly seedShare?: number;
  onVerdict?(mutant: Mutant, verdict: Verdict): void;
};

/** Longest that a process may take (ms), whatever it waits for; one that only computes is ended far sooner (watchdog.ts). */
const PROCESS_MS = 300_000;
/** A mutant that allocates for ever must not take the machine with it (MiB). */
const HEAP_MAX = 768;

/** Tests every mutant; resolves with what became of each, in their order. */
export async function tryAll(mutants: readonly Mutant[], options: TrialOptions): Promise<Verdict[]> {
  const verdicts: Verdict[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < mutants.length) {
      const index = next;
      next += 1;
      const mutant = mutants[index] as Mutant;
      const verdict = await tryOne(mutant, options.seedShare);
      verdicts[index] = verdict;
      options.onVerdict?.(mutant, verdict);
    }
  };
  await Promise.all(Array.from({ length: options.workers }, worker));
  return verdicts;
}

export function tryOne(mutant: Mutant, seedShare?: number): Promise<Verdict> {
  const replacements = [{ file: compiled(mutant.target), ...textsOf(mutant) }];
  return obey({ replacements, steps: stepsFor(mutant.target, seedShare) });
}

/** Runs what would be run against a mutant of `target`, without any: what must pass. */
export function tryUnchanged(target: string, seedShare?: number): Promise<Verdict> {
  return obey({ replacements: [], steps: stepsFor(target, seedShare) });
}

/** Runs `steps` against code with these pieces replaced. */
export function tryReplaced(replacements: readonly Replacement[], steps: readonly Step[]): Promise<Verdict> {
  return obey({ replacements, steps });
}

/** As the reports name them. */
export function tierOf(verdict: Verdict): Tier | 'survived' {
  return verdict.kind === 'killed' ? verdict.by.tier : 'survived';
}

/** A process that ends in any other way than by its word has been killed by what it was testing. */
function obey(order: Order): Promise<Verdict> {
  return new Promise((resolve) => {
    const child = start();
    let at = 0;
    let verdict: Verdict | null = null;
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        output = (output + text).slice(-OUTPUT_CHARS);
      });
    }
    const limit = setTimeout(() => child.kill('SIGKILL'), PROCESS_MS);
    child.on('message', (word: Word) => {
      if (word.kind === 'begun') at = word.step;
      else if (word.kind === 'survived') verdict = word;
      else verdict = { kind: 'killed', by: order.steps[word.step] as Step, why: word.why };
    });
    child.once('close', (code, signal) => {
      clearTimeout(limit);
      const why = signal === null ? `the process ended with ${code}:\n${output}` : `hung (${signal})`;
      resolve(verdict ?? { kind: 'killed', by: order.steps[at] as Step, why });
    });
    child.send(order);
  });
}

const OUTPUT_CHARS = 4000;

function start(): ChildProcess {
  return fork(fileURLToPath(new URL('./child.js', import.meta.url)), [], {
    serialization: 'advanced',
    execArgv: [`--max-old-space-size=${HEAP_MAX}`],
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
}
