/** A router: the real core, over simulated links. */

import { checkRouter } from '../../../router/core/invariants.ts';
import { createRouter, step } from '../../../router/core/step.ts';
import type { Effect, Event, Limits, Router } from '../../../router/core/types.ts';
import { MapFollower, type MapNews } from '../../../src/client/map-follower.ts';
import type { LinkResult } from '../../../src/link/link.ts';
import { decodeAnswer, encodeQuery, type MapPush, mapPushCodec } from '../../../src/protocol/admin/admin.ts';
import { decodeRequest } from '../../../src/protocol/arakoon/requests.ts';
import { RUN_BYTES_MAX } from '../../../src/protocol/arakoon/run.ts';
import type { Answer } from '../../../src/protocol/arakoon/values.ts';
import { returnCodeOf } from '../../../src/protocol/arakoon/values.ts';
import { VERSION } from '../../../src/version.ts';
import { decode } from '../../../src/wire/codec.ts';
import { isOrdered } from './client-process.ts';
import { Host } from './host.ts';
import type { Link, Server } from './network.ts';
import type { Nursery } from './nursery.ts';
import { KEEPER } from './watch.ts';

type Untimed = Event extends infer E ? (E extends Event ? Omit<E, 'nowMs'> : never) : never;

/** Shorter than in life, so that a minute sees many of them end. */
export const ROUTER_LIMITS: Partial<Limits> = {
  patienceMs: 3000,
  patienceMaxMs: 3000,
  readMs: 1500,
};
/** How often a router asks for the map although pushes would tell (ms). */
const REFRESH_MS = 3000;
/** How long a keeper's node may take to answer (ms). */
const MAP_MS = 1500;

export class RouterProcess extends Host implements Server {
  readonly core: Router;
  readonly #nursery: Nursery;
  readonly #links = new Map<number, Link>();
  readonly #responds = new Map<number, (answer: Answer) => void>();
  readonly #queue: Untimed[] = [];
  #isBusy = false;
  #lastRequest = 0;
  #wakeAtMs = 0;
  #keeper: Link | null = null;
  readonly #follower = new MapFollower();

  constructor(nursery: Nursery, name: string) {
    super(nursery.schedule, name, nursery.random.next() * 1e6);
    this.#nursery = nursery;
    this.core = createRouter({
      name,
      clusterId: 'nursery',
      version: VERSION,
      nowMs: this.nowMs(),
      limits: ROUTER_LIMITS,
    });
    this.#watchMap();
    this.#refresh();
  }

  request(body: Buffer, respond: (answer: Answer) => void, link: Link, leftMs: number): void {
    this.#lastRequest += 1;
    const request = this.#lastRequest;
    this.#responds.set(request, respond);
    if (isOrdered(link)) this.#handle({ kind: 'request', request, origin: link.id, leftMs: null, body });
    else this.#handle({ kind: 'request', request, origin: 0, leftMs, body });
  }

  linkClosed(): void {}

  /** Subscribes at one of the keeper's nodes, and at another when that one is lost. */
  #watchMap(): void {
    const { nursery } = { nursery: this.#nursery };
    const node = nursery.random.pick(nursery.membership.wishedOf(KEEPER));
    const link: Link = nursery.linkTo(this, node, {
      up: () => this.#ask(link),
      down: () => {
        link.close();
        if (this.#keeper === link) this.#watchMap();
      },
      posted: (body) => this.#pushed(decode(mapPushCodec, body)),
    });
    this.#keeper = link;
    // Where the node is down or cut off, another is tried.
    this.local(MAP_MS, () => {
      if (this.#keeper !== link || link.isUp) return;
      this.#keeper = null;
      link.close();
      this.#watchMap();
    });
  }

  #ask(link: Link): void {
    const { version } = this.#follower;
    link.request(encodeQuery({ kind: 'watchMap', sinceVersion: version }), MAP_MS, (result) => {
      if (result.kind !== 'reply' || returnCodeOf(result.bytes) !== 0) return;
      const answer = decodeAnswer(result.bytes);
      if (answer.kind === 'keeperMap') this.#learn(this.#follower.whole(answer));
    });
  }

  #pushed(push: MapPush): void {
    const news = push.kind === 'whole' ? this.#follower.whole(push) : this.#follower.change(push);
    if (news !== 'behind') this.#learn(news);
    else if (this.#keeper?.isUp === true) this.#ask(this.#keeper);
  }

  #learn(news: MapNews | null): void {
    if (news !== null) this.#handle({ kind: 'map', ...news });
  }

  #refresh(): void {
    this.local(REFRESH_MS * (0.8 + 0.4 * this.#nursery.random.next()), () => {
      if (this.#keeper?.isUp === true) this.#ask(this.#keeper);
      this.#refresh();
    });
  }

  #handle(event: Untimed): void {
    this.#queue.push(event);
    if (this.#isBusy) return;
    this.#isBusy = true;
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
      const timed = { ...next, nowMs: this.nowMs() } as Event;
      const effects = step(this.core, timed);
      checkRouter(this.core);
      for (const effect of effects) this.#carryOut(effect);
    }
    this.#isBusy = false;
  }

  #carryOut(effect: Effect): void {
    switch (effect.kind) {
      case 'answer': {
        const respond = this.#responds.get(effect.request);
        this.#responds.delete(effect.request);
        respond?.(effect.answer);
        return;
      }
      case 'send': {
        const { call, peer, body, deadlineMs } = effect;
        const link = this.#links.get(peer);
        const done = (result: LinkResult): void => {
          if (result.kind === 'reply')
            this.#handle({ kind: 'reply', call, bytes: result.bytes, hint: result.hint });
          else this.#handle({ kind: 'lost', call, why: result.why, sent: result.sent });
        };
        if (link === undefined) done({ kind: 'failed', why: 'closed', sent: false });
        else link.request(body as Buffer, deadlineMs, done);
        if (body.length > RUN_BYTES_MAX / 2) this.#noteSize(body as Buffer);
        return;
      }
      case 'connect': {
        const { peer, node } = effect;
        const link = this.#nursery.linkTo(this, node, {
          up: () => this.#handle({ kind: 'up', peer }),
          down: () => this.#handle({ kind: 'down', peer }),
        });
        this.#links.set(peer, link);
        return;
      }
      case 'disconnect':
        this.#links.get(effect.peer)?.close();
        this.#links.delete(effect.peer);
        return;
      default:
        this.#wake(effect.atMs);
    }
  }

  /** A run that could not take in another update of its size. */
  #noteSize(body: Buffer): void {
    const request = decodeRequest(body);
    if (request.kind === 'run') this.#nursery.rare.note('run full of large values');
  }

  #wake(atMs: number): void {
    this.#wakeAtMs = atMs;
    this.wake(atMs, () => {
      if (this.#wakeAtMs === atMs) this.#handle({ kind: 'timer' });
    });
  }
}
