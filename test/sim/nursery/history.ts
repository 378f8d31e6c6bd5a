/** What clients called and were answered, and what of it the clusters applied. */

import { present } from '../../../src/base/assert.ts';
import { printKey } from '../../../src/base/bytes.ts';
import { RETURN_CODES } from '../../../src/base/errors.ts';
import { returnCodeOf } from '../../../src/protocol/arakoon/values.ts';
import type { Rare } from '../base/rare.ts';
import { check, Violation } from '../base/violation.ts';
import { optionOf } from './asking.ts';
import type { RowChange } from './cluster-history.ts';
import { checkKey, type KeyOperation } from './linearizability.ts';
import { type Operation, type Seen, writerOf } from './operation.ts';

/** One call of a client. */
export type Call = {
  readonly operation: Operation;
  readonly client: string;
  /** The connection, where what is sent on it takes effect in order; null where nothing says so. */
  readonly stream: string | null;
  /** The cluster, where one of its nodes was asked; null through a router. */
  readonly cluster: string | null;
  readonly calledAt: number;
  readonly calledMs: number;
  answeredAt: number;
  answeredMs: number;
  seen: Seen | null;
  /** Return code, or how it ended without one. */
  answer: string;
  /** The answer says that there is no such function; or that the call needs a key, since clusters share the keys. */
  isUnknown: boolean;
  isUnplaced: boolean;
  /** Cluster and slot in which it took effect first. */
  appliedIn: string | null;
  appliedBy: string | null;
  appliedSlot: number;
  /** Which of the updates of that slot it was, from 1; 0 where nobody knows. */
  appliedPosition: number;
};

/** A key of which nothing can be said within the bounds of the judge. */
export const UNDECIDED = 'key too entangled to judge';

/** Lines of a history that a failure shows. */
const SHOWN_MAX = 60;

export class History {
  readonly calls: Call[] = [];
  readonly #byId = new Map<number, Call>();
  readonly #rare: Rare;
  readonly #keys: readonly string[];
  /** What an order made of a key, and when. */
  /** Place in the order of calls and answers; from there on a function that was found may be missing. */
  #burntAt = Number.POSITIVE_INFINITY;
  /** From there on a call may be refused since clusters share the keys. */
  #partedAt = Number.POSITIVE_INFINITY;
  /** By function: since when it may be missing, and since when it must be. */
  readonly #goesAt = new Map<string, number>();
  readonly #goneAt = new Map<string, number>();
  readonly #resets: { readonly key: string; readonly at: number; readonly value: string | null }[] = [];
  #order = 0;
  #pending = 0;

  /** @param keys all that operations may name */
  constructor(rare: Rare, keys: readonly string[]) {
    this.#rare = rare;
    this.#keys = keys;
  }

  /** Calls without an end yet. */
  get pending(): number {
    return this.#pending;
  }

  called(
    client: string,
    operation: Operation,
    nowMs: number,
    { stream, cluster }: Pick<Call, 'stream' | 'cluster'> = { stream: null, cluster: null },
  ): Call {
    this.#order += 1;
    this.#pending += 1;
    const call: Call = {
      operation,
      client,
      stream,
      cluster,
      calledAt: this.#order,
      calledMs: nowMs,
      answeredAt: Number.POSITIVE_INFINITY,
      answeredMs: Number.POSITIVE_INFINITY,
      seen: null,
      answer: '',
      isUnknown: false,
      isUnplaced: false,
      appliedIn: null,
      appliedBy: null,
      appliedSlot: 0,
      appliedPosition: 0,
    };
    this.calls.push(call);
    this.#byId.set(operation.id, call);
    return call;
  }

  /** `answer` null: there was none; `sent`: it may have been carried out. */
  answered(call: Call, answer: Uint8Array | null, sent: boolean, nowMs: number): void {
    const { operation } = call;
    this.#order += 1;
    this.#pending -= 1;
    call.answeredAt = this.#order;
    call.answeredMs = nowMs;
    call.answer = answer === null ? (sent ? 'no answer' : 'not sent') : codeName(returnCodeOf(answer));
    const why = answer === null ? '' : Buffer.from(answer).toString('latin1', 8);
    call.isUnknown = operation.called !== undefined && UNKNOWN.test(why);
    call.isUnplaced = operation.called !== undefined && UNPLACED.test(why);
    try {
      call.seen =
        answer === null && !sent ? { outcome: 'refused', steps: new Map() } : operation.read(answer);
    } catch (error) {
      throw new Violation(
        'linearizable',
        `${operation.name} is answered impossibly: ${(error as Error).message}`,
      );
    }
    if (call.seen.outcome === 'unknown') this.#rare.note('outcome unknown');
    if (call.seen.outcome === 'refused' && call.appliedIn !== null) this.#refusedThough(call);
  }

  /** Whether whoever writes this value does not know, so far, if it has. */
  mayTakeEffect(value: Uint8Array): boolean {
    const call = this.#byId.get(writerOf(value));
    return call !== undefined && (call.seen === null || call.seen.outcome === 'unknown');
  }

  /** A served row was changed to this value. */
  appliedAt(cluster: string, slot: number, key: string, value: Uint8Array): void {
    const call = this.#byId.get(writerOf(value));
    check(
      call !== undefined,
      'once',
      () => `nobody wrote ${Buffer.from(value)}, which ${cluster} has at ${printKey(key)}`,
    );
    const known = call as Call;
    const where = `slot ${slot} of ${cluster}`;
    check(
      known.appliedIn === null || known.appliedIn === where,
      'once',
      () => `${known.operation.name} took effect in ${known.appliedIn}, and again in ${where}`,
    );
    known.appliedIn = where;
    known.appliedBy = cluster;
    known.appliedSlot = slot;
    if (known.seen?.outcome === 'refused') this.#refusedThough(known);
  }

  /** The update that writes this value was executed in this slot, behind those before it; perhaps it changed nothing. */
  executedAt(cluster: string, slot: number, position: number, value: Uint8Array): void {
    const call = this.#byId.get(writerOf(value));
    if (call === undefined || call.appliedPosition > 0) return;
    call.appliedBy ??= cluster;
    call.appliedSlot = slot;
    call.appliedPosition = position;
  }

  /** All changes of a slot are known: an operation that wrote one of its keys wrote them all. */
  appliedSlot(cluster: string, slot: number, changes: readonly RowChange[]): void {
    const where = `slot ${slot} of ${cluster}`;
    const changed = new Set(changes.map(({ key }) => key));
    for (const { after } of changes) {
      const call = after === null ? undefined : this.#byId.get(writerOf(after));
      if (call === undefined || call.appliedIn !== where || call.operation.writes.size < 2) continue;
      for (const key of call.operation.writes.keys()) {
        check(
          changed.has(key),
          'atomic',
          () => `${call.operation.name} took effect in ${where} without ${printKey(key)}`,
        );
      }
    }
  }

  /** By an order of people the key is worth that from now on, whatever was acknowledged before. */
  resetBy(key: string, value: Uint8Array | null): void {
    this.#order += 1;
    this.#resets.push({ key, at: this.#order, value: optionOf(value) });
  }

  /** From now on several clusters own keys, or have once. */
  parted(): void {
    this.#partedAt = Math.min(this.#partedAt, this.#order);
  }

  /** Somebody is about to remove a function: it may be missing from now on. */
  functionGoes(name: string): void {
    if (!this.#goesAt.has(name)) this.#goesAt.set(name, this.#order);
  }

  /** Neither the keeper nor any cluster has a function that was removed. */
  functionIsGone(name: string): void {
    if (!this.#goneAt.has(name)) this.#goneAt.set(name, this.#order);
  }

  functionIsThere(name: string): void {
    this.#goneAt.delete(name);
  }

  /** Something burns: who comes in its place may have lost functions, or be told of them later. */
  burns(): void {
    this.#burntAt = Math.min(this.#burntAt, this.#order);
  }

  #refusedThough(call: Call): void {
    throw new Violation(
      'refused-applied',
      `${call.operation.name} took effect in ${call.appliedIn}, and its client was told ${call.answer}`,
    );
  }

  /**
   * What was sent on one connection to one cluster took effect in its order. One whose outcome is unknown may take
   * effect when others have long been answered.
   */
  #checkOrder(): void {
    const last = new Map<string, Call>();
    for (const call of this.calls) {
      if (call.stream === null || call.appliedBy === null || call.seen?.outcome !== 'done') continue;
      const id = `${call.stream} ${call.appliedBy}`;
      const before = last.get(id);
      if (before !== undefined) {
        if (call.calledAt < before.answeredAt)
          this.#rare.note('updates of one connection under way together');
        const isTold = call.appliedPosition > 0 && before.appliedPosition > 0;
        const isBehind =
          call.appliedSlot > before.appliedSlot ||
          (call.appliedSlot === before.appliedSlot &&
            (!isTold || call.appliedPosition > before.appliedPosition));
        check(
          isBehind,
          'order',
          () =>
            `${call.operation.name} took effect at ${placeOf(call)}, before ${before.operation.name} at ${placeOf(before)}, sent on the same connection of ${call.client} before it`,
        );
      }
      last.set(id, call);
    }
  }

  /**
   * A function that was called where a key was is there wherever the key goes. A call that names no key says something of all keys
   * through a router, which sends it nowhere else, and of one cluster at a node of it.
   */
  #checkFunctions(): void {
    const known = new Map<string, Call>();
    const called = this.calls.filter(({ operation }) => operation.called !== undefined);
    for (const call of [...called].sort((a, b) => a.answeredAt - b.answeredAt)) {
      if (call.answer === 'OK') {
        this.#rare.note(call.operation.isUpdate ? 'function done' : 'hook answered');
        const id = functionOf(call);
        if (!known.has(id)) known.set(id, call);
      } else if (call.answer === 'USER_FUNCTION_FAILURE') this.#rare.note('function failed');
    }
    for (const call of called) {
      const before = known.get(functionOf(call));
      const name = call.operation.called?.name ?? '';
      const goneAt = this.#goneAt.get(name) ?? Number.POSITIVE_INFINITY;
      const isRemoved = call.answeredAt > (this.#goesAt.get(name) ?? Number.POSITIVE_INFINITY);
      const isBurnt = call.answeredAt > this.#burntAt;
      if (call.isUnknown && isRemoved) this.#rare.note('function not found: it was removed');
      if (call.isUnplaced) this.#rare.note('call refused: it names no key');
      check(
        !call.isUnknown || before === undefined || before.answeredAt > call.calledAt || isRemoved || isBurnt,
        'function-missing',
        () => `${call.operation.name} finds no function, though ${before?.operation.name} had found it`,
      );
      check(
        call.answer !== 'OK' || call.calledAt <= goneAt || isBurnt,
        'function-gone',
        () => `${call.operation.name} finds a function that was removed, and that nobody had any more`,
      );
      check(
        !call.isUnplaced || call.answeredAt >= this.#partedAt,
        'function-final',
        () => `${call.operation.name} is refused for good, though one cluster owned all keys`,
      );
    }
  }

  /**
   * Every key by itself.
   *
   * @param maySkip whether a key with too many possibilities to follow is merely counted
   * @throws Violation naming the key, with what was called and answered around it
   */
  checkAll(maySkip = false): void {
    this.#checkOrder();
    this.#checkFunctions();
    const byKey = new Map<string, { readonly operation: KeyOperation; readonly call: Call | null }[]>();
    for (const key of this.#keys) byKey.set(key, []);
    for (const call of this.calls) {
      const { operation, seen } = call;
      if (operation.isStale) {
        this.#checkStale(call);
        continue;
      }
      const isUnknown = seen === null || seen.outcome === 'unknown';
      const steps = seen === null ? operation.read(null).steps : seen.steps;
      for (const [key, keySteps] of steps) {
        const keyOperation: KeyOperation = {
          name: `#${operation.id}`,
          calledAt: call.calledAt,
          answeredAt: isUnknown ? Number.POSITIVE_INFINITY : call.answeredAt,
          steps: keySteps,
        };
        byKey.get(key)?.push({ operation: keyOperation, call });
      }
    }
    for (const { key, at, value } of this.#resets) {
      const operation = {
        name: 'order',
        calledAt: at,
        answeredAt: at + 0.5,
        steps: [{ need: { kind: 'any' }, next: value }],
      } as const;
      byKey.get(key)?.push({ operation, call: null });
    }
    for (const [key, operations] of byKey) {
      const verdict = checkKey(operations.map(({ operation }) => operation));
      if (verdict.kind === 'linearizable') continue;
      if (verdict.kind === 'undecided' && maySkip) {
        this.#rare.note(UNDECIDED);
        continue;
      }
      const why =
        verdict.kind === 'undecided'
          ? 'too many possibilities'
          : `it could have been ${verdict.states.slice(0, 5).join(' or ')}`;
      const calls = operations.flatMap(({ call }) => (call === null ? [] : [call]));
      const found = operations.find((each) => each.operation === verdict.operation);
      throw new Violation(
        'linearizable',
        `key ${printKey(key)}: no order explains ${found?.call?.operation.name}: ${why}\n${trimmed(calls, verdict.operation.answeredAt)}`,
      );
    }
  }

  /** What it shows was written by something called before it ended, and not refused. */
  #checkStale({ operation, seen, answeredAt, answer }: Call): void {
    for (const [key, steps] of seen?.steps ?? []) {
      for (const { need } of steps) {
        if (need.kind !== 'is' || need.value === null) continue;
        const writer = this.#byId.get(writerOf(Buffer.from(need.value, 'latin1')));
        const isWritten =
          writer !== undefined && writer.calledAt < answeredAt && writer.seen?.outcome !== 'refused';
        check(
          isWritten,
          'stale-read',
          () => `${operation.name} shows ${need.value} at ${printKey(key)} (${answer})`,
        );
      }
    }
  }
}

/** What answers say: unknown functions, and calls that need a key. */
const UNKNOWN = /^unknown (function|hook) /;
const UNPLACED = /say near which key it works$|called near a key|called where one cluster has all keys/;

/** Which calls are compared: of one function, near one key, or near none and asked of the same. */
function functionOf({ operation, cluster }: Call): string {
  const { name, key } = present(operation.called, 'a call of a function');
  return key === null ? `${name} of ${cluster ?? 'whoever has all keys'}` : `${name} near ${key}`;
}

function placeOf({ appliedBy, appliedSlot, appliedPosition }: Call): string {
  return `${appliedBy} ${appliedSlot}.${appliedPosition}`;
}

/** The calls on a key around a moment, one to a line. */
function trimmed(calls: readonly Call[], at: number): string {
  const before = calls.filter(({ calledAt }) => calledAt <= at);
  const shown = before.slice(-SHOWN_MAX);
  const left = before.length - shown.length;
  const lines = shown.map((call) => {
    const to = Number.isFinite(call.answeredMs) ? call.answeredMs.toFixed(1) : '…';
    const where = call.appliedIn === null ? '' : `, in ${call.appliedIn}`;
    const saw = [...(call.seen?.steps.values() ?? [])].flat().map(({ need }) => showNeed(need));
    return `  ${call.calledMs.toFixed(1)}–${to} ${call.client} ${call.operation.name}: ${call.answer}${where} ${saw.length < 4 ? saw.join(' ') : ''}`;
  });
  return [left > 0 ? `  (${left} earlier calls)` : '', ...lines].filter((line) => line !== '').join('\n');
}

function showNeed(need: { kind: string; value?: string | null }): string {
  return need.kind === 'any' ? '' : `${need.kind} ${JSON.stringify(need.value)}`;
}

const CODE_NAMES = new Map<number, string>(Object.entries(RETURN_CODES).map(([name, code]) => [code, name]));

function codeName(code: number): string {
  return CODE_NAMES.get(code) ?? String(code);
}
