/** The driver of a node, with a judge between it and whoever waits for the answers to updates. */
import { Driver } from '../../../node/driver/driver.ts';
import type { Respond } from '../../../node/driver/proposals.ts';
import type { World } from '../../../node/driver/world.ts';
import type { Machine } from '../../../node/machine/machine.ts';
import type { Replica } from '../../../node/paxos/step.ts';
import type { Rare } from '../base/rare.ts';
import type { Served } from './served.ts';

/** Of a batch at most (node/driver/proposals.ts). */
const BATCH_BYTES = 1024 * 1024;

export class WatchedDriver extends Driver {
  readonly #served: Served;
  readonly #rare: Rare;

  constructor(world: World, replica: Replica, machine: Machine, served: Served, rare: Rare) {
    super(world, replica, machine);
    this.#served = served;
    this.#rare = rare;
  }

  override propose(update: Uint8Array, respond: Respond, untilMs?: number): void {
    super.propose(update, this.#served.update(update, respond), untilMs);
    this.#count();
  }

  override proposeRun(updates: readonly Uint8Array[], responds: readonly Respond[], untilMs?: number): void {
    const judged = updates.map((update, index) => this.#served.update(update, responds[index] as Respond));
    super.proposeRun(updates, judged, untilMs);
    if (updates.length > 4) this.#rare.note('run of more than four updates');
    this.#count();
  }

  #count(): void {
    if (this.proposals.waitingBytes > BATCH_BYTES) this.#rare.note('more than one batch waits');
  }
}
