/** Links to the keeper and to the clusters that it knows, opened as they are needed. */

import { NurseryError } from '../src/base/errors.ts';
import { ClusterClient } from '../src/client/cluster-client.ts';
import { clientWithin, type TimeLimit } from '../src/client/limited-client.ts';
import type { MapWatch } from '../src/client/map-watch.ts';
import type { ClusterConfig, KeeperMap, KnownCluster } from '../src/protocol/admin/admin.ts';
import { COMMAND_NODE } from '../src/protocol/admin/node-facts.ts';
import type { Cluster, Clusters, MovesNews, MovesWatch } from './world.ts';

/** What the migrator needs of a nursery: its clusters, and the map. */
export interface Nursery extends Clusters {
  /** The present map and the clusters that the keeper knows, asked of its master. */
  map(): Promise<KeeperMap>;
}

/** The id of the cluster that keeps this nursery, where it is one of those that it knows; undefined where nobody has said. */
export function keeperOf({ clusters, nursery }: KeeperMap): string | undefined {
  return clusters.find(({ founding }) => founding !== undefined && founding === nursery?.founding)?.cluster;
}

/** Who calls, as other processes see it. */
const IDENTITY = { role: 'migrator', node: 'migrator' } as const;
/** A command moves what it was typed for, and its time has an end. */
const COMMAND = { role: 'migrator', node: COMMAND_NODE } as const;

/** Follows the keeper's map, so that a cluster whose nodes move is still found. */
export class Connections implements Nursery, MovesWatch {
  readonly keeper: ClusterClient;
  /** Names no founding, so that it hears the map of a keeper that has replaced the one that is commanded. */
  readonly #watcher: ClusterClient;
  readonly #watch: MapWatch;
  readonly #isShared: boolean;
  readonly #limit: TimeLimit | null;
  readonly #identity: typeof IDENTITY | typeof COMMAND;
  readonly #clients = new Map<string, ClusterClient>();
  readonly #listeners = new Set<(news: MovesNews) => void>();
  #configs: readonly KnownCluster[] = [];
  readonly #lastNews = new Map<MovesNews['kind'], MovesNews>();

  /**
   * @param keeper how to reach the keeper
   * @param shared a client of the keeper that expects no founding, and that somebody else closes: it is watched by that one
   * @param limit until when anybody is asked, which commands have; null: for ever
   */
  constructor(keeper: ClusterConfig, shared: ClusterClient | null = null, limit: TimeLimit | null = null) {
    this.#identity = limit === null ? IDENTITY : COMMAND;
    this.keeper = clientWithin(keeper, this.#identity, { limit, isKeeper: true, keepsToFirst: true });
    this.#limit = limit;
    this.#isShared = shared !== null;
    this.#watcher = shared ?? new ClusterClient(keeper, this.#identity);
    this.#watch = this.#watcher.watchMap({
      map: ({ map }) => this.#learn(map),
      trouble: (why) => {
        if (why !== null) this.#hear({ kind: 'silent', why });
      },
      moves: (areAny) => this.#hear({ kind: 'moves', areAny }),
      auto: (wish) => this.#hear({ kind: 'auto', wish }),
    });
  }

  async map(): Promise<KeeperMap> {
    const answer = await this.keeper.query({ kind: 'getMap' });
    if (answer.kind !== 'keeperMap') {
      throw new NurseryError('MALFORMED', `the keeper answers ${answer.kind} where the map was asked for`);
    }
    this.#learn(answer);
    return answer;
  }

  /** @throws NurseryError UNREACHABLE where the keeper does not know it, and those of asking the keeper */
  async cluster(id: string): Promise<Cluster> {
    const open = this.#clients.get(id);
    if (open !== undefined) return open;
    if (!this.#configs.some(({ cluster }) => cluster === id)) await this.map();
    const config = this.#configs.find(({ cluster }) => cluster === id);
    if (config === undefined) {
      throw new NurseryError('UNREACHABLE', `the keeper does not know how to reach cluster ${id}`);
    }
    const limited = { limit: this.#limit, isKeeper: false };
    const client = this.#clients.get(id) ?? clientWithin(config, this.#identity, limited);
    this.#clients.set(id, client);
    return client;
  }

  watchMoves(listener: (news: MovesNews) => void): () => void {
    this.#listeners.add(listener);
    for (const news of this.#lastNews.values()) listener(news);
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    this.keeper.close();
    this.#watch.close();
    if (!this.#isShared) this.#watcher.close();
    for (const client of this.#clients.values()) client.close();
  }

  #hear(news: MovesNews): void {
    // Who is silent may be so no more by the time that it speaks.
    if (news.kind !== 'silent') this.#lastNews.delete('silent');
    this.#lastNews.set(news.kind, news);
    for (const listener of this.#listeners) listener(news);
  }

  #learn({ clusters, nursery }: KeeperMap): void {
    if (nursery !== undefined && !this.keeper.follow(nursery)) return;
    this.#configs = clusters;
    for (const config of clusters) this.#clients.get(config.cluster)?.update(config);
  }
}
