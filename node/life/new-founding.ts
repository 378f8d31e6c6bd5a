/** How a founding begins with a home that is not empty: with the image of a backup, or with what a survivor holds. */

import { TransactionLog } from '../log/log.ts';
import { Machine } from '../machine/machine.ts';
import type { LogRecord, MembersState, Slot } from '../paxos/values.ts';
import type { StorePlace } from '../store/install.ts';

/**
 * The new founding goes on so many slots above what it begins with: above any that the old one can have told its clients, who ask
 * for "at least" that slot. A cluster that works without a pause takes years for as many.
 */
export const LEAP: Slot = 2 ** 40;

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
  const records: LogRecord[] = [
    { kind: 'incarnation', incarnation: members.cluster },
    { kind: 'founded', state: members, genesis: Machine.genesis({ nursery: false }) },
    { kind: 'snapshot', slot, members },
  ];
  await new Promise<void>((resolve, reject) => {
    log.append(records, (error) => (error === null ? resolve() : reject(error)));
  });
  await log.close();
}
