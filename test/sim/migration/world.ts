/** Virtual time and a network that loses, doubles, delays and reorders. */
import type { Random } from '../../support/random.ts';

type Due = { readonly atMs: number; readonly order: number; readonly run: () => void };

/** Events in order of time; equal times in the order in which they were asked for. */
export class World {
  readonly random: Random;
  #heap: Due[] = [];
  #order = 0;
  #nowMs = 0;
  /** Whether the network misbehaves. */
  isFaulty = true;

  constructor(random: Random) {
    this.random = random;
  }

  get nowMs(): number {
    return this.#nowMs;
  }

  after(delayMs: number, run: () => void): void {
    this.#order += 1;
    this.#push({ atMs: this.#nowMs + Math.max(delayMs, 0), order: this.#order, run });
  }

  /** Runs what is due up to `untilMs`, or until `isOver` says so. */
  run(untilMs: number, isOver: () => boolean): void {
    for (;;) {
      const due = this.#heap[0];
      if (due === undefined || due.atMs > untilMs || isOver()) break;
      this.#pop();
      this.#nowMs = due.atMs;
      due.run();
    }
  }

  /** Carries something once, mostly: perhaps never, perhaps twice, perhaps seconds later. */
  carry(deliver: () => void): void {
    const { random } = this;
    if (this.isFaulty && random.chance(0.03)) return;
    const copies = this.isFaulty && random.chance(0.06) ? 2 : 1;
    for (let copy = 0; copy < copies; copy += 1) {
      const isLate = this.isFaulty && random.chance(copy === 1 ? 0.4 : 0.02);
      this.after(isLate ? 50 + random.below(2500) : 1 + random.below(8), deliver);
    }
  }

  #push(due: Due): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(due);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(due, heap[parent] as Due)) break;
      heap[at] = heap[parent] as Due;
      at = parent;
    }
    heap[at] = due;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop() as Due;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1] as Due, heap[child] as Due)) child += 1;
      if (!isBefore(heap[child] as Due, last)) break;
      heap[at] = heap[child] as Due;
      at = child;
    }
    heap[at] = last;
  }
}

function isBefore(a: Due, b: Due): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}
