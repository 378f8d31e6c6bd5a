/** Since when ranges are sealed here, by this node's own clock, which has no place in replicated state. For people only. */
import type { SealAge } from '../../src/protocol/admin/admin.ts';
import type { Slot } from '../paxos/values.ts';

/** A seal that is applied, and not yet released or taken back. */
export type Sealed = { readonly mid: number; readonly sealSlot: Slot };

/** Notes seals as they are applied. */
export class Seals {
  readonly #seals = new Map<number, { readonly atMs: number; readonly isExact: boolean }>();

  /**
   * To be called after each applied slot with the seals that there are. Who was not master when the seal was applied, or took it from
   * a log or a snapshot later, knows only that it is at least so old.
   */
  applied(sealed: readonly Sealed[], slot: Slot, isMaster: () => boolean, nowMs: number): void {
    if (sealed.length === 0 && this.#seals.size === 0) return;
    for (const { mid, sealSlot } of sealed) {
      if (this.#seals.has(mid)) continue;
      this.#seals.set(mid, { atMs: nowMs, isExact: sealSlot === slot && isMaster() });
    }
    for (const mid of [...this.#seals.keys()]) {
      if (!sealed.some((seal) => seal.mid === mid)) this.#seals.delete(mid);
    }
  }

  /** How long the range of `mid` has been sealed; null where it is not, as far as is known. */
  ageOf(mid: number, nowMs: number): SealAge | null {
    const seal = this.#seals.get(mid);
    return seal === undefined ? null : { ms: Math.round(nowMs - seal.atMs), isExact: seal.isExact };
  }
}
