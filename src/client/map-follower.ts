/** What a watcher knows of the keeper's map: whole maps and changes come in, what is new goes out. */

import { difference, fits, type MapEntry, replace } from '../keyspace/rangemap.ts';
import type { KeeperMap, KnownCluster, MapChange } from '../protocol/admin/admin.ts';

/** A map that is new to the watcher, and which entries of it differ from the one before; null: perhaps all. */
export type MapNews = { readonly map: KeeperMap; readonly changed: readonly MapEntry[] | null };

/**
 * Keeps the newest map. A change applies to the version before it alone, and costs what it changes; whoever has missed
 * one needs the whole map.
 */
export class MapFollower {
  #known: KeeperMap | null = null;

  /** Version of the map that is known; -1: none. */
  get version(): number {
    return this.#known?.map.version ?? -1;
  }

  /** Whose map is followed; '' where it does not say, or before there is one. */
  get keeper(): string {
    return this.#known?.nursery?.founding ?? '';
  }

  /** Whether a map is another keeper's: heard only where it says that it has replaced the one that is followed. */
  isStranger({ nursery }: KeeperMap): boolean {
    const { keeper } = this;
    return keeper !== '' && keeper !== nursery?.founding && nursery?.replaced.includes(keeper) !== true;
  }

  /** Takes in a whole map. Null where it is older than the one known, or the same, or another keeper's. */
  whole(whole: KeeperMap): MapNews | null {
    const { map, clusters, nursery } = whole;
    const known = this.#known;
    const next: KeeperMap = nursery === undefined ? { map, clusters } : { map, clusters, nursery };
    if (this.isStranger(whole)) return null;
    // Versions of two keepers say nothing about each other.
    const isSameKeeper = this.keeper === '' || this.keeper === nursery?.founding;
    if (known !== null && isSameKeeper && (map.version < known.map.version || isSame(known, next)))
      return null;
    this.#known = next;
    return { map: next, changed: null };
  }

  /** Takes in a change. Null where it is known already; `behind` where what it changes is not what is known. */
  change({ keeper, from, version, entries, clusters, dropped }: MapChange): MapNews | 'behind' | null {
    const known = this.#known;
    if (known === null || keeper !== this.keeper || from > known.map.version) return 'behind';
    if (version <= known.map.version) return null;
    if (from < known.map.version || !fits(known.map, entries)) return 'behind';
    const map = replace(known.map, entries, version);
    this.#known = { ...known, map, clusters: changedClusters(known.clusters, clusters, dropped) };
    return { map: this.#known, changed: entries };
  }
}

/** What leads from `before` to `after`, a later version of it. */
export function changeBetween(before: KeeperMap, after: KeeperMap): MapChange {
  const known = new Map(before.clusters.map((config) => [config.cluster, config]));
  const clusters = after.clusters.filter((config) => known.get(config.cluster) !== config);
  for (const { cluster } of after.clusters) known.delete(cluster);
  return {
    from: before.map.version,
    version: after.map.version,
    keeper: after.nursery?.founding ?? '',
    entries: [...difference(before.map, after.map)],
    clusters,
    dropped: [...known.keys()],
  };
}

/** The very same list where nothing changes. */
function changedClusters(
  known: readonly KnownCluster[],
  changed: readonly KnownCluster[],
  dropped: readonly string[],
): KnownCluster[] {
  if (changed.length === 0 && dropped.length === 0) return known as KnownCluster[];
  const byId = new Map(known.map((config) => [config.cluster, config]));
  for (const config of changed) byId.set(config.cluster, config);
  for (const id of dropped) byId.delete(id);
  return [...byId.values()];
}

function isSame(a: KeeperMap, b: KeeperMap): boolean {
  if (a.nursery?.founding !== b.nursery?.founding) return false;
  if (a.map.version !== b.map.version || a.clusters.length !== b.clusters.length) return false;
  const [mine, theirs] = [a.map.entries, b.map.entries];
  return (
    mine.length === theirs.length &&
    mine.every((entry, index) => sameEntry(entry, theirs[index] as MapEntry)) &&
    JSON.stringify(a.clusters) === JSON.stringify(b.clusters)
  );
}

function sameEntry(a: MapEntry, b: MapEntry): boolean {
  return (
    a.lo === b.lo && a.hi === b.hi && a.owner === b.owner && a.epoch === b.epoch && a.founding === b.founding
  );
}
