import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { rowsIn } from '../../../node/machine/rows.ts';
import { RETURN_CODES } from '../../../src/base/errors.ts';
import { USER_KEY_MAX, VALUE_MAX } from '../../../src/base/limits.ts';
import { WHOLE } from '../../../src/keyspace/range.ts';
import { decodeInt, decodeOptionalBytes, decodeVoid } from '../../../src/protocol/arakoon/replies.ts';
import type { Update } from '../../../src/protocol/arakoon/updates.ts';
import { bytes, failureOf, TestCluster } from './cluster.ts';

type Model = Map<string, string>;
/** What an update is answered: a failure's code and message, or the result as text. */
type Outcome = { code: number; message: string } | { result: string | number | null };

const KEYS = ['', '\0', 'a', 'a\0', 'ab', 'b', '\xff', '\xff\0', '\xff\xff'] as const;
const keys = fc.constantFrom(...KEYS);
const values = fc.constantFrom('', 'x', 'y');
const optionals = fc.option(values).map((value) => (value === null ? null : bytes(value)));
const contents = values.map((value) => bytes(value));
const simple: fc.Arbitrary<Update>[] = [
  fc.record({ kind: fc.constant('set' as const), key: keys, value: contents }),
  fc.record({ kind: fc.constant('delete' as const), key: keys }),
  fc.record({ kind: fc.constant('testAndSet' as const), key: keys, expected: optionals, wanted: optionals }),
  fc.record({ kind: fc.constant('replace' as const), key: keys, wanted: optionals }),
  fc.record({ kind: fc.constant('assert' as const), key: keys, expected: optionals }),
  fc.record({ kind: fc.constant('assertExists' as const), key: keys }),
  fc.record({ kind: fc.constant('deletePrefix' as const), prefix: keys }),
  fc.record({
    kind: fc.constant('assertRange' as const),
    prefix: keys,
    keys: fc.array(keys, { maxLength: 3 }),
  }),
  fc.constant({ kind: 'nop' as const }),
];
const { update: inner } = fc.letrec<{ update: Update }>((tie) => ({
  update: fc.oneof(
    { depthSize: 'small' },
    ...simple.map((arbitrary) => ({ weight: 2, arbitrary })),
    fc.record({
      kind: fc.constantFrom('sequence' as const, 'syncedSequence' as const),
      updates: fc.array(tie('update'), { maxLength: 4 }),
    }),
  ),
}));
const updates = fc.oneof(
  inner,
  fc.record({ kind: fc.constant('confirm' as const), key: keys, value: contents }),
);

/** What an update should do, written down once more and as plainly as can be. */
function evaluate(model: Model, update: Update): Outcome {
  const same = (key: string, expected: Uint8Array | null): boolean =>
    (model.get(key) ?? null) === (expected === null ? null : text(expected));
  const write = (key: string, value: Uint8Array | null): void => {
    if (value === null) model.delete(key);
    else model.set(key, text(value));
  };
  const failed = (code: keyof typeof RETURN_CODES, message: string): Outcome => ({
    code: RETURN_CODES[code],
    message,
  });
  switch (update.kind) {
    case 'set':
    case 'confirm':
      write(update.key, update.value);
      return { result: null };
    case 'delete':
      return model.delete(update.key) ? { result: null } : failed('NOT_FOUND', update.key);
    case 'testAndSet': {
      const before = model.get(update.key) ?? null;
      if (same(update.key, update.expected)) write(update.key, update.wanted);
      return { result: before };
    }
    case 'replace': {
      const before = model.get(update.key) ?? null;
      write(update.key, update.wanted);
      return { result: before };
    }
    case 'assert':
      return same(update.key, update.expected) ? { result: null } : failed('ASSERTION_FAILED', update.key);
    case 'assertExists':
      return model.has(update.key) ? { result: null } : failed('ASSERTION_FAILED', update.key);
    case 'deletePrefix': {
      const doomed = [...model.keys()].filter((key) => key.startsWith(update.prefix));
      for (const key of doomed) model.delete(key);
      return { result: doomed.length };
    }
    case 'assertRange': {
      const found = [...model.keys()].filter((key) => key.startsWith(update.prefix)).sort();
      const wanted = [...new Set(update.keys)].sort();
      return found.join() === wanted.join() && found.length === wanted.length
        ? { result: null }
        : failed('ASSERTION_FAILED', update.prefix);
    }
    case 'sequence':
    case 'syncedSequence': {
      const before = new Map(model);
      for (const each of update.updates) {
        const outcome = evaluate(model, each);
        if ('result' in outcome) continue;
        model.clear();
        for (const [key, value] of before) model.set(key, value);
        return outcome;
      }
      return { result: null };
    }
    default:
      return { result: null };
  }
}

function outcomeOf(update: Update, reply: Uint8Array): Outcome {
  if (reply[0] !== 0) return failureOf({ bytes: reply, hint: null });
  switch (update.kind) {
    case 'testAndSet':
    case 'replace': {
      const before = decodeOptionalBytes(reply);
      return { result: before === null ? null : text(before) };
    }
    case 'deletePrefix':
      return { result: decodeInt(reply) };
    default:
      decodeVoid(reply);
      return { result: null };
  }
}

const text = (value: Uint8Array): string => Buffer.from(value).toString('latin1');
const contentsOf = (cluster: TestCluster): [string, string][] =>
  rowsIn(cluster.store, WHOLE).map(([key, value]) => [key, text(value)]);

test('every update answers and does what a plain model says, alone and in batches', () => {
  fc.assert(
    fc.property(fc.array(fc.array(updates, { minLength: 1, maxLength: 5 }), { maxLength: 8 }), (slots) => {
      const cluster = new TestCluster();
      const model: Model = new Map();
      for (const batch of slots) {
        const answers = cluster.apply(...batch);
        assert.is(answers.length, batch.length);
        for (const [index, update] of batch.entries()) {
          const reply = answers[index]?.bytes as Uint8Array;
          assert.equal(outcomeOf(update, reply), evaluate(model, update), update.kind);
        }
        assert.equal(
          contentsOf(cluster),
          [...model].sort(([a], [b]) => (a < b ? -1 : 1)),
        );
      }
    }),
    { numRuns: 300 },
  );
});

test('one failing update of a batch leaves the others alone', () => {
  const cluster = new TestCluster();
  const answers = cluster.apply(
    { kind: 'set', key: 'a', value: bytes('1') },
    {
      kind: 'sequence',
      updates: [
        { kind: 'set', key: 'b', value: bytes('2') },
        { kind: 'delete', key: 'none' },
      ],
    },
    { kind: 'set', key: 'c', value: bytes('3') },
  );
  assert.equal(
    answers.map(({ bytes: reply }) => reply[0]),
    [0, RETURN_CODES.NOT_FOUND, 0],
  );
  assert.equal(contentsOf(cluster), [
    ['a', '1'],
    ['c', '3'],
  ]);
});

test('a failure inside a nested sequence undoes all of it, and its error is the answer', () => {
  const cluster = new TestCluster();
  cluster.set('kept', '1');
  const answer = cluster.update({
    kind: 'sequence',
    updates: [
      { kind: 'deletePrefix', prefix: '' },
      {
        kind: 'sequence',
        updates: [
          { kind: 'set', key: 'x', value: bytes('1') },
          { kind: 'assertExists', key: 'y' },
        ],
      },
    ],
  });
  assert.equal(failureOf(answer), { code: RETURN_CODES.ASSERTION_FAILED, message: 'y' });
  assert.equal(contentsOf(cluster), [['kept', '1']]);
});

test('assertRange takes the keys in either order', () => {
  const cluster = new TestCluster();
  cluster.set('p1', '');
  cluster.set('p2', '');
  for (const listed of [
    ['p1', 'p2'],
    ['p2', 'p1'],
  ]) {
    decodeVoid(cluster.update({ kind: 'assertRange', prefix: 'p', keys: listed }).bytes);
  }
  const more = cluster.update({ kind: 'assertRange', prefix: 'p', keys: ['p1', 'p2', 'p3'] });
  assert.equal(failureOf(more), { code: RETURN_CODES.ASSERTION_FAILED, message: 'p' });
});

const long = 'k'.repeat(USER_KEY_MAX + 1);
const big = Buffer.alloc(VALUE_MAX + 1);
const TOO_LARGE: { readonly [name: string]: Update } = {
  'set, key': { kind: 'set', key: long, value: bytes('') },
  'set, value': { kind: 'set', key: 'k', value: big },
  delete: { kind: 'delete', key: long },
  'testAndSet, key': { kind: 'testAndSet', key: long, expected: null, wanted: null },
  'testAndSet, value': { kind: 'testAndSet', key: 'k', expected: null, wanted: big },
  'replace, value': { kind: 'replace', key: 'k', wanted: big },
  assert: { kind: 'assert', key: long, expected: null },
  assertExists: { kind: 'assertExists', key: long },
  deletePrefix: { kind: 'deletePrefix', prefix: long },
  assertRange: { kind: 'assertRange', prefix: long, keys: [] },
};
for (const [name, update] of Object.entries(TOO_LARGE)) {
  test(`limits hold alone and inside sequences, which then do nothing: ${name}`, () => {
    const cluster = new TestCluster();
    const first: Update = { kind: 'set', key: 'first', value: bytes('') };
    for (const tried of [update, { kind: 'sequence', updates: [first, update] } as const]) {
      const { code, message } = failureOf(cluster.update(tried));
      assert.is(code, RETURN_CODES.BAD_INPUT);
      assert.match(message, /bytes: the limit is \d+ bytes/);
    }
    assert.equal(contentsOf(cluster), []);
  });
}

test('the longest key and a value at its limit are stored', () => {
  const cluster = new TestCluster();
  const key = '\xff'.repeat(USER_KEY_MAX);
  cluster.set(key, 'v');
  assert.equal(contentsOf(cluster), [[key, 'v']]);
  assert.is(decodeInt(cluster.update({ kind: 'deletePrefix', prefix: key }).bytes), 1);
});

test('sequences nest 64 deep, and no deeper', () => {
  const nested = (depth: number): Update => {
    let update: Update = { kind: 'set', key: 'deep', value: bytes('') };
    for (let level = 0; level < depth; level += 1) update = { kind: 'sequence', updates: [update] };
    return update;
  };
  const cluster = new TestCluster();
  decodeVoid(cluster.update(nested(64)).bytes);
  cluster.delete('deep');
  assert.is(failureOf(cluster.update(nested(65))).code, RETURN_CODES.BAD_INPUT);
  assert.equal(contentsOf(cluster), []);
});

test('an unknown user function is a bad input, also inside a sequence', () => {
  const cluster = new TestCluster();
  const call: Update = { kind: 'userFunction', name: 'f', argument: null };
  for (const update of [call, { kind: 'sequence', updates: [call] } as const]) {
    assert.equal(failureOf(cluster.update(update)), {
      code: RETURN_CODES.BAD_INPUT,
      message: 'unknown function f',
    });
  }
});

test('what is no update is refused, and the rest of the batch goes on', () => {
  const cluster = new TestCluster();
  const batch = Buffer.concat([
    Buffer.from([2, 0, 0, 0, 4, 0, 0, 0, 99, 0, 0, 0, 4, 0, 0, 0]),
    Buffer.from([6, 0, 0, 0]),
  ]);
  const work = cluster.machine.apply(1, batch);
  const end = work.next();
  assert.ok(end.done);
  assert.equal(
    end.value.answers.map((answer) => answer.bytes[0]),
    [RETURN_CODES.BAD_INPUT, 0],
  );
});

test('a prefix delete of very many keys pauses, and nobody sees a part of it', () => {
  const cluster = new TestCluster();
  const sets: Update[] = [];
  for (let n = 0; n < 5000; n += 1) sets.push({ kind: 'set', key: `p${n}`, value: bytes('') });
  cluster.apply(...sets, { kind: 'set', key: 'q', value: bytes('') });
  assert.ok(cluster.turns >= 9, `${cluster.turns} turns for 5,001 updates`);
  const before = rowsIn(cluster.store, WHOLE).length;
  const [answer] = cluster.apply({ kind: 'deletePrefix', prefix: 'p' });
  assert.is(before, 5001);
  assert.ok(cluster.turns >= 9, `${cluster.turns} turns for 5,000 rows`);
  assert.is(decodeInt(answer?.bytes as Uint8Array), 5000);
  assert.equal(contentsOf(cluster), [['q', '']]);
});

test.run();
