/** What is wrong with a cluster as a whole: it has no master, or its master serves nothing, or takes no updates. */
import type { NodeStatus } from '../protocol/admin/node-facts.ts';
import { describeEmptied, emptiedOf, fatallyEmptied, promoteInstead, survivorOf } from './emptied.ts';
import {
  type Answering,
  absentOf,
  answeringOf,
  type ClusterSeen,
  conditionOf,
  type Facts,
  isReplaced,
  isStranger,
  masterOf,
  type NodeSeen,
  unheardOf,
} from './facts.ts';
import { type Finding, finding, longest, notAsked, type Severity, sinceOf } from './finding.ts';
import { endOf } from './open-orders.ts';
import {
  electionThen,
  fileOf,
  isElecting,
  mayBeGone,
  missingFrom,
  type Start,
  silenceOf,
  startNodes,
} from './starting.ts';

/** Of a cluster that the file names at other addresses only its nodes are looked at. */
export function clusterFindings(facts: Facts, cluster: ClusterSeen): Finding[] {
  if (cluster.isElsewhere) return [];
  const severity = severityOf(facts, cluster);
  const answering = answeringOf(cluster);
  const master = masterOf(cluster);
  const unheard = unheardOf(cluster).map(({ name }) => name);
  const unknown = unheard.length === 0 ? [] : [notAsked(cluster.cluster, unheard)];
  if (master !== null) return [...masterFindings(facts, cluster, master, severity), ...unknown];
  // Of the keeper it is said already, with what that means.
  if (cluster.cluster === facts.keeper?.cluster && facts.keeper.why !== null) return [];
  // One of them may be the master.
  if (unheard.length > 0) return unknown;
  if (answering.length === 0) return [silent(facts, cluster, severity)];
  if (answering.every(({ facts: { status } }) => status.role === 'joining'))
    return [
      isBurnt(facts, cluster)
        ? burnt(facts, cluster, severity)
        : notFounded(facts, cluster, answering, severity),
    ];
  return [masterless(facts, cluster, answering, severity)];
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

function silent(facts: Facts, seen: ClusterSeen, severity: Severity): Finding {
  const { cluster, founding, nodes } = seen;
  const missing = missingFrom(seen);
  const strange = strangersOf(seen);
  const who = strange.length > 0 && founding !== undefined ? `founding ${founding} of ${cluster}` : cluster;
  const brief = `no node of ${who} answers${owningOf(facts, seen, severity)}`;
  const reasons =
    nodes.length === 0 ? 'none of them has told the keeper where it is' : reasonsOf(facts, seen, nodes);
  const heir = heirOf(facts, seen);
  const { todo, command } = heir ?? startAgain(facts, seen, { missing, strange });
  const isInNursery = facts.keeper !== null;
  const rescue = isInNursery
    ? `nursery restore --replace with a backup, or nursery rescue lost ${cluster}`
    : 'nursery restore begins anew with a backup';
  const most = missing.length > 1 ? '. A majority of them is enough' : '';
  const gone = mayBeGone(seen) ? `; if all their data are gone for good, ${rescue}` : '';
  return finding({
    kind: 'clusterSilent',
    severity,
    subject: cluster,
    brief,
    what: `${brief}: ${reasons}`,
    todo: heir === null ? `${todo}${most}${gone}` : todo,
    command,
  });
}

type Elsewhere = { readonly missing: readonly NodeSeen[]; readonly strange: readonly NodeSeen[] };

/** How those of a cluster of which none answers are started; whoever has their place with another home is stopped before. */
function startAgain(facts: Facts, { cluster }: ClusterSeen, { missing, strange }: Elsewhere): Start {
  const names = strange.map(({ name }) => name).join(', ');
  const stop = strange.length === 0 ? '' : `stop ${names}: two foundings are never mixed. Then `;
  if (missing.length === 0) {
    const file = fileOf(facts, cluster);
    const todo = `${stop}start its nodes with their own homes: nursery node --config ${file} --node NAME`;
    return { todo, command: null };
  }
  const { todo, command } = startNodes(facts, cluster, missing);
  return { todo: `${stop}${todo}`, command };
}

/**
 * Where the founding in force began with one home, by a promotion or a restore, and nobody has joined it yet: to start that one. It may
 * never have run, and whoever took its place would give up what it holds. Null where its node runs with an empty home.
 */
function heirOf(facts: Facts, seen: ClusterSeen): Start | null {
  const { keeper } = facts;
  const { cluster, founding, nodes } = seen;
  const order = keeper?.orders?.find(
    (each) => each.kind === 'promote' && each.cluster === cluster && each.founding === founding,
  );
  if (order === undefined) return null;
  const known = keeper?.known.clusters.find((each) => each.cluster === cluster)?.nodes ?? [];
  const [first, ...joined] = known.map(({ name }) => name);
  if (first === undefined && answeringOf(seen).length === 0) return null; // any of the silent ones may have it
  const missing = nodes.filter(({ name }) => name === first);
  if (joined.length > 0 || missing.some(({ facts: said }) => said?.status.founding === '')) return null;
  const { todo, command } = startAgain(facts, seen, { missing, strange: strangersOf(seen) });
  const began = `Founding ${founding} began with the home of ${first ?? 'the one that was promoted or restored'}, by order ${order.order}: the others join it with empty ones`;
  const gone = `Only where that is gone for good as well: nursery restore DIRECTORY --config FILE --node NAME, which says whose place it would take, or nursery rescue lost ${cluster}`;
  return { todo: `${todo}. ${began}. ${gone}`, command };
}

function owningOf(facts: Facts, cluster: ClusterSeen, severity: Severity): string {
  if (isUnknown(facts, cluster)) return ', so nobody serves its keys (which these are, nobody here can say)';
  return severity === 'notServing' ? ', so nobody serves its keys' : ' (it owns nothing)';
}

/** Whether the keeper has a founding of that cluster in force, or its keys stand in the map: empty homes cannot begin another one. */
function isBurnt({ keeper }: Facts, { cluster, founding = '' }: ClusterSeen): boolean {
  return founding !== '' || keeper?.known.map.entries.some(({ owner }) => owner === cluster) === true;
}

function burnt(facts: Facts, seen: ClusterSeen, severity: Severity): Finding {
  const { cluster, founding } = seen;
  const there = answeringOf(seen).map(({ name }) => name);
  const missing = missingFrom(seen);
  const mute = missing.filter(({ isMute }) => isMute === true);
  const others = missing.filter((node) => !mute.includes(node)).map(({ name }) => name);
  const digits = founding === undefined ? 'FOUNDING' : founding.slice(0, 8);
  const start =
    others.length === 0
      ? ''
      : `if ${others.join(', ')} still ${others.length === 1 ? 'has its home' : 'have their homes'}, start a majority with them. `;
  const hangs = mute.length === 0 ? '' : `${startNodes(facts, cluster, mute).todo}. `;
  const heir = heirOf(facts, seen);
  return finding({
    kind: 'allHomesEmpty',
    severity,
    subject: cluster,
    what: `${there.length === 1 ? `the home of ${there[0]} is` : `the homes of ${there.join(', ')} are`} empty, and ${founding === undefined ? cluster : `founding ${founding} of ${cluster}`} is in force${severity === 'notServing' ? ', so nobody serves its keys' : ''}: empty homes join it where a majority of it is up, and begin no other`,
    ...(heir === null ? {} : { command: heir.command }),
    todo:
      heir?.todo ??
      `${hangs}${start}If all its homes are gone for good, stop these, and bring it back from a backup: nursery restore DIRECTORY --config FILE --node NAME --replace ${digits}; or give its ranges to another cluster: nursery rescue lost ${cluster}`,
  });
}

function notFounded(
  facts: Facts,
  seen: ClusterSeen,
  answering: readonly Answering[],
  severity: Severity,
): Finding {
  const { cluster } = seen;
  const waiting = answering.map((node) => conditionOf(node, 'waits'));
  const missing = missingFrom(seen);
  const { todo, command } = startNodes(facts, cluster, missing);
  return finding({
    kind: 'notFounded',
    severity,
    subject: cluster,
    what: `cluster ${cluster} has not begun: ${waiting.find((each) => each !== undefined)?.detail ?? 'its nodes have not found each other yet'}`,
    since: longest(answering.map((node) => sinceOf(node, conditionOf(node, 'waits')))),
    command,
    todo:
      missing.length > 0
        ? `${todo}. Leave homes as they are: where one of them has data, empty ones join it; a cluster begins where all are empty`
        : 'see that its nodes reach each other, at the messaging ports of the file',
  });
}

function masterless(
  facts: Facts,
  seen: ClusterSeen,
  answering: readonly Answering[],
  severity: Severity,
): Finding {
  const { cluster } = seen;
  const missing = missingFrom(seen);
  const isAlive = isElecting(seen);
  const waits = answering.flatMap((node) => {
    const waiting = conditionOf(node, 'refuses') ?? conditionOf(node, 'waits');
    return waiting === undefined ? [] : [`${node.name}: ${waiting.detail}`];
  });
  const electing = isAlive && waits.length === 0 ? answering.map(({ name }) => name).join(', ') : '';
  const elect = electing === '' ? [] : [`${electing} elect one, or do not reach each other`];
  const emptied = emptiedOf(facts, seen);
  const empty = emptied.length === 0 ? [] : [describeEmptied(facts, seen, emptied)];
  const others = [...missing, ...strangersOf(seen)].map((node) => reasonOf(facts, seen, node));
  const named = [...empty, ...others, ...waits, ...elect];
  const causes = named.length > 0 ? named : ['its nodes elect one, or do not reach each other'];
  const brief = `cluster ${cluster} has no master${severity === 'notServing' ? ', so nobody serves its keys' : ''}`;
  const briefly = missing.length > 0 ? [...empty, silenceOf(missing), ...elect] : causes;
  const best = survivorOf(seen);
  const lost =
    best === null
      ? '; if their homes are gone for good, a backup is needed: nursery restore'
      : `; if the homes of a majority are gone for good: nursery rescue promote --config ${fileOf(facts, cluster)} --node ${best.name}`;
  const isPast = best !== null && fatallyEmptied(facts, seen).length > 0;
  const { todo, command } = isPast
    ? promoteInstead(facts, seen, { emptied, survivor: best })
    : startNodes(facts, cluster, missing);
  return finding({
    kind: 'noMaster',
    severity,
    subject: cluster,
    brief: `${brief}: ${briefly.join('; ')}`,
    what: `${brief}: ${causes.join('; ')}`,
    since: longest(answering.map((node) => sinceOf(node, conditionOf(node, 'noMaster')))),
    command,
    todo: isPast
      ? todo
      : missing.length > 0 && !isAlive
        ? `${todo}${mayBeGone(seen) ? lost : ''}`
        : best === null
          ? `none of them has a vote any more: nursery backup --config FILE ${cluster} --node NAME --to DIRECTORY takes what a learner has, and nursery restore begins anew with it`
          : electionThen(todo),
  });
}

/** What helps a cluster that waits for its keeper's word; not `--without-keeper`, where an order has given its place away. */
function todoWhileWaiting({ keeper }: Facts, cluster: string, master: Answering, isNew: boolean): string {
  const order = keeper === null ? null : endOf(keeper, cluster, master);
  if (order !== null)
    return `order ${order.order} has declared founding ${order.was} dead, for ever: stop its nodes, keep a copy of their homes where what they alone may hold is still wanted, and start them with empty homes`;
  return isNew
    ? 'see that the keeper runs, and a migrator, which settles what was moving; or nursery migrate --resume. With a new keeper: nursery rescue keeper'
    : 'start the keeper. If nothing was rescued since these nodes stopped, stop them, and start each with --without-keeper';
}

/** What of the master alone stops its cluster. */
function masterFindings(facts: Facts, seen: ClusterSeen, master: Answering, severity: Severity): Finding[] {
  const { cluster } = seen;
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
        todo: todoWhileWaiting(facts, cluster, master, refuses.subject === 'succession'),
      }),
    );
  }
  const absent = absentOf(master);
  if (absent.length > 0) found.push(membersMissing(facts, cluster, master, absent));
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

/** As after a promotion or a restore: it serves, with fewer copies than it is set up for. */
function membersMissing(
  facts: Facts,
  cluster: string,
  master: Answering,
  absent: readonly string[],
): Finding {
  const one = absent.length === 1;
  const seen = facts.clusters.filter((each) => each.cluster === cluster).flatMap(({ nodes }) => nodes);
  const mute = seen.filter(({ name, isMute }) => absent.includes(name) && isMute === true);
  const old =
    mute.length === 0
      ? ''
      : `; first end ${mute.map(({ name }) => name).join(', ')}, which ${mute.length === 1 ? 'hangs' : 'hang'} (kill -9 PID)`;
  const members = master.facts.status.members.length;
  const file = fileOf(facts, cluster);
  const start = `nursery node --config ${file} --node ${one ? absent[0] : 'NAME'}`;
  const isKnown = file !== 'FILE';
  // Another home beside it would be lost with it, where the keeper does not confirm it.
  const isConfirmed = conditionOf(master, 'refuses', 'succession') === undefined;
  const before = isConfirmed ? '' : `once the keeper has confirmed ${master.name}, and not before: `;
  return finding({
    kind: 'membersMissing',
    severity: 'atRisk',
    subject: cluster,
    what: `${cluster} has ${members} of the ${members + absent.length} copies that its configuration names: ${absent.join(', ')} ${one ? 'is no member' : 'are no members'} of this founding`,
    since: longest(absent.map((node) => sinceOf(master, conditionOf(master, 'absent', node)))),
    todo: `${before}start ${absent.join(', ')}, on ${one ? 'its machine, with an empty home' : 'their machines, with empty homes'}${isKnown ? '' : `: ${start}`}. ${one ? 'It joins by itself' : 'They join by themselves'}; an old home of before is emptied first${old}`,
    command: isKnown && isConfirmed ? start : null,
  });
}

/** Those that answer and are of another founding, or cluster. */
function strangersOf(seen: ClusterSeen): NodeSeen[] {
  return seen.nodes.filter((node) => isStranger(seen, node));
}

function reasonsOf(facts: Facts, seen: ClusterSeen, nodes: readonly NodeSeen[]): string {
  return nodes.map((node) => reasonOf(facts, seen, node)).join('; ');
}

/** Why a node does nothing for its cluster: it said nothing, or is of another one. */
function reasonOf(all: Facts, seen: ClusterSeen, { name, facts, why }: NodeSeen): string {
  return facts === null
    ? `${name} does not answer (${why === '' ? 'no reason is known' : why})`
    : `${name} is of ${describeStranger(all, seen, facts.status)}`;
}

/** Of which cluster or founding it is, and whether that is over. */
export function describeStranger(
  facts: Facts,
  seen: ClusterSeen,
  { cluster, founding }: Pick<NodeStatus, 'cluster' | 'founding'>,
): string {
  if (cluster !== seen.cluster) return `cluster ${cluster}`;
  return `founding ${founding}${isOver(facts, cluster, founding) ? ', which is over' : ''}`;
}

/** Whether another founding took the place of this one: as the keeper has on record, or a node says that is of that. */
export function isOver({ keeper, clusters }: Facts, cluster: string, founding: string): boolean {
  const isOnRecord = keeper?.orders?.some((each) => each.cluster === cluster && each.was === founding);
  return (
    isOnRecord === true || clusters.some((seen) => seen.cluster === cluster && isReplaced(seen, founding))
  );
}
