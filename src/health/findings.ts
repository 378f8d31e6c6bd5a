/**
 * From what is known to what is wrong: one pure function, which `nursery status`, `/readyz`, metrics and alerts share. Nothing is
 * asked here, and no clock is looked at: what began when is said by the node that saw it.
 */
import { counted } from '../base/plural.ts';
import { autoFindings } from './auto-findings.ts';
import { clusterFindings } from './cluster-findings.ts';
import type { Facts } from './facts.ts';
import { type Finding, SEVERITIES } from './finding.ts';
import { loadFindings } from './load-findings.ts';
import { keeperFindings, mapFindings } from './map-findings.ts';
import { moveFindings } from './move-findings.ts';
import { nodeFindings } from './node-findings.ts';
import { placeFindings } from './places.ts';
import { routerFindings } from './router-findings.ts';

/** How it is: everything is served and can stand a failure; not so safely; something is not served. */
export type Verdict = {
  readonly state: 'healthy' | 'atRisk' | 'notServing';
  /** In one line. */
  readonly words: string;
  /** The worst first. */
  readonly findings: readonly Finding[];
};

/** The verdict on what is known. */
export function judge(facts: Facts): Verdict {
  const all = [
    ...keeperFindings(facts),
    ...mapFindings(facts),
    ...facts.clusters.flatMap((cluster) => [
      ...clusterFindings(facts, cluster),
      ...nodeFindings(facts, cluster),
      ...placeFindings(cluster),
      ...loadFindings(cluster),
    ]),
    ...moveFindings(facts),
    ...autoFindings(facts),
    ...routerFindings(facts),
  ];
  const findings = SEVERITIES.flatMap((severity) => all.filter((each) => each.severity === severity));
  const wrong = findings.filter(({ severity }) => severity !== 'note');
  const [first] = wrong;
  if (first === undefined) return { state: 'healthy', words: `healthy: ${wellOf(facts)}`, findings };
  const state = first.severity === 'notServing' ? 'notServing' : 'atRisk';
  const more = wrong.length > 1 ? ` (and ${wrong.length - 1} more)` : '';
  return {
    state,
    words: `${state === 'notServing' ? 'not serving' : 'at risk'}: ${first.brief}${more}`,
    findings,
  };
}

/** What is well, where nothing is wrong. */
function wellOf({ keeper, clusters, front }: Facts): string {
  if (keeper === null) return `cluster ${front} serves`;
  const { entries } = keeper.known.map;
  const owners = new Set(entries.map(({ owner }) => owner));
  return `${counted(owners.size, 'cluster')} of ${clusters.length} ${owners.size === 1 ? 'serves' : 'serve'} ${counted(entries.length, 'range')}`;
}
