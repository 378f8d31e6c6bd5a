/** Metrics that every process has: what it was asked and how long that took, its memory, its event loop, its connections. */
import type { EventLoopUtilization } from 'node:perf_hooks';
import type { Budgets } from '../process/budget.ts';
import { LATENCY_BOUNDS_S, type Operations } from '../protocol/arakoon/operations.ts';
import type { SeatFigures } from '../protocol/arakoon/statistics.ts';
import { type Family, labelled, type Metric, type Sample, single } from './families.ts';

export const PROCESS_METRICS = {
  requests: {
    name: 'nursery_request_seconds',
    kind: 'histogram',
    help: 'How long requests took, by operation and outcome: ok, or failed (any other return code).',
  },
  memory: {
    name: 'nursery_memory_bytes',
    kind: 'gauge',
    help: 'Memory of the process, by kind: resident, heap, external.',
  },
  budget: {
    name: 'nursery_budget_bytes',
    kind: 'gauge',
    help: 'Memory that requests and replies of connections have now, by what.',
  },
  budgetWaiting: {
    name: 'nursery_budget_waiting',
    kind: 'gauge',
    help: 'Requests and replies that wait for memory, by what.',
  },
  eventLoop: {
    name: 'nursery_event_loop_busy_seconds_total',
    kind: 'counter',
    help: 'How long the event loop has been busy.',
  },
  uptime: { name: 'nursery_uptime_seconds', kind: 'gauge', help: 'Time since the process began.' },
  connections: { name: 'nursery_connections', kind: 'gauge', help: 'Connections that are open.' },
  connectionsMax: {
    name: 'nursery_connections_max',
    kind: 'gauge',
    help: 'Connections of clients that there may be.',
  },
  turnedAway: {
    name: 'nursery_connections_turned_away_total',
    kind: 'counter',
    help: 'Connections that were turned away for want of descriptors.',
  },
  letGo: {
    name: 'nursery_connections_let_go_total',
    kind: 'counter',
    help: 'Connections that were let go, by why: idle (for others), stalled (they took nothing).',
  },
} as const satisfies { readonly [of: string]: Metric };

/** What the families are made of. */
export type ProcessFacts = {
  readonly operations: Operations;
  readonly budgets: Budgets;
  readonly seats: SeatFigures;
  readonly eventLoop: Pick<EventLoopUtilization, 'active'>;
};

export function processFamilies({ operations, budgets, seats, eventLoop }: ProcessFacts): Family[] {
  const { replies, requests } = budgets;
  const { rss, heapUsed, external } = process.memoryUsage();
  const metrics = PROCESS_METRICS;
  return [
    { metric: metrics.requests, samples: requestSamples(operations) },
    labelled(metrics.memory, 'kind', [
      ['resident', rss],
      ['heap', heapUsed],
      ['external', external],
    ]),
    labelled(metrics.budget, 'of', [
      ['replies', replies.usedBytes],
      ['requests', requests.usedBytes],
    ]),
    labelled(metrics.budgetWaiting, 'of', [
      ['replies', replies.waiting],
      ['requests', requests.waiting],
    ]),
    single(metrics.eventLoop, eventLoop.active / 1000),
    single(metrics.uptime, process.uptime()),
    single(metrics.connections, seats.open),
    single(metrics.connectionsMax, seats.clientsMax),
    single(metrics.turnedAway, seats.turnedAway),
    labelled(metrics.letGo, 'why', [
      ['idle', seats.letGo],
      ['stalled', replies.letGo + requests.letGo],
    ]),
  ];
}

/** Buckets of a histogram are running sums. */
function requestSamples(operations: Operations): Sample[] {
  return operations.latencies().flatMap(({ operation, outcome, counts, seconds }) => {
    const labels = { operation, outcome };
    let sum = 0;
    const buckets = [...counts].map((count, at): Sample => {
      sum += count;
      const le = LATENCY_BOUNDS_S[at];
      return {
        suffix: '_bucket',
        labels: { ...labels, le: le === undefined ? '+Inf' : String(le) },
        value: sum,
      };
    });
    return [...buckets, { suffix: '_sum', labels, value: seconds }, { suffix: '_count', labels, value: sum }];
  });
}
