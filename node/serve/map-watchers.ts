/** Who is told of each change of the keeper's map: links of routers and clients. */

import { changeBetween } from '../../src/client/map-follower.ts';
import { TOPIC } from '../../src/link/frames.ts';
import type { Link } from '../../src/link/link.ts';
import { type KeeperMap, mapPushCodec } from '../../src/protocol/admin/admin.ts';
import { encode } from '../../src/wire/codec.ts';

/** Watchers of one node at most; one more is refused its pushes and lives from its periodic refresh. */
const WATCHERS_MAX = 10_000;
/** Bytes on their way to a watcher above which it is sent no more: it lags. */
const LAG_BYTES = 1024 * 1024;
/** The same over all watchers: beyond it only those are sent anything who have read all that they were sent. */
const LAG_SUM_BYTES = 64 * 1024 * 1024;
/** In place of the version that a watcher knows: it missed a push. */
const UNKNOWN = -1;

/** Pushes each change to the watchers that know the version before it, and the whole map to the others. */
export class MapWatchers {
  /** The version that each knows once it has read what was sent. */
  readonly #links = new Map<Link, number>();
  #pushed: KeeperMap | null = null;

  /** @param version what the watcher knows, or is being answered */
  add(link: Link, version: number): void {
    if (this.#links.size < WATCHERS_MAX || this.#links.has(link)) this.#links.set(link, version);
  }

  remove(link: Link): void {
    this.#links.delete(link);
  }

  get size(): number {
    return this.#links.size;
  }

  /** To be called after each applied slot; does nothing where `version` has been pushed. */
  changed(version: number, map: () => KeeperMap): void {
    const before = this.#pushed;
    if (version === before?.map.version) return;
    const after = map();
    this.#pushed = after;
    if (this.#links.size === 0) return;
    let whole: Buffer | null = null;
    const change =
      before === null ? null : encode(mapPushCodec, { kind: 'change', ...changeBetween(before, after) });
    let laggingBytes = 0;
    for (const link of this.#links.keys()) laggingBytes += link.bufferedBytes;
    for (const [link, known] of this.#links) {
      const isNext = change !== null && known === before?.map.version;
      if (!isNext) whole ??= encode(mapPushCodec, { kind: 'whole', ...after });
      const { bufferedBytes } = link;
      const isLagging = bufferedBytes > (laggingBytes > LAG_SUM_BYTES ? 0 : LAG_BYTES);
      const isSent = !isLagging && link.post(TOPIC.map, (isNext ? change : whole) as Buffer);
      if (isSent) laggingBytes += link.bufferedBytes - bufferedBytes;
      // What is not sent is made up for by the next push, or by the watcher's refresh.
      this.#links.set(link, isSent ? version : UNKNOWN);
    }
  }
}
