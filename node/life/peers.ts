/** Whether a store that is lost is in anybody else's: decides whether it may be deleted, to be rebuilt. */
import { TransactionLog } from '../log/log.ts';
import type { Recovered } from '../paxos/contract.ts';
import type { NodeName } from '../paxos/values.ts';
import type { StorePlace } from '../store/install.ts';

/**
 * Other members, as far as the log knows: those below its first slot, and all that were proposed since. Null where it does not
 * know, as a log of an earlier build.
 */
export function otherMembers(
  { floorMembers, accepted }: Pick<Recovered, 'floorMembers' | 'accepted'>,
  node: NodeName,
): ReadonlySet<NodeName> | null {
  if (floorMembers === null) return null;
  const names = new Set(floorMembers.members.map((member) => member.node));
  for (const { value } of accepted)
    if (value.kind === 'addMember' || value.kind === 'admit') names.add(value.node);
  names.delete(node);
  return names;
}

/**
 * Whether log and peers hold all that the store of this home did. They do not where the founding has this member alone, as after a
 * restore or a promotion, whatever its file names (a learner may have less: that people decide); nor where it has retired, and what
 * it holds may be all that is left.
 *
 * @param peers names of the other nodes in the file
 * @throws FatalError as `TransactionLog.open`
 */
export async function canBeRebuilt(
  { logDir, place }: { readonly logDir: string; readonly place: StorePlace },
  peers: readonly NodeName[],
): Promise<boolean> {
  if (peers.length === 0) return false;
  const { cluster, node, dir } = place;
  const { log, recovered } = await TransactionLog.open({
    dir: logDir,
    cluster,
    node,
    appliedSlot: 0,
    store: dir,
    onWarning: () => undefined, // it is opened again, and warns then
  });
  await log.close();
  if (recovered.retired !== undefined) return false;
  return recovered.firstLogSlot === 1 || otherMembers(recovered, node)?.size !== 0;
}
