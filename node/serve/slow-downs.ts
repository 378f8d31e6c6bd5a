/** Writers of a range that moves are slowed where they outrun the copy; asked for by the coordinator, second by second. */

import { contains, type Range } from '../../src/keyspace/range.ts';
import type { Request } from '../../src/protocol/arakoon/requests.ts';
import type { Respond } from '../driver/proposals.ts';
import type { Machine } from '../machine/machine.ts';

/** A request to slow down is forgotten after this long, so that a dead coordinator slows nobody (ms). */
const FORGET_MS = 1000;
/** Longest that one answer is held back (ms). */
const DELAY_MAX_MS = 100;

type SlowDown = { readonly range: Range; readonly delayMs: number; readonly untilMs: number };

/**
 * At one master; never replicated. It holds back the answer, not the update: a client that waits for its answers
 * is slowed all the same, and updates of one connection still take effect in their order.
 */
export class SlowDowns {
  readonly #byMid = new Map<number, SlowDown>();
  readonly #nowMs: () => number;
  readonly #later: (delayMs: number, run: () => void) => void;

  constructor(nowMs: () => number, later: (delayMs: number, run: () => void) => void) {
    this.#nowMs = nowMs;
    this.#later = later;
  }

  /** Slows writers of the range that migration `mid` exports from here; nothing where it exports none. */
  set(mid: number, delayMs: number, machine: Machine): void {
    const range = machine.exportRange(mid);
    if (range === null) return;
    const untilMs = this.#nowMs() + FORGET_MS;
    this.#byMid.set(mid, { range, delayMs: Math.min(delayMs, DELAY_MAX_MS), untilMs });
  }

  /** `respond` itself, or one that waits. Sequences and prefix deletes are not looked into: they are few. */
  slowed(request: Request, respond: Respond): Respond {
    const delayMs = this.#delayOf(request);
    return delayMs === 0 ? respond : (answer) => this.#later(delayMs, () => respond(answer));
  }

  #delayOf(request: Request): number {
    if (this.#byMid.size === 0 || !('key' in request)) return 0;
    const nowMs = this.#nowMs();
    let delayMs = 0;
    for (const [mid, slowDown] of this.#byMid) {
      if (slowDown.untilMs <= nowMs) this.#byMid.delete(mid);
      else if (contains(slowDown.range, request.key)) delayMs = Math.max(delayMs, slowDown.delayMs);
    }
    return delayMs;
  }
}
