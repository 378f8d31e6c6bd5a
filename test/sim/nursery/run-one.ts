/** One seed of whichever simulation, and what must have happened in many of them. */

import { Rare } from '../base/rare.ts';
import { AUTO_RULES } from '../migration/auto-rules.ts';
import { RESCUE_RULES } from '../migration/rescue-rules.ts';
import { MIGRATION_RULES } from '../migration/rules.ts';
import { type Counts, simulate } from '../migration/simulation.ts';
import { migrationWanted } from '../migration/wanted.ts';
import { runSeed as runConsensus } from '../paxos/cluster.ts';
import { HISTORIES } from '../paxos/histories.ts';
import { LOST_STORE_RULES } from '../paxos/lost-store.ts';
import { FAULTS as CONSENSUS_FAULTS } from '../paxos/plan.ts';
import { PROMOTION_RULES } from '../paxos/promotion.ts';
import { RULES } from '../paxos/rules.ts';
import { CONSENSUS_WANTED, CONSENSUS_WANTED_FROM_SEEDS } from '../paxos/wanted.ts';
import { simulateStore } from '../store/simulation.ts';
import { STORE_WANTED, STORE_WANTED_FROM_SEEDS } from '../store/wanted.ts';
import { NURSERY_HISTORIES } from './histories.ts';
import { IDENTITY_RULES } from './identity-rules.ts';
import { runSeed } from './nursery.ts';
import { FAULTS } from './plan.ts';
import type { Job, Passed, Run } from './pool.ts';
import { WANTED, WANTED_FROM_SEEDS } from './wanted.ts';

/** A simulation that draws its histories from seeds. */
export type Drawn = Exclude<Job['simulation'], 'rules'>;

export type About = {
  /** What its seeds are, in the plural. */
  readonly noun: string;
  /** Kinds of faults that a plan can be narrowed to; none where every schedule has all of them. */
  readonly faults: readonly string[];
  /** What so many seeds together must have met. */
  readonly wanted: (seeds: number) => readonly string[];
};

export const SIMULATIONS: { readonly [simulation in Drawn]: About } = {
  nursery: {
    noun: 'nurseries',
    faults: FAULTS,
    wanted: (seeds) => (seeds < WANTED_FROM_SEEDS ? [] : WANTED),
  },
  consensus: {
    noun: 'clusters',
    faults: CONSENSUS_FAULTS,
    wanted: (seeds) => (seeds < CONSENSUS_WANTED_FROM_SEEDS ? [] : CONSENSUS_WANTED),
  },
  migration: {
    noun: 'schedules of moves',
    faults: [],
    wanted: migrationWanted,
  },
  store: {
    noun: 'stores',
    faults: [],
    wanted: (seeds) => (seeds < STORE_WANTED_FROM_SEEDS ? [] : STORE_WANTED),
  },
};

/** What to run of a simulation; `faults` are names that it knows, none: as each seed draws them. */
export function runOf(simulation: Drawn, faults: readonly string[]): Run {
  if (simulation === 'migration' || simulation === 'store') return { simulation };
  if (simulation === 'consensus') {
    const known = CONSENSUS_FAULTS.filter((fault) => faults.includes(fault));
    return { simulation, changes: faults.length === 0 ? {} : { faults: known } };
  }
  const known = FAULTS.filter((fault) => faults.includes(fault));
  return { simulation, changes: faults.length === 0 ? {} : { faults: known } };
}

/**
 * Runs one seed to its end.
 *
 * @throws Violation where anything that must hold does not; also what the code under test throws
 */
export async function runOne(job: Job, trace?: (line: string) => void): Promise<Passed> {
  const { seed } = job;
  const options = trace === undefined ? { seed } : { seed, trace };
  const passed = { kind: 'passed', seed, operations: 0, faults: 0, migrations: 0, virtualMs: 0 } as const;
  switch (job.simulation) {
    case 'nursery': {
      const { rare, ...outcome } = runSeed({ ...options, plan: (plan) => ({ ...plan, ...job.changes }) });
      return { ...passed, ...outcome, rare: rare.counts };
    }
    case 'consensus': {
      const outcome = runConsensus({ ...options, plan: (plan) => ({ ...plan, ...job.changes }) });
      const { rare, acknowledged, digest } = outcome;
      return { ...passed, operations: acknowledged, digest, rare: rare.counts };
    }
    case 'migration': {
      const counts: Counts = new Map();
      const { updates, digest } = simulate(seed, counts, {}, trace);
      return { ...passed, operations: updates, digest, rare: counts };
    }
    case 'store': {
      const rare = new Rare();
      const { slots, deaths, digest } = await simulateStore(seed, rare, trace);
      return { ...passed, operations: slots, faults: deaths, digest, rare: rare.counts };
    }
    case 'rules':
      [
        ...RULES,
        ...MIGRATION_RULES,
        ...LOST_STORE_RULES,
        ...HISTORIES,
        ...NURSERY_HISTORIES,
        ...IDENTITY_RULES,
        ...PROMOTION_RULES,
        ...RESCUE_RULES,
        ...AUTO_RULES,
      ][seed - 1]?.run();
      return { ...passed, digest: '', rare: new Map() };
  }
}
