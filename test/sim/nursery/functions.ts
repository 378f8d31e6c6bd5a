/**
 * Functions of users in a simulated nursery, run by the real engine: those that operators put, calls of them, and what an
 * answer to a call says.
 */
import { FunctionEngine } from '../../../node/functions/engine.ts';
import { CALL_WORK_MAX } from '../../../node/machine/function-call.ts';
import { RETURN_CODES } from '../../../src/base/errors.ts';
import { decodeBytes, decodeOptionalBytes, okOptionalBytes } from '../../../src/protocol/arakoon/replies.ts';
import { encodeUpdate, type Update } from '../../../src/protocol/arakoon/updates.ts';
import { type Answer, returnCodeOf } from '../../../src/protocol/arakoon/values.ts';
import type { Random } from '../../support/random.ts';
import {
  ANY,
  bytesOf,
  is,
  NO_STEPS,
  type Operation,
  one,
  optionOf,
  reading,
  type Seen,
  writing,
} from './asking.ts';
import type { Keyspace } from './keys.ts';
import type { Step } from './linearizability.ts';

/** The engine of every node: one for all of them, as calls leave nothing behind. */
export const FUNCTIONS = await FunctionEngine.start();

/** Keys and values are any bytes, so that the argument has them in hexadecimal, with blanks between. */
const READS_ARGUMENT = `
  let calls = 0;
  const bytesOf = (hex) => Uint8Array.from({ length: hex.length / 2 }, (_, at) => parseInt(hex.substr(2 * at, 2), 16));
  const wordsOf = (argument) => {
    calls += 1;
    if (calls !== 1) throw new Error('state survives');
    return String(argument).split(' ');
  };`;

/** Replaces the value of one key, or of two, and answers what the first had. */
const EXCHANGE = `${READS_ARGUMENT}
  export default (tx, argument) => {
    const [value, ...keys] = wordsOf(argument).map(bytesOf);
    const before = tx.get(keys[0]);
    for (const key of keys) tx.set(key, value);
    return before;
  };`;

/** Writes, and fails. */
const FAILS = `${READS_ARGUMENT}
  export default (tx, argument) => {
    const [value, key] = wordsOf(argument).map(bytesOf);
    tx.set(key, value);
    throw new Error('as it should');
  };`;

/** Writes, and goes on for so many rounds: some more than the limit allows, most about as many. */
const WORKS = `${READS_ARGUMENT}
  export default (tx, argument) => {
    const [rounds, ...words] = wordsOf(argument);
    const [value, key] = words.map(bytesOf);
    tx.set(key, value);
    const last = Number(rounds);
    for (let round = 0; round < last; round += 1);
  };`;
/** A hook: the values of some keys, of one moment, behind their lengths (-1: there is none). */
export const SHOWN: readonly string[] = ['a', 'h\x01', '\xff'];
const SHOWS = `
  let calls = 0;
  const KEYS = ${JSON.stringify(SHOWN.map((key) => [...Buffer.from(key, 'latin1')]))};
  export default (tx) => {
    calls += 1;
    if (calls !== 1) throw new Error('state survives');
    const values = KEYS.map((key) => tx.get(Uint8Array.from(key)));
    const head = values.map((value) => (value === undefined ? -1 : value.length)).join(' ') + '|';
    const parts = [Uint8Array.from(head, (letter) => letter.charCodeAt(0)), ...values.filter((value) => value !== undefined)];
    const shown = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of parts) {
      shown.set(part, at);
      at += part.length;
    }
    return shown;
  };`;

/** What the hook must answer where the keys have these values. */
export function shownBy(values: readonly (Uint8Array | null)[]): Uint8Array {
  const head = values.map((value) => value?.length ?? -1).join(' ');
  return Buffer.concat([Buffer.from(`${head}|`), ...values.map((value) => value ?? Buffer.alloc(0))]);
}

/** The values in what the hook answered. */
function valuesIn(shown: Buffer): (Buffer | null)[] {
  const head = shown.toString('latin1', 0, shown.indexOf('|'));
  let at = head.length + 1;
  return head.split(' ').map((length) => {
    if (length === '-1') return null;
    at += Number(length);
    return shown.subarray(at - Number(length), at);
  });
}

/** About as many rounds of it as the limit allows. */
const ROUNDS = roundsOfTheLimit();

function roundsOfTheLimit(): number {
  const rows = { get: () => undefined, set: () => undefined, delete: () => false, keys: none, prefix: none };
  const workOf = (rounds: number): number =>
    FUNCTIONS.call({ source: Buffer.from(WORKS) }, rows, bytesOf(`${rounds} 00 00`)).work;
  const [few, many] = [1000, 50_000];
  const ofARound = (workOf(many) - workOf(few)) / (many - few);
  return few + Math.floor((CALL_WORK_MAX - workOf(few)) / ofARound);
}

function none(): { keys: string[]; visited: number } {
  return { keys: [], visited: 0 };
}

/** Names under which the first one is put, one after the other: a cluster that lacks the newest shows it. */
export const EXCHANGES: readonly string[] = Array.from({ length: 10 }, (_, index) => `exchange-${index}`);

/** What is put at the beginning. */
export const FIRST_FUNCTIONS: ReadonlyMap<string, Uint8Array> = new Map([
  [EXCHANGES[0] as string, Buffer.from(EXCHANGE)],
  ['fails', Buffer.from(FAILS)],
  ['works', Buffer.from(WORKS)],
  ['shows', Buffer.from(SHOWS)],
]);

export const EXCHANGE_SOURCE: Uint8Array = Buffer.from(EXCHANGE);

/** Draws a call; `put`: how many of the exchanges somebody has put, or is about to. */
export function callFunction(id: number, random: Random, { keys }: Keyspace, put: number): Operation {
  const key = random.pick(keys);
  const value = `${id}`;
  const name = EXCHANGES[random.below(Math.max(put, 1))] as string;
  switch (random.below(12)) {
    case 10:
      return hook(id);
    case 11:
      return exchange(id, name, value, [key], false);
    case 0:
      return failing(id, key, 'fails', [value, key].map(hexOf).join(' '), 'Error: as it should');
    case 1: {
      const rounds = random.chance(0.2) ? 10 * ROUNDS : Math.floor(ROUNDS * (0.98 + 0.03 * random.next()));
      return working(id, key, value, `${rounds} ${[value, key].map(hexOf).join(' ')}`);
    }
    case 2:
      return inSequence(id, name, value, key, random.pick(keys.filter((other) => other !== key)));
    case 3:
    case 4:
      return exchange(id, name, value, [key, random.pick(keys.filter((other) => other !== key))]);
    default:
      return exchange(id, name, value, [key]);
  }
}

function hook(id: number): Operation {
  const request = { kind: 'userHook', consistency: { kind: 'consistent' }, name: 'shows' } as const;
  const operation = reading(id, request, (answer) => {
    const values = valuesIn(Buffer.from(decodeBytes(answer)));
    const steps = values.map((value, index): [string, Step[]] => [
      SHOWN[index] as string,
      [is(optionOf(value))],
    ]);
    return new Map(steps);
  });
  return { ...operation, called: { name: 'shows', key: null }, read: judging(operation, []) };
}

/** `isPlaced`: it says near which key it works. */
function exchange(
  id: number,
  name: string,
  value: string,
  keys: readonly string[],
  isPlaced = true,
): Operation {
  const [first, second] = keys as [string, string | undefined];
  const argument = bytesOf([value, ...keys].map(hexOf).join(' '));
  const writes = keys.map((key) => [key, value] as const);
  const request = isPlaced
    ? ({ kind: 'userFunctionNear', key: first, name, argument } as const)
    : ({ kind: 'userFunction', name, argument } as const);
  const operation = writing(id, request, writes, (answer) => {
    const need =
      answer === null ? ANY : ({ kind: 'is', value: optionOf(decodeOptionalBytes(answer)) } as const);
    const steps = [[first, [{ need, next: value }]]] as const;
    return new Map(second === undefined ? steps : [...steps, [second, [{ need: ANY, next: value }]]]);
  });
  return {
    ...operation,
    called: { name, key: isPlaced ? first : null },
    read: judging(operation, second === undefined ? [] : [OUTSIDE]),
  };
}

/** A key is set, and a function, which names none, writes another one: where that is elsewhere, neither is written. */
function inSequence(id: number, name: string, value: string, key: string, other: string): Operation {
  const argument = bytesOf([value, other].map(hexOf).join(' '));
  const update = encodeUpdate({
    kind: 'sequence',
    updates: [
      { kind: 'set', key, value: bytesOf(value) },
      { kind: 'userFunction', name, argument },
    ],
  });
  const writes = [key, other].map((each) => [each, value] as const);
  const steps = new Map(writes.map(([each]) => [each, [{ need: ANY, next: value }]]));
  const operation = writing(id, { kind: 'sequence', update }, writes, () => steps);
  return { ...operation, called: { name, key }, read: judging(operation, [OUTSIDE]) };
}

/** The same update for a model that knows no functions: within a sequence only whether it succeeds is answered. */
export function withoutFunctions(update: Update): Update {
  if (update.kind === 'sequence' || update.kind === 'syncedSequence') {
    return { kind: update.kind, updates: update.updates.map(withoutFunctions) };
  }
  if (update.kind !== 'userFunction') return update;
  const [value, ...keys] = wordsOf(update.argument);
  const sets = keys.map(
    (key) => ({ kind: 'set', key: key.toString('latin1'), value: value as Buffer }) as const,
  );
  return { kind: 'sequence', updates: sets };
}

function failing(id: number, key: string, name: string, argument: string, why: string): Operation {
  const request = { kind: 'userFunctionNear', key, name, argument: bytesOf(argument) } as const;
  const operation = writing(id, request, [], (answer) => {
    if (answer !== null) throw new Error('a function that fails is answered as if it had not');
    return NO_STEPS;
  });
  return { ...operation, called: { name, key }, read: judging(operation, [new RegExp(`^${why}$`)]) };
}

function working(id: number, key: string, value: string, argument: string): Operation {
  const request = { kind: 'userFunctionNear', key, name: 'works', argument: bytesOf(argument) } as const;
  const operation = writing(id, request, [[key, value]], () => one(key, { need: ANY, next: value }));
  return { ...operation, called: { name: 'works', key }, read: judging(operation, [/^too much work$/]) };
}

const OUTSIDE = /^key .* belongs to /;
const NO_ENGINE = /^no engine is in force yet/;

/** A failure must be one of those that are to be expected; nothing of the call was done then. */
function judging(operation: Operation, expected: readonly RegExp[]): Operation['read'] {
  return (answer): Seen => {
    if (answer === null || returnCodeOf(answer) !== RETURN_CODES.USER_FUNCTION_FAILURE) {
      return operation.read(answer);
    }
    const why = Buffer.from(answer).toString('latin1', 8);
    if (![...expected, NO_ENGINE].some((each) => each.test(why)))
      throw new Error(`the function failed: ${why}`);
    return { outcome: 'refused', steps: NO_STEPS };
  };
}

function hexOf(text: string): string {
  return Buffer.from(text, 'latin1').toString('hex');
}

/** What a call that succeeds does to these rows, and answers. */
export function asModelled(rows: Map<string, Uint8Array>, { name, argument }: Called): Answer {
  const words = wordsOf(argument);
  const [value, ...keys] = name === 'works' ? words.slice(1) : words;
  const names = keys.map((key) => key.toString('latin1'));
  const before = rows.get(names[0] as string) ?? null;
  for (const key of names) rows.set(key, value as Buffer);
  return okOptionalBytes(name === 'works' ? null : before);
}

/** The words of an argument. */
function wordsOf(argument: Uint8Array | null): Buffer[] {
  const words = Buffer.from(argument ?? '')
    .toString('latin1')
    .split(' ');
  return words.map((word) => Buffer.from(word, 'hex'));
}

type Called = Extract<Update, { kind: 'userFunction' | 'userFunctionNear' }>;
