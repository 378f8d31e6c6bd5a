/** What a load consists of: frames made once, in which only keys change. */
import { NurseryError } from '../../base/errors.ts';
import { encodeRequest, REQUEST_CODES, type Request } from '../../protocol/arakoon/requests.ts';
import { encodeUpdate } from '../../protocol/arakoon/updates.ts';

/**
 * The operations that can be mixed. `fill` sets each key once, in order; `function` calls the function `counter` of the examples,
 * which must have been put before.
 */
export const OPERATIONS = [
  'set',
  'get',
  'delete',
  'sequence',
  'multi-get',
  'range-entries',
  'function',
  'fill',
] as const;
export type OperationName = (typeof OPERATIONS)[number];

/** Shares of operations, in any unit. */
export type Mix = readonly { readonly name: OperationName; readonly weight: number }[];

/** Sizes of what is sent. */
export type Sizes = {
  /** Different keys: decimal numbers from 0 on, padded with zeros. */
  readonly keys: number;
  readonly keyBytes: number;
  readonly valueBytes: number;
  /** Updates in a sequence, keys in a multi-get. */
  readonly sequenceUpdates: number;
  /** Entries that a range request asks for. */
  readonly rangeEntries: number;
};

/**
 * Reads `set:9,get:1`, or one name alone.
 *
 * @throws NurseryError REFUSED naming what is wrong
 */
export function parseMix(text: string): Mix {
  return text.split(',').map((part) => {
    const [name = '', weight = '1'] = part.trim().split(':');
    if (!isOperation(name)) {
      throw new NurseryError(
        'REFUSED',
        `no operation is called ${name}; there are: ${OPERATIONS.join(', ')}`,
      );
    }
    if (!(Number(weight) > 0))
      throw new NurseryError('REFUSED', `weight ${weight} of ${name} is no number above 0`);
    return { name, weight: Number(weight) };
  });
}

function isOperation(name: string): name is OperationName {
  return OPERATIONS.includes(name as OperationName);
}

const ZERO = 0x30;

/**
 * How servers of a kind want requests: the bytes of one, in which `key` stands wherever a key does, and a code that tells how its reply
 * is to be read. @throws NurseryError REFUSED for what they cannot do
 */
export type Dialect = (
  name: OperationName,
  key: string,
  sizes: Sizes,
) => { readonly frame: Buffer; readonly code: number };

/** Arakoon's. */
export const arakoon: Dialect = (name, key, sizes) => {
  const request = requestOf(name, key, sizes);
  return { frame: encodeRequest(request), code: REQUEST_CODES[request.kind] };
};

/** One kind of request, ready to be sent. */
export class Operation {
  readonly name: OperationName;
  /** Tells how its reply is to be read. */
  readonly code: number;
  /** What one request does: updates, keys or entries. */
  readonly units: number;
  readonly #template: Buffer;
  readonly #keysAt: readonly number[];
  readonly #keyBytes: number;

  constructor(name: OperationName, sizes: Sizes, dialect: Dialect = arakoon) {
    const key = '0'.repeat(sizes.keyBytes);
    const { frame, code } = dialect(name, key, sizes);
    this.name = name;
    this.code = code;
    this.#template = frame;
    this.#keysAt = occurrences(this.#template, Buffer.from(key));
    this.#keyBytes = sizes.keyBytes;
    this.units =
      name === 'range-entries' ? sizes.rangeEntries : name === 'function' ? 1 : this.#keysAt.length;
  }

  get bytes(): number {
    return this.#template.length;
  }

  /** Writes a request about the keys that `next` yields to `target` at `at`. */
  write(target: Buffer, at: number, next: () => number): void {
    this.#template.copy(target, at);
    for (const keyAt of this.#keysAt) {
      let digitAt = at + keyAt + this.#keyBytes - 1;
      for (let left = next(); left > 0; left = Math.floor(left / 10)) {
        target[digitAt] = ZERO + (left % 10);
        digitAt -= 1;
      }
    }
  }
}

function requestOf(name: OperationName, key: string, sizes: Sizes): Request {
  const consistency = { kind: 'consistent' } as const;
  // Any byte but that of the keys, so that these are found in the frame.
  const value = Buffer.alloc(sizes.valueBytes, 'v');
  switch (name) {
    case 'set':
      return { kind: 'set', key, value };
    case 'get':
      return { kind: 'get', consistency, key };
    case 'delete':
      return { kind: 'delete', key };
    case 'function':
      return { kind: 'userFunctionNear', key, name: 'counter', argument: Buffer.from(`${key}c`) };
    case 'fill':
    case 'sequence': {
      const updates = Array.from(
        { length: sizes.sequenceUpdates },
        () => ({ kind: 'set', key, value }) as const,
      );
      return { kind: 'sequence', update: encodeUpdate({ kind: 'sequence', updates }) };
    }
    case 'multi-get':
      return {
        kind: 'multiGetOption',
        consistency,
        keys: new Array<string>(sizes.sequenceUpdates).fill(key),
      };
    case 'range-entries':
      return {
        kind: 'rangeEntries',
        consistency,
        first: key,
        firstIncluded: true,
        last: null,
        lastIncluded: false,
        max: sizes.rangeEntries,
      };
  }
}

function occurrences(frame: Buffer, key: Buffer): number[] {
  const found: number[] = [];
  for (let at = frame.indexOf(key); at >= 0; at = frame.indexOf(key, at + key.length)) found.push(at);
  return found;
}

/** Draws operations and keys: the same ones for the same seed. */
export class Workload {
  readonly #operations: readonly Operation[];
  readonly #upTo: readonly number[];
  readonly #keys: number;
  #state: number;
  #filled = 0;

  readonly #random = (): number => Math.floor(this.#draw() * this.#keys);
  readonly #successive = (): number => {
    this.#filled += 1;
    return Math.min(this.#filled, this.#keys) - 1;
  };

  constructor(mix: Mix, sizes: Sizes, seed: number, dialect: Dialect = arakoon) {
    const total = mix.reduce((sum, { weight }) => sum + weight, 0);
    let sum = 0;
    this.#operations = mix.map(({ name }) => new Operation(name, sizes, dialect));
    this.#upTo = mix.map(({ weight }) => {
      sum += weight;
      return sum / total;
    });
    this.#keys = sizes.keys;
    this.#state = seed | 1;
  }

  /** Whether a fill has drawn its last key. */
  get isFilled(): boolean {
    return this.#filled >= this.#keys;
  }

  /** The next operation. */
  next(): Operation {
    if (this.#operations.length === 1) return this.#operations[0] as Operation;
    const drawn = this.#draw();
    return this.#operations[this.#upTo.findIndex((upTo) => drawn < upTo)] as Operation;
  }

  /** Writes a request of this operation to `target` at `at`. */
  write(operation: Operation, target: Buffer, at: number): void {
    operation.write(target, at, operation.name === 'fill' ? this.#successive : this.#random);
  }

  /** From 0 to 1, that excluded: xorshift32 (Marsaglia, "Xorshift RNGs", 2003). */
  #draw(): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x;
    return (x >>> 0) / 2 ** 32;
  }
}
