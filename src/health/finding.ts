/** One thing that is not as it should be, in words for people and in parts for tools. */
import type { Condition } from '../protocol/admin/node-facts.ts';
import type { Answering } from './facts.ts';

/** How bad: keys or updates are not served; one more failure, or time, may make it so; worth a word, and no more. */
export const SEVERITIES = ['notServing', 'atRisk', 'note'] as const;
export type Severity = (typeof SEVERITIES)[number];

/** All kinds of findings. */
export const FINDING_KINDS = [
  'rangeUnserved',
  'rangeOfDeadFounding',
  'ownedTwice',
  'rangeSealed',
  'noMaster',
  'clusterSilent',
  'notAsked',
  'notFounded',
  'allHomesEmpty',
  'waitsForKeeper',
  'updatesRefused',
  'storeDoubtful',
  'keeperSilent',
  'noMap',
  'membersMissing',
  'nodeSilent',
  'nodeUnseen',
  'nodeBehind',
  'nodeWaits',
  'nodeFull',
  'nodeStrange',
  'placeShared',
  'migratorDead',
  'moveHeld',
  'targetUntold',
  'nobodyMigrates',
  'rescueUnfinished',
  'routerSilent',
  'turnedAway',
  'hotKey',
  'noted',
] as const;
export type FindingKind = (typeof FINDING_KINDS)[number];

/** Since when (ms since 1970) by the clock of node `by`, and how long that was ago by the same clock (ms). */
export type Since = { readonly sinceMs: number; readonly ageMs: number; readonly by: string };

export type Finding = {
  readonly kind: FindingKind;
  readonly severity: Severity;
  /** The node, cluster, range or migration that it is about. */
  readonly subject: string;
  /** What is wrong, for one line: without reasons that take long. */
  readonly brief: string;
  /** What is wrong, and why, as far as that is known. */
  readonly what: string;
  /** Null where nobody who answers has seen it begin. */
  readonly since: Since | null;
  /** What to do; null where nothing need be done. */
  readonly todo: string | null;
  /** The command to type; null where none mends it. */
  readonly command: string | null;
};

/** A finding without what need not be said. */
export function finding(
  of: Pick<Finding, 'kind' | 'severity' | 'subject' | 'what'> & Partial<Finding>,
): Finding {
  return { brief: of.what, since: null, todo: null, command: null, ...of };
}

/** Of some of a cluster nothing was learned, which is not that they are silent. */
export function notAsked(cluster: string, names: readonly string[]): Finding {
  return finding({
    kind: 'notAsked',
    severity: 'atRisk',
    subject: cluster,
    what: `how ${cluster} is was not learned: there was no time to ask ${names.join(', ')}`,
    todo: 'ask again; where it stays so, from a machine that is less busy',
  });
}

/** Since when `node` has seen `condition`. */
export function sinceOf({ name, facts }: Answering, condition: Condition | undefined): Since | null {
  if (condition === undefined) return null;
  const { sinceMs } = condition;
  return { sinceMs, ageMs: Math.max(0, facts.atMs - sinceMs), by: name };
}

/** The one that lasts longest; null where there is none. */
export function longest(all: readonly (Since | null)[]): Since | null {
  return all.reduce((best, each) => (best === null || (each?.ageMs ?? -1) > best.ageMs ? each : best), null);
}

/** A file's name as a shell takes it. */
export function quoted(file: string): string {
  return /^[\w./:=@%+,-]+$/.test(file) ? file : `'${file.replaceAll("'", `'\\''`)}'`;
}
