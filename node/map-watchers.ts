/** Who is told of each change of the keeper's map: links of routers and clients. */
import type { Link } from '../src/link/link.ts';
import { type KeeperMap, keeperMapCodec } from '../src/protocol/admin.ts';
import { encode } from '../src/protocol/codec.ts';

/** Topic of a push that carries the keeper's map. */
export const MAP_TOPIC = 2;
/** Watchers of one node at most; one more is refused its pushes and lives from its periodic refresh. */
const WATCHERS_MAX = 10_000;

/** Pushes the whole map to each watcher whenever it has changed. */
export class MapWatchers {
  readonly #links = new Set<Link>();
  #pushedVersion = -1;

  add(link: Link): void {
    if (this.#links.size < WATCHERS_MAX) this.#links.add(link);
  }

  remove(link: Link): void {
    this.#links.delete(link);
  }

  get size(): number {
    return this.#links.size;
  }

  /** To be called after each applied slot; does nothing where `version` has been pushed. */
  changed(version: number, map: () => KeeperMap): void {
    if (version === this.#pushedVersion) return;
    this.#pushedVersion = version;
    if (this.#links.size === 0) return;
    const bytes = encode(keeperMapCodec, map());
    for (const link of this.#links) link.post(MAP_TOPIC, bytes); // a dropped push is made up for by the refresh
  }
}
