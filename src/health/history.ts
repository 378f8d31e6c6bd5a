/** Who has owned a key: told from the keeper's records, as far as they go. */
import type { Key } from '../base/bytes.ts';
import { contains, type Range } from '../keyspace/range.ts';
import type { MapEntry } from '../keyspace/rangemap.ts';
import type { Migration, Order } from '../protocol/admin/admin.ts';
import { isMerge } from '../protocol/admin/migration.ts';

/** Since an epoch (number of a migration, or one that an order gave) the key belongs to `owner`. */
export type Tenure = {
  readonly epoch: number;
  readonly owner: string;
  readonly by: 'migration' | 'merge' | 'order' | 'beginning';
  /** Number of the migration, merge or order; null at the beginning. */
  readonly number: number | null;
  /** Whom it belonged to before; null where that is not told. */
  readonly from: string | null;
  readonly range: Range;
};

export type History = {
  /** Ascending by epoch. */
  readonly tenures: readonly Tenure[];
  /** A record is missing: it was forgotten, or its keeper lost. */
  readonly hasGaps: boolean;
};

/** What is on record of `key`. */
export function historyOf(
  key: Key,
  known: {
    readonly entries: readonly MapEntry[];
    readonly migrations: readonly Migration[];
    readonly orders: readonly Order[];
  },
): History {
  const moved = known.migrations.flatMap((move): Tenure[] => {
    const { mid, phase, source, target, lo, hi } = move;
    const hasMoved = phase === 'done' || phase === 'published';
    if (!hasMoved || !contains(move, key)) return [];
    const by = isMerge(move) ? 'merge' : 'migration';
    return [{ epoch: mid, owner: target, by, number: mid, from: source, range: { lo, hi } }];
  });
  const given = known.orders.flatMap(({ order, cluster, given }) =>
    (given?.ranges ?? [])
      .filter((range) => contains(range, key))
      .map(
        ({ lo, hi, epoch }): Tenure => ({
          epoch,
          owner: cluster,
          by: 'order',
          number: order,
          from: cluster,
          range: { lo, hi },
        }),
      ),
  );
  const told = [...moved, ...given].sort((a, b) => a.epoch - b.epoch);
  const entry = known.entries.find((each) => contains(each, key));
  const last = told.at(-1);
  if (entry !== undefined && (last === undefined || last.epoch < entry.epoch)) {
    const { lo, hi, epoch, owner } = entry;
    const from = last?.owner ?? null;
    told.push({ epoch, owner, by: 'beginning', number: null, from, range: { lo, hi } });
  }
  const hasGaps = told.some(({ by, from }, at) => {
    if (at === 0) return false;
    return by === 'beginning' || from !== told[at - 1]?.owner;
  });
  return { tenures: told, hasGaps };
}
