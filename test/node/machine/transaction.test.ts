import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Pace } from '../../../node/machine/pace.ts';
import { dataRange, userKey } from '../../../node/machine/store-keys.ts';
import { SlotTransaction } from '../../../node/machine/transaction.ts';
import { MemoryStore } from '../../../node/store/memory-store.ts';
import { digestOfRow } from '../../../src/keyspace/digest.ts';
import { WHOLE } from '../../../src/keyspace/range.ts';
import { bytes } from './cluster.ts';

const KEYS = ['', '\0', 'a', 'a\0', 'a\0\0', 'b', '\xff', '\xff\xff'] as const;
const keyArbitrary = fc.constantFrom(...KEYS);
type Step =
  | { kind: 'put'; key: string; value: string | null }
  | { kind: 'mark' | 'release' | 'rollBack' }
  | { kind: 'scan'; rowsMax: number };
const stepArbitrary: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('put' as const),
      key: keyArbitrary,
      value: fc.option(fc.string()),
    }),
  },
  fc.record({ kind: fc.constantFrom('mark' as const, 'release' as const, 'rollBack' as const) }),
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('scan' as const), rowsMax: fc.integer({ min: 1, max: 4 }) }),
  },
);

function storeOf(rows: readonly (readonly [string, string])[]): MemoryStore {
  const store = new MemoryStore();
  store.commit(new Map(rows.map(([key, value]) => [`\x01${key}`, bytes(value)])), 1);
  return store;
}

function prepared(tx: SlotTransaction): SlotTransaction {
  for (const _ of tx.prepareScan(new Pace())) void _;
  return tx;
}

/** All entries, read in slices of so many rows. */
function scanAll(tx: SlotTransaction, rowsMax: number): [string, string][] {
  const found: [string, string][] = [];
  const { from, to } = dataRange(WHOLE);
  let next: string | null = from;
  while (next !== null) {
    let visits = 0;
    next = tx.scanSlice({ from: next, to }, { rowsMax }, (key, value) => {
      visits += 1;
      found.push([userKey(key), Buffer.from(value).toString('latin1')]);
    });
    assert.ok(visits <= rowsMax, 'a slice ends where it should');
  }
  return found;
}

test('reads, slices and roll backs agree with a model, at boundary keys too', () => {
  fc.assert(
    fc.property(
      fc.dictionary(keyArbitrary, fc.string()),
      fc.array(stepArbitrary, { maxLength: 40 }),
      (base, steps) => {
        const tx = new SlotTransaction(storeOf(Object.entries(base)));
        let model = new Map(Object.entries(base));
        const marks: { mark: number; model: Map<string, string> }[] = [];
        for (const step of steps) {
          const innermost = marks.at(-1);
          switch (step.kind) {
            case 'put':
              tx.putRow(step.key, step.value === null ? null : bytes(step.value));
              if (step.value === null) model.delete(step.key);
              else model.set(step.key, step.value);
              break;
            case 'mark':
              marks.push({ mark: tx.mark(), model: new Map(model) });
              break;
            case 'rollBack':
              if (innermost === undefined) break;
              tx.rollBack(innermost.mark);
              model = new Map(innermost.model);
              break;
            case 'release':
              if (marks.pop() !== undefined) tx.release();
              break;
            default: {
              const expected = [...model].sort(([a], [b]) => (a < b ? -1 : 1));
              const found = scanAll(prepared(tx), step.rowsMax);
              assert.equal(
                found.map(([key]) => key),
                expected.map(([key]) => key),
              );
            }
          }
          for (const key of KEYS) {
            const value = tx.getRow(key);
            assert.is(
              value === undefined ? undefined : Buffer.from(value).toString('latin1'),
              latin1(model.get(key)),
            );
          }
        }
      },
    ),
    { numRuns: 200 },
  );
});

test('nothing that was written is in the view before it is committed', () => {
  const store = storeOf([['a', '1']]);
  const tx = new SlotTransaction(store);
  tx.putRow('a', null);
  tx.putRow('b', bytes('2'));
  assert.ok(store.get('\x01a'));
  assert.not(store.get('\x01b'));
  assert.equal([...tx.changes.keys()], ['\x01a', '\x01b']);
});

test('a slice ends at its bytes, after at least one row', () => {
  const tx = prepared(
    new SlotTransaction(
      storeOf([
        ['a', 'x'.repeat(50)],
        ['b', 'y'],
        ['c', 'z'],
      ]),
    ),
  );
  const seen: string[] = [];
  const next = tx.scanSlice(dataRange(WHOLE), { rowsMax: 10, bytesMax: 10 }, (key) => seen.push(key));
  assert.equal(seen, ['\x01a']);
  assert.is(next, '\x01b');
});

test('touched rows come with their digest before, once, and only where they are watched', () => {
  const tx = new SlotTransaction(storeOf([['a', '1']]));
  tx.putRow('a', bytes('unseen'));
  tx.watch((key) => key < 'm');
  tx.putRow('a', bytes('2'));
  tx.putRow('a', bytes('3'));
  tx.putRow('b', bytes('4'));
  tx.putRow('z', bytes('5'));
  assert.equal(
    [...tx.takeTouched()],
    [
      ['a', digestOfRow(0, 'a', bytes('unseen'))],
      ['b', null],
    ],
  );
  assert.is(tx.takeTouched().size, 0);
});

function latin1(text: string | undefined): string | undefined {
  return text === undefined ? undefined : bytes(text).toString('latin1');
}

test.run();
