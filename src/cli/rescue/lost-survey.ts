/** What is known of a cluster that is said to be lost, before anything is done about it. */
import { NurseryError } from '../../base/errors.ts';
import { whoDoes } from '../../base/names.ts';
import { intersect, overlaps, type Range } from '../../keyspace/range.ts';
import type { MapEntry } from '../../keyspace/rangemap.ts';
import type { KeeperMap, KnownCluster, Migration, Order } from '../../protocol/admin/admin.ts';
import { isOpen } from '../../protocol/admin/migration.ts';
import type { NurseryConnections } from '../connections.ts';
import { statusesOf } from './statuses.ts';
import { printFounding } from './unknown-founding.ts';

/** A founding of the cluster that is dead, by this order; null: this command is to give it. */
export type Grave = { readonly founding: string; readonly order: Order | null };

/** What is known. */
export type Survey = {
  /** All dead foundings of the cluster, and the one that this command is to bury. */
  readonly graves: readonly Grave[];
  /** The founding in force where its nodes answer: it goes on. Null where there is none, or it is to be buried. */
  readonly goesOn: string | null;
  /** Nodes of the founding that is to be buried. */
  readonly nodes: readonly string[];
  /** What the map gives to dead foundings, of what was asked for. */
  readonly entries: readonly MapEntry[];
  /** Open migrations that a dead founding takes part in. */
  readonly moves: readonly Migration[];
};

/** A node that could serve, or be promoted; `role` and `founding` null where it refuses to say. */
type Living = { readonly name: string; readonly role: string | null; readonly founding: string | null };

/**
 * Asks the keeper, and every node of the founding in force. What the map gives to a founding that died before, by a promotion or an
 * earlier loss, is lost whether or not that one answers. Where all of that was brought before, and the cluster serves, it is found done.
 *
 * @throws NurseryError REFUSED where a node of the cluster answers and nothing is left of foundings before it; where a promotion still
 *   waits for its ranges; and where the keeper knows no such cluster
 */
export async function survey(
  nursery: NurseryConnections,
  { map, clusters }: KeeperMap,
  cluster: string,
  wanted: Range,
): Promise<Survey> {
  const [orders, records] = await Promise.all([ordersOf(nursery, cluster), migrationsOf(nursery)]);
  const migrations = records.filter(isOpen);
  const config = clusters.find((each) => each.cluster === cluster);
  const inForce = config?.founding;
  const named = map.entries.flatMap(({ owner, founding }) =>
    owner === cluster && founding !== undefined ? [founding] : [],
  );
  const dead = new Set([...orders.map(({ was }) => was), ...named]);
  if (inForce !== undefined) dead.delete(inForce);
  const isOf = (founding: string | undefined): boolean => founding !== undefined && dead.has(founding);
  const isMove = ({ foundings }: Migration): boolean => isOf(foundings?.source) || isOf(foundings?.target);

  const alive = config === undefined ? [] : await livingOf(config);
  if (alive.length > 0) {
    const waiting = orders.find(
      ({ kind, founding, given }) => kind === 'promote' && founding === inForce && given === null,
    );
    if (waiting !== undefined)
      throw new NurseryError(
        'REFUSED',
        `founding ${inForce} of ${cluster} took the place of ${waiting.was} by order ${waiting.order}, and waits for its ranges: nursery rescue promote goes on with what it holds`,
      );
    const isServed = alive.some(({ role, founding }) => role === 'master' && founding === inForce);
    const isDone = isServed && copiesBy(records, orders, wanted).length > 0;
    if (!named.some(isOf) && !migrations.some(isMove) && !isDone) throw notGone(cluster, alive, orders);
  } else if (inForce !== undefined) dead.add(inForce);
  if (dead.size === 0) {
    const names = clusters.map((each) => each.cluster).join(', ');
    throw new NurseryError(
      'REFUSED',
      `the keeper knows no founding of cluster ${cluster}; known are ${names || 'none'}`,
    );
  }
  const isBuried = alive.length === 0 && inForce !== undefined;
  return {
    graves: [...dead].map((founding) => ({
      founding,
      order: orders.find(({ was }) => was === founding) ?? null,
    })),
    goesOn: alive.length > 0 ? (inForce ?? null) : null,
    nodes: isBuried ? (config?.nodes ?? []).map(({ name }) => name) : [],
    entries: map.entries.filter(
      (entry) => entry.owner === cluster && isOf(entry.founding) && intersect(entry, wanted) !== null,
    ),
    moves: migrations.filter(isMove),
  };
}

/** What was brought by these orders, as far as it is of `range`. */
export function copiesBy(records: readonly Migration[], orders: readonly Order[], range: Range): Migration[] {
  return records.filter(
    (record) =>
      record.rescue?.isCopy === true &&
      (record.phase === 'published' || record.phase === 'done') &&
      orders.some(({ order }) => order === record.rescue?.order) &&
      overlaps(record, range),
  );
}

/** One that took the place of a dead founding is not to be stopped because somebody typed the command once more. */
function notGone(cluster: string, alive: readonly Living[], orders: readonly Order[]): NurseryError {
  const names = alive.map(({ name, role }) => `${name} (${role ?? 'it refuses'})`);
  const last = orders.at(-1);
  const before =
    last === undefined
      ? ''
      : `; of ${printFounding(cluster, last.was)} before it, dead by order ${last.order}, nothing is left to bring`;
  return new NurseryError(
    'REFUSED',
    `${whoDoes(names, 'answers', `of ${cluster}`)}: it is not gone${before}. Where it has no majority, nursery rescue promote goes on with what it holds; or, where all of it is to be given up, stop it, and never start its home again`,
  );
}

/** Orders by which foundings of the cluster died. */
async function ordersOf(nursery: NurseryConnections, cluster: string): Promise<Order[]> {
  const answer = await nursery.keeper.query({ kind: 'listOrders' });
  if (answer.kind !== 'orders')
    throw new NurseryError('MALFORMED', `the keeper answered ${answer.kind} to listOrders`);
  return answer.orders.filter((order) => order.kind !== 'keeper' && order.cluster === cluster);
}

/** Migrations that have not ended. */
export async function openMigrations(nursery: Pick<NurseryConnections, 'keeper'>): Promise<Migration[]> {
  return (await migrationsOf(nursery)).filter(isOpen);
}

/** All that are on record. */
export async function migrationsOf(
  nursery: Pick<NurseryConnections, 'keeper'>,
): Promise<readonly Migration[]> {
  const answer = await nursery.keeper.query({ kind: 'listMigrations' });
  if (answer.kind !== 'migrations')
    throw new NurseryError('MALFORMED', `the keeper answered ${answer.kind} to listMigrations`);
  return answer.migrations;
}

/** Who could serve, or be promoted: also of a founding that the keeper does not know, as one that belongs to an older keeper. */
async function livingOf(config: KnownCluster): Promise<Living[]> {
  return (await statusesOf(config)).flatMap(({ name, status, isSilent }): Living[] => {
    if (status === null) return isSilent ? [] : [{ name, role: null, founding: null }];
    const { cluster, founding, role } = status;
    return cluster === config.cluster && founding !== '' ? [{ name, role, founding }] : [];
  });
}
