/**
 * Two clusters of one name that were founded apart, and hear each other: one of them must not go on. In a nursery the keeper knows
 * which; where it does not say so in time, or there is none, this one stops, and an operator decides.
 */
import type { SystemState } from '../machine/system-state.ts';
import type { Effect } from '../paxos/contract.ts';

/** How long the keeper may take to say which is in force (ms). */
const KEEPER_MS = 5000;

type Stop = Extract<Effect, { kind: 'stop' }>;

/** A stop that waits for what the keeper says. */
export class Apart {
  readonly #nowMs: () => number;
  #stop: (Stop & { readonly untilMs: number }) | null = null;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** @param bound null, or to itself: nobody is above this cluster, and could know */
  asksFirst(stop: Stop, bound: SystemState['bound']): boolean {
    if (stop.inForce === undefined || bound === null || bound.mine === bound.keeper.founding) return false;
    this.#stop = { ...stop, untilMs: this.#stop?.untilMs ?? this.#nowMs() + KEEPER_MS };
    return true;
  }

  /** Whether the keeper is to be asked at once. */
  get isOpen(): boolean {
    return this.#stop !== null;
  }

  /** The keeper says that this node's founding is in force. @returns what an operator should know, '' where nothing waited for that */
  settle(): string {
    const inForce = this.#stop?.inForce ?? '';
    this.#stop = null;
    return inForce;
  }

  /** Why this node must stop; null where it need not, or not yet. */
  get over(): string | null {
    return this.#stop !== null && this.#nowMs() >= this.#stop.untilMs ? this.#stop.why : null;
  }
}
