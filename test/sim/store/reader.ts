/** Compares what a store shows with a plain map. */
import type { RowCount } from '../../../node/store/buckets.ts';
import { type StoreKey, TABLES, type View } from '../../../node/store/types.ts';
import type { Range } from '../../../src/keyspace/range.ts';
import { check } from '../base/violation.ts';

export type Rows = ReadonlyMap<StoreKey, Uint8Array>;

/** The range of all clients' keys. */
export const ALL: Range = { lo: '', hi: null };

type Row = readonly [StoreKey, Uint8Array];

/** Every row, in both directions, and every look-up. @throws Violation */
export function checkView(view: View, rows: Rows, what: string): void {
  const expected = [...rows].sort(([a], [b]) => (a < b ? -1 : 1));
  compare(ascending(view), expected, what);
  compare(descending(view), expected, `${what}, backwards`);
  for (const [key, value] of rows)
    check(isSame(view.get(key), value), 'store-image', () => `${what}: ${show(key)} is looked up in vain`);
  const gone = expected.length === 0 ? '\x0100' : `${(expected[0] as Row)[0]}\0`;
  check(
    rows.has(gone) || view.get(gone) === undefined,
    'store-image',
    () => `${what}: ${show(gone)} is there`,
  );
}

/** Without runs they are exact. @throws Violation */
export function checkCounts(rows: Rows, counts: readonly RowCount[]): void {
  let keys = 0;
  let bytes = 0;
  for (const [key, value] of rows) {
    if (!key.startsWith(TABLES.DATA)) continue;
    keys += 1;
    bytes += key.length - TABLES.DATA.length + value.length;
  }
  const [counted] = counts;
  check(
    counted?.keys === keys && counted.bytes === bytes,
    'store-runs',
    () => `counted ${JSON.stringify(counts)}, there are ${keys} keys and ${bytes} bytes`,
  );
}

function ascending(view: View): Row[] {
  const found: Row[] = [];
  let from: StoreKey | null = '';
  while (from !== null) {
    from = view.scan(from, null, (key, value) => {
      found.push([key, value]);
      return true;
    });
  }
  return found;
}

function descending(view: View): Row[] {
  const found: Row[] = [];
  let to: StoreKey | null = null;
  do {
    to = view.scanDown('', to, (key, value) => {
      found.push([key, value]);
      return true;
    });
  } while (to !== null);
  return found.reverse();
}

function compare(found: readonly Row[], expected: readonly Row[], what: string): void {
  const keysOf = (rows: readonly Row[]): string => rows.map(([key]) => show(key)).join(' ');
  const isEqual =
    found.length === expected.length &&
    found.every(([key, value], at) => {
      const [wanted, bytes] = expected[at] as Row;
      return key === wanted && isSame(value, bytes);
    });
  check(
    isEqual,
    'store-image',
    () => `${what}: found ${keysOf(found)}; there should be ${keysOf(expected)}${differing(found, expected)}`,
  );
}

/** Where keys are equal but a value is not. */
function differing(found: readonly Row[], expected: readonly Row[]): string {
  const wanted = new Map(expected);
  const other = found.filter(([key, value]) => {
    const bytes = wanted.get(key);
    return bytes !== undefined && !isSame(value, bytes);
  });
  return other
    .map(([key, value]) => `; ${show(key)} is ${show(Buffer.from(value).toString('latin1'))}`)
    .join('');
}

function isSame(a: Uint8Array | undefined, b: Uint8Array): boolean {
  return a !== undefined && Buffer.compare(a, b) === 0;
}

function show(text: string): string {
  return JSON.stringify(text.slice(0, 12));
}
