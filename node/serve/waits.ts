/**
 * How long updates of clients waited at this node lately, from when it took them in until it answered. Told behind each answer to a
 * page of a move, whose copy gives way by it. By this node's own clock: no state machine knows of it.
 */
import { type AdminCommand, waitedBehind } from '../../src/protocol/admin/admin.ts';
import type { Request } from '../../src/protocol/arakoon/requests.ts';
import type { Answer } from '../../src/protocol/arakoon/values.ts';
import type { Respond } from '../driver/proposals.ts';

/** Lately: in this half second and the one before (ms). A copy that has given way waits for longer before it looks again. */
const HALF_MS = 500;
/** One in a hundred waited longer. */
const SHARE = 0.99;
/** Times are counted in steps, so many to each doubling, from the shortest up to a few minutes: what is told is a fifth too long at most. */
const STEPS = 4;
const SHORTEST_MS = 0.125;
const COUNTED = 84;

/** Of one node. */
export class Waits {
  readonly #nowMs: () => number;
  #sinceMs: number;
  #counts = new Uint32Array(COUNTED);
  #before = new Uint32Array(COUNTED);

  /** @param nowMs monotonic (ms) */
  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
    this.#sinceMs = nowMs();
  }

  /**
   * What hears the answer to an update: its time is counted where it is a client's, and told where it is a page's. Whoever holds
   * answers back on purpose does so behind it.
   */
  heard(request: Request, respond: Respond): Respond {
    if (request.kind === 'adminCommand')
      return isOfCopy(request.command) ? (answer) => respond(this.told(answer)) : respond;
    const begunMs = this.#nowMs();
    return (answer) => {
      this.#add(this.#nowMs() - begunMs);
      respond(answer);
    };
  }

  /** An answer to a page, or to a read of one, that says how long requests waited. */
  told(answer: Answer): Answer {
    const { waitedMs } = this;
    const behind = waitedMs === 0 ? null : waitedBehind(answer.bytes, waitedMs);
    return behind === null ? answer : { ...answer, rest: [...(answer.rest ?? []), behind] };
  }

  /** What one in a hundred of the last second's updates waited at least, or the longest of few (ms, whole); 0: there was none. */
  get waitedMs(): number {
    this.#turn();
    const [now, before] = [this.#counts, this.#before];
    let left = 0;
    for (let at = 0; at < COUNTED; at += 1) left += (now[at] as number) + (before[at] as number);
    if (left === 0) return 0;
    left = Math.ceil(left * SHARE);
    let step = 0;
    for (; step < COUNTED - 1; step += 1) {
      left -= (now[step] as number) + (before[step] as number);
      if (left <= 0) break;
    }
    return Math.ceil(SHORTEST_MS * 2 ** (step / STEPS));
  }

  #add(waitedMs: number): void {
    this.#turn();
    const step = waitedMs <= SHORTEST_MS ? 0 : Math.ceil(STEPS * Math.log2(waitedMs / SHORTEST_MS));
    const at = Math.min(step, COUNTED - 1);
    this.#counts[at] = (this.#counts[at] as number) + 1;
  }

  #turn(): void {
    const nowMs = this.#nowMs();
    const ageMs = nowMs - this.#sinceMs;
    if (ageMs < HALF_MS) return;
    const old = this.#before;
    this.#before = this.#counts;
    this.#counts = old.fill(0);
    if (ageMs >= 2 * HALF_MS) this.#before.fill(0);
    this.#sinceMs = nowMs;
  }
}

/** What a copy hears of: the command it begins with, while nothing of it is under way yet, and its pages. */
function isOfCopy(command: AdminCommand): boolean {
  const { kind } = command.kind === 'under' ? command.command : command;
  return kind === 'beginImport' || kind === 'page';
}
