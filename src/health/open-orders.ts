/** Orders of rescues that have not come to their end, told from what the keeper has on record. */
import { printRange } from '../keyspace/range.ts';
import type { MapEntry } from '../keyspace/rangemap.ts';
import type { Migration, Order } from '../protocol/admin/admin.ts';
import type { Answering, KeeperSeen } from './facts.ts';

/** One of them. */
export type OpenOrder = {
  readonly order: Order;
  /** What is not done yet, for people. */
  readonly why: string;
  /** The command that goes on with it, without `--config`. */
  readonly next: string;
};

/** What the keeper answers to `listOrders`, `getMap` and `listMigrations`. */
export type OnRecord = {
  readonly orders: readonly Order[];
  readonly entries: readonly MapEntry[];
  readonly migrations: readonly Migration[];
};

/** Ascending. An order whose new founding was replaced by a later one is that one's business. */
export function openOrders(known: OnRecord): OpenOrder[] {
  return known.orders.flatMap((order) => {
    const open = openOf(order, known);
    return open === null ? [] : [{ order, ...open }];
  });
}

function openOf(order: Order, { orders, entries, migrations }: OnRecord): Omit<OpenOrder, 'order'> | null {
  const { kind, cluster, was, founding, given } = order;
  const moves = migrations.filter(
    ({ phase, rescue }) => (phase === 'active' || phase === 'published') && rescue?.order === order.order,
  );
  const unsettled = moves.filter(({ rescue }) => rescue?.isCopy !== true).map(({ mid }) => mid);
  const settling = `migrations ${unsettled.join(', ')} are to be settled`;
  const isOver = orders.some((later) => later.cluster === cluster && later.was === founding);
  if (kind === 'promote' && given === null && !isOver) {
    const waits = `founding ${founding} of ${cluster} took the place of ${was}, and has not been told its ranges`;
    return unsettled.length > 0
      ? { why: `${waits}: ${settling}`, next: RESUME }
      : {
          why: `${waits}: its node has to ask for them`,
          next: `start the node of ${cluster} that was promoted or restored`,
        };
  }
  if (kind !== 'keeper') {
    const left = entries.filter((entry) => entry.owner === cluster && entry.founding === was);
    const next = bringElsewhere(cluster);
    if (left.length > 0)
      return {
        why: `${left.map(printRange).join(', ')} of founding ${was}, which is dead, nobody serves`,
        next,
      };
  }
  return unsettled.length > 0 ? { why: settling, next: RESUME } : null;
}

/** The order that has declared the founding of this node dead; null where none has. */
export function endOf({ orders }: KeeperSeen, cluster: string, { facts }: Answering): Order | null {
  const { founding } = facts.status;
  return orders?.find((order) => order.cluster === cluster && order.was === founding) ?? null;
}

/** What brings the ranges of a cluster to another one: nobody is told to begin empty who may have a backup. */
export function bringElsewhere(cluster: string): string {
  return `nursery rescue lost ${cluster} --at CLUSTER --restore DIR, or --empty`;
}

const RESUME = 'nursery migrate --resume';
