/** What to do, and to type, so that nodes and routers which do not answer run again. */
import { answeringOf, type ClusterSeen, type Facts, type NodeSeen, unheardOf } from './facts.ts';
import { type Finding, quoted } from './finding.ts';

/** What a finding says of it; `command` null where the file that it needs is not the one that was asked by. */
export type Start = Pick<Finding, 'command'> & { readonly todo: string };

/** Of a cluster, those that were asked and did not answer. */
export function missingFrom(cluster: ClusterSeen): NodeSeen[] {
  const unheard = unheardOf(cluster);
  return cluster.nodes.filter((node) => node.facts === null && !unheard.includes(node));
}

/** The file of a cluster, as it is typed: FILE where it is another one than that which was asked by. */
export function fileOf({ front, file }: Facts, cluster: string): string {
  return front === cluster ? quoted(file) : 'FILE';
}

/**
 * How those of `missing` are started again, with the homes that they have. Whoever is there and says nothing would be in the way of
 * a second process with its home: it goes on, or is ended, before that.
 */
export function startNodes(facts: Facts, cluster: string, missing: readonly NodeSeen[]): Start {
  const file = fileOf(facts, cluster);
  const [mute, dead] = [true, false].map((is) => missing.filter(({ isMute = false }) => isMute === is)) as [
    NodeSeen[],
    NodeSeen[],
  ];
  const [start, hangs] = [typedFor(file, dead), typedFor(file, mute)];
  const isKnown = file !== 'FILE' && dead.length > 0;
  const todo = [
    ...(dead.length > 0
      ? [`start ${namesOf(dead)}, ${placesOf(dead)}, with ${homesOf(dead)}${isKnown ? '' : `: ${start}`}`]
      : []),
    ...(mute.length > 0 ? [`${hanging(namesOf(mute), mute.length)}, with ${homesOf(mute)}: ${hangs}`] : []),
  ];
  return { todo: todo.join('; '), command: isKnown ? start : null };
}

/** Of processes that have taken a connection and say nothing, up to how they are started. */
export function hanging(names: string, count: number): string {
  const [its, it] = count === 1 ? ['its process', 'it'] : ['their processes', 'them'];
  return `${names} may hang: let ${its} go on (kill -CONT PID), or end ${it} first (kill -9 PID; SIGTERM waits), and then start ${it}`;
}

/** Their names, and whether they do or it does not answer. */
export function silenceOf(nodes: readonly NodeSeen[]): string {
  return `${namesOf(nodes)} ${nodes.length === 1 ? 'does' : 'do'} not answer`;
}

/** What to do where those who answer elect a master by themselves. @param todo what brings the others back; '' where all answer */
export function electionThen(todo: string): string {
  const others = todo === '' ? '' : `. And ${todo}`;
  return `an election takes a lease and a half or so; where it lasts, do what the nodes wait for, and see that they reach each other${others}`;
}

/** Whether so many do not even run that a majority may have lost its homes: whoever hangs has one, and so has who answers. */
export function mayBeGone(cluster: ClusterSeen): boolean {
  const there = answeringOf(cluster).filter(({ facts: { status } }) => hasVote(status.role));
  const hanging = cluster.nodes.filter(({ isMute }) => isMute === true);
  return 2 * (there.length + hanging.length) <= votersOf(cluster);
}

/** How many have a vote, as far as anybody says; else all that are known. */
export function votersOf(cluster: ClusterSeen): number {
  const said = answeringOf(cluster).map(({ facts: { status } }) => status.members.length);
  const most = Math.max(0, ...said);
  return most > 0 ? most : cluster.nodes.length;
}

/** Whether a majority answers, and one of those has all that a master needs: they elect one by themselves. */
export function isElecting(cluster: ClusterSeen): boolean {
  const roles = answeringOf(cluster).map(({ facts: { status } }) => status.role);
  const voters = roles.filter((role) => hasVote(role) && role !== 'retired');
  return 2 * voters.length > votersOf(cluster) && voters.some((role) => role !== 'short');
}

/** Who has none holds nothing that a promotion could go on with. */
export function hasVote(role: string): boolean {
  return role !== 'learner' && role !== 'joining';
}

/** How a command names one of them, or whichever is chosen. */
function typedFor(file: string, nodes: readonly NodeSeen[]): string {
  const [first, second] = nodes;
  return `nursery node --config ${file} --node ${second === undefined ? first?.name : 'NAME'}`;
}

function namesOf(nodes: readonly NodeSeen[]): string {
  return nodes.map(({ name }) => name).join(', ');
}

function homesOf({ length }: readonly NodeSeen[]): string {
  return length === 1 ? 'its home' : 'their homes';
}

function placesOf({ length }: readonly NodeSeen[]): string {
  return length === 1 ? 'on its machine' : 'on their machines';
}
