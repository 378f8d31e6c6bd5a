/** Whether a keeper without a map stands in for one that is lost, as far as anybody says so: nodes, the keeper's notes, or the router. */
import { whoWaits } from '../../health/map-findings.ts';
import type { KeeperMap } from '../../protocol/admin/admin.ts';
import { gather } from '../status/gather.ts';

/** Who waits for it, and what is to be typed then; null where nobody says so. */
export async function sayWhoWaits(file: string): Promise<string | null> {
  const facts = await gather(file);
  const { keeper } = facts;
  if (keeper === null || keeper.why !== null) return null;
  const who = [whoWaits(facts, keeper), heardBefore(keeper.before, keeper.known)].filter(
    (each) => each !== null,
  );
  if (who.length === 0) return null;
  return `this keeper has no map, and ${who.join('; ')}. Where it takes the place of one that is lost, no init: nursery rescue keeper FILE-OF-EACH-CLUSTER --config FILE-OF-KEEPER, with those that were restored or promoted too`;
}

/** A router goes on with the map of the keeper that is lost, and knows its clusters; null where it has none of that. */
export function heardBefore(heard: KeeperMap | undefined, { nursery }: KeeperMap): string | null {
  if (heard?.nursery === undefined || nursery === undefined) return null;
  const { founding } = heard.nursery;
  if (heard.map.isEmpty || founding === nursery.founding || nursery.replaced.includes(founding)) return null;
  const ids = [...new Set(heard.map.entries.map(({ owner }) => owner))].join(', ');
  return `the router still has the map of another one, founding ${founding}, with the keys of ${ids}`;
}
