/** Who the keeper says that each cluster is, slot by slot: no founding comes back, and no cluster loses its addresses. */
import type { SystemState } from '../../../node/machine/system-state.ts';
import { check } from '../base/violation.ts';

/** What is asked of the clusters that are registered. */
export type Known = {
  /** The founding that a cluster of the nursery has by its own log; null where it has none, or is none of these. */
  foundingOf(cluster: string): string | null;
  /** Whether that founding counted once, and another one took its place. */
  isOver(cluster: string, founding: string): boolean;
};

export class Registered {
  readonly #known: Known;
  /** Takes the place of a keeper that is lost: before it is told who they are, anybody may come first. */
  readonly #isSuccessor: boolean;
  /** Every founding that was ever in force, by cluster id. */
  readonly #bound = new Map<string, Set<string>>();

  constructor(known: Known, isSuccessor = false) {
    this.#known = known;
    this.#isSuccessor = isSuccessor;
  }

  /** Whether the keeper has ever bound that founding. */
  wasBound(cluster: string, founding: string): boolean {
    return this.#bound.get(cluster)?.has(founding) === true;
  }

  /** The same, under whatever id. */
  hasBound(founding: string): boolean {
    return [...this.#bound.values()].some((foundings) => foundings.has(founding));
  }

  /** The keeper has applied a slot. */
  applied(after: SystemState, before: SystemState): void {
    if (after.identities !== before.identities) this.#checkFoundings(after, before);
    if (after.configs !== before.configs) this.#checkAddresses(after, before);
  }

  #checkFoundings(after: SystemState, before: SystemState): void {
    const isUntold = this.#isSuccessor && after.map.isEmpty;
    const isTold = this.#isSuccessor && before.map.isEmpty;
    for (const [id, { founding, dead }] of after.identities) {
      const earlier = before.identities.get(id);
      const bound = this.#bound.get(id) ?? new Set();
      this.#bound.set(id, bound);
      check(
        !dead.includes(founding) && (earlier?.dead ?? []).every((each) => dead.includes(each)),
        'one-founding',
        () => `founding ${founding} of ${id} is in force, and was dead`,
      );
      // One that was bound and removed in the same slot was in force in between.
      for (const each of dead) bound.add(each);
      const former = earlier?.founding ?? '';
      check(
        former === '' ||
          former === founding ||
          isTold ||
          (dead.includes(former) && (founding === '' || isOrdered(after, { id, former, founding }))),
        'one-founding',
        () => `cluster ${id} was founding ${former}, and is ${founding} now`,
      );
      if (founding === '') continue;
      const own = this.#known.foundingOf(id);
      check(
        own === null || own === founding || isUntold || this.#known.isOver(id, founding),
        'one-founding',
        () => `the keeper has bound founding ${founding} of ${id}, which is ${own}`,
      );
      check(
        founding === former || !bound.has(founding),
        'one-founding',
        () => `founding ${founding} of ${id} is bound a second time`,
      );
      bound.add(founding);
    }
  }

  /** Each node is reached where it is itself: addresses have their nodes' names here. */
  #checkAddresses(after: SystemState, before: SystemState): void {
    for (const [id, { nodes }] of after.configs) {
      const wrong = nodes.find(({ name, ips }) => ips[0] !== name);
      check(
        wrong === undefined,
        'addresses',
        () => `clients look for ${wrong?.name} of ${id} at ${wrong?.ips[0]}`,
      );
      // Who was removed is sent nobody; who took its place says itself where it is, within seconds.
      const members = new Set(after.identities.get(id)?.members.map(({ node }) => node));
      const had = (before.configs.get(id)?.nodes ?? []).filter(({ name }) => members.has(name)).length;
      const isMember = after.identities.get(id)?.founding === before.identities.get(id)?.founding;
      check(
        nodes.length > 0 || had === 0 || !isMember,
        'addresses',
        () => `${id} has lost all of its ${had} addresses`,
      );
    }
  }
}

/** Whether a survivor of the former founding began the other one, by an order. */
function isOrdered(
  { orders }: SystemState,
  { id, former, founding }: { readonly id: string; readonly former: string; readonly founding: string },
): boolean {
  return [...orders.values()].some(
    (order) => order.cluster === id && order.was === former && order.founding === founding,
  );
}
