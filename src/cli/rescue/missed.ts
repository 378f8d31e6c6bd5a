/** Which ranges a promotion leaves behind, as far as map and survivors say before it. Pure. */
import type { Range } from '../../keyspace/range.ts';
import type { KeeperMap, Migration, NodeStatus } from '../../protocol/admin/admin.ts';
import { mergesOf } from '../../protocol/admin/lineage.ts';
import { prospectOf } from '../restore/prospect.ts';

/**
 * What the map gives to the founding in force, at epochs that nobody of it who is left has applied: the keeper decides so, unless one
 * of them has accepted it.
 *
 * @param left all of the founding who answer, at least one
 */
export function missedBy(
  { map, migrations }: Pick<KeeperMap, 'map'> & { readonly migrations: readonly Migration[] },
  cluster: string,
  left: readonly Pick<NodeStatus, 'applied' | 'founding' | 'owned'>[],
): readonly Range[] {
  const newest = left.reduce((last, each) => (each.applied > last.applied ? each : last));
  const owned = newest.owned.map(({ lo, hi, epoch }) => ({ lo, hi, epoch }));
  const merges = mergesOf(migrations);
  return prospectOf(map.entries, owned, { cluster, chain: [], merges, was: newest.founding }).left;
}
