/** Whether a cluster goes on without some of its nodes. */
import { type Answering, answeringOf, type ClusterSeen, conditionOf, masterOf } from './facts.ts';

/** Why `node` must not be stopped now: the cluster would not serve, or not take updates. Null where it may be. */
export function whyNotSafeToStop(cluster: ClusterSeen, node: string): string | null {
  const master = masterOf(cluster);
  if (master === null) return `${cluster.cluster} has no master now: it serves nothing as it is`;
  const { members } = master.facts.status;
  if (!members.some((member) => member.node === node)) return null; // it has no vote, and nobody waits for it
  const majority = Math.floor(members.length / 2) + 1;
  const nodes = answeringOf(cluster);
  const others = members.filter((member) => member.node !== node);
  const unfit = others.flatMap((member) => {
    const why = whyUnfit(
      master,
      nodes.find(({ name }) => name === member.node),
      member,
    );
    return why === null ? [] : [`${member.node} ${why}`];
  });
  const left = others.length - unfit.length;
  if (left >= majority) return null;
  const reasons = unfit.length === 0 ? '' : `: ${unfit.join(', ')}`;
  return `without ${node} ${left} of ${members.length} members of ${cluster.cluster} would be left that can go on, and ${majority} are needed${reasons}`;
}

/** The members of a cluster, each of which has a copy of all that it owns. */
export type Copies = {
  readonly members: number;
  /** Those that could go on if others failed. */
  readonly fit: number;
  /** So many of these may fail, and the cluster still goes on; below 0 it does not as it is. */
  readonly mayFail: number;
};

/** As its master sees them; null where there is none. */
export function copiesOf(cluster: ClusterSeen): Copies | null {
  const master = masterOf(cluster);
  if (master === null) return null;
  const members = master.facts.status.members.length;
  const fit = fitMembers(cluster).length;
  return { members, fit, mayFail: fit - (Math.floor(members / 2) + 1) };
}

/** Names of the members that could go on if others failed; none without a master. */
export function fitMembers(cluster: ClusterSeen): string[] {
  const master = masterOf(cluster);
  if (master === null) return [];
  const nodes = answeringOf(cluster);
  const fit = master.facts.status.members.filter((member) => {
    const node = nodes.find(({ name }) => name === member.node);
    return whyUnfit(master, node, member) === null;
  });
  return fit.map(({ node }) => node);
}

/** Why a member would not make up for one that is stopped. */
function whyUnfit(
  master: Answering,
  node: Answering | undefined,
  member: { readonly node: string; readonly seen: boolean },
): string | null {
  if (!member.seen) return 'is not heard by the master';
  if (node === undefined) return 'does not answer';
  if (conditionOf(master, 'behind', member.node) !== undefined) return 'is behind';
  if (conditionOf(node, 'full') !== undefined) return 'has a full disk';
  if (conditionOf(node, 'store') !== undefined) return 'has a store that is in doubt';
  const waits = conditionOf(node, 'waits');
  return waits === undefined ? null : `is ${node.facts.status.role}: ${waits.detail}`;
}
