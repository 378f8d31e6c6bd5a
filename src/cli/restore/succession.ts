/** Whose place a cluster takes that is restored in a nursery: what keeper, orders and image say, before anything is done. */
import { FatalError, NurseryError } from '../../base/errors.ts';
import type { KeeperRef } from '../../identity/founding.ts';
import type { AdminCommand, KeeperMap, Migration, Order } from '../../protocol/admin/admin.ts';
import { chainOf } from '../../protocol/admin/lineage.ts';
import type { Image } from '../export/lines.ts';
import { unknownFounding } from '../rescue/unknown-founding.ts';
import type { Made, Succession } from './make-home.ts';

/** Digits of a founding that are enough to name it. */
const DIGITS_MIN = 8;

/** What the keeper has on record. */
export type OnRecord = KeeperMap & {
  readonly orders: readonly Order[];
  readonly migrations: readonly Migration[];
};

/** What follows from it. */
export type Place = {
  /** The founding that is dead by this; the image's, or one that took its place since. */
  readonly dead: string;
  /** All foundings from there back to the image's, the last one first. */
  readonly replaced: readonly string[];
  /** Orders from the founding in force back to the image's. */
  readonly chain: readonly Order[];
  /** The order by which this very restore has taken the place before; null where it has not. */
  readonly order: Order | null;
  /** The keeper knows nothing yet: it stands in for one that is lost. */
  readonly isNewKeeper: boolean;
};

/**
 * Whether a node is what this command has made before, or a peer that has joined it. A cluster that has come to a new keeper, and waits
 * to be told what is its own, is bound to it, too: it lives, and is no other than the one whose place would be taken.
 */
export function isMadeBefore(
  { founding, keeper: bound }: { readonly founding: string; readonly keeper: string },
  { order, isNewKeeper, dead }: Place,
  keeper: string,
): boolean {
  if (isNewKeeper) return bound === keeper && founding !== dead;
  return order !== null && founding === order.founding;
}

/**
 * @param typed what the operator wrote behind --replace; null where nothing
 * @throws FatalError USAGE where no founding is named, or too little of it
 * @throws NurseryError REFUSED where it is not in force, the image does not come from it, or is of another nursery
 */
export function placeOf(image: Image, typed: string | null, known: OnRecord): Place {
  const { cluster, keeper, founding } = image;
  const { map, clusters, nursery, orders } = known;
  if (nursery === undefined)
    throw new NurseryError(
      'REFUSED',
      'the cluster that [nursery] names is no keeper, or does not know itself yet',
    );
  const isTheirs = keeper === nursery.founding || nursery.replaced.includes(keeper);
  if (!isTheirs && (keeper === '' || !map.isEmpty))
    throw new NurseryError(
      'REFUSED',
      `the image of ${cluster} is of nursery ${keeper || 'none'}, and this one is ${[nursery.founding, ...nursery.replaced].join(', before that ')}: nursery import brings its rows back, through a router`,
    );
  if (!isTheirs) {
    refuseUnnamed(typed, founding, `this keeper is a new one, and the image is of founding ${founding}`);
    return { dead: founding, replaced: [founding], chain: [], order: null, isNewKeeper: true };
  }
  const inForce = clusters.find((each) => each.cluster === cluster)?.founding;
  if (inForce === undefined)
    throw new NurseryError(
      'REFUSED',
      `no founding of cluster ${cluster} is in force, whose place could be taken: nursery rescue lost ${cluster} --restore DIR --at CLUSTER brings what the map still gives it to another cluster`,
    );
  if (inForce === unknownFounding(cluster))
    throw new NurseryError(
      'REFUSED',
      `${cluster} was lost together with the keeper before this one, and nobody who is left knows which founding it was, so that none can take its place: nursery rescue lost ${cluster} --restore DIR --at CLUSTER brings what the map gives it to another cluster`,
    );
  const last = orders.find(
    (order) => order.kind === 'promote' && order.cluster === cluster && order.founding === inForce,
  );
  const isBefore = last !== undefined && isNamed(typed, last.was) && !isNamed(typed, inForce);
  if (!isBefore) refuseUnnamed(typed, inForce, `founding ${inForce} of cluster ${cluster} is in force`);
  const chain = chainOf(orders, { cluster, founding: inForce }, founding);
  const replaced = [inForce, ...chain.map(({ was }) => was)].slice(isBefore ? 1 : 0);
  if (!replaced.includes(founding))
    throw new NurseryError(
      'REFUSED',
      `the image is of founding ${founding} of ${cluster}, in whose place ${inForce} did not come, as far as this keeper knows: nursery rescue lost ${cluster} --restore DIR --at CLUSTER brings rows of it to another cluster`,
    );
  return {
    dead: replaced[0] ?? founding,
    replaced,
    chain,
    order: isBefore ? last : null,
    isNewKeeper: false,
  };
}

function isNamed(typed: string | null, founding: string): boolean {
  return typed !== null && typed.length >= DIGITS_MIN && founding.startsWith(typed.toLowerCase());
}

function refuseUnnamed(typed: string | null, founding: string, what: string): void {
  if (isNamed(typed, founding)) return;
  const hint = `--replace ${founding.slice(0, DIGITS_MIN)} says that its place is taken, and that it is dead for ever`;
  if (typed === null || typed.length < DIGITS_MIN) throw new FatalError('USAGE', `${what}: ${hint}`);
  throw new NurseryError('REFUSED', `${what}, not ${typed}: ${hint}`);
}

/** Whose place the founding takes that is made from the image, and at which keeper. */
export function successionOf(image: Image, { isNewKeeper, replaced }: Place, keeper: KeeperRef): Succession {
  return { keeper, keepers: isNewKeeper ? [image.keeper] : [], was: image.founding, replaced };
}

/** What the command tells the keeper, as the node does once it runs (node/identity/succession.ts). */
export function replacementOf(
  {
    cluster,
    node,
    known,
    file,
  }: {
    readonly cluster: string;
    readonly node: { readonly name: string };
    readonly known: Pick<OnRecord, 'nursery'>;
    readonly file: { readonly image: Pick<Image, 'founding'> };
  },
  home: Made,
  takenMs: number,
): AdminCommand {
  const { founding, slot, owned, replaced } = home;
  return {
    kind: 'replace',
    cluster,
    keeper: known.nursery?.founding ?? '',
    was: home.was === '' ? file.image.founding : home.was,
    founding,
    after: [...replaced],
    version: slot,
    members: [{ node: node.name, incarnation: founding, learner: false }],
    owned: [...owned],
    activated: [],
    imports: 0,
    lastMid: owned.reduce((high, { epoch }) => Math.max(high, epoch), 0),
    takenMs,
  };
}
