/** A router: its real driver, in a World of simulated links. */

import { checkRouter } from '../../../router/core/invariants.ts';
import type { Event, Limits } from '../../../router/core/types.ts';
import { type Connect, Driver, type LinkEvents, type LinkToNode } from '../../../router/driver.ts';
import { MapFollower, type MapNews } from '../../../src/client/map-follower.ts';
import { type Asker, unboundedBudgets } from '../../../src/process/budget.ts';
import { type MapPush, mapPushCodec } from '../../../src/protocol/admin/admin.ts';
import { decodeRequest } from '../../../src/protocol/arakoon/requests.ts';
import { RUN_BYTES_MAX } from '../../../src/protocol/arakoon/run.ts';
import type { Answer } from '../../../src/protocol/arakoon/values.ts';
import { decode } from '../../../src/wire/codec.ts';
import { isOrdered } from './client-process.ts';
import { Host } from './host.ts';
import { KeeperWatch } from './keeper-watch.ts';
import type { Link, Server } from './network.ts';
import type { Nursery } from './nursery.ts';
import { KEEPER } from './watch.ts';

/** Shorter than in life, so that a minute sees many of them end. */
export const ROUTER_LIMITS: Partial<Limits> = {
  patienceMs: 3000,
  patienceMaxMs: 3000,
  readMs: 1500,
};

export class RouterProcess extends Host implements Server {
  readonly #nursery: Nursery;
  readonly #driver: Driver;
  readonly #keeper: KeeperWatch;
  readonly #follower = new MapFollower();

  constructor(nursery: Nursery, name: string) {
    super(nursery.schedule, name, nursery.random.next() * 1e6);
    this.#nursery = nursery;
    this.#driver = new CheckedDriver(
      {
        ...this.timers,
        logger: nursery.logger(name),
        link: (to, events) => this.#link(to, events),
        refreshMap: () => this.#keeper.refresh(),
      },
      { name, clusterId: 'nursery', keeper: KEEPER, limits: ROUTER_LIMITS },
    );
    this.#keeper = new KeeperWatch(nursery, this, {
      version: (node) => this.#versionAt(node),
      answered: (answer) => {
        if (answer.kind === 'keeperMap') this.#learn(this.#follower.whole(answer));
      },
      mapPushed: (body) => this.#pushed(decode(mapPushCodec, body)),
    });
  }

  request(body: Buffer, respond: (answer: Answer) => void, link: Link, leftMs: number): void {
    const asker = askerOn(link);
    if (isOrdered(link)) this.#driver.request(link.id, body, respond, null, asker);
    else this.#driver.request(0, body, respond, leftMs, asker);
  }

  linkClosed(): void {
    this.#driver.gone();
  }

  /** Of the keeper's map that it was told last; -1: of none. */
  get mapVersion(): number {
    return this.#follower.version;
  }

  /** Versions of two keepers say nothing about each other, as hellos tell in life. */
  #versionAt(node: string): number {
    const theirs = this.#nursery.nodeAt(node)?.founding ?? '';
    const isOther = theirs !== '' && this.#follower.keeper !== '' && theirs !== this.#follower.keeper;
    return isOther ? -1 : this.#follower.version;
  }

  #pushed(push: MapPush): void {
    const news = push.kind === 'whole' ? this.#follower.whole(push) : this.#follower.change(push);
    if (news !== 'behind') this.#learn(news);
    else this.#keeper.refresh();
  }

  #learn(news: MapNews | null): void {
    if (news !== null) this.#driver.learn(news);
  }

  #link({ node, founding }: Connect, events: LinkEvents): LinkToNode {
    const link = this.#nursery.linkTo(this, node, {
      up: events.up,
      down: () => events.down('lost'),
      fits: (server) => {
        const theirs = foundingOf(server);
        events.met(theirs);
        return founding === '' || theirs === undefined || theirs === founding;
      },
    });
    return {
      request: (body, deadlineMs, done) => {
        if (body.length > RUN_BYTES_MAX / 2) this.#noteSize(body as Buffer);
        if (link.isUp) return link.request(body as Buffer, deadlineMs, done);
        this.soon(() => done({ kind: 'failed', why: 'closed', sent: false }));
        return () => undefined;
      },
      close: () => link.close(),
    };
  }

  /** A run that could not take in another update of its size. */
  #noteSize(body: Buffer): void {
    const request = decodeRequest(body);
    if (request.kind === 'run') this.#nursery.rare.note('run full of large values');
  }
}

/** What the hello of a node says; undefined where it says nothing. */
function foundingOf(server: Server): string | undefined {
  const founding = 'founding' in server ? String(server.founding) : '';
  return founding === '' ? undefined : founding;
}

/** Compares the router with itself after each event. */
class CheckedDriver extends Driver {
  protected override turn(event: Event): void {
    super.turn(event);
    checkRouter(this.router);
  }
}

/** Memory is no subject of the simulation: there is room for every reply. */
const { replies } = unboundedBudgets();

/** Who sends one request over this connection, for as long as it lasts. */
function askerOn(link: Link): Asker {
  const { connection } = link;
  return {
    replies: replies.open(null),
    isOver: () => link.connection !== connection,
    isShort: false,
    waitMs: 0,
  };
}
