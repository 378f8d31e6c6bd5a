/** Finds and follows a cluster's master over links, and sends again only what certainly did not happen. */
import { NurseryError, RETURN_CODES } from '../base/errors.ts';
import { type Hello, LINK_PROTOCOL } from '../link/frames.ts';
import type { LinkResult } from '../link/link.ts';
import {
  type AdminAnswer,
  type AdminCommand,
  type AdminQuery,
  decodeAnswer,
  encodeCommand,
  encodeQuery,
  type KeeperMap,
  type KnownCluster,
  type NodeAddress,
} from '../protocol/admin/admin.ts';
import { decodeVoid } from '../protocol/arakoon/replies.ts';
import { masterIn, returnCodeOf } from '../protocol/arakoon/values.ts';
import { Call, DEADLINE_MS, PAUSE_MAX_MS, PAUSE_MIN_MS, type Reply, type SendOptions } from './call.ts';
import { Endpoint, type EndpointOwner } from './endpoint.ts';
import { type MapListener, MapWatch } from './map-watch.ts';
import { MasterSearch } from './master-search.ts';

/** Redirections that a call follows at once; after them it pauses, for the nodes may send it in a circle. */
const REDIRECTS_MAX = 4;
/** Calls that may wait for a master or a connection at a time. */
const WAITING_MAX = 16 * 1024;

/** Who calls: a hello less what the cluster decides. */
export type Identity = Pick<Hello, 'role' | 'node'>;

/**
 * Commands whose repetition would be a second act, or be refused because of the first; all others say the same
 * when they are repeated unchanged.
 */
const ONCE: ReadonlySet<AdminCommand['kind']> = new Set([
  'assume',
  'initMap',
  'plan',
  'planCopy',
  'claim',
  'forget',
  'dropCluster',
]);
/** Queries that any node answers. */
const ANYWHERE: ReadonlySet<AdminQuery['kind']> = new Set([
  'readPage',
  'readDirty',
  'scanBase',
  'nodeStatus',
]);

/** Whom a call may be for that any node answers which is recent enough. */
const ANYBODY: ReadonlySet<string> = new Set(['any', 'follower']);

/** A client of one cluster. Connections are opened as they are needed, and kept. */
export class ClusterClient {
  readonly #identity: Identity;
  readonly #owner: EndpointOwner;
  readonly #watches = new Set<MapWatch>();
  readonly #ended = (call: Call, result: LinkResult): void => this.#settle(call, result);
  readonly #waiting = new Set<Call>();
  readonly #search = new MasterSearch();
  readonly #cluster: string;
  /** The founding that nodes must be of; '' fits any. */
  #founding: string;
  #endpoints: Endpoint[];
  #master: Endpoint | null = null;
  #turn = 0;
  #closed = false;

  /**
   * @param config cluster id ('' fits any), and the nodes, of which at least one must answer
   * @param keepsToFirst whether the first founding that is met is the one, for as long as this client lives: what was asked of one
   *   cluster is never commanded to another, wherever an address leads later
   */
  constructor(config: KnownCluster, identity: Identity, { keepsToFirst = false } = {}) {
    this.#identity = identity;
    this.#cluster = config.cluster;
    this.#founding = config.founding ?? '';
    const hello = (): Hello => ({
      protocol: LINK_PROTOCOL,
      role: this.#identity.role,
      cluster: config.cluster,
      node: this.#identity.node,
      incarnation: '',
      ...(this.#founding === '' ? {} : { founding: this.#founding }),
    });
    this.#owner = {
      hello,
      opened: (link) => {
        const { founding } = link.peer;
        if (founding === undefined) return;
        if (keepsToFirst && this.#founding === '') this.expect(founding);
        // Two may have been dialled at once, before there was one to keep to.
        if (this.#founding !== '' && founding !== this.#founding) link.close('another founding');
      },
      posted: (endpoint, topic, body) => {
        for (const watch of this.#watches) watch.posted(endpoint, topic, body);
      },
      lost: (endpoint) => {
        if (this.#master === endpoint) this.#master = null;
        for (const watch of this.#watches) watch.lost(endpoint);
      },
    };
    this.#endpoints = config.nodes.map((node) => new Endpoint(node, this.#owner));
    this.#turn = Math.floor(Math.random() * config.nodes.length); // clients spread over the nodes
  }

  /** Cluster id. */
  get cluster(): string {
    return this.#cluster;
  }

  /** The master as last heard of. */
  get masterName(): string | null {
    return this.#master?.link?.peer.node ?? this.#master?.address.name ?? null;
  }

  /** How a node, by its name, introduced itself; null while there is no connection to it. */
  peer(name: string): Hello | null {
    return this.#endpoints.find((endpoint) => endpoint.isCalled(name))?.link?.peer ?? null;
  }

  /** From now on nodes must be of this founding. Connections to those that are stay as they are. */
  expect(founding: string): void {
    if (this.#founding === founding) return;
    this.#founding = founding;
    for (const { link } of this.#endpoints) {
      if (link !== null && (link.peer.founding ?? founding) !== founding) link.close('another founding');
    }
  }

  /**
   * From now on nodes must be of this keeper's founding, where none was expected yet, or it says that it has replaced that one.
   *
   * @returns false where it is a stranger: all stays as it is
   */
  follow({ founding, replaced }: NonNullable<KeeperMap['nursery']>): boolean {
    const known = this.#founding;
    if (known !== '' && known !== founding && !replaced.includes(known)) return false;
    this.expect(founding);
    return true;
  }

  /** Uses these nodes from now on. Connections to nodes that stay are kept, unless another founding is meant. */
  update(config: KnownCluster): void {
    const before = this.#endpoints;
    const isSame = this.#founding === (config.founding ?? '');
    this.#founding = config.founding ?? '';
    this.#endpoints = config.nodes.map(
      (node) =>
        before.find(({ address }) => isSame && sameAddress(address, node)) ?? new Endpoint(node, this.#owner),
    );
    for (const endpoint of before) {
      if (this.#endpoints.includes(endpoint)) continue;
      if (this.#master === endpoint) this.#master = null;
      endpoint.close();
    }
  }

  /**
   * Sends a request and resolves with its reply, whatever its return code, except for those that prove that
   * nothing happened and that another attempt may mend: these are repeated until the deadline.
   *
   * @throws NurseryError MAYBE_APPLIED for an update that was sent and whose fate is unknown; TIMEOUT for a read
   *   without an answer; NOT_MASTER, UNREACHABLE, GOING_DOWN where it was never carried out
   */
  send(body: Uint8Array, options: SendOptions = {}): Promise<Reply> {
    return new Promise((resolve, reject) => {
      const call = new Call(this.#ended, body, options, resolve, reject);
      this.#attempt(call);
    });
  }

  /**
   * Has an administrative command carried out, by the master unless `to` names a node. One that may be repeated by its nature is, unless `idempotent` says
   * otherwise.
   *
   * @throws NurseryError as `send`, and what a reply other than an answer says
   */
  async command(command: AdminCommand, options: SendOptions = {}): Promise<AdminAnswer> {
    const idempotent = options.idempotent ?? !ONCE.has(command.kind);
    return answerOf((await this.send(encodeCommand(command), { ...options, idempotent })).bytes);
  }

  /** Asks the master, or any node where any one knows. @throws NurseryError as `command` */
  async query(query: AdminQuery, options: SendOptions = {}): Promise<AdminAnswer> {
    const to = options.to ?? (ANYWHERE.has(query.kind) ? 'any' : 'master');
    return answerOf((await this.send(encodeQuery(query), { ...options, to })).bytes);
  }

  /**
   * Tells `listener` of the keeper's map. Survives the loss of nodes. This must be a client of the keeper, and one that expects no
   * founding: else a keeper that has replaced the first one that was met would never be heard.
   */
  watchMap(listener: MapListener): MapWatch {
    const watch = new MapWatch(
      {
        next: () => this.#nextEndpoint(null),
        query: (query) => this.query(query, { to: 'master' }),
        ended: () => this.#watches.delete(watch),
      },
      listener,
    );
    this.#watches.add(watch);
    watch.start();
    return watch;
  }

  /** Asks for the map now, on behalf of all who watch it. */
  refreshMap(): void {
    for (const watch of this.#watches) void watch.refresh();
  }

  /**
   * Opens a connection, and finds the master, or a router that is ready, as far as there is one now. Where nodes turn everybody away
   * for the moment it tries again, all of them, with growing pauses.
   *
   * @throws NurseryError UNREACHABLE and those of `dial`, where none answers, or none has a seat within `deadlineMs`
   */
  async open(deadlineMs = DEADLINE_MS): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      const why = `cluster ${this.#cluster}: nobody answered within ${deadlineMs} ms`;
      timer = setTimeout(() => reject(new NurseryError('UNREACHABLE', why)), deadlineMs);
    });
    try {
      await Promise.race([this.#open(performance.now() + deadlineMs), late]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Tries until `untilMs`; a single attempt may take longer. */
  async #open(untilMs: number): Promise<void> {
    for (let pauseMs = PAUSE_MIN_MS; ; pauseMs = Math.min(2 * pauseMs, PAUSE_MAX_MS)) {
      try {
        await Promise.any(this.#endpoints.map((endpoint) => endpoint.open()));
        break;
      } catch (error) {
        const { errors } = error as AggregateError;
        const passing = errors.find(isPassing);
        const why =
          passing ?? errors[0] ?? new NurseryError('UNREACHABLE', `cluster ${this.#cluster} has no nodes`);
        if (passing === undefined || this.#closed || performance.now() + 2 * pauseMs > untilMs) throw why;
      }
      await new Promise((resolve) => setTimeout(resolve, pauseMs * (0.5 + Math.random())));
    }
    await new Promise<void>((resolve) => {
      this.#search.find(this.#endpoints, (master, _why, isReady) => {
        if (isReady && master !== null && this.#endpoints.includes(master)) this.#master ??= master;
        resolve();
      });
    });
  }

  /** Closes all connections; calls under way fail. */
  close(): void {
    this.#closed = true;
    for (const watch of [...this.#watches]) watch.close();
    for (const endpoint of this.#endpoints) endpoint.close();
    const why = new NurseryError('UNREACHABLE', `client of cluster ${this.#cluster} was closed`);
    for (const call of [...this.#waiting]) this.#fail(call, why);
  }

  // The life of a call: attempt, result, pause, attempt …

  #settle(call: Call, result: LinkResult): void {
    if (result.kind === 'reply') this.#understand(call, result);
    else if (!result.sent) this.#again(call, new NurseryError('UNREACHABLE', `link ${result.why}`));
    else if (result.why === 'timeout') this.#expire(call, true);
    else this.#lostAfterSending(call);
  }

  #fail(call: Call, error: NurseryError): void {
    this.#proceed(call);
    call.settled = true;
    call.reject(error);
  }

  #attempt(call: Call): void {
    if (call.settled) return;
    if (this.#closed) {
      this.#fail(call, new NurseryError('UNREACHABLE', `client of cluster ${this.#cluster} was closed`));
      return;
    }
    const endpoint = this.#pick(call);
    if (endpoint !== null) this.#sendTo(endpoint, call);
    else if (this.#wait(call)) this.#seek(call);
  }

  #sendTo(endpoint: Endpoint, call: Call): void {
    call.endpoint = endpoint;
    if (endpoint.link !== null) {
      const leftMs = call.deadlineAtMs - performance.now();
      this.#proceed(call);
      if (leftMs > 0) endpoint.link.request(call.body, leftMs, call.done);
      else this.#expire(call, false);
      return;
    }
    if (!this.#wait(call)) return;
    endpoint.open().then(
      () => {
        if (call.settled) return;
        if (endpoint.link !== null) this.#sendTo(endpoint, call);
        else this.#again(call, new NurseryError('UNREACHABLE', 'the connection was lost at once'));
      },
      (error: unknown) => {
        if (!(error instanceof NurseryError)) throw error;
        this.#again(call, error);
      },
    );
  }

  /** Where the call goes next; null where the master must be found first. */
  #pick(call: Call): Endpoint | null {
    if (call.to === 'master') return this.#master;
    if (call.to === 'any') return this.#nextEndpoint(null);
    if (call.to === 'follower')
      return this.#nextEndpoint(call.why.code === 'INCONSISTENT_READ' ? null : this.#master);
    const named = this.#endpoints.find((endpoint) => endpoint.isCalled(call.to));
    if (named !== undefined) return named;
    this.#fail(call, new NurseryError('UNREACHABLE', `cluster ${this.#cluster} has no node ${call.to}`));
    return null;
  }

  /** Round robin over those that can be reached, as far as is known. @param last who is asked where no other can be */
  #nextEndpoint(last: Endpoint | null): Endpoint | null {
    const count = this.#endpoints.length;
    this.#turn += 1;
    for (let offset = 0; offset < count; offset += 1) {
      const endpoint = this.#endpoints[(this.#turn + offset) % count] as Endpoint;
      if (endpoint !== last && endpoint.isPromising) return endpoint;
    }
    if (last?.isPromising) return last;
    return this.#endpoints[this.#turn % count] ?? null;
  }

  /** Waits for the master to be found; one search serves all calls. */
  #seek(call: Call): void {
    this.#search.find(this.#endpoints, (master, why) => {
      if (master === null) call.why = why;
      else if (this.#endpoints.includes(master)) this.#master = master;
      this.#attempt(call);
    });
  }

  /** What cannot be read proves nothing about what was done. */
  #understand(call: Call, reply: Extract<LinkResult, { kind: 'reply' }>): void {
    try {
      this.#replied(call, reply);
    } catch (error) {
      if (!(error instanceof NurseryError)) throw error;
      const code = call.isUpdate ? 'MAYBE_APPLIED' : 'MALFORMED';
      const message = `${call.name}: the answer of cluster ${this.#cluster} cannot be read: ${error.message}`;
      this.#fail(call, new NurseryError(code, message, { cause: error }));
    }
  }

  #replied(call: Call, reply: Extract<LinkResult, { kind: 'reply' }>): void {
    const returnCode = returnCodeOf(reply.bytes);
    if (returnCode === RETURN_CODES.NOT_MASTER && call.to === 'master') {
      this.#again(call, this.#hear(call, reply.bytes));
    } else if (returnCode === RETURN_CODES.GOING_DOWN) {
      this.#again(call, errorOf(reply.bytes));
    } else if (returnCode === RETURN_CODES.INCONSISTENT_READ && ANYBODY.has(call.to)) {
      this.#again(call, errorOf(reply.bytes)); // this node lags; another may not
    } else if (returnCode === RETURN_CODES.MAYBE_APPLIED && call.repeatable) {
      call.maybeApplied = call.isUpdate;
      this.#again(call, errorOf(reply.bytes));
    } else {
      call.settled = true;
      call.resolve({ bytes: reply.bytes, hint: reply.hint, cluster: this.#clusterOf(call) });
    }
  }

  #lostAfterSending(call: Call): void {
    if (call.repeatable) {
      call.maybeApplied = call.isUpdate;
      this.#again(call, new NurseryError('UNREACHABLE', 'the connection was lost before the answer'));
    } else {
      const message = `${call.name}: the connection to cluster ${this.#clusterOf(call)} was lost before the answer; it may or may not have been applied`;
      this.#fail(call, new NurseryError('MAYBE_APPLIED', message));
    }
  }

  /** Cluster id of who was asked last; where nobody could be, what was configured. */
  #clusterOf(call: Call): string {
    if (this.#cluster !== '') return this.#cluster;
    return call.endpoint?.cluster ?? `at ${this.#endpoints.map(({ address }) => address.name).join(', ')}`;
  }

  /** Learns from "not master", whose text names the master. */
  #hear(call: Call, reply: Buffer): NurseryError {
    const error = errorOf(reply);
    const master = masterIn(reply);
    const named = this.#endpoints.find((endpoint) => master !== null && endpoint.isCalled(master));
    if (this.#master === call.endpoint) this.#master = null;
    if (named !== undefined && named !== call.endpoint) {
      this.#master ??= named;
      call.redirects += 1;
      call.hurry = call.redirects <= REDIRECTS_MAX;
    }
    return error;
  }

  /** Nothing happened: tries again after a pause, or gives up at the deadline. */
  #again(call: Call, why: NurseryError): void {
    if (call.settled) return;
    call.why = why;
    // A node that cannot be reached is not the master to go on with.
    if (why.code !== 'NOT_MASTER' && this.#master !== null && this.#master === call.endpoint)
      this.#master = null;
    if (!call.isWorthSending(performance.now())) {
      this.#expire(call, false);
      return;
    }
    if (!this.#wait(call)) return;
    if (call.hurry) {
      call.hurry = false;
      this.#attempt(call);
      return;
    }
    const pauseMs = call.pauseMs * (0.5 + Math.random());
    call.pauseMs = Math.min(call.pauseMs * 2, PAUSE_MAX_MS);
    setTimeout(() => this.#attempt(call), pauseMs);
  }

  /** While a call is not on a link, its deadline is watched here. False: it is settled instead. */
  #wait(call: Call): boolean {
    if (call.settled) return false;
    if (call.timer !== null) return true;
    if (this.#waiting.size >= WAITING_MAX) {
      const message = `cluster ${this.#cluster}: ${WAITING_MAX} calls are waiting already`;
      this.#fail(call, new NurseryError('UNREACHABLE', message));
      return false;
    }
    this.#waiting.add(call);
    call.timer = setTimeout(
      () => this.#expire(call, false),
      Math.max(0, call.deadlineAtMs - performance.now()),
    );
    return true;
  }

  #proceed(call: Call): void {
    if (call.timer === null) return;
    clearTimeout(call.timer);
    call.timer = null;
    this.#waiting.delete(call);
  }

  /** The deadline has passed, while a link had the request or between attempts. */
  #expire(call: Call, onLink: boolean): void {
    if (call.settled) return;
    const name = `${call.name} at cluster ${this.#clusterOf(call)}`;
    if (call.isUpdate && (onLink || call.maybeApplied)) {
      const message = `${name}: no answer within ${call.deadlineMs} ms; it may or may not have been applied`;
      this.#fail(call, new NurseryError('MAYBE_APPLIED', message));
    } else if (onLink) {
      this.#fail(call, new NurseryError('TIMEOUT', `${name}: no answer within ${call.deadlineMs} ms`));
    } else {
      // Who is dialled for the first time may not have failed yet, and has said nothing either.
      const why = (call.why.code === 'UNREACHABLE' ? call.endpoint?.whyNotYet : null) ?? call.why;
      const message = `${name}: not possible within ${call.deadlineMs} ms: ${why.message}`;
      this.#fail(call, new NurseryError(why.code, message, { cause: why }));
    }
  }
}

/** Whether a node that could not be reached was there, and may have a seat a moment later: nothing was executed. */
function isPassing(error: unknown): boolean {
  if (!(error instanceof NurseryError)) return false;
  if (error.code === 'TOO_MANY_CONNECTIONS' || error.code === 'GOING_DOWN') return true;
  const { code } = (error.cause ?? {}) as NodeJS.ErrnoException; // too many even to be told so
  return error.code === 'UNREACHABLE' && code === 'ECONNRESET';
}

function sameAddress(a: NodeAddress, b: NodeAddress): boolean {
  return a.name === b.name && a.port === b.port && a.ips.join() === b.ips.join();
}

/** The answer in a reply. @throws NurseryError what the reply says instead */
function answerOf(reply: Buffer): AdminAnswer {
  if (returnCodeOf(reply) !== RETURN_CODES.OK) throw errorOf(reply);
  return decodeAnswer(reply);
}

function errorOf(reply: Buffer): NurseryError {
  try {
    decodeVoid(reply);
  } catch (error) {
    if (error instanceof NurseryError) return error;
    throw error;
  }
  return new NurseryError('MALFORMED', 'a success where a failure was expected');
}
