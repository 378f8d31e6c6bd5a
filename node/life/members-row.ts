/** Rows of the node's driver in the store's system table, beside the state machine's own. */
import { decode, encode, i64 } from '../../src/wire/codec.ts';
import { type MembersState, membersStateCodec, type Slot } from '../paxos/values.ts';
import { type StoreKey, TABLES, type View } from '../store/types.ts';

/** The members in force at the image's slot: with the state machine, so that an image knows its own quorum. */
export const MEMBERS_KEY: StoreKey = `${TABLES.SYSTEM}paxos.members`;
/** Slot of the snapshot that this store began as; this replica's own, and no part of the state. */
export const SNAPSHOT_KEY: StoreKey = `${TABLES.SYSTEM}paxos.snapshot`;

/** The members at the image's slot; null in a store that belongs to no cluster yet. */
export function readMembers(view: View): MembersState | null {
  const row = view.get(MEMBERS_KEY);
  return row === undefined ? null : decode(membersStateCodec, row);
}

/**
 * The members that a start finds: null too where nothing was applied yet. There the log alone says which founding the home has joined:
 * the rows of a founding may be flushed before the record that joins it, and that founding may be over when the node starts again.
 */
export function appliedMembers(store: View & { readonly slot: Slot }): MembersState | null {
  return store.slot === 0 ? null : readMembers(store);
}

/** Slot of the snapshot that the store began as, 0 where it grew from nothing. */
export function readSnapshotSlot(view: View): Slot {
  const row = view.get(SNAPSHOT_KEY);
  return row === undefined ? 0 : decode(i64, row);
}

/** The row that `readSnapshotSlot` reads. */
export function snapshotRow(slot: Slot): { key: StoreKey; value: Uint8Array } {
  return { key: SNAPSHOT_KEY, value: encode(i64, slot) };
}
