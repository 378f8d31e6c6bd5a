/**
 * Who says that he owns which keys, and what is so where several do: as `rescue keeper` decides it, and says it before anything is done
 * (docs/architecture.md, "Rescue"). Pure.
 */
import type { Key } from '../../base/bytes.ts';
import { contains, printRange, type Range } from '../../keyspace/range.ts';
import { ascending } from '../../keyspace/sweep.ts';
import type { Owned } from '../../protocol/admin/admin.ts';

/** A cluster that is not the owner of what it claims of a range. */
export type Yield = { readonly cluster: string; readonly range: Range };

/** A cluster and what it owns; `isConfirmed`: it waits for no keeper to say which of that is still its own. */
export type Claimant = {
  readonly cluster: string;
  readonly isConfirmed: boolean;
  readonly owned: readonly Owned[];
};

/** What one cluster claims of one key. */
export type Claim = {
  readonly cluster: string;
  readonly epoch: number;
  readonly sealedBy: number | null;
  readonly isConfirmed: boolean;
};

/** A range that several own, and who of them yields, by the word of the operator. */
export type Dispute = Range & { readonly standing: readonly Claim[]; readonly yielding: readonly string[] };

/** For key after key, each above the one before: what the cluster claims of it. */
export function claimsOf({ cluster, isConfirmed, owned }: Claimant): (key: Key) => Claim[] {
  const ownedAt = sweep(owned);
  return (key) => {
    const own = ownedAt(key);
    return own === null ? [] : [{ cluster, epoch: own.epoch, sealedBy: own.sealedBy, isConfirmed }];
  };
}

/** For key after key, each above the one before: the range that it lies in. */
export function sweep<T extends Range>(ranges: readonly T[]): (key: Key) => T | null {
  const sorted = ascending(ranges);
  let at = 0;
  return (key) => {
    while (at < sorted.length && isBelow(sorted[at] as T, key)) at += 1;
    const range = sorted[at];
    return range !== undefined && contains(range, key) ? range : null;
  };
}

function isBelow({ hi }: Range, key: Key): boolean {
  return hi !== null && hi <= key;
}

/** The key space, cut wherever one of these begins or ends. */
export function cutAt(ranges: Iterable<Range>): Range[] {
  const cuts = new Set(['']);
  for (const { lo, hi } of ranges) {
    cuts.add(lo);
    if (hi !== null) cuts.add(hi);
  }
  const sorted = [...cuts].sort();
  return sorted.map((lo, index) => ({ lo, hi: sorted[index + 1] ?? null }));
}

/** What stands of the claims to one range, and who of those that stand yields it. */
export function weigh(
  range: Range,
  claims: readonly Claim[],
  yields: readonly Yield[],
): Pick<Dispute, 'standing' | 'yielding'> {
  const standing = claims.filter((claim) => !isOver(claim, claims));
  const isYielded = (cluster: string): boolean =>
    yields.some((each) => each.cluster === cluster && contains(each.range, range.lo));
  const yielding = standing.length < 2 ? [] : standing.filter(({ cluster }) => isYielded(cluster));
  return { standing, yielding: yielding.map(({ cluster }) => cluster) };
}

/**
 * Of those that serve nothing there: a source that has sealed, beside a target that has activated, whatever epoch that has by now;
 * and a founding that nobody has confirmed, beside whoever got the range later.
 */
function isOver({ epoch, sealedBy, isConfirmed }: Claim, claims: readonly Claim[]): boolean {
  if (sealedBy !== null && claims.some((other) => other.epoch >= sealedBy)) return true;
  return !isConfirmed && claims.some((other) => other.epoch > epoch);
}

/** Who goes on with a range that several own; null where not all others yield. */
export function whoStays({ standing, yielding }: Pick<Dispute, 'standing' | 'yielding'>): Claim | null {
  const [first, second] = standing.filter(({ cluster }) => !yielding.includes(cluster));
  return first === undefined || second !== undefined ? null : first;
}

/** All ranges that several own, in ascending order, each as long as the same is so. */
export function disputesIn(claimants: readonly Claimant[], yields: readonly Yield[]): Dispute[] {
  const sides = claimants.map(claimsOf);
  const disputes: Dispute[] = [];
  for (const range of cutAt([
    ...yields.map((each) => each.range),
    ...claimants.flatMap(({ owned }) => owned),
  ])) {
    const { standing, yielding } = weigh(
      range,
      sides.flatMap((claim) => claim(range.lo)),
      yields,
    );
    if (standing.length < 2) continue;
    const last = disputes.at(-1);
    const isSame = JSON.stringify([last?.standing, last?.yielding]) === JSON.stringify([standing, yielding]);
    if (last !== undefined && last.hi === range.lo && isSame)
      disputes[disputes.length - 1] = { ...last, hi: range.hi };
    else disputes.push({ ...range, standing, yielding });
  }
  return disputes;
}

/** Why no map follows from a dispute that is left. */
export function whyDisputed({ standing, yielding, ...range }: Dispute): string {
  const all = standing.map(({ cluster, epoch }) => `${cluster} at epoch ${epoch}`).join(' and ');
  const nobody = yielding.length === standing.length ? ', and all of them yield' : '';
  return `${printRange(range)} is owned by ${all}${nobody}: the higher epoch is the later one; --yields CLUSTER, or CLUSTER=FROM..TO, says whose rows of it are given up, or stop that cluster, and name it with --lost`;
}
