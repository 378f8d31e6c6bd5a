/** Who is told of each change of the keeper's map, and whether migrators have anything to do: links of routers, migrators and clients. */

import { changeBetween } from '../../src/client/map-follower.ts';
import { TOPIC } from '../../src/link/frames.ts';
import type { Link } from '../../src/link/link.ts';
import { type KeeperMap, type Migration, mapPushCodec } from '../../src/protocol/admin/admin.ts';
import type { AutoWish } from '../../src/protocol/admin/auto.ts';
import { needsMigrator } from '../../src/protocol/admin/migration.ts';
import { bool, encode, i64 } from '../../src/wire/codec.ts';

/** Watchers of one node at most; one more is refused its pushes and lives from its periodic refresh. */
const WATCHERS_MAX = 10_000;
/** Bytes on their way to a watcher above which it is sent no more: it lags. */
const LAG_BYTES = 1024 * 1024;
/** The same over all watchers: beyond it only those are sent anything who have read all that they were sent. */
const LAG_SUM_BYTES = 64 * 1024 * 1024;
/** What migrators are told of: the records, another object whenever one has changed, and what is wished of rebalancing by itself. */
export type ForMigrators = { readonly migrations: ReadonlyMap<number, Migration>; readonly auto: AutoWish };
/** In place of the version that a watcher knows: it missed a push. */
const UNKNOWN = -1;

/** Pushes each change to the watchers that know the version before it, and the whole map to the others. */
export class MapWatchers {
  /** The version that each knows once it has read what was sent. */
  readonly #links = new Map<Link, number>();
  #pushed: KeeperMap | null = null;
  /** Another object whenever a record has changed. */
  #records: ReadonlyMap<number, Migration> = new Map();
  #areMoves = false;
  /** Number of the wish to rebalance by itself; 0 where there is none. */
  #auto = 0;
  #isFollowing = true;

  /** The watcher is told soon what there is for migrators. @param version what it knows of the map, or is being answered */
  add(link: Link, version: number): void {
    if (this.#links.size >= WATCHERS_MAX && !this.#links.has(link)) return;
    this.#links.set(link, version);
    this.remind(link);
  }

  /** Tells a link, which need not be a watcher's, what there is for migrators: who asks for the map may have missed when that changed. */
  remind(link: Link): void {
    link.post(TOPIC.moves, encode(bool, this.#areMoves));
    link.post(TOPIC.auto, encode(i64, this.#auto));
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

  /**
   * To be called after each applied slot, and now and then: tells all watchers when the first migration needs a migrator, and when none
   * does any more. A node that follows no master may have missed one, and says that there are some: who is told so asks the master.
   * Tells besides which wish to rebalance by itself is in force: migrators that have missed it plan under none, and nothing is lost.
   */
  moved({ migrations: records, auto }: ForMigrators, isFollowing: boolean): void {
    this.#wished(auto.isOn ? auto.number : 0);
    if (records === this.#records && isFollowing === this.#isFollowing) return;
    this.#records = records;
    this.#isFollowing = isFollowing;
    const areMoves = !isFollowing || isAny(records);
    if (areMoves === this.#areMoves) return;
    this.#areMoves = areMoves;
    const body = encode(bool, areMoves);
    // Who lags, and is sent nothing, is reminded when it asks for the map the next time.
    for (const link of this.#links.keys()) link.post(TOPIC.moves, body);
  }

  #wished(auto: number): void {
    if (auto === this.#auto) return;
    this.#auto = auto;
    const body = encode(i64, auto);
    for (const link of this.#links.keys()) link.post(TOPIC.auto, body);
  }
}

function isAny(records: ReadonlyMap<number, Migration>): boolean {
  for (const record of records.values()) if (needsMigrator(record)) return true;
  return false;
}
