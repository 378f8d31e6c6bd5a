/** A nursery of fake clusters around the router's core, on a virtual clock, so that a test sees every effect. */

import { checkRouter } from '../../router/core/invariants.ts';
import { createRouter, step } from '../../router/core/step.ts';
import type { Effect, Event, Limits, Router } from '../../router/core/types.ts';
import { type Key, prefixEnd, successor } from '../../src/base/bytes.ts';
import { NurseryError } from '../../src/base/errors.ts';
import { changeBetween, MapFollower, type MapNews } from '../../src/client/map-follower.ts';
import { type Range, subtract } from '../../src/keyspace/range.ts';
import { type MapEntry, RangeMap } from '../../src/keyspace/rangemap.ts';
import type { Hint, KeeperMap } from '../../src/protocol/admin/admin.ts';
import * as replies from '../../src/protocol/arakoon/replies.ts';
import { failure } from '../../src/protocol/arakoon/replies.ts';
import {
  decodeRequest,
  isUpdate,
  type RangeQuery,
  type Request,
} from '../../src/protocol/arakoon/requests.ts';
import { isPassing, runReply } from '../../src/protocol/arakoon/run.ts';
import { decodeUpdate, keysOfUpdate } from '../../src/protocol/arakoon/updates.ts';
import type { Answer } from '../../src/protocol/arakoon/values.ts';
import { Books } from './books.ts';

/** A map from separators and owners: `mapOf(['', 'A'], ['k', 'B'])`; epochs count from 1. */
export function mapOf(...parts: readonly (readonly [lo: Key, owner: string])[]): RangeMap {
  const entries = parts.map(([lo, owner], index): MapEntry => {
    return { lo, hi: parts[index + 1]?.[0] ?? null, owner, epoch: index + 1 };
  });
  return RangeMap.of(1, entries);
}

/** What a test's cluster is: one state, some nodes, one of them master. */
export class FakeCluster {
  readonly id: string;
  readonly nodes: readonly string[];
  /** The master's name; null: none. */
  master: string | null;
  readonly data = new Map<Key, Uint8Array>();
  owned: Range[] = [];
  /** What goes with a range error about something in `range`, the first that fits. */
  hints: { readonly range: Range; readonly hint: Hint | null }[] = [];
  /** Requests executed here, in order. */
  readonly executed: Request[] = [];

  readonly #everywhere: Request[];

  /** @param everywhere gets what any cluster executes, in order */
  constructor(
    id: string,
    nodes: readonly string[] = [`${id}1`, `${id}2`, `${id}3`],
    everywhere: Request[] = [],
  ) {
    this.id = id;
    this.#everywhere = everywhere;
    this.nodes = nodes;
    this.master = nodes[0] ?? null;
  }

  /** What `node` answers. */
  serve(node: string, body: Uint8Array): Answer {
    const request = decodeRequest(body);
    if (request.kind === 'whoMaster') return replies.okOptionalText(this.master);
    const isStale = 'consistency' in request && request.consistency.kind === 'noGuarantees';
    if (node !== this.master && !isStale) return failure('NOT_MASTER', this.master ?? 'None');
    if (request.kind === 'run') return this.#serveRun(node, request.requests);
    const outside = namedBy(request).find((named) => !this.#owns(named));
    if (outside !== undefined) {
      const found = this.hints.find(({ range }) => subtract(outside, range).length === 0);
      return failure('OUT_OF_RANGE', outside.lo, found?.hint ?? null);
    }
    this.executed.push(request);
    this.#everywhere.push(request);
    return execute(this.data, request, this.#count());
  }

  /** Nothing after a refusal is executed, as a real node has it. */
  #serveRun(node: string, frames: readonly Uint8Array[]): Answer {
    const answers: Answer[] = [];
    for (const frame of frames) {
      const last = answers.at(-1);
      const isRefused = last !== undefined && isPassing(replies.returnCodeOf(last.bytes));
      if (!isRefused) answers.push(this.serve(node, frame));
    }
    return runReply(answers);
  }

  #owns(named: Range): boolean {
    let rest: Range[] = [named];
    for (const owned of this.owned) rest = rest.flatMap((piece) => subtract(piece, owned));
    return rest.length === 0;
  }

  #count(): number {
    return [...this.data.keys()].filter((key) => this.#owns({ lo: key, hi: successor(key) })).length;
  }
}

/** What a single store that owns everything answers; `data` is changed by updates. */
export function execute(data: Map<Key, Uint8Array>, request: Request, count = data.size): Answer {
  switch (request.kind) {
    case 'get': {
      const value = data.get(request.key);
      return value === undefined ? failure('NOT_FOUND', 'Not_found') : replies.okBytes(value);
    }
    case 'exists':
      return replies.okBool(data.has(request.key));
    case 'set':
      data.set(request.key, request.value);
      return replies.OK;
    case 'delete':
      return data.delete(request.key) ? replies.OK : failure('NOT_FOUND', request.key);
    case 'nop':
      return replies.OK;
    case 'deletePrefix': {
      const doomed = [...data.keys()].filter((key) => key.startsWith(request.prefix));
      for (const key of doomed) data.delete(key);
      return replies.okInt(doomed.length);
    }
    case 'sequence': {
      const update = decodeUpdate(request.update);
      if (update.kind !== 'sequence') throw new Error('a sequence holds a sequence');
      for (const inner of update.updates) if (inner.kind === 'set') data.set(inner.key, inner.value);
      return replies.OK;
    }
    case 'multiGet': {
      const missing = request.keys.filter((key) => !data.has(key)).at(-1);
      if (missing !== undefined) return failure('NOT_FOUND', missing);
      return replies.okMultiGet(request.keys.map((key) => data.get(key) as Uint8Array));
    }
    case 'multiGetOption':
      return replies.okMultiGetOptions(request.keys.map((key) => data.get(key) ?? null));
    case 'range':
      return replies.okKeys(select(data, request, false));
    case 'rangeEntries':
      return replies.okEntries(entries(data, select(data, request, false)));
    case 'revRangeEntries':
      return replies.okRevEntries(entries(data, select(data, request, true)));
    case 'prefixKeys':
      return replies.okKeys(
        cut(
          [...data.keys()].sort().filter((key) => key.startsWith(request.prefix)),
          request.max,
        ),
      );
    case 'getKeyCount':
      return replies.okInt64(count);
    default:
      throw new Error(`a fake cluster has no ${request.kind}`);
  }
}

/** The keys of a range request as its definition has them, one comparison per bound. */
function select(data: ReadonlyMap<Key, unknown>, query: RangeQuery, isDescending: boolean): Key[] {
  const { first, firstIncluded, last, lastIncluded } = query;
  const keys = [...data.keys()].sort();
  if (isDescending) keys.reverse();
  const isBefore = (a: Key, b: Key): boolean => (isDescending ? a > b : a < b);
  const chosen = keys.filter(
    (key) =>
      (first === null || isBefore(first, key) || (firstIncluded && key === first)) &&
      (last === null || isBefore(key, last) || (lastIncluded && key === last)),
  );
  return cut(chosen, query.max);
}

function cut(keys: Key[], max: number): Key[] {
  return max < 0 ? keys : keys.slice(0, max);
}

function entries(data: ReadonlyMap<Key, Uint8Array>, keys: readonly Key[]): replies.Entry[] {
  return keys.map((key) => [key, data.get(key) as Uint8Array]);
}

/** What a cluster must own to serve `request`, piece by piece. */
function namedBy(request: Request): Range[] {
  const point = (key: Key): Range => ({ lo: key, hi: successor(key) });
  switch (request.kind) {
    case 'range':
    case 'rangeEntries':
      return span(request.first, request.firstIncluded, request.last, request.lastIncluded);
    case 'revRangeEntries':
      return span(request.last, request.lastIncluded, request.first, request.firstIncluded);
    case 'prefixKeys':
    case 'deletePrefix':
      return [{ lo: request.prefix, hi: prefixEnd(request.prefix) }];
    case 'multiGet':
    case 'multiGetOption':
      return request.keys.map(point);
    case 'sequence': {
      const { keys, prefixes } = keysOfUpdate(decodeUpdate(request.update));
      return [...keys.map(point), ...prefixes.map((prefix) => ({ lo: prefix, hi: prefixEnd(prefix) }))];
    }
    default:
      return 'key' in request ? [point(request.key)] : [];
  }
}

function span(low: Key | null, isLowIn: boolean, high: Key | null, isHighIn: boolean): Range[] {
  const lo = low === null ? '' : isLowIn ? low : successor(low);
  const hi = high === null ? null : isHighIn ? successor(high) : high;
  return hi === null || lo < hi ? [{ lo, hi }] : [];
}

type Send = Extract<Effect, { kind: 'send' }>;
type Peer = { readonly cluster: string; readonly founding: string; readonly node: string; isUp: boolean };

/** The router, its clusters, and the clock. */
export class World {
  readonly router: Router;
  readonly clusters = new Map<string, FakeCluster>();
  readonly peers = new Map<number, Peer>();
  readonly answers = new Map<number, Answer>();
  /** In the order given. */
  readonly answered: number[] = [];
  readonly sends: Send[] = [];
  /** Requests executed by any cluster, in order. */
  readonly executed: Request[] = [];
  nowMs = 1000;
  /** How long a request is under way, and its answer (ms); a test may make it random. */
  delayMs: () => number = () => 1;
  /** Decides what becomes of a send; null: the cluster serves it. */
  intercept: (send: Send, peer: Peer) => 'drop' | 'lose-request' | 'lose-answer' | null = () => null;
  #agenda: { readonly atMs: number; readonly order: number; readonly run: () => void }[] = [];
  #wakeAtMs = Number.POSITIVE_INFINITY;
  #order = 0;
  readonly #follower = new MapFollower();
  #given: KeeperMap | null = null;
  #lastRequest = 0;
  /** Calls without an answer yet. */
  readonly #underWay = new Map<number, Peer>();
  readonly #books: Books;

  constructor(limits: Partial<Limits> = {}) {
    const version = { major: 1, minor: 9, patch: 22, text: 'a router in a test' };
    this.router = createRouter({ name: 'R', clusterId: 'nursery', version, nowMs: this.nowMs, limits });
    this.#books = new Books(this.router);
  }

  /** Makes clusters out of a map and tells the router about them. */
  found(map: RangeMap, ...more: readonly string[]): void {
    for (const { owner, lo, hi } of map.entries) this.cluster(owner).owned.push({ lo, hi });
    for (const id of more) this.cluster(id);
    this.giveMap(map);
    this.run(20);
  }

  cluster(id: string): FakeCluster {
    const known = this.clusters.get(id);
    if (known !== undefined) return known;
    const made = new FakeCluster(id, undefined, this.executed);
    this.clusters.set(id, made);
    return made;
  }

  giveMap(map: RangeMap): void {
    const clusters = [...this.clusters.values()].map(({ id, nodes }) => ({
      cluster: id,
      nodes: nodes.map((name, index) => ({ name, ips: ['127.0.0.1'], port: 4000 + index })),
    }));
    const keeper: KeeperMap = { map, clusters };
    const news = this.#follow(keeper);
    if (news !== null) this.event({ kind: 'map', nowMs: this.nowMs, ...news });
  }

  /** Half of the maps come as a change of the one before, as they do in life. */
  #follow(keeper: KeeperMap): MapNews | null {
    const before = this.#given;
    this.#given = keeper;
    const isNext =
      before !== null && keeper.map.version > before.map.version && this.#given.map.version % 2 === 0;
    if (!isNext) {
      const news = this.#follower.whole(keeper);
      return news ?? { map: keeper, changed: null };
    }
    const news = this.#follower.change(changeBetween(before, keeper));
    return news === 'behind' ? this.#follower.whole(keeper) : news;
  }

  /** Gives a request to the router; returns what names it. */
  ask(body: Uint8Array, origin = 0, leftMs: number | null = null): number {
    this.#lastRequest += 1;
    this.event({ kind: 'request', nowMs: this.nowMs, request: this.#lastRequest, origin, leftMs, body });
    return this.#lastRequest;
  }

  /** Lets time pass. */
  run(forMs: number): void {
    const untilMs = this.nowMs + forMs;
    for (;;) {
      const next = this.#agenda[0];
      const nextMs = Math.min(next?.atMs ?? Number.POSITIVE_INFINITY, this.#wakeAtMs);
      if (nextMs > untilMs) break;
      this.nowMs = Math.max(this.nowMs, nextMs);
      if (next !== undefined && next.atMs <= this.#wakeAtMs) {
        this.#agenda.shift();
        next.run();
      } else {
        this.#wakeAtMs = Number.POSITIVE_INFINITY;
        this.event({ kind: 'timer', nowMs: this.nowMs });
      }
    }
    this.nowMs = untilMs;
  }

  /** The answer to `request`, which must be there. */
  answerTo(request: number): Answer {
    const answer = this.answers.get(request);
    if (answer === undefined) throw new Error(`request ${request} has no answer`);
    return answer;
  }

  /** Asks, waits as long as the router may take, and returns the answer. */
  get(body: Uint8Array): Answer {
    const request = this.ask(body);
    this.run(500);
    return this.answerTo(request);
  }

  /** Sets a link up or down. What is under way on one that goes down is lost; it may be executed all the same. */
  link(node: string, isUp: boolean): void {
    for (const [id, peer] of this.peers) {
      if (peer.node !== node || peer.isUp === isUp) continue;
      peer.isUp = isUp;
      for (const [call, on] of this.#underWay) if (on === peer) this.#lost(call, 'closed', true);
      this.event({ kind: isUp ? 'up' : 'down', nowMs: this.nowMs, peer: id });
    }
  }

  at(afterMs: number, run: () => void): void {
    this.#order += 1;
    this.#agenda.push({ atMs: this.nowMs + afterMs, order: this.#order, run });
    this.#agenda.sort((a, b) => a.atMs - b.atMs || a.order - b.order);
  }

  event(event: Event): void {
    this.#books.before(event);
    const effects = step(this.router, event);
    checkRouter(this.router);
    this.#books.after(effects);
    for (const effect of effects) this.#carryOut(effect);
  }

  #carryOut(effect: Effect): void {
    switch (effect.kind) {
      case 'answer':
        if (this.answers.has(effect.request)) throw new Error(`request ${effect.request} is answered twice`);
        this.answers.set(effect.request, effect.answer);
        this.answered.push(effect.request);
        return;
      case 'wake':
        this.#wakeAtMs = effect.atMs;
        return;
      case 'connect':
        this.peers.set(effect.peer, { ...effect, isUp: false });
        this.at(this.delayMs(), () => {
          const peer = this.peers.get(effect.peer);
          if (peer === undefined || peer.isUp) return;
          peer.isUp = true;
          this.event({ kind: 'up', nowMs: this.nowMs, peer: effect.peer });
        });
        return;
      case 'disconnect':
        this.peers.delete(effect.peer);
        return;
      case 'send':
        this.#send(effect);
        return;
      default:
        throw new Error('unknown effect');
    }
  }

  #send(send: Send): void {
    this.sends.push(send);
    const { call, deadlineMs } = send;
    const peer = this.peers.get(send.peer);
    if (peer?.isUp !== true) {
      this.at(0, () => this.event({ kind: 'lost', nowMs: this.nowMs, call, why: 'closed', sent: false }));
      return;
    }
    this.#underWay.set(call, peer);
    const fate = this.intercept(send, peer);
    if (fate === 'drop') {
      this.at(deadlineMs, () => this.#lost(call, 'timeout', true));
      return;
    }
    if (fate === 'lose-request') {
      this.at(this.delayMs(), () => this.#lost(call, 'closed', true));
      return;
    }
    this.at(this.delayMs(), () => {
      const answer = (this.clusters.get(peer.cluster) as FakeCluster).serve(peer.node, send.body);
      this.at(this.delayMs(), () => {
        if (fate === 'lose-answer') this.#lost(call, 'closed', true);
        else if (this.#underWay.delete(call)) {
          this.event({ kind: 'reply', nowMs: this.nowMs, call, bytes: answer.bytes, hint: answer.hint });
        }
      });
    });
  }

  #lost(call: number, why: 'closed' | 'timeout', sent: boolean): void {
    if (this.#underWay.delete(call)) this.event({ kind: 'lost', nowMs: this.nowMs, call, why, sent });
  }

  /** Sends to data nodes that are updates with this key, in runs too. */
  updatesSent(key: Key): number {
    const requests = this.sends.flatMap(({ body }) => {
      const request = tryDecode(body);
      return request?.kind === 'run' ? request.requests.map(tryDecode) : [request];
    });
    return requests.filter(
      (request) => request !== null && isUpdate(request) && 'key' in request && request.key === key,
    ).length;
  }
}

function tryDecode(body: Uint8Array): Request | null {
  try {
    return decodeRequest(body);
  } catch (error) {
    if (!(error instanceof NurseryError)) throw error;
    return null;
  }
}
