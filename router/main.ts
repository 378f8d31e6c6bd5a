/** The router as a process: carries out what the core decides, over links and one port. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { ClusterClient } from '../src/client/cluster-client.ts';
import type { MapWatch } from '../src/client/map-watch.ts';
import type { RouterIni } from '../src/config/router-config.ts';
import { type Hello, LINK_PROTOCOL } from '../src/link/frames.ts';
import type { LinkHandlers, LinkResult } from '../src/link/link.ts';
import { LinkLog } from '../src/link/link-log.ts';
import { ClientPort, limitsOfProcess, portBudgets } from '../src/port/port.ts';
import type { Asker } from '../src/process/budget.ts';
import { type Logger, SILENT } from '../src/process/log.ts';
import type { RouterFigures, SeatFigures } from '../src/protocol/arakoon/statistics.ts';
import type { Answer } from '../src/protocol/arakoon/values.ts';
import { VERSION } from '../src/version.ts';
import { Calls } from './calls.ts';
import { health } from './core/local.ts';
import { createRouter, step } from './core/step.ts';
import type { Effect, Event, Router } from './core/types.ts';
import { NodeLink } from './node-link.ts';

type Send = Extract<Effect, { kind: 'send' }>;
type Connect = Extract<Effect, { kind: 'connect' }>;

/** A router that runs. */
export type RunningRouter = {
  /** Answers what is under way for as long as the port's grace lasts, and closes everything. */
  close(): Promise<void>;
  readonly port: number;
};

/**
 * Starts a router. It serves at once; requests wait until the keeper has given it a map.
 *
 * @param waits hears that the router's own host name cannot be resolved yet, and is waited for
 * @throws FatalError PORT_IN_USE, CONFIG as the port does
 */
export async function startRouter(
  ini: RouterIni,
  logger: Logger = SILENT,
  waits: (what: string) => void = () => undefined,
): Promise<RunningRouter> {
  const shell = new Shell(ini, logger);
  const port = await ClientPort.listen({
    ips: ini.ips,
    port: ini.port,
    writtenAt: { ip: ini.writtenAt.ip, port: ini.writtenAt.clientPort },
    clusterId: ini.clusterId,
    hello: () => shell.hello(ini.clusterId),
    limits: limitsOfProcess(() => shell.outgoing),
    links: shell.links,
    handle: (connection, body, respond) => shell.request(connection.id, body, respond, null, connection),
    gone: () => shell.gone(),
    budgets: shell.budgets,
    http: (request, response) => shell.http(request, response),
    warn: (message) => logger.warn({}, message),
    waits,
  });
  shell.port = port;
  shell.watchKeeper();
  logger.info({ port: port.port }, 'router is up');
  return {
    port: port.port,
    close: async () => {
      await port.close();
      shell.close();
      logger.info({}, 'router is down');
    },
  };
}

/** Gives events to the core, one at a time, and carries out its effects. */
class Shell {
  readonly #ini: RouterIni;
  readonly #logger: Logger;
  readonly #router: Router;
  readonly #keeper: ClusterClient;
  readonly #nodes = new Map<number, NodeLink>();
  readonly #logs = new Map<number, LinkLog>();
  readonly #calls = new Calls();
  /** Memory of the router's connections. */
  readonly budgets = portBudgets();
  /** Events that came while effects were carried out. */
  readonly #queue: Event[] = [];
  /** Set as soon as it is open. */
  port: ClientPort | null = null;
  readonly #strangers = new Set<string>();
  #watch: MapWatch | null = null;
  #isBusy = false;
  #timer: NodeJS.Timeout | null = null;
  #isClosed = false;

  constructor(ini: RouterIni, logger: Logger) {
    this.#ini = ini;
    this.#logger = logger;
    this.#router = createRouter({
      name: ini.name,
      clusterId: ini.clusterId,
      version: VERSION,
      nowMs: performance.now(),
      seats: this.#seats(),
    });
    const { clusterId: cluster, nodes } = ini.nursery;
    this.#keeper = new ClusterClient({ cluster, nodes: [...nodes] }, { role: 'router', node: ini.name });
  }

  /** How many connections to nodes it holds. */
  get outgoing(): number {
    return this.#nodes.size;
  }

  /** The port's figures, as they are whenever they are asked for. */
  #seats(): RouterFigures {
    const of = (figure: keyof SeatFigures): number => this.port?.seats[figure] ?? 0;
    const { replies, requests } = this.budgets.clients;
    return {
      get open() {
        return of('open');
      },
      get clientsMax() {
        return of('clientsMax');
      },
      get turnedAway() {
        return of('turnedAway');
      },
      get letGo() {
        return of('letGo');
      },
      get stalledLetGo() {
        return replies.letGo + requests.letGo;
      },
    };
  }

  /** Links of native clients: their requests are independent of one another. */
  readonly links: LinkHandlers = {
    request: (_link, body, respond, leftMs, asker) => this.request(0, body, respond, leftMs, asker),
    post: () => undefined,
    closed: () => this.#calls.gone(),
  };

  hello(cluster: string): Hello {
    return { protocol: LINK_PROTOCOL, role: 'router', cluster, node: this.#ini.name, incarnation: '' };
  }

  watchKeeper(): void {
    const log = new LinkLog({
      logger: this.#logger,
      facts: { keeper: this.#ini.nursery.clusterId },
      up: 'the keeper tells what changes',
      down: 'there is no keeper: what the map says may be old',
      level: 'warn',
    });
    this.#logs.set(0, log); // no node has this number
    this.#watch = this.#keeper.watchMap(
      ({ map, changed }) => {
        if (map.nursery !== undefined) this.#keeper.expect(map.nursery.founding);
        const facts = { version: map.map.version, clusters: map.clusters.length };
        this.#logger.info({ ...facts, changed: changed?.length ?? 'all' }, 'map received');
        this.#handle({ kind: 'map', nowMs: performance.now(), map, changed });
      },
      (why) => {
        if (why === null) log.up();
        else log.down(why);
        this.#handle({ kind: 'keeper', nowMs: performance.now(), why });
      },
      (stranger) => this.#meetStranger(stranger.nursery?.founding ?? 'none'),
    );
  }

  /** Another keeper is not heard: this router goes on with what it knows. */
  #meetStranger(theirs: string): void {
    const ours = this.#router.keeper?.nursery?.founding ?? '';
    if (this.#strangers.has(theirs)) return;
    this.#strangers.add(theirs);
    this.#logger.error(
      { theirs, ours },
      'met another keeper at the addresses of [nursery]; it is not followed',
    );
  }

  /** @param leftMs how long the client waits; null where it does not say */
  request(
    origin: number,
    body: Uint8Array,
    respond: (answer: Answer) => void,
    leftMs: number | null,
    asker: Asker,
  ): void {
    const request = this.#calls.add(respond, asker);
    this.#handle({ kind: 'request', nowMs: performance.now(), request, origin, leftMs, body });
  }

  /** A connection over TCP was closed. */
  gone(): void {
    this.#calls.gone();
  }

  /** 200 while every key can be served, as far as is known; else 503, and why. */
  http(request: IncomingMessage, response: ServerResponse): void {
    if (request.url !== '/healthz') {
      response.writeHead(404, { 'content-type': 'text/plain' }).end('not found\n');
      return;
    }
    const { ok, why } = health(this.#router);
    const { keeper, held, inFlight } = this.#router;
    const { replies, requests } = this.budgets.clients;
    const body = {
      ok,
      why,
      mapVersion: keeper?.map.version ?? null,
      held,
      inFlight: inFlight.size,
      repliesBytes: replies.usedBytes,
      repliesWaiting: replies.waiting,
      requestsBytes: requests.usedBytes,
      requestsWaiting: requests.waiting,
      stalledLetGo: replies.letGo + requests.letGo,
    };
    response.writeHead(ok ? 200 : 503, { 'content-type': 'application/json' });
    response.end(`${JSON.stringify(body)}\n`);
  }

  close(): void {
    this.#isClosed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#keeper.close();
    for (const log of this.#logs.values()) log.close();
    for (const node of this.#nodes.values()) node.close();
  }

  /** What an effect brings about at once, such as the next request of a client that got its answer, waits its turn. */
  #handle(event: Event): void {
    if (this.#isBusy) {
      this.#queue.push(event);
      return;
    }
    this.#isBusy = true;
    this.#turn(event);
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) this.#turn(next);
    this.#isBusy = false;
  }

  #turn(event: Event): void {
    for (const effect of step(this.#router, event)) this.#carryOut(effect);
  }

  #carryOut(effect: Effect): void {
    switch (effect.kind) {
      case 'answer':
        this.#calls.answer(effect.request, effect.answer);
        return;
      case 'send':
        this.#send(effect);
        return;
      case 'connect':
        this.#connect(effect);
        return;
      case 'disconnect':
        this.#nodes.get(effect.peer)?.close();
        this.#nodes.delete(effect.peer);
        this.#logs.get(effect.peer)?.close();
        this.#logs.delete(effect.peer);
        return;
      default:
        this.#wake(effect.atMs);
    }
  }

  #send(send: Send): void {
    const { request, call } = send;
    const untilMs = performance.now() + send.deadlineMs;
    if (request === null) {
      this.#ask(send, (result) => this.#ended(call, result));
      return;
    }
    this.#calls.ask({
      request,
      call,
      ask: (done, withheld) => {
        const deadlineMs = Math.max(1, untilMs - performance.now());
        return this.#ask({ ...send, deadlineMs }, done, withheld);
      },
      done: (result) => this.#ended(call, result),
      abandoned: (why) => this.#handle({ kind: 'abandoned', nowMs: performance.now(), call, why }),
    });
  }

  #ask(
    { peer, body, deadlineMs }: Send,
    done: (result: LinkResult) => void,
    withheld?: () => void,
  ): () => void {
    const node = this.#nodes.get(peer);
    if (node !== undefined) return node.request(body, deadlineMs, done, withheld);
    queueMicrotask(() => done({ kind: 'failed', why: 'closed', sent: false }));
    return () => undefined;
  }

  #ended(call: number, result: LinkResult): void {
    const nowMs = performance.now();
    if (result.kind === 'reply') {
      this.#handle({ kind: 'reply', nowMs, call, bytes: result.bytes, hint: result.hint });
    } else {
      this.#handle({ kind: 'lost', nowMs, call, why: result.why, sent: result.sent });
    }
  }

  #connect({ peer, cluster, founding, node, ips, port }: Connect): void {
    if (ips.length === 0) {
      this.#logger.warn({ cluster, node }, 'node has no address');
      return;
    }
    const log = new LinkLog({
      logger: this.#logger,
      facts: { cluster, node, address: `${ips.join(', ')} port ${port}` },
      up: 'link to node is up',
      down: 'link to node is down',
    });
    this.#logs.set(peer, log);
    let isMet = false;
    const link = new NodeLink({
      ips,
      port,
      hello: { ...this.hello(cluster), ...(founding === '' ? {} : { founding }) },
      met: (theirs) => {
        if (founding === '' || theirs === undefined || theirs === founding) return;
        if (!isMet) this.#logger.error({ cluster, node, theirs, wanted: founding }, 'met another founding');
        isMet = true; // each attempt comes here
        void this.#watch?.refresh(); // the keeper may know better by now
      },
      onUp: () => {
        log.up();
        this.#handle({ kind: 'up', nowMs: performance.now(), peer });
      },
      onDown: (why) => {
        log.down(why);
        this.#handle({ kind: 'down', nowMs: performance.now(), peer });
      },
    });
    this.#nodes.set(peer, link);
  }

  #wake(atMs: number): void {
    if (this.#isClosed) return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = setTimeout(
      () => {
        this.#timer = null;
        this.#handle({ kind: 'timer', nowMs: performance.now() });
      },
      Math.max(0, atMs - performance.now()),
    );
  }
}
