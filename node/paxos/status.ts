/** What may be asked of a replica at a given moment. */

import { roomOf } from './master.ts';
import { floorOf, isShort, leaseUntilMs, proposerOf, type Replica } from './replica.ts';
import type { NodeName, Slot } from './values.ts';
import { waitsFor } from './waiting.ts';

/** What a node says of itself. */
export type ReplicaStatus = {
  /** `retired`: a survivor of this founding is being promoted, or was. `short`: the store is gone, or older than its log, and what is missing has not been fetched yet. */
  readonly role: 'joining' | 'retired' | 'short' | 'learner' | 'follower' | 'candidate' | 'master';
  readonly chosen: Slot;
  /** What the node waits for, and for whom; null where it waits for nothing. */
  readonly waitsFor: string | null;
  /** Members in force; `seen`: heard of within a lease. */
  readonly members: readonly { readonly node: NodeName; readonly seen: boolean; readonly applied: Slot }[];
};

/** Whether a batch may be proposed now. */
export function mayPropose(replica: Replica, nowMs: number): 'yes' | 'full' | 'not-master' {
  return roomOf(replica, nowMs);
}

/**
 * Until when consistent reads may be served, as things stand (ms): this is the master, until its lease ends, and a no-op
 * of its own ballot is applied, so that nothing an earlier master acknowledged is missing.
 */
export function readableUntilMs(replica: Replica): number {
  const { role, applied } = replica;
  if (role.kind !== 'master' || role.ownSlot === 0 || applied < role.ownSlot) return Number.NEGATIVE_INFINITY;
  return leaseUntilMs(replica, role);
}

/** Whether consistent reads may be served now. */
export function mayRead(replica: Replica, nowMs: number): boolean {
  return nowMs < readableUntilMs(replica);
}

/**
 * Why nothing is read here whatever the caller asks for: this store is behind answers that the node gave before it was lost.
 * Null where that is not so.
 */
export function shortage(replica: Replica, nowMs: number): string | null {
  if (replica.chosen >= floorOf(replica)) return null;
  return waitsFor(replica, nowMs) ?? 'the store is older than the log';
}

/** The master that this node believes in while its lease lasts; null where there is none. */
export function masterOf(replica: Replica, nowMs: number): NodeName | null {
  const { role, grant, config, retired } = replica;
  if (retired !== null) return null;
  if (role.kind === 'master')
    return nowMs < leaseUntilMs(replica, role) && role.draining === null ? config.node : null;
  return grant !== null && nowMs < grant.untilMs ? proposerOf(grant.ballot) : null;
}

/** Whether an update would, as far as this node knows, be chosen. */
export function expectProgressPossible(replica: Replica, nowMs: number): boolean {
  return masterOf(replica, nowMs) !== null;
}

/** What this node knows of itself and its cluster. */
export function statusOf(replica: Replica, nowMs: number): ReplicaStatus {
  const { config, peers, members, incarnation } = replica;
  return {
    role: roleOf(replica),
    chosen: replica.chosen,
    waitsFor: waitsFor(replica, nowMs),
    members: members.members.map(({ node, incarnation: life }) => {
      if (node === config.node) return { node, seen: life === incarnation, applied: replica.applied };
      const peer = peers.get(node);
      const seen = peer !== undefined && nowMs - peer.heardMs <= config.leaseMs;
      return { node, seen, applied: peer?.applied ?? 0 };
    }),
  };
}

/** What this node is in its cluster. */
export function roleOf(replica: Replica): ReplicaStatus['role'] {
  if (replica.founded === null || !replica.active) return 'joining';
  if (replica.retired !== null) return 'retired';
  if (isShort(replica)) return 'short';
  if (replica.role.kind === 'master') return 'master';
  if (replica.role.kind !== 'following') return 'candidate';
  return replica.members.members.some(({ incarnation }) => incarnation === replica.incarnation)
    ? 'follower'
    : 'learner';
}
