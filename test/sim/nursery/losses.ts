/**
 * Which rows clients lose by an order: whenever a key comes to be served by another cluster, or another founding, its value is that
 * which it had before, or an order of the keeper that names the cluster and the range says that it may be another one.
 */
import { inForce, type SystemState } from '../../../node/machine/system-state.ts';
import type { Slot } from '../../../node/paxos/values.ts';
import { printKey, sameBytes } from '../../../src/base/bytes.ts';
import { contains } from '../../../src/keyspace/range.ts';
import type { Order, Owned } from '../../../src/protocol/admin/admin.ts';
import type { Rare } from '../base/rare.ts';
import { check } from '../base/violation.ts';
import type { ClusterHistory } from './cluster-history.ts';
import type { History } from './history.ts';
import { KEYS } from './keys.ts';

export class Losses {
  readonly #history: History;
  readonly #rare: Rare;
  readonly #servedBy = new Map<string, ClusterHistory>();
  /** What a key was worth when whoever served it last stopped: its rows may be cleaned up before anybody else serves it. */
  readonly #left = new Map<string, Uint8Array | null>();

  constructor(history: History, rare: Rare) {
    this.#history = history;
    this.#rare = rare;
  }

  /** A cluster has applied a slot that changed what it owns; `keeper` as it is at that moment. */
  owns(cluster: ClusterHistory, slot: Slot, state: SystemState, keeper: SystemState | null): void {
    const serving = inForce(state).filter(({ sealedBy }) => sealedBy === null);
    for (const key of KEYS) {
      const own = serving.find((range) => contains(range, key));
      if (own !== undefined) this.#serves(cluster, slot, key, own, keeper);
      else if (this.#servedBy.get(key) === cluster && !this.#left.has(key))
        this.#left.set(key, cluster.data.get(key) ?? null);
    }
  }

  #serves(cluster: ClusterHistory, slot: Slot, key: string, own: Owned, keeper: SystemState | null): void {
    const before = this.#servedBy.get(key);
    const left = this.#left.get(key);
    this.#servedBy.set(key, cluster);
    this.#left.delete(key);
    if (before === undefined || before === cluster) return;
    const had = left === undefined ? (before.data.get(key) ?? null) : left;
    const has = cluster.versions.at(key, slot - 1); // clients may have written in that very slot
    if (had === null ? has === null : has !== null && sameBytes(had, has)) return;
    check(
      keeper !== null && isOrdered(keeper, { before, cluster, own, key }),
      'lost-rows',
      () =>
        `${printKey(key)} was ${show(had)} at ${before.id}, founding ${before.founding}, and is ${show(has)} at ${cluster.id}, founding ${cluster.founding}, epoch ${own.epoch}: no order says so`,
    );
    this.#rare.note('row lost by an order');
    this.#history.resetBy(key, has);
  }
}

/** Whether an order says that what `before` acknowledged of this key may be lost. */
function isOrdered(
  keeper: SystemState,
  {
    before,
    cluster,
    own,
    key,
  }: {
    readonly before: ClusterHistory;
    readonly cluster: ClusterHistory;
    readonly own: Owned;
    readonly key: string;
  },
): boolean {
  const { orders, migrations } = keeper;
  const all = [...orders.values()];
  // What a survivor is confirmed with: each range at the epoch that the order gave it, in the place of the one that it had.
  for (const order of all) {
    if (order.kind !== 'promote' || order.cluster !== cluster.id || order.founding !== cluster.founding)
      continue;
    const at = order.given?.ranges.findIndex((range) => range.epoch === own.epoch && contains(range, key));
    const epoch = at === undefined ? undefined : order.before[at];
    if (epoch === undefined) continue;
    if (names(all, order, before)) return true;
    // It may have had that by an order too, which nobody but it had heard of.
    if (isOrdered(keeper, { before, cluster, own: { ...own, epoch }, key })) return true;
  }
  // Taken back from a dead target, or brought by nobody in the place of a dead owner.
  return [...migrations.values()].some(({ mid, rescue, target }) => {
    if (rescue === undefined) return false;
    const isBack = rescue.dead === 'target' && rescue.epoch === own.epoch;
    const isCopy = rescue.isCopy && mid === own.epoch && target === cluster.id;
    const order = orders.get(rescue.order);
    return (isBack || isCopy) && order !== undefined && names(all, order, before);
  });
}

/** Whether the order, or one whose place it took, ended that founding. */
function names(all: readonly Order[], order: Order, { id, founding }: ClusterHistory): boolean {
  if (order.cluster !== id) return false;
  if (order.was === founding) return true;
  const earlier = all.find((each) => each.cluster === id && each.founding === order.was);
  return earlier !== undefined && names(all, earlier, { id, founding } as ClusterHistory);
}

function show(value: Uint8Array | null): string {
  return value === null ? 'nothing' : Buffer.from(value).toString('latin1', 0, 40);
}
