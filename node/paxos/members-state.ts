/** The list of members as a function of the chosen changes to it. Pure: consensus and the log's summary fold it alike. */
import { includesLife } from '../../src/identity/founding.ts';
import type { Incarnation, Member, MembersState, NodeName, Value } from './values.ts';

/** Among the lives that are over: the node left the list at this point, so that the next life of it was added, not admitted. */
export const LEFT = '';

/** Among the lives that are over, in the place of a node's name: the founding that this one took the place of. */
const FOUNDING = '';

/** The list after `value` was chosen below it; the same object where that changes nothing. */
export function nextMembers(state: MembersState, value: Value): MembersState {
  const { cluster, members, superseded } = state;
  switch (value.kind) {
    case 'admit': {
      const former = members.find(({ node }) => node === value.node);
      if (former === undefined || isEnded(state, value) || former.incarnation === value.incarnation)
        return state;
      const { node, incarnation } = value;
      return {
        cluster,
        members: members.map((member) => (member === former ? { node, incarnation } : member)),
        superseded: [...superseded, former],
      };
    }
    case 'addMember': {
      if (members.some(({ node }) => node === value.node) || isEnded(state, value)) return state;
      const { node, incarnation } = value;
      return { cluster, superseded, members: [...members, { node, incarnation }] };
    }
    case 'removeMember': {
      const former = members.find(({ node }) => node === value.node);
      if (former === undefined || members.length === 1) return state;
      return {
        cluster,
        members: members.filter((member) => member !== former),
        superseded: [...superseded, former, { node: former.node, incarnation: LEFT }],
      };
    }
    default:
      return state;
  }
}

/**
 * The list with which a survivor begins a new founding, which its new life names: itself alone. All lives of before are over, and
 * whoever comes back with an empty home is added.
 */
export function promotedMembers(state: MembersState, survivor: Member): MembersState {
  const others = state.members.filter(({ node }) => node !== survivor.node);
  const own = state.members.filter(({ node }) => node === survivor.node);
  return {
    cluster: survivor.incarnation,
    members: [survivor],
    superseded: [
      ...state.superseded,
      ...others.flatMap((member) => [member, { node: member.node, incarnation: LEFT }]),
      ...own,
      { node: FOUNDING, incarnation: state.cluster },
    ],
  };
}

/** The list with which a backup's image begins a new founding in the place of others, the last one first. */
export function restoredMembers(founder: Member, foundings: readonly Incarnation[]): MembersState {
  return {
    cluster: founder.incarnation,
    members: [founder],
    superseded: foundings.map((incarnation) => ({ node: FOUNDING, incarnation })),
  };
}

/** The foundings that this one took the place of. */
export function replacedBy({ superseded }: MembersState): Incarnation[] {
  return superseded.flatMap(({ node, incarnation }) => (node === FOUNDING ? [incarnation] : []));
}

/** Whether a value may change the list. */
export function isChangeOfMembers(value: Value): boolean {
  return value.kind === 'admit' || value.kind === 'addMember' || value.kind === 'removeMember';
}

/** Whether this life of a node was replaced or removed; it is never admitted again. */
export function isEnded({ superseded }: MembersState, { node, incarnation }: Member): boolean {
  return includesLife(superseded, { node, incarnation });
}

/** Whether the present life of a listed node was added to the list, and replaced none that was on it. */
export function wasAdded({ superseded }: MembersState, node: NodeName): boolean {
  const last = superseded.filter((life) => life.node === node).at(-1);
  return last === undefined || last.incarnation === LEFT;
}
