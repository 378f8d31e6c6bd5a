/**
 * Who is not who it says: a cluster with the id of another one (a copied file, an empty home, one that lived by itself and owns
 * rows), two foundings that race for one id, which is removed now and then, and a second keeper of the same name, to which the
 * addresses of some nodes lead for a while.
 */

import { encodeUpdate } from '../../../src/protocol/arakoon/updates.ts';
import { check } from '../base/violation.ts';
import { Asker } from './asker.ts';
import { Host } from './host.ts';
import type { NodeProcess } from './node-process.ts';
import type { Machine, Nursery } from './nursery.ts';
import { FOREIGN_VALUE, IMPOSTOR, KEEPER, RACED, RACERS, SECOND_KEEPER } from './watch.ts';

/** How long a node looks for the keeper at wrong addresses, at most (virtual ms). */
const MISLED_MS = 8000;
/** Two that race are started so far apart, at most (virtual ms). */
const RACE_MS = 100;
/** How often something happens in the race, of the times that something happens here. */
const RACE_SHARE = 0.5;
/** Rows that a cluster has which lived by itself. */
const FOREIGN_ROWS = 3;

export class Impostors {
  readonly machines: readonly Machine[];
  readonly #nursery: Nursery;
  readonly #impostor: Machine;
  readonly #secondKeeper: Machine;
  readonly #racers: readonly Machine[];
  #claimed = 'A';
  /** What the impostor is: an empty home; one that lives by itself at present; or the same one, with the file of another cluster. */
  #kind: 'empty' | 'alone' | 'staging' = 'empty';
  /** The impostor may have heard a new keeper, which nobody had told yet who is who. */
  #isEarly = false;
  #isOver = false;
  #misled: { readonly name: string; readonly untilMs: number } | null = null;
  #host: Host | null = null;

  constructor(nursery: Nursery) {
    this.#nursery = nursery;
    const machine = (cluster: string): Machine => ({
      cluster,
      name: `${cluster}1`,
      isLearner: false,
      isSpare: false,
      wished: [`${cluster}1`],
      hardware: nursery.newHardware(),
      process: null,
    });
    this.#impostor = machine(IMPOSTOR);
    this.#secondKeeper = machine(SECOND_KEEPER);
    this.#racers = RACERS.map(machine);
    this.machines = [this.#impostor, this.#secondKeeper, ...this.#racers];
  }

  has(name: string): boolean {
    return this.machines.some((machine) => machine.name === name);
  }

  /** The cluster id in the file of a node. */
  idOf(cluster: string): string {
    if (cluster === IMPOSTOR) return this.#claimed;
    if (RACERS.includes(cluster)) return RACED;
    return cluster === SECOND_KEEPER ? KEEPER : cluster;
  }

  /** Whether the file of a node has a `[nursery]`. */
  hasNursery(cluster: string): boolean {
    return cluster !== IMPOSTOR || this.#kind !== 'alone';
  }

  /** Which keeper a node's file leads to at present. */
  keeperOf({ name, cluster, founding }: NodeProcess): string {
    if (cluster === SECOND_KEEPER) return SECOND_KEEPER;
    const misled = this.#misled;
    // A founding that no keeper has bound yet would belong to whomever it hears first.
    const own = this.#nursery.watch.clusters.get(cluster);
    const isBound = own === undefined || own.state?.bound != null;
    const isMisled =
      misled?.name === name && this.#nursery.schedule.nowMs < misled.untilMs && founding !== '' && isBound;
    if (isMisled) this.#nursery.rare.note('asked another keeper');
    return isMisled ? SECOND_KEEPER : KEEPER;
  }

  begin(): void {
    this.#nursery.startApart(this.#secondKeeper);
    this.#host = new Host(this.#nursery.schedule, 'op', 0);
    this.#later();
  }

  end(): void {
    this.#isOver = true;
    this.#misled = null;
    this.#host?.die();
    for (const machine of this.machines) this.#nursery.crashNode(machine);
  }

  /** Nobody claims that id any more, for it is going to be free. */
  leave(id: string): void {
    if (this.#claimed === id) this.#nursery.crashNode(this.#impostor);
    // A new keeper knows of nobody yet.
    if (id === KEEPER) this.#isEarly = true;
  }

  /** An impostor ends as it should; whatever else it ends with is a failure of the run. */
  stopped(node: NodeProcess, exit: string, cause: Error): void {
    const { rare } = this.#nursery;
    check(
      exit === 'OTHER_CLUSTER',
      'one-founding',
      () => `${node.name} stops with ${exit}: ${cause.message}`,
    );
    check(
      node.cluster !== IMPOSTOR || this.#kind === 'empty' || this.#isEarly,
      'one-founding',
      () => `${node.name} lived by itself, owns rows, and stops: ${cause.message}`,
    );
    if (node.cluster === IMPOSTOR) rare.note('an impostor is refused');
    else if (node.founding === '') rare.note('an empty home comes too late in a race');
    else if (/removed from the nursery/.test(cause.message)) rare.note('a removed founding stops');
    else rare.note('a founding has lost its race');
  }

  #later(): void {
    const { random, schedule, plan } = this.#nursery;
    schedule.after(plan.faultEveryMs * (1 + 3 * random.next()), () => {
      if (this.#isOver) return;
      this.#impersonate();
      if (this.#nursery.random.chance(RACE_SHARE)) this.#race();
      this.#mislead();
      this.#later();
    });
  }

  // ── Somebody with the id of another cluster ──────────────────────────────────────────────────────────────

  #impersonate(): void {
    const { random, plan, rare } = this.#nursery;
    const process = this.#nursery.nodeAt(this.#impostor.name);
    if (process === null) this.#isEarly = false;
    this.#isEarly ||= this.#nursery.rescues.isUnderWay(KEEPER);
    if (process === null) {
      // A machine of its own each time, and the id of anybody, the keeper's data clusters among them.
      // Whoever has the id of a cluster that is lost is the new one of that name.
      const ids = [...plan.sizes.keys()].filter(
        (id) => id !== KEEPER && !this.#nursery.rescues.isUnderWay(id),
      );
      if (ids.length === 0) return;
      this.#claimed = random.pick(ids);
      this.#kind = random.chance(0.3) ? 'alone' : 'empty';
      this.#begin(this.#impostor);
      return;
    }
    switch (this.#kind) {
      case 'empty':
        check(
          process.founding === '' || this.#isEarly,
          'one-founding',
          () => `${process.name} has founded a second ${this.#claimed}`,
        );
        return;
      case 'alone':
        if (!process.driver.mayRead()) return;
        if (process.driver.machine.owned().length > 0 && this.#hasRows) {
          // Its operator edits its file, and starts it again.
          this.#nursery.crashNode(this.#impostor);
          this.#kind = 'staging';
          this.#nursery.startApart(this.#impostor);
        } else this.#writeRows(process);
        return;
      case 'staging':
        if (process.notes.some((note) => note.includes('in no nursery'))) {
          rare.note('a cluster that lived by itself goes on, in no nursery');
          this.#nursery.crashNode(this.#impostor);
        }
    }
  }

  get #hasRows(): boolean {
    return this.#nursery.watch.cluster(IMPOSTOR).data.size > 0;
  }

  #writeRows({ driver }: NodeProcess): void {
    for (let row = 0; row < FOREIGN_ROWS; row += 1) {
      const value = Buffer.from(`${FOREIGN_VALUE} ${row}`);
      driver.propose(encodeUpdate({ kind: 'set', key: `k${row}`, value }), () => undefined);
    }
  }

  /** An empty home, and with it another cluster than before. */
  #begin(machine: Machine): void {
    machine.hardware = this.#nursery.newHardware();
    this.#nursery.watch.anew(machine.cluster);
    this.#nursery.startApart(machine);
  }

  // ── Two with one id ──────────────────────────────────────────────────────────────────────────────────────

  #race(): void {
    const { random, schedule, watch } = this.#nursery;
    const inForce = watch.keeper?.identities.get(RACED)?.founding ?? '';
    if (inForce !== '' && random.chance(0.3)) this.#remove();
    for (const machine of this.#racers) {
      schedule.after(random.next() * RACE_MS, () => {
        if (this.#isOver || this.#nursery.nodeAt(machine.name) !== null) return;
        // With what its home holds: a founding that has lost, or one that was removed; or emptied.
        if (random.chance(0.4)) this.#nursery.startApart(machine);
        else this.#begin(machine);
      });
    }
  }

  #remove(): void {
    if (this.#host === null) return;
    const command = { kind: 'dropCluster', cluster: RACED } as const;
    new Asker(this.#nursery, this.#host, [KEEPER]).ask(KEEPER, { kind: 'command', command }, (answer) => {
      if (typeof answer !== 'string' && answer.kind === 'ok') this.#nursery.rare.note('an id is freed');
    });
  }

  // ── A second keeper ──────────────────────────────────────────────────────────────────────────────────────

  #mislead(): void {
    const { random, schedule, running } = this.#nursery;
    const some = running.length === 0 ? undefined : random.pick(running);
    if (some !== undefined)
      this.#misled = { name: some.name, untilMs: schedule.nowMs + MISLED_MS * random.next() };
  }
}
