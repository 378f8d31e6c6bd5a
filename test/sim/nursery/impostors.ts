/**
 * Who is not who it says: a cluster with the id of another one (a copied file, an empty home), and a second keeper of the same
 * name, to which the addresses of some nodes lead for a while.
 */

import type { NodeProcess } from './node-process.ts';
import type { Machine, Nursery } from './nursery.ts';
import { check } from './violation.ts';
import { IMPOSTOR, KEEPER, SECOND_KEEPER } from './watch.ts';

/** How long a node looks for the keeper at wrong addresses, at most (virtual ms). */
const MISLED_MS = 8000;

export class Impostors {
  readonly machines: readonly Machine[];
  readonly #nursery: Nursery;
  #claimed = 'A';
  #isOver = false;
  #misled: { readonly name: string; readonly untilMs: number } | null = null;

  constructor(nursery: Nursery) {
    this.#nursery = nursery;
    this.machines = [IMPOSTOR, SECOND_KEEPER].map((cluster) => ({
      cluster,
      name: `${cluster}1`,
      isLearner: false,
      isSpare: false,
      wished: [`${cluster}1`],
      hardware: nursery.newHardware(),
      process: null,
    }));
  }

  has(name: string): boolean {
    return this.machines.some((machine) => machine.name === name);
  }

  /** The cluster id in the file of a node. */
  idOf(cluster: string): string {
    if (cluster === IMPOSTOR) return this.#claimed;
    return cluster === SECOND_KEEPER ? KEEPER : cluster;
  }

  /** Which keeper a node's file leads to at present. */
  keeperOf({ name, cluster, founding }: NodeProcess): string {
    if (cluster === SECOND_KEEPER) return SECOND_KEEPER;
    const misled = this.#misled;
    const isMisled =
      misled?.name === name && this.#nursery.schedule.nowMs < misled.untilMs && founding !== '';
    if (isMisled) this.#nursery.rare.note('asked another keeper');
    return isMisled ? SECOND_KEEPER : KEEPER;
  }

  begin(): void {
    const [, keeper] = this.machines;
    if (keeper !== undefined) this.#nursery.startApart(keeper);
    this.#later();
  }

  end(): void {
    this.#isOver = true;
    this.#misled = null;
    for (const machine of this.machines) this.#nursery.crashNode(machine);
  }

  /** An impostor ends as it should; whatever else it ends with is a failure of the run. */
  stopped(node: NodeProcess, exit: string, cause: Error): void {
    check(
      exit === 'OTHER_CLUSTER',
      'one-founding',
      () => `${node.name} stops with ${exit}: ${cause.message}`,
    );
    this.#nursery.rare.note('an impostor is refused');
  }

  #later(): void {
    const { random, schedule, plan } = this.#nursery;
    schedule.after(plan.faultEveryMs * (1 + 3 * random.next()), () => {
      if (this.#isOver) return;
      this.#act();
      this.#later();
    });
  }

  #act(): void {
    const { random, schedule, plan, running } = this.#nursery;
    const [impostor] = this.machines;
    if (impostor === undefined) return;
    const { process } = impostor;
    if (process === null || process.isDead) {
      // A machine of its own each time, and the id of anybody, the keeper's data clusters among them.
      this.#claimed = random.pick([...plan.sizes.keys()].filter((id) => id !== KEEPER));
      impostor.hardware = this.#nursery.newHardware();
      this.#nursery.startApart(impostor);
    } else {
      check(
        process.founding === '',
        'one-founding',
        () => `${process.name} has founded a second ${this.#claimed}`,
      );
    }
    const some = running.length === 0 ? undefined : random.pick(running);
    if (some !== undefined)
      this.#misled = { name: some.name, untilMs: schedule.nowMs + MISLED_MS * random.next() };
  }
}
