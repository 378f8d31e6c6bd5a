/** What `rescue keeper` makes of a keeper that has a map already: the rescue was done before, or this is not the one to go on with. Pure. */
import { whoDoes } from '../../base/names.ts';
import type { Bound } from './predecessors.ts';

/** The keeper that answers. */
export type Mapped = {
  readonly cluster: string;
  readonly founding: string;
  /** It got its map by a rescue. */
  readonly isRescued: boolean;
  /** Clusters that its map names. */
  readonly owners: readonly string[];
};

/** Why it is a founding whose place was taken since, as clusters that came from it say; null where none does. */
export function whyTaken({ cluster, founding }: Mapped, named: readonly Bound[]): string | null {
  const since = named.filter(({ keeper, keepers }) => keeper !== founding && keepers.includes(founding));
  if (since.length === 0) return null;
  const later = foundingsOf(since);
  return `${belongings(since)}: at the addresses of keeper ${cluster} answer homes of founding ${founding}, whose place was taken. Stop these nodes, never start those homes again, and start the nodes whose homes are of founding ${later}; nothing was done`;
}

/** Why the rescue was not done for all that were named; null where it was. */
export function whyNotDone(keeper: Mapped, named: readonly Bound[]): string | null {
  const { cluster, founding, isRescued, owners } = keeper;
  const others = named.filter((each) => each.keeper !== founding);
  const own = named.filter((each) => each.keeper === founding);
  const self = `keeper ${cluster}, founding ${founding},`;
  if (others.length === 0)
    return isRescued
      ? null
      : `${self} has a map, and ${belongings(own)}: it is not lost, and takes nobody's place; nothing was done`;
  const theirs = `${belongings(others)}`;
  if (own.length > 0)
    return `${self} has a map, and is not a new one: ${belongings(own)}, but ${theirs}. Leave out the ${others.length === 1 ? 'file' : 'files'} of ${names(others)}: a keeper that has a map takes no cluster over; nothing was done`;
  const where = owners.length === 0 ? 'its map' : `its map (${owners.join(', ')})`;
  if (isRescued)
    return `${self} took the place of one that was lost, and has ${where}, but ${theirs}. Name the files of its own clusters, or, with --config, the keeper that is to take these; nothing was done`;
  return `${self} has a map, as nursery init makes one, and is of no use to ${names(others)}: ${theirs}. Where that map was made by mistake, stop the nodes of ${cluster}, empty their homes, start them, and type the same again; what was written to the clusters of ${where} since stays theirs. Where it was not, --config names the wrong keeper. Nothing was done`;
}

function names(clusters: readonly Bound[]): string {
  return clusters.map(({ cluster }) => cluster).join(', ');
}

function foundingsOf(clusters: readonly Bound[]): string {
  return [...new Set(clusters.map(({ keeper }) => keeper))].join(' or ');
}

/** `ams, bru belong to founding 4c1d…`. */
function belongings(clusters: readonly Bound[]): string {
  const foundings = [...new Set(clusters.map(({ keeper }) => keeper))];
  return foundings
    .map((founding) => {
      const theirs = clusters.filter(({ keeper }) => keeper === founding).map(({ cluster }) => cluster);
      return `${whoDoes(theirs, 'belongs')} to founding ${founding}`;
    })
    .join(', ');
}
