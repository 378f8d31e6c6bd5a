/**
 * Runs functions of users in QuickJS: each call from the same state of memory, with its work counted, and with nothing to ask of
 * the world.
 */
import { InvariantError, present } from '../../src/base/assert.ts';
import { FatalError } from '../../src/base/errors.ts';
import { sha256Of } from '../../src/keyspace/digest.ts';
import {
  CALL_WORK_MAX,
  type CallOutcome,
  CallRefused,
  type FunctionRows,
  type FunctionRunner,
  type StoredFunction,
} from '../machine/function-call.ts';
import { PRELUDE } from './prelude.ts';
import { countedModule, type Evaluated, type Handle, type Image, QuickJS, Trap } from './quickjs.ts';

/** Work that loading a function may take: reading 64 KiB of source takes a part of it. */
const LOAD_WORK_MAX = 4_000_000;
/** Work of a row that is looked at or written, whatever its length: about the time that it takes. */
const ROW_WORK = 500;
/** Bytes that go in or out for one unit of work. */
const BYTES_OF_A_UNIT = 16;
/** Memory of a function that is loaded and not called (bytes); one that needs more is refused. */
const IMAGE_MAX = 1024 * 1024;
/** Functions that are kept loaded; others are loaded again when they are called. */
const LOADED_MAX = 64;

/**
 * Which kind of function can be loaded, and never be called. It is run behind the module, and only where one is put: whatever it says
 * decides about no outcome of a call, so that it is no part of the engine's identity. Of a frozen function nothing can be said.
 */
const KIND_NEVER_CALLED = `(main) => {
  const isLike = (other) => Object.getPrototypeOf(main) === Object.getPrototypeOf(other);
  if (isLike(async () => {})) return 'an async function';
  if (isLike(function* () {})) return 'a generator';
  if (isLike(async function* () {})) return 'an async generator';
  const prototype = Object.getOwnPropertyDescriptor(main, 'prototype');
  if (prototype !== undefined && !prototype.writable && !Object.isFrozen(main)) return 'a class';
}`;

/** What decides about outcomes beside the code: to be raised whenever this file or `quickjs.ts` decides otherwise. */
const HOST_VERSION = 1;

let id: string | null = null;

/** Which engine this build has: in hexadecimal. */
export function engineId(): string {
  id ??= hashedEngine();
  return id;
}

function hashedEngine(): string {
  const limits = [HOST_VERSION, CALL_WORK_MAX, LOAD_WORK_MAX, ROW_WORK, BYTES_OF_A_UNIT, IMAGE_MAX];
  const parts = [countedModule().sha256, PRELUDE, limits.join(' ')];
  return sha256Of(Buffer.from(parts.join('\n')));
}

type Loaded = { readonly image: Image; readonly main: Handle } | { readonly why: string };

/** What the prelude returned. */
type Entry = { readonly load: Handle; readonly run: Handle; readonly say: Handle };

/** One call while it runs. */
type Running = {
  readonly rows: FunctionRows;
  outcome: { readonly result: Buffer | null } | { readonly why: string } | null;
};

/** One per process. */
export class FunctionEngine implements FunctionRunner {
  readonly engine = engineId();
  readonly #quickjs: QuickJS;
  readonly #entry: Entry;
  /** The state before any function was loaded. */
  readonly #empty: Image;
  /** By the SHA-256 of their source, the last that was called at the end. */
  readonly #loaded = new Map<string, Loaded>();
  /** That of sources that were met: a source is never written to. */
  readonly #sums = new WeakMap<Uint8Array, string>();
  #running: Running | null = null;

  private constructor(quickjs: QuickJS) {
    this.#quickjs = quickjs;
    this.#entry = this.#begin();
    this.#empty = quickjs.takeImage();
  }

  /** Begins an engine; takes some tens of milliseconds. */
  static async start(): Promise<FunctionEngine> {
    return new FunctionEngine(await QuickJS.start());
  }

  /** @throws FatalError OTHER_ENGINE */
  require(engine: string): void {
    if (engine === this.engine) return;
    throw new FatalError(
      'OTHER_ENGINE',
      `the cluster calls functions with engine ${engine.slice(0, 12)}, this build has ${this.engine.slice(0, 12)}: start the build that has it`,
    );
  }

  /** Why `source` can be no function, or one of which every call would fail; null where it can. */
  whyNot(source: Uint8Array): string | null {
    const loaded = this.#loaded.get(this.#sumOf(source)) ?? this.#load(source);
    if ('why' in loaded) return loaded.why;
    const kind = this.#kindNeverCalled(loaded);
    if (kind === null) return null;
    const why =
      kind === 'a class' ? 'which is only called with new' : 'which does not answer before it has returned';
    return `its default export is ${kind}, ${why}: every call would fail; a function is a module with: export default (tx, argument) => result`;
  }

  #kindNeverCalled({ image, main }: Extract<Loaded, { readonly main: Handle }>): string | null {
    const quickjs = this.#quickjs;
    quickjs.restore(image);
    quickjs.work = LOAD_WORK_MAX;
    try {
      const kindOf = quickjs.runScript(KIND_NEVER_CALLED);
      const kind = 'error' in kindOf ? kindOf : quickjs.invoke(kindOf.value, [main]);
      return 'error' in kind || quickjs.isNothing(kind.value) ? null : this.#text(kind.value);
    } catch (error) {
      if (!(error instanceof Trap)) throw error;
      return null; // a module that has changed what this rests on is tried by its calls
    }
  }

  prepare({ source }: StoredFunction): void {
    this.#loadedOf(source);
  }

  /** @throws InvariantError where the engine did what should be impossible: other replicas may have another outcome */
  call({ source }: StoredFunction, rows: FunctionRows, argument: Uint8Array | null): CallOutcome {
    const loaded = this.#loadedOf(source);
    if ('why' in loaded) return { kind: 'failed', why: loaded.why, work: 0 };
    const quickjs = this.#quickjs;
    const running: Running = { rows, outcome: null };
    quickjs.restore(loaded.image);
    quickjs.work = CALL_WORK_MAX;
    this.#running = running;
    let outcome: Running['outcome'];
    try {
      this.#charge(argument?.length ?? 0);
      const given = argument === null ? [] : [quickjs.newBytes(argument)];
      const ended = quickjs.invoke(this.#entry.run, [loaded.main, ...given]);
      outcome = 'error' in ended ? { why: this.#said(ended) } : running.outcome;
    } catch (error) {
      outcome = { why: whyOf(error) };
    } finally {
      this.#running = null;
    }
    const work = Math.min(CALL_WORK_MAX - quickjs.work, CALL_WORK_MAX);
    if (outcome === null) throw new InvariantError('invariant broken: a call has an outcome');
    if ('why' in outcome) return { kind: 'failed', why: outcome.why, work };
    return { kind: 'result', result: outcome.result, work };
  }

  #loadedOf(source: Uint8Array): Loaded {
    const sum = this.#sumOf(source);
    const known = this.#loaded.get(sum);
    this.#loaded.delete(sum);
    const loaded = known ?? this.#load(source);
    this.#loaded.set(sum, loaded);
    const [oldest] = this.#loaded.keys();
    if (this.#loaded.size > LOADED_MAX && oldest !== undefined) this.#loaded.delete(oldest);
    return loaded;
  }

  #sumOf(source: Uint8Array): string {
    const sum = this.#sums.get(source) ?? sha256Of(source);
    this.#sums.set(source, sum);
    return sum;
  }

  /** From the empty state, so that a function has the same memory in every process, whatever was loaded before. */
  #load(source: Uint8Array): Loaded {
    const quickjs = this.#quickjs;
    quickjs.restore(this.#empty);
    quickjs.work = LOAD_WORK_MAX;
    try {
      const namespace = quickjs.loadModule(source);
      if ('error' in namespace) return { why: this.#said(namespace) };
      const main = quickjs.invoke(this.#entry.load, [namespace.value]);
      if ('error' in main) return { why: this.#said(main) };
      const image = quickjs.takeImage();
      if (image.size > IMAGE_MAX) {
        return {
          why: `it keeps ${image.size} bytes of memory between calls: the limit is ${IMAGE_MAX} bytes`,
        };
      }
      return { image, main: main.value };
    } catch (error) {
      return { why: `while it was loaded: ${whyOf(error)}` };
    }
  }

  /** What was thrown, as its own code says it; that may throw in its turn. */
  #said({ error }: Extract<Evaluated, { error: Handle }>): string {
    const said = this.#quickjs.invoke(this.#entry.say, [error]);
    if ('error' in said) return 'it threw something that has no text';
    const text = this.#text(said.value);
    // That is what it throws where there is no room for an error.
    return text === 'null' ? 'null was thrown, as where the memory is full' : text;
  }

  #begin(): Entry {
    const quickjs = this.#quickjs;
    const prelude = valueIn(quickjs.runScript(PRELUDE));
    const entry = valueIn(quickjs.invoke(prelude, this.#hostFunctions()));
    const named = (name: string): Handle => quickjs.property(entry, name);
    return { load: named('load'), run: named('run'), say: named('say') };
  }

  /** In the order in which the prelude takes them. */
  #hostFunctions(): Handle[] {
    const quickjs = this.#quickjs;
    const nothing: Handle = 0;
    return [
      quickjs.newFunction('get', (argument) => {
        const value = this.#rows().get(this.#key(argument(0)));
        if (value === undefined) return nothing;
        this.#charge(value.length);
        return quickjs.newBytes(value);
      }),
      quickjs.newFunction('set', (argument) => {
        this.#rows().set(this.#key(argument(0)), this.#bytes(argument(1)));
        return nothing;
      }),
      quickjs.newFunction('remove', (argument) =>
        quickjs.newNumber(this.#rows().delete(this.#key(argument(0))) ? 1 : 0),
      ),
      quickjs.newFunction('keys', (argument) => {
        const [first, last] = [this.#optionalKey(argument(0)), this.#optionalKey(argument(2))];
        const [firstIncluded, lastIncluded] = [this.#flag(argument(1)), this.#flag(argument(3))];
        const max = this.#limit(argument(4));
        const query = { first, firstIncluded, last, lastIncluded };
        return this.#list(this.#rows().keys(query, max, this.#rowsMax()));
      }),
      quickjs.newFunction('prefix', (argument) => {
        const prefix = this.#key(argument(0));
        return this.#list(this.#rows().prefix(prefix, this.#limit(argument(1)), this.#rowsMax()));
      }),
      quickjs.newFunction('textOf', (argument) => {
        const bytes = quickjs.readBytes(argument(0));
        this.#charge(bytes.length);
        return quickjs.newText(bytes);
      }),
      quickjs.newFunction('answer', (argument) => {
        const result = argument(0);
        const isNothing = quickjs.isNothing(result);
        this.#current().outcome = { result: isNothing ? null : this.#bytes(result) };
        return nothing;
      }),
      quickjs.newFunction('fail', (argument) => {
        this.#current().outcome = { why: this.#text(argument(0)) };
        return nothing;
      }),
    ];
  }

  #current(): Running {
    // Code of a function runs while it is loaded, too.
    if (this.#running === null) throw new CallRefused('tx is only there during a call');
    return this.#running;
  }

  /** Rows, one of which is charged. */
  #rows(): FunctionRows {
    const { rows } = this.#current();
    this.#spend(ROW_WORK);
    return rows;
  }

  /** How many rows may be looked at with the work that is left; one more would be too much. */
  #rowsMax(): number {
    return Math.floor(this.#quickjs.work / ROW_WORK) + 1;
  }

  #list({ keys, visited }: { readonly keys: readonly string[]; readonly visited: number }): Handle {
    this.#spend(visited * ROW_WORK);
    const length = keys.reduce((sum, key) => sum + 4 + key.length, 0);
    this.#charge(length);
    const list = Buffer.alloc(length);
    let at = 0;
    for (const key of keys) {
      list.writeUInt32BE(key.length, at);
      list.write(key, at + 4, 'latin1');
      at += 4 + key.length;
    }
    return this.#quickjs.newBytes(list);
  }

  #key(value: Handle): string {
    return this.#bytes(value).toString('latin1');
  }

  #optionalKey(value: Handle): string | null {
    return this.#quickjs.isNothing(value) ? null : this.#key(value);
  }

  /** What the prelude passes for bytes: a string, or an ArrayBuffer. */
  #bytes(value: Handle): Buffer {
    const quickjs = this.#quickjs;
    const bytes = quickjs.isText(value) ? quickjs.readText(value) : quickjs.readBytes(value);
    this.#charge(bytes.length);
    return bytes;
  }

  #text(value: Handle): string {
    return this.#quickjs.readText(value).toString('utf8');
  }

  #flag(value: Handle): boolean {
    return this.#quickjs.readNumber(value) === 1;
  }

  /** Below zero: none. */
  #limit(value: Handle): number {
    const limit = this.#quickjs.readNumber(value);
    if (!Number.isInteger(limit)) throw new CallRefused('a number of keys is a whole number, or below zero');
    return limit;
  }

  #charge(bytes: number): void {
    this.#spend(Math.ceil(bytes / BYTES_OF_A_UNIT));
  }

  #spend(units: number): void {
    const left = this.#quickjs.work - units;
    this.#quickjs.work = left;
    if (left < 0) throw new Trap('too much work');
  }
}

/** What a caller is told of what ended a call; anything else is our bug, and is passed on. */
function whyOf(error: unknown): string {
  if (error instanceof CallRefused) return error.message;
  if (error instanceof Trap) return error.message;
  throw error;
}

function valueIn(evaluated: Evaluated): Handle {
  return present('value' in evaluated ? evaluated.value : null, 'the value of the prelude');
}
