/** Which founding took the place of which, by orders of promotions and restores. Pure; keeper and command line ask alike. */
import type { MapEntry } from '../../keyspace/rangemap.ts';
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
