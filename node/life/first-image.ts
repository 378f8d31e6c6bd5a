/** What a founding begins with that begins with a home which is not empty: pure, so that simulations run this very code. */
import { encode } from '../../src/wire/codec.ts';
import { Machine } from '../machine/machine.ts';
import { promotedState } from '../machine/rescue.ts';
import { loadState, storeState } from '../machine/system-state.ts';
import { promotedMembers } from '../paxos/members-state.ts';
import {
  type LogRecord,
  type Member,
  type MembersState,
  membersStateCodec,
  type Slot,
} from '../paxos/values.ts';
import type { Changes, StoreKey, View } from '../store/types.ts';
import { MEMBERS_KEY, snapshotRow } from './members-row.ts';

/**
 * The new founding goes on so many slots above what it begins with: above any that the old one can have told its clients, who ask
 * for "at least" that slot. A cluster that works without a pause takes years for as many.
 */
export const LEAP: Slot = 2 ** 40;

/** A survivor's store as the new founding begins with it at slot `to`: what changes of it, and that founding's members. */
export function promotedRows(
  store: View,
  before: MembersState,
  { survivor, to }: { readonly survivor: Member; readonly to: Slot },
): { readonly members: MembersState; readonly changes: Changes } {
  const members = promotedMembers(before, survivor);
  const { key, value } = snapshotRow(to);
  const changes = new Map<StoreKey, Uint8Array | null>([
    [MEMBERS_KEY, encode(membersStateCodec, members)],
    [key, value],
  ]);
  const state = loadState(store);
  storeState(state, promotedState(state, survivor.incarnation), (row, bytes) => changes.set(row, bytes));
  return { members, changes };
}

/** The log of a node that founded a cluster of its own, and installed the image of `slot`. */
export function firstRecords(members: MembersState, slot: Slot): LogRecord[] {
  return [
    { kind: 'incarnation', incarnation: members.cluster },
    { kind: 'founded', state: members, genesis: Machine.genesis({ nursery: false }) },
    { kind: 'snapshot', slot, members },
  ];
}
