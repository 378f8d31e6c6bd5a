/** Keeps up with the keeper's map: subscribes at one of its nodes, and again elsewhere when that one is lost. */
import { NurseryError, RETURN_CODES } from '../errors.ts';
import {
  type AdminAnswer,
  type AdminQuery,
  decodeAnswer,
  encodeQuery,
  type KeeperMap,
  keeperMapCodec,
} from '../protocol/admin.ts';
import { decode, encode } from '../protocol/codec.ts';
import { returnCodeOf } from '../protocol/replies.ts';
import type { Endpoint } from './endpoint.ts';

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

/** A subscription. Made by `ClusterClient.watchMap`. */
export class MapWatch {
  readonly #source: MapSource;
  readonly #onMap: (map: KeeperMap) => void;
  #endpoint: Endpoint | null = null;
  #version = -1;
  #last: Buffer = Buffer.alloc(0);
  #pauseMs = PAUSE_MIN_MS;
  #retry: NodeJS.Timeout | null = null;
  #periodic: NodeJS.Timeout | null = null;
  #refreshing: Promise<void> | null = null;
  #closed = false;

  constructor(source: MapSource, onMap: (map: KeeperMap) => void) {
    this.#source = source;
    this.#onMap = onMap;
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

  /** Asks any node for its map now; one question at a time. Resolves also where nobody answers. */
  refresh(): Promise<void> {
    this.#refreshing ??= this.#ask().finally(() => {
      this.#refreshing = null;
    });
    return this.#refreshing;
  }

  /** A push came. */
  pushed(body: Buffer): void {
    this.#deliver(decode(keeperMapCodec, body));
  }

  /** The link to `endpoint` is gone. */
  lost(endpoint: Endpoint): void {
    if (this.#endpoint === endpoint) this.#again();
  }

  #subscribe(): void {
    this.#retry = null;
    const endpoint = this.#source.next();
    if (endpoint === null) {
      this.#again();
      return;
    }
    endpoint.open().then(
      (link) => {
        if (this.#closed) return;
        this.#endpoint = endpoint;
        link.request(encodeQuery({ kind: 'watchMap', sinceVersion: -1 }), SUBSCRIBE_MS, (result) => {
          const map = result.kind === 'reply' ? mapOf(result.bytes) : null;
          if (map === null) {
            if (this.#endpoint === endpoint) this.#again();
          } else {
            this.#pauseMs = PAUSE_MIN_MS;
            this.#deliver(map);
          }
        });
      },
      (error: unknown) => {
        if (!(error instanceof NurseryError)) throw error;
        this.#again();
      },
    );
  }

  #again(): void {
    this.#endpoint = null;
    if (this.#closed || this.#retry !== null) return;
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
      const answer = await this.#source.query({ kind: 'getMap' });
      if (answer.kind === 'keeperMap') this.#deliver(answer);
    } catch (error) {
      // The keeper is down: what is known stays in use, and the next refresh tries again.
      if (!(error instanceof NurseryError)) throw error;
    }
  }

  /** Passes on what is not older than the last, and not the same. */
  #deliver(map: KeeperMap): void {
    if (this.#closed || map.map.version < this.#version) return;
    const bytes = encode(keeperMapCodec, map);
    if (bytes.equals(this.#last)) return;
    this.#version = map.map.version;
    this.#last = bytes;
    this.#onMap({ map: map.map, clusters: map.clusters });
  }
}

function mapOf(reply: Buffer): KeeperMap | null {
  if (returnCodeOf(reply) !== RETURN_CODES.OK) return null;
  const answer = decodeAnswer(reply);
  return answer.kind === 'keeperMap' ? answer : null;
}
