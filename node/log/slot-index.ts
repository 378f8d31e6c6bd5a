/** Where in a segment the last record of each slot lies. Compact for runs of slots, and no matter how far they jump. Pure. */
import type { Slot } from '../paxos/values.ts';

const PAGE_SLOTS = 1024;

/** Four bytes per slot in pages of 1,024 slots. Offsets are positive and below 4 GiB. */
export class SlotIndex {
  readonly #pages = new Map<number, Uint32Array>();
  /** The page last used: slots come in runs. */
  #lastPage: Uint32Array | undefined;
  #lastNumber = -1;
  #lowest = 0;
  #highest = 0;

  /** Lowest slot of the segment, 0 where it holds none. */
  get lowest(): Slot {
    return this.#lowest;
  }

  /** Highest slot of the segment, 0 where it holds none. */
  get highest(): Slot {
    return this.#highest;
  }

  /** Notes the newest record of `slot`, in the order of the log. */
  set(slot: Slot, offset: number): void {
    const number = Math.floor(slot / PAGE_SLOTS);
    let page = this.#page(number);
    if (page === undefined) {
      page = new Uint32Array(PAGE_SLOTS);
      this.#pages.set(number, page);
      this.#lastPage = page;
    }
    page[slot - number * PAGE_SLOTS] = offset;
    if (slot > this.#highest) this.#highest = slot;
    if (slot < this.#lowest || this.#lowest === 0) this.#lowest = slot;
  }

  /** Offset of the newest record of `slot` in this segment, 0 where there is none. */
  get(slot: Slot): number {
    const number = Math.floor(slot / PAGE_SLOTS);
    return this.#page(number)?.[slot - number * PAGE_SLOTS] ?? 0;
  }

  #page(number: number): Uint32Array | undefined {
    if (number !== this.#lastNumber) {
      this.#lastNumber = number;
      this.#lastPage = this.#pages.get(number);
    }
    return this.#lastPage;
  }
}
