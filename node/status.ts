/** What a node says of itself: status for the nursery's own tools, statistics for Arakoon's clients. */
import type { NodeStatus } from '../src/protocol/admin.ts';
import type { Field } from '../src/protocol/statistics.ts';
import { statusOf } from './paxos/step.ts';
import type { RequestContext } from './requests.ts';

/** The node's present state, for `nursery status`. */
export function nodeStatus(
  context: Pick<RequestContext, 'clusterId' | 'node' | 'driver' | 'store' | 'nowMs'>,
): NodeStatus {
  const { driver, store, clusterId, node, nowMs } = context;
  const status = statusOf(driver.replica, nowMs());
  return {
    cluster: clusterId,
    node,
    role: driver.standing === 'sound' ? status.role : `${status.role} (${driver.standing} store)`,
    master: driver.master(),
    applied: store.slot,
    chosen: status.chosen,
    firstLogSlot: status.firstLogSlot,
    members: status.members.map(({ node: name, seen, applied }) => ({ node: name, seen, applied })),
    owned: [...driver.machine.owned()],
    keys: 0,
  };
}

/** The fields of Arakoon's statistics that mean something here. */
export function statisticsFields(
  context: Pick<RequestContext, 'clusterId' | 'node' | 'driver' | 'store' | 'nowMs'>,
  counts: ReadonlyMap<string, number>,
): Field[] {
  const { driver, store } = context;
  const { counters } = driver;
  const operations = [...counts].sort().map(([name, n]): Field => {
    return { name, kind: 'list', value: [{ name: 'n', kind: 'int64', value: n }] };
  });
  return [
    ...operations,
    { name: 'last_slot', kind: 'int64', value: store.slot },
    { name: 'slots_applied', kind: 'int64', value: counters.slotsApplied },
    { name: 'batches_proposed', kind: 'int64', value: counters.updatesProposed },
    { name: 'messages_sent', kind: 'int64', value: counters.messagesSent },
    { name: 'scrub_steps', kind: 'int64', value: counters.scrubSteps },
    { name: 'scrub_differences', kind: 'int64', value: counters.scrubDifferences },
    { name: 'store_rebuilds', kind: 'int64', value: counters.storeRebuilds },
  ];
}
