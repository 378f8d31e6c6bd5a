/** What is wrong with the router of the file, and whom processes have turned away. */
import { describeTurnedAway } from '../protocol/arakoon/statistics.ts';
import type { Facts } from './facts.ts';
import { type Finding, finding, quoted } from './finding.ts';
import { hanging } from './starting.ts';

/** Of a router that is well there is nothing to say. */
export function routerFindings({ router, clusters, file }: Facts): Finding[] {
  const found: Finding[] = [];
  if (router !== null && router.turnedAway === null && router.isUnheard !== true) {
    const { name, why, isMute } = router;
    const start = `nursery router --config ${quoted(file)}`;
    const brief = `router ${name} does not answer`;
    found.push(
      finding({
        ...{ kind: 'routerSilent', severity: 'atRisk', subject: name, brief, what: `${brief}: ${why}` },
        // While it has its port, a second one does not get that.
        ...(isMute === true
          ? { todo: `${hanging(name, 1)}: ${start}` }
          : { todo: 'start it, on its machine', command: start }),
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
