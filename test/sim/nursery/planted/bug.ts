/**
 * What a bug planted on purpose is: what proves that the simulations would see one. Each replaces exact pieces of the
 * compiled code while it is loaded; one that does not stand there exactly once is an error, so that no bug is planted in
 * vain.
 */
import type { PlanChanges, Run } from '../pool.ts';

/**
 * One piece of code, and what stands there instead. `file` is below `dist`; `path#name`: only within the functions of that
 * name, so that what is moved around them does not matter.
 */
export type Replacement = { readonly file: string; readonly from: string; readonly to: string };

/** Changes in node/paxos, by the names of file and function: `['acceptor#promise', from, to]`. */
export function inPaxos(
  ...pieces: readonly (readonly [place: string, from: string, to: string])[]
): Replacement[] {
  return pieces.map(([place, from, to]) => {
    const [file, name] = place.split('#');
    return { file: `node/paxos/${file}.js${name === undefined ? '' : `#${name}`}`, from, to };
  });
}

export type PlantedBug = {
  readonly name: string;
  /** The rule that is broken; for the table in docs/planted-bugs.md. */
  readonly rule: string;
  readonly replacements: readonly Replacement[];
  /** What is changed of each plan, so that the faults which show it are not rare. */
  readonly plan: Run;
  /** It must be found within so many seeds. */
  readonly seedsMax: number;
};

/** Faults of processes, disks and the network that consensus has to live with. */
export const HARSH: PlanChanges = {
  faults: ['crashNode', 'crashCluster', 'partition', 'isolate', 'pauseNode', 'dropMaster', 'slowDisk'],
  faultEveryMs: 500,
};
/** Coordinators that die, double and stall at every step. */
export const BUSY: PlanChanges = {
  faults: ['crashMigrator', 'pauseMigrator', 'secondMigrator', 'crashNode', 'dropMaster'],
  faultEveryMs: 600,
  moveEveryMs: 1000,
  ambush: 0.3,
};

/** Weather in which requests are doubled and come late. */
export function late(): NonNullable<PlanChanges['weather']> {
  return {
    lossShare: 0.01,
    repeatShare: 0.3,
    delayMaxMs: 8,
    lateShare: 0.05,
    lateMaxMs: 2000,
    resetShare: 0.01,
  };
}

/** More than there are. (The schedules themselves load the code under test, and may not be loaded here.) */
const RULES_MAX = 150;

/** One that a schedule written by hand looks for: chance meets these too rarely. */
export function ruleBug(name: string, clause: string, replacements: readonly Replacement[]): PlantedBug {
  return { name, rule: clause, replacements, plan: { simulation: 'rules' }, seedsMax: RULES_MAX };
}

type More = { readonly changes?: PlanChanges; readonly seedsMax?: number };

/** A bug of one piece. */
export function bug(
  name: string,
  rule: string,
  file: string,
  from: string,
  to: string,
  more: More = {},
): PlantedBug {
  return bugOf(name, rule, [{ file, from, to }], more);
}

/** Schedules of moves alone are many times as fast as nurseries. */
const MOVES_SEEDS_MAX = 400;

/** A bug of one piece, which schedules of moves alone look for. */
export function moveBug(name: string, rule: string, file: string, from: string, to: string): PlantedBug {
  const replacements = [{ file, from, to }];
  return { name, rule, replacements, plan: { simulation: 'migration' }, seedsMax: MOVES_SEEDS_MAX };
}

/** A bug of several pieces, or of none where the plan alone makes it. */
export function bugOf(
  name: string,
  rule: string,
  replacements: readonly Replacement[],
  { changes = {}, seedsMax = 20 }: More = {},
): PlantedBug {
  return { name, rule, replacements, plan: { simulation: 'nursery', changes }, seedsMax };
}
