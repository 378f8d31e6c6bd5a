/** Virtual time, for every simulation: what is to happen, in order. */

type Entry = { readonly atMs: number; readonly order: number; readonly run: () => void };

/** A run in which more happens goes in circles. */
const HAPPENED_MAX = 5_000_000;

/** A queue of things to happen, by virtual time and then by when they were asked for. */
export class Schedule {
  readonly #heap: Entry[] = [];
  #soon: (() => void)[] = [];
  #order = 0;
  #happened = 0;
  #nowMs = 0;

  /** Virtual time since the beginning (ms). */
  get nowMs(): number {
    return this.#nowMs;
  }

  /** Runs `run` at this very moment, behind what was asked for so before. */
  soon(run: () => void): void {
    this.#soon.push(run);
  }

  /** Runs `run` `delayMs` from now. */
  after(delayMs: number, run: () => void): void {
    this.at(this.#nowMs + delayMs, run);
  }

  /** Runs `run` at `atMs`; at once where that is past. */
  at(atMs: number, run: () => void): void {
    this.#order += 1;
    this.#push({ atMs: Math.max(atMs, this.#nowMs), order: this.#order, run });
  }

  /** Lets time pass up to `untilMs`, or until `isDone` says so between two things. */
  run(untilMs: number, isDone: () => boolean = () => false): void {
    for (;;) {
      while (this.#soon.length > 0) {
        const soon = this.#soon;
        this.#soon = [];
        this.#happened += soon.length;
        if (this.#happened > HAPPENED_MAX) throw new Error('time stands still');
        for (const run of soon) run();
      }
      const next = this.#heap[0];
      if (next === undefined || next.atMs > untilMs || isDone()) break;
      this.#pop();
      this.#happened += 1;
      if (this.#happened > HAPPENED_MAX) throw new Error('time stands still');
      this.#nowMs = next.atMs;
      next.run();
    }
    if (!isDone()) this.#nowMs = Math.max(this.#nowMs, untilMs);
  }

  #push(entry: Entry): void {
    const heap = this.#heap;
    let at = heap.push(entry) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(entry, heap[parent] as Entry)) break;
      heap[at] = heap[parent] as Entry;
      at = parent;
    }
    heap[at] = entry;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = at * 2 + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1] as Entry, heap[child] as Entry)) child += 1;
      if (!isBefore(heap[child] as Entry, last)) break;
      heap[at] = heap[child] as Entry;
      at = child;
    }
    heap[at] = last;
  }
}

function isBefore(a: Entry, b: Entry): boolean {
  return a.atMs !== b.atMs ? a.atMs < b.atMs : a.order < b.order;
}
