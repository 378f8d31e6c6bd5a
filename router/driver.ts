/**
 * Runs the router's core: gives it events, one at a time, and carries out its effects. It owns no socket and no timer: they
 * come in through `World`, so that a simulation runs this very code.
 */
import { unreachable } from '../src/base/assert.ts';
import type { MapNews } from '../src/client/map-follower.ts';
import type { LinkResult } from '../src/link/link.ts';
import { LinkLog } from '../src/link/link-log.ts';
import type { Recording } from '../src/port/recording.ts';
import type { Asker } from '../src/process/budget.ts';
import type { Logger } from '../src/process/log.ts';
import type { Timers } from '../src/process/timers.ts';
import { kindOfCode } from '../src/protocol/arakoon/request-table.ts';
import { requestCode } from '../src/protocol/arakoon/requests.ts';
import type { RouterFigures } from '../src/protocol/arakoon/statistics.ts';
import type { Answer } from '../src/protocol/arakoon/values.ts';
import { VERSION } from '../src/version.ts';
import { Calls } from './calls.ts';
import { createRouter, step } from './core/step.ts';
import type { Effect, Event, Limits, Router } from './core/types.ts';

type Send = Extract<Effect, { kind: 'send' }>;
/** A node to be reached. */
export type Connect = Extract<Effect, { kind: 'connect' }>;

/** What a link tells. */
export type LinkEvents = {
  /** Whom it met, whether or not it comes up: the founding, where there is one. */
  met(founding: string | undefined): void;
  up(): void;
  /** It went down, or could not be brought up: said at each attempt. */
  down(why: string): void;
};

/** A link to a node, which is kept until it is closed. */
export interface LinkToNode {
  /**
   * Ends with `done`, once, at the latest after `deadlineMs`; for a short reply alone where `withheld` is given, which is
   * called instead where the reply is a long one. Returns what cancels it. Calls neither before it returns.
   */
  request(
    body: Uint8Array,
    deadlineMs: number,
    done: (result: LinkResult) => void,
    withheld?: () => void,
  ): () => void;
  close(): void;
}

/** Everything outside: clock, nodes, the keeper, and whom to tell. */
export type World = Timers & {
  readonly logger: Logger;
  /** Keeps a link to that node open until it is closed. */
  link(to: Connect, events: LinkEvents): LinkToNode;
  /** Asks the keeper for its map now: it may know better. */
  refreshMap(): void;
};

export type DriverOptions = {
  readonly name: string;
  /** What clients' prologues and pings must say. */
  readonly clusterId: string;
  /** Cluster id of the keeper, for the log. */
  readonly keeper: string;
  readonly limits?: Partial<Limits>;
  /** What became of connections. */
  readonly seats?: RouterFigures;
  /** Counts and times what is asked. */
  readonly recording?: Recording;
};

/** One router at work. */
export class Driver {
  readonly #world: World;
  readonly router: Router;
  readonly #links = new Map<number, LinkToNode>();
  readonly #logs = new Map<number, LinkLog>();
  readonly #keeperLog: LinkLog;
  readonly #calls: Calls;
  readonly #recording: Recording | null;
  /** Events that came while effects were carried out. */
  readonly #queue: Event[] = [];
  readonly #strangers = new Set<string>();
  #isBusy = false;
  /** Takes the timer back. */
  #timer: (() => void) | null = null;
  #isClosed = false;

  constructor(world: World, { keeper, recording, ...options }: DriverOptions) {
    this.#world = world;
    this.#recording = recording ?? null;
    this.#calls = new Calls((run) => world.defer(run));
    this.router = createRouter({
      ...options,
      ...(recording === undefined
        ? {}
        : { recorded: () => [...recording.fields([]), recording.operations.totalFields()] }),
      version: VERSION,
      nowMs: world.nowMs(),
    });
    this.#keeperLog = new LinkLog({
      logger: world.logger,
      facts: { keeper },
      up: 'the keeper tells what changes',
      down: 'there is no keeper: what the map says may be old',
      level: 'warn',
      clock: world,
    });
  }

  /** How many links to nodes it holds. */
  get outgoing(): number {
    return this.#links.size;
  }

  /**
   * A client asks; `respond` is called once.
   *
   * @param origin updates of one origin take effect in their order; those of origin 0 are independent
   * @param leftMs how long the client waits; null where it does not say
   */
  request(
    origin: number,
    body: Uint8Array,
    respond: (answer: Answer) => void,
    leftMs: number | null,
    asker: Asker,
  ): void {
    const kind = kindOfCode(requestCode(body));
    const hear = kind === undefined ? respond : (this.#recording?.timed(kind, body, respond) ?? respond);
    const request = this.#calls.add(hear, asker);
    this.#handle({ kind: 'request', nowMs: this.#world.nowMs(), request, origin, leftMs, body });
  }

  /** Some connections of clients were closed. */
  gone(): void {
    this.#calls.gone();
  }

  /** The keeper has another map. */
  learn({ map, changed }: MapNews): void {
    const facts = { version: map.map.version, clusters: map.clusters.length };
    this.#world.logger.info({ ...facts, changed: changed?.length ?? 'all' }, 'map received');
    this.#handle({ kind: 'map', nowMs: this.#world.nowMs(), map, changed });
  }

  /** The keeper cannot be watched, and why; null: it can again. */
  watched(why: string | null): void {
    if (why === null) this.#keeperLog.up();
    else this.#keeperLog.down(why);
    this.#handle({ kind: 'keeper', nowMs: this.#world.nowMs(), why });
  }

  /** Another keeper, by its founding, is not heard: this router goes on with what it knows. */
  metStranger(theirs: string): void {
    const ours = this.router.keeper?.nursery?.founding ?? '';
    if (this.#strangers.has(theirs)) return;
    this.#strangers.add(theirs);
    this.#world.logger.error(
      { theirs, ours },
      'met another keeper at the addresses of [nursery]; it is not followed',
    );
  }

  /** Lets go of links and timer. What is under way has no answer any more. */
  close(): void {
    this.#isClosed = true;
    this.#timer?.();
    this.#keeperLog.close();
    for (const log of this.#logs.values()) log.close();
    for (const link of this.#links.values()) link.close();
  }

  /** What an effect brings about at once, such as the next request of a client that got its answer, waits its turn. */
  #handle(event: Event): void {
    if (this.#isBusy) {
      this.#queue.push(event);
      return;
    }
    this.#isBusy = true;
    this.turn(event);
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) this.turn(next);
    this.#isBusy = false;
  }

  /** One event, and what it brings about; what follows at once waits in the queue. */
  protected turn(event: Event): void {
    for (const effect of step(this.router, event)) this.#carryOut(effect);
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
        this.#links.get(effect.peer)?.close();
        this.#links.delete(effect.peer);
        this.#logs.get(effect.peer)?.close();
        this.#logs.delete(effect.peer);
        return;
      case 'wake':
        this.#wake(effect.atMs);
        return;
      default:
        unreachable(effect);
    }
  }

  #send(send: Send): void {
    const { request, call } = send;
    const untilMs = this.#world.nowMs() + send.deadlineMs;
    if (request === null) {
      this.#ask(send, send.deadlineMs, (result) => this.#ended(call, result));
      return;
    }
    this.#calls.ask({
      request,
      call,
      ask: (done, withheld) => this.#ask(send, Math.max(1, untilMs - this.#world.nowMs()), done, withheld),
      done: (result) => this.#ended(call, result),
      abandoned: (why) => this.#handle({ kind: 'abandoned', nowMs: this.#world.nowMs(), call, why }),
    });
  }

  #ask(
    { peer, body }: Send,
    deadlineMs: number,
    done: (result: LinkResult) => void,
    withheld?: () => void,
  ): () => void {
    const link = this.#links.get(peer);
    if (link !== undefined) return link.request(body, deadlineMs, done, withheld);
    this.#world.defer(() => done({ kind: 'failed', why: 'closed', sent: false }));
    return () => undefined;
  }

  #ended(call: number, result: LinkResult): void {
    const nowMs = this.#world.nowMs();
    if (result.kind === 'reply') {
      this.#handle({ kind: 'reply', nowMs, call, bytes: result.bytes, hint: result.hint });
    } else {
      this.#handle({ kind: 'lost', nowMs, call, why: result.why, sent: result.sent });
    }
  }

  #connect(to: Connect): void {
    const { peer, cluster, founding, node, ips, port } = to;
    const { logger } = this.#world;
    if (ips.length === 0) {
      logger.warn({ cluster, node }, 'node has no address');
      return;
    }
    const log = new LinkLog({
      logger,
      facts: { cluster, node, address: `${ips.join(', ')} port ${port}` },
      up: 'link to node is up',
      down: 'link to node is down',
      clock: this.#world,
    });
    this.#logs.set(peer, log);
    let isMet = false;
    const link = this.#world.link(to, {
      met: (theirs) => {
        if (founding === '' || theirs === undefined || theirs === founding) return;
        if (!isMet) logger.error({ cluster, node, theirs, wanted: founding }, 'met another founding');
        isMet = true; // each attempt comes here
        this.#world.refreshMap();
      },
      up: () => {
        log.up();
        this.#handle({ kind: 'up', nowMs: this.#world.nowMs(), peer });
      },
      down: (why) => {
        log.down(why);
        this.#handle({ kind: 'down', nowMs: this.#world.nowMs(), peer });
      },
    });
    this.#links.set(peer, link);
  }

  #wake(atMs: number): void {
    if (this.#isClosed) return;
    this.#timer?.();
    const delayMs = Math.max(0, atMs - this.#world.nowMs());
    this.#timer = this.#world.after(delayMs, () => {
      this.#timer = null;
      this.#handle({ kind: 'timer', nowMs: this.#world.nowMs() });
    });
  }
}
