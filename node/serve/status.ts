/** What a node says of itself: status for the nursery's own tools, statistics for Arakoon's clients. */

import type { NodeStatus } from '../../src/protocol/admin/admin.ts';
import { NO_LOAD, NOWHERE, type NodeFacts } from '../../src/protocol/admin/node-facts.ts';
import { type Field, seatFields } from '../../src/protocol/arakoon/statistics.ts';
import { PRODUCT_VERSION } from '../../src/version.ts';
import type { CostTotals } from '../driver/update-cost.ts';
import { statusOf } from '../paxos/step.ts';
import type { RequestContext } from './request-context.ts';

/** The node's present state, for `nursery status`. */
export function nodeStatus(
  context: Pick<
    RequestContext,
    'clusterId' | 'node' | 'driver' | 'store' | 'nowMs' | 'introduction' | 'heartbeats'
  >,
): NodeStatus {
  const { driver, store, clusterId, node, nowMs, introduction } = context;
  const status = statusOf(driver.replica, nowMs());
  return {
    cluster: clusterId,
    node,
    role: driver.standing === 'sound' ? status.role : `${status.role} (${driver.standing} store)`,
    master: driver.master(),
    applied: store.slot,
    chosen: status.chosen,
    firstLogSlot: driver.firstLogSlot,
    waitsFor: introduction.succession?.why ?? status.waitsFor,
    members: status.members.map(({ node: name, seen, applied }) => ({ node: name, seen, applied })),
    owned: [...driver.machine.owned()],
    keys: 0,
    label: introduction.label,
    founding: introduction.founding,
    keeper: introduction.keeper,
    notes: notesOf(context),
    backup: driver.machine.backup,
    adopted: driver.machine.state.adopted,
    keepers: [...driver.machine.state.keepers],
  };
}

/** The same with all that this node has seen beside it, since when. */
export function nodeFacts(context: RequestContext): NodeFacts {
  const { conditions, visitors, nowMs, wallMs } = context;
  const atMs = wallMs();
  const counts = context.counts?.() ?? null;
  return {
    version: PRODUCT_VERSION,
    atMs,
    status: nodeStatus(context),
    conditions: conditions?.all ?? [],
    visitors: visitors?.all ?? [],
    counts:
      counts?.ranges.map(({ lo, hi }, at) => ({ lo, hi, ...(counts.counts[at] ?? { keys: 0, bytes: 0 }) })) ??
      null,
    countedMs: counts === null ? 0 : Math.round(atMs - (nowMs() - counts.atMs)),
    unmergedRows: context.storeFigures?.().statistics?.runRows ?? 0,
    load: context.load?.told ?? NO_LOAD,
    places: context.places ?? NOWHERE,
    freeBytes: context.storeFigures?.().freeBytes ?? null,
  };
}

/** What people should know of it. */
function notesOf({
  driver,
  introduction,
  heartbeats,
  nowMs,
}: Pick<RequestContext, 'driver' | 'introduction' | 'heartbeats' | 'nowMs'>): string[] {
  const room = driver.waitsForRoom;
  // A follower may not have heard of the last beats yet.
  const still = driver.mayRead() ? (heartbeats?.notes(nowMs()) ?? []) : [];
  const { strangersWhy } = driver.machine;
  const noMap = strangersWhy === null ? [] : [`nursery init is refused: ${strangersWhy}`];
  return [...introduction.notes, ...(room === null ? [] : [room]), ...noMap, ...still];
}

/** What this node's updates have cost so far. */
export function costTotals({ driver, syncs }: Pick<RequestContext, 'driver' | 'syncs'>): CostTotals {
  const { log, store } = syncs();
  const { updatesApplied, messagesSent } = driver.counters;
  return { updates: updatesApplied, messages: messagesSent, syncs: log + store };
}

/** Arakoon's statistics, in its order; then what a node of ours counts beside. */
export function statisticsFields(
  context: Pick<
    RequestContext,
    'driver' | 'store' | 'syncs' | 'cost' | 'seats' | 'budgets' | 'nowMs' | 'recording'
  >,
): Field[] {
  const { driver, store, cost, budgets, recording } = context;
  const { replies, requests } = budgets;
  const { counters, replica } = driver;
  const { waitsFor, members } = statusOf(replica, context.nowMs());
  const syncs = context.syncs();
  const perUpdate = cost.since(costTotals(context));
  const memory = process.memoryUsage();
  return [
    ...recording.fields(members.map(({ node, applied }) => ({ node, slot: applied }))),
    recording.operations.totalFields(),
    { name: 'last_slot', kind: 'int64', value: store.slot },
    { name: 'held', kind: 'int64', value: replica.chosen },
    { name: 'floor', kind: 'int64', value: driver.firstLogSlot - 1 },
    { name: 'waits_for', kind: 'text', value: waitsFor ?? '' },
    { name: 'slots_applied', kind: 'int64', value: counters.slotsApplied },
    { name: 'batches_proposed', kind: 'int64', value: counters.batchesProposed },
    { name: 'messages_sent', kind: 'int64', value: counters.messagesSent },
    { name: 'updates_applied', kind: 'int64', value: counters.updatesApplied },
    { name: 'log_syncs', kind: 'int64', value: syncs.log },
    { name: 'store_syncs', kind: 'int64', value: syncs.store },
    { name: 'messages_per_update', kind: 'float', value: perUpdate.messages },
    { name: 'syncs_per_update', kind: 'float', value: perUpdate.syncs },
    { name: 'heap_bytes', kind: 'int64', value: memory.heapUsed },
    { name: 'external_bytes', kind: 'int64', value: memory.external },
    { name: 'resident_bytes', kind: 'int64', value: memory.rss },
    { name: 'replies_bytes', kind: 'int64', value: replies.usedBytes },
    { name: 'replies_waiting', kind: 'int64', value: replies.waiting },
    { name: 'requests_bytes', kind: 'int64', value: requests.usedBytes },
    { name: 'requests_waiting', kind: 'int64', value: requests.waiting },
    { name: 'stalled_let_go', kind: 'int64', value: replies.letGo + requests.letGo },
    { name: 'scrub_steps', kind: 'int64', value: counters.scrubSteps },
    { name: 'scrub_differences', kind: 'int64', value: counters.scrubDifferences },
    { name: 'store_rebuilds', kind: 'int64', value: counters.storeRebuilds },
    ...(context.seats === undefined ? [] : seatFields(context.seats())),
  ];
}
