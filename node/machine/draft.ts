/** The state of the machine while a slot is evaluated: invisible to everybody else until it is committed. */

import { contains } from '../../src/keyspace/range.ts';
import type { AdminCommand } from '../../src/protocol/admin/admin.ts';
import type { StoreKey, View } from '../store/types.ts';
import { type FunctionRunner, SLOT_BYTES_MAX, SLOT_WORK_MAX } from './function-call.ts';
import { Ownership } from './ownership.ts';
import { Pace } from './pace.ts';
import { inForce, type SystemState, storeState } from './system-state.ts';
import { SlotTransaction } from './transaction.ts';

/** What commands and updates of one slot work on. */
export class Draft {
  readonly slot: number;
  readonly tx: SlotTransaction;
  readonly pace = new Pace();
  readonly runner: FunctionRunner;
  /** What calls of functions may still do in this slot: work in units of the engine, bytes of keys and values written. */
  readonly calls = { workLeft: SLOT_WORK_MAX, bytesLeft: SLOT_BYTES_MAX };
  /** Rows of this slot's image that every replica is to take the digest of, once it is committed. */
  scrub: Extract<AdminCommand, { kind: 'scrub' }> | null = null;
  readonly #before: SystemState;
  #state: SystemState;
  #ownership: Ownership;

  constructor(view: View, slot: number, state: SystemState, ownership: Ownership, runner: FunctionRunner) {
    this.slot = slot;
    this.tx = new SlotTransaction(view);
    this.runner = runner;
    this.#before = state;
    this.#state = state;
    this.#ownership = ownership;
    this.#watchExports();
  }

  get state(): SystemState {
    return this.#state;
  }

  get ownership(): Ownership {
    return this.#ownership;
  }

  /** Replaces parts of the state. */
  update(parts: Partial<SystemState>): void {
    this.#state = { ...this.#state, ...parts };
    if (parts.owned !== undefined || parts.unconfirmed !== undefined)
      this.#ownership = new Ownership(inForce(this.#state));
    if (parts.exports !== undefined) this.#watchExports();
  }

  /** Everything to be committed, the state's own rows included. */
  finish(): Map<StoreKey, Uint8Array | null> {
    storeState(this.#before, this.#state, (key, value) => this.tx.put(key, value));
    return this.tx.changes;
  }

  /** The rows of ranges that are exported are watched, so that every change of them can be entered. */
  #watchExports(): void {
    const ranges = [...this.#state.exports.values()];
    this.tx.watch(ranges.length === 0 ? null : (key) => ranges.some((range) => contains(range, key)));
  }
}
