/** What is said of the load of a cluster: nothing is wrong with it, but no rebalance helps where one key is asked for. */
import { printKey } from '../base/bytes.ts';
import { printRange } from '../keyspace/range.ts';
import type { ClusterSeen } from './facts.ts';
import { type Finding, finding } from './finding.ts';
import { hotOf, hottestOf, rangeLoads, sharesOf } from './load.ts';

/** Requests a second below which nobody need think of them. */
const BUSY_MIN = 100;

/** Ranges of which one key has most of the requests. */
export function loadFindings(cluster: ClusterSeen): Finding[] {
  const hottest = hottestOf(cluster);
  return rangeLoads(cluster).flatMap((range) => {
    const perSecond = range.reads.s10 + range.writes.s10;
    const hot = perSecond < BUSY_MIN ? null : hotOf(sharesOf(range, perSecond, hottest));
    if (hot === null) return [];
    return finding({
      kind: 'hotKey',
      severity: 'note',
      subject: `${printRange(range)} of ${cluster.cluster}`,
      what: `one key has ${Math.round(100 * hot.share)} % of the ${Math.round(perSecond)} requests a second for ${printRange(range)} of ${cluster.cluster}: ${printKey(hot.key)}`,
      todo: 'nothing need be done; where it becomes too much, spread what it holds over several keys, for no move helps',
    });
  });
}
