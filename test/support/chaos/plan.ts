/** What fails when in a chaos run: drawn from the seed alone, before anything runs. */
import type { Random } from '../random.ts';

/** Kinds of faults, and how often each comes up. */
const WEIGHTS = {
  /** kill -9 of a node, and restart. */
  killNode: 6,
  /** SIGSTOP of a node for longer than a lease, then SIGCONT. */
  stopNode: 6,
  /** SIGTERM of a node, and restart. */
  endNode: 1,
  /** kill -9 of all nodes of a cluster, and restart. */
  killCluster: 1,
  /** SIGSTOP of all nodes of a cluster, then SIGCONT. */
  stopCluster: 1,
  killRouter: 2,
  stopRouter: 2,
  /** Of a daemon, or of the command that is moving a range. */
  killMigrator: 3,
  stopMigrator: 3,
} as const;

export type FaultKind = keyof typeof WEIGHTS;
export const FAULT_KINDS = Object.keys(WEIGHTS) as FaultKind[];

export type Fault = {
  readonly kind: FaultKind;
  /** Since the beginning (ms). */
  readonly atMs: number;
  /** Which of those that it may hit, in [0, 1). */
  readonly pick: number;
  /** The master of the cluster, where a node is hit. */
  readonly onMaster: boolean;
  /** From the fault to its repair (ms). */
  readonly forMs: number;
};

/** Between one fault and the next (ms). */
const EVERY_MS = [200, 1400] as const;
/** Leases that a stopped process sleeps: always longer than one. */
const SLEEP_LEASES = [1.1, 3.5] as const;
/** How long a killed process stays down (ms). */
const DOWN_MS = [0, 2500] as const;

/** The faults of a run, in order of time. */
export function planFaults(random: Random, seconds: number, leaseMs: number): Fault[] {
  const lots = FAULT_KINDS.flatMap((kind) => new Array<FaultKind>(WEIGHTS[kind]).fill(kind));
  const between = ([least, most]: readonly [number, number]): number =>
    least + random.next() * (most - least);
  const faults: Fault[] = [];
  for (let atMs = between(EVERY_MS); atMs < seconds * 1000; atMs += between(EVERY_MS)) {
    const kind = random.pick(lots);
    const forMs = kind.startsWith('stop') ? between(SLEEP_LEASES) * leaseMs : between(DOWN_MS);
    faults.push({ kind, atMs, pick: random.next(), onMaster: random.chance(0.5), forMs });
  }
  return faults;
}
