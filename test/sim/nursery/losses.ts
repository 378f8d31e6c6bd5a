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
  /** Whether a founding is over by an order. */
  readonly #isOver: (id: string, founding: string) => boolean;
  readonly #servedBy = new Map<string, ClusterHistory>();
  /** What a key was worth when whoever served it last stopped: its rows may be cleaned up before anybody else serves it. */
  readonly #left = new Map<string, Uint8Array | null>();
  /** The highest epoch at which a key was served. */
  readonly #epochs = new Map<string, number>();
  /** When a key came to be served by another cluster than before: who had it until then, up to which slot, and who got it. */
  readonly #gone = new Map<string, Gone[]>();
  /** What each keeper last said, by its founding. */
  readonly #keepers = new Map<string, SystemState>();
  /** Whether an image of a backup has that row. */
  isFromBackup: (key: string, value: Uint8Array) => boolean = () => false;

  constructor(history: History, rare: Rare, isOver: (id: string, founding: string) => boolean) {
    this.#history = history;
    this.#rare = rare;
    this.#isOver = isOver;
  }

  /** A keeper says so. What one that is lost by now had ordered may reach its cluster later. */
  heard(keeper: SystemState): void {
    if (keeper.bound !== null) this.#keepers.set(keeper.bound.mine, keeper);
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
    const highest = this.#epochs.get(key) ?? 0;
    this.#epochs.set(key, Math.max(highest, own.epoch));
    if (before === undefined) return;
    check(
      before === cluster ? own.epoch >= highest : own.epoch > highest,
      'epoch-twice',
      () =>
        `${printKey(key)} is served by founding ${cluster.founding} of ${cluster.id} at epoch ${own.epoch}, and was at ${highest} by founding ${before.founding} of ${before.id}`,
    );
    if (before === cluster) return;
    if (before.id !== cluster.id)
      this.#gone.set(key, [...(this.#gone.get(key) ?? []), { from: before, upTo: before.top, to: cluster }]);
    else this.#checkStayed(cluster, key, own, keeper);
    const had = left === undefined ? (before.data.get(key) ?? null) : left;
    const has = cluster.versions.at(key, slot - 1); // clients may have written in that very slot
    if (had === null ? has === null : has !== null && sameBytes(had, has)) return;
    const isByOrder =
      keeper !== null &&
      [keeper, ...this.#keepers.values()].some((each) => isOrdered(each, { before, cluster, own, key }));
    // A survivor takes what was merely accepted: that it owns the range, and behind that what clients wrote, and have not heard of.
    if (!isByOrder && cluster.origin !== null && has !== null && this.#history.mayTakeEffect(has)) return;
    check(
      isByOrder,
      'lost-rows',
      () =>
        `${printKey(key)} was ${show(had)} at ${before.id}, founding ${before.founding}, and is ${show(has)} at ${cluster.id}, founding ${cluster.founding}, epoch ${own.epoch}: no order says so`,
    );
    const isCopy = keeper !== null && isCopied(keeper, cluster, own);
    check(
      !isCopy || has === null || this.isFromBackup(key, has),
      'lost-rows',
      () => `${printKey(key)} is ${show(has)} at ${cluster.id}, out of a backup, and no image has that`,
    );
    this.#rare.note('row lost by an order');
    if (isCopy && has !== null) this.#rare.note('row brought from a backup');
    this.#history.resetBy(key, has);
  }

  /**
   * What a founding has of the one whose place it took, as of some slot, it had all the time since: no row comes back beside a newer
   * one that another cluster had in between.
   */
  #checkStayed(cluster: ClusterHistory, key: string, own: Owned, keeper: SystemState | null): void {
    if (keeper !== null && isCopied(keeper, cluster, own)) return; // brought by a word of its own
    const gone = this.#gone.get(key) ?? [];
    for (let { origin } = cluster; origin !== null; ) {
      const { history, slot, between } = origin;
      const other = gone.find(
        ({ from, upTo, to }) =>
          (between.includes(from) || (from === history && slot <= upTo)) && !this.#isOver(to.id, to.founding),
      );
      check(
        other === undefined,
        'returned',
        () =>
          `${printKey(key)} is served by founding ${cluster.founding} of ${cluster.id} as of slot ${slot} of founding ${history.founding}, and ${other?.to.id} has had it since`,
      );
      // One that nobody had confirmed served nothing, and got nothing.
      origin = history.state?.unconfirmed === '' ? null : history.origin;
    }
  }
}

type Gone = { readonly from: ClusterHistory; readonly upTo: Slot; readonly to: ClusterHistory };

/** Whether a range came without a source, with what the command of an order brought. */
function isCopied({ migrations }: SystemState, cluster: ClusterHistory, own: Owned): boolean {
  const record = migrations.get(own.epoch);
  return record?.rescue?.isCopy === true && record.target === cluster.id;
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
    if (names(all, order, before) || isLostOnTheWay(keeper, order, before, key)) return true;
    // It may have had that by an order too, which nobody but it had heard of.
    if (isOrdered(keeper, { before, cluster, own: { ...own, epoch }, key })) return true;
  }
  // Taken back from a dead target, or brought by nobody in the place of a dead owner.
  return [...migrations.values()].some(({ mid, rescue, target }) => {
    if (rescue === undefined) return false;
    const isBack = rescue.dead === 'target' && rescue.epoch === own.epoch;
    const isCopy = rescue.isCopy && mid === own.epoch && target === cluster.id;
    const order = orders.get(rescue.order);
    if ((!isBack && !isCopy) || order === undefined) return false;
    return names(all, order, before) || isLostOnTheWay(keeper, order, before, key);
  });
}

/**
 * Whether it was on its way from the cluster of the order, or had been brought, to somebody who burnt as well, so that nobody is left who
 * knows that it came.
 */
function isLostOnTheWay(
  { orders, migrations }: SystemState,
  order: Order,
  { id, founding }: ClusterHistory,
  key: string,
): boolean {
  const isMoved = [...migrations.values()].some(
    ({ source, target, ...range }) => target === id && source === order.cluster && contains(range, key),
  );
  return isMoved && [...orders.values()].some(({ cluster, was }) => cluster === id && was === founding);
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
