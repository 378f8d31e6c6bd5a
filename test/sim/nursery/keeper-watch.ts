/** A subscription to the keeper, over simulated links: at one of its nodes, and at another when that one is lost. */
import { TOPIC } from '../../../src/link/frames.ts';
import { type AdminAnswer, decodeAnswer, encodeQuery } from '../../../src/protocol/admin/admin.ts';
import { returnCodeOf } from '../../../src/protocol/arakoon/values.ts';
import { bool, decode, i64 } from '../../../src/wire/codec.ts';
import type { Host } from './host.ts';
import type { Link } from './network.ts';
import type { Nursery } from './nursery.ts';
import { KEEPER } from './watch.ts';

/** How often the map is asked for although pushes would tell (ms). */
const REFRESH_MS = 3000;
/** How long a keeper's node may take to answer (ms). */
const MAP_MS = 1500;

/** What it is for. */
export type KeeperListener = {
  /** The version of the map that is known, as this node of the keeper counts; -1 where none is. */
  version(node: string): number;
  /** To a subscription, or a question for the map. */
  answered?(answer: AdminAnswer): void;
  mapPushed?(body: Buffer): void;
  moves?(areAny: boolean): void;
  auto?(wish: number): void;
};

/** Lives as long as its host. */
export class KeeperWatch {
  readonly #nursery: Nursery;
  readonly #host: Host;
  readonly #listener: KeeperListener;
  #link: Link | null = null;

  constructor(nursery: Nursery, host: Host, listener: KeeperListener) {
    this.#nursery = nursery;
    this.#host = host;
    this.#listener = listener;
    this.#subscribe();
    this.#refreshNowAndThen();
  }

  /** Asks the node that is watched once more. */
  refresh(): void {
    if (this.#link?.isUp === true) this.#ask(this.#link);
  }

  #subscribe(): void {
    const nursery = this.#nursery;
    const node = nursery.random.pick(nursery.membership.wishedOf(KEEPER));
    const link: Link = nursery.linkTo(this.#host, node, {
      up: () => this.#ask(link),
      down: () => {
        link.close();
        if (this.#link === link) this.#subscribe();
      },
      posted: (topic, body) => this.#posted(topic, body),
    });
    this.#link = link;
    // Where the node is down or cut off, another is tried.
    this.#host.local(MAP_MS, () => {
      if (this.#link !== link || link.isUp) return;
      this.#link = null;
      link.close();
      this.#subscribe();
    });
  }

  #ask(link: Link): void {
    const sinceVersion = this.#listener.version(link.address);
    link.request(encodeQuery({ kind: 'watchMap', sinceVersion }), MAP_MS, (result) => {
      if (result.kind !== 'reply' || returnCodeOf(result.bytes) !== 0) return;
      this.#listener.answered?.(decodeAnswer(result.bytes));
    });
  }

  #posted(topic: number, body: Buffer): void {
    if (topic === TOPIC.map) this.#listener.mapPushed?.(body);
    else if (topic === TOPIC.moves) this.#listener.moves?.(decode(bool, body));
    else if (topic === TOPIC.auto) this.#listener.auto?.(decode(i64, body));
  }

  #refreshNowAndThen(): void {
    this.#host.local(REFRESH_MS * (0.8 + 0.4 * this.#nursery.random.next()), () => {
      this.refresh();
      this.#refreshNowAndThen();
    });
  }
}
