/** Keeps up with the keeper's map: subscribes at one of its nodes, and again elsewhere when that one is lost. */
import { NurseryError, RETURN_CODES } from '../base/errors.ts';
import { TOPIC } from '../link/frames.ts';
import {
  type AdminAnswer,
  type AdminQuery,
  decodeAnswer,
  encodeQuery,
  type KeeperMap,
  mapPushCodec,
} from '../protocol/admin/admin.ts';
import { returnCodeOf } from '../protocol/arakoon/values.ts';
import { bool, decode, i64 } from '../wire/codec.ts';
import type { Endpoint } from './endpoint.ts';
import { MapFollower, type MapNews } from './map-follower.ts';

/** How long a node has to answer a subscription (ms). */
const SUBSCRIBE_MS = 5000;
/** Pauses between attempts double from the first to the last of these (ms), with jitter. */
const PAUSE_MIN_MS = 20;
const PAUSE_MAX_MS = 2000;
/** The map is asked for this often although pushes would tell (ms), give or take a fifth: a node may be cut off from its peers. */
const REFRESH_MS = 30_000;

/** What a watch needs of the keeper's client. */
export type MapSource = {
  /** A node to subscribe at, another one each time. */
  next(): Endpoint | null;
  query(query: AdminQuery): Promise<AdminAnswer>;
  ended(): void;
};

/** What a subscription tells. */
export type MapListener = {
  /** The keeper's map: soon the present one, then each that is newer or different. */
  map(news: MapNews): void;
  /** Each attempt to watch: null where it succeeded, else why it did not, or is over. */
  trouble?(why: string | null): void;
  /** The map of another keeper than the first one that was met, and none that has replaced it: it is not followed. */
  stranger?(map: KeeperMap): void;
  /** Whether a migration needs a migrator, as far as the node that is watched knows: with each subscription, and when it changes. */
  moves?(areAny: boolean): void;
  /** The number of the wish to rebalance by itself, 0 where there is none: likewise. */
  auto?(wish: number): void;
};

/** A subscription. Made by `ClusterClient.watchMap`. */
export class MapWatch {
  readonly #source: MapSource;
  readonly #listener: MapListener;
  readonly #follower = new MapFollower();
  /** By node: why it could not be watched, since one could. */
  readonly #troubles = new Map<string, string>();
  #endpoint: Endpoint | null = null;
  #pauseMs = PAUSE_MIN_MS;
  #retry: NodeJS.Timeout | null = null;
  #periodic: NodeJS.Timeout | null = null;
  #refreshing: Promise<void> | null = null;
  #closed = false;

  constructor(source: MapSource, listener: MapListener) {
    this.#source = source;
    this.#listener = listener;
  }

  /** Called once, by the client. */
  start(): void {
    this.#subscribe();
    this.#armPeriodic();
  }

  /** Ends the subscription. */
  close(): void {
    this.#closed = true;
    if (this.#retry !== null) clearTimeout(this.#retry);
    if (this.#periodic !== null) clearTimeout(this.#periodic);
    this.#source.ended();
  }

  /** Asks the master for the map now; one question at a time. Resolves also where nobody answers. */
  refresh(): Promise<void> {
    this.#refreshing ??= this.#ask().finally(() => {
      this.#refreshing = null;
    });
    return this.#refreshing;
  }

  /** A post came; one that is about something else is passed over. */
  posted(endpoint: Endpoint, topic: number, body: Buffer): void {
    if (topic === TOPIC.map) this.#mapPushed(body);
    else if (topic === TOPIC.moves) this.#movesPushed(endpoint, body);
    else if (topic === TOPIC.auto) this.#autoPushed(endpoint, body);
  }

  #mapPushed(body: Buffer): void {
    const push = decode(mapPushCodec, body);
    if (push.kind === 'whole') this.#whole(push);
    else {
      const news = this.#follower.change(push);
      if (news === 'behind') void this.refresh();
      else this.#deliver(news);
    }
  }

  /** `endpoint` says whether there are moves. One that is not watched may lag: that there are none is not believed of it. */
  #movesPushed(endpoint: Endpoint, body: Buffer): void {
    const areAny = decode(bool, body);
    if ((areAny || endpoint === this.#endpoint) && !this.#closed) this.#listener.moves?.(areAny);
  }

  /** `endpoint` says which wish to rebalance by itself is in force: believed as of moves. */
  #autoPushed(endpoint: Endpoint, body: Buffer): void {
    const wish = decode(i64, body);
    if ((wish > 0 || endpoint === this.#endpoint) && !this.#closed) this.#listener.auto?.(wish);
  }

  /** The link to `endpoint` is gone. */
  lost(endpoint: Endpoint): void {
    if (this.#endpoint === endpoint) this.#again(endpoint.address.name, 'the link was lost');
  }

  #subscribe(): void {
    this.#retry = null;
    const endpoint = this.#source.next();
    if (endpoint === null) {
      this.#again('keeper', 'no node of it is known');
      return;
    }
    const { name } = endpoint.address;
    endpoint.open().then(
      (link) => {
        if (this.#closed) return;
        this.#endpoint = endpoint;
        const query: AdminQuery = { kind: 'watchMap', sinceVersion: this.#sinceAt(link.peer.founding) };
        link.request(encodeQuery(query), SUBSCRIBE_MS, (result) => {
          if (this.#closed) return;
          const why = result.kind === 'reply' ? this.#refusal(result.bytes) : result.why;
          if (why !== null) {
            if (this.#endpoint === endpoint) this.#again(name, why);
          } else {
            this.#pauseMs = PAUSE_MIN_MS;
            this.#troubles.clear();
            this.#listener.trouble?.(null);
          }
        });
      },
      (error: unknown) => {
        if (!(error instanceof NurseryError)) throw error;
        this.#again(name, error.message);
      },
    );
  }

  /** What a keeper of that founding need not tell again; -1 where it is another one, whose versions say nothing of those known. */
  #sinceAt(founding: string | undefined): number {
    const { keeper, version } = this.#follower;
    return keeper === '' || founding === undefined || founding === keeper ? version : -1;
  }

  /** Takes in the reply to a subscription; why it is none, or null. */
  #refusal(reply: Buffer): string | null {
    if (returnCodeOf(reply) !== RETURN_CODES.OK) return `return code ${returnCodeOf(reply)}`;
    try {
      return this.#take(decodeAnswer(reply)) ? null : 'this is no keeper, or not the one that is followed';
    } catch (error) {
      if (!(error instanceof NurseryError)) throw error;
      return error.message; // another node may know better
    }
  }

  #again(name: string, why: string): void {
    this.#endpoint = null;
    if (this.#closed || this.#retry !== null) return;
    this.#troubles.set(name, `${name}: ${why}`);
    this.#listener.trouble?.([...this.#troubles.values()].sort().join('; '));
    this.#retry = setTimeout(() => this.#subscribe(), this.#pauseMs * (0.5 + Math.random()));
    this.#pauseMs = Math.min(this.#pauseMs * 2, PAUSE_MAX_MS);
  }

  #armPeriodic(): void {
    this.#periodic = setTimeout(
      () => {
        this.#armPeriodic();
        void this.refresh();
      },
      REFRESH_MS * (0.8 + 0.4 * Math.random()),
    );
    this.#periodic.unref();
  }

  async #ask(): Promise<void> {
    try {
      this.#take(await this.#source.query({ kind: 'getMapSince', version: this.#follower.version }));
    } catch (error) {
      // The keeper is down: what is known stays in use, and the next refresh tries again.
      if (!(error instanceof NurseryError)) throw error;
    }
  }

  /** Takes in an answer: a whole map, or that there is no newer one; false where it is neither, or another keeper's. */
  #take(answer: AdminAnswer): boolean {
    return answer.kind === 'keeperMap' ? this.#whole(answer) : answer.kind === 'ok';
  }

  /** False where the map is another keeper's. */
  #whole(map: KeeperMap): boolean {
    if (this.#follower.isStranger(map)) {
      if (!this.#closed) this.#listener.stranger?.(map);
      return false;
    }
    this.#deliver(this.#follower.whole(map));
    return true;
  }

  #deliver(news: MapNews | null): void {
    if (news !== null && !this.#closed) this.#listener.map(news);
  }
}
