/** What is wrong with single nodes of a cluster, be there a master or not. */
import { describeStranger, isOver } from './cluster-findings.ts';
import {
  type Answering,
  absentOf,
  answeringOf,
  type ClusterSeen,
  conditionOf,
  type Facts,
  isStranger,
  isUnbound,
  masterOf,
} from './facts.ts';
import { type Finding, finding, type Since, sinceOf } from './finding.ts';
import { missingFrom, startNodes } from './starting.ts';

/** Heartbeats may be lost for so long before it is said that a member is not heard (ms). */
const UNHEARD_MS = 5000;
/** Notes that tell of what is refused or over, and harm nobody; by the beginning of their subjects. */
const HARMLESS = ['refused ', 'twice ', 'twin', 'file', 'bind'];

/** Of a cluster without a master nobody misses a node more than that. */
export function nodeFindings(facts: Facts, cluster: ClusterSeen): Finding[] {
  const { keeper } = facts;
  const master = masterOf(cluster);
  const isSilentKeeper = cluster.cluster === keeper?.cluster && keeper.why !== null;
  const found = [...strangers(facts, cluster)];
  if (master !== null || cluster.isElsewhere) found.push(...silentNodes(facts, cluster, master));
  for (const node of answeringOf(cluster)) {
    found.push(...ownFindings(cluster.cluster, node, node.name === master?.name));
    if (master !== null) found.push(...asSeenBy(master, node, cluster.cluster));
    for (const note of node.facts.conditions.filter(({ kind }) => kind === 'note')) {
      // Whom the keeper does not answer either is told of it once.
      if (note.subject === 'silent' && keeper !== null && keeper.why !== null && !isSilentKeeper) continue;
      found.push(
        finding({
          kind: 'noted',
          severity: HARMLESS.some((each) => note.subject.startsWith(each)) ? 'note' : 'atRisk',
          subject: node.name,
          what: `${node.name}: ${note.detail}`,
          since: sinceOf(node, note),
        }),
      );
    }
  }
  return found;
}

/** Whoever is of another cluster, or of another founding than the keeper knows, unless it took the place of that one. */
function strangers(all: Facts, seen: ClusterSeen): Finding[] {
  return seen.nodes.flatMap((node) => {
    const { name, facts } = node;
    if (facts === null || !isStranger(seen, node)) return [];
    const { status } = facts;
    const who = describeStranger(all, seen, status);
    const what = `at the address of ${name} of ${seen.cluster} answers a node of ${who}`;
    const todo =
      status.cluster === seen.cluster && isOver(all, status.cluster, status.founding)
        ? `stop ${name}, and empty its home, which never starts again: with an empty one it joins by itself`
        : 'correct cluster_id, addresses and homes in the files: two foundings are never mixed';
    return [finding({ kind: 'nodeStrange', severity: 'atRisk', subject: name, what, todo })];
  });
}

/** Whom a master of that cluster does not count among its members: of them that is said already, with what to do. */
function missingOf(clusters: readonly ClusterSeen[], { cluster }: ClusterSeen): string[] {
  return clusters
    .filter((each) => each.cluster === cluster && !each.isElsewhere)
    .map(masterOf)
    .flatMap((master) => (master === null ? [] : absentOf(master)));
}

/** Since when is said by the master, who misses it. */
function silentNodes(facts: Facts, seen: ClusterSeen, master: Answering | null): Finding[] {
  const { cluster } = seen;
  const absent = missingOf(facts.clusters, seen);
  // A home of the founding that its own took the place of never starts again.
  const isPast = (name: string): boolean =>
    master !== null &&
    isUnbound(seen, master) &&
    !master.facts.status.members.some(({ node }) => node === name);
  const silent = missingFrom(seen).filter(({ name }) => !absent.includes(name) && !isPast(name));
  return silent.map((node) => {
    const { name, why } = node;
    const unseen = master === null ? undefined : conditionOf(master, 'unseen', name);
    const { todo, command } = startNodes(facts, cluster, [node]);
    const brief = `${name} of ${cluster} does not answer`;
    const isFormer = seen.isElsewhere && isRescued(facts, seen);
    return finding({
      kind: 'nodeSilent',
      severity: 'atRisk',
      subject: name,
      brief,
      what: `${brief}: ${why}`,
      since: master === null ? null : sinceOf(master, unseen),
      ...(isFormer
        ? {
            todo: `once ${cluster} has a master, start ${name} with an empty home: none of before its rescue starts again`,
          }
        : {
            todo: node.isMute === true ? todo : `${todo}. If its disk is lost, with an empty home`,
            command,
          }),
    });
  });
}

/** Whether the founding that the keeper knows took the place of another one: whom it does not know has a home of that one, or none. */
function isRescued({ keeper }: Facts, { cluster, founding = '' }: ClusterSeen): boolean {
  const orders = keeper?.orders ?? [];
  return founding !== '' && orders.some((each) => each.cluster === cluster && each.founding === founding);
}

function ownFindings(cluster: string, node: Answering, isMaster: boolean): Finding[] {
  const { name, facts } = node;
  const found: Finding[] = [];
  const store = conditionOf(node, 'store');
  if (store !== undefined) {
    found.push(
      finding({
        kind: 'storeDoubtful',
        severity: 'notServing',
        subject: name,
        what: `${name} of ${cluster} has a ${store.detail}, and serves nothing from it`,
        since: sinceOf(node, store),
        todo: 'start a further node of the cluster, which makes a majority; or stop the node whose store you trust less, delete its store directory, and start it',
      }),
    );
  }
  const full = conditionOf(node, 'full');
  if (full !== undefined && !isMaster) {
    found.push(
      finding({
        kind: 'nodeFull',
        severity: 'atRisk',
        subject: name,
        what: `the disk of ${name} of ${cluster} is full: it votes for nothing new`,
        since: sinceOf(node, full),
        todo: `make room on the machine of ${name}; it goes on by itself`,
      }),
    );
  }
  const waits = conditionOf(node, 'waits');
  const isBeginning = facts.status.role === 'joining' && facts.status.master === null;
  if (waits !== undefined && !isBeginning) {
    found.push(
      finding({
        kind: 'nodeWaits',
        severity: 'atRisk',
        subject: name,
        what: `${name} of ${cluster} is ${facts.status.role}: ${waits.detail}`,
        since: sinceOf(node, waits),
        todo: 'see whether it goes on; else do what it waits for',
      }),
    );
  }
  return found;
}

/** What a master sees of a node that answers whoever asks now. */
function asSeenBy(master: Answering, node: Answering, cluster: string): Finding[] {
  const { name } = node;
  const unseen = sinceOf(master, conditionOf(master, 'unseen', name));
  if (unseen !== null && unseen.ageMs >= UNHEARD_MS) return [notHeard(master.name, name, cluster, unseen)];
  const behind = conditionOf(master, 'behind', name);
  // Of one that says for what it waits that is said already.
  if (behind === undefined || conditionOf(node, 'waits') !== undefined) return [];
  return [
    finding({
      kind: 'nodeBehind',
      severity: 'atRisk',
      subject: name,
      what: `${name} of ${cluster} is behind: ${behind.detail}`,
      since: sinceOf(master, behind),
      todo: `look at its disk, its load, and its link to ${master.name}`,
    }),
  ];
}

function notHeard(master: string, name: string, cluster: string, since: Since): Finding {
  return finding({
    kind: 'nodeUnseen',
    severity: 'atRisk',
    subject: name,
    what: `${name} of ${cluster} answers here, and ${master}, its master, does not hear it`,
    since,
    todo: `see that ${master} and ${name} reach each other at their messaging ports`,
  });
}
