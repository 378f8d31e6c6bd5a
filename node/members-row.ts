/** Where the members in force lie in the store: with the state machine, so that an image knows its own quorum. */
import { decode } from '../src/protocol/codec.ts';
import { type MembersState, membersStateCodec } from './paxos/types.ts';
import { TABLES, type View } from './store/types.ts';

/** Row of the system table, written by the node's shell, beside the state machine's own rows. */
export const MEMBERS_KEY = `${TABLES.SYSTEM}paxos.members`;

/** The members at the image's slot; null in a store that belongs to no cluster yet. */
export function readMembers(view: View): MembersState | null {
  const row = view.get(MEMBERS_KEY);
  return row === undefined ? null : decode(membersStateCodec, row);
}
