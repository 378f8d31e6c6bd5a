/**
 * Whether what clients saw of one key can be explained by one order of its operations, each taking effect at one
 * moment between its call and its answer; one whose outcome is unknown at any later moment, or never.
 *
 * The search keeps every state that the key may be in, together with the open operations that have taken effect in
 * it, and goes through calls and answers in order (Wing and Gong, "Testing and Verifying Concurrent Objects"; Lowe,
 * "Testing for Linearizability": an operation takes effect no sooner than something that answers needs it).
 */

/** What a step asks of the key's value; null stands for no value. */
export type Need =
  | { readonly kind: 'any' }
  | { readonly kind: 'is'; readonly value: string | null }
  | { readonly kind: 'not'; readonly value: string | null };

/** One look at the key, and what it becomes; `undefined` leaves it. */
export type Step = { readonly need: Need; readonly next: string | null | undefined };

/** An operation as far as it concerns one key. `calledAt` and `answeredAt` are places in the order of all events. */
export type KeyOperation = {
  readonly name: string;
  readonly calledAt: number;
  /** Infinity: the outcome is unknown. */
  readonly answeredAt: number;
  readonly steps: readonly Step[];
};

export type Verdict =
  | { readonly kind: 'linearizable' }
  /** No order explains the answer of `operation`; `states` are what the key could have been before it. */
  | { readonly kind: 'impossible'; readonly operation: KeyOperation; readonly states: readonly string[] }
  /** More possibilities than `configurationsMax`. */
  | { readonly kind: 'undecided'; readonly operation: KeyOperation };

/** Possibilities that are followed at a time; a history that needs more is not decided. */
export const CONFIGURATIONS_MAX = 20_000;

/** A value that nobody ever saw: all of these are alike. */
const UNSEEN = '\0unseen';

type Open = {
  readonly operation: KeyOperation;
  readonly steps: readonly Step[];
  readonly bit: bigint;
  readonly isRead: boolean;
  readonly isUnknown: boolean;
  /** Equal for operations of unknown outcome that do the same. */
  readonly likeness: string;
};

/** A state the key may be in, and the open operations that have taken effect. */
type Configuration = { readonly state: string | null; readonly done: bigint };

/** Decides about one key, which begins as `initial`. */
export function checkKey(operations: readonly KeyOperation[], initial: string | null = null): Verdict {
  return new Search(operations, initial).run();
}

class Search {
  readonly #events: { readonly at: number; readonly operation: KeyOperation; readonly isCall: boolean }[] =
    [];
  readonly #seen = new Set<string | null>();
  #open: Open[] = [];
  #unknownBits = 0n;
  #configurations: Configuration[];
  #freeBits: bigint[] = [];
  #nextBit = 1n;

  constructor(operations: readonly KeyOperation[], initial: string | null) {
    this.#configurations = [{ state: initial, done: 0n }];
    for (const operation of operations) {
      this.#events.push({ at: operation.calledAt, operation, isCall: true });
      if (operation.answeredAt !== Number.POSITIVE_INFINITY) {
        this.#events.push({ at: operation.answeredAt, operation, isCall: false });
      }
      for (const { need } of operation.steps) if (need.kind !== 'any') this.#seen.add(need.value);
    }
    this.#events.sort((a, b) => a.at - b.at);
  }

  run(): Verdict {
    for (const { operation, isCall } of this.#events) {
      if (isCall) {
        this.#called(operation);
        continue;
      }
      const states = this.#configurations.map(({ state }) => show(state));
      const isDecided = this.#answered(operation);
      if (!isDecided) return { kind: 'undecided', operation };
      if (this.#configurations.length === 0) {
        return { kind: 'impossible', operation, states: [...new Set(states)] };
      }
    }
    return { kind: 'linearizable' };
  }

  #called(operation: KeyOperation): void {
    const steps = operation.steps.map((step) => this.#hideUnseen(step));
    const isRead = steps.every(({ next }) => next === undefined);
    const isUnknown = operation.answeredAt === Number.POSITIVE_INFINITY;
    if (isRead && isUnknown) return; // says nothing
    const bit = this.#freeBits.pop() ?? this.#newBit();
    if (isUnknown) this.#unknownBits |= bit;
    const likeness = isUnknown ? JSON.stringify(steps) : '';
    const open = { operation, steps, bit, isRead, isUnknown, likeness };
    this.#open.push(open);
    if (isRead) this.#configurations = this.#configurations.map((each) => this.#withRead(each, open));
  }

  #newBit(): bigint {
    const bit = this.#nextBit;
    this.#nextBit <<= 1n;
    return bit;
  }

  /** Values that no answer ever showed cannot be told apart. */
  #hideUnseen(step: Step): Step {
    return typeof step.next === 'string' && !this.#seen.has(step.next) ? { ...step, next: UNSEEN } : step;
  }

  /** Follows every way in which `operation` may have taken effect by now. False: there are too many. */
  #answered(operation: KeyOperation): boolean {
    const open = this.#open.find((each) => each.operation === operation) as Open;
    const results = new Map<string, Configuration>();
    const known = new Set<string>();
    const todo: Configuration[] = [];
    const reach = (configuration: Configuration): void => {
      const id = `${configuration.done} ${show(configuration.state)}`;
      if (known.has(id)) return;
      known.add(id);
      if ((configuration.done & open.bit) !== 0n) {
        const done = configuration.done & ~open.bit;
        results.set(`${done} ${show(configuration.state)}`, { state: configuration.state, done });
      } else todo.push(configuration);
    };
    for (const configuration of this.#configurations) reach(configuration);
    for (let next = todo.pop(); next !== undefined; next = todo.pop()) {
      if (known.size > CONFIGURATIONS_MAX) return false;
      for (const each of this.#open) {
        if (each.isRead || (next.done & each.bit) !== 0n || this.#hasTwinBefore(next, each)) continue;
        const state = after(each.steps, next.state);
        if (state === IMPOSSIBLE) continue;
        // One that changes nothing and need not have happened explains nothing.
        if (each.isUnknown && state === next.state) continue;
        reach(this.#withReads({ state, done: next.done | each.bit }));
      }
    }
    this.#open = this.#open.filter((each) => each !== open);
    this.#freeBits.push(open.bit);
    this.#configurations = this.#withoutDominated([...results.values()]);
    return true;
  }

  /** Of several that do the same with unknown outcome, the first goes first. */
  #hasTwinBefore({ done }: Configuration, open: Open): boolean {
    if (!open.isUnknown) return false;
    for (const other of this.#open) {
      if (other === open) return false;
      if (other.isUnknown && other.likeness === open.likeness && (done & other.bit) === 0n) return true;
    }
    return false;
  }

  #withReads(configuration: Configuration): Configuration {
    let result = configuration;
    for (const open of this.#open) if (open.isRead) result = this.#withRead(result, open);
    return result;
  }

  /** A read that fits the present state may as well take effect now: it changes nothing. */
  #withRead(configuration: Configuration, open: Open): Configuration {
    const { state, done } = configuration;
    if ((done & open.bit) !== 0n || after(open.steps, state) === IMPOSSIBLE) return configuration;
    return { state, done: done | open.bit };
  }

  /** What used fewer operations of unknown outcome to get to the same can do all that the other can. */
  #withoutDominated(all: Configuration[]): Configuration[] {
    if (all.length < 2) return all;
    return all.filter(
      (a) =>
        !all.some(
          (b) =>
            b !== a &&
            b.state === a.state &&
            (b.done & ~this.#unknownBits) === (a.done & ~this.#unknownBits) &&
            (b.done & this.#unknownBits) !== (a.done & this.#unknownBits) &&
            (b.done & this.#unknownBits & ~a.done) === 0n,
        ),
    );
  }
}

const IMPOSSIBLE = Symbol('impossible');

/** The key's value after `steps`, each of which must find what it needs. */
function after(steps: readonly Step[], before: string | null): string | null | typeof IMPOSSIBLE {
  let state = before;
  for (const { need, next } of steps) {
    if (need.kind === 'is' && state !== need.value) return IMPOSSIBLE;
    if (need.kind === 'not' && state === need.value) return IMPOSSIBLE;
    if (next !== undefined) state = next;
  }
  return state;
}

function show(state: string | null): string {
  return state === null ? 'nothing' : `"${state}"`;
}
