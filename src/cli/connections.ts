/** How commands reach what a configuration names: a router, a cluster, or the keeper and every cluster it knows. */

import { NurseryError } from '../base/errors.ts';
import { DEADLINE_MS } from '../client/call.ts';
import type { ClusterClient } from '../client/cluster-client.ts';
import { clientWithin, type TimeLimit } from '../client/limited-client.ts';
import { NurseryClient } from '../client/nursery-client.ts';
import { type ClusterIni, clusterConfigOf, toClusterConfig } from '../config/cluster-config.ts';
import { readIni } from '../config/ini.ts';
import { type RouterIni, routerConfigOf } from '../config/router-config.ts';
import { printAddress } from '../identity/address.ts';
import { EMPTY_MAP } from '../keyspace/rangemap.ts';
import type { ClusterConfig, KeeperMap } from '../protocol/admin/admin.ts';
import { sayWhoIsAwaited } from './report.ts';

/** Who asks, as other processes see it. */
const IDENTITY = { role: 'operator', node: 'command-line' } as const;

/** What a configuration file leads to: `cluster` is a router's clients' cluster id, or the cluster itself. */
export type Target = {
  readonly front: ClusterConfig;
  readonly isRouter: boolean;
  /** The keeper that `[nursery]` names; without it, the cluster itself is taken for one. */
  readonly keeper: ClusterConfig;
  /** Whether the file has a `[nursery]`. */
  readonly hasNursery: boolean;
};

/** Reads a router's or a cluster's configuration. @throws FatalError CONFIG */
export function readTarget(file: string): Target {
  const ini = readIni(file);
  return ini.sections.has('router')
    ? targetOfRouter(routerConfigOf(ini))
    : targetOfCluster(clusterConfigOf(ini, 'client'));
}

/** What a router's configuration leads to. */
export function targetOfRouter({ name, clusterId, ips, port, nursery }: RouterIni): Target {
  return {
    front: { cluster: clusterId, nodes: [{ name, ips: [...ips], port }] },
    isRouter: true,
    keeper: { cluster: nursery.clusterId, nodes: [...nursery.nodes] },
    hasNursery: true,
  };
}

/** What a cluster's configuration leads to. */
export function targetOfCluster(cluster: ClusterIni): Target {
  const front = toClusterConfig(cluster);
  const { nursery } = cluster;
  const keeper = nursery === null ? front : { cluster: nursery.clusterId, nodes: [...nursery.nodes] };
  return { front, isRouter: false, keeper, hasNursery: nursery !== null };
}

/** Runs one request with a client of the router or cluster that the file describes, and says for whom it waits. */
export async function askClient<T>(file: string, body: (client: NurseryClient) => Promise<T>): Promise<T> {
  const { front } = readTarget(file);
  const answered = sayWhoIsAwaited(`cluster ${front.cluster}; at most ${DEADLINE_MS / 1000} s`);
  return await withClientOf(front, body).finally(answered);
}

/** Runs `body` with a client of the router or cluster that the file describes. */
export async function withClient<T>(file: string, body: (client: NurseryClient) => Promise<T>): Promise<T> {
  return await withClientOf(readTarget(file).front, body);
}

/** A file is read once: it may be a pipe. */
async function withClientOf<T>(
  front: ClusterConfig,
  body: (client: NurseryClient) => Promise<T>,
): Promise<T> {
  const client = await NurseryClient.connect({
    addresses: front.nodes.flatMap(({ ips, port }) => ips.map((ip) => printAddress(ip, port))),
    cluster: front.cluster,
  });
  try {
    return await body(client);
  } finally {
    client.close();
  }
}

/** The keeper and, by cluster id, clients of every cluster that it knows. Closed together. */
export class NurseryConnections {
  readonly keeper: ClusterClient;
  /** Its cluster id. */
  readonly keeperId: string;
  readonly #clients = new Map<string, ClusterClient>();
  readonly #limit: TimeLimit | null;
  #known: KeeperMap = { map: EMPTY_MAP, clusters: [] };

  /**
   * @param limit until when anybody is asked, where that has an end
   * @param isKeeper false: it is a cluster without a nursery, and is named as that
   */
  constructor(keeper: ClusterConfig, limit: TimeLimit | null = null, isKeeper = true) {
    this.keeperId = keeper.cluster;
    this.#limit = limit;
    this.keeper = clientWithin(keeper, IDENTITY, { limit, isKeeper, keepsToFirst: true });
  }

  /**
   * Asks the keeper's master for the map and for how to reach the clusters, for as long as `deadlineMs`, and says for whom it waits.
   *
   * @throws NurseryError as `ClusterClient.query`
   */
  async refresh(deadlineMs: number = DEADLINE_MS): Promise<KeeperMap> {
    const answer = await this.awaited(this.keeper.query({ kind: 'getMap' }, { deadlineMs }), deadlineMs);
    if (answer.kind !== 'keeperMap')
      throw new NurseryError('MALFORMED', `keeper answered ${answer.kind} to getMap`);
    const { map, clusters, nursery } = answer;
    this.#known = nursery === undefined ? { map, clusters } : { map, clusters, nursery };
    return this.#known;
  }

  /** What the keeper answers; says that it is waited for, where that takes a while. @param deadlineMs how long it may take at most */
  async awaited<T>(answer: Promise<T>, deadlineMs: number = DEADLINE_MS): Promise<T> {
    const atMostMs = Math.max(0, Math.min(deadlineMs, this.#limit?.leftMs ?? deadlineMs));
    const answered = sayWhoIsAwaited(
      `the keeper, cluster ${this.keeper.cluster}; at most ${Math.ceil(atMostMs / 1000)} s`,
    );
    return await answer.finally(answered);
  }

  /**
   * A client of a cluster that the keeper knew at the last refresh.
   *
   * @throws NurseryError REFUSED for one that it did not
   */
  cluster(id: string): ClusterClient {
    const open = this.#clients.get(id);
    if (open !== undefined) return open;
    const config = this.#known.clusters.find(({ cluster }) => cluster === id);
    if (config === undefined) throw unknownCluster(id, this.#known);
    const client = clientWithin(config, IDENTITY, { limit: this.#limit, isKeeper: false });
    this.#clients.set(id, client);
    return client;
  }

  close(): void {
    this.keeper.close();
    for (const client of this.#clients.values()) client.close();
  }
}

/** Runs `body` with connections to the nursery that the file's keeper describes. */
export async function withNursery<T>(
  file: string,
  body: (nursery: NurseryConnections) => Promise<T>,
  limit: TimeLimit | null = null,
): Promise<T> {
  const { keeper, hasNursery } = readTarget(file);
  const nursery = new NurseryConnections(keeper, limit, hasNursery);
  try {
    return await body(nursery);
  } finally {
    nursery.close();
  }
}

/** The error for a cluster id that the keeper has not heard of. */
export function unknownCluster(id: string, { clusters }: KeeperMap): NurseryError {
  const known = clusters.length === 0 ? 'none' : clusters.map(({ cluster }) => cluster).join(', ');
  return new NurseryError(
    'REFUSED',
    `cluster ${id} is unknown to the keeper; known are: ${known}. Its nodes make it known when they run with a [nursery] section; where they belong to a keeper that is lost, nursery rescue keeper does`,
  );
}
