/** What the keeper and its clusters hold of functions of users, compared whenever one of them changes. */
import type { SystemState } from '../../../node/machine/system-state.ts';
import type { Rare } from '../base/rare.ts';
import { check } from '../base/violation.ts';
import type { ClusterHistory } from './cluster-history.ts';
import type { History } from './history.ts';

/** A removal: at which version of which keeper. */
type Removal = { readonly keeper: string; readonly version: number };

export class FunctionWatch {
  readonly #history: History;
  readonly #rare: Rare;
  /** By name, of functions that the keeper has no more. */
  readonly #removed = new Map<string, Removal>();

  constructor(history: History, rare: Rare) {
    this.#history = history;
    this.#rare = rare;
  }

  /** The keeper shows another state. `clusters`: those that belong to the nursery, in the foundings that count. */
  keeperApplied(before: SystemState, after: SystemState, clusters: readonly ClusterHistory[]): void {
    if (before.functions === after.functions && before.orders === after.orders) return;
    const { bound, functionsVersion } = after;
    for (const name of before.functions.keys()) {
      if (after.functions.has(name)) continue;
      this.#removed.set(name, { keeper: bound?.mine ?? '', version: functionsVersion.version });
      this.#rare.note('function removed');
    }
    for (const name of after.functions.keys()) {
      this.#removed.delete(name);
      this.#history.functionIsThere(name);
    }
    for (const cluster of clusters) checkBehind(cluster, after);
    this.#noteGone(clusters);
  }

  /** A cluster shows another state; `keeper` as it is now. */
  clusterApplied(cluster: ClusterHistory, keeper: SystemState | null, all: readonly ClusterHistory[]): void {
    if (cluster.state === null) return;
    const { functions, functionsVersion } = cluster.state;
    for (const [name, { version }] of functions) {
      const removal = this.#removed.get(name);
      check(
        removal === undefined ||
          version < 0 ||
          removal.keeper !== functionsVersion.keeper ||
          functionsVersion.version < removal.version,
        'function-gone',
        () =>
          `${cluster.id} has function ${name} at version ${functionsVersion.version}, which the keeper removed at ${removal?.version}`,
      );
    }
    if (keeper !== null) checkBehind(cluster, keeper);
    this.#noteGone(all);
  }

  /** Who calls it from now on must hear that it is unknown. */
  #noteGone(clusters: readonly ClusterHistory[]): void {
    for (const name of this.#removed.keys()) {
      const isThere = clusters.some(({ state }) => state === null || state.functions.has(name));
      if (!isThere) this.#history.functionIsGone(name);
    }
  }
}

/** No cluster has come further than its keeper, one in the place of a lost one too: what clients may call is there to be moved to. */
function checkBehind({ id, state }: ClusterHistory, keeper: SystemState): void {
  if (state === null || keeper.map.isEmpty || state.bound?.keeper.founding !== keeper.bound?.mine) return;
  check(
    state.functionsVersion.version <= keeper.functionsVersion.version,
    'function-missing',
    () =>
      `${id} has functions at version ${state.functionsVersion.version}, and its keeper at ${keeper.functionsVersion.version}`,
  );
}
