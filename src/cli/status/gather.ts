/**
 * Asks everybody at once how it is. Whatever is down, all of it takes two seconds at most: who has not answered by then is
 * reported with the reason so far.
 */
import { NurseryError } from '../../base/errors.ts';
import { ClusterClient } from '../../client/cluster-client.ts';
import type { ClusterSeen, Facts, KeeperSeen, NodeSeen, RouterSeen } from '../../health/facts.ts';
import { judge } from '../../health/findings.ts';
import { EMPTY_MAP } from '../../keyspace/rangemap.ts';
import type {
  AdminQuery,
  ClusterConfig,
  KeeperMap,
  KnownCluster,
  NodeAddress,
} from '../../protocol/admin/admin.ts';
import { readTarget, type Target } from '../connections.ts';
import { askTurnedAway } from '../turned-away.ts';

/** How long the keeper, and a router in its place, may take at the most (ms). */
const KEEPER_MS = 700;
/** When all should have answered, from the start (ms); the rest of two seconds is for the process itself. */
const ALL_MS = 1800;
/** How long nodes may take at the least (ms). */
const NODE_MS = 600;
/** What is left for a second look (ms). */
const AGAIN_MS = 700;
const IDENTITY = { role: 'operator', node: 'status' } as const;
const NOTHING: KeeperMap = { map: EMPTY_MAP, clusters: [] };

/**
 * All that is known through the configuration `file`.
 *
 * @param beganMs when whoever asks began to wait (monotonic, ms)
 * @throws FatalError CONFIG
 */
export async function gather(file: string, beganMs: number): Promise<Facts> {
  const target = readTarget(file);
  // Where the start alone has taken long, there is time for one that answers as usual.
  const untilMs = Math.max(beganMs + ALL_MS, performance.now() + KEEPER_MS + NODE_MS);
  return await lookTwice(() => begin(file, target, untilMs), untilMs);
}

/** One look at everybody, which goes on until its time is over. */
export type Look = {
  /** What is known once all have answered, at that moment at the latest (monotonic, ms); who is silent then may still answer. */
  at(ms: number): Promise<Facts>;
  close(): void;
};

/**
 * Looks a second time where map and owners disagree: the map is older than what the nodes said, and a move may have ended in
 * between. Both looks are over by `untilMs`, so the first is judged while there is time for a second, whoever is silent. What a
 * master says later than that is taken as it is.
 */
export async function lookTwice(begin: () => Promise<Look>, untilMs: number): Promise<Facts> {
  const first = await begin();
  try {
    const early = await first.at(untilMs - AGAIN_MS);
    if (!isMoved(early)) return await first.at(untilMs);
    const second = await begin();
    const again = await second.at(untilMs).finally(() => second.close());
    // Of a keeper that gives no second answer in the time that is left the first one counts.
    return again.keeper?.why === null ? again : await first.at(untilMs);
  } finally {
    first.close();
  }
}

function isMoved(facts: Facts): boolean {
  return judge(facts).findings.some(({ kind }) => kind === 'rangeUnserved' || kind === 'ownedTwice');
}

async function begin(file: string, target: Target, untilMs: number): Promise<Look> {
  const configured = target.isRouter ? [target.keeper] : [target.front, target.keeper];
  const asking = new Nodes(untilMs);
  // Those of the file are asked while the keeper says who else there is.
  for (const config of configured) asking.ask(config);
  const keeperMs = Math.max(0, Math.min(KEEPER_MS, untilMs - performance.now()));
  const [keeper, router] = await Promise.all([
    target.hasNursery ? askKeeper(target, keeperMs) : null,
    target.isRouter ? askRouter(target.front, keeperMs) : null,
  ]);
  const named = withConfigured(keeper?.known.clusters ?? [], configured);
  const asked = named.map((each) => ({ each, nodes: asking.ask(each) }));
  const front = target.isRouter ? null : target.front.cluster;
  return {
    at: async (ms) => {
      const clusters = await Promise.all(
        asked.map(async ({ each, nodes }) => seen(each, await asking.seenAt(each, nodes, ms))),
      );
      return { file, front, keeper, clusters, router };
    },
    close: () => asking.close(),
  };
}

function seen({ cluster, founding, isElsewhere }: Named, nodes: readonly NodeSeen[]): ClusterSeen {
  return { cluster, nodes, isElsewhere, ...(founding === undefined ? {} : { founding }) };
}

async function askKeeper(target: Target, deadlineMs: number): Promise<KeeperSeen> {
  const { cluster } = target.keeper;
  const client = new ClusterClient(target.keeper, IDENTITY, { keepsToFirst: true });
  const query = (of: AdminQuery) => client.query(of, { deadlineMs });
  const heard = heardByRouter(target, deadlineMs);
  try {
    const [known, migrations, orders] = await Promise.all([
      query({ kind: 'getMap' }),
      query({ kind: 'listMigrations' }),
      query({ kind: 'listOrders' }),
    ]);
    if (known.kind !== 'keeperMap' || migrations.kind !== 'migrations' || orders.kind !== 'orders')
      throw new NurseryError('MALFORMED', `keeper ${cluster} answered ${known.kind} to getMap`);
    return {
      cluster,
      known: withoutKind(known),
      migrations: migrations.migrations,
      orders: orders.orders,
      why: null,
    };
  } catch (error) {
    if (!(error instanceof NurseryError)) throw error;
    return { cluster, known: await heard, migrations: null, orders: null, why: error.message };
  } finally {
    client.close();
  }
}

/** What the router of the configuration was last told by the keeper; nothing where it is none, or does not answer. */
async function heardByRouter({ front, isRouter }: Target, deadlineMs: number): Promise<KeeperMap> {
  if (!isRouter) return NOTHING;
  const client = new ClusterClient(front, IDENTITY);
  try {
    const answer = await client.query({ kind: 'getMap' }, { to: 'any', deadlineMs });
    return answer.kind === 'keeperMap' ? withoutKind(answer) : NOTHING;
  } catch (error) {
    if (!(error instanceof NurseryError)) throw error;
    return NOTHING;
  } finally {
    client.close();
  }
}

function withoutKind({ kind: _, ...map }: { readonly kind: string } & KeeperMap): KeeperMap {
  return map;
}

async function askRouter(front: ClusterConfig, deadlineMs: number): Promise<RouterSeen | null> {
  const [node] = front.nodes;
  if (node === undefined) return null;
  const client = new ClusterClient(front, IDENTITY);
  try {
    return { name: node.name, ...(await askTurnedAway(client, node.name, deadlineMs)) };
  } finally {
    client.close();
  }
}

type Named = KnownCluster & { readonly isElsewhere: boolean };

/**
 * The clusters that are known and those that the configuration names. A cluster of which it names other nodes than the keeper
 * knows stands there twice: they may be of another founding.
 */
function withConfigured(known: readonly KnownCluster[], configured: readonly ClusterConfig[]): Named[] {
  const clusters: Named[] = known.map((each) => ({ ...each, isElsewhere: false }));
  for (const { cluster, nodes } of configured) {
    const same = clusters.filter((each) => each.cluster === cluster);
    const others = nodes.filter(
      (node) => !same.some((each) => each.nodes.some((other) => isAt(other, node))),
    );
    if (others.length === 0) continue;
    const founding = same[0]?.founding;
    const isElsewhere = same.length > 0;
    clusters.push({ cluster, nodes: others, isElsewhere, ...(founding === undefined ? {} : { founding }) });
  }
  return clusters;
}

function isAt(a: NodeAddress, b: NodeAddress): boolean {
  return a.name === b.name && a.port === b.port && a.ips.join() === b.ips.join();
}

/** Asks each node once, of whatever founding it is: people must see who is there. */
class Nodes {
  readonly #untilMs: number;
  readonly #clients: ClusterClient[] = [];
  readonly #asked = new Map<string, Promise<NodeSeen>>();

  /** @param untilMs when all should have answered (monotonic, ms) */
  constructor(untilMs: number) {
    this.#untilMs = untilMs;
  }

  /** Begins to ask those that were not asked yet; in the order of `nodes`. */
  ask({ cluster, nodes }: ClusterConfig): Promise<NodeSeen>[] {
    const client = new ClusterClient({ cluster, nodes }, IDENTITY);
    this.#clients.push(client);
    return nodes.map((node) => {
      const place = `${cluster} ${node.name} ${node.ips.join()} ${node.port}`;
      const asked = this.#asked.get(place) ?? this.#askOne(client, node.name);
      this.#asked.set(place, asked);
      return asked;
    });
  }

  /** What they have said by then. */
  async seenAt(
    { nodes }: ClusterConfig,
    asked: readonly Promise<NodeSeen>[],
    ms: number,
  ): Promise<NodeSeen[]> {
    let timer: NodeJS.Timeout | undefined;
    const over = new Promise<null>((resolve) => {
      timer = setTimeout(() => resolve(null), Math.max(0, ms - performance.now()));
    });
    const seen = asked.map(async (each, at) => {
      const name = nodes[at]?.name ?? '';
      // At the end the query's own deadline is over, too, and says more.
      if (ms >= this.#untilMs) return await each;
      return (
        (await Promise.race([each, over])) ?? { name, facts: null, why: 'no answer yet', turnedAway: null }
      );
    });
    return await Promise.all(seen).finally(() => clearTimeout(timer));
  }

  close(): void {
    for (const client of this.#clients) client.close();
  }

  async #askOne(client: ClusterClient, name: string): Promise<NodeSeen> {
    const deadlineMs = Math.max(0, this.#untilMs - performance.now());
    const counting = askTurnedAway(client, name, deadlineMs);
    try {
      const answer = await client.query({ kind: 'nodeFacts' }, { to: name, deadlineMs });
      const { turnedAway } = await counting;
      if (answer.kind !== 'nodeFacts')
        return { name, facts: null, why: `answered ${answer.kind}`, turnedAway };
      const { kind: _, ...facts } = answer;
      return { name, facts, why: '', turnedAway };
    } catch (error) {
      if (!(error instanceof NurseryError)) throw error;
      return { name, facts: null, why: error.message, turnedAway: (await counting).turnedAway };
    }
  }
}
