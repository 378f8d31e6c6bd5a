/** What is wrong with the router of the file, and whom processes have turned away. */
import { describeTurnedAway } from '../protocol/arakoon/statistics.ts';
import type { Facts } from './facts.ts';
import { type Finding, finding } from './finding.ts';

/** Of a router that is well there is nothing to say. */
export function routerFindings({ router, clusters }: Facts): Finding[] {
  const found: Finding[] = [];
  if (router !== null && router.turnedAway === null && router.isUnheard !== true) {
    found.push(
      finding({
        kind: 'routerSilent',
        severity: 'atRisk',
        subject: router.name,
        what: `router ${router.name} does not answer: ${router.why}`,
        todo: 'start it, on its machine: nursery router --config FILE',
      }),
    );
  }
  const processes = [...(router === null ? [] : [router]), ...clusters.flatMap(({ nodes }) => nodes)];
  for (const { name, turnedAway } of processes) {
    for (const what of turnedAway === null ? [] : describeTurnedAway(turnedAway))
      found.push(finding({ kind: 'turnedAway', severity: 'note', subject: name, what: `${name}: ${what}` }));
  }
  return found;
}
