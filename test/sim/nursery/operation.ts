/** One operation of a client: what it sends, and what an answer to it says about each key. */

import { prefixEnd, successor } from '../../../src/bytes.ts';
import { RETURN_CODES } from '../../../src/errors.ts';
import {
  type Answer,
  decodeBool,
  decodeBytes,
  decodeEntries,
  decodeInt,
  decodeKeys,
  decodeMultiGet,
  decodeMultiGetOptions,
  decodeOptionalBytes,
  decodeRevEntries,
  returnCodeOf,
} from '../../../src/protocol/replies.ts';
import { type Consistency, encodeRequest, type Request } from '../../../src/protocol/requests.ts';
import { encodeUpdate, type Update } from '../../../src/protocol/updates.ts';
import { contains, type Range } from '../../../src/range.ts';
import type { Random } from '../../support/random.ts';
import type { Keyspace } from './keys.ts';
import type { Need, Step } from './linearizability.ts';

/** What an answer, or its absence, says. */
export type Seen = {
  /** Whether the operation took effect. */
  readonly outcome: 'done' | 'refused' | 'unknown';
  /** What that means for each key that it concerns. */
  readonly steps: ReadonlyMap<string, readonly Step[]>;
};

export type Operation = {
  readonly id: number;
  readonly name: string;
  readonly body: Buffer;
  readonly isUpdate: boolean;
  /** A read that any node may answer from whatever it has. */
  readonly isStale: boolean;
  /** Values that it writes, by key: the last one of each. */
  readonly writes: ReadonlyMap<string, string>;
  /** What the answer says; null: there was none. */
  read(answer: Uint8Array | null): Seen;
};

const ANY: Need = { kind: 'any' };
const PRESENT: Need = { kind: 'not', value: null };
const NO_STEPS: ReadonlyMap<string, readonly Step[]> = new Map();
const CONSISTENT: Consistency = { kind: 'consistent' };

/** Draws an operation on keys of `space`. `recent` is a value that the key may well have. */
export function drawOperation(
  random: Random,
  id: number,
  space: Keyspace,
  recent: (key: string) => string | null,
): Operation {
  const key = random.pick(space.keys);
  const value = `${id}${'.'.repeat(random.below(12))}`;
  const expected = random.chance(0.8) ? recent(key) : value;
  const wanted = random.chance(0.25) ? null : value;
  switch (random.below(26)) {
    case 0:
    case 1:
    case 2:
    case 3:
    case 4:
      return set(id, 'set', key, value);
    case 5:
      return remove(id, key);
    case 6:
    case 7:
      return testAndSet(id, key, expected, wanted);
    case 8:
      return replace(id, key, wanted);
    case 9:
      return set(id, 'confirm', key, value);
    case 10:
      return deletePrefix(id, space, random.pick(space.prefixes));
    case 11:
    case 12:
    case 13:
      return sequence(id, random, space, recent);
    case 14:
      return exists(id, key);
    case 15:
      return assertion(id, key, expected);
    case 16:
      return assertExists(id, key);
    case 17:
      return multiGet(id, random, space, random.chance(0.5));
    case 18:
    case 19:
    case 20:
      return ranged(id, random, space);
    case 21:
      return stale(id, key);
    default:
      return get(id, key);
  }
}

/** A consistent read of one key, as the simulation ends with. */
export function get(id: number, key: string): Operation {
  return reading(id, { kind: 'get', key, consistency: CONSISTENT }, (answer) => {
    const code = returnCodeOf(answer);
    if (code === RETURN_CODES.NOT_FOUND) return one(key, is(null));
    return one(key, is(textOf(decodeBytes(answer))));
  });
}

export function set(id: number, kind: 'set' | 'confirm', key: string, value: string): Operation {
  const steps = one(key, { need: ANY, next: value });
  return writing(id, { kind, key, value: bytesOf(value) }, [[key, value]], () => steps);
}

function remove(id: number, key: string): Operation {
  return writing(id, { kind: 'delete', key }, [], (answer) => {
    if (answer !== null && returnCodeOf(answer) === RETURN_CODES.NOT_FOUND) return one(key, is(null));
    return one(key, { need: PRESENT, next: null });
  });
}

function testAndSet(id: number, key: string, expected: string | null, wanted: string | null): Operation {
  const request = {
    kind: 'testAndSet',
    key,
    expected: optional(expected),
    wanted: optional(wanted),
  } as const;
  return writing(id, request, wanted === null ? [] : [[key, wanted]], (answer) => {
    if (answer === null) return one(key, { need: { kind: 'is', value: expected }, next: wanted });
    const before = optionOf(decodeOptionalBytes(answer));
    if (before !== expected) return one(key, is(before));
    return one(key, { need: { kind: 'is', value: before }, next: wanted });
  });
}

function replace(id: number, key: string, wanted: string | null): Operation {
  const request = { kind: 'replace', key, wanted: optional(wanted) } as const;
  return writing(id, request, wanted === null ? [] : [[key, wanted]], (answer) => {
    if (answer === null) return one(key, { need: ANY, next: wanted });
    return one(key, { need: { kind: 'is', value: optionOf(decodeOptionalBytes(answer)) }, next: wanted });
  });
}

function deletePrefix(id: number, space: Keyspace, prefix: string): Operation {
  const keys = space.keys.filter((key) => key.startsWith(prefix));
  return writing(id, { kind: 'deletePrefix', prefix }, [], (answer) => {
    const count = answer === null ? null : decodeInt(answer);
    if (keys.length === 0 && count !== null && count > 0)
      throw new Error(`${count} keys of none were deleted`);
    // That none, or all, were there is known of each key.
    const need: Need = count === 0 ? { kind: 'is', value: null } : count === keys.length ? PRESENT : ANY;
    return new Map(keys.map((key) => [key, [{ need, next: null }]]));
  });
}

/** Writes several keys of a neighbourhood at once; at times on a condition, before, between or behind the writes. */
function sequence(
  id: number,
  random: Random,
  { keys }: Keyspace,
  recent: (key: string) => string | null,
): Operation {
  const from = random.below(keys.length - 1);
  const updates: Update[] = [];
  const steps = new Map<string, Step[]>();
  const writes = new Map<string, string>();
  for (let count = 1 + random.below(4); count > 0; count -= 1) {
    const key = keys[Math.min(from + 1 + random.below(4), keys.length - 1)] as string;
    const value = `${id}.${updates.length}`;
    writes.set(key, value);
    updates.push({ kind: 'set', key, value: bytesOf(value) });
    steps.set(key, [...(steps.get(key) ?? []), { need: ANY, next: value }]);
  }
  const condition = random.chance(0.4) ? (keys[from] as string) : null;
  const expected = condition === null || random.chance(0.2) ? null : recent(condition);
  if (condition !== null) {
    const update = { kind: 'assert', key: condition, expected: optional(expected) } as const;
    updates.splice(random.below(updates.length + 1), 0, update);
    steps.set(condition, [is(expected)]);
  }
  const kind = random.chance(0.3) ? 'syncedSequence' : 'sequence';
  const update = encodeUpdate({ kind, updates });
  return writing(id, { kind, update }, [...writes], (answer) => {
    const isFailed = answer !== null && returnCodeOf(answer) === RETURN_CODES.ASSERTION_FAILED;
    if (!isFailed) return steps;
    const fails: Need = { kind: 'not', value: expected };
    return condition === null ? NO_STEPS : one(condition, { need: fails, next: undefined });
  });
}

function exists(id: number, key: string): Operation {
  return reading(id, { kind: 'exists', key, consistency: CONSISTENT }, (answer) =>
    one(key, { need: decodeBool(answer) ? PRESENT : { kind: 'is', value: null }, next: undefined }),
  );
}

function assertion(id: number, key: string, expected: string | null): Operation {
  const request = { kind: 'assert', key, expected: optional(expected), consistency: CONSISTENT } as const;
  return reading(id, request, (answer) => {
    const holds = returnCodeOf(answer) === RETURN_CODES.OK;
    return one(key, { need: { kind: holds ? 'is' : 'not', value: expected }, next: undefined });
  });
}

function assertExists(id: number, key: string): Operation {
  return reading(id, { kind: 'assertExists', key, consistency: CONSISTENT }, (answer) => {
    const holds = returnCodeOf(answer) === RETURN_CODES.OK;
    return one(key, { need: holds ? PRESENT : { kind: 'is', value: null }, next: undefined });
  });
}

function multiGet(id: number, random: Random, space: Keyspace, isOptional: boolean): Operation {
  const keys = [...new Set(Array.from({ length: 1 + random.below(5) }, () => random.pick(space.keys)))];
  const kind = isOptional ? 'multiGetOption' : 'multiGet';
  return reading(id, { kind, keys, consistency: CONSISTENT }, (answer) => {
    if (isOptional) {
      const values = decodeMultiGetOptions(answer);
      return new Map(keys.map((key, at) => [key, [is(optionOf(values[at] ?? null))]]));
    }
    if (returnCodeOf(answer) === RETURN_CODES.NOT_FOUND) return NO_STEPS; // one of them was missing
    const values = decodeMultiGet(answer);
    return new Map(keys.map((key, at) => [key, [is(textOf(values[at] as Uint8Array))]]));
  });
}

/** Every way of asking for what lies between two keys. */
function ranged(id: number, random: Random, space: Keyspace): Operation {
  const max = random.pick([-1, -1, 1, 3, 100]);
  if (random.chance(0.25)) {
    const prefix = random.pick(space.listed);
    const range = { lo: prefix, hi: prefixEnd(prefix) };
    return reading(id, { kind: 'prefixKeys', prefix, max, consistency: CONSISTENT }, (answer) =>
      seenInRange(
        space,
        range,
        max,
        false,
        decodeKeys(answer).map((key) => [key, null]),
      ),
    );
  }
  const [a, b] = [random.pick(space.bounds), random.pick(space.bounds)];
  const firstIncluded = random.chance(0.5);
  const lastIncluded = random.chance(0.5);
  const kind = random.pick(['range', 'rangeEntries', 'revRangeEntries'] as const);
  const request = { kind, first: a, firstIncluded, last: b, lastIncluded, max, consistency: CONSISTENT };
  const isDown = kind === 'revRangeEntries';
  const low = isDown ? { key: b, in: lastIncluded } : { key: a, in: firstIncluded };
  const high = isDown ? { key: a, in: firstIncluded } : { key: b, in: lastIncluded };
  const range: Range = {
    lo: low.key === null ? '' : low.in ? low.key : successor(low.key),
    hi: high.key === null ? null : high.in ? successor(high.key) : high.key,
  };
  return reading(id, request, (answer) => {
    const entries: [string, string | null][] =
      kind === 'range'
        ? decodeKeys(answer).map((key) => [key, null])
        : (isDown ? decodeRevEntries(answer) : decodeEntries(answer)).map(([key, value]) => [
            key,
            textOf(value),
          ]);
    return seenInRange(space, range, max, isDown, entries);
  });
}

/** What a list of keys says of each key that it could have named. Throws where the list itself cannot be. */
function seenInRange(
  { keys }: Keyspace,
  range: Range,
  max: number,
  isDown: boolean,
  entries: readonly (readonly [string, string | null])[],
): ReadonlyMap<string, readonly Step[]> {
  const found = new Map(entries);
  const order = isDown ? [...entries].reverse() : entries;
  for (const [index, [key]] of order.entries()) {
    const previous = order[index - 1]?.[0];
    if (!contains(range, key)) throw new Error(`key ${JSON.stringify(key)} is outside the range asked for`);
    if (previous !== undefined && previous >= key)
      throw new Error(`keys are out of order at ${JSON.stringify(key)}`);
    if (!keys.includes(key)) throw new Error(`key ${JSON.stringify(key)} was never written`);
  }
  if (max >= 0 && entries.length > max) throw new Error(`${entries.length} keys, asked for ${max}`);
  const isCut = max >= 0 && entries.length === max;
  const last = entries.at(-1)?.[0];
  const steps = new Map<string, readonly Step[]>();
  for (const key of keys) {
    if (!contains(range, key)) continue;
    const value = found.get(key);
    if (value !== undefined) {
      steps.set(key, [value === null ? { need: PRESENT, next: undefined } : is(value)]);
      continue;
    }
    // Beyond the last one of a list that is full nothing is known.
    if (isCut && (last === undefined || (isDown ? key < last : key > last))) continue;
    steps.set(key, [is(null)]);
  }
  return steps;
}

function stale(id: number, key: string): Operation {
  const operation = reading(id, { kind: 'get', key, consistency: { kind: 'noGuarantees' } }, (answer) => {
    if (returnCodeOf(answer) === RETURN_CODES.NOT_FOUND) return NO_STEPS;
    return one(key, is(textOf(decodeBytes(answer))));
  });
  return { ...operation, isStale: true };
}

// ── How answers are read ───────────────────────────────────────────────────────────────────────────────────

type Reader<A> = (answer: A) => ReadonlyMap<string, readonly Step[]>;

const ANSWERS: ReadonlySet<number> = new Set([
  RETURN_CODES.OK,
  RETURN_CODES.NOT_FOUND,
  RETURN_CODES.ASSERTION_FAILED,
  RETURN_CODES.ASSERT_EXISTS_FAILED,
]);
const REFUSALS: ReadonlySet<number> = new Set([
  RETURN_CODES.NOT_MASTER,
  RETURN_CODES.OUT_OF_RANGE,
  RETURN_CODES.GOING_DOWN,
  RETURN_CODES.READ_ONLY,
  RETURN_CODES.BAD_INPUT,
  RETURN_CODES.INCONSISTENT_READ,
]);

function reading(id: number, request: Request, read: Reader<Uint8Array>): Operation {
  return {
    id,
    // Said only of few.
    get name() {
      return nameOf(id, request);
    },
    body: encodeRequest(request),
    isUpdate: false,
    isStale: false,
    writes: new Map(),
    read: (answer) => {
      if (answer === null || !ANSWERS.has(returnCodeOf(answer)))
        return { outcome: 'refused', steps: NO_STEPS };
      return { outcome: 'done', steps: read(answer) };
    },
  };
}

function writing(
  id: number,
  request: Request,
  writes: readonly (readonly [string, string])[],
  read: Reader<Uint8Array | null>,
): Operation {
  return {
    id,
    // Said only of few.
    get name() {
      return nameOf(id, request);
    },
    body: encodeRequest(request),
    isUpdate: true,
    isStale: false,
    writes: new Map(writes),
    read: (answer) => {
      const code = answer === null ? RETURN_CODES.MAYBE_APPLIED : returnCodeOf(answer);
      if (ANSWERS.has(code)) return { outcome: 'done', steps: read(answer) };
      if (REFUSALS.has(code)) return { outcome: 'refused', steps: NO_STEPS };
      return { outcome: 'unknown', steps: read(null) };
    },
  };
}

function nameOf(id: number, request: Request): string {
  const parts = Object.entries(request).flatMap(([name, value]) => {
    if (name === 'kind' || name === 'consistency') return [];
    const shown = value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : value;
    return [`${name}=${JSON.stringify(shown)}`];
  });
  return `#${id} ${request.kind} ${parts.join(' ')}`;
}

function one(key: string, step: Step): ReadonlyMap<string, readonly Step[]> {
  return new Map([[key, [step]]]);
}

function is(value: string | null): Step {
  return { need: { kind: 'is', value }, next: undefined };
}

function bytesOf(value: string): Buffer {
  return Buffer.from(value, 'latin1');
}

function optional(value: string | null): Buffer | null {
  return value === null ? null : bytesOf(value);
}

function textOf(value: Uint8Array): string {
  return Buffer.from(value).toString('latin1');
}

function optionOf(value: Uint8Array | null): string | null {
  return value === null ? null : textOf(value);
}

/** The number of the operation that wrote a value. */
export function writerOf(value: Uint8Array): number {
  return Number.parseInt(textOf(value), 10);
}

export type { Answer };
