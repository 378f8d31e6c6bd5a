/** Applies chosen values to the state machine in slot order, in slices that never hold the event loop for long. */
import { invariant, present } from '../../src/base/assert.ts';
import type { Answer } from '../../src/protocol/arakoon/values.ts';
import { encode } from '../../src/wire/codec.ts';
import { MEMBERS_KEY } from '../life/members-row.ts';
import type { Applied, Machine } from '../machine/machine.ts';
import type { Effect } from '../paxos/contract.ts';
import { type MembersState, membersStateCodec, type Slot } from '../paxos/values.ts';
import type { StoreKey, Work } from '../store/types.ts';
import type { DriverStore } from './world.ts';

/** Longest that applying goes on within one turn of the event loop (ms). */
const SLICE_MS = 2;

type Apply = Extract<Effect, { kind: 'apply' }>;

type Options = {
  readonly machine: Machine;
  readonly store: DriverStore;
  nowMs(): number;
  defer(run: () => void): void;
  /** After each slot, in order; the answers are those of its updates. */
  applied(effect: Apply, answers: readonly Answer[]): void;
  /** Nothing more is at hand; everything up to `slot` is applied. */
  drained(slot: Slot): void;
  failed(error: Error): void;
};

const NO_ANSWERS: readonly Answer[] = [];

function bytesOf({ value }: Apply): number {
  return value.kind === 'batch' ? value.bytes.length : 0;
}

/** Queue of what is chosen and not yet applied; consensus waits for `drained` before it fetches or proposes more; who holds it bounds what is learnt. */
export class Applier {
  readonly #options: Options;
  #machine: Machine;
  #queue: Apply[] = [];
  #queuedBytes = 0;
  #work: Work<Applied> | null = null;
  #members: MembersState | null = null;
  #running = false;
  #held = false;

  constructor(options: Options) {
    this.#options = options;
    this.#machine = options.machine;
  }

  get machine(): Machine {
    return this.#machine;
  }

  push(effect: Apply): void {
    this.#queue.push(effect);
    this.#queuedBytes += bytesOf(effect);
  }

  /** Applies nothing until `restart` or `release`: the store is being replaced. */
  hold(): void {
    this.#held = true;
  }

  get isHeld(): boolean {
    return this.#held;
  }

  /** Values that wait to be applied, and their bytes. */
  get queued(): { readonly slots: number; readonly bytes: number } {
    return { slots: this.#queue.length, bytes: this.#queuedBytes };
  }

  /** The store was not replaced: goes on where it was held. */
  release(): void {
    this.#held = false;
    this.run();
  }

  /** Goes on from another image: what was queued below it is dropped. */
  restart(machine: Machine): void {
    this.#machine = machine;
    this.#held = false;
    this.#work = null;
    this.#members = null;
    this.#queue = this.#queue.filter(({ slot }) => slot > this.#options.store.slot);
    this.#queuedBytes = this.#queue.reduce((sum, each) => sum + bytesOf(each), 0);
  }

  /** Applies what is at hand until the slice ends; then goes on in a later turn. */
  run(): void {
    if (this.#running || this.#held || this.#queue.length === 0) return;
    this.#running = true;
    try {
      this.#slice();
    } catch (error) {
      this.#options.failed(error as Error);
    } finally {
      this.#running = false;
    }
  }

  #slice(): void {
    const { nowMs, defer, drained, store } = this.#options;
    const untilMs = nowMs() + SLICE_MS;
    let done = 0;
    while (done < this.#queue.length) {
      if (store.overlayBytes > store.overlayBytesMax) break; // the flush calls again as it gets on
      if (nowMs() >= untilMs) {
        defer(() => this.run());
        break;
      }
      if (!this.#step(present(this.#queue[done], 'queued slot'), untilMs)) {
        defer(() => this.run());
        break;
      }
      done += 1;
    }
    if (done === 0) return;
    const last = present(this.#queue[done - 1], 'applied slot').slot;
    for (const applied of this.#queue.splice(0, done)) this.#queuedBytes -= bytesOf(applied);
    drained(last);
  }

  /** Applies one slot, or a part of it; says whether it is finished. */
  #step(effect: Apply, untilMs: number): boolean {
    const { store, nowMs, applied } = this.#options;
    invariant(effect.slot === store.slot + 1, 'slots are applied in order', () => ({
      slot: effect.slot,
      applied: store.slot,
    }));
    if (effect.value.kind !== 'batch') {
      store.commit(this.#membersChange(effect), effect.slot);
      applied(effect, NO_ANSWERS);
      return true;
    }
    this.#work ??= this.#machine.apply(effect.slot, effect.value.bytes);
    const work = this.#work;
    let next = work.next();
    while (next.done !== true && nowMs() < untilMs) next = work.next();
    if (next.done !== true) return false;
    this.#work = null;
    const { changes, answers, commit } = next.value;
    store.commit(changes, effect.slot);
    commit();
    applied(effect, answers);
    return true;
  }

  #membersChange(effect: Apply): Map<StoreKey, Uint8Array> {
    if (effect.members === this.#members) return new Map();
    this.#members = effect.members;
    return new Map([[MEMBERS_KEY, encode(membersStateCodec, effect.members)]]);
  }
}
