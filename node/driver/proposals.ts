/** Client updates on their way into the log: gathered into batches, answered when applied, lost or refused. */
import { invariant, present } from '../../src/base/assert.ts';
import type { Stages } from '../../src/port/slow-requests.ts';
import { encodeBatch, isFollower } from '../../src/protocol/arakoon/batch.ts';
import { failure } from '../../src/protocol/arakoon/replies.ts';
import type { Answer } from '../../src/protocol/arakoon/values.ts';

/** Called exactly once per request. */
export type Respond = (answer: Answer) => void;

/** Largest batch that becomes one slot (bytes); a larger single update goes alone. */
const BATCH_BYTES_MAX = 1024 * 1024;
/** Updates in one batch at most, so that applying it stays short. */
const BATCH_UPDATES_MAX = 4096;
/** Updates that may wait for room in the window (bytes); beyond it they are refused, and nothing has happened. */
const WAITING_BYTES_MAX = 128 * 1024 * 1024;

/** A batch that consensus has; `chosenMs` 0 before it is chosen. */
type InFlight = { readonly responds: readonly Respond[]; readonly takenMs: number; chosenMs: number };

/** Queue of one node; `inFlight` are those that consensus has. */
export class Proposals {
  /** Hears of each batch that is taken, and how many updates it has. */
  taken: (updates: number) => void = () => undefined;
  #updates: Uint8Array[] = [];
  #responds: Respond[] = [];
  /** Until when each of them may wait (ms), and the earliest of these. */
  #untilMs: number[] = [];
  #earliestMs = Number.POSITIVE_INFINITY;
  #waitingBytes = 0;
  #nextId = 1;
  readonly #nowMs: () => number;
  readonly #inFlight = new Map<number, InFlight>();
  #settling: Stages | null = null;

  /** @param nowMs monotonic (ms) */
  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** Where the time of the updates went that are being answered now; null while none are. */
  get settling(): Stages | null {
    return this.#settling;
  }

  get waiting(): number {
    return this.#updates.length;
  }

  /** Bytes of what waits. */
  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  get inFlight(): number {
    return this.#inFlight.size;
  }

  /** Queues an encoded update, until `untilMs` at the latest; answers it at once where too much waits already. */
  add(update: Uint8Array, respond: Respond, untilMs = Number.POSITIVE_INFINITY): void {
    if (this.#waitingBytes + update.length > WAITING_BYTES_MAX) {
      respond(failure('GOING_DOWN', `overloaded: ${this.#waitingBytes} bytes of updates wait; not executed`));
      return;
    }
    this.#updates.push(update);
    this.#responds.push(respond);
    this.#untilMs.push(untilMs);
    this.#earliestMs = Math.min(this.#earliestMs, untilMs);
    this.#waitingBytes += update.length;
  }

  /** The same for the updates of a run, which go into one batch or are refused together. */
  addRun(
    updates: readonly Uint8Array[],
    responds: readonly Respond[],
    untilMs = Number.POSITIVE_INFINITY,
  ): void {
    const bytes = updates.reduce((sum, update) => sum + update.length, 0);
    if (this.#waitingBytes + bytes > WAITING_BYTES_MAX) {
      const refusal = `overloaded: ${this.#waitingBytes} bytes of updates wait; not executed`;
      for (const respond of responds) respond(failure('GOING_DOWN', refusal));
      return;
    }
    this.#updates.push(...updates);
    this.#responds.push(...responds);
    for (let count = 0; count < updates.length; count += 1) this.#untilMs.push(untilMs);
    this.#earliestMs = Math.min(this.#earliestMs, untilMs);
    this.#waitingBytes += bytes;
  }

  /** Answers with `answer` what has waited for as long as it may: no batch has it, so it was not executed. */
  expire(nowMs: number, answer: Answer): void {
    if (nowMs < this.#earliestMs) return;
    const [updates, responds, untilMs] = [this.#updates, this.#responds, this.#untilMs];
    this.#forgetWaiting();
    const late: Respond[] = [];
    for (const [index, update] of updates.entries()) {
      const respond = present(responds[index], 'respond');
      const until = present(untilMs[index], 'time');
      if (nowMs < until) this.add(update, respond, until);
      else late.push(respond);
    }
    for (const respond of late) respond(answer);
  }

  /** The next batch, now in flight under its id; null where nothing waits. */
  take(): { readonly id: number; readonly bytes: Uint8Array } | null {
    if (this.#updates.length === 0) return null;
    let count = 0;
    let size = 0;
    for (const update of this.#updates) {
      const isFull = size + update.length > BATCH_BYTES_MAX || count >= BATCH_UPDATES_MAX;
      if (isFull && count > 0 && !isFollower(update)) break; // a run stays together
      size += update.length;
      count += 1;
    }
    const all = count === this.#updates.length;
    const updates = all ? this.#updates : this.#updates.splice(0, count);
    const responds = all ? this.#responds : this.#responds.splice(0, count);
    if (all) this.#forgetWaiting();
    else {
      this.#untilMs.splice(0, count);
      this.#waitingBytes -= size;
    }
    this.taken(count);
    const id = this.#nextId;
    this.#nextId += 1;
    this.#inFlight.set(id, { responds, takenMs: this.#nowMs(), chosenMs: 0 });
    return { id, bytes: encodeBatch(updates) };
  }

  /** A batch is chosen, and will be applied. */
  chosen(id: number): void {
    const batch = this.#inFlight.get(id);
    if (batch !== undefined) batch.chosenMs = this.#nowMs();
  }

  /** Answers the updates of an applied batch, in order. */
  settle(id: number, answers: readonly Answer[]): void {
    const batch = this.#inFlight.get(id);
    if (batch === undefined) return; // answered before, as lost
    const { responds, takenMs, chosenMs } = batch;
    this.#inFlight.delete(id);
    invariant(answers.length === responds.length, 'every update of a batch has one answer', () => ({
      batch: id,
      updates: responds.length,
      answers: answers.length,
    }));
    this.#settling = { takenMs, chosenMs, appliedMs: this.#nowMs() };
    for (let i = 0; i < responds.length; i += 1)
      present(responds[i], 'respond')(present(answers[i], 'answer'));
    this.#settling = null;
  }

  /** Answers whole batches alike, whatever became of them. */
  abandon(ids: readonly number[], answer: Answer): void {
    for (const id of ids) {
      const { responds } = this.#inFlight.get(id) ?? { responds: [] };
      this.#inFlight.delete(id);
      for (const respond of responds) respond(answer);
    }
  }

  /** Answers everything that no batch has taken yet. */
  refuseWaiting(answer: Answer): void {
    const responds = this.#responds;
    this.#forgetWaiting();
    for (const respond of responds) respond(answer);
  }

  #forgetWaiting(): void {
    this.#updates = [];
    this.#responds = [];
    this.#untilMs = [];
    this.#earliestMs = Number.POSITIVE_INFINITY;
    this.#waitingBytes = 0;
  }

  /** Ids of all batches in flight. */
  ids(): number[] {
    return [...this.#inFlight.keys()];
  }
}
