/**
 * A process that tests one mutant, or planted bug: plants it, runs the steps it is sent until the first that fails, and says how it ended.
 * Nothing of the code under test may be imported before it is planted.
 */
import { readFileSync } from 'node:fs';
import { register } from 'node:module';
import { Worker } from 'node:worker_threads';
import type { Replacement } from '../sim/nursery/planted/bug.ts';
import type { Step } from './areas.ts';

export type Order = { readonly replacements: readonly Replacement[]; readonly steps: readonly Step[] };
/** `step` is begun, or failed with this `why`; null: all have passed. */
export type Word =
  | { readonly kind: 'begun'; readonly step: number }
  | { readonly kind: 'killed'; readonly step: number; readonly why: string }
  | { readonly kind: 'survived' };

type UvuSuite = () => Promise<[failures: string | true, passed: number, skipped: number, total: number]>;
type UvuQueue = { UVU_DEFER?: number; UVU_QUEUE?: UvuSuite[][]; UVU_INDEX?: number };

async function main(order: Order): Promise<Word> {
  register('../sim/nursery/planted/loader.js', { parentURL: import.meta.url, data: order.replacements });
  for (const [index, step] of order.steps.entries()) {
    say({ kind: 'begun', step: index });
    watch.postMessage(null);
    try {
      await run(step);
    } catch (error) {
      return {
        kind: 'killed',
        step: index,
        why: error instanceof Error ? String(error.stack) : String(error),
      };
    }
  }
  return { kind: 'survived' };
}

async function run(step: Step): Promise<void> {
  if (step.tier !== 'seeds') return runFile(step.file);
  switch (step.simulation) {
    case 'consensus':
      (await import('../sim/paxos/cluster.ts')).runSeed({ seed: step.seed });
      break;
    case 'migration':
      (await import('../sim/migration/simulation.ts')).simulate(step.seed, new Map());
      break;
    case 'nursery':
      (await import('../sim/nursery/nursery.ts')).runSeed({ seed: step.seed });
      break;
  }
}

/** What uvu's own command does with a file. */
async function runFile(file: string): Promise<void> {
  const path = new URL(`../${file}`, import.meta.url);
  if (readFileSync(path, 'utf8').includes("from 'fast-check'")) {
    // That a property fails is all that is asked; how small the example can be is not.
    (await import('fast-check')).configureGlobal({ endOnFailure: true });
  }
  const suites: UvuSuite[] = [];
  const shared = globalThis as UvuQueue;
  shared.UVU_DEFER = 1;
  shared.UVU_INDEX = 0;
  shared.UVU_QUEUE = [suites];
  await import(path.href);
  for (const suite of suites) {
    const [failures] = await suite();
    if (failures !== true) throw new Error(failures);
  }
}

function say(word: Word): Promise<void> {
  return new Promise((resolve) => process.send?.(word, undefined, undefined, () => resolve()));
}

const watch = new Worker(new URL('./watchdog.js', import.meta.url));
watch.unref();
process.once('message', async (order: Order) => {
  await say(await main(order));
  process.exit();
});
