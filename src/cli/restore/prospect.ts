/** Which ranges a cluster that is restored in a nursery gets back, as far as map and image say. Pure. */
import { intersect, type Range, subtract } from '../../keyspace/range.ts';
import type { MapEntry } from '../../keyspace/rangemap.ts';
import type { Order } from '../../protocol/admin/admin.ts';
import { epochsThen, knownParts, type Merges } from '../../protocol/admin/lineage.ts';
import type { OwnedRange } from '../export/lines.ts';

/** All ascending. */
export type Prospect = {
  /** The map gives it to the founding whose place is taken, at the epoch of the image. */
  readonly back: readonly Range[];
  /** The map gives it to that founding, which got it after the image: it is left to `rescue lost`. */
  readonly left: readonly Range[];
  /** In the image, and another cluster's by now. */
  readonly moved: readonly MapEntry[];
};

/**
 * As the keeper is going to decide it, once moves are settled (node/machine/orders.ts).
 *
 * @param chain orders that lead from the founding in force back to that of the image, `was`
 * @param merges of the nursery, as the keeper has them on record
 */
export function prospectOf(
  entries: readonly MapEntry[],
  owned: readonly OwnedRange[],
  {
    cluster,
    chain,
    merges,
    was,
  }: {
    readonly cluster: string;
    readonly chain: readonly Order[];
    readonly merges: Merges;
    readonly was: string;
  },
): Prospect {
  const epochThen = epochsThen(chain, was);
  const back: Range[] = [];
  const left: Range[] = [];
  const moved: MapEntry[] = [];
  for (const entry of entries) {
    const parts = owned.flatMap((of) => {
      const common = intersect(of, entry);
      return common === null ? [] : [{ ...common, of }];
    });
    if (entry.owner !== cluster || epochThen(entry) === null) {
      moved.push(...parts.map(({ lo, hi }): MapEntry => ({ ...entry, lo, hi })));
      continue;
    }
    const same = knownParts(entry, parts, { epochThen, merges }).map(({ lo, hi }): Range => ({ lo, hi }));
    back.push(...same);
    left.push(
      ...same.reduce<Range[]>(
        (rest, part) => rest.flatMap((piece) => subtract(piece, part)),
        [{ lo: entry.lo, hi: entry.hi }],
      ),
    );
  }
  return { back, left, moved };
}
