/** Sequences: several writes of a neighbourhood at once, at times on conditions, at times nested. */
import { RETURN_CODES } from '../../../src/base/errors.ts';
import { encodeUpdate, type Update } from '../../../src/protocol/arakoon/updates.ts';
import { returnCodeOf } from '../../../src/protocol/arakoon/values.ts';
import type { Random } from '../../support/random.ts';
import { ANY, bytesOf, is, NO_STEPS, type Operation, one, optional, PRESENT, writing } from './asking.ts';
import type { Keyspace } from './keys.ts';
import type { Step } from './linearizability.ts';

type Condition = Extract<Update, { kind: 'assert' | 'assertRange' }>;
/** What a sequence is made of here, before any of it is nested. */
type Plain = Condition | Extract<Update, { kind: 'set' }>;
/** A value that a key may well have, as far as anybody can say from outside. */
type Recent = (key: string) => string | null;

export function sequence(id: number, random: Random, space: Keyspace, recent: Recent): Operation {
  const { keys } = space;
  const from = random.below(keys.length - 1);
  const plain: Plain[] = [];
  for (let count = 1 + random.below(4); count > 0; count -= 1) {
    const key = keys[Math.min(from + 1 + random.below(4), keys.length - 1)] as string;
    plain.push({ kind: 'set', key, value: bytesOf(`${id}.${plain.length}`) });
  }
  const writes = plain.flatMap((update): [string, string][] =>
    update.kind === 'set' ? [[update.key, textIn(update)]] : [],
  );
  if (random.chance(0.4)) {
    const key = keys[from] as string;
    const expected = random.chance(0.2) ? null : recent(key);
    plain.splice(random.below(plain.length + 1), 0, { kind: 'assert', key, expected: optional(expected) });
  }
  if (random.chance(0.25)) {
    const at = random.below(plain.length + 1);
    plain.splice(at, 0, assertRange(random, space, plain.slice(0, at), recent));
  }
  const kind = random.chance(0.3) ? 'syncedSequence' : 'sequence';
  const update = encodeUpdate({ kind, updates: nested(random, plain) });
  const steps = stepsOf(plain, space);
  return writing(id, { kind, update }, writes, (answer) => {
    const isFailed = answer !== null && returnCodeOf(answer) === RETURN_CODES.ASSERTION_FAILED;
    return isFailed ? stepsOfFailure(plain) : steps;
  });
}

/** Which keys begin with a prefix, as it may well be where the updates before it have been carried out. */
function assertRange(random: Random, space: Keyspace, before: readonly Plain[], recent: Recent): Condition {
  const written = new Set(before.flatMap((update) => (update.kind === 'set' ? [update.key] : [])));
  // Of what is written at the same time something should be asserted, at times.
  const near = space.prefixes.filter((prefix) => [...written].some((key) => key.startsWith(prefix)));
  const prefix = random.pick(near.length > 0 && random.chance(0.6) ? near : space.prefixes);
  const all = space.keys.filter((key) => key.startsWith(prefix));
  const keys = all.filter((key) => written.has(key) || recent(key) !== null);
  if (all.length > 0 && random.chance(0.15)) {
    const key = random.pick(all);
    const at = keys.indexOf(key);
    if (at < 0) keys.push(key);
    else keys.splice(at, 1);
  }
  return { kind: 'assertRange', prefix, keys };
}

/** The same updates in the same order, some of them within sequences of their own. */
function nested(random: Random, plain: readonly Plain[]): Update[] {
  const updates: Update[] = [...plain];
  for (let depth = random.pick([0, 0, 1, 2, 3]); depth > 0; depth -= 1) {
    const at = random.below(updates.length);
    const count = random.below(updates.length - at + 1);
    const kind = random.chance(0.3) ? 'syncedSequence' : 'sequence';
    updates.splice(at, count, { kind, updates: updates.slice(at, at + count) });
  }
  return updates;
}

/** What it means for each key that all of it was carried out. */
function stepsOf(plain: readonly Plain[], { keys }: Keyspace): ReadonlyMap<string, readonly Step[]> {
  const steps = new Map<string, Step[]>();
  const add = (key: string, step: Step): void => {
    steps.set(key, [...(steps.get(key) ?? []), step]);
  };
  for (const update of plain) {
    if (update.kind === 'set') add(update.key, { need: ANY, next: textIn(update) });
    else if (update.kind === 'assert') add(update.key, is(expectedIn(update)));
    else {
      for (const key of keys) {
        if (!key.startsWith(update.prefix)) continue;
        add(key, update.keys.includes(key) ? { need: PRESENT, next: undefined } : is(null));
      }
    }
  }
  return steps;
}

/** What it means that a condition did not hold: something only where there is one, of one key that is not written. */
function stepsOfFailure(plain: readonly Plain[]): ReadonlyMap<string, readonly Step[]> {
  const conditions = plain.filter(({ kind }) => kind !== 'set');
  const [condition] = conditions;
  if (conditions.length !== 1 || condition?.kind !== 'assert') return NO_STEPS;
  return one(condition.key, { need: { kind: 'not', value: expectedIn(condition) }, next: undefined });
}

function textIn({ value }: Extract<Plain, { kind: 'set' }>): string {
  return Buffer.from(value).toString('latin1');
}

function expectedIn({ expected }: Extract<Plain, { kind: 'assert' }>): string | null {
  return expected === null ? null : Buffer.from(expected).toString('latin1');
}
