/** Reads of several keys: each way of asking for what lies between two keys, and for keys by their names. */
import { prefixEnd, successor } from '../../../src/base/bytes.ts';
import { RETURN_CODES } from '../../../src/base/errors.ts';
import { contains, type Range } from '../../../src/keyspace/range.ts';
import {
  decodeEntries,
  decodeKeys,
  decodeMultiGet,
  decodeMultiGetOptions,
  decodeRevEntries,
} from '../../../src/protocol/arakoon/replies.ts';
import type { Consistency } from '../../../src/protocol/arakoon/requests.ts';
import { returnCodeOf } from '../../../src/protocol/arakoon/values.ts';
import type { Random } from '../../support/random.ts';
import { is, NO_STEPS, type Operation, optionOf, PRESENT, reading, textOf } from './asking.ts';
import type { Keyspace } from './keys.ts';
import type { Step } from './linearizability.ts';

/** Keys of one request from which on a node answers it in several slices. */
const SLICES_FROM = 1100;

const CONSISTENT: Consistency = { kind: 'consistent' };

export function multiGet(id: number, random: Random, space: Keyspace, isOptional: boolean): Operation {
  const few = [...new Set(Array.from({ length: 1 + random.below(5) }, () => random.pick(space.keys)))];
  // Often enough that the node does it in several slices.
  const times = random.chance(0.05) ? Math.ceil(SLICES_FROM / few.length) : 1;
  const keys = Array.from({ length: times }, () => few).flat();
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
export function ranged(id: number, random: Random, space: Keyspace): Operation {
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
