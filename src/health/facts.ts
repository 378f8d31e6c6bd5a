/** What is known of a nursery, or of a cluster, at one moment: gathered by whoever asks, judged by findings.ts. */
import type { KeeperMap, Migration, Order } from '../protocol/admin/admin.ts';
import type { AutoWish } from '../protocol/admin/auto.ts';
import type { Condition, NodeFacts } from '../protocol/admin/node-facts.ts';
import type { TurnedAway } from '../protocol/arakoon/statistics.ts';

/** A node that was asked; `facts` null where it did not say, and then why. */
export type NodeSeen = {
  readonly name: string;
  readonly facts: NodeFacts | null;
  readonly why: string;
  readonly turnedAway: TurnedAway | null;
  /** It had too little time to answer: that it did not says nothing of it. */
  readonly isUnheard?: boolean;
  /** It runs, but hangs or is too busy: it has taken the connection, or the request, and says nothing. */
  readonly isMute?: boolean;
  /** Foundings that the one of its home took the place of, by a promotion or from a backup: as it says when it is called. */
  readonly replaces?: readonly string[];
};

/** A cluster and its nodes, as the keeper or a file names them. */
export type ClusterSeen = {
  readonly cluster: string;
  /** The one that the keeper knows. */
  readonly founding?: string;
  readonly nodes: readonly NodeSeen[];
  /** Nodes of a cluster that stands there already, at other addresses: the file names them so. */
  readonly isElsewhere: boolean;
};

/** What the keeper said, or a router in its place. */
export type KeeperSeen = {
  /** Its cluster id. */
  readonly cluster: string;
  readonly known: KeeperMap;
  /** Where it has no map: the one that the router still has, of a keeper before it. */
  readonly before?: KeeperMap;
  /** Null where the keeper did not say. */
  readonly migrations: readonly Migration[] | null;
  readonly orders: readonly Order[] | null;
  /** What people wish of rebalancing by itself; missing where the keeper did not say. */
  readonly auto?: AutoWish;
  /** Why the keeper did not answer; null where it did. */
  readonly why: string | null;
  /** It had too little time to answer: that it did not says nothing of it. */
  readonly isUnheard?: boolean;
};

export type RouterSeen = {
  readonly name: string;
  readonly turnedAway: TurnedAway | null;
  readonly why: string;
  /** As of a node. */
  readonly isUnheard?: boolean;
  readonly isMute?: boolean;
};

export type Facts = {
  /** The configuration that was asked by, for commands to type. */
  readonly file: string;
  /** The cluster that the file is of; null for a router's. */
  readonly front: string | null;
  /** Null where there is no nursery. */
  readonly keeper: KeeperSeen | null;
  readonly clusters: readonly ClusterSeen[];
  /** Null where the file is no router's. */
  readonly router: RouterSeen | null;
};

/** A node that has answered. */
export type Answering = { readonly name: string; readonly facts: NodeFacts };

/**
 * Those of a cluster that have answered, and are of the founding that is meant: the one that the keeper knows, or one that says that it
 * took the place of that, which the keeper has yet to hear of.
 */
export function answeringOf(cluster: ClusterSeen): Answering[] {
  return cluster.nodes.flatMap((node) => {
    const { name, facts } = node;
    return facts === null || isStranger(cluster, node) ? [] : [{ name, facts }];
  });
}

/** Whether a node that has answered is of another cluster, or of another founding than is meant. */
export function isStranger(seen: ClusterSeen, { facts, replaces = [] }: NodeSeen): boolean {
  if (facts === null) return false;
  const { status } = facts;
  if (status.cluster !== seen.cluster) return true;
  if (status.founding === '') return false;
  if (isReplaced(seen, status.founding)) return true;
  const { founding } = seen;
  return founding !== undefined && founding !== status.founding && !replaces.includes(founding);
}

/** Whether a node of that cluster answers that is of a founding which took the place of this one. */
export function isReplaced({ cluster, nodes }: ClusterSeen, founding: string): boolean {
  return nodes.some(
    ({ facts, replaces = [] }) => facts?.status.cluster === cluster && replaces.includes(founding),
  );
}

/** Whether a node is of a founding that has yet to be bound: it took the place of the one that the keeper is known to name. */
export function isUnbound({ founding = '' }: ClusterSeen, { facts: { status } }: Answering): boolean {
  return founding !== '' && status.founding !== '' && status.founding !== founding;
}

/** Those of whom nothing is known, since they had no time to answer. */
export function unheardOf({ nodes }: ClusterSeen): NodeSeen[] {
  return nodes.filter(({ isUnheard }) => isUnheard === true);
}

/** The one that is master under a lease; null where nobody says so. Of two the one that has more is newer. */
export function masterOf(cluster: ClusterSeen): Answering | null {
  return answeringOf(cluster)
    .filter(({ facts: { status } }) => status.master === status.node)
    .reduce<Answering | null>(
      (best, each) => (best === null || each.facts.status.chosen > best.facts.status.chosen ? each : best),
      null,
    );
}

/** Whom the file of a cluster's master names and who is no member: of another founding, or never admitted. */
export function absentOf(master: Answering): string[] {
  return master.facts.conditions.flatMap(({ kind, subject }) => (kind === 'absent' ? [subject] : []));
}

/** The condition of that kind, and about that subject where it is given; undefined where it does not hold. */
export function conditionOf(
  { facts }: Answering,
  kind: Condition['kind'],
  subject?: string,
): Condition | undefined {
  return facts.conditions.find((each) => each.kind === kind && (subject ?? each.subject) === each.subject);
}
