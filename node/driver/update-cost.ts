/** What an update costs this node: messages sent and disk syncs, averaged over the last thousand or two. Pure. */

/** Counted since the start. */
export type CostTotals = {
  /** Updates of clients that were applied. */
  readonly updates: number;
  readonly messages: number;
  /** Of the log and of the store. */
  readonly syncs: number;
};

/** Updates over which is averaged, at least. */
const WINDOW_UPDATES = 1000;
const NOTHING: CostTotals = { updates: 0, messages: 0, syncs: 0 };

/** Keeps two marks, the older of them at least a window back. */
export class UpdateCost {
  #older = NOTHING;
  #newer = NOTHING;

  /** Whether it is time for `note`. */
  isDue(updates: number): boolean {
    return updates - this.#newer.updates >= WINDOW_UPDATES;
  }

  note(now: CostTotals): void {
    this.#older = this.#newer;
    this.#newer = now;
  }

  /** Messages and syncs per update; 0 before the first update. */
  since(now: CostTotals): { readonly messages: number; readonly syncs: number } {
    const updates = now.updates - this.#older.updates;
    if (updates === 0) return { messages: 0, syncs: 0 };
    return {
      messages: (now.messages - this.#older.messages) / updates,
      syncs: (now.syncs - this.#older.syncs) / updates,
    };
  }
}
