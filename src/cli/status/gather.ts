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

/** How long the keeper, and a router in its place, may take (ms). */
const KEEPER_MS = 700;
/** When all should have answered, from the start (ms); the rest of two seconds is for the process itself. */
const ALL_MS = 1800;
/** How long nodes may take at the least (ms). */
const NODE_MS = 600;
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
  const facts = await ask(file, target, beganMs);
  const isMoved = judge(facts).findings.some(({ kind }) => kind === 'rangeUnserved' || kind === 'ownedTwice');
  // The map is older than what the nodes said: a move may have ended in between.
  return isMoved ? await ask(file, target, performance.now() - (ALL_MS - KEEPER_MS - NODE_MS)) : facts;
}

async function ask(file: string, target: Target, beganMs: number): Promise<Facts> {
  const configured = target.isRouter ? [target.keeper] : [target.front, target.keeper];
  const asking = new Nodes(beganMs);
  // Those of the file are asked while the keeper says who else there is.
  for (const config of configured) asking.ask(config);
  const [keeper, router] = await Promise.all([
    target.hasNursery ? askKeeper(target) : null,
    target.isRouter ? askRouter(target.front) : null,
  ]);
  const named = withConfigured(keeper?.known.clusters ?? [], configured);
  const clusters = await Promise.all(named.map(async (each) => seen(each, await asking.ask(each))));
  asking.close();
  const front = target.isRouter ? null : target.front.cluster;
  return { file, front, keeper, clusters, router };
}

function seen({ cluster, founding, isElsewhere }: Named, nodes: readonly NodeSeen[]): ClusterSeen {
  return { cluster, nodes, isElsewhere, ...(founding === undefined ? {} : { founding }) };
}

async function askKeeper(target: Target): Promise<KeeperSeen> {
  const { cluster } = target.keeper;
  const client = new ClusterClient(target.keeper, IDENTITY, { keepsToFirst: true });
  const query = (of: AdminQuery) => client.query(of, { deadlineMs: KEEPER_MS });
  const heard = heardByRouter(target);
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
async function heardByRouter({ front, isRouter }: Target): Promise<KeeperMap> {
  if (!isRouter) return NOTHING;
  const client = new ClusterClient(front, IDENTITY);
  try {
    const answer = await client.query({ kind: 'getMap' }, { to: 'any', deadlineMs: KEEPER_MS });
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

async function askRouter(front: ClusterConfig): Promise<RouterSeen | null> {
  const [node] = front.nodes;
  if (node === undefined) return null;
  const client = new ClusterClient(front, IDENTITY);
  try {
    return { name: node.name, ...(await askTurnedAway(client, node.name, KEEPER_MS)) };
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
  readonly #beganMs: number;
  readonly #clients: ClusterClient[] = [];
  readonly #asked = new Map<string, Promise<NodeSeen>>();

  constructor(beganMs: number) {
    this.#beganMs = beganMs;
  }

  async ask({ cluster, nodes }: ClusterConfig): Promise<NodeSeen[]> {
    const client = new ClusterClient({ cluster, nodes }, IDENTITY);
    this.#clients.push(client);
    return await Promise.all(
      nodes.map((node) => {
        const place = `${cluster} ${node.name} ${node.ips.join()} ${node.port}`;
        const asked = this.#asked.get(place) ?? this.#askOne(client, node.name);
        this.#asked.set(place, asked);
        return asked;
      }),
    );
  }

  close(): void {
    for (const client of this.#clients) client.close();
  }

  async #askOne(client: ClusterClient, name: string): Promise<NodeSeen> {
    const deadlineMs = Math.max(NODE_MS, ALL_MS - (performance.now() - this.#beganMs));
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
