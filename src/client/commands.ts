/** What a client can ask, as methods: the same over links and over Arakoon's TCP. */
import { type Key, keyToBytes } from '../base/bytes.ts';
import {
  type Request,
  type RequestKind,
  type RequestOf,
  type ResultOf,
  resultOf,
} from '../protocol/arakoon/request-table.ts';
import type { Field } from '../protocol/arakoon/statistics.ts';
import { encodeUpdate, type Update } from '../protocol/arakoon/updates.ts';
import type { Consistency, RangeQuery, Version } from '../protocol/arakoon/values.ts';

/** A key or value as callers give it: text, taken as UTF-8, or bytes. */
export type Bytes = string | Uint8Array;

/** For every call. */
export type CallOptions = {
  /** From now until the call fails (ms). Default: the client's. */
  readonly deadlineMs?: number;
};

/** For every read. */
export type ReadOptions = CallOptions & {
  /** Default: consistent. */
  readonly consistency?: Consistency;
};

/** Which keys, in ascending order. */
export type RangeOptions = ReadOptions & {
  /** Where to begin; default: at the first key there is. */
  readonly first?: Bytes;
  /** Default true. */
  readonly firstIncluded?: boolean;
  /** Where to end; default: behind the last key there is. */
  readonly last?: Bytes;
  /** Default false. */
  readonly lastIncluded?: boolean;
  /** At most so many keys, the first of them; default: all. */
  readonly max?: number;
};

/** As `RangeOptions`, from the other side: `first` is the high end, `last` the low one. */
export type RevRangeOptions = RangeOptions;

/** One step of a sequence. `null` is no value. */
export type Step =
  | { readonly kind: 'set'; readonly key: Bytes; readonly value: Bytes }
  | { readonly kind: 'delete'; readonly key: Bytes }
  | {
      readonly kind: 'testAndSet';
      readonly key: Bytes;
      readonly expected: Bytes | null;
      readonly wanted: Bytes | null;
    }
  | { readonly kind: 'replace'; readonly key: Bytes; readonly wanted: Bytes | null }
  | { readonly kind: 'deletePrefix'; readonly prefix: Bytes }
  | { readonly kind: 'assert'; readonly key: Bytes; readonly expected: Bytes | null }
  | { readonly kind: 'assertExists'; readonly key: Bytes }
  | { readonly kind: 'assertRange'; readonly prefix: Bytes; readonly keys: readonly Bytes[] }
  | {
      readonly kind: 'userFunction';
      readonly name: string;
      readonly argument: Bytes | null;
      /** As for `userFunction`; in a sequence the other keys say so too. */
      readonly near?: Bytes;
    }
  | { readonly kind: 'sequence'; readonly steps: readonly Step[] };

const CONSISTENT: Consistency = { kind: 'consistent' };

/**
 * The commands of a cluster, or of a whole nursery behind a router.
 *
 * Keys and values go in as text or bytes, and come out as `Buffer`s of their own. Every method throws
 * `NurseryError`; beside what its comment says: MAYBE_APPLIED for an update whose fate is unknown, TIMEOUT for a
 * read without an answer, and UNREACHABLE, NOT_MASTER, GOING_DOWN, OUT_OF_RANGE where nothing happened.
 */
export abstract class Commands {
  /** The whole reply to `request`, whatever its return code. */
  protected abstract ask(request: Request, options: CallOptions): Promise<Uint8Array>;

  /** What the reply to `request` says. @throws NurseryError */
  async #result<K extends RequestKind>(
    request: RequestOf<K> & { readonly kind: K },
    options: CallOptions,
  ): Promise<ResultOf<K>> {
    return resultOf(request.kind, await this.ask(request, options));
  }

  /** The value of `key`. @throws NurseryError NOT_FOUND */
  async get(key: Bytes, options: ReadOptions = {}): Promise<Buffer> {
    return own(await this.#result({ kind: 'get', ...consistencyOf(options), key: keyOf(key) }, options));
  }

  /** Whether there is a value for `key`. */
  async exists(key: Bytes, options: ReadOptions = {}): Promise<boolean> {
    return this.#result({ kind: 'exists', ...consistencyOf(options), key: keyOf(key) }, options);
  }

  /** Values in the order of `keys`. @throws NurseryError NOT_FOUND where one is missing */
  async multiGet(keys: readonly Bytes[], options: ReadOptions = {}): Promise<Buffer[]> {
    const request = { kind: 'multiGet', ...consistencyOf(options), keys: keys.map(keyOf) } as const;
    return (await this.#result(request, options)).map(own);
  }

  /** Values in the order of `keys`, null where there is none. */
  async multiGetOption(keys: readonly Bytes[], options: ReadOptions = {}): Promise<(Buffer | null)[]> {
    const request = { kind: 'multiGetOption', ...consistencyOf(options), keys: keys.map(keyOf) } as const;
    return (await this.#result(request, options)).map(ownOption);
  }

  /** Keys of a range, ascending. */
  async range(options: RangeOptions = {}): Promise<Buffer[]> {
    return (await this.#result({ kind: 'range', ...rangeOf(options) }, options)).map(keyToBytes);
  }

  /** Keys and values of a range, ascending. */
  async rangeEntries(options: RangeOptions = {}): Promise<[Buffer, Buffer][]> {
    return (await this.#result({ kind: 'rangeEntries', ...rangeOf(options) }, options)).map(ownEntry);
  }

  /** Keys and values of a range, descending. */
  async revRangeEntries(options: RevRangeOptions = {}): Promise<[Buffer, Buffer][]> {
    return (await this.#result({ kind: 'revRangeEntries', ...rangeOf(options) }, options)).map(ownEntry);
  }

  /** Keys that begin with `prefix`, ascending; at most `max` of them. */
  async prefixKeys(prefix: Bytes, options: ReadOptions & { readonly max?: number } = {}): Promise<Buffer[]> {
    const request = {
      kind: 'prefixKeys',
      ...consistencyOf(options),
      prefix: keyOf(prefix),
      max: options.max ?? -1,
    } as const;
    return (await this.#result(request, options)).map(keyToBytes);
  }

  /** Sets `key` to `value`. */
  async set(key: Bytes, value: Bytes, options: CallOptions = {}): Promise<void> {
    await this.#result({ kind: 'set', key: keyOf(key), value: bytesOf(value) }, options);
  }

  /** Sets `key` to `value` unless it has that value already, which spares the log a large value. */
  async confirm(key: Bytes, value: Bytes, options: CallOptions = {}): Promise<void> {
    await this.#result({ kind: 'confirm', key: keyOf(key), value: bytesOf(value) }, options);
  }

  /** Removes `key`. @throws NurseryError NOT_FOUND */
  async delete(key: Bytes, options: CallOptions = {}): Promise<void> {
    await this.#result({ kind: 'delete', key: keyOf(key) }, options);
  }

  /** Removes all keys that begin with `prefix`, and says how many those were. */
  async deletePrefix(prefix: Bytes, options: CallOptions = {}): Promise<number> {
    return this.#result({ kind: 'deletePrefix', prefix: keyOf(prefix) }, options);
  }

  /** Makes `wanted` the value where `expected` is the value, null standing for none. Returns the value before. */
  async testAndSet(
    key: Bytes,
    expected: Bytes | null,
    wanted: Bytes | null,
    options: CallOptions = {},
  ): Promise<Buffer | null> {
    const request = {
      kind: 'testAndSet',
      key: keyOf(key),
      expected: bytesOrNull(expected),
      wanted: bytesOrNull(wanted),
    } as const;
    return ownOption(await this.#result(request, options));
  }

  /** Makes `wanted` the value, null removing the key. Returns the value before. */
  async replace(key: Bytes, wanted: Bytes | null, options: CallOptions = {}): Promise<Buffer | null> {
    const request = { kind: 'replace', key: keyOf(key), wanted: bytesOrNull(wanted) } as const;
    return ownOption(await this.#result(request, options));
  }

  /** Carries out all steps, or none. @throws NurseryError of the first step that fails: NOT_FOUND, ASSERTION_FAILED … */
  async sequence(steps: readonly Step[], options: CallOptions = {}): Promise<void> {
    const update = encodeUpdate({ kind: 'sequence', updates: steps.map(updateOf) });
    await this.#result({ kind: 'sequence', update }, options);
  }

  /** Holds where `expected` is the value of `key`, null standing for none. @throws NurseryError ASSERTION_FAILED */
  async assert(key: Bytes, expected: Bytes | null, options: ReadOptions = {}): Promise<void> {
    const request = {
      kind: 'assert',
      ...consistencyOf(options),
      key: keyOf(key),
      expected: bytesOrNull(expected),
    } as const;
    await this.#result(request, options);
  }

  /** Holds where `key` has a value. @throws NurseryError ASSERTION_FAILED */
  async assertExists(key: Bytes, options: ReadOptions = {}): Promise<void> {
    const request = { kind: 'assertExists', ...consistencyOf(options), key: keyOf(key) } as const;
    await this.#result(request, options);
  }

  /**
   * Runs a function that was put there (`nursery function put`), all of it or nothing, and returns what it answers.
   *
   * @param options `near`: a key that it works with. It runs where that key is; where several clusters share the keys, it must
   *   be said. Every other key that the function touches must be there too.
   * @throws NurseryError USER_FUNCTION_FAILURE where it failed, did too much, or reached for a key of another cluster;
   *   BAD_INPUT where there is none of that name, or nobody knows where it is to run
   */
  async userFunction(
    name: string,
    argument: Bytes | null,
    options: CallOptions & { readonly near?: Bytes } = {},
  ): Promise<Buffer | null> {
    const called = { name: keyOf(name), argument: bytesOrNull(argument) };
    const { near } = options;
    if (near === undefined)
      return ownOption(await this.#result({ kind: 'userFunction', ...called }, options));
    const request = { kind: 'userFunctionNear', key: keyOf(near), ...called } as const;
    return ownOption(await this.#result(request, options));
  }

  /**
   * What a function answers that only reads. Behind a router it is run only where one cluster has all keys.
   *
   * @throws NurseryError USER_HOOK_NOT_FOUND; USER_FUNCTION_FAILURE where it failed, or would have written
   */
  async userHook(name: string, options: ReadOptions = {}): Promise<Buffer> {
    return own(
      await this.#result({ kind: 'userHook', ...consistencyOf(options), name: keyOf(name) }, options),
    );
  }

  /** How many keys there are. */
  async keyCount(options: CallOptions = {}): Promise<number> {
    return this.#result({ kind: 'getKeyCount' }, options);
  }

  /** Goes through the log and changes nothing: succeeds where updates do. */
  async nop(options: CallOptions = {}): Promise<void> {
    await this.#result({ kind: 'nop' }, options);
  }

  /** Name of the master, null where there is none; a router names itself. */
  async whoMaster(options: CallOptions = {}): Promise<string | null> {
    return this.#result({ kind: 'whoMaster' }, options);
  }

  /** Whether the node that is asked expects updates to succeed. */
  async expectProgressPossible(options: CallOptions = {}): Promise<boolean> {
    return this.#result({ kind: 'expectProgressPossible' }, options);
  }

  /** Version of the node or router that is asked. */
  async version(options: CallOptions = {}): Promise<Version> {
    return this.#result({ kind: 'version' }, options);
  }

  /** Figures of the node or router that is asked. */
  async statistics(options: CallOptions = {}): Promise<readonly Field[]> {
    return this.#result({ kind: 'statistics' }, options);
  }

  /** What the node that is asked is doing, for people. */
  async currentState(options: CallOptions = {}): Promise<string> {
    return this.#result({ kind: 'currentState' }, options);
  }

  /** A stamp: a read with this consistency, at any node of the cluster, sees all that is there now. */
  async txid(options: CallOptions = {}): Promise<Consistency> {
    return this.#result({ kind: 'getTxid' }, options);
  }

  /**
   * Makes the node that is asked give up being master, where it is, and waits until another one has become it.
   *
   * @throws NurseryError UNKNOWN_FAILURE where none does within two leases and five seconds
   */
  async dropMaster(options: CallOptions = {}): Promise<void> {
    await this.#result({ kind: 'dropMaster' }, options);
  }

  /** Makes the node that is asked write to its store what it has in memory. */
  async flushStore(options: CallOptions = {}): Promise<void> {
    await this.#result({ kind: 'flushStore' }, options);
  }

  /**
   * Makes the node that is asked drop the segments of its log that it does not need, but for the newest `keep`.
   *
   * @returns of each that went, how long after the beginning (microseconds)
   */
  async collapse(keep: number, options: CallOptions = {}): Promise<readonly number[]> {
    return this.#result({ kind: 'collapse', keep }, options);
  }

  /** Makes a node that is not master rewrite its store without the room that is not in use. */
  async defragment(options: CallOptions = {}): Promise<void> {
    await this.#result({ kind: 'defragDb' }, options);
  }
}

function keyOf(key: Bytes): Key {
  return bytesOf(key).toString('latin1');
}

function bytesOf(bytes: Bytes): Buffer {
  if (typeof bytes === 'string') return Buffer.from(bytes, 'utf8');
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function bytesOrNull(bytes: Bytes | null): Buffer | null {
  return bytes === null ? null : bytesOf(bytes);
}

function consistencyOf(options: ReadOptions): { readonly consistency: Consistency } {
  return { consistency: options.consistency ?? CONSISTENT };
}

function rangeOf(options: RangeOptions): RangeQuery {
  return {
    ...consistencyOf(options),
    first: options.first === undefined ? null : keyOf(options.first),
    firstIncluded: options.firstIncluded ?? true,
    last: options.last === undefined ? null : keyOf(options.last),
    lastIncluded: options.lastIncluded ?? false,
    max: options.max ?? -1,
  };
}

function updateOf(step: Step): Update {
  switch (step.kind) {
    case 'set':
      return { kind: 'set', key: keyOf(step.key), value: bytesOf(step.value) };
    case 'testAndSet': {
      const expected = bytesOrNull(step.expected);
      return { kind: 'testAndSet', key: keyOf(step.key), expected, wanted: bytesOrNull(step.wanted) };
    }
    case 'replace':
      return { kind: 'replace', key: keyOf(step.key), wanted: bytesOrNull(step.wanted) };
    case 'deletePrefix':
      return { kind: 'deletePrefix', prefix: keyOf(step.prefix) };
    case 'assert':
      return { kind: 'assert', key: keyOf(step.key), expected: bytesOrNull(step.expected) };
    case 'assertRange':
      return { kind: 'assertRange', prefix: keyOf(step.prefix), keys: step.keys.map(keyOf) };
    case 'userFunction': {
      const called = { name: keyOf(step.name), argument: bytesOrNull(step.argument) };
      if (step.near === undefined) return { kind: 'userFunction', ...called };
      return { kind: 'userFunctionNear', key: keyOf(step.near), ...called };
    }
    case 'sequence':
      return { kind: 'sequence', updates: step.steps.map(updateOf) };
    default:
      return { kind: step.kind, key: keyOf(step.key) };
  }
}

/** A copy: what was read from a connection is a view into something larger. */
function own(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes);
}

function ownOption(bytes: Uint8Array | null): Buffer | null {
  return bytes === null ? null : own(bytes);
}

function ownEntry([key, value]: readonly [Key, Uint8Array]): [Buffer, Buffer] {
  return [keyToBytes(key), own(value)];
}
