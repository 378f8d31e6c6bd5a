/** What a founding begins with that begins with a home which is not empty: pure, so that simulations run this very code. */
import type { KeeperRef } from '../../src/identity/founding.ts';
import type { Range } from '../../src/keyspace/range.ts';
import type { Owned } from '../../src/protocol/admin/admin.ts';
import type { NamedFunction } from '../../src/protocol/admin/functions.ts';
import { encode } from '../../src/wire/codec.ts';
import { Machine } from '../machine/machine.ts';
import { promotedState } from '../machine/rescue.ts';
import { INITIAL_STATE, loadState, type SystemState, storeState } from '../machine/system-state.ts';
import { promotedMembers, restoredMembers } from '../paxos/members-state.ts';
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

/** In a nursery: whose place the new founding takes. */
export type Succession = {
  /** The keeper that has to say which ranges are still its own, and those of before that the image's cluster belonged to. */
  readonly keeper: KeeperRef;
  readonly keepers: readonly string[];
  /** The founding at whose epochs the image has its ranges. */
  readonly was: string;
  /** All that it takes the place of, the last one first. */
  readonly replaced: readonly string[];
};

/** What an image says beside keys and values. */
export type ImageHead = {
  readonly slot: Slot;
  readonly owned: readonly (Range & { readonly epoch: number })[];
  /** Founding of the keeper that the image's cluster belonged to, whose functions of users it has; '' where it was in no nursery. */
  readonly keeper: string;
  /** How far it had come with them. Default: they are its own, as in images of earlier builds. */
  readonly functionsVersion?: number;
  /** Default: none. */
  readonly functions?: readonly NamedFunction[];
};

/** What a founding begins with that is made from the image of a backup. */
export type Restoration = {
  readonly members: MembersState;
  readonly slot: Slot;
  /** All rows beside keys and values. */
  readonly own: readonly (readonly [StoreKey, Uint8Array])[];
};

/** The founding that `founder` begins with an image: a new one, with no address and no move of the old one. */
export function restoredRows(
  { slot: taken, owned, keeper, functions = [], functionsVersion }: ImageHead,
  founder: Member,
  succession: Succession | null,
): Restoration {
  const slot = taken + LEAP;
  const members = restoredMembers(founder, succession?.replaced ?? []);
  const { key, value } = snapshotRow(slot);
  const own: [StoreKey, Uint8Array][] = [
    [key, value],
    [MEMBERS_KEY, encode(membersStateCodec, members)],
  ];
  const functionState = {
    functions: new Map(functions.map(({ name, ...entry }) => [name, entry])),
    // Outside a nursery they are its own, wherever they came from.
    functionsVersion: {
      keeper: succession === null || functionsVersion === undefined ? '' : keeper,
      version: functionsVersion ?? functions.length,
    },
  };
  const state = {
    ...INITIAL_STATE,
    owned: owned.map(({ lo, hi, epoch }): Owned => ({ lo, hi, epoch, sealedBy: null })),
    ...bindingOf(succession, members.cluster),
    ...(functions.length === 0 ? {} : functionState),
  };
  storeState(INITIAL_STATE, state, (row, bytes) => {
    if (bytes !== null) own.push([row, bytes]);
  });
  return { members, slot, own };
}

/** As of a survivor that is promoted: it owns what it had, and waits to be told what of that is still its own. */
function bindingOf(
  succession: Succession | null,
  mine: string,
): Partial<Pick<SystemState, 'bound' | 'unconfirmed' | 'keepers'>> {
  if (succession === null) return {};
  const { keeper, keepers, was } = succession;
  return { bound: { keeper, mine }, unconfirmed: was, keepers };
}

/** The log of a node that founded a cluster of its own, and installed the image of `slot`. */
export function firstRecords(members: MembersState, slot: Slot): LogRecord[] {
  return [
    { kind: 'incarnation', incarnation: members.cluster },
    { kind: 'founded', state: members, genesis: Machine.genesis({ nursery: false }) },
    { kind: 'snapshot', slot, members },
  ];
}
