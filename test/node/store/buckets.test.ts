/** Buckets against a full count: whatever is written, joined, split and cut, they add up, and stay few. */
import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  BORDERS_MAX_BYTES,
  BUCKETS_MAX,
  Buckets,
  END,
  FIRST,
  type KeptBucket,
  type RowReader,
  rowBytes,
} from '../../../node/store/buckets.ts';

type Rows = Map<string, number>;

function readerOf(rows: Rows): RowReader {
  return (from, to, visit) => {
    for (const key of [...rows.keys()].filter((each) => each >= from && each < to).sort())
      if (!visit(key, rowBytes(key, rows.get(key) as number))) return;
  };
}

function put(buckets: Buckets, rows: Rows, key: string, bytes: number | null): void {
  const before = rows.get(key);
  const size = (of: number | null | undefined): number => (of == null ? 0 : rowBytes(key, of));
  buckets.change(key, (bytes === null ? 0 : 1) - (before === undefined ? 0 : 1), size(bytes) - size(before));
  if (bytes === null) rows.delete(key);
  else rows.set(key, bytes);
}

function fullCount(rows: Rows, from: string, to: string) {
  const within = [...rows].filter(([key]) => key >= from && key < to);
  return { keys: within.length, bytes: within.reduce((sum, [key, bytes]) => sum + rowBytes(key, bytes), 0) };
}

function checkAll(buckets: Buckets, rows: Rows): void {
  const { all } = buckets;
  assert.is(all[0]?.lo, FIRST);
  for (const [at, { lo, keys, bytes }] of all.entries()) {
    const end = all[at + 1]?.lo ?? END;
    assert.ok(lo < end, 'ascending');
    assert.equal({ keys, bytes }, fullCount(rows, lo, end), `bucket ${at} at ${lo}`);
  }
  assert.is(buckets.keys, rows.size);
}

/** What was taken, laid over what was stored before, is what there is. */
function persist(stored: Map<string, KeptBucket>, buckets: Buckets): void {
  const { changed, gone } = buckets.take();
  for (const lo of gone) stored.delete(lo);
  for (const bucket of changed) stored.set(bucket.lo, { ...bucket, above: { ...bucket.above } });
  assert.equal(
    [...stored.keys()].sort(),
    buckets.all.map(({ lo }) => lo),
  );
  assert.equal(
    buckets.all.map((bucket) => stored.get(bucket.lo)),
    [...buckets.all],
  );
}

const keys = fc
  .tuple(fc.constantFrom('a', 'b', 'k', 'kkkkkkkk'), fc.nat(400))
  .map(([head, tail]) => `${FIRST}${head}${tail}`);
const writes = fc.array(fc.tuple(keys, fc.option(fc.nat(50), { nil: null, freq: 4 })), { maxLength: 300 });
const borders = fc.uniqueArray(keys, { maxLength: 6 });

test('they add up after whatever was written, and what is stored of them says the same', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(writes, borders), { maxLength: 8 }), (rounds) => {
      const rows: Rows = new Map();
      const stored = new Map<string, KeptBucket>();
      let buckets = new Buckets();
      for (const [written, fixed] of rounds) {
        for (const [key, bytes] of [...written].sort()) put(buckets, rows, key, bytes);
        buckets.fix(fixed);
        buckets.maintain(readerOf(rows));
        checkAll(buckets, rows);
        for (const border of fixed)
          assert.ok(
            buckets.all.some(({ lo }) => lo === border),
            'a range begins a bucket',
          );
        const [from = FIRST, to = END] = [...fixed].sort();
        assert.equal(buckets.count(from, to), fullCount(rows, from, to));
        persist(stored, buckets);
        buckets = new Buckets([...stored.values()].sort((a, b) => (a.lo < b.lo ? -1 : 1)));
        buckets.fix(fixed);
      }
    }),
    { numRuns: 60 },
  );
});

test('many rows make many buckets of about one size; few rows leave few', () => {
  const rows: Rows = new Map();
  const buckets = new Buckets();
  const key = (at: number): string => `${FIRST}${String(at).padStart(8, '0')}`;
  // A sorted copy of the keys: reading is what takes the time here.
  const sorted: string[] = [];
  const read: RowReader = (from, to, visit) => {
    for (const each of sorted) if (each >= from && each < to && !visit(each, rowBytes(each, 1))) return;
  };
  for (let at = 0; at < 40_000; at += 1) {
    put(buckets, rows, key(at), 1);
    sorted.push(key(at));
    if (at % 2000 === 1999) buckets.maintain(read);
  }
  buckets.maintain(read);
  assert.is(buckets.keys, 40_000);
  const sizes = buckets.all.map((bucket) => bucket.keys);
  assert.ok(sizes.length >= 300 && sizes.length <= BUCKETS_MAX, `${sizes.length}`);
  assert.ok(Math.max(...sizes) <= 2 * 64, `${Math.max(...sizes)}`);
  for (const [at, each] of sorted.entries()) if (at % 50 !== 0) put(buckets, rows, each, null);
  buckets.maintain(read);
  assert.is(buckets.keys, 800);
  assert.ok(buckets.all.length <= 60, `${buckets.all.length}`);
});

test('borders are as short as tells neighbours apart, and all of them are bounded', () => {
  const rows: Rows = new Map();
  const buckets = new Buckets();
  const long = 'x'.repeat(900);
  for (let at = 0; at < 6000; at += 1) put(buckets, rows, `${FIRST}${long}${String(at).padStart(6, '0')}`, 1);
  for (let at = 0; at < 300; at += 1) put(buckets, rows, `${FIRST}${'y'.repeat(2000)}${at}`, 1);
  buckets.fix(Array.from({ length: 3000 }, (_, at) => `${FIRST}${long}${String(2 * at).padStart(6, '0')}`));
  buckets.maintain(readerOf(rows));
  buckets.maintain(readerOf(rows));
  const bytes = buckets.all.reduce((sum, { lo }) => sum + lo.length, 0);
  assert.ok(bytes <= BORDERS_MAX_BYTES, `${bytes}`);
  assert.ok(buckets.all.length <= BUCKETS_MAX, `${buckets.all.length}`);
  assert.is(buckets.keys, 6300);
  assert.ok(buckets.all.every(({ lo }) => lo.length <= 1024));
});

test.run();
