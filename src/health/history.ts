/** Who has owned a key: told from the keeper's records, as far as they go. */
import type { Key } from '../base/bytes.ts';
import { contains, type Range } from '../keyspace/range.ts';
import type { MapEntry } from '../keyspace/rangemap.ts';
import type { Migration, Order } from '../protocol/admin/admin.ts';
import { isMerge } from '../protocol/admin/migration.ts';
import { sourceNoted } from './restored.ts';

/** Since an epoch (number of a migration, or one that an order gave) the key belongs to `owner`. */
export type Tenure = {
  readonly epoch: number;
  readonly owner: string;
  /** What brought it there: `beginning` is `init`, which leaves no record; `unknown`: the map says so, and no record tells how. */
  readonly by: 'migration' | 'merge' | 'order' | 'beginning' | 'unknown';
  /** Number of the migration, merge or order; null where there is none, or it is not known. */
  readonly number: number | null;
  /** Whom it belonged to before; null where that is not told. */
  readonly from: string | null;
  readonly range: Range;
  /** Of what `rescue lost` brought: the cluster that was lost, and where its rows came from, null where that is not told. */
  readonly lost?: { readonly cluster: string; readonly restored: string | null };
};

/** Between two epochs there may be tenures that nobody tells of any more; `from` is the first epoch of all where none is told below. */
export type Gap = { readonly from: number; readonly to: number };

export type History = {
  /** Ascending by epoch. */
  readonly tenures: readonly Tenure[];
  /** A record is missing, or may be: it was forgotten, or its keeper lost. */
  readonly hasGaps: boolean;
  /** Where, ascending. */
  readonly gaps: readonly Gap[];
};

/** The epoch that `init` gives: the first number of all. */
const FIRST_EPOCH = 1;

/** A tenure, and the epoch that the key had before, where its record says so. */
type Told = { readonly tenure: Tenure; readonly before: number | null };

type Records = { readonly migrations: readonly Migration[]; readonly orders: readonly Order[] };

/** What is on record of `key`. */
export function historyOf(key: Key, known: Records & { readonly entries: readonly MapEntry[] }): History {
  const told = [
    ...known.migrations.flatMap((record) => toldBy(record, key)),
    ...known.orders.flatMap((order) => givenBy(order, key)),
  ].sort((a, b) => a.tenure.epoch - b.tenure.epoch);
  const entry = known.entries.find((each) => contains(each, key));
  const last = told.at(-1)?.tenure;
  if (entry !== undefined && (last === undefined || last.epoch < entry.epoch)) {
    const { lo, hi, epoch, owner } = entry;
    const by = epoch > FIRST_EPOCH ? 'unknown' : 'beginning';
    told.push({ tenure: { epoch, owner, by, number: null, from: null, range: { lo, hi } }, before: null });
  }
  const numbers = numbersOf(known);
  const gaps = told.flatMap((each, at): Gap[] => {
    const previous = told[at - 1]?.tenure ?? null;
    const gap = { from: previous?.epoch ?? FIRST_EPOCH, to: each.tenure.epoch };
    return isGap(previous, each, () => hasAll(numbers, gap)) ? [gap] : [];
  });
  return { tenures: told.map(({ tenure }) => tenure), hasGaps: gaps.length > 0, gaps };
}

/** What the record of a migration tells of a key: that it came to the target, or back to the source since the target is dead. */
function toldBy(record: Migration, key: Key): Told[] {
  const { mid, phase, source, target, lo, hi, merges, receipt, rescue, asked } = record;
  if (!contains(record, key)) return [];
  const range = { lo, hi };
  const isTakenBack = phase === 'lost' && rescue?.dead === 'target' && !isMerge(record);
  const hasMoved = phase === 'done' || phase === 'published' || (isTakenBack && receipt !== null);
  const by = isMerge(record) ? ('merge' as const) : ('migration' as const);
  // An order stands behind what came out of a backup, or empty: nothing has moved.
  const how =
    rescue?.isCopy === true
      ? {
          by: 'order' as const,
          number: rescue.order,
          lost: { cluster: source, restored: sourceNoted(record) },
        }
      : { by, number: mid };
  const moved: Told = {
    tenure: { epoch: mid, owner: target, from: source, range, ...how },
    before: merges?.findLast((each) => each.lo <= key)?.epoch ?? asked?.undoes ?? null,
  };
  if (!isTakenBack) return hasMoved ? [moved] : [];
  const { epoch, order } = rescue;
  const from = hasMoved ? target : source;
  const back = { epoch, owner: source, by: 'order', number: order, from, range } as const;
  return [...(hasMoved ? [moved] : []), { tenure: back, before: hasMoved ? mid : null }];
}

/** What an order gave of a key to the founding that took the place of another one. */
function givenBy({ order, cluster, given, before }: Order, key: Key): Told[] {
  return (given?.ranges ?? []).flatMap(({ lo, hi, epoch }, at): Told[] => {
    if (!contains({ lo, hi }, key)) return [];
    const tenure = {
      epoch,
      owner: cluster,
      by: 'order',
      number: order,
      from: cluster,
      range: { lo, hi },
    } as const;
    return [{ tenure, before: before[at] ?? null }];
  });
}

/** Whether something may lie between a tenure and the one that is told before it. */
function isGap(previous: Tenure | null, { tenure, before }: Told, isWhole: () => boolean): boolean {
  if (tenure.by === 'beginning') return false;
  if (tenure.by === 'unknown') return true;
  if (before !== null) return before > FIRST_EPOCH && before !== previous?.epoch;
  return (previous !== null && previous.owner !== tenure.from) || !isWhole();
}

/** Numbers of which it is known what became of them, from and to, ascending: records have them, or orders. */
function numbersOf({ migrations, orders }: Records): (readonly [from: number, to: number])[] {
  const one = (epoch: number): readonly [number, number] => [epoch, epoch];
  const recorded = migrations.flatMap(({ mid, rescue }) => [
    one(mid),
    ...(rescue === undefined ? [] : [one(rescue.epoch)]),
  ]);
  const ordered = orders.flatMap(({ given }) =>
    given === null
      ? []
      : [...given.ranges.map(({ epoch }) => one(epoch)), [given.spareMid, given.floorMid - 1] as const],
  );
  return [...recorded, ...ordered].sort(([a], [b]) => a - b);
}

/** Whether `numbers` has all that lie within a gap. */
function hasAll(numbers: readonly (readonly [from: number, to: number])[], gap: Gap): boolean {
  let next = gap.from + 1;
  for (const [from, to] of numbers) {
    if (from > next || next >= gap.to) break;
    next = Math.max(next, to + 1);
  }
  return next >= gap.to;
}
