/**
 * QuickJS in one instance of WebAssembly that counts its work, with a memory that can be put back to an earlier state.
 *
 * Of the package that brings QuickJS only the module and its loader are used. Its convenience layer would turn failures
 * of ours, and a stack of V8 that ends, into exceptions that a function could catch.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import * as packaged from '@jitl/quickjs-wasmfile-release-sync/emscripten-module';
import { InvariantError, invariant, present } from '../../src/base/assert.ts';
import { sha256Of } from '../../src/keyspace/digest.ts';
import { countWork } from './wasm/count-work.ts';
import { type Global32, type Global64, webAssembly } from './web-assembly.ts';

/** The package's module, as it was when what is assumed of it here was looked up: names of imports, place of the stack. */
const MODULE_SHA256 = '105c3bed22d457e43e3d1c3c1c6959fda62a8fe06f0fc8a985303c3a2be72232';

const PAGE_BYTES = 64 * 1024;
/** The whole memory; it cannot grow (16 MiB). */
const MEMORY_PAGES = 256;
/** Where the module's stack begins, growing downwards, and above it the heap. */
const STACK_TOP = 5_333_088;
/** QuickJS throws an exception where its stack is longer (bytes). */
const STACK_BYTES = 128 * 1024;
/** The module traps where it is longer, whoever forgot to look (bytes). */
const STACK_BYTES_MAX = 192 * 1024;
/** Calls of functions of the module inside one another: with 2,000 no nesting that was tried comes near the end of V8's stack. */
const DEPTH_MAX = 2_000;
/** Pages that are there before any memory was given out. */
const FIRST_PAGES = Math.ceil(STACK_TOP / PAGE_BYTES);
/** What is compared with zero, and put back, at once (bytes). */
const BLOCK_BYTES = 4096;

const LIMITS = { depthMax: DEPTH_MAX, stackFloor: STACK_TOP - STACK_BYTES_MAX };

/** Parts of the language, as bits: all but Date, and without the arithmetic of other dialects. */
const INTRINSICS = {
  BASE_OBJECTS: 1,
  EVAL: 4,
  STRING_NORMALIZE: 8,
  REGEXP: 16,
  REGEXP_COMPILER: 32,
  JSON: 64,
  PROXY: 128,
  MAP_SET: 256,
  TYPED_ARRAYS: 512,
  /** Modules need it; the global is taken away. */
  PROMISE: 1024,
  BIG_INT: 2048,
} as const;
const EVAL_MODULE = 1;
const EVAL_GLOBAL = 0;
/** A way to compare: `===`. */
const STRICTLY = 0;

/** A value of the engine: where it lies in its memory. */
export type Handle = number;

/** What came of code: a value, or what it threw. */
export type Evaluated = { readonly value: Handle } | { readonly error: Handle };

/** What a function of ours is called with; the handle that it returns is the engine's from then on, 0 is undefined. */
export type HostFunction = (readArgument: (index: number) => Handle) => Handle;

/** A state of the memory that can be put back. */
export type Image = {
  /** What is not zero, in ascending order. */
  readonly parts: readonly { readonly at: number; readonly bytes: Uint8Array }[];
  readonly pages: number;
  readonly stack: number;
  /** How much it holds (bytes). */
  readonly size: number;
};

/** Why a call ended in the middle of itself. The memory is of no use then, until an image is put back. */
export class Trap extends Error {
  override readonly name = 'Trap';
}

/** What the rewriting has added. */
type Exports = {
  readonly work: Global64;
  readonly depth: Global32;
  readonly pages: Global32;
  readonly stack: Global32;
};

/** The package's loader; its types are written for browsers. */
type Load = (options: {
  readonly wasmMemory: object;
  instantiateWasm(imports: { readonly a: Imports }, receive: (instance: object) => void): void;
}) => Promise<Record<string, unknown>>;
const load = packaged.default as unknown as Load;

type Imports = Readonly<Record<string, unknown>>;

type Calls = { readonly [name: string]: (...parameters: number[]) => number };

/** The bytes that are run, and what they are called: the SHA-256 of them, in hexadecimal. */
export type CountedModule = { readonly wasm: Uint8Array; readonly sha256: string };

let counted: CountedModule | null = null;

/** The rewritten module; made once. */
export function countedModule(): CountedModule {
  if (counted !== null) return counted;
  const path = fileURLToPath(import.meta.resolve('@jitl/quickjs-wasmfile-release-sync/wasm'));
  const plain = readFileSync(path);
  const sha256 = sha256Of(plain);
  invariant(sha256 === MODULE_SHA256, 'QuickJS is the build that was looked at', () => ({ path, sha256 }));
  const wasm = countWork(plain, LIMITS);
  counted = { wasm, sha256: sha256Of(wasm) };
  return counted;
}

/** One engine. Not reentrant: functions of ours must not call into it, but for making and reading values. */
export class QuickJS {
  readonly #exports: Exports;
  readonly #calls: Calls;
  readonly #memory: Uint8Array;
  readonly #words: DataView;
  #context = 0;
  readonly #hostFunctions: HostFunction[] = [];
  /** Thrown by a function of ours: it passes through the engine, and comes out here. */
  #thrown: { readonly error: unknown } | null = null;

  private constructor(exports: Exports, calls: Calls, memory: Uint8Array) {
    this.#exports = exports;
    this.#calls = calls;
    this.#memory = memory;
    this.#words = new DataView(memory.buffer);
  }

  /** Begins an engine; takes some ten milliseconds. */
  static async start(): Promise<QuickJS> {
    const memory = new webAssembly.Memory({ initial: MEMORY_PAGES, maximum: MEMORY_PAGES });
    let exports: Exports | null = null;
    const resize = (bytes: number): number => grow(present(exports, 'the exports'), bytes >>> 0);
    const loaded = await load({
      wasmMemory: memory,
      instantiateWasm: (imports, receive) => {
        const module = new webAssembly.Module(countedModule().wasm);
        const instance = new webAssembly.Instance(module, { a: withoutWorld(imports.a, resize) });
        exports = instance.exports as unknown as Exports;
        exports.pages.value = FIRST_PAGES;
        receive(instance);
      },
    });
    const engine = new QuickJS(
      present(exports as Exports | null, 'the exports'),
      loaded as unknown as Calls,
      new Uint8Array(memory.buffer),
    );
    loaded['callbacks'] = {
      callFunction: (_: unknown, _context: number, _self: number, _count: number, args: number, id: number) =>
        engine.#runHost(id, args),
      freeHostRef: () => {},
    };
    engine.#begin();
    return engine;
  }

  /** Units of work that are left; below zero the engine traps. */
  get work(): number {
    return Number(this.#exports.work.value);
  }

  set work(units: number) {
    this.#exports.work.value = BigInt(units);
  }

  /** The state as it is now. */
  takeImage(): Image {
    const pages = this.#exports.pages.value;
    const parts: { at: number; bytes: Uint8Array }[] = [];
    let size = 0;
    for (let at = 0; at < pages * PAGE_BYTES; ) {
      let end = at;
      while (end < pages * PAGE_BYTES && !this.#isZero(end)) end += BLOCK_BYTES;
      if (end > at) parts.push({ at, bytes: this.#memory.slice(at, end) });
      size += end - at;
      at = end + BLOCK_BYTES;
    }
    return { parts, pages, stack: this.#exports.stack.value, size };
  }

  /** Puts an earlier state back, after a trap too. */
  restore({ parts, pages, stack }: Image): void {
    const exports = this.#exports;
    // Memory above `pages` was never given out, and nothing else can have been written.
    this.#memory.fill(0, 0, exports.pages.value * PAGE_BYTES);
    for (const { at, bytes } of parts) this.#memory.set(bytes, at);
    exports.pages.value = pages;
    exports.stack.value = stack;
    exports.depth.value = 0;
    this.#thrown = null;
  }

  /** A function of ours, for the engine to call. What it throws comes out of the call into the engine. */
  newFunction(name: string, host: HostFunction): Handle {
    this.#hostFunctions.push(host);
    const id = this.#hostFunctions.length;
    return this.#withText(name, (text) => this.#call('_QTS_NewFunction', this.#context, text, 0, 0, id));
  }

  /** A string; `bytes` are its UTF-8, without a zero byte. */
  newText(bytes: Uint8Array): Handle {
    return this.#withText(bytes, (at) => this.#call('_QTS_NewString', this.#context, at));
  }

  /** An ArrayBuffer with these bytes. */
  newBytes(bytes: Uint8Array): Handle {
    // No bytes have a place too.
    const at = this.#allocate(Math.max(bytes.length, 1));
    this.#memory.set(bytes, at);
    return this.#call('_QTS_NewArrayBuffer', this.#context, at, bytes.length);
  }

  newNumber(value: number): Handle {
    return this.#call('_QTS_NewFloat64', this.#context, value);
  }

  /** The bytes of an ArrayBuffer, as a copy. */
  readBytes(buffer: Handle): Buffer {
    const length = this.#call('_QTS_GetArrayBufferLength', this.#context, buffer);
    // Of one that was transferred the length is -1.
    if (length <= 0) return Buffer.alloc(0);
    const at = this.#call('_QTS_GetArrayBuffer', this.#context, buffer);
    if (at === 0) throw new Trap('the memory is full');
    const copy = Buffer.from(this.#memory.subarray(at, at + length));
    this.#call('_free', at);
    return copy;
  }

  /** The UTF-8 of a string without a zero character, as a copy. */
  readText(text: Handle): Buffer {
    const at = this.#call('_QTS_GetString', this.#context, text);
    if (at === 0) throw new Trap('the memory is full');
    const copy = Buffer.from(this.#memory.subarray(at, this.#memory.indexOf(0, at)));
    this.#call('_QTS_FreeCString', this.#context, at);
    return copy;
  }

  readNumber(number: Handle): number {
    return this.#call('_QTS_GetFloat64', this.#context, number);
  }

  /** Whether a value is a string, rather than an object. */
  isText(value: Handle): boolean {
    const at = this.#call('_QTS_Typeof', this.#context, value);
    const isText = this.#memory[at] === 's'.charCodeAt(0);
    this.#call('_free', at);
    return isText;
  }

  /** Whether a value is undefined. */
  isNothing(value: Handle): boolean {
    const undefinedHandle = this.#call('_QTS_GetUndefined');
    return this.#call('_QTS_IsEqual', this.#context, value, undefinedHandle, STRICTLY) === 1;
  }

  /** A property of an object, by its name. */
  property(object: Handle, name: string): Handle {
    const key = this.newText(Buffer.from(name));
    return this.#call('_QTS_GetProp', this.#context, object, key);
  }

  /** Calls a function of the engine's. */
  invoke(callee: Handle, parameters: readonly Handle[]): Evaluated {
    const at = this.#allocate(4 * Math.max(parameters.length, 1));
    for (const [index, parameter] of parameters.entries()) {
      this.#words.setUint32(at + 4 * index, parameter, true);
    }
    const undefinedHandle = this.#call('_QTS_GetUndefined');
    return this.#resultOf(
      this.#call('_QTS_Call', this.#context, callee, undefinedHandle, parameters.length, at),
    );
  }

  /** Runs a script. */
  runScript(source: string): Evaluated {
    return this.#evaluate(Buffer.from(source), EVAL_GLOBAL);
  }

  /** Reads and runs a module; its value is the namespace. */
  loadModule(source: Uint8Array): Evaluated {
    return this.#evaluate(source, EVAL_MODULE);
  }

  #evaluate(source: Uint8Array, flags: number): Evaluated {
    return this.#withText('function.js', (name) =>
      this.#withText(source, (at) =>
        this.#resultOf(this.#call('_QTS_Eval', this.#context, at, source.length, name, 0, flags)),
      ),
    );
  }

  #begin(): void {
    const runtime = this.#call('_QTS_NewRuntime');
    this.#call('_QTS_RuntimeSetMaxStackSize', runtime, STACK_BYTES);
    const all = Object.values(INTRINSICS).reduce<number>((bits, bit) => bits | bit, 0);
    this.#context = this.#call('_QTS_NewContext', runtime, all);
  }

  #resultOf(value: Handle): Evaluated {
    const error = this.#call('_QTS_ResolveException', this.#context, value);
    return error === 0 ? { value } : { error };
  }

  /**
   * Calls into the module.
   *
   * @throws Trap where it trapped
   * @throws whatever a function of ours threw meanwhile
   */
  #call(name: string, ...parameters: number[]): number {
    const call = present(this.#calls[name], name);
    try {
      const result = call(...parameters);
      if (this.#thrown !== null) throw this.#thrown.error;
      return result;
    } catch (error) {
      if (this.#thrown !== null) throw this.#thrown.error;
      throw this.#trapOf(error);
    }
  }

  /** Anything but a trap should be impossible, such as the end of V8's stack, and ends the process. */
  #trapOf(error: unknown): unknown {
    if (!(error instanceof webAssembly.RuntimeError)) {
      return error instanceof Error && error.name !== 'RangeError'
        ? error
        : new InvariantError("invariant broken: the engine stays within V8's stack", { cause: error });
    }
    if (this.#exports.work.value < 0n) return new Trap('too much work');
    if (this.#exports.depth.value > DEPTH_MAX) return new Trap('calls are nested too deeply');
    if (this.#exports.stack.value < LIMITS.stackFloor) return new Trap('the stack is full');
    return new Trap('the engine trapped');
  }

  #runHost(id: number, args: number): Handle {
    const host = present(this.#hostFunctions[id - 1], 'a function of ours');
    try {
      return host((index) => this.#call('_QTS_ArgvGetJSValueConstPointer', args, index));
    } catch (error) {
      this.#thrown = { error };
      throw error;
    }
  }

  #allocate(bytes: number): number {
    const at = this.#call('_malloc', bytes);
    if (at === 0) throw new Trap('the memory is full');
    return at;
  }

  /** Puts text, with a zero byte behind it, into the memory for as long as `use` runs. */
  #withText<T>(text: string | Uint8Array, use: (at: number) => T): T {
    const bytes = typeof text === 'string' ? Buffer.from(text) : text;
    const at = this.#allocate(bytes.length + 1);
    this.#memory.set(bytes, at);
    this.#memory[at + bytes.length] = 0;
    const result = use(at);
    this.#call('_free', at);
    return result;
  }

  #isZero(block: number): boolean {
    for (let at = block; at < block + BLOCK_BYTES; at += 4) {
      if (this.#words.getUint32(at, true) !== 0) return false;
    }
    return true;
  }
}

/** Gives out memory up to `bytes`, if it is there; the module asks where what it has is not enough. */
function grow({ pages }: Exports, bytes: number): number {
  const wanted = Math.ceil(bytes / PAGE_BYTES);
  if (wanted > MEMORY_PAGES) return 0;
  pages.value = Math.max(pages.value, wanted);
  return 1;
}

/**
 * The imports of the module without clock, time zone, environment and output, which nothing that is left asks for: the
 * engine begins with a seed of random numbers, which it makes from the time, and which must be the same everywhere.
 * By the names that this build gave them.
 */
function withoutWorld(imports: Imports, resize: (bytes: number) => number): Record<string, unknown> {
  const { MEMORY, CALL_FUNCTION, FREE_HOST_REF, CLOCK, ENVIRONMENT, ENVIRONMENT_SIZES, RESIZE } = IMPORTS;
  const refuse = (name: string): never => {
    throw new InvariantError(
      `invariant broken: the engine asks for nothing of the world, but for import ${name}`,
    );
  };
  const refused = Object.fromEntries(Object.keys(imports).map((name) => [name, () => refuse(name)]));
  return {
    ...refused,
    [MEMORY]: imports[MEMORY],
    [CALL_FUNCTION]: imports[CALL_FUNCTION],
    [FREE_HOST_REF]: imports[FREE_HOST_REF],
    [CLOCK]: () => 0,
    [ENVIRONMENT]: () => 0,
    [ENVIRONMENT_SIZES]: (countAt: number, bytesAt: number) => {
      const words = new DataView((imports[MEMORY] as { readonly buffer: ArrayBuffer }).buffer);
      for (const at of [countAt, bytesAt]) words.setUint32(at, 0, true);
      return 0;
    },
    [RESIZE]: resize,
  };
}

const IMPORTS = {
  MEMORY: 'a',
  CALL_FUNCTION: 's',
  FREE_HOST_REF: 't',
  CLOCK: 'p',
  ENVIRONMENT: 'e',
  ENVIRONMENT_SIZES: 'f',
  RESIZE: 'k',
} as const;
