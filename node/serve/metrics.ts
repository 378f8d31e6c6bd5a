/** The metrics of a node: its part in consensus, its disk, what its cluster owns, and what is wrong with it. */

import type { Key } from '../../src/base/bytes.ts';
import { type Family, type Labels, labelled, type Metric, single } from '../../src/metrics/families.ts';
import type { Asked } from '../../src/metrics/http.ts';
import { processFamilies } from '../../src/metrics/of-process.ts';
import { CONDITIONS } from '../../src/protocol/admin/node-facts.ts';
import { statusOf } from '../paxos/step.ts';
import type { RequestContext } from './request-context.ts';

/** Ranges that are told by themselves, by epoch and part: so many of the largest ones, and so many of the busiest. */
const RANGES_MAX = 50;
const TOLD_RANGES = `of the ${RANGES_MAX} largest ones and the ${RANGES_MAX} busiest`;

export const NODE_METRICS = {
  master: {
    name: 'nursery_node_is_master',
    kind: 'gauge',
    help: '1 where this node is master under a lease.',
  },
  serving: { name: 'nursery_node_is_serving', kind: 'gauge', help: '1 where /readyz says ok.' },
  round: { name: 'nursery_node_ballot_round', kind: 'gauge', help: 'Round of the highest ballot promised.' },
  slot: {
    name: 'nursery_node_slot',
    kind: 'gauge',
    help: 'Slots of the log, by what: held (chosen, and here), applied, flushed (in the store), durable (in the own log).',
  },
  lag: {
    name: 'nursery_node_peer_lag_slots',
    kind: 'gauge',
    help: 'At the master: chosen slots that a member has not said to have applied, by member.',
  },
  updates: {
    name: 'nursery_node_updates_applied_total',
    kind: 'counter',
    help: 'Updates that were applied.',
  },
  slots: { name: 'nursery_node_slots_applied_total', kind: 'counter', help: 'Slots that were applied.' },
  batches: {
    name: 'nursery_node_batches_proposed_total',
    kind: 'counter',
    help: 'Batches that were proposed.',
  },
  messages: {
    name: 'nursery_node_messages_sent_total',
    kind: 'counter',
    help: 'Messages sent to other members.',
  },
  syncs: {
    name: 'nursery_node_disk_syncs_total',
    kind: 'counter',
    help: 'Syncs of the disk, by what: log, store.',
  },
  overlay: {
    name: 'nursery_store_overlay_bytes',
    kind: 'gauge',
    help: 'Changes in memory that are not flushed yet.',
  },
  flushes: {
    name: 'nursery_store_flushes_total',
    kind: 'counter',
    help: 'Flushes of the store since it was opened.',
  },
  flushedBytes: {
    name: 'nursery_store_flushed_bytes_total',
    kind: 'counter',
    help: 'Keys and values that were flushed.',
  },
  flushSeconds: { name: 'nursery_store_flush_seconds', kind: 'gauge', help: 'Duration of the last flush.' },
  runs: {
    name: 'nursery_store_runs',
    kind: 'gauge',
    help: 'Flushes that wait as runs, to be merged into the rows; at 40 updates wait.',
  },
  runRows: { name: 'nursery_store_run_rows', kind: 'gauge', help: 'Rows of these runs.' },
  mergedRuns: {
    name: 'nursery_store_merged_runs_total',
    kind: 'counter',
    help: 'Runs that were merged since the store was opened.',
  },
  free: {
    name: 'nursery_disk_free_bytes',
    kind: 'gauge',
    help: 'Free space of the file system that the home lies on.',
  },
  full: {
    name: 'nursery_disk_is_full',
    kind: 'gauge',
    help: '1 where the disk has no room, and updates are refused.',
  },
  snapshots: { name: 'nursery_store_snapshots', kind: 'gauge', help: 'Images that readers keep.' },
  scrubSteps: {
    name: 'nursery_scrub_steps_total',
    kind: 'counter',
    help: 'Stretches of rows that were compared.',
  },
  scrubDifferences: {
    name: 'nursery_scrub_differences_total',
    kind: 'counter',
    help: 'Stretches of rows in which replicas differed.',
  },
  rebuilds: {
    name: 'nursery_store_rebuilds_total',
    kind: 'counter',
    help: 'How often the store was thrown away and rebuilt.',
  },
  conditions: {
    name: 'nursery_conditions',
    kind: 'gauge',
    help: `What is so and ought not to be, by kind: ${CONDITIONS.join(', ')}.`,
  },
  conditionSeconds: {
    name: 'nursery_condition_seconds',
    kind: 'gauge',
    help: 'How long the oldest condition of each kind has lasted, by the clock of this node.',
  },
  ranges: { name: 'nursery_ranges_owned', kind: 'gauge', help: 'Ranges that the cluster owns.' },
  sealed: {
    name: 'nursery_ranges_sealed',
    kind: 'gauge',
    help: 'Ranges that are sealed, and so not served.',
  },
  keys: {
    name: 'nursery_keys',
    kind: 'gauge',
    help: 'Keys in all ranges that the cluster owns; an estimate while nursery_store_run_rows is not 0.',
  },
  bytes: { name: 'nursery_key_bytes', kind: 'gauge', help: 'Bytes of these keys and their values.' },
  rangeKeys: {
    name: 'nursery_range_keys',
    kind: 'gauge',
    help: `Keys of a range, by epoch and part; ${TOLD_RANGES}.`,
  },
  rangeBytes: {
    name: 'nursery_range_bytes',
    kind: 'gauge',
    help: `Bytes of keys and values of a range, by epoch and part; ${TOLD_RANGES}.`,
  },
  rangeReads: {
    name: 'nursery_range_reads_total',
    kind: 'counter',
    help: `Reads of a range that this node has answered, by epoch and part; ${TOLD_RANGES}.`,
  },
  rangeWrites: {
    name: 'nursery_range_writes_total',
    kind: 'counter',
    help: `Updates of a range that this node has answered, by epoch and part; ${TOLD_RANGES}.`,
  },
  rangeTraffic: {
    name: 'nursery_range_request_bytes_total',
    kind: 'counter',
    help: `Bytes of these requests and of the replies, by epoch and part; ${TOLD_RANGES}.`,
  },
  migrations: {
    name: 'nursery_migrations_open',
    kind: 'gauge',
    help: 'At the keeper: migrations under way, by stage.',
  },
  visitors: {
    name: 'nursery_visitors',
    kind: 'gauge',
    help: 'Links of routers and migrators that are open, by role.',
  },
} as const satisfies { readonly [of: string]: Metric };

/** Why this node does not do its part; null where it does: as master it serves, and else it follows one. */
export function unreadiness({ driver, introduction, nowMs }: RequestContext): string | null {
  const { waitsFor, role } = statusOf(driver.replica, nowMs());
  if (driver.standing !== 'sound') return `its store is ${driver.standing}`;
  if (introduction.waits != null) return introduction.waits;
  if (waitsFor !== null) return `it is ${role}: ${waitsFor}`;
  if (driver.waitsForRoom !== null) return driver.waitsForRoom;
  // Who has no vote grants no lease, and is told of none.
  return driver.master() === null && role !== 'learner' ? 'no master has a lease' : null;
}

/** All that a node tells of itself. */
export function nodeFamilies(context: RequestContext): Family[] {
  const { driver, nowMs, syncs, recording, budgets, seats } = context;
  const { replica, counters, machine } = driver;
  const { members, chosen } = statusOf(replica, nowMs());
  const isMaster = driver.mayRead();
  const metrics = NODE_METRICS;
  const others = members.filter(({ node }) => node !== context.node);
  const figures = context.storeFigures?.();
  const store = figures?.statistics ?? null;
  return [
    single(metrics.master, Number(isMaster)),
    single(metrics.serving, Number(unreadiness(context) === null)),
    single(metrics.round, replica.promised.round),
    labelled(metrics.slot, 'of', [
      ['held', chosen],
      ['applied', context.store.slot],
      ['flushed', figures?.flushedSlot ?? 0],
      ['durable', driver.durableSlot],
    ]),
    labelled(
      metrics.lag,
      'member',
      isMaster ? others.map(({ node, applied }) => [node, Math.max(0, chosen - applied)]) : [],
    ),
    single(metrics.updates, counters.updatesApplied),
    single(metrics.slots, counters.slotsApplied),
    single(metrics.batches, counters.batchesProposed),
    single(metrics.messages, counters.messagesSent),
    labelled(metrics.syncs, 'of', Object.entries(syncs())),
    single(metrics.overlay, figures?.overlayBytes ?? 0),
    ...(store === null
      ? []
      : [
          single(metrics.flushes, store.flushes),
          single(metrics.flushedBytes, store.flushedBytes),
          single(metrics.flushSeconds, store.flushMs / 1000),
          single(metrics.runs, store.runs),
          single(metrics.runRows, store.runRows),
          single(metrics.mergedRuns, store.mergedRuns),
          single(metrics.snapshots, store.snapshots),
        ]),
    ...(figures === undefined ? [] : [single(metrics.free, figures.freeBytes)]),
    single(metrics.full, Number(driver.waitsForRoom !== null)),
    single(metrics.scrubSteps, counters.scrubSteps),
    single(metrics.scrubDifferences, counters.scrubDifferences),
    single(metrics.rebuilds, counters.storeRebuilds),
    ...conditionFamilies(context),
    single(metrics.ranges, machine.owned().length),
    single(metrics.sealed, machine.owned().filter(({ sealedBy }) => sealedBy !== null).length),
    ...countFamilies(context),
    ...movementFamilies(context, isMaster),
    ...(seats === undefined
      ? []
      : processFamilies({
          operations: recording.operations,
          budgets,
          seats: seats(),
          eventLoop: performance.eventLoopUtilization(),
        })),
    // The last ones are left out where there are too many.
    ...rangeFamilies(context),
  ];
}

/** All kinds, so that an alert sees 0 where nothing is wrong. */
function conditionFamilies({ conditions, wallMs }: RequestContext): Family[] {
  const all = conditions?.all ?? [];
  const since = CONDITIONS.map((kind) => {
    const ages = all.filter((each) => each.kind === kind).map(({ sinceMs }) => wallMs() - sinceMs);
    return { kind, count: ages.length, ageMs: Math.max(0, ...ages) };
  });
  return [
    labelled(
      NODE_METRICS.conditions,
      'kind',
      since.map(({ kind, count }) => [kind, count]),
    ),
    labelled(
      NODE_METRICS.conditionSeconds,
      'kind',
      since.map(({ kind, ageMs }) => [kind, ageMs / 1000]),
    ),
  ];
}

function countFamilies({ counts }: RequestContext): Family[] {
  const known = counts?.() ?? null;
  if (known === null) return [];
  const sum = (of: 'keys' | 'bytes'): number => known.counts.reduce((total, each) => total + each[of], 0);
  return [single(NODE_METRICS.keys, sum('keys')), single(NODE_METRICS.bytes, sum('bytes'))];
}

/** What is known of one range. */
type OfRange = {
  readonly labels: Labels;
  keys: number;
  rowBytes: number;
  reads: number;
  writes: number;
  traffic: number;
  busy: number;
};

/**
 * Keys are hostile, and many: a range is told by its epoch, which ranges share that were one, and by which of them it is (`part`, from 0,
 * in the order of keys).
 */
function rangeFamilies({ counts, driver, load }: RequestContext): Family[] {
  const known = counts?.() ?? null;
  const all = new Map<Key, OfRange>();
  const parts = new Map<number, number>();
  for (const { lo, epoch } of driver.machine.owned()) {
    const part = parts.get(epoch) ?? 0;
    parts.set(epoch, part + 1);
    const labels = { epoch: String(epoch), part: String(part) };
    all.set(lo, { labels, keys: 0, rowBytes: 0, reads: 0, writes: 0, traffic: 0, busy: 0 });
  }
  for (const [at, { lo }] of known?.ranges.entries() ?? []) {
    const of = all.get(lo);
    if (of === undefined) continue;
    of.keys = known?.counts[at]?.keys ?? 0;
    of.rowBytes = known?.counts[at]?.bytes ?? 0;
  }
  for (const { lo, reads, writes, bytes } of load?.totals ?? []) {
    const of = all.get(lo);
    if (of === undefined) continue;
    of.reads = reads;
    of.writes = writes;
    of.traffic = bytes;
  }
  for (const { lo, reads, writes } of load?.told.ranges ?? []) {
    const of = all.get(lo);
    if (of !== undefined) of.busy = reads.m1 + writes.m1;
  }
  const first = (by: 'rowBytes' | 'busy'): OfRange[] =>
    [...all.values()].sort((a, b) => b[by] - a[by]).slice(0, RANGES_MAX);
  const told = [...new Set([...first('rowBytes'), ...first('busy')])];
  const family = (metric: Metric, of: Exclude<keyof OfRange, 'labels'>): Family => ({
    metric,
    samples: told.map((each) => ({ labels: each.labels, value: each[of] })),
  });
  const stored =
    known === null
      ? []
      : [family(NODE_METRICS.rangeKeys, 'keys'), family(NODE_METRICS.rangeBytes, 'rowBytes')];
  const asked =
    load === undefined
      ? []
      : [
          family(NODE_METRICS.rangeReads, 'reads'),
          family(NODE_METRICS.rangeWrites, 'writes'),
          family(NODE_METRICS.rangeTraffic, 'traffic'),
        ];
  return [...stored, ...asked];
}

function movementFamilies({ driver, visitors }: RequestContext, isMaster: boolean): Family[] {
  const stages = new Map<string, number>();
  for (const { phase, progress } of isMaster ? driver.machine.migrations.values() : []) {
    if (phase !== 'active' && phase !== 'published') continue;
    stages.set(progress.stage, (stages.get(progress.stage) ?? 0) + 1);
  }
  const roles = new Map<string, number>();
  for (const { role } of visitors?.all ?? []) roles.set(role, (roles.get(role) ?? 0) + 1);
  return [labelled(NODE_METRICS.migrations, 'stage', stages), labelled(NODE_METRICS.visitors, 'role', roles)];
}

/** What supervisors and Prometheus ask of a node. */
export function watchOf(context: RequestContext): Asked {
  return { why: () => unreadiness(context), families: () => nodeFamilies(context) };
}
