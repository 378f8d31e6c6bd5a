/** Homes of members that were emptied: with those of a majority nobody is elected any more, however long one waits. */
import { type Answering, answeringOf, type ClusterSeen, type Facts } from './facts.ts';
import { fileOf, hasVote, missingFrom, type Start, startNodes, votersOf } from './starting.ts';

/** Members that answer from a home without what the member had: they are not admitted again before there is a master. */
export function emptiedOf({ clusters }: Facts, { cluster }: ClusterSeen): string[] {
  // Whoever has not told the keeper yet where it is answers where the file says that it is.
  const answering = clusters.filter((each) => each.cluster === cluster).flatMap(answeringOf);
  const members = new Set(
    answering.flatMap(({ facts: { status } }) =>
      hasVote(status.role) ? status.members.map(({ node }) => node) : [],
    ),
  );
  return answering.filter((node) => members.has(node.name) && isAnew(node)).map(({ name }) => name);
}

/** Who has just been admitted, and has yet to hear of it, does not find itself on the list that it has. */
function isAnew({ name, facts: { status } }: Answering): boolean {
  if (hasVote(status.role)) return false;
  return (
    status.role === 'joining' || status.applied === 0 || status.members.some(({ node }) => node === name)
  );
}

/**
 * The same where so many were emptied that no majority of the members is left, whoever is started besides. Of two members the other one
 * takes a new life in by itself.
 */
export function fatallyEmptied(facts: Facts, cluster: ClusterSeen): string[] {
  const emptied = emptiedOf(facts, cluster);
  const members = votersOf(cluster);
  return members > 2 && 2 * (members - emptied.length) <= members ? emptied : [];
}

/** What was done to them, for people. */
export function describeEmptied(facts: Facts, cluster: ClusterSeen, emptied: readonly string[]): string {
  const were = `the ${emptied.length === 1 ? 'home' : 'homes'} of ${emptied.join(', ')} ${emptied.length === 1 ? 'was' : 'were'} emptied`;
  const isFatal = fatallyEmptied(facts, cluster).length > 0;
  return isFatal
    ? `${were}, ${emptied.length} of ${votersOf(cluster)} members, so that nobody can be elected any more`
    : were;
}

/** Of those that answer, who is promoted where a majority is lost: who is being promoted, else who has most; null where nobody has a vote. */
export function survivorOf(cluster: ClusterSeen): Answering | null {
  const [best = null] = answeringOf(cluster)
    .filter(({ facts: { status } }) => hasVote(status.role) && status.applied > 0)
    .sort((a, b) => fitness(b) - fitness(a) || b.facts.status.applied - a.facts.status.applied);
  return best;
}

/** What to do where `emptied` are too many: `survivor` goes on alone. */
export function promoteInstead(
  facts: Facts,
  seen: ClusterSeen,
  { emptied, survivor }: { readonly emptied: readonly string[]; readonly survivor: Answering },
): Start {
  const [its, it, joins] =
    emptied.length === 1 ? ['its home', 'it', 'it joins'] : ['their homes', 'them', 'they join'];
  const missing = missingFrom(seen);
  const first =
    missing.length === 0
      ? ''
      : `${startNodes(facts, seen.cluster, missing).todo}: what is known there counts. Then `;
  const file = fileOf(facts, seen.cluster);
  const promote = `nursery rescue promote --config ${file} --node ${survivor.name}`;
  const names = emptied.join(', ');
  return {
    todo: `where the disks of ${names} were only not mounted, mount them and start ${it} again. Else ${first}stop ${names} and empty ${its} again; ${file === 'FILE' ? promote : 'promote the survivor'}, which goes on alone; then start ${names}: ${joins} by ${emptied.length === 1 ? 'itself' : 'themselves'}`,
    command: file === 'FILE' ? null : promote,
  };
}

/** Who is being promoted already comes first, and who lacks what it once had last. */
function fitness({ facts: { status } }: Answering): number {
  if (status.role === 'retired') return 2;
  return status.role === 'short' ? 0 : 1;
}
