/** What is to be said of rebalancing by itself: it needs somebody who does so. */
import { attendedBy } from '../protocol/admin/node-facts.ts';
import type { Facts } from './facts.ts';
import { type Finding, finding, quoted } from './finding.ts';

/** It is on, and nobody who could plan or move anything is connected to the keeper. */
export function autoFindings({ keeper, clusters, file }: Facts): Finding[] {
  if (keeper?.auto?.isOn !== true) return [];
  const { cluster: subject } = keeper;
  const keepers = clusters.filter(({ cluster, isElsewhere }) => cluster === subject && !isElsewhere);
  if (attendedBy(keepers.flatMap(({ nodes }) => nodes.map(({ facts }) => facts))) !== false) return [];
  return [
    finding({
      ...{ kind: 'nobodyMigrates', severity: 'note', subject },
      what: 'rebalancing by itself is on, and nobody does so: no router and no migrator is connected to the keeper',
      todo: 'start a router, or',
      command: `nursery migrator --config ${quoted(file)}`,
    }),
  ];
}
