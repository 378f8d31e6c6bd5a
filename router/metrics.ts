/** The metrics of a router: what it knows of the map, and what waits in it. */
import { type Family, type Metric, single } from '../src/metrics/families.ts';
import { type ProcessFacts, processFamilies } from '../src/metrics/of-process.ts';
import { health } from './core/local.ts';
import type { Router } from './core/types.ts';

export const ROUTER_METRICS = {
  serving: { name: 'nursery_router_is_serving', kind: 'gauge', help: '1 where /readyz says ok.' },
  mapVersion: {
    name: 'nursery_router_map_version',
    kind: 'gauge',
    help: 'Version of the map that it has; 0 before it has one.',
  },
  ranges: { name: 'nursery_router_ranges', kind: 'gauge', help: 'Ranges of the map.' },
  clusters: { name: 'nursery_router_clusters', kind: 'gauge', help: 'Clusters that it knows.' },
  held: {
    name: 'nursery_router_held_requests',
    kind: 'gauge',
    help: 'Requests that wait for a range that moves, or for a master.',
  },
  inFlight: {
    name: 'nursery_router_in_flight_requests',
    kind: 'gauge',
    help: 'Requests that clusters have not answered yet.',
  },
} as const satisfies { readonly [of: string]: Metric };

/** All that a router tells of itself. */
export function routerFamilies(router: Router, facts: ProcessFacts): Family[] {
  const { keeper, held, inFlight, clusters } = router;
  const metrics = ROUTER_METRICS;
  return [
    single(metrics.serving, Number(health(router).ok)),
    single(metrics.mapVersion, keeper?.map.version ?? 0),
    single(metrics.ranges, keeper?.map.entries.length ?? 0),
    single(metrics.clusters, clusters.size),
    single(metrics.held, held),
    single(metrics.inFlight, inFlight.size),
    ...processFamilies(facts),
  ];
}
