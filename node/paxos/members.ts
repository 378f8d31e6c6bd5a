/** Members as replicated state: what a chosen change does, and what the master proposes to bring about the INI's wish. */

import { unreachable } from '../../src/base/assert.ts';
import { includesLife, isSameLife } from '../../src/identity/founding.ts';
import type { Effect } from './contract.ts';
import { isEnded, nextMembers, wasAdded } from './members-state.ts';
import { lifeOf, type Mastering, persist, type Replica, votersOf } from './replica.ts';
import { type Ballot, compareBallots, type Member, type Value } from './values.ts';

/**
 * Applies a chosen change of members. Every replica changes its list alike; whether the admitted node itself may
 * vote depends on more: that the entry was chosen at the very ballot it names. One that a later master adopted may
 * lie below slots in which the node's former life voted, so the node goes on asking.
 *
 * @param chosenAt a ballot at which the value is known to have been chosen; null where only the value is known
 */
export function changeMembers(replica: Replica, out: Effect[], value: Value, chosenAt: Ballot | null): void {
  const before = replica.members;
  replica.members = nextMembers(before, value);
  const isListed = replica.members !== before;
  switch (value.kind) {
    case 'admit': {
      // Where the list names this very life already, the admission may still be the one that entitles it.
      const isInForce = before.members.some(({ node }) => node === value.node) && !isEnded(before, value);
      const atItsBallot = chosenAt !== null && compareBallots(chosenAt, value.ballot) === 0;
      if (isSelf(replica, value) && isInForce && atItsBallot) entitle(replica, out);
      if (isInForce) log(out, 'member admitted', value);
      return;
    }
    case 'addMember':
      if (isListed && isSelf(replica, value)) entitle(replica, out);
      if (isListed) log(out, 'member added', value);
      return;
    case 'removeMember': {
      const former = before.members.find(({ node }) => node === value.node);
      if (isListed && former !== undefined) log(out, 'member removed', former);
      return;
    }
    case 'noop':
    case 'batch':
      return;
    default:
      unreachable(value);
  }
}

/** This node may vote from now on, in this life; durable, for a restart must not forget it. */
export function entitle(replica: Replica, out: Effect[]): void {
  const { config, incarnation } = replica;
  const record = persist(replica, out, { kind: 'supersede', node: config.node, incarnation });
  replica.supersededBy.set(config.node, { incarnation, record });
}

/**
 * A snapshot does not say at which ballot a life was admitted. One that was added, since no life of its node was on the list,
 * replaced nobody, and there is no vote that it could have forgotten.
 */
export function entitleIfAdded(replica: Replica, out: Effect[]): void {
  const { config, members, incarnation } = replica;
  const isListed = includesLife(members.members, { node: config.node, incarnation });
  if (isListed && wasAdded(members, config.node) && !replica.supersededBy.has(config.node))
    entitle(replica, out);
}

function isSelf(replica: Replica, member: Member): boolean {
  return isSameLife(member, { node: replica.config.node, incarnation: replica.incarnation });
}

/** Whether this life of a node was replaced by a later one; it is never admitted again. */
export function isSuperseded(replica: Replica, member: Member): boolean {
  return isEnded(replica.members, member);
}

/** What to propose next so that the members in force become those that the INI wishes; null where nothing can be done now. */
export function wantedChange(replica: Replica, role: Mastering, nowMs: number): Value | null {
  const { ballot, lastChangeSlot } = role;
  const { config, members, chosen, peers } = replica;
  const wished = config.wished.filter((node) => !config.learners.includes(node));
  // In a list of two a life may vote that the list does not name: it is named before the list grows and it would not.
  const unnamed = votersOf(replica).find(
    (voter) => !members.members.some((m) => m.incarnation === voter.incarnation),
  );
  if (unnamed !== undefined) return { kind: 'admit', ...unnamed, ballot };
  for (const [node, peer] of peers) {
    if (nowMs - peer.heardMs > config.leaseMs || peer.votes) continue;
    if (peer.chosen < lastChangeSlot || peer.chosen + CLOSE_SLOTS < chosen) continue;
    const { incarnation } = peer;
    if (!wished.includes(node) || isSuperseded(replica, { node, incarnation })) continue;
    const former = members.members.find((member) => member.node === node);
    if (former === undefined) return { kind: 'addMember', node, incarnation };
    // Its former life speaks: an empty home was seen while the real one was not mounted, or a message came late.
    const heardMs = replica.heardMs.get(node) ?? Number.NEGATIVE_INFINITY;
    if (former.incarnation !== incarnation && nowMs - heardMs < config.leaseMs) continue;
    return { kind: 'admit', node, incarnation, ballot };
  }
  const leaving = members.members.find(({ node }) => !wished.includes(node) && node !== config.node);
  return leaving === undefined || wished.length === 0 ? null : { kind: 'removeMember', node: leaving.node };
}

/** How near to the master a newcomer must be before its vote is asked for (slots). */
const CLOSE_SLOTS = 64;

function log(
  out: Effect[],
  what: string,
  member: { readonly node: string; readonly incarnation: string },
): void {
  out.push({ kind: 'log', level: 'info', what, facts: { member: lifeOf(member) } });
}
