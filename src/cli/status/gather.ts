/**
 * Asks everybody at once how it is: keeper, router, the nodes of the file, and those of all clusters as soon as either of the first
 * two names them. Whatever is down, all of it takes two seconds at most: who has not answered by then is reported with the reason
 * so far, and who had no time to answer as that.
 */
import { NurseryError } from '../../base/errors.ts';
import { ClusterClient } from '../../client/cluster-client.ts';
import {
  type ClusterSeen,
  type Facts,
  type KeeperSeen,
  masterOf,
  type NodeSeen,
  type RouterSeen,
} from '../../health/facts.ts';
import { judge } from '../../health/findings.ts';
import { EMPTY_MAP } from '../../keyspace/rangemap.ts';
import { Speechless } from '../../link/dial.ts';
import type {
  AdminQuery,
  ClusterConfig,
  KeeperMap,
  KnownCluster,
  NodeAddress,
} from '../../protocol/admin/admin.ts';
import { readTarget, type Target } from '../connections.ts';
import { askTurnedAway } from '../turned-away.ts';

/** When all should have answered, from the beginning (ms); the rest of two seconds is for the process itself. */
const ALL_MS = 1700;
/** Keeper and router are waited for until so long before the end (ms): whom they name has that time at the least. */
const NODE_MS = 600;
/** Whose silence is to say anything has had so long to answer, of the time in which this process ran itself (ms). */
const FAIR_MS = 400;
/** How often it is looked whether this process runs; what passes between two looks counts as twice that at most (ms). */
const TURN_MS = 50;
/** What is left for a second look (ms). */
const AGAIN_MS = 700;
/** What deadlines of nodes are whole multiples of (ms). */
const STEP_MS = 100;
const IDENTITY = { role: 'operator', node: 'status' } as const;
const NO_TIME = 'there was no time to ask it';
const NOTHING: KeeperMap = { map: EMPTY_MAP, clusters: [] };

/**
 * All that is known through the configuration `file`.
 *
 * @throws FatalError CONFIG
 */
export async function gather(file: string): Promise<Facts> {
  return await gatherFrom(file, readTarget(file));
}

/** The same, of a configuration that was read already; `file` stands in what is to be typed. */
export async function gatherFrom(file: string, target: Target): Promise<Facts> {
  const untilMs = performance.now() + ALL_MS;
  return await lookTwice((before) => begin({ file, target, untilMs, before }), untilMs);
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
export async function lookTwice(
  begin: (before: Facts | null) => Promise<Look>,
  untilMs: number,
): Promise<Facts> {
  const first = await begin(null);
  try {
    const early = await first.at(untilMs - AGAIN_MS);
    if (!isMoved(early)) return await first.at(untilMs);
    const second = await begin(early);
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

type Begin = {
  readonly file: string;
  readonly target: Target;
  readonly untilMs: number;
  /** What an earlier look has found: who is named there need not be named again to be asked. */
  readonly before: Facts | null;
};

async function begin({ file, target, untilMs, before }: Begin): Promise<Look> {
  const configured = target.isRouter ? [target.keeper] : [target.front, target.keeper];
  const presence = new Presence();
  const asking = new Nodes(untilMs, presence);
  const learn = (clusters: readonly ClusterConfig[]): void => {
    for (const each of clusters) asking.ask(each);
  };
  learn([...configured, ...(before?.keeper?.known.clusters ?? [])]);
  const deadlineMs = Math.max(0, Math.round(untilMs - NODE_MS - performance.now()));
  const router = target.isRouter ? new ClusterClient(target.front, IDENTITY) : null;
  const tellers: Tellers = { target, router, learn, deadlineMs, presence };
  const [keeper, routerSeen] = await Promise.all([
    target.hasNursery ? askKeeper(tellers) : null,
    askRouter(tellers),
  ]).finally(() => router?.close());
  const named = withConfigured(clustersOf(keeper), configured);
  const asked = named.map((each) => ({ each, nodes: asking.ask(each) }));
  const front = target.isRouter ? null : target.front.cluster;
  return {
    at: async (ms) => {
      const clusters = await Promise.all(
        asked.map(async ({ each, nodes }) => seen(each, await asking.seenAt(each, nodes, ms))),
      );
      return { file, front, keeper: judged(keeper, clusters), clusters, router: routerSeen };
    },
    close: () => {
      presence.end();
      asking.close();
    },
  };
}

function seen({ cluster, founding, isElsewhere }: Named, nodes: readonly NodeSeen[]): ClusterSeen {
  return { cluster, nodes, isElsewhere, ...(founding === undefined ? {} : { founding }) };
}

/** Those who name clusters: for as long as they have, `learn` hears of each as soon as it is named. */
type Tellers = {
  readonly target: Target;
  /** Null where the file is no router's. */
  readonly router: ClusterClient | null;
  readonly deadlineMs: number;
  readonly presence: Presence;
  learn(clusters: readonly ClusterConfig[]): void;
};

/** `isLate`: it did not answer in time, for whatever reason. */
type Late = KeeperSeen & { readonly isLate: boolean };

async function askKeeper(tellers: Tellers): Promise<Late> {
  const { target, deadlineMs, learn, presence } = tellers;
  const beganMs = presence.ms;
  const { cluster } = target.keeper;
  const client = new ClusterClient(target.keeper, IDENTITY, { keepsToFirst: true });
  const query = (of: AdminQuery) => client.query(of, { deadlineMs });
  const heard = heardByRouter(tellers);
  try {
    const [known, migrations, orders, auto] = await Promise.all([
      query({ kind: 'getMap' }),
      query({ kind: 'listMigrations' }),
      query({ kind: 'listOrders' }),
      query({ kind: 'getAuto', recent: 0 }),
    ]);
    if (known.kind !== 'keeperMap' || migrations.kind !== 'migrations' || orders.kind !== 'orders')
      throw new NurseryError('MALFORMED', `keeper ${cluster} answered ${known.kind} to getMap`);
    learn(known.clusters);
    return {
      cluster,
      known: withoutKind(known),
      ...(known.map.isEmpty ? { before: await heard } : {}),
      migrations: migrations.migrations,
      orders: orders.orders,
      ...(auto.kind === 'auto' ? { auto: auto.wish } : {}),
      why: null,
      isLate: false,
    };
  } catch (error) {
    if (!(error instanceof NurseryError)) throw error;
    const isUnheard = !presence.hadTime(beganMs, error);
    const known = await heard;
    const isLate = error.code === 'TIMEOUT' || error.code === 'UNREACHABLE';
    return { cluster, known, migrations: null, orders: null, why: error.message, isUnheard, isLate };
  } finally {
    client.close();
  }
}

/** What the router of the configuration was last told by the keeper; nothing where it is none, or does not answer. */
async function heardByRouter({ router, deadlineMs, learn }: Tellers): Promise<KeeperMap> {
  if (router === null) return NOTHING;
  try {
    const answer = await router.query({ kind: 'getMap' }, { to: 'any', deadlineMs });
    if (answer.kind !== 'keeperMap') return NOTHING;
    learn(answer.clusters);
    return withoutKind(answer);
  } catch (error) {
    if (!(error instanceof NurseryError)) throw error;
    return NOTHING;
  }
}

function withoutKind({ kind: _, ...map }: { readonly kind: string } & KeeperMap): KeeperMap {
  return map;
}

async function askRouter({ target, router, deadlineMs, presence }: Tellers): Promise<RouterSeen | null> {
  const [node] = target.front.nodes;
  if (node === undefined || router === null) return null;
  const beganMs = presence.ms;
  const { turnedAway, why, error } = await askTurnedAway(router, node.name, deadlineMs);
  const isUnheard = error !== undefined && !presence.hadTime(beganMs, error);
  return { name: node.name, turnedAway, why, isUnheard, isMute: error !== undefined && isMute(error) };
}

/** A keeper whose master is there is late, whatever was not heard of it: that is not silence. */
function judged(keeper: Late | null, clusters: readonly ClusterSeen[]): KeeperSeen | null {
  if (keeper === null) return null;
  const { isLate, ...seen } = keeper;
  const own = clusters.filter(({ cluster, isElsewhere }) => cluster === seen.cluster && !isElsewhere);
  const isThere = isLate && own.some((cluster) => masterOf(cluster) !== null);
  return isThere ? { ...seen, isUnheard: true } : seen;
}

/** Those of a map that is not there any more are what a new keeper has yet to learn. */
function clustersOf(keeper: KeeperSeen | null): readonly KnownCluster[] {
  const { known, before = NOTHING } = keeper ?? { known: NOTHING };
  const isKnown = (id: string): boolean => known.clusters.some(({ cluster }) => cluster === id);
  return [...known.clusters, ...before.clusters.filter(({ cluster }) => !isKnown(cluster))];
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
  readonly #presence: Presence;

  /** @param untilMs when all should have answered (monotonic, ms) */
  constructor(untilMs: number, presence: Presence) {
    this.#untilMs = untilMs;
    this.#presence = presence;
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
    // Said where it is over: in words that stay the same from one look to the next.
    const deadlineMs = Math.floor(Math.max(0, this.#untilMs - performance.now()) / STEP_MS) * STEP_MS;
    const beganMs = this.#presence.ms;
    const counting = askTurnedAway(client, name, deadlineMs);
    try {
      const answer = await client.query({ kind: 'nodeFacts' }, { to: name, deadlineMs });
      const { turnedAway } = await counting;
      if (answer.kind !== 'nodeFacts')
        return { name, facts: null, why: `answered ${answer.kind}`, turnedAway };
      const { kind: _, ...facts } = answer;
      const replaces = client.peer(name)?.replaces;
      return { name, facts, why: '', turnedAway, ...(replaces === undefined ? {} : { replaces }) };
    } catch (error) {
      if (!(error instanceof NurseryError)) throw error;
      const { turnedAway } = await counting;
      const isUnheard = !this.#presence.hadTime(beganMs, error);
      const why = isUnheard ? NO_TIME : error.message;
      return { name, facts: null, why, turnedAway, isUnheard, isMute: isMute(error) };
    }
  }
}

/** How long this process has really run: where it is held up itself, no silence says anything of others. */
class Presence {
  readonly #timer = setInterval(() => this.#turn(), TURN_MS).unref();
  #ranMs = 0;
  #lastMs = performance.now();

  /** So far (ms). */
  get ms(): number {
    this.#turn();
    return this.#ranMs;
  }

  /**
   * Whether whoever was asked at `beganMs` had a fair chance before it failed with `error`. That a machine says at once that nothing
   * listens there is an answer, however short the time was.
   */
  hadTime(beganMs: number, error: NurseryError): boolean {
    return this.ms - beganMs >= FAIR_MS || isRefusal(error);
  }

  end(): void {
    clearInterval(this.#timer);
  }

  #turn(): void {
    const nowMs = performance.now();
    this.#ranMs += Math.min(nowMs - this.#lastMs, 2 * TURN_MS);
    this.#lastMs = nowMs;
  }
}

function isRefusal(error: NurseryError): boolean {
  return causesOf(error).some((cause) => (cause as NodeJS.ErrnoException).code === 'ECONNREFUSED');
}

/** Whether a process was there, which took what was sent to it and said nothing. */
function isMute(error: NurseryError): boolean {
  return error.code === 'TIMEOUT' || causesOf(error).some((cause) => cause instanceof Speechless);
}

/** It, and what is behind it. */
function causesOf(error: Error): Error[] {
  return [error, ...(error.cause instanceof Error ? causesOf(error.cause) : [])];
}
