/** What of a cluster is at one place, and whether it goes on without that. */
import { PLACE_KINDS, type PlaceKind, type Places, placeOf, sharedPlace } from '../identity/places.ts';
import { type Answering, answeringOf, type ClusterSeen, masterOf } from './facts.ts';
import { type Finding, finding } from './finding.ts';
import { fitMembers } from './safe-to-stop.ts';

/** A disk, machine or rack with members of a cluster. */
export type PlaceSeen = {
  readonly kind: PlaceKind;
  /** As people read it, with its kind. */
  readonly name: string;
  /** Those that are there, fit or not. */
  readonly members: readonly string[];
  /** Whether the cluster would stop, as it is now, if the place failed. */
  readonly losesQuorum: boolean;
};

/** The places of all members that answer, the smallest first; `without` is taken to be stopped. Empty without a master. */
export function placesOf(cluster: ClusterSeen, without: string | null = null): PlaceSeen[] {
  const master = masterOf(cluster);
  if (master === null) return [];
  const members = membersOf(cluster, master);
  const fit = fitMembers(cluster).filter((name) => name !== without);
  const majority = majorityOf(master);
  return PLACE_KINDS.flatMap((kind) => {
    const byName = new Map<string, string[]>();
    for (const { name, places } of members) {
      const place = placeOf(kind, places);
      if (place !== null) byName.set(place, [...(byName.get(place) ?? []), name]);
    }
    return [...byName].map(([name, there]) => {
      const left = fit.filter((each) => !there.includes(each)).length;
      return { kind, name, members: there, losesQuorum: left < majority };
    });
  });
}

/** Which places may not fail although `mayFail` members may; null where there are none. */
export function describeFatal(places: readonly PlaceSeen[], mayFail: number): string | null {
  const fatal = places.filter(({ losesQuorum, members }) => losesQuorum && members.length > mayFail);
  if (mayFail <= 0 || fatal.length === 0) return null;
  return fatal.map(({ name, members }) => `${name} (${members.join(', ')})`).join(', ');
}

/** Places that would stop a cluster although all of its members are well: the smallest that some of them share. */
export function placeFindings(cluster: ClusterSeen): Finding[] {
  const master = masterOf(cluster);
  if (master === null || cluster.isElsewhere) return [];
  const members = membersOf(cluster, master);
  const all = master.facts.status.members.length;
  const found: Finding[] = [];
  for (const { kind, name, members: there } of placesOf(cluster)) {
    const sharing = members.filter(({ name: member }) => there.includes(member));
    if (there.length < 2 || all - there.length >= majorityOf(master) || isOfSmaller(kind, sharing)) continue;
    const label = sharing[0]?.places[kind] ?? '';
    const isAllowed = sharing.every(({ mayShare }) => mayShare.includes(label));
    found.push(
      finding({
        kind: 'placeShared',
        severity: isAllowed ? 'note' : 'atRisk',
        subject: cluster.cluster,
        what: `${name} holds ${there.join(', ')}, of ${all} members of ${cluster.cluster}: if it fails, nobody serves what ${cluster.cluster} owns${isAllowed ? ' (shared_places allows it)' : ''}`,
        todo: `bring one of them to another ${kind}, and correct ${kind} in the files of the cluster`,
      }),
    );
  }
  return found;
}

type Placed = { readonly name: string; readonly places: Places; readonly mayShare: readonly string[] };

function membersOf(cluster: ClusterSeen, master: Answering): Placed[] {
  const { members } = master.facts.status;
  return answeringOf(cluster)
    .filter(({ name }) => members.some(({ node }) => node === name))
    .map(({ name, facts: { places } }) => ({ name, places, mayShare: places.mayShare }));
}

/** Whether a smaller place that all of them share says it already. */
function isOfSmaller(kind: PlaceKind, sharing: readonly Placed[]): boolean {
  const [first, ...others] = sharing;
  return others.every(({ places }) => first !== undefined && sharedPlace(first.places, places) !== kind);
}

function majorityOf({ facts }: Answering): number {
  return Math.floor(facts.status.members.length / 2) + 1;
}
