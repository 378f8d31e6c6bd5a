/** Whose place a new keeper takes: what clusters say of the keepers that they belong to, and came from (docs/architecture.md, "Rescue"). */
import { NurseryError } from '../../base/errors.ts';

/** A cluster, as its nodes say before anything is done. */
export type Bound = {
  readonly cluster: string;
  readonly founding: string;
  /** Founding of the keeper that it belongs to, those that it came from, and by which order it last did. */
  readonly keeper: string;
  readonly keepers: readonly string[];
  readonly adopted: number;
};

export type Predecessors = {
  /** The keeper that is lost, and gave them what they have. */
  readonly from: string;
  /** It, and all whose place it took, or that were to take its place before. */
  readonly replaced: readonly string[];
  /** Above every order that any of them has seen. */
  readonly order: number;
};

/**
 * A rescue that came to no end left some of them at a keeper that never had a map, and others where they were: all are of one nursery,
 * which shows in the keepers that they came from.
 *
 * @param fresh founding of the new keeper
 * @throws NurseryError REFUSED where they are of more than one nursery, or the keeper takes nobody's place
 */
export function predecessorsOf(clusters: readonly Bound[], fresh: string): Predecessors {
  const sets = clusters.map(
    ({ keeper, keepers }) => new Set([keeper, ...keepers].filter((founding) => founding !== fresh)),
  );
  const replaced = [...new Set(sets.flatMap((set) => [...set]))];
  const nurseries = joined(sets);
  if (nurseries.length > 1)
    throw new NurseryError(
      'REFUSED',
      `they belong to more than one nursery: ${nurseries.map((set) => [...set].join(' and ')).join('; ')}`,
    );
  // Whoever belongs to it still, then who came from it last; and the one that most of them have known.
  const ranked = [
    ...clusters.map(({ keeper }) => keeper),
    ...clusters.flatMap(({ keepers }) => [...keepers].reverse()),
  ].filter((founding) => founding !== fresh);
  const counted = (founding: string): number => sets.filter((set) => set.has(founding)).length;
  const [first, ...others] = ranked;
  const from = others.reduce((best, each) => (counted(each) > counted(best ?? '') ? each : best), first);
  if (from === undefined)
    throw new NurseryError(
      'REFUSED',
      `these clusters belong to this very keeper, ${fresh}, and never came from another one: it takes nobody's place`,
    );
  return { from, replaced, order: clusters.reduce((high, { adopted }) => Math.max(high, adopted), 0) + 1 };
}

/** Sets that share a member are one. */
function joined(sets: readonly ReadonlySet<string>[]): ReadonlySet<string>[] {
  let groups: ReadonlySet<string>[] = [];
  for (const set of sets) {
    if (set.size === 0) continue;
    const isIts = (group: ReadonlySet<string>): boolean => [...group].some((each) => set.has(each));
    const merged = new Set([...set, ...groups.filter(isIts).flatMap((group) => [...group])]);
    groups = [...groups.filter((group) => !isIts(group)), merged];
  }
  return groups;
}
