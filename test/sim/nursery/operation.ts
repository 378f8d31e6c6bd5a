/** One operation of a client, drawn: what it sends, and what an answer to it says about each key. */
import { RETURN_CODES } from '../../../src/base/errors.ts';
import {
  decodeBool,
  decodeBytes,
  decodeInt,
  decodeInt64,
  decodeMultiGetOptions,
  decodeOptionalBytes,
} from '../../../src/protocol/arakoon/replies.ts';
import type { Consistency } from '../../../src/protocol/arakoon/requests.ts';
import { returnCodeOf } from '../../../src/protocol/arakoon/values.ts';
import type { Random } from '../../support/random.ts';
import {
  ANY,
  bytesOf,
  is,
  NO_STEPS,
  type Operation,
  one,
  optional,
  optionOf,
  PRESENT,
  reading,
  type Seen,
  textOf,
  writing,
} from './asking.ts';
import { callFunction } from './functions.ts';
import type { Keyspace } from './keys.ts';
import type { Need } from './linearizability.ts';
import { multiGet, ranged } from './ranged.ts';
import { sequence } from './sequence.ts';

export { type Operation, type Seen, writerOf } from './asking.ts';

const CONSISTENT: Consistency = { kind: 'consistent' };

/** Draws an operation on keys of `space`. `recent` is a value that the key may well have; `functionsPut` as in `callFunction`. */
export function drawOperation(
  random: Random,
  id: number,
  space: Keyspace,
  recent: (key: string) => string | null,
  functionsPut = 0,
): Operation {
  const key = random.pick(space.keys);
  const value = `${id}${'.'.repeat(random.below(12))}`;
  const expected = random.chance(0.8) ? recent(key) : value;
  const wanted = random.chance(0.25) ? null : value;
  switch (random.below(31)) {
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
    case 22:
      return nop(id);
    case 23:
      return keyCount(id);
    case 24:
    case 25:
      return callFunction(id, random, space, functionsPut);
    default:
      return get(id, key);
  }
}

/** A read of a state that holds what slot \`slot\` of a cluster changed: \`key\`, at times with others. */
export function stamped(
  id: number,
  random: Random,
  { keys }: Keyspace,
  key: string,
  slot: number,
): Operation {
  const consistency = { kind: 'atLeast', slot } as const;
  if (random.chance(0.7)) return { ...getAt(id, key, consistency), isStale: true };
  const near = keys.slice(keys.indexOf(key), keys.indexOf(key) + 3);
  const operation = reading(id, { kind: 'multiGetOption', keys: near, consistency }, (answer) => {
    const values = decodeMultiGetOptions(answer);
    return new Map(near.map((each, at) => [each, [is(optionOf(values[at] ?? null))]]));
  });
  return { ...operation, isStale: true };
}

/** A consistent read of one key, as the simulation ends with. */
export function get(id: number, key: string): Operation {
  return getAt(id, key, CONSISTENT);
}

function getAt(id: number, key: string, consistency: Consistency): Operation {
  return reading(id, { kind: 'get', key, consistency }, (answer) => {
    const code = returnCodeOf(answer);
    if (code === RETURN_CODES.NOT_FOUND) return one(key, is(null));
    return one(key, is(textOf(decodeBytes(answer))));
  });
}

export function set(id: number, kind: 'set' | 'confirm', key: string, value: string): Operation {
  const bytes = bytesOf(value);
  const steps = one(key, { need: ANY, next: textOf(bytes) });
  return writing(id, { kind, key, value: bytes }, [[key, value]], () => steps);
}

/** An update that changes nothing, so that no cluster has a reason to refuse it for good. */
function nop(id: number): Operation {
  const operation = writing(id, { kind: 'nop' }, [], () => NO_STEPS);
  const read = (answer: Uint8Array | null): Seen => {
    const code = answer === null ? null : returnCodeOf(answer);
    if (code === RETURN_CODES.BAD_INPUT) throw new Error('a nop is refused');
    return operation.read(answer);
  };
  return { ...operation, name: `#${id} nop`, read };
}

/** How many keys there are: of each cluster at a moment of its own. `expected` where nothing changes any more. */
export function keyCount(id: number, expected: number | null = null): Operation {
  return reading(id, { kind: 'getKeyCount' }, (answer) => {
    const count = decodeInt64(answer);
    if (expected !== null && count !== expected)
      throw new Error(`${count} keys are counted, there are ${expected}`);
    return NO_STEPS;
  });
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

function stale(id: number, key: string): Operation {
  const operation = reading(id, { kind: 'get', key, consistency: { kind: 'noGuarantees' } }, (answer) => {
    if (returnCodeOf(answer) === RETURN_CODES.NOT_FOUND) return NO_STEPS;
    return one(key, is(textOf(decodeBytes(answer))));
  });
  return { ...operation, isStale: true };
}
