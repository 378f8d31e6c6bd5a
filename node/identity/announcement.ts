/** What a node tells its keeper: of its cluster, and of the place where it is reached itself. */
import {
  type Claim,
  isSameLife,
  type KeeperRef,
  type KnownLife,
  type Life,
  type Owned,
} from '../../src/identity/founding.ts';
import type { AdminCommand } from '../../src/protocol/admin/admin.ts';
import { readMembers } from '../life/members-row.ts';
import type { Replica } from '../paxos/step.ts';
import type { IntroductionOptions } from './contract.ts';

/**
 * The list of the cluster and what it owns.
 *
 * @param known lives that the keeper knows
 */
export function introductionOf(
  options: IntroductionOptions,
  { founding, keeper }: { readonly founding: string; readonly keeper: string },
  known: readonly KnownLife[],
): AdminCommand {
  const { clusterId, driver, store } = options;
  return {
    kind: 'introduce',
    cluster: clusterId,
    founding,
    keeper,
    version: store.slot,
    members: livesOf(options, known),
    owned: [...driver.machine.owned()],
  };
}

/**
 * Where this node is reached.
 *
 * @param insists whoever was at the address that the keeper knows has been silent for long enough
 */
export function addressOf(options: IntroductionOptions, founding: string, insists: boolean): AdminCommand {
  const { clusterId, node, incarnation, process, ips, port, label } = options;
  return {
    kind: 'claimAddress',
    cluster: clusterId,
    founding,
    node,
    incarnation,
    ips: [...ips],
    port,
    label,
    process,
    insists,
  };
}

/** Members in force at the applied slot, and learners in the lives that were heard last, or else are `known`. */
export function livesOf(options: IntroductionOptions, known: readonly KnownLife[]): Life[] {
  const { driver, store, learners, node, incarnation } = options;
  const members = readMembers(store)?.members ?? [];
  const lives = members.map((member): Life => ({ ...member, learner: false }));
  for (const name of learners) {
    if (members.some((member) => member.node === name)) continue;
    const heard = name === node ? incarnation : driver.replica.peers.get(name)?.incarnation;
    const life = heard ?? known.find((other) => other.node === name)?.incarnation;
    if (life !== undefined) lives.push({ node: name, incarnation: life, learner: true });
  }
  return lives;
}

/** Whether the keeper knows just these lives, each in its part. */
export function sameLives(known: readonly KnownLife[], lives: readonly Life[]): boolean {
  return (
    known.length === lives.length &&
    lives.every(({ node, incarnation, learner }) =>
      known.some((other) => isSameLife(other, { node, incarnation }) && other.learner === learner),
    )
  );
}

export function placeOf({ ips, port }: Pick<Claim, 'ips' | 'port'>): string {
  return `${ips.join(', ')} port ${port}`;
}

/** What a node says of another process of its own life. */
export function claimedBy(claim: Claim): string {
  return `another process of this node's life claims to be it, at ${placeOf(claim)}: a copy of this home, which is refused`;
}

/** What a node says where [nursery] points to another keeper than the one that it is bound to. */
export function strangerIs({ cluster, founding }: KeeperRef, own: string): string {
  return `where [nursery] points, keeper ${cluster} is founding ${founding}; this cluster belongs to ${own}, and does not listen to another: wrong addresses, a staging copy, emptied homes of the keeper, or homes of a keeper whose place was taken, which are to be stopped and emptied`;
}

/** What a node says whose cluster has lived by itself, and that the keeper of its file does not take. */
export function inNoNursery(why: string): string {
  return `this cluster is in no nursery, and goes on by itself: ${why}`;
}

/** What a node says whose own keeper is new, has no map yet, and cannot place it. */
export function untold(why: string): string {
  return `waiting until the keeper has been told whose place it takes: ${why}`;
}

/** What a node does while its keeper is silent. */
export function meanwhile(is: { readonly mayNotFound: boolean; readonly servesNothing: boolean }): string {
  if (is.mayNotFound)
    return 'this home is empty, and founds nothing before the keeper has said that nobody has its cluster id';
  return is.servesNothing
    ? 'this node serves nothing before the keeper, or a peer that serves, has said that its cluster is in force; if nothing was ever rescued meanwhile, --without-keeper serves at once'
    : 'this cluster goes on with what it knows';
}

/** Whether a cluster owned everything before it had a keeper, and serves it. */
export function livedAlone(owned: readonly Owned[]): boolean {
  return owned.length > 0 && owned.every(({ epoch }) => epoch === 0);
}

/** Members that this process has never heard: an older version of the program would not understand the entry. */
export function neverHeard({ members, heardMs, config }: Replica): string[] {
  const names = members.members.map(({ node }) => node);
  return names.filter((name) => name !== config.node && !heardMs.has(name));
}
