/**
 * Which planted bugs of the three pure cores make a golden trace or a unit test fail, with all simulations left out: whoever
 * breaks such a rule is told so in seconds, and where, and not by a seed.
 */
import { type Step, stepsFor } from '../../../mutate/areas.ts';
import { tryReplaced } from '../../../mutate/trial.ts';
import type { PlantedBug } from './bug.ts';

const CORES = ['node/paxos/', 'router/core/', 'migrator/core/'];

/** Whether the bug is in one of the cores, at least with a piece of it. */
export function isOfACore({ replacements }: PlantedBug): boolean {
  return replacements.some(({ file }) => coreOf(file) !== undefined);
}

/**
 * The first test file that fails with the bug planted, below `test` and without an ending; null: none does.
 *
 * @throws Error where the bug cannot be planted, since its piece of code is not there any more
 */
export async function seenNearby({ replacements }: PlantedBug): Promise<string | null> {
  const verdict = await tryReplaced(replacements, nearest(replacements.map(({ file }) => file)));
  if (verdict.kind === 'survived' || verdict.by.tier === 'seeds') return null;
  if (NOT_PLANTED.test(verdict.why)) throw new Error(verdict.why);
  return verdict.by.file.replace(/\.test\.js$/, '');
}

/** As loader.ts says it. */
const NOT_PLANTED = /stands \d+ times in .*, not once/;

/** @throws Error where one of these tests fails without any bug: every bug would seem to be seen */
export async function expectGreen(): Promise<void> {
  const verdict = await tryReplaced([], nearest(CORES.map((core) => `${core}-`)));
  if (verdict.kind === 'killed') throw new Error(`fails without a bug: ${verdict.why}`);
}

/** The tests of the cores that these files are part of, the traces first. */
function nearest(files: readonly string[]): Step[] {
  const found = new Map<string, Step>();
  for (const file of files) {
    const core = coreOf(file);
    if (core === undefined) continue;
    for (const step of stepsFor(file.replace(/\.js.*$/, ''), 0)) {
      if (step.tier === 'unit' && step.file.startsWith(core) && !step.file.includes('.sim.'))
        found.set(step.file, step);
    }
  }
  return [...found.values()].sort((a, b) => Number(isTrace(b)) - Number(isTrace(a)));
}

function isTrace(step: Step): boolean {
  return step.tier === 'unit' && step.file.endsWith('/traces.test.js');
}

function coreOf(file: string): string | undefined {
  return CORES.find((core) => file.startsWith(core));
}
