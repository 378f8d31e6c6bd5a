/** The keepers that clusters belong to before a rescue: whether one of them lives, and which of its nodes must be off. */
import { NurseryError } from '../../base/errors.ts';
import { whoDoes } from '../../base/names.ts';
import type { KeeperRef } from '../../identity/founding.ts';
import type { NodeAddress, NodeStatus } from '../../protocol/admin/admin.ts';
import type { Given } from './bound.ts';
import type { Bound } from './predecessors.ts';
import { statusesOf } from './statuses.ts';

/** Who answers at an address where a node of a keeper is, or was; null where nobody says who he is. */
export type Answering = { readonly place: NodeAddress; readonly status: NodeStatus | null };

/**
 * Asks at all addresses that are known of the keepers: as the clusters' own files have them, which their nodes follow, and as the
 * keeper's does.
 */
export async function answeringOf(given: readonly Given[], keeper: KeeperRef): Promise<Answering[]> {
  const places = distinct([...keeper.nodes, ...placesBefore(given, keeper)]);
  return await Promise.all(
    places.map(async (place) => {
      // Of two nodes of one name a client knows the first alone.
      const [asked] = await statusesOf({ nodes: [place] });
      return { place, status: asked?.status ?? null };
    }),
  );
}

/**
 * @throws NurseryError REFUSED where a node answers of the very founding that a cluster belongs to: its keeper is not lost, or another
 *   file was meant
 */
export function refuseLivingKeeper(
  clusters: readonly (Bound & { readonly file: string })[],
  answering: readonly Answering[],
  fresh: string,
): void {
  const foundings = [...new Set(clusters.map(({ keeper }) => keeper))].filter((each) => each !== fresh);
  const why = foundings.flatMap((founding) => {
    const nodes = answering.flatMap(({ status }) => (status?.founding === founding ? [status] : []));
    const [first] = nodes;
    if (first === undefined) return [];
    const theirs = clusters.filter(({ keeper }) => keeper === founding);
    const belong = whoDoes(
      theirs.map(({ cluster }) => cluster),
      'belongs',
    );
    const files = [...new Set(theirs.map(({ file }) => file))].join(', ');
    const names = nodes.map(({ node, role }) => `${node} (${role})`);
    return [
      `${belong} to keeper ${first.cluster}, founding ${founding}, and ${whoDoes(names, 'answers', 'of that very founding')}: either the wrong file was given (${files}), or this keeper is not lost. Where a majority of it is left, there is nothing to rescue; where a minority is, nursery rescue promote with its own file goes on with what is left of it; and where it is to be given up all the same, stop its nodes, never start their homes again, and type the same again`,
    ];
  });
  if (why.length > 0) throw new NurseryError('REFUSED', `${why.join('; ')}. Nothing was done`);
}

/** Nodes that the new keeper has now: by name and address. */
export type Nodes = {
  /** Of the keepers that are lost: nothing of that name and address runs as a node of the new one. */
  readonly gone: readonly string[];
  /** Of them too, and they do. */
  readonly members: readonly string[];
};

/** Which nodes of the lost keepers have to be off. */
export function nodesBefore(
  given: readonly Given[],
  keeper: KeeperRef,
  answering: readonly Answering[],
): Nodes {
  const isMember = (node: NodeAddress): boolean =>
    answering.some(
      ({ place, status }) =>
        isSame(place, node) && status?.founding === keeper.founding && status.node === node.name,
    );
  const before = distinct(placesBefore(given, keeper));
  const namesOf = (nodes: readonly NodeAddress[]): string[] => [...new Set(nodes.map(({ name }) => name))];
  return {
    gone: namesOf(before.filter((node) => !isMember(node))),
    members: namesOf(before.filter(isMember)),
  };
}

/** Where nodes of the keepers of before are or were. The new one's file says it too, unless it is of other nodes altogether. */
function placesBefore(given: readonly Given[], keeper: KeeperRef): readonly NodeAddress[] {
  const said = given.flatMap(({ config, nursery }) => [
    ...(nursery?.nodes ?? []),
    ...(config.cluster === keeper.cluster ? config.nodes : []),
  ]);
  const isOfOthers = said.length > 0 && !said.some((node) => keeper.nodes.some((each) => isSame(each, node)));
  return isOfOthers ? said : [...said, ...keeper.nodes];
}

function distinct(nodes: readonly NodeAddress[]): NodeAddress[] {
  return nodes.filter((node, index) => nodes.findIndex((each) => isSame(each, node)) === index);
}

function isSame(a: NodeAddress, b: NodeAddress): boolean {
  return a.name === b.name && a.port === b.port && a.ips.join() === b.ips.join();
}
