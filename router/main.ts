/** A router in its process: makes the World of its driver, of links and a keeper's client, and opens its port. */
import { ClusterClient } from '../src/client/cluster-client.ts';
import type { MapWatch } from '../src/client/map-watch.ts';
import type { RouterIni } from '../src/config/router-config.ts';
import type { Dashboard } from '../src/dashboard/http.ts';
import { type Hello, LINK_PROTOCOL } from '../src/link/frames.ts';
import { type Asked, Watch } from '../src/metrics/http.ts';
import type { ProcessFacts } from '../src/metrics/of-process.ts';
import { following } from '../src/port/follow.ts';
import { ClientPort, limitsOfProcess, portBudgets } from '../src/port/port.ts';
import { Recording } from '../src/port/recording.ts';
import type { Budgets } from '../src/process/budget.ts';
import { watchCollections } from '../src/process/collections.ts';
import type { Logger } from '../src/process/log.ts';
import { TIMERS } from '../src/process/timers.ts';
import type { RouterFigures, SeatFigures } from '../src/protocol/arakoon/statistics.ts';
import { health } from './core/local.ts';
import type { Router } from './core/types.ts';
import { type Connect, Driver } from './driver.ts';
import { routerFamilies } from './metrics.ts';
import { NodeLink, type NodeLinkOptions } from './node-link.ts';

/** How often its statistics are logged, and begin anew (ms). */
const REPORT_EVERY_MS = 300_000;

export type RouterOptions = {
  readonly ini: RouterIni;
  readonly logger: Logger;
  /** How it reaches the keeper; whoever made it closes it, after the router. */
  readonly keeper: ClusterClient;
  /** Served at its port; none by default. */
  readonly dashboard?: Dashboard;
  /** Hears that the router's own host name cannot be resolved yet, and is waited for. */
  waits(what: string): void;
};

/** A router that runs. */
export type RunningRouter = {
  /** Answers what is under way for as long as the port's grace lasts, and closes all that it has opened. */
  close(): Promise<void>;
  readonly port: number;
};

/** A client of the keeper, for a router. */
export function keeperOf({ name, nursery }: RouterIni): ClusterClient {
  const { clusterId: cluster, nodes } = nursery;
  return new ClusterClient({ cluster, nodes: [...nodes] }, { role: 'router', node: name });
}

/**
 * Starts a router. It serves at once; requests wait until the keeper has given it a map. There may be several in one process.
 *
 * @throws FatalError PORT_IN_USE, CONFIG as the port does
 */
export async function startRouter(options: RouterOptions): Promise<RunningRouter> {
  const { ini, logger, keeper, dashboard, waits } = options;
  const budgets = portBudgets();
  const figures = new Figures(budgets.clients);
  const { slowMs } = ini;
  const recording = new Recording({ logger, nowMs: TIMERS.nowMs, wallMs: Date.now, slowMs });
  const endWatch = watchCollections((_tookMs, kind) => recording.collected(kind));
  const reports = setInterval(() => recording.report(), REPORT_EVERY_MS);
  const hello = (cluster: string): Hello => {
    return { protocol: LINK_PROTOCOL, role: 'router', cluster, node: ini.name, incarnation: '' };
  };
  const follow = following(logger, ini.logLevel);
  const driver = new Driver(
    {
      ...TIMERS,
      logger,
      link: (to, events) => linkTo(to, { hello: hello(to.cluster), events, ...follow }),
      refreshMap: () => keeper.refreshMap(),
    },
    { name: ini.name, clusterId: ini.clusterId, keeper: keeper.cluster, seats: figures, recording },
  );
  const facts = { operations: recording.operations, budgets: budgets.clients, seats: figures };
  const asked = new Watch(
    () => watchOf(driver.router, facts),
    (error) => logger.error({ reason: error.message }, 'no metrics'),
  );
  const port = await ClientPort.listen({
    ips: ini.ips,
    port: ini.port,
    writtenAt: { ip: ini.writtenAt.ip, port: ini.writtenAt.clientPort },
    clusterId: ini.clusterId,
    hello: () => hello(ini.clusterId),
    limits: limitsOfProcess(() => driver.outgoing),
    // Requests of native clients are independent of one another.
    links: {
      request: (_link, body, respond, leftMs, asker) => driver.request(0, body, respond, leftMs, asker),
      post: () => undefined,
      closed: () => driver.gone(),
      ...follow,
    },
    handle: (connection, body, respond) => driver.request(connection.id, body, respond, null, connection),
    gone: () => driver.gone(),
    budgets,
    http: (request, response) => {
      if (dashboard?.answer(request, response, recording.operations)) return;
      asked.answer(request, response);
    },
    warn: (message) => logger.warn({}, message),
    waits,
  });
  figures.port = port;
  const watch = watchKeeper(keeper, driver);
  logger.info({ port: port.port }, 'router is up');
  return {
    port: port.port,
    close: async () => {
      await port.close();
      clearInterval(reports);
      endWatch();
      watch.close();
      driver.close();
      logger.info({}, 'router is down');
    },
  };
}

function linkTo({ ips, port, founding }: Connect, options: Omit<NodeLinkOptions, 'ips' | 'port'>): NodeLink {
  const { hello } = options;
  return new NodeLink({ ...options, ips, port, hello: founding === '' ? hello : { ...hello, founding } });
}

function watchKeeper(keeper: ClusterClient, driver: Driver): MapWatch {
  return keeper.watchMap({
    map: (news) => driver.learn(news),
    trouble: (why) => driver.watched(why),
    stranger: (map) => driver.metStranger(map.nursery?.founding ?? 'none'),
  });
}

/** What supervisors and Prometheus ask: every key can be served, as far as is known, or the reason why not. */
function watchOf(router: Router, facts: Omit<ProcessFacts, 'eventLoop'>): Asked {
  return {
    why: () => {
      const { ok, why } = health(router);
      return ok ? null : why;
    },
    more: () => {
      const { keeper, held, inFlight } = router;
      const { replies, requests } = facts.budgets;
      return {
        mapVersion: keeper?.map.version ?? null,
        held,
        inFlight: inFlight.size,
        repliesBytes: replies.usedBytes,
        repliesWaiting: replies.waiting,
        requestsBytes: requests.usedBytes,
        requestsWaiting: requests.waiting,
        stalledLetGo: replies.letGo + requests.letGo,
      };
    },
    families: () => routerFamilies(router, { ...facts, eventLoop: performance.eventLoopUtilization() }),
  };
}

/** The port's figures, as they are whenever they are asked for. */
class Figures implements RouterFigures {
  readonly #budgets: Budgets;
  /** Set as soon as it is open. */
  port: ClientPort | null = null;

  constructor(budgets: Budgets) {
    this.#budgets = budgets;
  }

  get open(): number {
    return this.#of('open');
  }

  get clientsMax(): number {
    return this.#of('clientsMax');
  }

  get turnedAway(): number {
    return this.#of('turnedAway');
  }

  get letGo(): number {
    return this.#of('letGo');
  }

  get stalledLetGo(): number {
    const { replies, requests } = this.#budgets;
    return replies.letGo + requests.letGo;
  }

  #of(figure: keyof SeatFigures): number {
    return this.port?.seats[figure] ?? 0;
  }
}
