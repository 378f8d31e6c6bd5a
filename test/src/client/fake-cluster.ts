/** Nodes behind real ports that share one map of keys in memory, and misbehave as a test wishes. */

import { EMPTY_MAP } from '../../../src/keyspace/rangemap.ts';
import { TOPIC } from '../../../src/link/frames.ts';
import type { Link } from '../../../src/link/link.ts';
import { ClientPort } from '../../../src/port/port.ts';
import type { Connection } from '../../../src/port/tcp-connection.ts';
import {
  type ClusterConfig,
  encodeAnswer,
  type KeeperMap,
  mapPushCodec,
} from '../../../src/protocol/admin/admin.ts';
import {
  failure,
  OK,
  okBool,
  okBytes,
  okEntries,
  okInt64,
  okMultiGetOptions,
  okOptionalBytes,
  okOptionalText,
  okRevEntries,
  okVersion,
} from '../../../src/protocol/arakoon/replies.ts';
import { decodeRequest, isUpdate, type Request } from '../../../src/protocol/arakoon/requests.ts';
import { decodeUpdate } from '../../../src/protocol/arakoon/updates.ts';
import type { Answer } from '../../../src/protocol/arakoon/values.ts';
import { encode } from '../../../src/wire/codec.ts';
import { handlers, hello } from '../link/pair.ts';

/** What a node does with a request instead of serving it: an answer, `null` for none at all, or `undefined` to serve it. */
export type Interfere = (request: Request, node: FakeNode) => Answer | null | undefined;

/** A few nodes of one cluster, and who their master is. */
export class FakeCluster {
  readonly id: string;
  readonly keys = new Map<string, Uint8Array>();
  readonly nodes: FakeNode[] = [];
  master: string | null = 'n0';
  map: KeeperMap = { map: EMPTY_MAP.at(1), clusters: [] };
  interfere: Interfere = () => undefined;
  #served: (() => void)[] = [];

  constructor(id = 'ricky') {
    this.id = id;
  }

  async start(count: number, role: 'node' | 'router' = 'node'): Promise<this> {
    for (let index = 0; index < count; index += 1) {
      const node = new FakeNode(this, `n${index}`, role);
      await node.start();
      this.nodes.push(node);
    }
    return this;
  }

  get config(): ClusterConfig {
    return {
      cluster: this.id,
      nodes: this.nodes.map(({ name, port }) => ({ name, ips: ['127.0.0.1'], port })),
    };
  }

  get addresses(): string[] {
    return this.nodes.map(({ port }) => `127.0.0.1:${port}`);
  }

  /** Requests that reached any node, as `node kind`. */
  readonly log: string[] = [];

  /** Resolves when the log holds `entry`. */
  async whenLogged(entry: string): Promise<void> {
    while (!this.log.includes(entry)) await new Promise<void>((resolve) => this.#served.push(resolve));
  }

  /** For `FakeNode` only. */
  logged(entry: string): void {
    this.log.push(entry);
    const served = this.#served;
    this.#served = [];
    for (const resolve of served) resolve();
  }

  /** Changes the map and pushes it to those who watch. */
  publish(map: KeeperMap): void {
    this.map = map;
    for (const node of this.nodes) node.push();
  }

  /** All nodes are of another founding now, and have that map: somebody else is at their addresses. */
  async become(founding: string, map: KeeperMap): Promise<void> {
    await this.stop();
    this.map = map;
    for (const node of this.nodes) {
      node.founding = founding;
      await node.start();
    }
  }

  async stop(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.stop()));
  }
}

/** One of them. */
export class FakeNode {
  readonly #cluster: FakeCluster;
  readonly name: string;
  readonly #role: 'node' | 'router';
  readonly links = new Set<Link>();
  /** What a router says of itself. */
  isReady = true;
  /** The founding that it says it is of; '' names none. */
  founding = '';
  /** Whether it has no seat for anybody. */
  isFull = false;
  readonly #watchers = new Set<Link>();
  #port: ClientPort | null = null;
  #number = 0;

  constructor(cluster: FakeCluster, name: string, role: 'node' | 'router') {
    this.#cluster = cluster;
    this.name = name;
    this.#role = role;
  }

  get port(): number {
    return this.#number;
  }

  /** Listens, on the same port as before where there was one. */
  async start(): Promise<void> {
    this.#port = await ClientPort.listen({
      ips: ['127.0.0.1'],
      port: this.#number,
      clusterId: this.#cluster.id,
      hello: () => ({
        ...hello(this.#cluster.id, this.name),
        role: this.#role,
        ...(this.founding === '' ? {} : { founding: this.founding }),
      }),
      links: handlers({
        opened: (link) => this.links.add(link),
        closed: (link) => {
          this.links.delete(link);
          this.#watchers.delete(link);
        },
        request: (link, body, respond) => this.#serve(link, body, respond),
      }),
      handle: (connection, body, respond) => this.#serve(connection, body, respond),
      warn: () => {},
      limits: () => ({ clients: this.isFull ? 0 : 100, own: 0, spare: 10 }),
      graceMs: 10,
    });
    this.#number = this.#port.port;
  }

  async stop(): Promise<void> {
    await this.#port?.close();
    this.#port = null;
  }

  push(): void {
    for (const link of this.#watchers)
      link.post(TOPIC.map, encode(mapPushCodec, { kind: 'whole', ...this.#cluster.map }));
  }

  #serve(connection: Connection, body: Buffer, respond: (answer: Answer) => void): void {
    const request = decodeRequest(body);
    const interfered = this.#cluster.interfere(request, this);
    if (interfered === undefined) respond(this.#answer(connection, request));
    else if (interfered !== null) respond(interfered);
    this.#cluster.logged(`${this.name} ${request.kind}`);
  }

  #answer(connection: Connection, request: Request): Answer {
    const { keys, master } = this.#cluster;
    if (request.kind === 'whoMaster') return okOptionalText(this.#role === 'router' ? this.name : master);
    if (request.kind === 'expectProgressPossible') return okBool(this.isReady);
    if (request.kind === 'version') return okVersion({ major: 1, minor: 2, patch: 3, text: this.name });
    if (request.kind === 'adminQuery') {
      if (request.query.kind === 'watchMap') {
        this.#watchers.add(connection as Link);
        if (this.#cluster.map.map.version <= request.query.sinceVersion)
          return { bytes: encodeAnswer({ kind: 'ok' }), hint: null };
      }
      return { bytes: encodeAnswer({ kind: 'keeperMap', ...this.#cluster.map }), hint: null };
    }
    if (request.kind === 'statistics') return failure('NOT_SUPPORTED', 'statistics');
    const anyNode = 'consistency' in request && request.consistency.kind !== 'consistent';
    if (this.#role === 'node' && master !== this.name && !anyNode)
      return failure('NOT_MASTER', master ?? 'None');
    return serve(keys, request);
  }
}

function serve(keys: Map<string, Uint8Array>, request: Request): Answer {
  const missing = (key: string): Answer => failure('NOT_FOUND', key);
  if (isUpdate(request) && request.kind === 'nop') return OK;
  switch (request.kind) {
    case 'get': {
      const value = keys.get(request.key);
      return value === undefined ? missing(request.key) : okBytes(value);
    }
    case 'set':
      keys.set(request.key, Buffer.from(request.value));
      return OK;
    case 'delete':
      return keys.delete(request.key) ? OK : missing(request.key);
    case 'replace': {
      const before = keys.get(request.key) ?? null;
      if (request.wanted === null) keys.delete(request.key);
      else keys.set(request.key, Buffer.from(request.wanted));
      return okOptionalBytes(before);
    }
    case 'sequence': {
      const update = decodeUpdate(request.update);
      if (update.kind !== 'sequence') return failure('BAD_INPUT', update.kind);
      for (const step of update.updates) if (step.kind === 'set') keys.set(step.key, Buffer.from(step.value));
      return OK;
    }
    case 'multiGetOption':
      return okMultiGetOptions(request.keys.map((key) => keys.get(key) ?? null));
    case 'rangeEntries':
      return okEntries([...keys].sort());
    case 'revRangeEntries':
      return okRevEntries([...keys].sort().reverse());
    case 'getKeyCount':
      return okInt64(keys.size);
    case 'adminCommand':
      return { bytes: encodeAnswer({ kind: 'ok' }), hint: null };
    default:
      return failure('NOT_SUPPORTED', request.kind);
  }
}
