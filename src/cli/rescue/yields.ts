/** What becomes of ranges that several clusters own, as far as their nodes say before any of them has come to the new keeper. Pure. */
import { overlaps, printRange, type Range, subtract } from '../../keyspace/range.ts';
import type { Owned } from '../../protocol/admin/admin.ts';
import { type Dispute, disputesIn, whoStays, whyDisputed, type Yield } from './claims.ts';

/** A cluster, as its master says. */
export type Owner = {
  readonly cluster: string;
  readonly owned: readonly Owned[];
  /** It may have taken the place of a founding, and wait for a keeper to say what is still its own. */
  readonly mayWait: boolean;
  /** It has come to the new keeper already, and may have yielded by an attempt that came to no end. */
  readonly hasCome: boolean;
};

/** Rows that are deleted; `keeps`: who has the range from then on. */
export type Deleted = Range & { readonly cluster: string; readonly keeps: string };

export type Settlement = {
  readonly deleted: readonly Deleted[];
  /** Why no map can follow, for each range that several own for certain, and that not all but one of them yield. */
  readonly open: readonly string[];
  /** What yields nothing: no other cluster owns any of it. */
  readonly idle: readonly Yield[];
  /** The same, where it may have been yielded before. */
  readonly perhapsBefore: readonly Yield[];
};

/** What the operator's word does, and what it leaves open. */
export function settlementOf(owners: readonly Owner[], yields: readonly Yield[]): Settlement {
  const isOf = ({ cluster, range }: Yield, { standing, ...disputed }: Dispute): boolean =>
    overlaps(range, disputed) && standing.some((claim) => claim.cluster === cluster);
  const possible = disputesIn(
    owners.map((each) => ({ ...each, isConfirmed: true })),
    yields,
  );
  const certain = disputesIn(
    owners.map((each) => ({ ...each, isConfirmed: !each.mayWait })),
    yields,
  );
  const none = yields.filter((each) => !possible.some((dispute) => isOf(each, dispute)));
  const mayBeBefore = ({ cluster, range }: Yield): boolean => {
    const owner = owners.find((each) => each.cluster === cluster);
    return owner?.hasCome === true && !isWithin(range, owner.owned);
  };
  return {
    deleted: possible.flatMap(deletedBy),
    open: certain.filter((dispute) => whoStays(dispute) === null).map(whyDisputed),
    idle: none.filter((each) => !mayBeBefore(each)),
    perhapsBefore: none.filter(mayBeBefore),
  };
}

function deletedBy(dispute: Dispute): Deleted[] {
  const { yielding, standing: _, ...range } = dispute;
  const keeps = whoStays(dispute);
  return keeps === null ? [] : yielding.map((cluster) => ({ ...range, cluster, keeps: keeps.cluster }));
}

/** Whether every key of the range lies in one of `ranges`. */
function isWithin(range: Range, ranges: readonly Range[]): boolean {
  const left = ranges.reduce<Range[]>(
    (rest, each) => rest.flatMap((piece) => subtract(piece, each)),
    [range],
  );
  return left.length === 0;
}

/** Whether it was said before that these rows are deleted. */
export function wasSaid(cluster: string, range: Range, deleted: readonly Deleted[]): boolean {
  return isWithin(
    range,
    deleted.filter((each) => each.cluster === cluster),
  );
}

/** For people. */
export function printDeleted({ cluster, keeps, ...range }: Deleted): string {
  return `rows of ${cluster} in ${printRange(range)} are deleted: ${keeps} keeps it`;
}

/** As it is typed. */
export function printYield({ cluster, range }: Yield): string {
  return range.lo === '' && range.hi === null ? cluster : `${cluster} in ${printRange(range)}`;
}
