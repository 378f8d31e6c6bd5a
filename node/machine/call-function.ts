/** Calls of users' functions: what they may touch, and that they do all of it or nothing. */
import { type Key, printKey } from '../../src/base/bytes.ts';
import { whyUnstorable } from '../../src/base/limits.ts';
import { prefixRange, type Range, sameRange, WHOLE } from '../../src/keyspace/range.ts';
import { rangeOfQuery } from '../../src/protocol/arakoon/bounds.ts';
import { failure, okOptionalBytes } from '../../src/protocol/arakoon/replies.ts';
import { isSequence, type Update } from '../../src/protocol/arakoon/updates.ts';
import type { Answer } from '../../src/protocol/arakoon/values.ts';
import type { StoreKey, Work } from '../store/types.ts';
import type { Draft } from './draft.ts';
import {
  type CallOutcome,
  CallRefused,
  type FunctionRows,
  type FunctionRunner,
  SLOT_BYTES_MAX,
  SLOT_WORK_MAX,
  type StoredFunction,
} from './function-call.ts';
import { hintFor, Ownership, rangeError } from './ownership.ts';
import { Pace } from './pace.ts';
import { dataRange, userKey } from './store-keys.ts';
import type { SystemState } from './system-state.ts';
import type { SlotTransaction } from './transaction.ts';

/** A call, as an update has it. */
export type Call = Extract<Update, { kind: 'userFunction' | 'userFunctionNear' }>;

/** Work of the engine that takes about as long as visiting a row. */
const WORK_OF_A_ROW = 2000;
/** Rows looked at in one slice. */
const SLICE_ROWS = 500;

/** What calls are made with. */
type Caller = {
  readonly state: SystemState;
  readonly ownership: Ownership;
  readonly tx: SlotTransaction;
};

/** Calls a function as a part of the slot: its writes stay only where it succeeds. */
export function* callFunction(draft: Draft, { name, argument }: Call): Work<Answer> {
  const stored = storedFunction(draft.state, name);
  if (stored === null) return failure('BAD_INPUT', `unknown function ${name}`);
  const { tx, pace, calls } = draft;
  if (calls.workLeft <= 0) return failure('USER_FUNCTION_FAILURE', tooMuch(`${SLOT_WORK_MAX} units of work`));
  yield* tx.prepareScan(pace);
  const mark = tx.mark();
  const outcome = outcomeOf(draft, draft.runner, stored, new Rows(draft), argument);
  calls.workLeft -= outcome.work;
  if (outcome.kind === 'failed') tx.rollBack(mark);
  tx.release();
  if (pace.rows(outcome.work / WORK_OF_A_ROW)) yield;
  return outcome.kind === 'failed'
    ? failure('USER_FUNCTION_FAILURE', outcome.why)
    : okOptionalBytes(outcome.result);
}

function tooMuch(what: string): string {
  return `the calls that came with this one have done ${what}, all that one step may do: call again, fewer at a time`;
}

/** Calls a function that only reads; null where there is none of this name. */
export function* callHook(caller: Caller, runner: FunctionRunner, name: string): Work<CallOutcome | null> {
  const stored = storedFunction(caller.state, name);
  if (stored === null) return null;
  yield* caller.tx.prepareScan(new Pace());
  return outcomeOf(caller, runner, stored, new ReadRows(caller), null);
}

/**
 * The refusal of calls of which nobody says near which key they work, where this cluster does not serve all keys; null where there are
 * none, or it does. Final only where others own some keys beside it: while all that there is moves, it is a range error as of any key.
 */
export function refusalOfRoaming(caller: Pick<Caller, 'state' | 'ownership'>, update: Update): Answer | null {
  const name = roamingIn(update);
  return name === null
    ? null
    : refusalOfPart(caller, name, `function ${name}`, 'say near which key it works');
}

/** The same of a hook, near which no key can be said. */
export function refusalOfHook(caller: Pick<Caller, 'state' | 'ownership'>, name: string): Answer | null {
  return refusalOfPart(
    caller,
    name,
    `hook ${name}`,
    'a function is called near a key, a hook where all keys are',
  );
}

function refusalOfPart(
  { state, ownership }: Pick<Caller, 'state' | 'ownership'>,
  name: string,
  what: string,
  instead: string,
): Answer | null {
  const outside = ownership.firstOutside(WHOLE);
  if (outside === null) return null;
  const { owned } = state;
  const withSealed = new Ownership(owned.map((own) => ({ ...own, sealedBy: null })));
  if (owned.length === 0 || withSealed.firstOutside(WHOLE) === null) return roamingError(state, outside);
  // What is not known is refused as that.
  if (storedFunction(state, name) === null) return null;
  return failure('BAD_INPUT', `${what}: this cluster serves only a part of the keys; ${instead}`);
}

/** Who owns nothing says where the keys are only if they are all there: of one who hears of a part the rest would be here. */
function roamingError(state: SystemState, outside: Key): Answer {
  const error = rangeError(state, outside);
  const isPart = error.hint !== null && !sameRange(error.hint.entry, WHOLE);
  return state.owned.length === 0 && isPart ? { ...error, hint: null } : error;
}

/** The first call in `update` that nothing places; null where a key is named, or nothing called. */
function roamingIn(update: Update): string | null {
  if (update.kind === 'userFunction') return update.name;
  if (!isSequence(update)) return null;
  let name: string | null = null;
  for (const inner of update.updates) {
    const roaming = roamingIn(inner);
    if (roaming === null && !isEmpty(inner)) return null;
    name ??= roaming;
  }
  return name;
}

/** Whether it names no key, and calls nothing. */
function isEmpty(update: Update): boolean {
  return update.kind === 'nop' || (isSequence(update) && update.updates.every(isEmpty));
}

function storedFunction({ functions }: SystemState, name: string): StoredFunction | null {
  return functions.get(name) ?? null;
}

/** The refusal of whoever has another engine than the one in force, and is about to use it; null where it may. */
export function otherEngine({ engine }: Pick<SystemState, 'engine'>, runner: FunctionRunner): Answer | null {
  if (engine === '' || engine === runner.engine) return null;
  return failure(
    'GOING_DOWN',
    `functions are called with engine ${engine.slice(0, 12)}, and the build of this node has ${runner.engine.slice(0, 12)}, which comes into force once all nodes of the cluster have it; not executed, send it again`,
  );
}

/** Entries that are replayed after an upgrade must not meet another engine: a node that lacks it stops here. */
function outcomeOf(
  { state }: Pick<Caller, 'state'>,
  runner: FunctionRunner,
  stored: StoredFunction,
  rows: FunctionRows,
  argument: Uint8Array | null,
): CallOutcome {
  if (state.engine === '') {
    const why = 'no engine is in force yet: every member of the cluster must run first';
    return { kind: 'failed', why, work: 0 };
  }
  runner.require(state.engine);
  return runner.call(stored, rows, argument);
}

/** What a function that only reads is given. */
class ReadRows implements FunctionRows {
  protected readonly caller: Caller;

  constructor(caller: Caller) {
    this.caller = caller;
  }

  get(key: Key): Uint8Array | undefined {
    return this.caller.tx.getRow(this.checked(key, null));
  }

  set(key: Key, _value: Uint8Array): void {
    throw new CallRefused(`a hook only reads: it sets ${printKey(key)}`);
  }

  delete(key: Key): boolean {
    throw new CallRefused(`a hook only reads: it deletes ${printKey(key)}`);
  }

  keys(
    query: Parameters<FunctionRows['keys']>[0],
    max: number,
    rowsMax: number,
  ): ReturnType<FunctionRows['keys']> {
    return this.#scan(
      rangeOfQuery({ kind: 'range', consistency: { kind: 'consistent' }, max, ...query }),
      max,
      rowsMax,
    );
  }

  prefix(prefix: Key, max: number, rowsMax: number): ReturnType<FunctionRows['prefix']> {
    return this.#scan(prefixRange(prefix), max, rowsMax);
  }

  /** The key, which may be stored and is served here. */
  protected checked(key: Key, value: Uint8Array | null): Key {
    const { ownership } = this.caller;
    const why = whyUnstorable(key, value);
    if (why !== null) throw new CallRefused(why);
    if (!ownership.serves(key)) throw this.#outside(key);
    return key;
  }

  #scan(range: Range | null, max: number, rowsMax: number): ReturnType<FunctionRows['keys']> {
    const keys: Key[] = [];
    let visited = 0;
    if (range === null || max === 0) return { keys, visited };
    const outside = this.caller.ownership.firstOutside(range);
    if (outside !== null) throw this.#outside(outside);
    const wanted = max < 0 ? Number.POSITIVE_INFINITY : max;
    const { from, to } = dataRange(range);
    let next: StoreKey | null = from;
    while (next !== null && keys.length < wanted && visited < rowsMax) {
      // Rows that are gone are visited too, and end a slice as others do.
      const rows = Math.min(SLICE_ROWS, rowsMax - visited, wanted - keys.length);
      next = this.caller.tx.scanSlice({ from: next, to }, { rowsMax: rows }, (key) =>
        keys.push(userKey(key)),
      );
      visited += rows;
    }
    return { keys, visited };
  }

  #outside(key: Key): CallRefused {
    const owner = hintFor(this.caller.state, key)?.entry.owner ?? 'another cluster';
    return new CallRefused(`key ${printKey(key)} belongs to ${owner}`);
  }
}

/** What a function is given that writes, too. */
class Rows extends ReadRows {
  readonly #calls: Draft['calls'];

  constructor(draft: Draft) {
    super(draft);
    this.#calls = draft.calls;
  }

  override set(key: Key, value: Uint8Array): void {
    const checked = this.checked(key, value);
    this.#calls.bytesLeft -= key.length + value.length;
    if (this.#calls.bytesLeft < 0) throw new CallRefused(tooMuch(`${SLOT_BYTES_MAX} bytes of writes`));
    this.caller.tx.putRow(checked, value);
  }

  override delete(key: Key): boolean {
    if (this.caller.tx.getRow(this.checked(key, null)) === undefined) return false;
    this.caller.tx.putRow(key, null);
    return true;
  }
}
