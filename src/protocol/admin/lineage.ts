/** Which founding took the place of which, by orders of promotions and restores. Pure; keeper and command line ask alike. */
import { intersect, type Range } from '../../keyspace/range.ts';
import type { MapEntry } from '../../keyspace/rangemap.ts';
import type { Part } from '../../keyspace/sweep.ts';
import type { Merged, Migration } from './migration.ts';
import type { Order } from './orders.ts';

/**
 * The orders by which foundings of a cluster took the place of `was`, one after the other; the last one, which `founding` came by,
 * first. Where they do not lead to `was` they end with the first that is on record.
 */
export function chainOf(
  orders: Iterable<Order>,
  { cluster, founding }: { readonly cluster: string; readonly founding: string },
  was: string,
): Order[] {
  const own = [...orders].filter((order) => order.kind === 'promote' && order.cluster === cluster);
  const chain: Order[] = [];
  for (let at = founding; at !== was; ) {
    const order = own.find((each) => each.founding === at);
    if (order === undefined) break;
    chain.push(order);
    at = order.was;
  }
  return chain;
}

/**
 * The epoch at which `was` knew what the map gives a founding that is dead by these orders: each of them gave ranges new epochs.
 * Null for an entry of any other founding.
 *
 * @param chain of orders back to `was`
 */
export function epochsThen(chain: readonly Order[], was: string): (entry: MapEntry) => number | null {
  const foundings = new Set([was, ...chain.map(({ founding }) => founding)]);
  const epochs = new Map(
    chain.flatMap(({ given, before }) =>
      (given?.ranges ?? []).map(({ epoch }, at): [number, number] => [epoch, before[at] ?? 0]),
    ),
  );
  return ({ founding = '', epoch }) => {
    if (!foundings.has(founding)) return null;
    let then = epoch;
    // No epoch comes twice, and each is above the one before it.
    for (let earlier = epochs.get(then); earlier !== undefined; earlier = epochs.get(then)) then = earlier;
    return then;
  };
}

/** Merges that went through, by their mid: what became one. */
export type Merges = ReadonlyMap<number, Range & { readonly merges: readonly Merged[] }>;

/** As far as they are on record. */
export function mergesOf(migrations: Iterable<Migration>): Merges {
  const found = new Map<number, Range & { readonly merges: readonly Merged[] }>();
  for (const { mid, phase, lo, hi, merges } of migrations) {
    if (merges !== undefined && (phase === 'published' || phase === 'done'))
      found.set(mid, { lo, hi, merges });
  }
  return found;
}

/**
 * Those of `parts`, which lie in `entry` of the map, that are of the epoch at which the entry was known then; where it came by a merge
 * that they do not know of, of the epochs that were merged: nothing was moved in between.
 *
 * @param epochThen as `epochsThen` has it
 */
export function knownParts<T extends Range & { readonly epoch: number }>(
  entry: MapEntry,
  parts: readonly Part<T>[],
  known: { readonly epochThen: (entry: MapEntry) => number | null; readonly merges: Merges },
): Part<T>[] {
  const then = known.epochThen(entry);
  const same = parts.filter(({ of }) => of.epoch === then);
  const merge = then === null ? undefined : known.merges.get(then);
  if (merge === undefined || same.length > 0 || parts.length === 0) return same;
  // Each was merged at an epoch above its own, so this comes to an end.
  return merge.merges.flatMap(({ lo, epoch }, at) => {
    const piece = intersect(entry, { lo, hi: merge.merges[at + 1]?.lo ?? merge.hi });
    if (piece === null) return [];
    const within = parts.flatMap((part): Part<T>[] => {
      const common = intersect(part, piece);
      return common === null ? [] : [{ ...common, of: part.of }];
    });
    return knownParts({ ...entry, ...piece, epoch }, within, known);
  });
}
