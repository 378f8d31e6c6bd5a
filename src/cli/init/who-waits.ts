/** Whether a keeper without a map stands in for one that is lost, as far as anybody says so: nodes, the keeper's notes, or the router. */
import { NurseryError } from '../../base/errors.ts';
import { ClusterClient } from '../../client/cluster-client.ts';
import { whoWaits } from '../../health/map-findings.ts';
import type { AdminAnswer, KeeperMap } from '../../protocol/admin/admin.ts';
import type { Target } from '../connections.ts';
import { gatherFrom } from '../status/gather.ts';

/** How long the router may take to say what it has heard last (ms). */
const ROUTER_MS = 1500;

/** Who waits for it, and what is to be typed then; null where nobody says so. @param known what the keeper itself has said */
export async function sayWhoWaits(file: string, target: Target, known: KeeperMap): Promise<string | null> {
  const [facts, heard] = await Promise.all([gatherFrom(file, target), heardByRouter(target)]);
  const told = facts.keeper?.why === null ? whoWaits(facts, facts.keeper) : null;
  const who = [told, heardBefore(heard, known)].filter((each) => each !== null);
  if (who.length === 0) return null;
  return `this keeper has no map, and ${who.join('; ')}. Where it takes the place of one that is lost, no init: nursery rescue keeper FILE-OF-EACH-CLUSTER --config FILE-OF-KEEPER, with those that were restored or promoted too`;
}

/** A router goes on with the map of the keeper that is lost, and knows its clusters; null where it has none of that. */
export function heardBefore(heard: AdminAnswer | null, { nursery }: KeeperMap): string | null {
  if (heard?.kind !== 'keeperMap' || heard.nursery === undefined || nursery === undefined) return null;
  const { founding } = heard.nursery;
  if (heard.map.isEmpty || founding === nursery.founding || nursery.replaced.includes(founding)) return null;
  const ids = [...new Set(heard.map.entries.map(({ owner }) => owner))].join(', ');
  return `the router still has the map of another one, founding ${founding}, with the keys of ${ids}`;
}

async function heardByRouter({ isRouter, front }: Target): Promise<AdminAnswer | null> {
  if (!isRouter) return null;
  const client = new ClusterClient(front, { role: 'operator', node: 'command-line' });
  try {
    return await client.query({ kind: 'getMap' }, { to: 'any', deadlineMs: ROUTER_MS });
  } catch (error) {
    if (error instanceof NurseryError) return null;
    throw error;
  } finally {
    client.close();
  }
}
