/** A cluster as one linearizable state machine: the real one, over a store that keeps a few old images. */
import { Machine } from '../../../node/machine/machine.ts';
import type { SystemState } from '../../../node/machine/system-state.ts';
import type { View, Work } from '../../../node/store/types.ts';
import {
  type AdminAnswer,
  type AdminCommand,
  type AdminQuery,
  decodeAnswer,
} from '../../../src/protocol/admin/admin.ts';
import { encodeBatch } from '../../../src/protocol/arakoon/batch.ts';
import { encodeUpdate, type Update } from '../../../src/protocol/arakoon/updates.ts';
import type { Answer } from '../../../src/protocol/arakoon/values.ts';
import { NO_RUNNER } from '../../support/no-runner.ts';
import type { Random } from '../../support/random.ts';
import { TinyStore } from './tiny-store.ts';

/** An update in a cluster's queue, and who wants its answer. */
export type Queued = { readonly update: Update; readonly answer: (answer: Answer) => void };

/** One applied slot. */
export type AppliedSlot = {
  readonly before: SystemState;
  readonly updates: readonly Update[];
  readonly answers: readonly Answer[];
};

export class SimCluster {
  readonly id: string;
  readonly store: TinyStore;
  #machine: Machine;
  readonly #random: Random;

  constructor(
    id: string,
    random: Random,
    store: TinyStore = new TinyStore(Machine.found(Machine.genesis({ nursery: true }))),
  ) {
    this.id = id;
    this.#random = random;
    this.store = store;
    this.#machine = new Machine(this.store, NO_RUNNER);
  }

  get state(): SystemState {
    return this.#machine.state;
  }

  get machine(): Machine {
    return this.#machine;
  }

  /** Another node becomes master: all that it knows is the image. */
  failOver(): void {
    this.#machine = new Machine(this.store, NO_RUNNER);
  }

  /** Applies one slot. */
  apply(updates: readonly Update[]): AppliedSlot {
    const before = this.#machine.state;
    const batch = encodeBatch(updates.map(encodeUpdate));
    const applied = drain(this.#machine.apply(this.store.image.slot + 1, batch));
    this.store.commit(applied.changes);
    applied.commit();
    return { before, updates, answers: applied.answers };
  }

  /** A command on its own, at once: for what the simulation itself decides. */
  command(command: AdminCommand): AdminAnswer {
    const { answers } = this.apply([{ kind: 'admin', command }]);
    return decodeAnswer((answers[0] as Answer).bytes);
  }

  /** As the master answers, or a node that lags behind it by some slots. */
  query(query: AdminQuery, node: string): Answer {
    const lag = node === 'any' && this.#random.chance(0.5) ? this.#random.below(12) : 0;
    const image = this.store.lagging(lag);
    const result = this.#machine.query(query, image.slot, image);
    return 'bytes' in result ? result : drain(result);
  }

  read(key: string, view: View): Answer {
    const request = { kind: 'get', key, consistency: { kind: 'consistent' } } as const;
    const result = this.#machine.read(request, view);
    return 'bytes' in result ? result : drain(result);
  }
}

/** Runs work to its end. */
export function drain<T>(work: Work<T>): T {
  for (;;) {
    const step = work.next();
    if (step.done === true) return step.value;
  }
}
