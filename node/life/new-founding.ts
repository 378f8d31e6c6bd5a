/** How a founding begins with a home that is not empty: with the image of a backup, or with what a survivor holds. */

import { TransactionLog } from '../log/log.ts';
import type { MembersState, Slot } from '../paxos/values.ts';
import type { StorePlace } from '../store/install.ts';
import { firstRecords } from './first-image.ts';

/** As the log of a node that founded a cluster of its own, and installed the image of `slot`. The directory holds no log. */
export async function beginLog(
  { logDir, place }: { readonly logDir: string; readonly place: StorePlace },
  members: MembersState,
  slot: Slot,
): Promise<void> {
  const { cluster, node, dir } = place;
  const { log } = await TransactionLog.open({
    dir: logDir,
    cluster,
    node,
    appliedSlot: 0,
    store: dir,
    onWarning: () => undefined, // of a log that is empty there is nothing to warn
  });
  await new Promise<void>((resolve, reject) => {
    log.append(firstRecords(members, slot), (error) => (error === null ? resolve() : reject(error)));
  });
  await log.close();
}
