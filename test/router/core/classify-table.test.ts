/** What is classified by the key alone is classified as the table says. */
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { classify, classifyByTable } from '../../../router/core/classify.ts';
import { KINDS, type Request, rowOf } from '../../../src/protocol/arakoon/request-table.ts';
import { encodeRequest } from '../../../src/protocol/arakoon/requests.ts';
import type { Consistency } from '../../../src/protocol/arakoon/values.ts';

const bytes = fc.uint8Array({ maxLength: 20 }).map((value) => Buffer.from(value));
const consistency: fc.Arbitrary<Consistency> = fc.oneof(
  fc.constant({ kind: 'consistent' } as const),
  fc.constant({ kind: 'noGuarantees' } as const),
  fc.maxSafeInteger().map((slot) => ({ kind: 'atLeast', slot }) as const),
);
/** Whatever requests of one key have beside it. */
const args = fc.record({
  consistency,
  key: bytes.map((value) => value.toString('latin1')),
  value: bytes,
  expected: fc.option(bytes),
  wanted: fc.option(bytes),
  name: bytes.map((value) => value.toString('latin1')),
  argument: fc.option(bytes),
});

test('requests of one key, whose key is all that is looked at', () => {
  const kinds = KINDS.filter((kind) => rowOf(kind).names === 'key');
  assert.equal(kinds.length, 10);
  fc.assert(
    fc.property(fc.constantFrom(...kinds), args, (kind, values) => {
      const body = encodeRequest({ kind, ...values } as Request);
      const byTable = classifyByTable(body);
      assert.equal(classify(body), byTable, kind);
      assert.equal(byTable.kind === 'forward' && byTable.keys, [values.key], kind);
      assert.is(byTable.kind === 'forward' && byTable.isUpdate, rowOf(kind).by === 'log', kind);
    }),
    { numRuns: 500 },
  );
});

test('a key that is cut is left to the table, which refuses it', () => {
  for (const kind of ['set', 'get'] as const) {
    const args = { consistency: { kind: 'consistent' }, key: 'a key', value: Buffer.alloc(0) } as const;
    const body = encodeRequest({ kind, ...args });
    for (let length = 4; length < 4 + 4 + 5; length += 1) {
      const cut = body.subarray(0, length);
      assert.is(classifyByTable(cut).kind, 'answer');
      assert.equal(classify(cut), classifyByTable(cut), `${kind} of ${length} bytes`);
    }
  }
});

test.run();
