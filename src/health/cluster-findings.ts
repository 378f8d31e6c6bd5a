/** What is wrong with a cluster as a whole: it has no master, or its master serves nothing, or takes no updates. */
import {
  type Answering,
  answeringOf,
  type ClusterSeen,
  conditionOf,
  type Facts,
  masterOf,
  type NodeSeen,
} from './facts.ts';
import { type Finding, finding, longest, type Severity, sinceOf } from './finding.ts';

/** Of a cluster that the file names at other addresses only its nodes are looked at. */
export function clusterFindings(facts: Facts, cluster: ClusterSeen): Finding[] {
  if (cluster.isElsewhere) return [];
  const severity = severityOf(facts, cluster);
  const answering = answeringOf(cluster);
  const master = masterOf(cluster);
  if (master !== null) return masterFindings(cluster, master, severity);
  // Of the keeper it is said already, with what that means.
  if (cluster.cluster === facts.keeper?.cluster && facts.keeper.why !== null) return [];
  if (answering.length === 0) return [silent(cluster, owningOf(facts, cluster, severity), severity)];
  if (answering.every(({ facts: { status } }) => status.role === 'joining'))
    return [notFounded(cluster, answering, severity)];
  return [masterless(cluster, answering, severity)];
}

/** Whose keys are at stake: of one that owns nothing none are; of the one that the file is of they may be, where nobody knows. */
function severityOf(facts: Facts, seen: ClusterSeen): Severity {
  const { keeper, front, clusters } = facts;
  const { cluster } = seen;
  if (keeper === null) return cluster === front ? 'notServing' : 'atRisk';
  if (isUnknown(facts, seen)) return 'notServing';
  const { entries } = keeper.known.map;
  if (entries.length > 0) return entries.some(({ owner }) => owner === cluster) ? 'notServing' : 'atRisk';
  const nodes = clusters.filter((each) => each.cluster === cluster).flatMap(answeringOf);
  return nodes.some(({ facts }) => facts.status.owned.length > 0) ? 'notServing' : 'atRisk';
}

/** Whether nobody has said what the cluster that the file is of owns: the keeper is silent, and those of its nodes that know. */
function isUnknown({ keeper, front, clusters }: Facts, { cluster }: ClusterSeen): boolean {
  if (cluster !== front || keeper === null || keeper.why === null) return false;
  if (keeper.known.map.entries.length > 0) return false;
  const nodes = clusters.filter((each) => each.cluster === cluster).flatMap(answeringOf);
  return nodes.every(({ facts }) => facts.status.role === 'joining');
}

function silent({ cluster, nodes }: ClusterSeen, owning: string, severity: Severity): Finding {
  return finding({
    kind: 'clusterSilent',
    severity,
    subject: cluster,
    what: `no node of ${cluster} answers${owning}: ${nodes.map(reasonOf).join('; ')}`,
    todo: `start a majority of them, each on its machine: nursery node --config FILE --node NAME; if all their data are gone for good, nursery rescue lost ${cluster}`,
  });
}

function owningOf(facts: Facts, cluster: ClusterSeen, severity: Severity): string {
  if (isUnknown(facts, cluster)) return ', so nobody serves its keys (which these are, nobody here can say)';
  return severity === 'notServing' ? ', so nobody serves its keys' : ' (it owns nothing)';
}

function notFounded(
  { cluster, nodes }: ClusterSeen,
  answering: readonly Answering[],
  severity: Severity,
): Finding {
  const waiting = answering.map((node) => conditionOf(node, 'waits'));
  const missing = nodes.filter(({ facts }) => facts === null);
  return finding({
    kind: 'notFounded',
    severity,
    subject: cluster,
    what: `cluster ${cluster} has not begun: ${waiting.find((each) => each !== undefined)?.detail ?? 'its nodes have not found each other yet'}`,
    since: longest(answering.map((node) => sinceOf(node, conditionOf(node, 'waits')))),
    todo:
      missing.length > 0
        ? `start ${missing.map(({ name }) => name).join(', ')}, on their machines: nursery node --config FILE --node NAME. A cluster begins once all of its nodes are there, with empty homes`
        : 'see that its nodes reach each other, at the messaging ports of the file',
  });
}

function masterless(
  { cluster, nodes }: ClusterSeen,
  answering: readonly Answering[],
  severity: Severity,
): Finding {
  const missing = nodes.filter(({ facts }) => facts === null);
  const waits = answering.flatMap((node) => {
    const waiting = conditionOf(node, 'refuses') ?? conditionOf(node, 'waits');
    return waiting === undefined ? [] : [`${node.name}: ${waiting.detail}`];
  });
  const causes = [...missing.map(reasonOf), ...waits];
  const best = answering.reduce((a, b) => (b.facts.status.applied > a.facts.status.applied ? b : a));
  const lost = `if the homes of a majority are gone for good: nursery rescue promote --config FILE --node ${best.name}`;
  return finding({
    kind: 'noMaster',
    severity,
    subject: cluster,
    what: `cluster ${cluster} has no master${severity === 'notServing' ? ', so nobody serves its keys' : ''}: ${causes.length > 0 ? causes.join('; ') : 'its nodes elect one, or do not reach each other'}`,
    since: longest(answering.map((node) => sinceOf(node, conditionOf(node, 'noMaster')))),
    todo:
      missing.length > 0
        ? `start ${missing.map(({ name }) => name).join(', ')}, with their homes: nursery node --config FILE --node NAME; ${lost}`
        : 'an election takes a lease and a half; where it lasts, do what the nodes wait for, and see that they reach each other',
  });
}

/** What of the master alone stops its cluster. */
function masterFindings({ cluster }: ClusterSeen, master: Answering, severity: Severity): Finding[] {
  const { name } = master;
  const found: Finding[] = [];
  const refuses = conditionOf(master, 'refuses');
  if (refuses !== undefined) {
    found.push(
      finding({
        kind: 'waitsForKeeper',
        severity,
        subject: cluster,
        what: `${name}, the master of ${cluster}, serves nothing yet: ${refuses.detail}`,
        since: sinceOf(master, refuses),
        todo:
          refuses.subject === 'succession'
            ? 'see that the keeper runs, and a migrator, which settles what was moving; or nursery migrate --resume. With a new keeper: nursery rescue keeper'
            : 'start the keeper. If nothing was rescued since these nodes stopped, stop them, and start each with --without-keeper',
      }),
    );
  }
  const full = conditionOf(master, 'full');
  if (full !== undefined) {
    found.push(
      finding({
        kind: 'updatesRefused',
        severity,
        subject: cluster,
        what: `${cluster} takes no updates: ${name}, its master, says: ${full.detail}`,
        since: sinceOf(master, full),
        todo: `make room on the machine of ${name}: updates are taken by themselves then. Or let another node be master: stop ${name}`,
      }),
    );
  }
  return found;
}

/** Why a node said nothing. */
export function reasonOf({ name, why }: NodeSeen): string {
  return `${name} does not answer (${why})`;
}
